/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the snapshot's sums, filters and orders, and what it makes of a board filled with lies.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_metric.h"
#include "pst_snapshot_figures.h"
#include "pst_snapshot.h"

static apr_pool_t *pool;
static pst_board_t board;
static pst_snapshot_t snap;
static pst_filter_t filter = { .kind = -1 };

static void take(const char *what)
{
    is_number((unsigned)pst_snapshot_take(&snap, &board, &filter, NOW, pool), APR_SUCCESS, what);
}

/* Two children: 100 with three connections, 200 with one. */
static void fill(void)
{
    pst_shared_child_t *one = add_child(&board, 100), *two = add_child(&board, 200);

    add_connection(&board, one, 0, 8000, PST_KIND_CLIENT, "a.example");
    add_connection(&board, one, 2, 40000, PST_KIND_SECONDARY, "B.example");
    add_connection(&board, one, 3, 16000, PST_KIND_CLIENT, "b.example");
    one->held_bytes = 80000 + 64000 + 500 + 5000 + 1234;
    one->child_bucket_bytes = 500;
    one->unslotted.reserved_bytes = 5000;
    one->unslotted.pools = 4;
    one->unslotted_connections = 1;
    one->connections_open++;
    add_connection(&board, two, 1, 400000, PST_KIND_BACKEND, "");
}

static void sums(void)
{
    const pst_child_row_t *one;

    take("taken");
    is_number(snap.child_count, 2, "two children");
    is_number(snap.row_count, 4, "four rows");
    is_number(snap.children[0].head.owner, 200, "the largest child first");
    one = &snap.children[1];
    is_number(one->reserved_bytes, 80000 + 64000 + 5000, "a child's reserved is all its scopes, unslotted too");
    is_number(one->requests_reserved_bytes, 16000, "in requests");
    is_number(one->connections_reserved_bytes, 64000 - 16000 + 5000, "in connections, requests apart");
    is_number(one->used_bytes, one->reserved_bytes - 1300, "used is reserved without slack");
    is_number(one->pools, 10 + 6 + 4, "pools");
    is_number(one->retained_bytes, 1234, "retained closes the books");
    is_number(one->rows, 3, "rows of a child");
    is_number(snap.rows[one->first]->slot.usage.reserved_bytes, 40000, "the largest connection first");
    is_number(snap.rows[one->first + 2]->slot.usage.reserved_bytes, 8000, "the smallest last");
    is_number(snap.rows[one->first]->child, 1, "a row knows its child");
    is_number(snap.total.reserved_bytes, 149000 + 480000, "total");
    is_number(snap.total.process_reserved_bytes + snap.total.connections_reserved_bytes
                  + snap.total.requests_reserved_bytes, snap.total.reserved_bytes, "scopes add up to reserved");
    is_number(snap.total.connections, 5, "connections with and without slot");
    is_text(snap.about.mpm, "event", "the server's texts");
}

