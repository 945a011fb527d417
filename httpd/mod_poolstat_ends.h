/* SPDX-License-Identifier: Apache-2.0
 *
 * How children end: by which signal, and whether it was intended. The parent alone.
 */
#ifndef MOD_POOLSTAT_ENDS_H
#define MOD_POOLSTAT_ENDS_H

#include "mod_poolstat_private.h"

#include <http_core.h>
#include <signal.h>

/** Parent, with each configuration: from now on intended ends of its children are told from unintended ones. */
void pst_ends_post_config(void);

/** Parent, every ten seconds or so: look at what the kernel's OOM killer did. */
void pst_ends_monitor(void);

/** Hook, any process: what httpd logs about the end of a child; only the parent uses it. */
void pst_ends_error_log(const ap_errorlog_info *info, const char *text);

/** Parent, with a board, before a child's block is released: record what it had, if its end was not intended. */
void pst_ends_child(const server_rec *s, pid_t pid);

#endif /* MOD_POOLSTAT_ENDS_H */
