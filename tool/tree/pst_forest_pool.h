/* SPDX-License-Identifier: Apache-2.0
 *
 * One pool of another process: for the forest only.
 */
#ifndef PST_FOREST_POOL_H
#define PST_FOREST_POOL_H

#include "pst_forest.h"

/**
 * Read a single pool: its struct, its nodes, its cleanups and processes, its tag; not what is below it.
 * Tries a few times to get all of it at one moment; flags say whether it did.
 * @return 0 if there is no pool
 */
int pst_forest_read_pool(pst_forest_t *forest, pst_tree_pool_t *pool);

#endif /* PST_FOREST_POOL_H */
