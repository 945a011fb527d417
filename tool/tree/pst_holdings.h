/* SPDX-License-Identifier: Apache-2.0
 *
 * All that another process's APR holds, seen from outside: the tree, the unmanaged
 * pools, what allocators retain, bucket nodes, and nodes of which nobody knows whose they are.
 * Puts together what the forest and the search found.  Command only.
 */
#ifndef PST_HOLDINGS_H
#define PST_HOLDINGS_H

#include "pst_forest.h"
#include "pst_search.h"

typedef struct pst_holdings_t {
    uint64_t tree;              /**< reserved below the global pool */
    uint64_t unmanaged;         /**< reserved by pools of no tree, and below them */
    uint64_t inherited;         /**< of these, what has no record of mod_poolstat's: made before the child was, and
                                     never met since */
    uint64_t buckets;           /**< nodes that bucket allocators have */
    uint64_t retained;          /**< in free lists */
    uint64_t elsewhere;         /**< shaped like nodes, in none of these places */
    uint64_t held;              /**< the sum, but for elsewhere */
    uint64_t guessed;           /**< of elsewhere, what looks like bucket nodes: some may be dead, nothing tells which
                                     */
    uint32_t unmanaged_pools, elsewhere_nodes;
    int      guesses;           /**< where unmanaged pools and bucket nodes are is a guess: malloc does not tell what of
                                     it lives */
    int      moved;             /**< nodes outside of pools came or went while they were looked for */
} pst_holdings_t;

/** Make roots of the pools without a parent that the search found; then the forest is to be read again. @return how
 *  many */
uint32_t pst_holdings_add_roots(pst_forest_t *forest, const pst_search_t *search);

/** Take out roots that turned out to be dead: in a free list, in another pool's node. @return how many */
uint32_t pst_holdings_drop_dead(pst_forest_t *forest);

/** Add up. The forest is summed up. */
void pst_holdings_sum(pst_holdings_t *holdings, const pst_forest_t *forest, const pst_search_t *search);

/** Search once more, and set moved if not the same is found. After the last read of the forest. */
void pst_holdings_check(pst_holdings_t *holdings, const pst_forest_t *forest);

#endif /* PST_HOLDINGS_H */
