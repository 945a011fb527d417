/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of a child.  See pst_books.h.
 *
 * Place in the flow: kernel, heap -> BOOKS -> board.
 *
 * One thread: the child's watchdog or, where there is none, the parent's monitor, which then looks
 * at its children from outside and cannot ask their heaps.
 */
#include "pst_books.h"
#include "pst_heap.h"
#include "pst_memory.h"

#include <string.h>
#include <time.h>

#define MAPS_EVERY  60
#define MAPS_MOVED  16      /* maps are old when RSS has moved by this part of it, */
#define MAPS_LEAST  (APR_UINT64_C(1) << 20) /* and by so much */
#define PAUSE_TIMES 1000
/* us that a worker may be held up before a source is left alone for longer. Few requests use the heap at all, but
 * they do not know how to wait; a request that needs another mapping goes to the kernel anyway. */
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

static apr_uint64_t clock_of(clockid_t which)
{
    struct timespec time = { 0, 0 };

    clock_gettime(which, &time);
    return (apr_uint64_t)time.tv_sec * 1000000 + (apr_uint64_t)time.tv_nsec / 1000;
}

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

/* What a taking costs is its CPU time: being made to wait costs nobody, and a busy machine makes figures no older. */
typedef struct taking_t {
    apr_uint64_t began;         /* by the thread's own clock */
} taking_t;

static int may_take(const pst_books_keeper_t *keeper, pst_shared_books_t *books, pst_books_source_e source,
                    taking_t *taking)
{
    if (clock_of(CLOCK_MONOTONIC) < keeper->not_before[source]) {
        pst_store(&books->books_put_off, pst_load(&books->books_put_off) + 1);
        return 0;
    }
    taking->began = clock_of(CLOCK_THREAD_CPUTIME_ID);
    return 1;
}

static apr_uint64_t taken(pst_books_keeper_t *keeper, pst_books_source_e source, const taking_t *taking)
{
    apr_uint64_t cost = clock_of(CLOCK_THREAD_CPUTIME_ID) - taking->began;

    cost = cost ? cost : 1;
    keeper->not_before[source] = clock_of(CLOCK_MONOTONIC) + pst_books_pause(source, cost);
    return cost;
}

/* -- what ------------------------------------------------------------------- */

static void take_sum(pst_books_keeper_t *keeper, pst_shared_books_t *books, apr_uint32_t pid, apr_uint64_t now)
{
    pst_memory_sum_t sum;
    taking_t taking;

    if (!may_take(keeper, books, PST_BOOKS_SUM, &taking)) {
        /* RSS and swap can be had for less, if not to the page */
        if (pst_memory_count(&sum, pid) == APR_SUCCESS) {
            pst_store(&books->rss_bytes, sum.rss);
            pst_store(&books->swap_bytes, sum.swap);
            keeper->rss = sum.rss + sum.swap;
        }
        return;
    }
    if (pst_memory_sum(&sum, pid) == APR_SUCCESS) {
        pst_store(&books->rss_bytes, sum.rss);
        pst_store(&books->pss_bytes, sum.pss);
        pst_store(&books->private_dirty_bytes, sum.private_dirty);
        pst_store(&books->swap_bytes, sum.swap);
        pst_store(&books->books_time, now);
        keeper->rss = sum.rss + sum.swap;
    }
    pst_store(&books->books_cost, taken(keeper, PST_BOOKS_SUM, &taking));
}

static void take_heap(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    pst_shared_books_t *books = &child->books;
    pst_heap_figures_t figures;
    taking_t taking;

    if (pst_heap_tells() == PST_HEAP_TELLS_NOTHING || !may_take(keeper, books, PST_BOOKS_HEAP, &taking)) {
        return;
    }
    if (pst_heap_ask(&figures) == APR_SUCCESS) {
        /* where libapr gets its nodes from the heap they are in use there too, and counted as APR's */
        apr_uint64_t nodes = g.nodes_in_heap ? pst_load(&child->held_bytes) : 0;

        pst_store(&books->heap_in_use_bytes, figures.in_use > nodes ? figures.in_use - nodes : 0);
        pst_store(&books->heap_free_bytes, figures.free);
        if (figures.arenas) {
            pst_store(&books->heap_arenas, figures.arenas);
        }
        pst_store(&books->heap_time, now);
        keeper->heap_mapped = figures.mapped;
        __atomic_store_n(&books->heap_tells, (apr_uint32_t)pst_heap_tells(), __ATOMIC_RELAXED);
    }
    pst_store(&books->heap_cost, taken(keeper, PST_BOOKS_HEAP, &taking));
}

