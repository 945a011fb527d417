/* SPDX-License-Identifier: Apache-2.0
 *
 * The pools of another process: the tree below the global pool, and below each
 * unmanaged pool that was found.  Read while the process runs, in rounds:
 *
 *   1  follow the links from the roots; a pool that is known and did not change is taken as it is
 *   2  look at all of them once more, by a few large reads
 *   3  what changed meanwhile is read again, from 1 on; a few times at most
 *
 * If a round ends with nothing changed, all that was read held at one moment: the forest is exact.
 * Otherwise the pools that would not hold still are marked.
 *
 * The process may be hostile: each pointer must be aligned and lie in private writable memory, lists and rings that
 * do not end are noticed, counts are bounded, nothing recurses.  Command only, one thread.
 */
#ifndef PST_FOREST_H
#define PST_FOREST_H

#include "pst_addresses.h"
#include "pst_apr.h"
#include "pst_record.h"
#include "pst_remote.h"

#define PST_NONE        UINT32_MAX
#define PST_TAG_ROOM    96

/** What is wrong with a pool as it was read. */
enum {
    PST_POOL_CHANGED = 1,       /**< it would not hold still: figures and what is below may be of different moments */
    PST_POOL_TORN    = 2,       /**< its nodes, its cleanups or its children lead to where no such thing lies */
    PST_POOL_CUT     = 4        /**< there is more than we look at */
};

typedef enum { PST_RESOURCE_CLEANUP = 0, PST_RESOURCE_PRE_CLEANUP, PST_RESOURCE_PROCESS } pst_resource_kind_e;

/** What hangs on a pool: a cleanup that waits to be run, or a process that is to end with it. */
typedef struct pst_tree_resource_t {
    pst_resource_kind_e kind;
    uintptr_t plain, child;     /**< functions: when the pool goes, before an exec; 0 for processes */
    uintptr_t data;             /**< what they are called with; an apr_proc_t */
    int32_t   pid, how;         /**< process: apr_kill_conditions_e */
} pst_tree_resource_t;

typedef struct pst_tree_sum_t {
    uint64_t pools, nodes, reserved, used;
} pst_tree_sum_t;

/** A pool's own struct, and its first node before it, as they lie in memory. */
typedef struct pst_pool_copy_t {
    apr_memnode_t  node;
    pst_apr_pool_t pool;
} pst_pool_copy_t;

typedef struct pst_tree_pool_t {
    uintptr_t       at;
    pst_pool_copy_t copy;
    apr_memnode_t   active;     /**< its active node's head */
    uintptr_t       active_at;  /**< the node it is of: the pool's own, where its active one was not met */
    pst_record_t    record;     /**< the bytes behind it: a record of mod_poolstat's, perhaps */
    int             has_record; /**< so it seems: pst_origin.h decides */
    uint32_t        parent, child, sibling; /**< indices, or PST_NONE; the youngest child first */
    uint32_t        depth;
    unsigned        flags;
    pst_tree_sum_t  own, all;   /**< itself; with everything below */
    char            tag[PST_TAG_ROOM];  /**< cut; hostile text */
    int             tagged;
    pst_tree_resource_t *resources;
    uint32_t        resource_count, resource_room;
    uintptr_t      *nodes;      /**< addresses of its nodes; own.nodes of them */
    uint32_t        node_room;
    /* private to pst_forest.c */
    uint32_t        round, last;
    int             stale;
} pst_tree_pool_t;

/** An allocator that pools use, and what it retains. */
typedef struct pst_tree_allocator_t {
    uintptr_t           at;
    pst_apr_allocator_t copy;
    uint64_t            retained;
    uintptr_t          *nodes;      /**< addresses of what is in its free lists; node_count of them */
    uint32_t            node_count, node_room;
    unsigned            flags;
    /* private to pst_forest.c */
    uint32_t            round;
    int                 stale;
} pst_tree_allocator_t;

typedef struct pst_forest_t {
    pst_remote_t     *remote;
    pst_tree_pool_t  *pools;        /**< all that were ever read; use order */
    uint32_t          pool_count, pool_room;
    uint32_t         *order;        /**< indices of those that are there: parents first */
    uint32_t          count;
    uintptr_t        *roots;        /**< addresses; the first is the global pool's */
    uint32_t          root_count, root_room;
    pst_tree_allocator_t *allocators;
    uint32_t          allocator_count, allocator_room;
    pst_addresses_t   known, known_allocators;
    uint32_t          round;
    uint64_t          node_count, resource_count;   /**< looked at so far */
    uint32_t          changed;      /**< pools and allocators that would not hold still in the last round */
    int               cut;          /**< a bound was hit: pools are missing */
    int               no_memory;
} pst_forest_t;

/** An empty forest. Free it. */
void pst_forest_init(pst_forest_t *forest, pst_remote_t *remote);
void pst_forest_free(pst_forest_t *forest);

/** Add a pool without a parent: the global one first. @return 0 if it is none, or known */
int pst_forest_add_root(pst_forest_t *forest, uintptr_t at);

/** Take a root out again: it turned out to be a dead pool. */
void pst_forest_drop_root(pst_forest_t *forest, uintptr_t at);

/** Read it, in rounds, until it holds still or there were enough of them. */
void pst_forest_read(pst_forest_t *forest);

/** Add up subtrees. After the last read. */
void pst_forest_sum(pst_forest_t *forest);

/** The topmost pool of the tree that this one stands in: the global pool? @return its address, 0 if there is none */
uintptr_t pst_forest_root_of(pst_remote_t *remote, uintptr_t pool);

/** Does a pool lie there, by all that its own struct and node say? @param copy filled in */
int pst_forest_is_pool(pst_remote_t *remote, uintptr_t at, pst_pool_copy_t *copy);

/** Is this a sound head of a node at that address? It may still be a dead one. */
int pst_forest_is_node(pst_remote_t *remote, uintptr_t at, const apr_memnode_t *node);

/** Bytes of a node that lies there; copied, it does not know. */
static inline uint64_t pst_forest_node_size(uintptr_t at, const apr_memnode_t *node)
{
    return (uint64_t)((uintptr_t)node->endp - at);
}

/** Is an allocator sound: limits, owner, free lists in shape? */
int pst_forest_is_allocator(pst_remote_t *remote, uintptr_t at, pst_apr_allocator_t *copy);

#endif /* PST_FOREST_H */
