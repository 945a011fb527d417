/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a process as the kernel tells it.
 *
 * Nothing here allocates; buffers are fixed and on the stack.  What is read is judged like any
 * input: a line that makes no sense is left out, a number too large is 0.
 *
 * What a reading costs others: both files are made under the process's mmap_lock, taken for reading.
 * Page faults go on beside it; whoever maps or unmaps memory may wait for the mapping that is being
 * looked at (some 20 ms for each GB in small pages).  How often is the caller's to bound: see pst_books.h.
 *
 * Called by: parent, watchdog, reader (pst_memory_user)
 */
#ifndef PST_MEMORY_H
#define PST_MEMORY_H

#include "pst_stack.h"

#include <apr.h>
#include <apr_errno.h>

/** From smaps_rollup; bytes. */
typedef struct pst_memory_sum_t {
    apr_uint64_t rss, pss, private_dirty, swap;
} pst_memory_sum_t;

/** From smaps; bytes, resident and swapped together unless it says otherwise. */
typedef struct pst_memory_maps_t {
    apr_uint64_t file;          /**< resident, as in the file */
    apr_uint64_t shared;        /**< shared mappings, of files too */
    apr_uint64_t stacks;        /**< of threads, and the main one's */
    apr_uint64_t data;          /**< loaded objects' variables, and pages of private file mappings that were written to
                                     */
    apr_uint64_t rest;          /**< other anonymous memory: APR's nodes, the heap, and what is neither */
    apr_uint64_t rest_mapped;   /**< the same, whether touched or not; what may not be accessed left out */
    apr_uint64_t apart;         /**< of shared: of the file that pst_memory_tell_apart() named */
    apr_uint64_t apart_pss;     /**< the same, resident alone, each page divided by those that share it */
    apr_uint32_t mappings, stack_count, apart_count;
} pst_memory_maps_t;

/**
 * @param pid  of whom; 0: of this process
 * @return APR_SUCCESS, or why it could not be read: APR_ENOENT where there is no /proc, APR_EACCES, APR_EINCOMPLETE
 * Any thread that may spend the time; blocks as said above.
 */
apr_status_t pst_memory_sum(pst_memory_sum_t *sum, apr_uint32_t pid);

/**
 * RSS and swap alone, as the kernel has counted them: without a lock, at the same small cost whatever the size, and
 * in most kernels off by what processors or threads have not added up yet, some hundred KB for each.  Parameters and
 * result as above.
 */
apr_status_t pst_memory_count(pst_memory_sum_t *sum, apr_uint32_t pid);

/** Of this process's resident memory, what is shared without a file, or of a file in memory; bytes. 0 if not known */
apr_uint64_t pst_memory_shmem(void);

/** What a reader of smaps meets: a piece of `rest` that can be read and written, and how much of it is there. */
typedef void (*pst_memory_rest_fn)(void *baton, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there);

/** Most that threads' stacks have; bytes, whole pages. */
typedef struct pst_memory_stacks_t {
    apr_uint64_t usual;         /**< 0: what the system's default is */
    apr_uint64_t own;           /**< of the thread that asks, if it is this process's; 0: as usual */
} pst_memory_stacks_t;

/**
 * The same of the mappings, one by one.
 * @param stacks  or NULL: all as the system's default is
 * @param rest    called for each piece of rest, or NULL
 */
apr_status_t pst_memory_maps(pst_memory_maps_t *maps, apr_uint32_t pid, const pst_memory_stacks_t *stacks,
                             pst_memory_rest_fn rest, void *baton);

/** Before other threads exist: from now on pst_memory_maps() tells shared mappings of this file apart. @param inode  0:
 *  none */
void pst_memory_tell_apart(apr_uint64_t inode);

/** The parent of a process. @return 0 if there is no such process */
apr_uint32_t pst_memory_parent(apr_uint32_t pid);

/** All of this process's address space that is mapped; bytes. @return 0 where it cannot be told */
apr_uint64_t pst_memory_mapped(void);

/** Whose rights a process has: its effective user id. @return APR_SUCCESS, or why it could not be read */
apr_status_t pst_memory_user(apr_uint32_t pid, apr_uint32_t *user);

/**
 * Has a process a shared mapping of this file? By the inode alone: some file systems give a device here that stat()
 * does not know.
 * @return 1, 0, or -1 where it cannot be told
 */
int pst_memory_shares(apr_uint32_t pid, apr_uint64_t inode);

/* -- the parts, for the unit ------------------------------------------------ */

#define PST_MEMORY_LINE 256

typedef struct pst_mapping_t {
    apr_uint64_t from, to, offset;
    char         perms[4];
    char         name[64];      /**< cut; empty: anonymous */
    apr_uint64_t inode, rss, pss, anonymous, swap;
} pst_mapping_t;

/** A reader of smaps, fed piece by piece. Zero it, set what is named, feed, end. */
typedef struct pst_smaps_t {
    pst_memory_maps_t *maps;
    apr_uint64_t stack_size;
    apr_uint64_t inode;         /**< of the file whose shared mappings are told apart; 0: none */
    apr_uint64_t own_stack, on_stack;   /**< size of the reader's own stack, 0: as the others'; an address on it */
    apr_uint32_t pid;           /**< whose pagemap splits mappings that the kernel merged; 0: one's own */
    const pst_stack_range_t *list;  /**< stacks of this process by another source, ascending */
    unsigned     list_count;
    int          nobody;        /**< no process stands behind the text: split by size alone */
    pst_memory_rest_fn rest;
    void        *baton;
    /* private */
    pst_mapping_t now, before;
    int          have, had;
    int          guard;         /* the mapping before ends in a stack's guard */
    apr_uint64_t object;        /* where the object begins whose file was mapped last; 0: not to be looked at */
    char         line[PST_MEMORY_LINE];
    unsigned     line_len;
    int          line_cut;
} pst_smaps_t;

void pst_smaps_feed(pst_smaps_t *smaps, const char *text, apr_size_t len);
void pst_smaps_end(pst_smaps_t *smaps);

/** @return 0 if nothing known stands in the text */
int pst_rollup_parse(pst_memory_sum_t *sum, const char *text, apr_size_t len);

#endif /* PST_MEMORY_H */