/* RSS + swap + not resident = held and everything else that is known + unexplained. */
static void books(void)
{
    pst_shared_books_t *b = &pst_board_child(&board, 0)->books;
    const apr_uint64_t held = pst_board_child(&board, 0)->held_bytes, known = held + 10 + 200 + 3000 + 40000 + 500000 + 6000000 + 70000000;
    const pst_child_row_t *one = &snap.children[1];

    b->heap_in_use_bytes = 10;
    b->heap_free_bytes = 200;
    b->file_bytes = 3000;
    b->shmem_bytes = 40000;
    b->stack_bytes = 500000;
    b->data_bytes = 6000000;
    b->other_bytes = 70000000;
    b->rss_bytes = known + 5000;
    b->swap_bytes = 77;
    b->pss_bytes = 12345;
    b->heap_kind = PST_HEAP_JEMALLOC;
    b->heap_tells = PST_HEAP_TELLS_BOTH;
    b->books_time = NOW;
    take("books without mappings");
    ok(!snap.children[1].unexplained_bytes && !snap.children[1].not_resident_bytes, "say nothing of what is left");
    b->maps_time = NOW;
    take("closed books");
    one = &snap.children[1];
    is_number(one->unexplained_bytes, 5077, "what is there beyond what is known");
    is_number(one->not_resident_bytes, 0, "then nothing is missing");
    is_number(one->head.books.heap_kind, PST_HEAP_JEMALLOC, "whose heap it is");
    is_number(snap.total.pss_bytes, 12345, "shares add up");
    b->rss_bytes = known - 600;
    take("less there than known");
    one = &snap.children[1];
    is_number(one->unexplained_bytes, 0, "nothing is unexplained");
    is_number(one->not_resident_bytes, 600 - 77, "and what is missing is told");
    b->rss_bytes = 5000;
    b->pss_bytes = 6000;
    b->private_dirty_bytes = 7000;
    take("parts of RSS larger than it is");
    one = &snap.children[1];
    ok(one->head.books.pss_bytes == 5000 && one->head.books.private_dirty_bytes == 5000, "are all of it");
    b->rss_bytes = b->file_bytes = INT64_MAX;
    b->shmem_bytes = (apr_uint64_t)-5;
    b->heap_kind = 99;
    take("books that lie");
    one = &snap.children[1];
    ok(one->unexplained_bytes <= INT64_MAX && one->not_resident_bytes <= INT64_MAX && !one->head.books.shmem_bytes, "wrap nothing");
    is_number(one->head.books.heap_kind, PST_HEAP_UNKNOWN, "a heap that is none is unknown");
    is_number(one->head.books.heap_tells, PST_HEAP_TELLS_NOTHING, "and tells nothing");
    memset(b, 0, sizeof(*b));
}

/* The sums from the heads alone: the same. */
static void heads(void)
{
    pst_total_t total;

    take("taken");
    for (apr_uint32_t i = 0; i < snap.child_count; i++) {
        pst_board_child(&board, snap.children[i].block)->child_reserved_bytes = snap.children[i].reserved_bytes;
    }
    is_number((unsigned)pst_snapshot_heads(&total, &board), APR_SUCCESS, "heads alone");
    for (unsigned i = 0; i < pst_total_metrics.count; i++) {
        pst_metric_e metric = pst_total_metrics.metrics[i];

        switch (metric) {
        case PST_M_pools:
        case PST_M_used_bytes:
        case PST_M_slack_bytes:
        case PST_M_growths:
        case PST_M_connections_reserved_bytes:
        case PST_M_requests_reserved_bytes:
            break;
        default:
            is_number(pst_total_figure(&total, metric), pst_total_figure(&snap.total, metric), pst_metrics[metric].key);
        }
    }
}

static void filters(void)
{
    filter.pid = 100;
    take("by pid");
    ok(snap.child_count == 1 && snap.row_count == 3 && snap.total.children == 1, "one child remains");
    filter.pid = 300;
    take("by a pid that is not there");
    ok(snap.child_count == 0 && snap.row_count == 0, "nothing remains");
    filter.pid = 0;
    filter.kind = PST_KIND_CLIENT;
    take("by kind");
    is_number(snap.row_count, 2, "clients alone");
    is_number(snap.total.reserved_bytes, 149000 + 480000, "a filter of rows changes no sum");
    is_number(snap.children[1].rows, 3, "rows before the filter stay known");
    filter.vhost = "b.EXAMPLE";
    take("by kind and vhost");
    is_number(snap.row_count, 1, "case does not matter");
    filter.kind = -1;
    take("by vhost");
    is_number(snap.row_count, 2, "both kinds");
    filter.vhost = "b.exampl";
    take("by the beginning of a vhost");
    is_number(snap.row_count, 0, "is no match");
    filter.vhost = NULL;
}

static apr_uint64_t first_row(pst_sort_e sort)
{
    pst_window_t window;

    filter.sort = sort;
    pst_snapshot_take(&snap, &board, &filter, NOW, pool);
    pst_snapshot_window(&snap, sort, 0, 1, &window, pool);
    return window.rows[0]->slot.usage.reserved_bytes;
}

