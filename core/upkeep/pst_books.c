/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of a child.  See pst_books.h.
 *
 * Place in the flow: kernel, heap -> BOOKS -> board.
 *
 * One thread: the child's watchdog or, where there is none, the parent's monitor, which then examines its children
 * from outside and cannot query their heaps.
 */
#include "pst_books.h"
#include "pst_clock.h"
#include "pst_figure.h"
#include "pst_heap.h"
#include "pst_memory.h"
#include "pst_thread.h"

#include <string.h>

#define MAPS_EVERY  60
#define MAPS_FIRST  3       /* age of a child in seconds before its mappings and heap are read: a starting child maps
                               and touches much, and reading that costs as much as the rest of its start */
#define MOVED_PART  16      /* sum and maps are outdated when RSS has moved by this part of it, */
#define MOVED_LEAST (APR_UINT64_C(1) << 20) /* and at least by this */
#define PAUSE_TIMES 1000
#define HURRY_TIMES 100     /* if there is reason to look again */
/* us that a worker may be delayed before the pause of a source grows. Few requests use the heap at all, but those
 * should not wait; a request that needs another mapping goes to the kernel anyway. */
#define PAUSE_HEAP  1000
#define PAUSE_MAPS  10000
#define PAUSE_MOST  (APR_UINT64_C(30) * 24 * 3600 * 1000000)

static struct {
    apr_uint64_t stack_size;
    int          nodes_in_heap;
} g;

void pst_books_start(pst_shared_child_t *child, apr_uint64_t stack_size, int nodes_in_heap)
{
    g.stack_size = stack_size;
    g.nodes_in_heap = nodes_in_heap;
    pst_heap_recognise();
    __atomic_store_n(&child->books.heap_kind, (apr_uint32_t)pst_heap_kind(), __ATOMIC_RELAXED);
}

/* -- when ------------------------------------------------------------------- */

apr_uint64_t pst_books_pause(pst_books_source_e source, apr_uint64_t cost)
{
    apr_uint64_t pause, most = source == PST_BOOKS_HEAP ? PAUSE_HEAP : PAUSE_MAPS;

    if (cost > APR_UINT64_C(60) * 1000000) {
        return PAUSE_MOST;
    }
    pause = PAUSE_TIMES * cost;
    if (cost > most) {
        pause = pause / most * cost;
    }
    return pause < PAUSE_MOST ? pause : PAUSE_MOST;
}

/* The cost of a reading is its CPU time: waiting costs nobody anything, and a busy machine must not make figures
 * older. */
typedef struct taking_t {
    apr_uint64_t began;         /* by the thread's own clock */
} taking_t;

static void begin_taking(taking_t *taking)
{
    taking->began = pst_clock_usec(CLOCK_THREAD_CPUTIME_ID);
}

static int may_take(const pst_books_keeper_t *keeper, pst_shared_books_t *books, pst_books_source_e source, int hurry)
{
    if (pst_clock_usec(CLOCK_MONOTONIC) < (hurry ? keeper->soonest : keeper->not_before)[source]) {
        pst_store(&books->books_put_off, pst_load(&books->books_put_off) + 1);
        return 0;
    }
    return 1;
}

static apr_uint64_t taken(pst_books_keeper_t *keeper, pst_books_source_e source, const taking_t *taking)
{
    apr_uint64_t cost = pst_clock_usec(CLOCK_THREAD_CPUTIME_ID) - taking->began, now = pst_clock_usec(CLOCK_MONOTONIC);

    cost = cost ? cost : 1;
    keeper->not_before[source] = now + pst_books_pause(source, cost);
    keeper->soonest[source] = now + HURRY_TIMES * cost;
    return cost;
}

static int has_moved(apr_uint64_t is, apr_uint64_t was)
{
    apr_uint64_t moved = is > was ? is - was : was - is;

    return moved > was / MOVED_PART && moved > MOVED_LEAST;
}

/* -- what ------------------------------------------------------------------- */

