/* SPDX-License-Identifier: Apache-2.0
 *
 * History.  See pst_history.h; the layout is in include/poolstat_board.h.
 *
 * Place in the flow: board's figures -> HISTORY on the board -> views.
 *
 * Concurrency: a ring has one writer, which completes a point and then raises the
 * count.  A reader copies what the count promises, reads the count again, and drops what may have been overwritten
 * meanwhile.  A ring holds one point
 * more than readers get: the one being written.
 */
#include "pst_history.h"
#include "pst_array.h"
#include "pst_figure.h"

#include <string.h>

#define USEC_MINUTE APR_UINT64_C(60000000)

/* A busy child's figures change while they are summed: number of retries. */
#define TRIES 4

/* -- writing ---------------------------------------------------------------- */

apr_status_t pst_history_start(const pst_board_t *board, pst_shared_child_t *child)
{
    int index = pst_board_index(board, child);
    pst_shared_history_t *ring = index < 0 ? NULL : pst_board_history(board, (apr_uint32_t)index);
    apr_status_t rv = ring ? pst_board_room(board, board->history_at + (apr_uint64_t)index * board->history_size,
                                            board->history_size) : APR_ENOTIMPL;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    __atomic_store_n(&ring->pid, 0, __ATOMIC_RELEASE);
    pst_store(&ring->started, child->started);
    pst_store(&ring->last, 0);
    pst_store(&ring->fine_written, 0);
    pst_store(&ring->coarse_written, 0);
    __atomic_store_n(&ring->pid, child->pid, __ATOMIC_RELEASE);
    return APR_SUCCESS;
}

static apr_uint32_t pages(apr_uint64_t bytes)
{
    bytes /= PST_HISTORY_PAGE;
    return bytes > APR_UINT32_MAX ? APR_UINT32_MAX : (apr_uint32_t)bytes;
}

typedef struct sums_t {
    apr_uint64_t process, connections, requests, buckets, held, slack;
} sums_t;

/* Includes what the last look at these pools found. */
static apr_uint64_t slack_of_process(const pst_shared_child_t *child)
{
    return pst_minus(pst_plus(pst_load_sane(&child->process.slack_bytes), pst_load_sane(&child->slack_early_bytes)),
                     pst_load_sane(&child->slack_late_bytes));
}

static void sum_child(sums_t *sums, const pst_board_t *board, pst_shared_child_t *child)
{
    memset(sums, 0, sizeof(*sums));
    sums->held = pst_load_sane(&child->held_bytes);
    sums->buckets = pst_load_sane(&child->child_bucket_bytes);
    sums->process = pst_load_sane(&child->process.reserved_bytes);
    sums->connections = pst_load_sane(&child->unslotted.reserved_bytes);
    sums->slack = slack_of_process(child) + pst_load_sane(&child->unslotted.slack_bytes);
    for (apr_uint32_t s = 0; s < board->slot_count; s++) {
        const pst_shared_slot_t *slot = pst_board_slot(board, child, s);
        apr_uint64_t whole, request;

        if (!__atomic_load_n(&slot->in_use, __ATOMIC_RELAXED)) {
            continue;
        }
        request = __atomic_load_n(&slot->has_request, __ATOMIC_RELAXED) ? pst_load_sane(&slot->request.reserved_bytes)
                                                                        : 0;
        whole = pst_load_sane(&slot->usage.reserved_bytes);
        request = request < whole ? request : whole;
        sums->requests += request;
        sums->connections += whole - request;
        sums->slack = pst_sane(sums->slack + pst_load_sane(&slot->usage.slack_bytes));
    }
}

/* Compare the scopes' sum with the sum counted in one place, with held unchanged: then all figures are from one
 * moment. */
static int of_one_moment(const sums_t *sums, const pst_shared_child_t *child)
{
    return sums->process + sums->connections + sums->requests == pst_load(&child->child_reserved_bytes)
           && sums->held == pst_load(&child->held_bytes) && sums->buckets == pst_load(&child->child_bucket_bytes);
}

static void point_books(pst_shared_point_t *point, const pst_shared_books_t *books)
{
    point->rss = pages(pst_load_sane(&books->rss_bytes));
    point->pss = pages(pst_load_sane(&books->pss_bytes));
    point->private_dirty = pages(pst_load_sane(&books->private_dirty_bytes));
    point->swap = pages(pst_load_sane(&books->swap_bytes));
    point->heap_in_use = pages(pst_load_sane(&books->heap_in_use_bytes));
    point->heap_free = pages(pst_load_sane(&books->heap_free_bytes));
    point->heap_arenas = (apr_uint32_t)pst_load_sane(&books->heap_arenas);
    point->heap_read = (apr_uint32_t)pst_load(&books->heap_time);
    point->file = pages(pst_load_sane(&books->file_bytes));
    point->shmem = pages(pst_load_sane(&books->shmem_bytes));
    point->stacks = pages(pst_load_sane(&books->stack_bytes));
    point->data = pages(pst_load_sane(&books->data_bytes));
    point->other = pages(pst_load_sane(&books->other_bytes));
}

