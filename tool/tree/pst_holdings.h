/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that another process's APR holds, seen from outside: the tree, the unmanaged pools,
 * what allocators retain, bucket nodes, and nodes of unknown owner. Combines what the forest and
 * the search found.  Command only.
 */
#ifndef PST_HOLDINGS_H
#define PST_HOLDINGS_H

#include "pst_forest.h"
#include "pst_search.h"

typedef struct pst_holdings_t {
    uint64_t tree;              /**< reserved below the global pool */
    uint64_t unmanaged;         /**< reserved by pools outside the tree, and below them */
    uint64_t inherited;         /**< of these, what has no record of mod_poolstat: made before the
                                     child, and never met since */
    uint64_t buckets;           /**< nodes of bucket allocators */
    uint64_t retained;          /**< in free lists */
    uint64_t elsewhere;         /**< shaped like nodes, in none of these places */
    uint64_t held;              /**< the sum, without `elsewhere` */
    uint64_t guessed;           /**< of `elsewhere`, what looks like bucket nodes: some may be dead, it is not known
                                 * which
                                     */
    uint32_t unmanaged_pools, elsewhere_nodes;
    int      guesses;           /**< unmanaged pools and bucket nodes are guesses: malloc does not
                                     tell which of them are live */
    int      moved;             /**< nodes outside pools appeared or disappeared during the search */
} pst_holdings_t;

/** Make roots of the pools without a parent that the search found; the forest must be read again afterwards. @return
 * how
 *  many */
uint32_t pst_holdings_add_roots(pst_forest_t *forest, const pst_search_t *search);

/** Remove roots that turned out to be dead: in a free list, in another pool's node. @return how many */
uint32_t pst_holdings_drop_dead(pst_forest_t *forest);

/** Add up. The forest must be summed up already. */
void pst_holdings_sum(pst_holdings_t *holdings, const pst_forest_t *forest, const pst_search_t *search);

/** Search again, and set `moved` if the result differs. After the last read of the forest. */
void pst_holdings_check(pst_holdings_t *holdings, const pst_forest_t *forest);

#endif /* PST_HOLDINGS_H */
