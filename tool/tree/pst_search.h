/* SPDX-License-Identifier: Apache-2.0
 *
 * All nodes of another process, found by looking at its memory page by page: pools
 * without a parent are in no tree, and bucket nodes in no pool.
 *
 * A node begins a page where libapr takes them by mmap (Debian), and anywhere in the
 * heap where it takes them by malloc, which then says which of them live: pst_chunks.h.  Pages that are not in memory
 * are left alone, so that looking neither makes the process larger nor brings back what was swapped out.  Command only,
 * one thread.
 */
#ifndef PST_SEARCH_H
#define PST_SEARCH_H

#include "pst_remote.h"

typedef enum {
    PST_FOUND_UNKNOWN = 0,      /**< it may be dead */
    PST_FOUND_LIVE,
    PST_FOUND_DEAD              /**< its memory was given back to malloc */
} pst_found_e;

/** Something shaped like the head of a node. It may be a dead one, or not one at all. */
typedef struct pst_found_t {
    uintptr_t at;
    uint64_t  size;
    uintptr_t first[2];         /**< the words behind its head: of a pool parent and child; of a bucket size and list */
    uintptr_t third;            /**< of a bucket its node */
    int       rootlike;         /**< a pool without a parent seems to lie in it */
    pst_found_e state;          /**< PST_FOUND_LIVE where libapr takes nodes by mmap: dead ones go with their mapping */
} pst_found_t;

typedef struct pst_search_t {
    pst_found_t *found;         /**< by address */
    uint32_t     count, room;
    uint64_t     pages;         /**< looked at */
    uint64_t     swapped;       /**< not looked at: swapped out */
    int          cut;           /**< not all was looked at */
    uint32_t     dead;          /**< nodes that were left out, since their memory was given back to malloc */
} pst_search_t;

/** Look through the process. @param example a node of it: tells where nodes begin */
void pst_search(pst_remote_t *remote, uintptr_t example, pst_search_t *search);
void pst_search_free(pst_search_t *search);

#endif /* PST_SEARCH_H */
