/* SPDX-License-Identifier: Apache-2.0
 *
 * The mirror of APR's and APR-util's private structs: the ONE place that knows them.  Copied in shape (not in text)
 * from memory/unix/apr_pools.c of APR 1.7.2, unchanged since 1.0 except for pre_cleanups
 * (1.3), and buckets/apr_buckets_alloc.c of APR-util 1.6.3.
 *
 * Nothing here may be used before pst_apr_prove() succeeds.
 */
#ifndef PST_APR_H
#define PST_APR_H

#include <apr_allocator.h>
#include <apr_buckets.h>
#include <apr_network_io.h>
#include <apr_pools.h>
#include <apr_thread_proc.h>

/** A cleanup that waits to be run; the lists hang on the pool. */
typedef struct pst_apr_cleanup_t {
    struct pst_apr_cleanup_t *next;
    const void               *data;
    apr_status_t            (*plain_fn)(void *data);
    apr_status_t            (*child_fn)(void *data);
} pst_apr_cleanup_t;

/** A process to be ended with the pool: apr_pool_note_subprocess(). */
typedef struct pst_apr_subprocess_t {
    apr_proc_t           *proc;
    apr_kill_conditions_e kill_how;
    struct pst_apr_subprocess_t *next;
} pst_apr_subprocess_t;

/** apr_pool_t of a build without pool debugging. */
typedef struct pst_apr_pool_t {
    apr_pool_t       *parent;
    apr_pool_t       *child;
    apr_pool_t       *sibling;
    apr_pool_t      **ref;
    pst_apr_cleanup_t *cleanups;
    pst_apr_cleanup_t *free_cleanups;
    apr_allocator_t  *allocator;
    pst_apr_subprocess_t *subprocesses;
    apr_abortfunc_t   abort_fn;
    void             *user_data;
    const char       *tag;
    apr_memnode_t    *active;
    apr_memnode_t    *self;
    char             *self_first_avail;
    pst_apr_cleanup_t *pre_cleanups;
} pst_apr_pool_t;

#define PST_APR_FREE_LISTS 20   /* MAX_INDEX of apr_pools.c */

typedef struct pst_apr_allocator_t {
    apr_size_t        max_index;
    apr_size_t        max_free_index;
    apr_size_t        current_free_index;
#if APR_HAS_THREADS
    void             *mutex;
#endif
    apr_pool_t       *owner;
    apr_memnode_t    *free[PST_APR_FREE_LISTS];
} pst_apr_allocator_t;

/** Precedes everything that apr_bucket_alloc() hands out. */
typedef struct pst_apr_bucket_head_t {
    apr_size_t                    size;
    apr_bucket_alloc_t           *alloc;
    apr_memnode_t                *memnode;
    struct pst_apr_bucket_head_t *next;
} pst_apr_bucket_head_t;

typedef struct pst_apr_bucket_alloc_t {
    apr_pool_t            *pool;
    apr_allocator_t       *allocator;
    pst_apr_bucket_head_t *freelist;
    apr_memnode_t         *blocks;
} pst_apr_bucket_alloc_t;

/** The beginnings of apr_file_t (arch/unix/apr_arch_file_io.h, APR 1.7.2) and apr_socket_t (apr_arch_networkio.h):
 *  for the command, which reads them in other processes after pst_apr_prove_handles(). */
typedef struct pst_apr_file_t {
    apr_pool_t *pool;
    int         fd;             /**< -1: closed */
    char       *name;           /**< as it was opened; NULL: a pipe, or not opened by name */
} pst_apr_file_t;

typedef struct pst_apr_socket_t {
    apr_pool_t     *pool;
    int             fd;         /**< -1: closed */
    int             type, protocol;
    apr_sockaddr_t *local, *remote;
} pst_apr_socket_t;

#define PST_APR_BUCKET_HEAD  APR_ALIGN_DEFAULT(sizeof(pst_apr_bucket_head_t))
#define PST_APR_SMALL_BUCKET (APR_BUCKET_ALLOC_SIZE + PST_APR_BUCKET_HEAD)

static APR_INLINE pst_apr_pool_t *pst_apr_pool(apr_pool_t *pool)
{
    return (pst_apr_pool_t *)(void *)pool;
}

static APR_INLINE pst_apr_bucket_alloc_t *pst_apr_bucket_alloc(apr_bucket_alloc_t *list)
{
    return (pst_apr_bucket_alloc_t *)(void *)list;
}

/** The node that contains the bucket allocator itself: its first. */
static APR_INLINE apr_memnode_t *pst_apr_bucket_home(apr_bucket_alloc_t *list)
{
    return (apr_memnode_t *)(void *)((char *)list - APR_MEMNODE_T_SIZE);
}

/** Bytes that a node takes from the operating system. */
static APR_INLINE apr_size_t pst_apr_node_size(const apr_memnode_t *node)
{
    return (apr_size_t)(node->endp - (const char *)node);
}

static APR_INLINE apr_size_t pst_apr_node_slack(const apr_memnode_t *node)
{
    return (apr_size_t)(node->endp - node->first_avail);
}

/** Did m, just handed out by a pool whose active node is node, open that node? */
static APR_INLINE int pst_apr_opened(const apr_memnode_t *node, const void *m)
{
    return (const char *)m == (const char *)node + APR_MEMNODE_T_SIZE;
}

/** Results of the proof. */
typedef struct pst_apr_facts_t {
    apr_size_t  first;          /**< distance from a pool to its first palloc after creation */
    int         plain;          /**< pallocs are contiguous: no red zones, the fast path is allowed */
    int         buckets;        /**< the mirror of apr_bucket_alloc_t holds */
} pst_apr_facts_t;

