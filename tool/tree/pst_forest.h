/* SPDX-License-Identifier: Apache-2.0
 *
 * The pools of another process: the tree below the global pool, and below each
 * unmanaged pool that was found.  Read while the process runs, in rounds:
 *
 *   1  follow the links from the roots; a known pool that did not change is kept as it is
 *   2  check all of them again, with a few large reads
 *   3  what changed meanwhile is read again, from step 1 on; at most a few times
 *
 * If a round ends with nothing changed, all that was read held at one moment: the forest is exact.
 * Otherwise the pools that kept changing are marked.
 *
 * The process may be hostile: each pointer must be aligned and lie in private writable memory, endless lists and
 * rings are detected, counts are bounded, nothing recurses.  Command only, one thread.
 */
#ifndef PST_FOREST_H
#define PST_FOREST_H

#include "pst_addresses.h"
#include "pst_apr.h"
#include "pst_record.h"
#include "pst_remote.h"

#define PST_NONE        UINT32_MAX
#define PST_TAG_ROOM    96

/** What is wrong with the reading of a pool. */
enum {
    PST_POOL_CHANGED = 1,       /**< it kept changing: figures and what is below may be of different moments */
    PST_POOL_TORN    = 2,       /**< its nodes, cleanups or children point to something else */
    PST_POOL_CUT     = 4        /**< there is more than we read */
};

typedef enum { PST_RESOURCE_CLEANUP = 0, PST_RESOURCE_PRE_CLEANUP, PST_RESOURCE_PROCESS } pst_resource_kind_e;

/** What belongs to a pool: a cleanup to be run, or a process to end with it. */
typedef struct pst_tree_resource_t {
    pst_resource_kind_e kind;
    uintptr_t plain, child;     /**< functions: called when the pool is destroyed, before an exec; 0 for processes */
    uintptr_t data;             /**< their argument; for processes an apr_proc_t */
    int32_t   pid, how;         /**< process: apr_kill_conditions_e */
} pst_tree_resource_t;

typedef struct pst_tree_sum_t {
    uint64_t pools, nodes, reserved, used;
} pst_tree_sum_t;

/** A pool's own struct, and its first node before it, as they are in memory. */
typedef struct pst_pool_copy_t {
    apr_memnode_t  node;
    pst_apr_pool_t pool;
} pst_pool_copy_t;

typedef struct pst_tree_pool_t {
    uintptr_t       at;
    pst_pool_copy_t copy;
    apr_memnode_t   active;     /**< its active node's head */
    uintptr_t       active_at;  /**< the node that is: the pool's own, if its active one was not found */
    pst_record_t    record;     /**< the bytes after the struct: perhaps a record of mod_poolstat */
    int             has_record; /**< apparently: pst_origin.h decides */
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
    pst_tree_pool_t  *pools;        /**< all that were ever read; go by `order` */
    uint32_t          pool_count, pool_room;
    uint32_t         *order;        /**< indices of those that exist: parents first */
    uint32_t          count;
    uintptr_t        *roots;        /**< addresses; the first is the global pool's */
    uint32_t          root_count, root_room;
    pst_tree_allocator_t *allocators;
    uint32_t          allocator_count, allocator_room;
    pst_addresses_t   known, known_allocators;
    uint32_t          round;
    uint64_t          node_count, resource_count;   /**< read so far */
    uint32_t          changed;      /**< pools and allocators that kept changing in the last round */
    int               cut;          /**< a bound was reached: pools are missing */
    int               no_memory;
} pst_forest_t;

/** An empty forest. Free it. */
void pst_forest_init(pst_forest_t *forest, pst_remote_t *remote);
void pst_forest_free(pst_forest_t *forest);

/** Add a pool without a parent: the global one first. @return 0 if it is not a pool, or known already */
int pst_forest_add_root(pst_forest_t *forest, uintptr_t at);

/** Remove a root that turned out to be a dead pool. */
void pst_forest_drop_root(pst_forest_t *forest, uintptr_t at);

/** Read it, in rounds, until nothing changes or there were enough rounds. */
void pst_forest_read(pst_forest_t *forest);

/** Add up subtrees. After the last read. */
void pst_forest_sum(pst_forest_t *forest);

/** The topmost pool of the tree that this one is in: the global pool? @return its address, 0 if there is none */
uintptr_t pst_forest_root_of(pst_remote_t *remote, uintptr_t pool);

/** Is there a pool, judging by its own struct and node? @param copy filled in */
int pst_forest_is_pool(pst_remote_t *remote, uintptr_t at, pst_pool_copy_t *copy);

/** Is this a valid head of a node at that address? It may still be a dead one. */
int pst_forest_is_node(pst_remote_t *remote, uintptr_t at, const apr_memnode_t *node);

/** Bytes of the node at that address; a copy of its head alone does not tell. */
static inline uint64_t pst_forest_node_size(uintptr_t at, const apr_memnode_t *node)
{
    return (uint64_t)((uintptr_t)node->endp - at);
}

/** Is an allocator valid: limits, owner, free lists? */
int pst_forest_is_allocator(pst_remote_t *remote, uintptr_t at, pst_apr_allocator_t *copy);

#endif /* PST_FOREST_H */
