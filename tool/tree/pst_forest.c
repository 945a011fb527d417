/* SPDX-License-Identifier: Apache-2.0
 *
 * The pools of another process: see the header.  Here: rounds, links, sums.  How one pool is
 * read is in pst_forest_pool.c.
 */
#include "pst_forest_pool.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS      8           /* how often changed pools are read again */
#define TORN_ROUNDS 64          /* while a link leads nowhere, as more may lie behind it */
#define QUIET_ROUNDS 16         /* after this many without a change a link is taken to lead nowhere: a pool
                                   that is destroyed and made again in its old place leaves no other trace */
#define MAX_POOLS   (1u << 18)  /* about 150 MB of our memory */
#define MAX_ALLOCATORS (1u << 16)
#define FREE_NODES  (1u << 20)  /* of one allocator */
#define CHECK_POOLS 4096u       /* checked by one call */

void pst_forest_init(pst_forest_t *forest, pst_remote_t *remote)
{
    memset(forest, 0, sizeof(*forest));
    forest->remote = remote;
}

void pst_forest_free(pst_forest_t *forest)
{
    uint32_t i;

    for (i = 0; i < forest->pool_count; i++) {
        free(forest->pools[i].resources);
        free(forest->pools[i].nodes);
    }
    for (i = 0; i < forest->allocator_count; i++) {
        free(forest->allocators[i].nodes);
    }
    free(forest->pools);
    free(forest->order);
    free(forest->roots);
    free(forest->allocators);
    pst_addresses_free(&forest->known);
    pst_addresses_free(&forest->known_allocators);
    memset(forest, 0, sizeof(*forest));
}

/* Room for one more. @return 0 if there is no memory */
static int grow_array(void *array, uint32_t count, uint32_t *room, size_t size)
{
    void **at = array, *more;
    uint32_t wanted = *room ? *room * 2 : 256;

    if (count < *room) {
        return 1;
    }
    more = realloc(*at, (size_t)wanted * size);
    if (!more) {
        return 0;
    }
    *at = more;
    *room = wanted;
    return 1;
}

int pst_forest_add_root(pst_forest_t *forest, uintptr_t at)
{
    uint32_t i;

    for (i = 0; i < forest->root_count; i++) {
        if (forest->roots[i] == at) {
            return 0;
        }
    }
    if (!grow_array(&forest->roots, forest->root_count, &forest->root_room, sizeof(forest->roots[0]))) {
        forest->no_memory = 1;
        return 0;
    }
    forest->roots[forest->root_count++] = at;
    return 1;
}

void pst_forest_drop_root(pst_forest_t *forest, uintptr_t at)
{
    uint32_t i, kept = 0;

    for (i = 0; i < forest->root_count; i++) {
        if (forest->roots[i] != at) {
            forest->roots[kept++] = forest->roots[i];
        }
    }
    forest->root_count = kept;
}

uintptr_t pst_forest_root_of(pst_remote_t *remote, uintptr_t pool)
{
    pst_pool_copy_t copy;
    unsigned tries;

    for (tries = 0; tries < 1024; tries++) {
        if (!pst_forest_is_pool(remote, pool, &copy)) {
            return 0;
        }
        if (!copy.pool.parent) {
            return pool;
        }
        pool = (uintptr_t)copy.pool.parent;
    }
    return 0;
}

/* -- links ---------------------------------------------------------------- */

/* A pool to visit, because something points to it. */
typedef struct {
    uintptr_t at;
    uint32_t  parent;       /* of which it is a child or grandchild, or PST_NONE */
} visit_t;

typedef struct {
    visit_t *at;
    uint32_t count, room;
} visits_t;

static void push_visit(pst_forest_t *forest, visits_t *visits, uintptr_t at, uint32_t parent)
{
    if (!at) {
        return;
    }
    if (!grow_array(&visits->at, visits->count, &visits->room, sizeof(visits->at[0]))) {
        forest->no_memory = 1;
        return;
    }
    visits->at[visits->count++] = (visit_t){ at, parent };
}