/**
 * Check the mirror against the running libapr and libaprutil: makes some pools, an allocator and a bucket allocator,
 * and compares each private field with what public calls report. Destroys everything it made.
 * Once per process, by one thread, before any other use of this header.
 * @param facts  filled in on success
 * @param why    set to a sentence (static) if the result is not APR_SUCCESS
 * @return APR_SUCCESS, APR_ENOTIMPL (pool debugging), APR_EMISMATCH, APR_ENOMEM
 */
apr_status_t pst_apr_prove(pst_apr_facts_t *facts, const char **why);

/**
 * The same for files and sockets. Makes a pipe's worth of descriptors and closes them: command and units only.
 * @param scratch  for what is made; little is left in it
 * @return APR_SUCCESS, APR_EMISMATCH, or why nothing could be opened
 */
apr_status_t pst_apr_prove_handles(apr_pool_t *scratch, const char **why);

/** Figures of one pool or of a tree of pools, measured by walking. */
typedef struct pst_apr_figures_t {
    apr_size_t pools;
    apr_size_t nodes;
    apr_size_t reserved;
    apr_size_t slack;
    int        cut;             /**< the walk hit its bound, or a node that is not in a pool's ring: the figures are
                                     too low */
    int        dead;            /**< the second: that pool was destroyed, and its nodes are elsewhere */
} pst_apr_figures_t;

/**
 * Add the nodes of one pool. Owner thread only.
 * @param budget  nodes that may still be examined; reduced by those examined
 */
void pst_apr_add_pool(pst_apr_figures_t *figures, apr_pool_t *pool, apr_size_t *budget);

/**
 * Call visit for pool and all pools below it, parents first, at most *budget pools. Only while nobody changes the
 * tree. visit returns 0 to skip the pools below.
 */
typedef int pst_apr_visit_fn(void *baton, apr_pool_t *pool);
void pst_apr_walk(apr_pool_t *top, pst_apr_visit_fn *visit, void *baton, apr_size_t *budget);

/** Run the cleanups of one kind, unlinking each first (run_cleanups() of apr_pools.c). */
void pst_apr_run_cleanups(pst_apr_cleanup_t **list);

/** The root of the tree that contains pool: the global pool, unless unmanaged. */
apr_pool_t *pst_apr_root(apr_pool_t *pool);

/**
 * Bytes in an allocator's free lists.  Owner thread only.  One subtraction if a limit (MaxMemFree) is set, otherwise
 * a walk over at most budget nodes.
 * @param quick  0: always walk, which checks the subtraction
 */
apr_size_t pst_apr_retained(apr_allocator_t *allocator, int quick, apr_size_t budget);

/**
 * Make this work by one subtraction for an allocator without a limit too: give it a limit that is never reached.
 * Owner thread.
 * @param budget  nodes that may be examined
 * @return 0 if its free lists hold more: nothing was changed
 */
int pst_apr_make_countable(apr_allocator_t *allocator, apr_size_t budget);

/** The subtraction of pst_apr_retained(), on a copy of an allocator. @return 0: its numbers do not say */
static APR_INLINE int pst_apr_kept(const pst_apr_allocator_t *copy, apr_size_t *bytes)
{
    *bytes = (copy->max_free_index - copy->current_free_index) * 4096;
    return copy->max_free_index != APR_ALLOCATOR_MAX_FREE_UNLIMITED && copy->current_free_index <= copy->max_free_index;
}

/** Bytes that an allocator may keep, as passed to apr_allocator_max_free_set(). Any thread while it exists. */
apr_size_t pst_apr_max_free(const apr_allocator_t *allocator);

/** Is it shared by threads? */
int pst_apr_has_mutex(const apr_allocator_t *allocator);

/**
 * Take all nodes out of its free lists, in about sixty instructions. The allocator's exclusive user.
 * @param lists  filled in: chains by next, some NULL
 */
void pst_apr_take_lists(apr_allocator_t *allocator, apr_memnode_t *lists[PST_APR_FREE_LISTS]);

/** What pst_apr_take_some() may take. */
typedef struct pst_apr_some_t {
    apr_size_t least, most;     /**< only nodes of at least that many bytes; in total no more than most */
    apr_size_t taken;           /**< their bytes */
    apr_size_t larger;          /**< size of the largest node seen that exceeds most; 0: none */
} pst_apr_some_t;

/** Maximum number of nodes too large for a list of their own that pst_apr_take_some() examines, and of nodes that it
 *  takes. */
#define PST_APR_SOME_LOOK 64
#define PST_APR_SOME_TAKE 16

/**
 * Take some nodes out of its free lists and leave the others. The allocator's exclusive user; its lists must be
 * countable.
 *
 * Large ones first, and none at all (unless least is set) while one is larger than most: an allocation that misses a
 * small node takes a large one instead, and the next large one then comes from the operating system.
 * @param some  taken and larger are filled in
 * @return a chain by next
 */
apr_memnode_t *pst_apr_take_some(apr_allocator_t *allocator, pst_apr_some_t *some);

/** From now on it keeps nothing: whatever is freed to it goes to the operating system. Its exclusive user. */
void pst_apr_keep_nothing(apr_allocator_t *allocator);

/**
 * Give a pool its own allocator for everything it allocates from now on; what it holds stays valid, since nodes are
 * not bound to an allocator. Only while nobody else uses the pool and it has no pools below it.
 */
void pst_apr_set_allocator(apr_pool_t *pool, apr_allocator_t *allocator);

#endif /* PST_APR_H */
