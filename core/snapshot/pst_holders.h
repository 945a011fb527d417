/* SPDX-License-Identifier: Apache-2.0
 *
 * Who holds memory and who ever took it, by module and by hook: call sites added up by the module that pst_blame.h
 * names, and by the httpd hook that ran.
 */
#ifndef PST_HOLDERS_H
#define PST_HOLDERS_H

#include "pst_snapshot.h"

/** Which memory: pools are one of these. */
typedef enum { PST_HELD_POOLS = 0, PST_HELD_HEAP, PST_HELD_MAPPED, PST_HELD_STACK, PST_HELD_COUNT } pst_held_e;

/** The word for it; "?" if out of range. */
const char *pst_held_word(unsigned held);

/** One module, or one module in one hook. All bytes are estimates from samples. */
typedef struct pst_holder_t {
    const char  *module;        /**< of the snapshot; NULL: nobody is to blame, or the call site found no row */
    const char  *hook;          /**< "fixups"; NULL: of all hooks, or outside of any */
    apr_uint64_t live[PST_HELD_COUNT], ever[PST_HELD_COUNT]; /**< bytes */
    apr_uint64_t live_all, ever_all;
    apr_uint64_t samples;       /**< ever */
} pst_holder_t;

struct pst_holders_t {
    pst_holder_t *modules;      /**< most live bytes first */
    apr_uint32_t  module_count;
    pst_holder_t *hooks;        /**< most bytes ever first */
    apr_uint32_t  hook_count;
};

/** Sum up all call sites in the snapshot, into its `holders`, of pool. Takes the loader's lock, for names of hooks. */
void pst_holders_take(pst_snapshot_t *snapshot, apr_pool_t *pool);

#endif /* PST_HOLDERS_H */
