/* SPDX-License-Identifier: Apache-2.0
 *
 * What pools of the process scope have handed out: see the header.
 *
 * Concurrency: pools belong to other threads, and may be gone before they are examined. So the kernel copies the
 * memory, and pointers are only followed by further copies. A torn copy is wrong for one look.
 */
#include "pst_late.h"
#include "pst_apr.h"
#include "pst_figure.h"
#include "pst_peek.h"
#include "pst_record.h"
#include "pst_retained.h"

/* Pools examined: the slack of any further ones is as last published. */
#define LOOK_POOLS 512

/* Pools still to be examined. */
#define PENDING 256

/* More than a pool and the record in it. */
#define COPY 512

typedef struct {
    apr_pool_t *pending[PENDING];
    unsigned    count;
    unsigned    budget;
    apr_int64_t late;
} walk_t;

static int push_pool(walk_t *walk, apr_pool_t *pool)
{
    if (pool && walk->count == PENDING) {
        return 0;
    }
    if (pool) {
        walk->pending[walk->count++] = pool;
    }
    return 1;
}

static int peek(void *to, const void *from, apr_size_t size)
{
    return pst_peek(to, (apr_uint64_t)(apr_uintptr_t)from, size);
}

/* A pool that is changing right now is skipped. */
static void add_late(walk_t *walk, const pst_record_t *record, const pst_apr_pool_t *pool)
{
    apr_memnode_t node;
    apr_size_t slack;

    if (record->active != pool->active || !peek(&node, pool->active, sizeof(node))) {
        return;
    }
    slack = record->left + pst_apr_node_slack(&node);
    if (slack <= record->reserved && record->published <= record->reserved) {
        walk->late += (apr_int64_t)record->published - (apr_int64_t)slack;
    }
}

/* @param only_root  only those pools owning allocators that are at the top */
static int look_at_pool(walk_t *walk, apr_pool_t *at, int only_root)
{
    union { pst_apr_pool_t pool; char bytes[COPY]; apr_uint64_t aligned; } copy;
    const pst_record_t *record = (const pst_record_t *)(const void *)(copy.bytes + pst_record_place.first);

    if (!peek(&copy, at, pst_record_place.first + sizeof(*record)) || (only_root && copy.pool.parent)) {
        return 1;
    }
    if (record->magic != pst_record_magic(at)) {
        record = pst_record_find_aside(at);
    }
    if (record && record->account == pst_account_process()) {
        add_late(walk, record, &copy.pool);
        if (!push_pool(walk, copy.pool.child)) {
            return 0;
        }
    }
    return only_root || push_pool(walk, copy.pool.sibling);
}

static int look_below(walk_t *walk)
{
    while (walk->count > 0) {
        if (walk->budget-- == 0 || !look_at_pool(walk, walk->pending[--walk->count], 0)) {
            return 0;
        }
    }
    return 1;
}

void pst_late_beat(pst_shared_child_t *block)
{
    apr_pool_t *owners[LOOK_POOLS];
    unsigned count, i;
    walk_t walk = { .budget = LOOK_POOLS };
    int all = pst_record_place.first && pst_record_place.first + sizeof(pst_record_t) <= COPY;

    count = all ? pst_retained_owners(owners, LOOK_POOLS) : 0;
    for (i = 0; i < count && all; i++) {
        all = look_at_pool(&walk, owners[i], 1) && look_below(&walk);
    }
    walk.late = all ? walk.late : 0;
    pst_store(&block->slack_late_bytes, walk.late > 0 ? (apr_uint64_t)walk.late : 0);
    pst_store(&block->slack_early_bytes, walk.late < 0 ? (apr_uint64_t)-walk.late : 0);
}
