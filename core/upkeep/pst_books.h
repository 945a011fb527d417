/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of a child: its memory as the kernel and its heap report it, measured for the board.
 *
 * Three sources, each with its own bound on cost:
 *
 *   sum    smaps_rollup            each interval
 *   heap   the heap's allocator    each interval; only by the child itself
 *   maps   smaps                   each sixtieth interval, or when RSS has moved by a sixteenth; heap and maps are
 *                                  skipped in the first three seconds
 *
 * Between two readings of the sum, RSS and swap come from the kernel's own counters, and PSS and private dirty are
 * moved along with RSS: what changes is nearly always the child's own memory. They are bounded by RSS; books_time
 * gives their age.
 *
 * The board does not count as a child's memory: reading it maps pages of other children, and its own pages exist for
 * readers. The board's part of PSS, as of the last look at the mappings, is subtracted.
 *
 * Free heap memory comes from two of them: the heap reports what is free, the mappings what part of its arenas is
 * absent. The difference is free and present, or less than that if memory in use was never touched.
 *
 * A source that took time t is not read again for at least 1000 t, so it takes no more than a thousandth of a thread.
 * While it is read, workers may have to wait: those calling malloc for the heap's locks, those mapping and unmapping
 * for the process's mmap_lock. Beyond a millisecond for the heap, and ten for the kernel, the pause grows with the
 * square of t: so the expected wait of a malloc call at a random moment stays below half a microsecond, that of a
 * mapping below five, however large the process and however fragmented its heap. If RSS has since moved by a
 * sixteenth, or memory was released, sum and maps are read after 100 t. Postponed readings are counted.
 *
 * Called by: start (pst_books_start), watchdog, parent
 */
#ifndef PST_BOOKS_H
#define PST_BOOKS_H

#include "pst_board.h"

typedef enum { PST_BOOKS_SUM = 0, PST_BOOKS_HEAP, PST_BOOKS_MAPS, PST_BOOKS_SOURCES } pst_books_source_e;

/** Private state of the thread that measures one child's books. Initially zero. */
typedef struct pst_books_keeper_t {
    apr_uint32_t pid;               /**< the child's pid; a different one starts over */
    apr_uint64_t interval;          /**< number of the last interval handled */
    apr_uint64_t maps_interval;     /**< the same, when maps were last read */
    apr_uint64_t first_interval;    /**< the same, when it began */
    apr_uint64_t rss, maps_rss;     /**< including swap: as last counted; when maps were read */
    apr_uint64_t sum_rss, sum_shared, sum_clean;    /**< when the sum was read: RSS; RSS without PSS; RSS without
                                                         private dirty */
    apr_uint64_t pss;               /**< a copy of that on the board, which others can write to: for decisions */
    apr_uint64_t not_before[PST_BOOKS_SOURCES]; /**< microseconds of a clock that only goes forward */
    apr_uint64_t soonest[PST_BOOKS_SOURCES];    /**< the same, if there is reason to look again */
    apr_uint64_t board_pss;     /**< the board's part of PSS, from the mappings */
    apr_uint64_t heap_mapped, heap_in_use, heap_free;   /**< as reported by the heap */
    int          heap_mapped_is_least;
    apr_uint64_t heap_beyond, heap_absent;      /**< from the mappings */
} pst_books_keeper_t;

/** Child, before other threads exist: what the books need to know about it. @param nodes_in_heap  libapr gets nodes by
 *  malloc */
void pst_books_start(pst_shared_child_t *child, apr_uint64_t stack_size, int nodes_in_heap);

/**
 * Read what is due. Call it once a second or more often.
 * @param child   whose books; called by their only writer
 * @param pid     0: this process's own, heap too; else another process's, without heap
 * @param seconds length of an interval
 * @return whether an interval began
 */
int pst_books_beat(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now,
                   apr_uint32_t seconds);

/** The same thread: memory was released, so the figures are outdated. Read sum and maps at the next beat, or as soon
 *  as 100 t allow. The heap's own pause stays: the mappings show the effect of a release. */
void pst_books_refresh(pst_books_keeper_t *keeper);

/** The same thread: read the sum now, whatever it costs: a decision depends on it. */
void pst_books_sum(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now);

/** How long to pause a source after a reading of this cost; microseconds. Pure. */
apr_uint64_t pst_books_pause(pst_books_source_e source, apr_uint64_t cost);

#endif /* PST_BOOKS_H */
