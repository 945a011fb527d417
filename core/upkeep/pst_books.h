/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of a child: its memory as the kernel and its heap tell it, taken for the board.
 *
 * Three sources, each with a bound of its own on what it may cost:
 *
 *   sum    smaps_rollup            each interval
 *   heap   the heap's allocator    each interval; only by the child itself
 *   maps   smaps                   each sixtieth interval, or when RSS has moved by a sixteenth; heap and maps
 *                                  are left alone in the first three seconds
 *
 * Between two takings of the sum RSS and swap come from the kernel's own counters, and PSS and private dirty move as
 * RSS does: what moves is nearly always the child's own.  They are bounded by RSS; books_time tells their age.
 *
 * The board is nobody's memory: who reads it maps pages of others, and its own are there for who looks.  What of PSS
 * is the board's, as the mappings told last, is taken off.
 *
 * What of the heap is free comes from two of them: the heap says what is free, mappings what of its arenas is
 * not there.  The difference is free and there, or less than that where memory that is in use was never touched.
 *
 * A source that took the time t is left alone for 1000 t at least, so that it takes no more than a thousandth of a
 * thread.  While it looks, workers may have to wait: for the heap's locks those that call malloc, for the process's
 * mmap_lock those that map and unmap.  Beyond a millisecond of the heap, and ten of the kernel, a source is left
 * alone for longer, with the square of t: then what a call of malloc at a random moment must expect to wait stays below
 * half a microsecond, a mapping's below five, however large the process and however broken up its heap.  When RSS has
 * moved by a sixteenth since, or memory was released, sum and maps are taken after 100 t already.  What was put off is
 * counted.
 *
 * Called by: start (pst_books_start), watchdog, parent
 */
#ifndef PST_BOOKS_H
#define PST_BOOKS_H

#include "pst_board.h"

typedef enum { PST_BOOKS_SUM = 0, PST_BOOKS_HEAP, PST_BOOKS_MAPS, PST_BOOKS_SOURCES } pst_books_source_e;

/** What whoever takes the books of one child keeps for itself. Zero at first. */
typedef struct pst_books_keeper_t {
    apr_uint32_t pid;               /**< whose; another one begins anew */
    apr_uint64_t interval;          /**< number of the interval that was last looked at */
    apr_uint64_t maps_interval;     /**< the same, when maps were last taken */
    apr_uint64_t first_interval;    /**< the same, when it began */
    apr_uint64_t rss, maps_rss;     /**< with swap: as last counted; as it was when maps were taken */
    apr_uint64_t sum_rss, sum_shared, sum_clean;    /**< when the sum was taken: RSS; of it all but PSS, all but private
                                                         dirty */
    apr_uint64_t pss;               /**< as on the board, which others can write to: for what is decided by it */
    apr_uint64_t not_before[PST_BOOKS_SOURCES]; /**< microseconds of a clock that only goes forward */
    apr_uint64_t soonest[PST_BOOKS_SOURCES];    /**< the same, if there is reason to look again */
    apr_uint64_t board_pss;     /**< the board's part of PSS, as mappings told */
    apr_uint64_t heap_mapped, heap_in_use, heap_free;   /**< as the heap said */
    int          heap_mapped_is_least;
    apr_uint64_t heap_beyond, heap_absent;      /**< as mappings told */
} pst_books_keeper_t;

/** Child, before other threads exist: what the books need to know of it. @param nodes_in_heap  libapr gets nodes by
 *  malloc */
void pst_books_start(pst_shared_child_t *child, apr_uint64_t stack_size, int nodes_in_heap);

/**
 * Take what is due. Call it once a second or more often.
 * @param child   whose books; the one writer of them calls
 * @param pid     0: this process's own, heap too; else another process's, without heap
 * @param seconds length of an interval
 * @return whether an interval began
 */
int pst_books_beat(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now,
                   apr_uint32_t seconds);

/** The same thread: memory was released, what is known of it is old. Take sum and maps at the next beat, or as soon as
 *  100 t allow it. The heap's own pause stays: what a release does to its figures, mappings tell. */
void pst_books_refresh(pst_books_keeper_t *keeper);

/** The same thread: take the sum now, whatever it costs: something will be done for what it says. */
void pst_books_sum(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now);

/** How long a source is left alone after taking it has cost so much; microseconds. Pure. */
apr_uint64_t pst_books_pause(pst_books_source_e source, apr_uint64_t cost);

#endif /* PST_BOOKS_H */