/* The entry for an address, created if there is none. */
static uint32_t entry_of(pst_forest_t *forest, uintptr_t at)
{
    uint32_t i = pst_addresses_get(&forest->known, at), room = forest->pool_room;

    if (i != PST_NO_NUMBER) {
        return i;
    }
    if (forest->pool_count >= MAX_POOLS) {
        forest->cut = 1;
        return PST_NONE;
    }
    if (!grow_array(&forest->pools, forest->pool_count, &room, sizeof(forest->pools[0]))
        || !pst_addresses_set(&forest->known, at, forest->pool_count)) {
        forest->pool_room = room;
        forest->no_memory = 1;
        return PST_NONE;
    }
    if (room != forest->pool_room) {
        uint32_t *more = realloc(forest->order, (size_t)room * sizeof(*more));

        forest->pool_room = room;
        if (!more) {
            forest->no_memory = 1;
            return PST_NONE;
        }
        forest->order = more;
    }
    i = forest->pool_count++;
    memset(&forest->pools[i], 0, sizeof(forest->pools[i]));
    forest->pools[i].at = at;
    forest->pools[i].stale = 1;
    return i;
}

/* Attach a pool below its parent. */
static void hang(pst_forest_t *forest, uint32_t i, uint32_t parent)
{
    pst_tree_pool_t *pool = &forest->pools[i];

    pool->round = forest->round;
    pool->parent = parent;
    pool->child = pool->sibling = pool->last = PST_NONE;
    pool->depth = 0;
    if (parent != PST_NONE) {
        pst_tree_pool_t *above = &forest->pools[parent];

        pool->depth = above->depth + 1;
        if (above->child == PST_NONE) {
            above->child = i;
        }
        else {
            forest->pools[above->last].sibling = i;
        }
        above->last = i;
    }
    forest->order[forest->count++] = i;
}

/* Visit a pool that something points to. @return 0: there is no pool of that parent, or it was visited before */
static int visit(pst_forest_t *forest, const visit_t *to)
{
    uintptr_t parent = to->parent == PST_NONE ? 0 : forest->pools[to->parent].at;
    uint32_t i = entry_of(forest, to->at);
    pst_tree_pool_t *pool;

    if (i == PST_NONE) {
        return 0;
    }
    pool = &forest->pools[i];
    if (pool->round == forest->round || (pool->stale && !pst_forest_read_pool(forest, pool))
        || (uintptr_t)pool->copy.pool.parent != parent) {
        return 0;
    }
    hang(forest, i, to->parent);
    return 1;
}

/* Visit everything that can be reached from the roots. */
static void follow_links(pst_forest_t *forest)
{
    visits_t visits = { 0 };
    visit_t to;
    uint32_t i, before;

    forest->round++;
    forest->count = 0;
    forest->cut = 0;
    for (i = forest->root_count; i-- > 0;) {
        push_visit(forest, &visits, forest->roots[i], PST_NONE);
    }
    while (visits.count > 0 && !forest->remote->late && !forest->remote->gone && !forest->no_memory) {
        to = visits.at[--visits.count];
        before = forest->count;
        if (visit(forest, &to)) {
            const pst_tree_pool_t *pool = &forest->pools[forest->order[before]];

            if (to.parent != PST_NONE) {
                push_visit(forest, &visits, (uintptr_t)pool->copy.pool.sibling, to.parent);
            }
            push_visit(forest, &visits, (uintptr_t)pool->copy.pool.child, forest->order[before]);
        }
        else if (to.parent != PST_NONE) {
            forest->pools[to.parent].flags |= PST_POOL_TORN;
            forest->pools[to.parent].stale = 1;
        }
    }
    if (visits.count) {
        forest->cut = 1;
    }
    free(visits.at);
}

/* -- allocators ------------------------------------------------------------ */

