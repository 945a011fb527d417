/* SPDX-License-Identifier: Apache-2.0
 *
 * The process heap: which allocator is behind malloc, what it reports about itself, and asking it to release free
 * memory.
 *
 * The allocator is recognised by the object that malloc comes from and by that object's own entry points, so a
 * preloaded one is found and one that is merely loaded is not mistaken for it.
 *
 * "Free" means free and resident or swapped. glibc also counts as free what malloc_trim released and what was never
 * touched; the mappings show how much of its arenas is absent (pst_heap_find_arenas), and a caller that has both
 * subtracts it.
 *
 * Cost to others: glibc counts by walking the free chunks of an arena under the arena's lock, and threads that use it
 * wait meanwhile. A hundred thousand chunks take some milliseconds, many millions some seconds. The caller limits how
 * often: see pst_books.h.
 *
 * Called by: start (pst_heap_recognise), watchdog, any (pst_heap_kind, pst_heap_gives)
 */
#ifndef PST_HEAP_H
#define PST_HEAP_H

#include <apr_errno.h>

#include "poolstat_board.h"

typedef struct pst_heap_figures_t {
    apr_uint64_t in_use;        /**< bytes handed out, as far as this kind of allocator reports it */
    apr_uint64_t free;          /**< bytes kept; for glibc: whether present or not */
    apr_uint64_t mapped;        /**< bytes of the mappings that contain these; 0: not known */
    int          mapped_is_least;   /**< there may be more, mostly absent: tables, reserved space */
    apr_uint64_t arenas;        /**< 0: see pst_heap_arena() */
} pst_heap_figures_t;

/** Child, before other threads exist: recognise the allocator. Takes the loader's lock. */
void pst_heap_recognise(void);

pst_heap_e pst_heap_kind(void);
pst_heap_tells_e pst_heap_tells(void);

/**
 * Query the heap. The child's watchdog thread; may wait for the heap's locks, and holds them while it looks.
 * @return APR_SUCCESS, or APR_ENOTIMPL if the allocator reports nothing
 */
apr_status_t pst_heap_ask(pst_heap_figures_t *figures);

/** The part of glibc's arenas, except the main one, that is in a piece of memory. */
typedef struct pst_heap_arenas_t {
    apr_uint64_t arenas;        /**< found so far */
    apr_uint64_t beyond;        /**< bytes mapped in them beyond what they report */
    apr_uint64_t absent;        /**< bytes of these and of the main arena that are neither resident nor swapped */
    apr_uint32_t looked;        /**< places examined: bounded */
} pst_heap_arenas_t;

/** pst_memory_rest_fn, with a pst_heap_arenas_t: takes no lock and cannot fault. */
void pst_heap_find_arenas(void *arenas, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there);

/**
 * Whether the allocator releases free memory when asked by a thread other than those that freed it. mimalloc does not:
 * mi_collect() empties the heap of the thread that calls it, and of ended threads if that is the main one (tested
 * with 2.0.9).
 */
int pst_heap_gives(apr_uint32_t kind);

/**
 * Release free memory to the operating system. The child's watchdog thread; meanwhile holds the heap's locks, arena
 * by arena.
 * @param bytes  by how much this process's resident or swapped memory went down, including the effects of other
 *               threads; 0 if it went up or cannot be measured
 * @return APR_SUCCESS, or APR_ENOTIMPL if this allocator cannot be asked: nothing was done
 */
apr_status_t pst_heap_release(apr_uint64_t *bytes);

#endif /* PST_HEAP_H */