static void take_sum(pst_books_keeper_t *keeper, pst_shared_books_t *books, apr_uint32_t pid, apr_uint64_t now)
{
    pst_memory_sum_t sum;
    taking_t taking;

    begin_taking(&taking);
    if (pst_memory_sum(&sum, pid) == APR_SUCCESS) {
        sum.pss = pst_minus(sum.pss, keeper->board_pss);
        keeper->sum_rss = sum.rss;
        keeper->sum_shared = pst_minus(sum.rss, sum.pss);
        keeper->sum_clean = pst_minus(sum.rss, sum.private_dirty);
        keeper->rss = sum.rss + sum.swap;
        pst_store(&books->rss_bytes, sum.rss);
        keeper->pss = sum.pss;
        pst_store(&books->pss_bytes, keeper->pss);
        pst_store(&books->private_dirty_bytes, sum.private_dirty);
        pst_store(&books->swap_bytes, sum.swap);
        pst_store(&books->books_time, now);
    }
    pst_store(&books->books_cost, taken(keeper, PST_BOOKS_SUM, &taking));
}

/* Between two readings: RSS and swap, which are available more cheaply, if not exactly; and what follows from them.
 * @return whether they have moved so far that the sum should be read */
static int count_sum(pst_books_keeper_t *keeper, pst_shared_books_t *books, apr_uint32_t pid)
{
    pst_memory_sum_t sum;

    if (pst_memory_count(&sum, pid) != APR_SUCCESS) {
        return 0;
    }
    keeper->rss = sum.rss + sum.swap;
    pst_store(&books->rss_bytes, sum.rss);
    pst_store(&books->swap_bytes, sum.swap);
    if (keeper->sum_rss) {
        keeper->pss = pst_minus(sum.rss, keeper->sum_shared);
        pst_store(&books->pss_bytes, keeper->pss);
        pst_store(&books->private_dirty_bytes, pst_minus(sum.rss, keeper->sum_clean));
    }
    return has_moved(sum.rss, keeper->sum_rss);
}

static void look_at_sum(pst_books_keeper_t *keeper, pst_shared_books_t *books, apr_uint32_t pid, apr_uint64_t now)
{
    if (may_take(keeper, books, PST_BOOKS_SUM, 0)
        || (count_sum(keeper, books, pid) && pst_clock_usec(CLOCK_MONOTONIC) >= keeper->soonest[PST_BOOKS_SUM])) {
        take_sum(keeper, books, pid, now);
    }
}

/* What is free in the heap and present. @param keeper the last reports of heap and mappings, each from its own time */
static void tell_free(const pst_books_keeper_t *keeper, pst_shared_books_t *books)
{
    pst_store(&books->heap_free_bytes, pst_minus(keeper->heap_free, keeper->heap_absent));
}

static void take_heap(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    pst_shared_books_t *books = &child->books;
    pst_heap_figures_t figures;
    taking_t taking;

    if (pst_heap_tells() == PST_HEAP_TELLS_NOTHING || !may_take(keeper, books, PST_BOOKS_HEAP, 0)) {
        return;
    }
    begin_taking(&taking);
    if (pst_heap_ask(&figures) == APR_SUCCESS) {
        /* if libapr gets its nodes from the heap, they are in use there too, and counted as APR's */
        apr_uint64_t nodes = g.nodes_in_heap ? pst_load(&child->held_bytes) : 0;

        pst_store(&books->heap_in_use_bytes, pst_minus(figures.in_use, nodes));
        keeper->heap_free = figures.free;
        tell_free(keeper, books);
        if (figures.arenas) {
            pst_store(&books->heap_arenas, figures.arenas);
        }
        pst_store(&books->heap_time, now);
        keeper->heap_mapped = figures.mapped;
        keeper->heap_mapped_is_least = figures.mapped_is_least;
        keeper->heap_in_use = figures.in_use;
        __atomic_store_n(&books->heap_tells, (apr_uint32_t)pst_heap_tells(), __ATOMIC_RELAXED);
    }
    pst_store(&books->heap_cost, taken(keeper, PST_BOOKS_HEAP, &taking));
}

/* Anonymous memory that is neither stack nor data: what is mapped beyond what APR and the heap have. At most that
 * much of it is present, and no more than is present in total. A heap that has mapped more than it reports would
 * leave room for others that do not exist: then it is bounded by what is present beyond APR's and the heap's own. If
 * the heap does not report what it has mapped, nothing is claimed, and the rest is reported as unexplained. */