static void take_point(pst_shared_point_t *point, const pst_board_t *board, pst_shared_child_t *child,
                       apr_uint64_t now)
{
    apr_uint64_t sum;
    sums_t sums;

    for (int i = 0; i < TRIES; i++) {
        sum_child(&sums, board, child);
        if (of_one_moment(&sums, child)) {
            break;
        }
    }
    point->time = (apr_uint32_t)(now / 1000);
    point->process = pages(sums.process);
    point->connections = pages(sums.connections);
    point->requests = pages(sums.requests);
    point->buckets = pages(sums.buckets);
    point->held = pages(sums.held);
    sum = (apr_uint64_t)point->process + point->connections + point->requests + point->buckets;
    if (sum > point->held) {
        point->held = sum > APR_UINT32_MAX ? APR_UINT32_MAX : (apr_uint32_t)sum;
    }
    point->peak = pages(pst_load_sane(&child->child_peak_bytes));
    point->connections_open = (apr_uint32_t)pst_load_sane(&child->connections_open);
    point->requests_finished = (apr_uint32_t)pst_load(&child->requests_finished);
    point->process_pools = (apr_uint32_t)pst_load_sane(&child->process.pools);
    point->process_new = pages(pst_load_sane(&child->grown_new_bytes));
    point->process_again = pages(pst_load_sane(&child->grown_again_bytes));
    point->requests_new = (apr_uint32_t)pst_load(&child->requests_new);
    point->requests_new_open = (apr_uint32_t)pst_load_sane(&child->requests_new_open);
    point->slack = pages(sums.slack);
    point_books(point, &child->books);
}

static pst_shared_point_t *fine_of(pst_shared_history_t *ring)
{
    return (pst_shared_point_t *)((char *)ring + PST_HISTORY_HEAD);
}

static pst_shared_point_t *coarse_of(const pst_board_t *board, pst_shared_history_t *ring)
{
    return fine_of(ring) + board->fine_count + 1;
}

static void append(pst_shared_point_t *points, apr_uint32_t size, uint64_t *written, const pst_shared_point_t *point)
{
    apr_uint64_t count = pst_load(written);

    points[count % size] = *point;
    __atomic_store_n(written, count + 1, __ATOMIC_RELEASE);
}

int pst_history_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    int index = pst_board_index(board, child);
    pst_shared_history_t *ring = index < 0 ? NULL : pst_board_history(board, (apr_uint32_t)index);
    apr_uint64_t interval = (apr_uint64_t)board->interval * 1000000, last;
    pst_shared_point_t point;

    if (!ring || __atomic_load_n(&ring->pid, __ATOMIC_RELAXED) != child->pid || !child->pid) {
        return 0;
    }
    last = pst_load(&ring->last);
    if (now / interval == last / interval) {
        return 0;
    }
    take_point(&point, board, child, now);
    append(fine_of(ring), board->fine_count + 1, &ring->fine_written, &point);
    pst_store(&ring->last, now);
    if (now / USEC_MINUTE == last / USEC_MINUTE) {
        return 1;
    }
    append(coarse_of(board, ring), board->coarse_count + 1, &ring->coarse_written, &point);
    return 2;
}

/* -- reading ---------------------------------------------------------------- */

