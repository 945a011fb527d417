/* SPDX-License-Identifier: Apache-2.0
 *
 * The faces over a simulated board: 400 children with busy connections, printed
 * into a sink that only counts.  bench/lib/Faces.pm compiles it with core/ and
 * runs it under callgrind and by the clock.
 *
 *   faces FACE ROWS TIMES DIRECTORY
 *
 * FACE is snapshot, status (the section of server-status), page, json or metrics, the latter three perhaps with ?query; ROWS the busy connections of each child (0 to
 * 64); the board's file is made in DIRECTORY.  Prints "bytes seconds peak": of one time,
 * the fastest of all times, and what the last time's pool held.
 */
#include "pst_args.h"
#include "pst_board.h"
#include "pst_doctor.h"
#include "pst_emit.h"
#include "pst_history.h"
#include "pst_snapshot.h"
#include "pst_trend.h"
#include "pst_view_metrics.h"
#include "pst_view_page.h"
#include "pst_view_status.h"
#include "pst_view_tree.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN 400
#define SLOTS    64
#define HISTORY  600

static void die(const char *what, apr_status_t status)
{
    char why[120];

    fprintf(stderr, "faces: %s: %s\n", what, apr_strerror(status, why, sizeof(why)));
    exit(1);
}

static apr_status_t count_bytes(void *baton, const char *data, apr_size_t len)
{
    (void)data;
    *(apr_uint64_t *)baton += len;
    return APR_SUCCESS;
}

/* A connection as on a busy server; n makes them differ. */
static void fill_slot(pst_shared_slot_t *slot, unsigned n, apr_uint64_t now)
{
    pst_slot_begin(slot);
    slot->in_use = 1;
    slot->kind = n % 16 == 0 ? PST_KIND_SECONDARY : PST_KIND_CLIENT;
    slot->state = n % PST_STATE_COUNT;
    slot->has_request = 1;
    slot->id = n + 1;
    slot->opened = now - n * 1000;
    slot->request_started = now - n * 100;
    slot->usage.pools = 5 + n % 7;
    slot->usage.reserved_bytes = 8192 * (2 + n * 7919 % 500);
    slot->usage.slack_bytes = slot->usage.reserved_bytes / 3;
    slot->usage.peak_bytes = slot->usage.reserved_bytes + 8192;
    slot->usage.growths = n % 50;
    slot->request = slot->usage;
    slot->request.reserved_bytes /= 2;
    slot->request.slack_bytes /= 2;
    slot->bucket_bytes = 8192 * (n % 3);
    slot->retained_bytes = 8192 * (n % 11);
    slot->requests = n % 100;
    slot->verdict.of = (uint32_t)slot->id;
    slot->verdict.state = PST_TREND_STEADY;
    apr_snprintf(slot->client, sizeof(slot->client), "192.0.2.%u", n % 250);
    apr_snprintf(slot->protocol, sizeof(slot->protocol), "HTTP/1.1");
    apr_snprintf(slot->vhost, sizeof(slot->vhost), "www%u.example.org:443", n % 20);
    apr_snprintf(slot->handler, sizeof(slot->handler), "proxy-server");
    apr_snprintf(slot->line, sizeof(slot->line), "GET /shop/articles/%u?page=2&sort=price HTTP/1.1", n);
    pst_slot_end(slot);
}

static void fill_board(const pst_board_t *board, unsigned rows)
{
    apr_uint64_t now = (apr_uint64_t)apr_time_now();

    pst_board_header(board)->history_by = PST_HISTORY_BY_WATCHDOG;
    for (unsigned c = 0; c < CHILDREN; c++) {
        pst_shared_child_t *child = pst_board_claim_unseen(board, 100000 + c, 0);

        if (!child) {
            die("no block", APR_EGENERAL);
        }
        pst_board_show(child);
        child->level = PST_LEVEL_FULL;
        child->process.pools = 40;
        child->process.reserved_bytes = 600000 + 8192 * (c % 40);
        child->held_bytes = 40000000;
        pst_history_start(board, child);
        for (unsigned i = HISTORY; i-- > 0;) {
            child->process.reserved_bytes += 8192 * (i % 3) - 8192;
            pst_history_beat(board, child, now - i * (apr_uint64_t)1000000);
        }
        for (unsigned s = 0; s < rows; s++) {
            fill_slot(pst_board_slot(board, child, s), c * SLOTS + s, now);
            child->connections_open++;
        }
    }
}

