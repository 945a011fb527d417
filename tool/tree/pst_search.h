/* SPDX-License-Identifier: Apache-2.0
 *
 * All nodes of another process, found by searching its memory page by page: pools without a parent are in no tree,
 * and bucket nodes are in no pool.
 *
 * Nodes begin at a page if libapr takes them by mmap (Debian), and anywhere in the heap if it takes them by malloc;
 * then malloc's chunks tell which are live: pst_chunks.h. Pages that are not in memory are left alone, so that the
 * search neither makes the process larger nor swaps anything in.  Command only,
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

/** Something that looks like the head of a node. It may be dead, or not a node at all. */
typedef struct pst_found_t {
    uintptr_t at;
    uint64_t  size;
    uintptr_t first[2];         /**< the words after its head: for a pool parent and child; for a bucket size and
                                 * list */
    uintptr_t third;            /**< for a bucket its node */
    int       rootlike;         /**< a pool without a parent seems to be in it */
    pst_found_e state;          /**< PST_FOUND_LIVE if libapr takes nodes by mmap: dead ones are unmapped */
} pst_found_t;

typedef struct pst_search_t {
    pst_found_t *found;         /**< by address */
    uint32_t     count, room;
    uint64_t     pages;         /**< looked at */
    uint64_t     swapped;       /**< not read: swapped out */
    int          cut;           /**< not everything was read */
    uint32_t     dead;          /**< nodes left out, because their memory was given back to malloc */
} pst_search_t;

/** Search the process. @param example one of its nodes: tells where nodes begin */
void pst_search(pst_remote_t *remote, uintptr_t example, pst_search_t *search);
void pst_search_free(pst_search_t *search);

#endif /* PST_SEARCH_H */