static void orders(void)
{
    pst_window_t window;

    pst_board_slot(&board, pst_board_child(&board, 0), 0)->bucket_bytes = 9;
    pst_board_slot(&board, pst_board_child(&board, 0), 0)->usage.pools = 9;
    pst_board_slot(&board, pst_board_child(&board, 0), 3)->retained_bytes = 9;
    pst_board_slot(&board, pst_board_child(&board, 0), 3)->requests = 9;
    is_number(first_row(PST_SORT_RESERVED), 400000, "by reserved");
    is_number(first_row(PST_SORT_USED), 400000, "by used");
    is_number(first_row(PST_SORT_PEAK), 400000, "by peak");
    is_number(first_row(PST_SORT_POOLS), 8000, "by pools");
    is_number(first_row(PST_SORT_BUCKETS), 8000, "by buckets");
    is_number(first_row(PST_SORT_RETAINED), 16000, "by retained");
    is_number(first_row(PST_SORT_REQUESTS), 16000, "by requests");
    is_number(first_row(PST_SORT_AGE), 16000, "by age: the oldest first");
    is_number(first_row(PST_SORT_CLIENT), 16000, "by client: in the alphabet's order");
    is_number(first_row(PST_SORT_PID), 16000, "by pid, then by client");
    ok(snap.children[0].head.owner == 100 && snap.children[1].head.owner == 200, "children by pid");
    filter.sort = PST_SORT_RESERVED;
    take("again");
    pst_snapshot_window(&snap, filter.sort, 1, 2, &window, pool);
    ok(window.count == 2 && window.of == 4 && window.from == 1, "a window in the middle");
    is_number(window.rows[0]->slot.usage.reserved_bytes, 40000, "begins after what was left out");
    is_number((unsigned)(snap.rows[0]->listed + snap.rows[1]->listed + snap.rows[2]->listed + snap.rows[3]->listed),
              2, "its rows are marked");
    pst_snapshot_window(&snap, filter.sort, 100, 2, &window, pool);
    ok(window.count == 0 && window.from == 4, "a window beyond the end is empty");
}

/* Every window of every order is the same part of one order over all rows, whatever was requested before. */
static void windows(void)
{
    tally_t wrong = { 0, 0 };

    for (unsigned sort = 0; sort < PST_SORT_COUNT; sort++) {
        pst_snapshot_t sorted;
        pst_window_t all, part, same;

        filter.sort = (pst_sort_e)sort;
        pst_snapshot_take(&sorted, &board, &filter, NOW, pool);
        pst_snapshot_window(&sorted, filter.sort, 0, 100, &same, pool);
        filter.sort = PST_SORT_RESERVED;
        pst_snapshot_take(&snap, &board, &filter, NOW, pool);
        pst_snapshot_window(&snap, (pst_sort_e)sort, 0, 100, &all, pool);
        tally(&wrong, all.count != snap.row_count || (sort == PST_SORT_RESERVED
                 && all.rows[0]->slot.usage.reserved_bytes < all.rows[all.count - 1]->slot.usage.reserved_bytes), sort);
        for (apr_uint32_t i = 0; i < all.count && i < same.count; i++) {
            tally(&wrong, all.rows[i]->pid != same.rows[i]->pid || all.rows[i]->slot.id != same.rows[i]->slot.id, sort);
        }
        for (apr_uint32_t from = 0; from <= all.count; from++) {
            for (apr_uint32_t limit = 0; limit <= all.count; limit++) {
                apr_uint32_t listed = 0;

                pst_snapshot_window(&snap, (pst_sort_e)sort, from, limit, &part, pool);
                for (apr_uint32_t i = 0; i < part.count; i++) {
                    tally(&wrong, part.rows[i] != all.rows[from + i] || !part.rows[i]->listed, sort);
                }
                for (apr_uint32_t i = 0; i < snap.row_count; i++) {
                    listed += snap.rows[i]->listed != 0;
                }
                tally(&wrong, listed != part.count
                      || part.count != (limit < all.count - from ? limit : all.count - from), sort);
            }
        }
    }
    none_wrong(&wrong, "any window is a cut of the whole order, whatever the snapshot was sorted by");
}

