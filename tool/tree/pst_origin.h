/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a pool of another process comes from: what mod_poolstat in that process knows about it. The
 * records inside pools and the board are read from the process's own memory, so no file is opened. All
 * of it is hostile input.  Command only, one thread.
 */
#ifndef PST_ORIGIN_H
#define PST_ORIGIN_H

#include "pst_forest.h"
#include "pst_symbols.h"

typedef struct pst_origins_t pst_origins_t;

/** What is known about one pool. Texts are hostile. */
typedef struct pst_origin_t {
    char creator[PST_MODULE_LEN + PST_TAG_ROOM + 32];  /**< "mod_x.so function+0x1f"; "" if not known */
    char serves[PST_CLIENT_LEN + PST_LINE_LEN + 64];   /**< "connection 4 of 127.0.0.1", "request GET /x"; ""
                                                            if it is not the root of one */
} pst_origin_t;

/** @return never NULL; without mod_poolstat in the process, or with a board of another version, nothing is known */
pst_origins_t *pst_origins_find(pst_remote_t *remote, pst_symbols_t *symbols, apr_pool_t *pool);

/** What a process counted about itself, in bytes; each at most INT64_MAX, retained never below 0. */
typedef struct pst_origin_child_t {
    uint64_t reserved, buckets, retained, held;
} pst_origin_child_t;

/** The process's own current figures on the board. @return 0 if it has none */
int pst_origins_child(pst_origins_t *origins, pst_origin_child_t *child);

void pst_origin_of(pst_origins_t *origins, const pst_tree_pool_t *pool, pst_origin_t *origin);

#endif /* PST_ORIGIN_H */