/* Of anonymous memory that is neither stack nor data: what is mapped beyond what APR and the heap have. At most so
 * much is there of it, and no more than there is at all. Where the heap does not tell what it has mapped, nothing is
 * said, and the rest comes out as unexplained. */
static apr_uint64_t others(const pst_books_keeper_t *keeper, const pst_memory_maps_t *maps, apr_uint64_t held)
{
    apr_uint64_t known = keeper->heap_mapped + keeper->heap_beyond + (g.nodes_in_heap ? 0 : held), other;

    if (!keeper->heap_mapped) {
        return 0;
    }
    other = maps->rest_mapped > known ? maps->rest_mapped - known : 0;
    return other < maps->rest ? other : maps->rest;
}

static void take_maps(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now)
{
    pst_shared_books_t *books = &child->books;
    pst_heap_arenas_t arenas = { 0, 0, 0 };
    pst_memory_maps_t maps;
    taking_t taking;

    if (!may_take(keeper, books, PST_BOOKS_MAPS, &taking)) {
        return;
    }
    if (pst_memory_maps(&maps, pid, g.stack_size, pid ? NULL : pst_heap_find_arenas, &arenas) == APR_SUCCESS) {
        keeper->heap_beyond = arenas.beyond;
        pst_store(&books->file_bytes, maps.file);
        pst_store(&books->shmem_bytes, maps.shared);
        pst_store(&books->stack_bytes, maps.stacks);
        pst_store(&books->data_bytes, maps.data);
        pst_store(&books->other_bytes, others(keeper, &maps, pst_load(&child->held_bytes)));
        if (!pid && pst_heap_kind() == PST_HEAP_GLIBC) {
            pst_store(&books->heap_arenas, arenas.arenas + 1);
        }
        pst_store(&books->maps_time, now);
        keeper->maps_rss = keeper->rss;
    }
    pst_store(&books->maps_cost, taken(keeper, PST_BOOKS_MAPS, &taking));
}

static int maps_are_old(const pst_books_keeper_t *keeper, apr_uint64_t interval)
{
    apr_uint64_t rss = keeper->rss, was = keeper->maps_rss, moved = rss > was ? rss - was : was - rss;

    return !keeper->maps_interval || interval - keeper->maps_interval >= MAPS_EVERY
           || (moved > was / MAPS_MOVED && moved > MAPS_LEAST);
}

int pst_books_beat(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint32_t pid, apr_uint64_t now,
                   apr_uint32_t seconds)
{
    apr_uint64_t interval = now / 1000000 / (seconds ? seconds : 1);

    if (keeper->pid != child->pid) {
        memset(keeper, 0, sizeof(*keeper));
        keeper->pid = child->pid;
    }
    if (interval == keeper->interval) {
        return 0;
    }
    keeper->interval = interval;
    take_sum(keeper, &child->books, pid, now);
    if (!pid) {
        take_heap(keeper, child, now);
    }
    if (maps_are_old(keeper, interval)) {
        apr_uint64_t before = keeper->not_before[PST_BOOKS_MAPS];

        take_maps(keeper, child, pid, now);
        if (keeper->not_before[PST_BOOKS_MAPS] != before) {
            /* not all children at once, the next time */
            keeper->maps_interval = interval - keeper->pid % (MAPS_EVERY / 2);
        }
    }
    return 1;
}

void pst_books_refresh(pst_books_keeper_t *keeper)
{
    memset(keeper->not_before, 0, sizeof(keeper->not_before));
    keeper->maps_interval = 0;
    keeper->interval = 0;
}