/* Read the free lists. An allocator in use is read while its lists change. */
static void read_allocator(pst_forest_t *forest, pst_tree_allocator_t *allocator)
{
    pst_remote_t *remote = forest->remote;
    uint32_t budget = FREE_NODES, power, length, i;

    allocator->retained = 0;
    allocator->node_count = 0;
    allocator->flags = 0;
    allocator->stale = 0;
    if (!pst_forest_is_allocator(remote, allocator->at, &allocator->copy)) {
        allocator->flags |= PST_POOL_TORN;
        return;
    }
    for (i = 0; i < PST_APR_FREE_LISTS; i++) {
        uintptr_t at = (uintptr_t)allocator->copy.free[i], tortoise = 0;
        apr_memnode_t node;

        for (power = 1, length = 0; at; at = (uintptr_t)node.next) {
            if (at == tortoise || !pst_remote_read(remote, at, &node, sizeof(node))
                || !pst_forest_is_node(remote, at, &node)) {
                allocator->flags |= PST_POOL_TORN;
                break;
            }
            if (budget-- == 0 || !grow_array(&allocator->nodes, allocator->node_count, &allocator->node_room,
                                             sizeof(allocator->nodes[0]))) {
                allocator->flags |= PST_POOL_CUT;
                return;
            }
            allocator->nodes[allocator->node_count++] = at;
            allocator->retained += pst_forest_node_size(at, &node);
            if (++length == power) {
                power *= 2;
                length = 0;
                tortoise = at;
            }
        }
    }
}

static void read_allocators(pst_forest_t *forest)
{
    uint32_t i, k;

    for (i = 0; i < forest->count && !forest->remote->late; i++) {
        uintptr_t at = (uintptr_t)forest->pools[forest->order[i]].copy.pool.allocator;
        pst_tree_allocator_t *allocator;

        k = pst_addresses_get(&forest->known_allocators, at);
        if (k == PST_NO_NUMBER) {
            k = forest->allocator_count;
            if (k >= MAX_ALLOCATORS) {
                forest->cut = 1;
                continue;
            }
            if (!grow_array(&forest->allocators, k, &forest->allocator_room, sizeof(forest->allocators[0]))
                || !pst_addresses_set(&forest->known_allocators, at, k)) {
                forest->no_memory = 1;
                return;
            }
            forest->allocator_count++;
            memset(&forest->allocators[k], 0, sizeof(forest->allocators[k]));
            forest->allocators[k].at = at;
            forest->allocators[k].stale = 1;
        }
        allocator = &forest->allocators[k];
        if (allocator->round != forest->round) {
            allocator->round = forest->round;
            if (allocator->stale || allocator->flags) {
                read_allocator(forest, allocator);
            }
        }
    }
    for (i = 0, k = 0; i < forest->allocator_count; i++) {    /* those that no pool has any longer */
        if (forest->allocators[i].round == forest->round) {
            forest->allocators[k] = forest->allocators[i];
            pst_addresses_set(&forest->known_allocators, forest->allocators[k].at, k);
            k++;
        }
        else {
            pst_addresses_set(&forest->known_allocators, forest->allocators[i].at, PST_NO_NUMBER);
            free(forest->allocators[i].nodes);
        }
    }
    forest->allocator_count = k;
}

/* -- rounds ---------------------------------------------------------------- */

/* Check a few pools or allocators by one call. @return how many have changed */
static uint32_t check_some(pst_forest_t *forest, pst_piece_read_t *pieces, char *fresh, uint32_t from, uint32_t count)
{
    const size_t room = sizeof(pst_pool_copy_t) + sizeof(apr_memnode_t);
    uint32_t i, changed = 0;

    for (i = 0; i < count; i++) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[from + i]];
        char *to = fresh + i * room;

        pieces[2 * i] = (pst_piece_read_t){ pool->at - APR_MEMNODE_T_SIZE, to, sizeof(pst_pool_copy_t), 0 };
        pieces[2 * i + 1] = (pst_piece_read_t){ pool->active_at, to + sizeof(pst_pool_copy_t),
                                                sizeof(apr_memnode_t), 0 };
    }
    pst_remote_read_many(forest->remote, pieces, 2 * (apr_size_t)count);
    for (i = 0; i < count; i++) {
        pst_tree_pool_t *pool = &forest->pools[forest->order[from + i]];
        const char *now = fresh + i * room;

        if (!pieces[2 * i].done || !pieces[2 * i + 1].done || memcmp(now, &pool->copy, sizeof(pst_pool_copy_t)) != 0
            || memcmp(now + sizeof(pst_pool_copy_t), &pool->active, sizeof(apr_memnode_t)) != 0) {
            pool->stale = 1;
            changed++;
        }
        else if (pool->stale && !(pool->flags & PST_POOL_TORN)) {
            changed++;      /* it kept changing while it was read */
        }
    }
    return changed;
}