static apr_uint64_t others(const pst_books_keeper_t *keeper, const pst_memory_maps_t *maps, apr_uint64_t held)
{
    apr_uint64_t nodes = g.nodes_in_heap ? 0 : held, known = keeper->heap_mapped + keeper->heap_beyond + nodes, other,
                 most = maps->rest;

    if (!keeper->heap_mapped) {
        return 0;
    }
    if (keeper->heap_mapped_is_least) {
        most = pst_minus(most, nodes + keeper->heap_in_use + keeper->heap_free);
    }
    other = pst_minus(maps->rest_mapped, known);
    return other < most ? other : most;
}

/* The board's part of PSS. The sum was read with what was known about it then. */
static void tell_board(pst_books_keeper_t *keeper, pst_shared_books_t *books, const pst_memory_maps_t *maps)
{
    if (keeper->sum_rss) {
        keeper->sum_shared = pst_minus(keeper->sum_shared + maps->apart_pss, keeper->board_pss);
        keeper->pss = pst_minus(keeper->pss + keeper->board_pss, maps->apart_pss);
        pst_store(&books->pss_bytes, keeper->pss);
    }
    keeper->board_pss = maps->apart_pss;
    pst_store(&books->board_bytes, maps->apart);
}

static void take_maps(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now,
                      int hurry)
{
    pst_shared_books_t *books = &child->books;
    pst_memory_stacks_t stacks = { g.stack_size, PST_THREAD_STACK };
    pst_heap_arenas_t arenas = { 0, 0, 0, 0 };
    pst_memory_maps_t maps;
    taking_t taking;

    if (!may_take(keeper, books, PST_BOOKS_MAPS, hurry)) {
        return;
    }
    begin_taking(&taking);
    if (pst_memory_maps(&maps, pid, &stacks, pid ? NULL : pst_heap_find_arenas, &arenas) == APR_SUCCESS) {
        keeper->heap_beyond = arenas.beyond;
        keeper->heap_absent = arenas.absent;
        pst_store(&books->file_bytes, maps.file);
        pst_store(&books->shmem_bytes, maps.shared);
        tell_board(keeper, books, &maps);
        pst_store(&books->stack_bytes, maps.stacks);
        pst_store(&books->data_bytes, maps.data);
        pst_store(&books->other_bytes, others(keeper, &maps, pst_load(&child->held_bytes)));
        if (!pid && pst_heap_kind() == PST_HEAP_GLIBC) {
            pst_store(&books->heap_arenas, arenas.arenas + 1);
            tell_free(keeper, books);
        }
        pst_store(&books->maps_time, now);
        keeper->maps_rss = keeper->rss;
    }
    pst_store(&books->maps_cost, taken(keeper, PST_BOOKS_MAPS, &taking));
}

static void look_at_maps(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now)
{
    int moved = !keeper->maps_interval || has_moved(keeper->rss, keeper->maps_rss);
    apr_uint64_t before = keeper->not_before[PST_BOOKS_MAPS];

    if (!moved && keeper->interval - keeper->maps_interval < MAPS_EVERY) {
        return;
    }
    take_maps(keeper, child, pid, now, moved);
    if (keeper->not_before[PST_BOOKS_MAPS] != before) {
        /* next time, not all children at once */
        keeper->maps_interval = keeper->interval - keeper->pid % (MAPS_EVERY / 2);
    }
}

int pst_books_beat(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now,
                   apr_uint32_t seconds)
{
    apr_uint64_t interval;

    seconds = seconds ? seconds : 1;
    interval = now / 1000000 / seconds;
    if (keeper->pid != child->pid) {
        memset(keeper, 0, sizeof(*keeper));
        keeper->pid = child->pid;
        keeper->first_interval = interval;
    }
    if (interval == keeper->interval) {
        return 0;
    }
    keeper->interval = interval;
    look_at_sum(keeper, &child->books, pid, now);
    if ((interval - keeper->first_interval) * seconds < MAPS_FIRST) {
        return 1;               /* without the mappings it is not known how much of the heap's free memory is present */
    }
    if (!pid) {
        take_heap(keeper, child, now);
    }
    look_at_maps(keeper, child, pid, now);
    return 1;
}

void pst_books_sum(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    take_sum(keeper, &child->books, 0, now);
}

void pst_books_refresh(pst_books_keeper_t *keeper)
{
    keeper->not_before[PST_BOOKS_SUM] = keeper->soonest[PST_BOOKS_SUM];
    keeper->maps_interval = keeper->first_interval = 0;
    keeper->interval = 0;
}