/* Rows cost the reader memory and time: there is a bound on them, and none on what is added up. */
static void too_many(void)
{
    const apr_uint32_t children = 300, slots = 1000;
    apr_pool_t *own;
    apr_uint64_t counted = 0, shown = 0;
    pst_board_t huge;

    apr_pool_create(&own, NULL);
    make_board(&huge, children, slots, own);
    for (apr_uint32_t c = 0; c < children; c++) {
        pst_shared_child_t *child = add_child(&huge, 100 + c);

        for (apr_uint32_t s = 0; s < slots; s++) {
            pst_shared_slot_t *slot = pst_board_slot(&huge, child, s);

            slot->in_use = 1;
            slot->usage.reserved_bytes = 8192;
        }
    }
    is_number((unsigned)pst_snapshot_take(&snap, &huge, &filter, NOW, own), APR_SUCCESS, "300,000 connections");
    for (apr_uint32_t i = 0; i < snap.child_count; i++) {
        counted += snap.children[i].rows;
        shown += snap.children[i].shown;
    }
    is_number(snap.row_count, 1u << 18, "so many become rows");
    is_number(shown, snap.row_count, "of their children");
    is_number(counted, (apr_uint64_t)children * slots, "all are counted");
    is_number(snap.total.reserved_bytes, (apr_uint64_t)children * (80000 + slots * 8192), "and added up");
    is_number((unsigned)pst_board_is_hollow(&huge), 0, "a file in which all of it is written is not hollow");
    pst_board_close(&huge);
    apr_pool_destroy(own);
    take("the small board again");
}

/* More than a few rows, many of them with equal figures. */
static void many(void)
{
    pst_board_t large;
    pst_window_t window;
    tally_t wrong = { 0, 0 };

    make_board(&large, 5, 100, pool);
    srand(3);
    for (unsigned c = 0; c < 5; c++) {
        pst_shared_child_t *child = add_child(&large, 100 + c);

        for (apr_uint32_t s = 0; s < 20 * c + 7; s++) {
            add_connection(&large, child, s, (apr_uint64_t)(rand() % 20) * 8192, PST_KIND_CLIENT, "");
        }
    }
    pst_snapshot_take(&snap, &large, &filter, NOW, pool);
    pst_snapshot_window(&snap, PST_SORT_RESERVED, 0, 1000, &window, pool);
    is_number(window.count, 7 + 27 + 47 + 67 + 87, "every row is in the window");
    for (apr_uint32_t i = 1; i < window.count; i++) {
        const pst_row_t *a = window.rows[i - 1], *b = window.rows[i];
        int order = (a->slot.usage.reserved_bytes < b->slot.usage.reserved_bytes)
                    - (a->slot.usage.reserved_bytes > b->slot.usage.reserved_bytes);

        order = order ? order : strcmp(a->slot.client, b->slot.client);
        tally(&wrong, (order ? order : (a->pid > b->pid) - (a->pid < b->pid)) >= 0, i);
    }
    none_wrong(&wrong, "largest first, equal ones by client and child");
    for (apr_uint32_t c = 0; c < snap.child_count; c++) {
        for (apr_uint32_t r = 1; r < snap.children[c].shown; r++) {
            pst_row_t **row = snap.rows + snap.children[c].first + r;

            tally(&wrong, row[-1]->slot.usage.reserved_bytes < row[0]->slot.usage.reserved_bytes, r);
        }
    }
    none_wrong(&wrong, "and so within each child");
    pst_board_close(&large);
}

