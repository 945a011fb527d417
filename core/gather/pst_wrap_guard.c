/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers in front of the others while pools are guarded: operations on an ended pool are reported before they do
 * harm.
 *
 * Place in the flow: APR calls -> HERE -> wrappers -> accounts -> board.
 *
 * A pool that is destroyed or cleared again is left alone: it has no nodes left to free, and no list to put them in.
 */
#include "pst_fault.h"
#include "pst_guarded.h"
#include "pst_wrap.h"

void pst_wrap_guard_pool_clear(apr_pool_t *pool)
{
    if (pst_fault_is_dead(pool, PST_MISUSE_DOUBLE_DESTROY)) {
        return;
    }
    pst_wrap_pool_clear(pool);
}

void pst_wrap_guard_pool_destroy(apr_pool_t *pool)
{
    if (pst_fault_is_dead(pool, PST_MISUSE_DOUBLE_DESTROY)) {
        return;
    }
    pst_wrap_pool_destroy(pool);
}

void pst_wrap_guard_allocator_owner_set(apr_allocator_t *allocator, apr_pool_t *pool)
{
    pst_real.guard_allocator_owner_set(allocator, pool);
    pst_guarded_owner(allocator);
}

void pst_wrap_guard_allocator_mutex_set(apr_allocator_t *allocator, apr_thread_mutex_t *mutex)
{
    pst_real.guard_allocator_mutex_set(allocator, mutex);
    pst_guarded_mutex(allocator, mutex);
}
