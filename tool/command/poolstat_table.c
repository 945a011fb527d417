/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat without a subcommand: a table, once.  The server, its sums, its children, and the largest
 * connections.
 */
#include "poolstat.h"
#include "poolstat_foreign.h"
#include "poolstat_grid.h"
#include "poolstat_heads.h"
#include "pst_format.h"
#include "pst_snapshot_figures.h"

#include <apr_strings.h>
#include <string.h>

#define CONNECTIONS 10          /* unless --limit says otherwise */
#define MOST 10000              /* each takes a few KB; text and json have more */
#define FINDINGS 5              /* at most */
#define LINE 4096

static void print_grid(poolstat_grid_t *grid, unsigned width)
{
    char text[LINE];

    poolstat_grid_fit(grid, width);
    grid->colours = poolstat_colours();
    puts(poolstat_grid_heading(grid, text, sizeof(text)));
    for (unsigned i = 0; i < grid->row_count; i++) {
        puts(poolstat_grid_row(grid, i, text, sizeof(text)));
    }
}

/* Who a finding is about. */
static char *whom(char *to, apr_size_t size, const pst_finding_t *finding)
{
    char tag[POOLSTAT_TEXT];
    apr_size_t n = finding->pid ? (apr_size_t)apr_snprintf(to, size, "child %u", (unsigned)finding->pid)
                                : (apr_size_t)apr_snprintf(to, size, "the server");

    if (finding->connection) {
        n += (apr_size_t)apr_snprintf(to + n, size - n, ", connection %" APR_UINT64_T_FMT, finding->connection);
    }
    if (finding->tag) {
        n += (apr_size_t)apr_snprintf(to + n, size - n, ", class %s", poolstat_text(tag, sizeof(tag), finding->tag));
    }
    if (finding->more) {
        apr_snprintf(to + n, size - n, ", and %" APR_UINT64_T_FMT " more like it", finding->more);
    }
    return to;
}

/* A finding in as many lines as it takes, its severity in colour. */
static void print_table_finding(const pst_finding_t *finding, unsigned width, int colours)
{
    char text[LINE], line[LINE], name[2 * POOLSTAT_TEXT];
    const char *severity = pst_severity_word(finding->severity), *left = text;
    poolstat_mark_e mark = colours ? poolstat_mark_of(finding->severity) : POOLSTAT_PLAIN;
    apr_size_t coloured = strlen(severity);

    apr_snprintf(text, sizeof(text), "%-8s %-24s", severity, finding->id);
    poolstat_tie(text);
    apr_cpystrn(text + strlen(text), " ", 2);
    whom(name, sizeof(name), finding);
    apr_cpystrn(text + strlen(text), name, sizeof(text) - strlen(text));
    for (; poolstat_line(line, sizeof(line), &left, width); coloured = 0) {
        coloured = coloured < strlen(line) ? coloured : strlen(line);
        printf("%s%.*s%s%s\n", coloured ? poolstat_mark_on(mark) : "", (int)coloured, line,
               coloured ? poolstat_mark_off(mark) : "", line + coloured);
    }
}

/* Last, so that they appear right above the prompt: the ids of the worst findings; the doctor has the sentences. */
static void print_table_findings(const pst_findings_t *findings, unsigned width)
{
    char text[LINE];
    int colours = poolstat_colours();

    if (!findings->count) {
        return;
    }
    putchar('\n');
    poolstat_print(poolstat_head_findings(text, sizeof(text), findings, "poolstat doctor tells more"), 0, width);
    for (unsigned i = 0; i < findings->count && i < FINDINGS; i++) {
        print_table_finding(&findings->findings[i], width, colours);
    }
    if (findings->count > FINDINGS) {
        printf("... and %u more\n", findings->count - FINDINGS);
    }
}

/* How many connections to list. */
static apr_uint32_t limit_of(const poolstat_options_t *options)
{
    if (!options->has_limit) {
        return CONNECTIONS;
    }
    if (options->limit > MOST) {
        poolstat_say("the table shows %d connections at most; poolstat text and poolstat json have more", MOST);
    }
    return options->limit < MOST ? options->limit : MOST;
}

/* As JSON has it: times and spans in seconds. */
static void write_value(char *to, pst_metric_e metric, apr_uint64_t value)
{
    if (pst_metrics[metric].kind == PST_TIME || pst_metrics[metric].unit == PST_SPAN) {
        apr_snprintf(to, PST_FORMAT_LEN, "%" APR_UINT64_T_FMT ".%06u", value / 1000000, (unsigned)(value % 1000000));
    }
    else {
        pst_format_digits(to, value);
    }
}

/* Beyond the usual columns: the names are those of JSON and the manual. */
static void print_table_more(const pst_child_row_t *child, pst_metric_show_e level, unsigned width)
{
    char text[LINE * 4], value[PST_FORMAT_LEN];
    apr_size_t n = (apr_size_t)apr_snprintf(text, sizeof(text), "Child %u:", (unsigned)child->head.owner);
    const char *between = "";

    for (unsigned i = 0; i < pst_child_metrics.count; i++) {
        pst_metric_e metric = pst_child_metrics.metrics[i];

        if (pst_metrics[metric].show > level || n + PST_FORMAT_LEN + PST_METRIC_NAME_LEN + 4 > sizeof(text)) {
            continue;
        }
        write_value(value, metric, pst_child_figure(child, metric));
        n += (apr_size_t)apr_snprintf(text + n, sizeof(text) - n, "%s %s%c%s", between, pst_metric_short_key(metric),
                                      POOLSTAT_TIE, value);
        between = ",";
    }
    putchar('\n');
    poolstat_print(text, 0, width);
}

static int print_table(const poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    pst_window_t window = { 0 };
    poolstat_grid_t children, connections;
    unsigned width = poolstat_terminal();
    char text[LINE];
    apr_status_t rv = poolstat_look(&snapshot, board, &options->filter, pool);

    if (rv == APR_SUCCESS) {
        pst_snapshot_window(&snapshot, options->filter.sort, 0, limit_of(options), &window, pool);
        poolstat_grid_children(&children, &snapshot, board, 0, snapshot.child_count, pool);
        poolstat_grid_connections(&connections, &snapshot, window.rows, window.count, pool);
        rv = poolstat_examine(&snapshot, board, pool);     /* before any of it is shown */
    }
    if (rv != APR_SUCCESS) {
        return poolstat_read_failed(rv);
    }
    poolstat_print(poolstat_head_server(text, sizeof(text), &snapshot, board), 0, width);
    poolstat_print(poolstat_head_sums(text, sizeof(text), &snapshot), 0, width);
    poolstat_print(poolstat_head_counts(text, sizeof(text), &snapshot), 0, width);
    if (poolstat_head_relatives(text, sizeof(text), &snapshot)) {
        poolstat_print(text, 0, width);
    }
    putchar('\n');
    if (children.row_count) {
        print_grid(&children, width);
    }
    else {
        puts("No children.");
    }
    for (apr_uint32_t i = 0; options->level > PST_SHOW_INFO && i < snapshot.child_count; i++) {
        print_table_more(&snapshot.children[i], options->level, width);
    }
    if (window.count) {
        printf("\n%u of %u connections\n", (unsigned)window.count, (unsigned)window.of);
        print_grid(&connections, width);
    }
    print_table_findings(snapshot.findings, width);
    return POOLSTAT_OK;
}

int poolstat_table(poolstat_options_t *options)
{
    return poolstat_with_board(options, print_table);
}