static uint32_t check_allocators(pst_forest_t *forest)
{
    pst_apr_allocator_t copy;
    uint32_t i, changed = 0;

    for (i = 0; i < forest->allocator_count; i++) {
        pst_tree_allocator_t *allocator = &forest->allocators[i];

        if (!pst_remote_read(forest->remote, allocator->at, &copy, sizeof(copy))
            ? !(allocator->flags & PST_POOL_TORN) : memcmp(&copy, &allocator->copy, sizeof(copy)) != 0) {
            allocator->stale = 1;
            changed++;
        }
    }
    return changed;
}

/* Is everything that was read still the same? @return how many are not */
static uint32_t check(pst_forest_t *forest)
{
    pst_piece_read_t *pieces = malloc(2 * CHECK_POOLS * sizeof(*pieces));
    char *fresh = malloc(CHECK_POOLS * (sizeof(pst_pool_copy_t) + sizeof(apr_memnode_t)));
    uint32_t from, count, changed = 0;

    if (!pieces || !fresh) {
        forest->no_memory = 1;
    }
    for (from = 0; from < forest->count && !forest->no_memory; from += count) {
        count = forest->count - from < CHECK_POOLS ? forest->count - from : CHECK_POOLS;
        changed += check_some(forest, pieces, fresh, from, count);
    }
    free(pieces);
    free(fresh);
    return changed + check_allocators(forest);
}

static int has_torn(const pst_forest_t *forest)
{
    uint32_t i;

    for (i = 0; i < forest->count && !(forest->pools[forest->order[i]].flags & PST_POOL_TORN); i++) {
    }
    return i < forest->count;
}

void pst_forest_read(pst_forest_t *forest)
{
    uint32_t round, i, quiet = 0;

    for (round = 0; round < TORN_ROUNDS; round++) {
        if (round && has_torn(forest)) {
            pst_remote_look(forest->remote);    /* mappings made since the last look also seem to lead nowhere */
        }
        follow_links(forest);
        read_allocators(forest);
        forest->changed = check(forest);
        quiet = forest->changed ? 0 : quiet + 1;
        if (forest->remote->late || forest->remote->gone || forest->no_memory
            || (has_torn(forest) ? quiet == QUIET_ROUNDS : !forest->changed || round >= ROUNDS - 1)) {
            break;
        }
    }
    for (i = 0; i < forest->count; i++) {
        pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        if (pool->stale) {
            pool->flags |= pool->flags & PST_POOL_TORN && !forest->changed ? 0 : PST_POOL_CHANGED;
        }
    }
    for (i = 0; i < forest->allocator_count; i++) {
        if (forest->allocators[i].stale) {
            forest->allocators[i].flags |= PST_POOL_CHANGED;
        }
    }
}

static void add_sum(pst_tree_sum_t *to, const pst_tree_sum_t *what)
{
    to->pools += what->pools;
    to->nodes += what->nodes;
    to->reserved += what->reserved;
    to->used += what->used;
}

/* Parents come before their children in order: backwards, each is whole when it is added to its parent. */
void pst_forest_sum(pst_forest_t *forest)
{
    uint32_t i;

    for (i = 0; i < forest->count; i++) {
        forest->pools[forest->order[i]].all = forest->pools[forest->order[i]].own;
    }
    for (i = forest->count; i-- > 0;) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        if (pool->parent != PST_NONE) {
            add_sum(&forest->pools[pool->parent].all, &pool->all);
        }
    }
}
