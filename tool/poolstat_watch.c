/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat watch: a line per interval with what is there and what changed since the line before.
 */
#include "poolstat_heads.h"
#include "poolstat_session.h"
#include "poolstat_text.h"
#include "pst_format.h"
#include "pst_metric.h"

#include <apr_time.h>
#include <string.h>
#include <time.h>

#define HEADING_EVERY 20        /* lines, as vmstat does */
#define CELL 14

/* What each line has. A gauge is followed by its change; a counter is shown as its rate. */
static const pst_metric_e shown[] = {
    PST_M_held_bytes, PST_M_reserved_bytes, PST_M_child_retained_bytes, PST_M_connections_open, PST_M_requests_finished,
    PST_M_pools_created, PST_M_growths
};
#define SHOWN (sizeof(shown) / sizeof(shown[0]))

typedef struct look_t {
    apr_uint64_t figures[SHOWN];
    apr_uint64_t time;
} look_t;

static int is_counter(pst_metric_e metric)
{
    return pst_metrics[metric].kind == PST_COUNTER;
}

static void print_cell(const char *text)
{
    char cell[4 * CELL + 1];

    poolstat_fit(cell, sizeof(cell), text, CELL, 1);
    fputs(cell, stdout);
}

static void print_heading(void)
{
    char text[64];

    fputs("Time    ", stdout);
    for (unsigned i = 0; i < SHOWN; i++) {
        snprintf(text, sizeof(text), is_counter(shown[i]) ? "%s/s" : "%s", pst_metrics[shown[i]].label);
        print_cell(text);
        if (!is_counter(shown[i]) && pst_metrics[shown[i]].unit == PST_BYTES) {
            print_cell("change");
        }
    }
    puts("  Most changed child");
}

/* With its sign. */
static char *change(char *to, apr_uint64_t before, apr_uint64_t now)
{
    to[0] = now < before ? '-' : '+';
    pst_format_size(to + 1, now < before ? before - now : now - before);
    return to;
}

static void print_rate(apr_uint64_t before, apr_uint64_t now, apr_uint64_t usec)
{
    char text[64];

    /* a child that ends takes what it counted with it */
    snprintf(text, sizeof(text), "%.1f", now > before && usec ? (double)(now - before) * 1e6 / (double)usec : 0.0);
    print_cell(text);
}

/* What the children held at the last look, by their blocks' numbers. */
typedef struct held_t {
    apr_uint32_t pid;
    apr_uint64_t held;
} held_t;

static void print_most_changed(const pst_snapshot_t *snapshot, const held_t *before, apr_uint32_t blocks)
{
    apr_uint64_t most = 0;
    const pst_child_row_t *child = NULL;
    char text[PST_FORMAT_LEN + 1];

    for (apr_uint32_t i = 0; before && i < snapshot->child_count; i++) {
        const pst_child_row_t *c = &snapshot->children[i];
        apr_uint64_t was = c->block < blocks && before[c->block].pid == c->head.owner ? before[c->block].held : 0;
        apr_uint64_t by = c->head.held_bytes > was ? c->head.held_bytes - was : was - c->head.held_bytes;

        if (by > most) {
            most = by;
            child = c;
        }
    }
    if (child) {
        apr_uint64_t was = child->block < blocks && before[child->block].pid == child->head.owner
                               ? before[child->block].held : 0;

        printf("  %u %s", (unsigned)child->head.owner, change(text, was, child->head.held_bytes));
    }
}

static void take_look(look_t *look, const poolstat_session_t *session)
{
    look->time = session->snapshot.taken;
    for (unsigned i = 0; i < SHOWN; i++) {
        look->figures[i] = pst_total_figure(&session->snapshot.total, shown[i]);
    }
}

static void print_look(const look_t *now, const look_t *before, const poolstat_session_t *session, const held_t *held,
                       apr_uint32_t blocks)
{
    time_t seconds = (time_t)(now->time / 1000000);
    struct tm tm;
    char text[PST_FORMAT_LEN + 1];

    if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm)) {
        fputs(text, stdout);
    }
    for (unsigned i = 0; i < SHOWN; i++) {
        if (is_counter(shown[i])) {
            print_rate(before->figures[i], now->figures[i], now->time - before->time);
            continue;
        }
        if (pst_metrics[shown[i]].unit != PST_BYTES) {
            print_cell(pst_format_count(text, now->figures[i]));
            continue;
        }
        print_cell(pst_format_size(text, now->figures[i]));
        print_cell(change(text, before->figures[i], now->figures[i]));
    }
    print_most_changed(&session->snapshot, held, blocks);
    putchar('\n');
    fflush(stdout);
}

static held_t *remember(const poolstat_session_t *session, apr_pool_t *pool)
{
    held_t *held;

    apr_pool_clear(pool);
    held = apr_pcalloc(pool, (session->board.board.child_count + 1) * sizeof(*held));
    for (apr_uint32_t i = 0; i < session->snapshot.child_count; i++) {
        const pst_child_row_t *child = &session->snapshot.children[i];

        held[child->block].pid = child->head.owner;
        held[child->block].held = child->head.held_bytes;
    }
    return held;
}

static int watch(poolstat_session_t *session, apr_pool_t *pool)
{
    apr_uint64_t interval = session->options.interval ? session->options.interval : 1000000;
    look_t before, now;
    held_t *held = NULL;
    unsigned lines = 0;
    int status = -1;

    for (apr_uint64_t i = 0; status < 0; i++) {
        unsigned opened = session->opened;
        apr_uint32_t blocks = held ? session->board.board.child_count : 0;

        status = poolstat_session_look(session);
        if (status >= 0) {
            break;
        }
        take_look(&now, session);
        if (!i) {
            before = now;
        }
        if (i ? opened == session->opened : session->board.is_gone) {      /* of a dead server there is but one look */
            if (lines++ % HEADING_EVERY == 0) {
                print_heading();
            }
            print_look(&now, &before, session, held, blocks);
        }
        before = now;
        held = remember(session, pool);
        if (ferror(stdout)) {
            status = POOLSTAT_FAILED;
        }
        else if ((session->options.count && i == session->options.count) || session->board.is_gone) {
            status = POOLSTAT_OK;
        }
        else {
            apr_sleep((apr_interval_time_t)interval);
        }
    }
    return status;
}

int poolstat_watch(int argc, const char *const *argv)
{
    static poolstat_session_t session;
    poolstat_options_t options;
    apr_pool_t *pool;
    int status = poolstat_options(&options, argc, argv);

    if (status >= 0) {
        return status;
    }
    apr_pool_create(&pool, NULL);
    status = poolstat_session_open(&session, &options);
    if (status < 0) {
        status = watch(&session, pool);
    }
    poolstat_session_close(&session);
    apr_pool_destroy(pool);
    return status;
}
