/* SPDX-License-Identifier: Apache-2.0
 *
 * What modules leave behind when they are configured: shared memory, pools that outlive the configuration, heap.  The
 * parent alone.
 */
#ifndef MOD_POOLSTAT_RELOAD_H
#define MOD_POOLSTAT_RELOAD_H

#include "mod_poolstat_private.h"
#include "pst_generation.h"

/** When hooks are registered. @param last our last post_config hook; it is registered here */
void pst_reload_register(ap_HOOK_post_config_t *last);

/** In the hook after all others: stop measuring and restore the hooks. */
void pst_reload_ends(void);

/** Add the result to the record of the generation, once that exists. */
void pst_reload_tell(const pst_board_t *board, apr_uint32_t generation);

/** Parent, every ten seconds or so: publish shared memory on the board. */
void pst_reload_monitor(const pst_board_t *board);

#endif /* MOD_POOLSTAT_RELOAD_H */
