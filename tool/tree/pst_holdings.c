/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that another process's APR holds: see the header.
 */
#include "pst_holdings.h"

#define LOOK_BACK 256u      /* how many found nodes before one may extend over it */

enum { OF_POOL = 1, FREE = 2 };

/* Every node of pools and free lists. A pool's own node is left out if `self` says so. */
static void know_nodes(pst_addresses_t *known, const pst_forest_t *forest, int self)
{
    uint32_t i, k;

    for (i = 0; i < forest->count; i++) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        for (k = self ? 0 : 1; k < pool->own.nodes; k++) {
            pst_addresses_set(known, pool->nodes[k], OF_POOL);
        }
    }
    for (i = 0; i < forest->allocator_count; i++) {
        for (k = 0; k < forest->allocators[i].node_count; k++) {
            pst_addresses_set(known, forest->allocators[i].nodes[k], FREE);
        }
    }
}

/* Does it lie inside a known node, after its head? `at` is an index of search. */
static int is_covered(const pst_addresses_t *known, const pst_search_t *search, uint32_t at)
{
    uint32_t i, end = at > LOOK_BACK ? at - LOOK_BACK : 0;

    for (i = at; i-- > end;) {
        const pst_found_t *before = &search->found[i];

        if (before->at + before->size > search->found[at].at && pst_addresses_get(known, before->at) != PST_NO_NUMBER) {
            return 1;
        }
    }
    return 0;
}

/* A dead pool's allocator may be gone, and something else may be in its place. */
static int is_alive(pst_forest_t *forest, uintptr_t at)
{
    pst_apr_allocator_t allocator;
    pst_pool_copy_t copy, owner;

    return pst_forest_is_pool(forest->remote, at, &copy) && !copy.pool.parent
           && pst_forest_is_allocator(forest->remote, (uintptr_t)copy.pool.allocator, &allocator)
           && (!allocator.owner || pst_forest_is_pool(forest->remote, (uintptr_t)allocator.owner, &owner));
}

uint32_t pst_holdings_add_roots(pst_forest_t *forest, const pst_search_t *search)
{
    pst_addresses_t known = { .size = 0 };
    uint32_t i, added = 0;

    know_nodes(&known, forest, 1);
    for (i = 0; i < search->count; i++) {
        const pst_found_t *found = &search->found[i];
        uintptr_t pool = found->at + APR_MEMNODE_T_SIZE;

        if (found->rootlike && pst_addresses_get(&known, found->at) == PST_NO_NUMBER && !is_covered(&known, search, i)
            && is_alive(forest, pool)) {
            added += (uint32_t)pst_forest_add_root(forest, pool);
        }
    }
    pst_addresses_free(&known);
    return added;
}

uint32_t pst_holdings_drop_dead(pst_forest_t *forest)
{
    pst_addresses_t known = { .size = 0 };
    uint32_t i, dropped = 0;

    know_nodes(&known, forest, 0);
    for (i = forest->root_count; i-- > 1;) {
        if (pst_addresses_get(&known, forest->roots[i] - APR_MEMNODE_T_SIZE) != PST_NO_NUMBER) {
            pst_forest_drop_root(forest, forest->roots[i]);
            dropped++;
        }
    }
    pst_addresses_free(&known);
    return dropped;
}

/* Whether a node looks like a bucket allocator, or a bucket, after its head. */
static int is_of_buckets(const pst_forest_t *forest, const pst_found_t *found)
{
    uint32_t allocator = pst_addresses_get(&forest->known_allocators, found->first[1]);

    return found->third == found->at                /* a bucket, whose head names the node it is in */
           || (allocator != PST_NO_NUMBER           /* the list itself: its pool, its allocator */
               && (!found->first[0] || pst_addresses_get(&forest->known, found->first[0]) != PST_NO_NUMBER));
}

void pst_holdings_sum(pst_holdings_t *holdings, const pst_forest_t *forest, const pst_search_t *search)
{
    pst_addresses_t known = { .size = 0 };
    uint32_t i;

    *holdings = (pst_holdings_t){ 0 };
    for (i = 0; i < forest->count; i++) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        if (pool->parent == PST_NONE && pool->at == forest->roots[0]) {
            holdings->tree = pool->all.reserved;
        }
        else if (pool->parent == PST_NONE) {
            holdings->unmanaged += pool->all.reserved;
            holdings->unmanaged_pools += (uint32_t)pool->all.pools;
            holdings->inherited += pool->has_record ? 0 : pool->all.reserved;
        }
    }
    for (i = 0; i < forest->allocator_count; i++) {
        holdings->retained += forest->allocators[i].retained;
    }
    know_nodes(&known, forest, 1);
    for (i = 0; i < search->count; i++) {
        const pst_found_t *found = &search->found[i];

        if (pst_addresses_get(&known, found->at) != PST_NO_NUMBER || is_covered(&known, search, i)) {
            continue;
        }
        if (found->state == PST_FOUND_LIVE && is_of_buckets(forest, found)) {
            holdings->buckets += found->size;
            continue;
        }
        holdings->elsewhere += found->size;
        holdings->elsewhere_nodes++;
        if (found->state == PST_FOUND_UNKNOWN) {
            holdings->guesses = 1;
            holdings->guessed += is_of_buckets(forest, found) ? found->size : 0;
        }
    }
    holdings->held = holdings->tree + holdings->unmanaged + holdings->buckets + holdings->retained;
    pst_addresses_free(&known);
}

void pst_holdings_check(pst_holdings_t *holdings, const pst_forest_t *forest)
{
    pst_holdings_t again;
    pst_search_t search;

    pst_search(forest->remote, forest->roots[0] - APR_MEMNODE_T_SIZE, &search);
    pst_holdings_sum(&again, forest, &search);
    holdings->moved = search.cut || again.buckets != holdings->buckets || again.elsewhere != holdings->elsewhere
                      || again.elsewhere_nodes != holdings->elsewhere_nodes;
    pst_search_free(&search);
}