static void lies(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 0);
    pst_shared_slot_t *slot = pst_board_slot(&board, child, 0);

    child->process.reserved_bytes = (apr_uint64_t)-8192;
    take("a figure below 0");
    is_number(snap.children[1].head.process.reserved_bytes, 0, "counts as 0");
    child->process.reserved_bytes = INT64_MAX;
    slot->usage.reserved_bytes = INT64_MAX;
    slot->request.reserved_bytes = 5;
    take("figures too large to add");
    is_number(snap.total.reserved_bytes, INT64_MAX, "the sum stops");
    is_number(snap.children[0].retained_bytes, 0, "and a difference stops at 0");
    child->level = 77;
    memset(child->reason, 'r', sizeof(child->reason));
    memset(slot->line, 'l', sizeof(slot->line));
    slot->kind = slot->state = 200;
    slot->has_request = 9;
    take("texts without an end, enums out of range");
    is_number(strlen(snap.children[0].head.reason), PST_REASON_LEN - 1, "a text ends");
    is_number(snap.children[0].head.level, PST_LEVEL_PUBLIC, "a level that is none promises nothing");
    slot->has_request = 0;
    take("a slot without a request");
    for (apr_uint32_t i = 0; i < snap.row_count; i++) {
        const pst_shared_slot_t *s = &snap.rows[i]->slot;

        if (!s->has_request) {
            ok(!s->request.reserved_bytes && !s->line[0], "shows nothing of the last one");
        }
    }
    child->ready = 0;
    take("a block that is not ready");
    is_number(snap.child_count, 1, "is left out");
    child->owner = 0;
    take("a free block");
    is_number(snap.child_count, 1, "is left out");
}

/* A child that is gone is shown on request, with how it ended, until its block is claimed again. */
static void gone(void)
{
    apr_uint32_t pid, before;

    take("with all children alive");
    before = snap.child_count;
    pid = snap.children[0].head.owner;
    release_blocks(&board, pid);
    take("after one ended");
    is_number(snap.child_count, before - 1, "it is not shown");
    filter.gone = 1;
    take("asked for those that are gone");
    is_number(snap.child_count, before, "it is");
    filter.pid = pid;
    take("asked for it alone");
    is_number(snap.child_count, 1, "it is found by its pid");
    is_number(snap.children[0].head.ended_how, PST_END_ABRUPT, "with how it ended");
    ok(snap.children[0].head.ended > 0 && snap.children[0].shown > 0, "when, and what it had");
    filter.pid = 0;
    take("those alive beside it");
    for (apr_uint32_t i = 0; i < snap.child_count; i++) {
        ok(snap.children[i].head.owner == pid || !snap.children[i].head.ended_how, "have not ended");
    }
    filter.gone = 0;
}

/* Blocks full of random bytes: every read must stay inside what was allocated (run under ASan). */
static void noise(void)
{
    int taken = 0;

    srand(1);
    pst_board_header(&board)->claimed = board.child_count;
    for (int round = 0; round < 200; round++) {
        pst_window_t window;
        pst_total_t total;
        apr_pool_t *p;

        for (char *c = (char *)pst_board_child(&board, 0); c < (char *)board.base + board.size; c++) {
            *c = (char)rand();
        }
        for (apr_uint32_t i = 0; i < board.child_count; i++) {
            pst_board_child(&board, i)->ready = 1;
        }
        apr_pool_create(&p, pool);
        filter.sort = (pst_sort_e)(round % PST_SORT_COUNT);
        if (pst_snapshot_take(&snap, &board, &filter, NOW, p) != APR_SUCCESS) {
            continue;
        }
        pst_snapshot_window(&snap, filter.sort, 3, 20, &window, p);
        taken += pst_snapshot_heads(&total, &board) == APR_SUCCESS && total.children == board.child_count
                 && total.reserved_bytes <= INT64_MAX && snap.total.reserved_bytes <= INT64_MAX && snap.child_count == board.child_count;
        apr_pool_destroy(p);
    }
    is_number((unsigned)taken, 200, "random bytes on the board are survived");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 8, pool);
    take("an empty board");
    is_number(snap.child_count, 0, "shows nothing");
    fill();
    sums();
    books();
    heads();
    filters();
    orders();
    windows();
    many();
    too_many();
    lies();
    gone();
    noise();
    memset(board.base, 'x', sizeof(pst_shared_header_t));
    is_number((unsigned)pst_snapshot_take(&snap, &board, &filter, NOW, pool), APR_EINCOMPLETE,
              "a header that was overwritten is noticed");
    pst_board_close(&board);
    apr_terminate();
    return done();
}