int pst_history_about(pst_history_about_t *about, const pst_board_t *board, apr_uint32_t i)
{
    const pst_shared_child_t *child = pst_board_child(board, i);
    const pst_shared_history_t *ring;

    memset(about, 0, sizeof(*about));
    about->index = i;
    about->pid = __atomic_load_n(&child->pid, __ATOMIC_ACQUIRE);
    /* do not even read the ring of an unused block: reading a page allocates it */
    if (!board->history_size || !about->pid || !__atomic_load_n(&child->ready, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    ring = pst_board_history(board, i);
    about->generation = __atomic_load_n(&child->generation, __ATOMIC_RELAXED);
    about->level = (pst_level_e)__atomic_load_n(&child->level, __ATOMIC_RELAXED);
    if ((unsigned)about->level > PST_LEVEL_FULL) {
        about->level = PST_LEVEL_PUBLIC;
    }
    about->started = pst_load_sane(&child->started);
    about->alive = __atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) == about->pid;
    if (!about->alive) {
        about->ended = pst_load_sane(&child->ended);
        about->ended_how = __atomic_load_n(&child->ended_how, __ATOMIC_RELAXED) == PST_END_ORDERLY ? PST_END_ORDERLY
                                                                                                   : PST_END_ABRUPT;
    }
    if (__atomic_load_n(&ring->pid, __ATOMIC_ACQUIRE) != about->pid
        || pst_load_sane(&ring->started) != about->started) {
        return 0;
    }
    about->written = pst_load(&ring->fine_written);
    about->points = about->written > board->fine_count ? board->fine_count : (apr_uint32_t)about->written;
    return 1;
}

apr_uint64_t pst_history_last_sign(const pst_board_t *board, apr_uint32_t i, apr_uint64_t now)
{
    const pst_shared_child_t *child = pst_board_child(board, i);
    const pst_shared_history_t *ring;
    apr_uint64_t signs[6] = { 0 }, latest = 0;

    if (!__atomic_load_n(&child->pid, __ATOMIC_ACQUIRE) || !__atomic_load_n(&child->ready, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    signs[0] = pst_load(&child->started);
    signs[1] = pst_load(&child->ended);
    signs[2] = pst_load(&child->books.books_time);
    signs[3] = pst_load(&child->books.heap_time);
    signs[4] = pst_load(&child->books.maps_time);
    ring = pst_board_history(board, i);
    if (ring && __atomic_load_n(&ring->pid, __ATOMIC_ACQUIRE) == child->pid
        && pst_load(&ring->started) == child->started) {
        signs[5] = pst_load(&ring->last);
    }
    for (unsigned s = 0; s < PST_ITEMS(signs); s++) {
        latest = signs[s] > latest && signs[s] <= now ? signs[s] : latest;
    }
    return latest;
}

int pst_history_find(pst_history_about_t *about, const pst_board_t *board, apr_uint32_t pid)
{
    pst_history_about_t one;
    int found = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); pid && i < count; i++) {
        if (__atomic_load_n(&pst_board_child(board, i)->pid, __ATOMIC_RELAXED) != pid
            || !pst_history_about(&one, board, i) || one.pid != pid) {
            continue;
        }
        if (!found || one.alive > about->alive || (one.alive == about->alive && one.started > about->started)) {
            *about = one;
            found = 1;
        }
    }
    return found;
}

void pst_history_room(pst_history_t *history, const pst_board_t *board, apr_pool_t *pool)
{
    memset(history, 0, sizeof(*history));
    history->fine = apr_palloc(pool, (board->fine_count + 1) * sizeof(*history->fine));
    history->coarse = apr_palloc(pool, (board->coarse_count + 1) * sizeof(*history->coarse));
}

/* As in a snapshot: one of the two is always 0, both are until the mappings have been read. */
static void close_point(pst_history_point_t *point)
{
    apr_uint64_t there = point->rss + point->swap;
    apr_uint64_t explained = point->held + point->heap_in_use + point->heap_free + point->file + point->shmem
                             + point->stacks + point->data + point->other;
    int known = point->rss && point->file;

    point->unexplained = known ? pst_minus(there, explained) : 0;
    point->not_resident = known ? pst_minus(explained, there) : 0;
}

static void expand(pst_history_point_t *to, const pst_shared_point_t *from)
{
    const apr_uint64_t page = PST_HISTORY_PAGE;
    apr_uint64_t sum;

    to->time = from->time;
    to->process = page * from->process;
    to->connections = page * from->connections;
    to->requests = page * from->requests;
    to->buckets = page * from->buckets;
    sum = to->process + to->connections + to->requests + to->buckets;
    to->held = page * from->held;
    to->held = to->held < sum ? sum : to->held;
    to->retained = to->held - sum;
    to->peak = page * from->peak;
    to->connections_open = from->connections_open;
    to->requests_finished = from->requests_finished;
    to->process_pools = from->process_pools;
    to->process_new = page * from->process_new;
    to->process_again = page * from->process_again;
    to->requests_new = from->requests_new;
    to->requests_new_open = from->requests_new_open;
    to->slack = page * from->slack;
    to->rss = page * from->rss;
    to->pss = page * from->pss;
    to->private_dirty = page * from->private_dirty;
    to->swap = page * from->swap;
    to->heap_in_use = page * from->heap_in_use;
    to->heap_free = page * from->heap_free;
    to->heap_arenas = from->heap_arenas;
    to->heap_read = from->heap_read;
    to->file = page * from->file;
    to->shmem = page * from->shmem;
    to->stacks = page * from->stacks;
    to->data = page * from->data;
    to->other = page * from->other;
    close_point(to);
}

/*
 * Times and counters are low bits: the newest is the latest value not after the one known in full, and each earlier
 * one follows from the next. A clock that was set back shows as such.
 */
static void make_whole(pst_history_point_t *points, apr_uint32_t count, apr_uint64_t time, apr_uint64_t requests,
                       apr_uint64_t newly)
{
    apr_uint64_t ms = time / 1000;

    for (apr_uint32_t i = count; i-- > 0;) {
        ms -= (apr_uint64_t)(apr_int64_t)(apr_int32_t)((apr_uint32_t)ms - (apr_uint32_t)points[i].time);
        requests -= (apr_uint32_t)((apr_uint32_t)requests - (apr_uint32_t)points[i].requests_finished);
        points[i].time = pst_sane(ms) > (apr_uint64_t)INT64_MAX / 1000 ? 0 : ms * 1000;
        points[i].requests_finished = pst_sane(requests);
        newly -= (apr_uint32_t)((apr_uint32_t)newly - (apr_uint32_t)points[i].requests_new);
        points[i].requests_new = pst_sane(newly);
    }
}

/* @param size points in the ring; one less can be read. @return number of valid ones, moved to the front */
static apr_uint32_t copy_ring(pst_history_point_t *to, const pst_shared_point_t *from, apr_uint32_t size,
                              const uint64_t *written)
{
    apr_uint64_t end = __atomic_load_n(written, __ATOMIC_ACQUIRE), begin, safe;
    apr_uint32_t count, lost;

    begin = end > size - 1 ? end - (size - 1) : 0;
    count = (apr_uint32_t)(end - begin);
    for (apr_uint32_t i = 0; i < count; i++) {
        pst_shared_point_t point = from[(begin + i) % size];

        expand(&to[i], &point);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    safe = __atomic_load_n(written, __ATOMIC_RELAXED);
    if (safe < end) {
        return 0;
    }
    safe = safe > size - 1 ? safe - (size - 1) : 0;
    lost = 0;
    if (safe > begin) {
        lost = safe - begin > count ? count : (apr_uint32_t)(safe - begin);
    }
    memmove(to, to + lost, (count - lost) * sizeof(*to));
    return count - lost;
}

int pst_history_read(pst_history_t *history, const pst_board_t *board)
{
    apr_uint32_t i = history->about.index;
    pst_shared_child_t *child = pst_board_child(board, i);
    pst_shared_history_t *ring = pst_board_history(board, i);
    apr_uint64_t last, requests, newly;

    history->fine_count = history->coarse_count = 0;
    if (!ring) {
        return 0;
    }
    history->fine_count = copy_ring(history->fine, fine_of(ring), board->fine_count + 1, &ring->fine_written);
    history->coarse_count = copy_ring(history->coarse, coarse_of(board, ring), board->coarse_count + 1,
                                      &ring->coarse_written);
    last = pst_load_sane(&ring->last);
    requests = pst_load_sane(&child->requests_finished);
    newly = pst_load_sane(&child->requests_new);
    if (__atomic_load_n(&ring->pid, __ATOMIC_ACQUIRE) != history->about.pid
        || pst_load_sane(&ring->started) != history->about.started) {
        history->fine_count = history->coarse_count = 0;
        return 0;
    }
    make_whole(history->fine, history->fine_count, last, requests, newly);
    make_whole(history->coarse, history->coarse_count, last, requests, newly);
    return 1;
}

static void leave_out_points(pst_history_point_t **points, apr_uint32_t *count, apr_uint64_t since)
{
    while (since && *count && (*points)->time / 1000 <= since / 1000) {
        (*points)++;
        (*count)--;
    }
}

void pst_history_leave_out(pst_history_t *history, apr_uint64_t since)
{
    leave_out_points(&history->fine, &history->fine_count, since);
    leave_out_points(&history->coarse, &history->coarse_count, since);
}

const char *pst_history_end_word(unsigned how)
{
    static const char *const words[] = {
        [PST_END_NONE] = "alive", [PST_END_ORDERLY] = "orderly", [PST_END_ABRUPT] = "abrupt",
        [PST_END_GONE] = "gone"
    };

    return how <= PST_END_GONE ? words[how] : "?";
}

const char *pst_history_by_word(unsigned by)
{
    static const char *const words[] = {
        [PST_HISTORY_OFF] = "off", [PST_HISTORY_BY_WATCHDOG] = "watchdog", [PST_HISTORY_BY_MONITOR] = "monitor"
    };

    return by <= PST_HISTORY_BY_MONITOR ? words[by] : "?";
}
