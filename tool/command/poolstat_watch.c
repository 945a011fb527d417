/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat watch: a line per interval with the current figures and what changed since the line before.
 */
#include "poolstat.h"
#include "pst_array.h"
#include "poolstat_look.h"
#include "poolstat_session.h"
#include "poolstat_text.h"
#include "pst_format.h"
#include "pst_metric.h"
#include "pst_snapshot_figures.h"

#include <apr_time.h>
#include <string.h>
#include <time.h>

#define HEADING_EVERY 20        /* lines, as vmstat does */
#define TIME_WIDTH 8
#define CELL 32                 /* bytes, more than the widest column */

/*
 * The columns after the time, and how important they are. A gauge of bytes may be followed by its change; a counter
 * is shown as its rate. A column that does not fit the terminal is left out; less important ones that fit are still
 * shown.
 */
typedef enum { AS_IT_IS, ITS_CHANGE, MOST_CHANGED } shown_as_e;

static const struct {
    pst_metric_e metric;
    shown_as_e as;
    int rank;
    unsigned width;             /* of the longest possible value, or of the heading */
} columns[] = {
    { PST_M_held_bytes, AS_IT_IS, 0, 8 },
    { PST_M_held_bytes, ITS_CHANGE, 0, 9 },
    { PST_M_reserved_bytes, AS_IT_IS, 5, 8 },
    { PST_M_reserved_bytes, ITS_CHANGE, 7, 9 },
    { PST_M_child_retained_bytes, AS_IT_IS, 3, 8 },
    { PST_M_child_retained_bytes, ITS_CHANGE, 6, 9 },
    { PST_M_connections_open, AS_IT_IS, 4, 9 },
    { PST_M_requests_finished, AS_IT_IS, 2, 9 },
    { PST_M_pools_created, AS_IT_IS, 8, 9 },
    { PST_M_growths, AS_IT_IS, 9, 9 },
    { PST_M_held_bytes, MOST_CHANGED, 1, 17 }
};
#define COLUMNS PST_ITEMS(columns)
#define LAST_RANK 9

typedef struct look_t {
    apr_uint64_t figures[COLUMNS];
    apr_uint64_t time;
} look_t;

static int is_counter(pst_metric_e metric)
{
    return pst_metrics[metric].kind == PST_COUNTER;
}

static char *heading(char *to, apr_size_t size, unsigned column)
{
    const char *label = pst_metrics[columns[column].metric].label;

    switch (columns[column].as) {
    case ITS_CHANGE: snprintf(to, size, "change"); break;
    case MOST_CHANGED: snprintf(to, size, "Most changed"); break;
    default: snprintf(to, size, is_counter(columns[column].metric) ? "%s/s" : "%s", label);
    }
    return to;
}

static unsigned column_width(unsigned column)
{
    char text[CELL];
    unsigned wide = poolstat_columns(heading(text, sizeof(text), column));

    return wide > columns[column].width ? wide : columns[column].width;
}

/* Which columns fit. @param width 0: all of them @return a bit for each */
static unsigned fit_columns(unsigned width)
{
    unsigned chosen = 0, used = TIME_WIDTH;

    for (int rank = 0; rank <= LAST_RANK; rank++) {
        for (unsigned i = 0; i < COLUMNS; i++) {
            unsigned wide = column_width(i) + 2;

            if (columns[i].rank == rank && (!width || used + wide <= width)) {
                chosen |= 1u << i;
                used += wide;
            }
        }
    }
    return chosen;
}

/* A value wider than its column is not cut: a figure without its end would be a different figure. */
static void print_cell(unsigned column, const char *text)
{
    char cell[4 * CELL];
    unsigned wide = poolstat_columns(text), want = column_width(column);

    poolstat_fit(cell, sizeof(cell), text, wide > want ? wide : want, columns[column].as != MOST_CHANGED);
    printf("  %s", columns[column].as == MOST_CHANGED ? text : cell);
}

static void print_watch_heading(unsigned chosen)
{
    char text[CELL];

    printf("%-*s", TIME_WIDTH, "Time");
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (chosen & 1u << i) {
            print_cell(i, heading(text, sizeof(text), i));
        }
    }
    putchar('\n');
}

