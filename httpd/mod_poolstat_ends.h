/* SPDX-License-Identifier: Apache-2.0
 *
 * How children end: by which signal, and whether that was meant.  The parent alone.
 */
#ifndef MOD_POOLSTAT_ENDS_H
#define MOD_POOLSTAT_ENDS_H

#include "mod_poolstat_private.h"

#include <http_core.h>
#include <signal.h>

/** Parent, with each configuration: from now on the ends of its children are told apart. */
void pst_ends_post_config(void);

/** Parent, every ten seconds or so: look at what the kernel's OOM killer did. */
void pst_ends_monitor(void);

/** Hook, any process: what httpd says of the end of a child is for the parent. */
void pst_ends_error_log(const ap_errorlog_info *info, const char *text);

/** Parent, with a board, before a child's block is released: write down what it had, if its end was not meant. */
void pst_ends_child(const server_rec *s, pid_t pid);

#endif /* MOD_POOLSTAT_ENDS_H */
