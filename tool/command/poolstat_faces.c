/* SPDX-License-Identifier: Apache-2.0
 *
 * The faces that httpd serves, without httpd: the same views print the same bytes to stdout.
 */
#include "poolstat.h"
#include "poolstat_look.h"
#include "poolstat_objects.h"
#include "poolstat_text.h"
#include "pst_args.h"
#include "pst_doctor.h"
#include "pst_history.h"
#include "pst_view_doctor.h"
#include "pst_view_history.h"
#include "pst_view_metrics.h"
#include "pst_view_profile.h"
#include "pst_view_tree.h"

#include <apr_strings.h>
#include <unistd.h>

/* @return a poolstat_exit_e */
typedef int (*print_fn)(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                        apr_pool_t *pool);

/* Was the board intact up to the last read? @return a poolstat_exit_e */
static int is_still_whole(const poolstat_board_t *board)
{
    apr_status_t rv = poolstat_whole(board);

    return rv == APR_SUCCESS ? POOLSTAT_OK : poolstat_read_failed(rv);
}

static int take_snapshot(pst_snapshot_t *snapshot, const poolstat_board_t *board, const pst_filter_t *filter,
                         apr_pool_t *pool)
{
    apr_status_t rv = poolstat_look(snapshot, board, filter, pool);

    if (rv == APR_SUCCESS) {
        rv = poolstat_examine(snapshot, board, pool);
    }
    return rv == APR_SUCCESS ? POOLSTAT_OK : poolstat_read_failed(rv);
}

static int print_json(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                      apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    int status = take_snapshot(&snapshot, board, &options->filter, pool);

    if (status == POOLSTAT_OK) {
        pst_view_tree(emit, &snapshot, 0);
    }
    return status;
}

static int print_text_face(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                           apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    pst_window_t window = { 0 };
    int status = take_snapshot(&snapshot, board, &options->filter, pool);

    if (status == POOLSTAT_OK) {
        pst_snapshot_window(&snapshot, options->filter.sort, 0, options->has_limit ? options->limit : PST_ARGS_ROWS,
                            &window, pool);
        pst_view_tree(emit, &snapshot, 1);
    }
    return status;
}

/* For a bug report: findings, misuses before all others, then everything; also of children that are gone. */
static int print_report(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                        apr_pool_t *pool)
{
    pst_filter_t filter = options->filter;
    pst_snapshot_t snapshot;
    pst_window_t window = { 0 };
    int status;

    filter.gone = 1;
    status = take_snapshot(&snapshot, board, &filter, pool);
    if (status == POOLSTAT_OK) {
        pst_view_doctor_text(emit, &snapshot);
        pst_emit_sentence(emit, "");
        pst_snapshot_window(&snapshot, filter.sort, 0, options->has_limit ? options->limit : PST_ARGS_ROWS, &window,
                            pool);
        pst_view_tree(emit, &snapshot, 1);
    }
    return status;
}

/* Keep findings of the requested severity or worse. @return how many are left out */
static unsigned leave_out_findings(pst_snapshot_t *snapshot, unsigned least, apr_pool_t *pool)
{
    pst_findings_t *kept = apr_pmemdup(pool, snapshot->findings, sizeof(*kept));
    unsigned count = kept->count;

    while (kept->count && kept->findings[kept->count - 1].severity < least) {   /* the most severe come first */
        kept->count--;
    }
    snapshot->findings = kept;
    return count - kept->count;
}

static void print_findings_json(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_object(emit, NULL);
    pst_emit_number(emit, "schema", PST_JSON_SCHEMA);
    pst_emit_seconds(emit, "time", snapshot->taken, 6);
    pst_emit_number(emit, "children", snapshot->findings->children);     /* children examined, whatever is shown */
    pst_emit_seconds(emit, "record_seconds", snapshot->findings->record, 6);
    pst_view_doctor_tree(emit, snapshot);
    pst_emit_end(emit);
}

/* The only face whose exit status carries the result. */
static int print_doctor(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                        apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    int status = take_snapshot(&snapshot, board, &options->filter, pool);
    unsigned out;
    char text[96];

    if (status != POOLSTAT_OK) {
        return status;
    }
    out = leave_out_findings(&snapshot, options->severity, pool);
    if (options->json) {
        print_findings_json(emit, &snapshot);
    }
    else if (snapshot.findings->count || !out) {
        pst_view_doctor_text(emit, &snapshot);
    }
    if (out && !options->json) {
        apr_snprintf(text, sizeof(text), "%s less severe than %s: %u.",
                     snapshot.findings->count ? "Not shown, as" : "No findings but",
                     pst_severity_word(options->severity), out);
        pst_emit_sentence(emit, text);
    }
    return snapshot.findings->count ? POOLSTAT_FOUND : POOLSTAT_OK;
}

