/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a process as the kernel reports it.
 *
 * Nothing here allocates; buffers are fixed and on the stack.  What is read is treated like any input: a line that
 * makes no sense is skipped, a number too large becomes 0.
 *
 * Cost to others: the kernel produces both files under the process's mmap_lock, taken for reading. Page faults
 * proceed; a thread that maps or unmaps memory may wait for the mapping being examined (some 20 ms per GB in small
 * pages). The caller limits how often: see pst_books.h.
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

/** From smaps; bytes, resident plus swapped unless noted. */
typedef struct pst_memory_maps_t {
    apr_uint64_t file;          /**< resident, as in the file */
    apr_uint64_t shared;        /**< shared mappings, including those of files */
    apr_uint64_t stacks;        /**< of all threads, including the main one */
    apr_uint64_t data;          /**< loaded objects' variables, and modified pages of private file mappings
                                     */
    apr_uint64_t rest;          /**< other anonymous memory: APR's nodes, the heap, and anything else */
    apr_uint64_t rest_mapped;   /**< the same, touched or not, except inaccessible mappings */
    apr_uint64_t apart;         /**< of shared: of the file that pst_memory_tell_apart() named */
    apr_uint64_t apart_pss;     /**< the same, resident only, each page divided by the number of processes sharing it */
    apr_uint32_t mappings, stack_count, apart_count;
} pst_memory_maps_t;

/**
 * @param pid  of whom; 0: of this process
 * @return APR_SUCCESS, or why it could not be read: APR_ENOENT where there is no /proc, APR_EACCES, APR_EINCOMPLETE
 * Any thread that can spare the time; blocks as described above.
 */
apr_status_t pst_memory_sum(pst_memory_sum_t *sum, apr_uint32_t pid);

/**
 * RSS and swap only, as counted by the kernel: no lock, the same small cost for any size, but in most kernels off by
 * what processors or threads have not yet added up, some hundred KB for each.  Parameters and
 * result as above.
 */
apr_status_t pst_memory_count(pst_memory_sum_t *sum, apr_uint32_t pid);

/** The part of this process's resident memory that is shared anonymous memory or a file in memory; bytes. 0 if not
 *  known */
apr_uint64_t pst_memory_shmem(void);

/** Callback of a reader of smaps: a readable and writable piece of `rest`, and how much of it is present. */
typedef void (*pst_memory_rest_fn)(void *baton, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there);

/** The largest size of threads' stacks; bytes, whole pages. */
typedef struct pst_memory_stacks_t {
    apr_uint64_t usual;         /**< 0: the system default */
    apr_uint64_t own;           /**< of the calling thread, if reading its own process; 0: as usual */
} pst_memory_stacks_t;

/**
 * The same of the mappings, one by one.
 * @param stacks  or NULL: all have the system default
 * @param rest    called for each piece of rest, or NULL
 */
apr_status_t pst_memory_maps(pst_memory_maps_t *maps, apr_uint32_t pid, const pst_memory_stacks_t *stacks,
                             pst_memory_rest_fn rest, void *baton);

/** Before other threads exist: from now on pst_memory_maps() counts shared mappings of this file separately. @param
 *  inode  0: none */
void pst_memory_tell_apart(apr_uint64_t inode);

/** The parent of a process. @return 0 if there is no such process */
apr_uint32_t pst_memory_parent(apr_uint32_t pid);

/** All mapped address space of this process; bytes. @return 0 if not known */
apr_uint64_t pst_memory_mapped(void);

/** Whose rights a process has: its effective user id. @return APR_SUCCESS, or why it could not be read */
apr_status_t pst_memory_user(apr_uint32_t pid, apr_uint32_t *user);

/**
 * Does a process have a shared mapping of this file? By the inode only: some file systems show a device here that
 * differs from stat()'s.
 * @return 1, 0, or -1 if not known
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
    apr_uint64_t inode;         /**< of the file whose shared mappings are counted separately; 0: none */
    apr_uint64_t own_stack, on_stack;   /**< size of the reader's own stack, 0: like the others; an address on it */
    apr_uint32_t pid;           /**< whose pagemap splits mappings that the kernel merged; 0: our own */
    const pst_stack_range_t *list;  /**< stacks of this process from another source, ascending */
    unsigned     list_count;
    int          nobody;        /**< there is no process behind the text: split by size only */
    pst_memory_rest_fn rest;
    void        *baton;
    /* private */
    pst_mapping_t now, before;
    int          have, had;
    int          guard;         /* the previous mapping ends in a stack's guard */
    apr_uint64_t object;        /* start of the object whose file was mapped last; 0: ignore */
    char         line[PST_MEMORY_LINE];
    unsigned     line_len;
    int          line_cut;
} pst_smaps_t;

void pst_smaps_feed(pst_smaps_t *smaps, const char *text, apr_size_t len);
void pst_smaps_end(pst_smaps_t *smaps);

/** @return 0 if the text contains nothing known */
int pst_rollup_parse(pst_memory_sum_t *sum, const char *text, apr_size_t len);

#endif /* PST_MEMORY_H */
