/* SPDX-License-Identifier: Apache-2.0
 *
 * For units about what a child does to itself: this process as a fully instrumented child, on its own board, and
 * transaction pools as event and worker make them.
 */
#ifndef PST_CHILD_DOUBLE_H
#define PST_CHILD_DOUBLE_H

#include "board_double.h"
#include "pst_account.h"
#include "pst_apr.h"
#include "pst_instrument.h"

static pst_board_t board;
static pst_shared_child_t *block;
static apr_pool_t *base;

/* @return 1 if everything is observed */
static inline int start_child(void)
{
    const char *reason;

    apr_pool_create(&base, NULL);
    make_board(&board, 2, 8, base);
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    return pst_account_start(&board, block) == APR_SUCCESS
           && pst_instrument_start(base, PST_LEVEL_FULL, &reason) == PST_LEVEL_FULL;
}

static inline apr_pool_t *transaction(apr_pool_t *parent, apr_size_t limit)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    apr_allocator_create(&allocator);
    apr_allocator_max_free_set(allocator, limit);
    apr_pool_create_ex(&pool, parent, NULL, allocator);
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "transaction");
    return pool;
}

/* Bytes in the free list of its allocator. */
static inline apr_size_t retained(apr_pool_t *pool)
{
    return pst_apr_retained(pst_apr_pool(pool)->allocator, 0, 1000000);
}

#endif /* PST_CHILD_DOUBLE_H */
