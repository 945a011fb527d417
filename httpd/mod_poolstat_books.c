/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of this child: one keeper, which the watchdog and the limits share.
 */
#include "mod_poolstat_private.h"
#include "pst_books.h"
#include "pst_runtime.h"
#include "pst_instrument.h"

static struct {
    pst_shared_child_t *block;
    pst_books_keeper_t  keeper;
} g;

void pst_own_books_start(pst_shared_child_t *block)
{
    g.block = block;
    pst_books_start(block, ap_thread_stacksize, pst_instrument_nodes_in_heap());
}

void pst_own_books_beat(apr_uint64_t now, apr_uint32_t interval)
{
    pst_books_beat(&g.keeper, g.block, 0, now, interval);
}

void pst_own_books_sum(apr_uint64_t now)
{
    pst_runtime_give_back();
    pst_books_sum(&g.keeper, g.block, now);
}

apr_uint64_t pst_own_books_pss(void)
{
    return g.keeper.pss;
}

void pst_own_books_refresh(void)
{
    pst_books_refresh(&g.keeper);
}