/* With its sign. */
static char *change(char *to, apr_uint64_t before, apr_uint64_t now)
{
    to[0] = now < before ? '-' : '+';
    pst_format_size(to + 1, now < before ? before - now : now - before);
    return to;
}

static char *rate(char *to, apr_size_t size, apr_uint64_t before, apr_uint64_t now, apr_uint64_t usec)
{
    /* the counts of a child that ends are gone */
    snprintf(to, size, "%.1f", now > before && usec ? (double)(now - before) * 1e6 / (double)usec : 0.0);
    return to;
}

/* What the children held at the last look, by block number. */
typedef struct held_t {
    apr_uint32_t pid;
    apr_uint64_t held;
} held_t;

/* "4711 +1.2 MiB" @return to */
static char *most_changed(char *to, apr_size_t size, const pst_snapshot_t *snapshot, const held_t *before,
                          apr_uint32_t blocks)
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
    to[0] = '\0';
    if (child) {
        apr_uint64_t was = child->block < blocks && before[child->block].pid == child->head.owner
                               ? before[child->block].held : 0;

        snprintf(to, size, "%u %s", (unsigned)child->head.owner, change(text, was, child->head.held_bytes));
    }
    return to;
}

static void take_look(look_t *look, const poolstat_session_t *session)
{
    look->time = session->snapshot.taken;
    for (unsigned i = 0; i < COLUMNS; i++) {
        look->figures[i] = pst_total_figure(&session->snapshot.total, columns[i].metric);
    }
}

/* The text of a column. @return to */
static char *cell_text(char *to, apr_size_t size, unsigned column, const look_t *now, const look_t *before)
{
    apr_uint64_t is = now->figures[column], was = before->figures[column];

    if (is == PST_UNKNOWN || was == PST_UNKNOWN) {
        return pst_format_size(to, PST_UNKNOWN);
    }
    if (columns[column].as == ITS_CHANGE) {
        return change(to, was, is);
    }
    if (is_counter(columns[column].metric)) {
        return rate(to, size, was, is, now->time - before->time);
    }
    return pst_metrics[columns[column].metric].unit == PST_BYTES ? pst_format_size(to, is) : pst_format_count(to, is);
}

static void print_look(const look_t *now, const look_t *before, const poolstat_session_t *session, const held_t *held,
                       apr_uint32_t blocks, unsigned chosen)
{
    time_t seconds = (time_t)(now->time / 1000000);
    struct tm tm;
    char text[PST_FORMAT_LEN + 24];

    if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm)) {
        fputs(text, stdout);
    }
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (chosen & 1u << i && columns[i].as != MOST_CHANGED) {
            print_cell(i, cell_text(text, sizeof(text), i, now, before));
        }
        else if (chosen & 1u << i && *most_changed(text, sizeof(text), &session->snapshot, held, blocks)) {
            print_cell(i, text);        /* the last one: empty if nothing changed */
        }
    }
    putchar('\n');
    fflush(stdout);
}

static held_t *remember_rows(const poolstat_session_t *session, apr_pool_t *pool)
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
    int status = -1;
    unsigned chosen = 0, lines = 0;

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
        if (i ? opened == session->opened : session->board.is_gone) {      /* a dead server is looked at only once */
            unsigned fits = fit_columns(poolstat_terminal());   /* its size may change at any time */

            if (lines++ % HEADING_EVERY == 0 || fits != chosen) {
                print_watch_heading(chosen = fits);
            }
            print_look(&now, &before, session, held, blocks, chosen);
        }
        before = now;
        held = remember_rows(session, pool);
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

int poolstat_watch(poolstat_options_t *options)
{
    static poolstat_session_t session;
    apr_pool_t *pool;
    int status;

    apr_pool_create(&pool, NULL);
    status = poolstat_session_open(&session, options);
    if (status < 0) {
        status = watch(&session, pool);
    }
    poolstat_session_close(&session);
    apr_pool_destroy(pool);
    return status;
}
