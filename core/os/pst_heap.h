/* SPDX-License-Identifier: Apache-2.0
 *
 * The process heap: which allocator stands behind malloc, what it says of itself, and asking it to
 * give back what is free.
 *
 * The allocator is told by the object that malloc comes from and by that object's own entry points, so a
 * preloaded one is found, and one that is merely loaded is not taken for it.
 *
 * Free is what is free and there.  glibc counts as free also what malloc_trim gave back and what was never touched;
 * how much of its arenas is not there the mappings tell (pst_heap_find_arenas), and whoever has both subtracts it.
 *
 * What asking costs others: glibc counts by walking the free chunks of an arena under the arena's lock: threads
 * that use it wait so long.  A hundred thousand chunks are some milliseconds, many millions some seconds.
 * How often is the caller's to bound: see pst_books.h.
 *
 * Called by: start (pst_heap_recognise), watchdog, any (pst_heap_kind, pst_heap_gives)
 */
#ifndef PST_HEAP_H
#define PST_HEAP_H

#include <apr_errno.h>

#include "poolstat_board.h"

typedef struct pst_heap_figures_t {
    apr_uint64_t in_use;        /**< bytes handed out, as the tells of the kind has it */
    apr_uint64_t free;          /**< bytes kept; glibc's: whether they are there or not */
    apr_uint64_t mapped;        /**< bytes of mappings that these lie in; 0: not known */
    int          mapped_is_least;   /**< there may be more, of which little is there: tables, what is reserved */
    apr_uint64_t arenas;        /**< 0: see pst_heap_arena() */
} pst_heap_figures_t;

/** Child, before other threads exist: find out. Takes the loader's lock. */
void pst_heap_recognise(void);

pst_heap_e pst_heap_kind(void);
pst_heap_tells_e pst_heap_tells(void);

/**
 * Ask. The child's watchdog thread; may wait for the heap's locks, and holds them while it looks.
 * @return APR_SUCCESS, or APR_ENOTIMPL if the allocator tells nothing
 */
apr_status_t pst_heap_ask(pst_heap_figures_t *figures);

/** What of glibc's arenas, the main one apart, lies in a piece of memory. */
typedef struct pst_heap_arenas_t {
    apr_uint64_t arenas;        /**< found so far */
    apr_uint64_t beyond;        /**< bytes mapped in them beyond what they say they have */
    apr_uint64_t absent;        /**< bytes of these and of the main arena that are neither resident nor swapped */
    apr_uint32_t looked;        /**< places looked at: bounded */
} pst_heap_arenas_t;

/** pst_memory_rest_fn, with a pst_heap_arenas_t: without a lock, without the risk of a fault. */
void pst_heap_find_arenas(void *arenas, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there);

/**
 * Whether the allocator gives back what is free when another thread than those that freed it asks. mimalloc does not:
 * mi_collect() empties the heap of the thread that calls it, and of ended threads if that is the main one (tried with
 * 2.0.9).
 */
int pst_heap_gives(apr_uint32_t kind);

/**
 * Give back to the operating system what is free. The child's watchdog thread; holds the heap's locks
 * arena by arena meanwhile.
 * @param bytes  by how much what is resident or swapped of this process went down; other threads' doings
 *               are in it; 0 if it went up, or cannot be measured
 * @return APR_SUCCESS, or APR_ENOTIMPL if there is no way to ask this allocator: then nothing was done
 */
apr_status_t pst_heap_release(apr_uint64_t *bytes);

#endif /* PST_HEAP_H */