/* What a request for this face does, without httpd's own part. */
static apr_uint64_t show(const char *face, const pst_board_t *board, apr_pool_t *pool)
{
    apr_uint64_t bytes = 0;
    pst_args_t args;
    pst_snapshot_t snapshot;
    pst_window_t window;
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    const char *query = strchr(face, '?');
    int json = strncmp(face, "json", 4) == 0, metrics = strncmp(face, "metrics", 7) == 0;
    const char *wrong = pst_args_parse(&args, query ? query + 1 : NULL,
                                       json ? PST_FACE_JSON : metrics ? PST_FACE_METRICS : PST_FACE_PAGE, pool);
    apr_status_t rv;

    if (wrong) {
        fprintf(stderr, "faces: %s\n", wrong);
        exit(1);
    }
    args.filter.no_rows = metrics;
    rv = pst_snapshot_take(&snapshot, board, &args.filter, (apr_uint64_t)apr_time_now(), pool);
    if (rv != APR_SUCCESS) {
        die("snapshot", rv);
    }
    if (strcmp(face, "snapshot") == 0) {
        return snapshot.row_count;
    }
    rv = pst_doctor_take(&snapshot, board, pool);
    if (rv != APR_SUCCESS) {
        die("doctor", rv);
    }
    if (metrics) {
        pst_emit_init(emit, PST_EMIT_OPENMETRICS, count_bytes, &bytes);
        pst_view_metrics(emit, &snapshot, (pst_classes_e)args.classes, pool);
        pst_emit_flush(emit);
        return bytes;
    }
    pst_snapshot_window(&snapshot, args.filter.sort, args.from, args.rows, &window, pool);
    if (json || args.as_text) {
        pst_emit_init(emit, json ? PST_EMIT_JSON : PST_EMIT_TEXT, count_bytes, &bytes);
        rv = pst_view_tree(emit, &snapshot, !json);
    } else {
        pst_charts_t *charts = apr_palloc(pool, sizeof(*charts));
        pst_page_t page = { .snapshot = &snapshot, .window = &window, .args = &args,
                            .base = "pool-status/", .pool = pool, .charts = charts };

        pst_charts_take(charts, board, &snapshot, args.children_from, pool);
        pst_emit_init(emit, PST_EMIT_HTML, count_bytes, &bytes);
        rv = pst_view_page(emit, &page);
    }
    if (rv == APR_SUCCESS) {
        rv = pst_emit_flush(emit);
    }
    if (rv != APR_SUCCESS) {
        die(face, rv);
    }
    return bytes;
}

/* The section of server-status. @return bytes printed */
static apr_uint64_t show_status(const pst_board_t *board, apr_pool_t *pool)
{
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    apr_uint64_t bytes = 0;
    pst_total_t total;
    apr_status_t rv = pst_snapshot_heads(&total, board);

    pst_emit_init(emit, PST_EMIT_HTML, count_bytes, &bytes);
    pst_view_status(emit, &total, PST_STATUS_TABLE, 1, "/pool-status");
    if (rv == APR_SUCCESS) {
        rv = pst_emit_flush(emit);
    }
    if (rv != APR_SUCCESS) {
        die("status", rv);
    }
    return bytes;
}

static apr_size_t pool_bytes(apr_pool_t *pool)
{
    apr_memnode_t *first = (apr_memnode_t *)((char *)pool - APR_MEMNODE_T_SIZE), *node = first;
    apr_size_t sum = 0;

    do {
        sum += (apr_size_t)(node->endp - (char *)node);
        node = node->next;
    } while (node != first);
    return sum;
}

int main(int argc, char **argv)
{
    pst_board_about_t about = { .server = "Apache/2.4", .module = "mod_poolstat", .mpm = "event",
                                .interval = 1, .history = HISTORY };
    pst_board_t board;
    apr_pool_t *pool;
    apr_uint64_t bytes = 0;
    apr_time_t best = 0;
    apr_size_t held = 0;
    apr_status_t rv;
    char *path;
    int times;

    if (argc != 5 || atoi(argv[2]) < 0 || atoi(argv[2]) > SLOTS || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: faces snapshot|status|page|json|metrics[?query] ROWS TIMES DIRECTORY\n");
        return 2;
    }
    times = atoi(argv[3]);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    path = apr_pstrcat(pool, argv[4], "/board", NULL);
    rv = pst_board_create(&board, path, CHILDREN, SLOTS, &about, pool);
    if (rv != APR_SUCCESS) {
        die(path, rv);
    }
    unlink(path);
    fill_board(&board, (unsigned)atoi(argv[2]));
    for (int i = 0; i < times; i++) {
        apr_time_t begin = apr_time_now(), took;
        apr_pool_t *request;

        apr_pool_create(&request, pool);
        bytes = strcmp(argv[1], "status") ? show(argv[1], &board, request) : show_status(&board, request);
        took = apr_time_now() - begin;
        if (!i || took < best) {
            best = took;
        }
        held = pool_bytes(request);
        apr_pool_destroy(request);
    }
    printf("%" APR_UINT64_T_FMT " %.6f %" APR_SIZE_T_FMT "\n", bytes, (double)best / 1e6, held);
    return 0;
}