static int print_profile(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                         apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    int status;

    if (!board->objects) {      /* only frames in our own libraries would be left of each stack: a wrong profile
                                   */
        poolstat_say("pprof needs to know where the server's objects lie, and no process of it %s: no profile; "
                     "poolstat json has the call sites as object+offset", board->is_gone ? "is left" : "may be read");
        return POOLSTAT_NONE;
    }
    status = take_snapshot(&snapshot, board, &options->filter, pool);
    if (status == POOLSTAT_OK) {
        pst_view_profile(emit, &snapshot, options->of);
    }
    return status;
}

static int print_metrics(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                         apr_pool_t *pool)
{
    pst_filter_t filter = options->filter;
    pst_snapshot_t snapshot;
    apr_status_t rv;
    int status;

    filter.no_rows = 1;
    status = take_snapshot(&snapshot, board, &filter, pool);
    if (status != POOLSTAT_OK) {
        return status;
    }
    rv = pst_view_metrics(emit, &snapshot, PST_CLASSES_SUM, pool);
    return rv == APR_SUCCESS || ferror(stdout) ? POOLSTAT_OK : poolstat_read_failed(rv);    /* main() reports errors of
                                                                                             * stdout */
}

static int print_history(pst_emit_t *emit, const poolstat_board_t *board, const poolstat_options_t *options,
                         apr_pool_t *pool)
{
    pst_history_t history;
    int status;

    if (!board->board.history_size) {
        poolstat_say("there are no histories: PoolStatHistory is Off");
        return POOLSTAT_NONE;
    }
    if (!board->child) {
        pst_view_histories(emit, &board->board, poolstat_correct, (void *)board);
        return is_still_whole(board);
    }
    pst_history_room(&history, &board->board, pool);
    if (!pst_history_find(&history.about, &board->board, board->child)
        || !pst_history_read(&history, &board->board)) {
        status = is_still_whole(board);              /* nobody is found on a board that was cut */
        if (status == POOLSTAT_OK) {
            poolstat_say("there is no history of a child with the process id %u", (unsigned)board->child);
        }
        return status == POOLSTAT_OK ? POOLSTAT_NONE : status;
    }
    poolstat_correct((void *)board, &history.about);
    status = is_still_whole(board);
    if (status == POOLSTAT_OK) {
        pst_history_leave_out(&history, options->since);
        pst_view_history(emit, &history, &board->board);
        status = is_still_whole(board);
    }
    return status;
}

static apr_status_t print_line(void *columns, const char *line)
{
    poolstat_print(line, 0, *(const unsigned *)columns);
    return ferror(stdout) ? APR_EGENERAL : APR_SUCCESS;
}

static int print_face(poolstat_options_t *options, pst_emit_e to, print_fn print)
{
    static pst_emit_t emit;
    static poolstat_lines_t lines;
    unsigned columns = 0;
    poolstat_board_t board;
    apr_pool_t *pool;
    int status;

    apr_pool_create(&pool, NULL);
    status = poolstat_open(&board, options, 0, pool);
    if (status < 0) {
        poolstat_objects(&board, pool);
        if (options->json) {
            to = PST_EMIT_JSON;
        }
        if (options->openmetrics) {
            to = PST_EMIT_OPENMETRICS;
        }
        if (print == print_doctor && !options->json) {
            columns = poolstat_terminal();
            lines.each = print_line;
            lines.baton = &columns;
            lines.used = 0;
            pst_emit_init(&emit, to, poolstat_to_lines, &lines);
        }
        else {
            pst_emit_init(&emit, to, poolstat_to_file, stdout);
        }
        status = print(&emit, &board, options, pool);
        pst_emit_flush(&emit);              /* main() checks whether everything was written */
        if (status <= POOLSTAT_FOUND && to == PST_EMIT_JSON && isatty(STDOUT_FILENO)) {
            putchar('\n');
        }
    }
    poolstat_close(&board);
    apr_pool_destroy(pool);
    return status;
}

int poolstat_json(poolstat_options_t *options)
{
    return print_face(options, PST_EMIT_JSON, print_json);
}

int poolstat_auto(poolstat_options_t *options)
{
    return print_face(options, PST_EMIT_TEXT, print_text_face);
}

int poolstat_doctor(poolstat_options_t *options)
{
    return options->has_checks ? poolstat_switch_checks(options) : print_face(options, PST_EMIT_TEXT, print_doctor);
}

int poolstat_report(poolstat_options_t *options)
{
    return print_face(options, PST_EMIT_TEXT, print_report);
}

int poolstat_profile(poolstat_options_t *options)
{
    return options->has_rate ? poolstat_switch(options) : print_face(options, PST_EMIT_TEXT, print_profile);
}

int poolstat_metrics(poolstat_options_t *options)
{
    return print_face(options, PST_EMIT_METRICS, print_metrics);
}

int poolstat_history(poolstat_options_t *options)
{
    return print_face(options, PST_EMIT_JSON, print_history);
}
