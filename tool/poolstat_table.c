/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat without a subcommand: a table, once.  The server, its sums, its children, and the largest
 * connections.
 */
#include "poolstat_foreign.h"
#include "poolstat_grid.h"
#include "poolstat_heads.h"
#include "pst_doctor.h"

#include <apr_strings.h>
#include <string.h>

#define CONNECTIONS 10          /* unless --limit says otherwise */
#define LINE 4096

static void print_grid(poolstat_grid_t *grid, unsigned width)
{
    char text[LINE];

    poolstat_grid_fit(grid, width);
    puts(poolstat_grid_heading(grid, text, sizeof(text)));
    for (unsigned i = 0; i < grid->row_count; i++) {
        puts(poolstat_grid_row(grid, i, text, sizeof(text)));
    }
}

/* A text, in as many lines as it takes: broken between words, a word that is too long is cut. */
static void print_line(const char *text, unsigned width)
{
    char word[LINE], cut[LINE];
    unsigned used = 0;

    while (*text) {
        unsigned wide;

        apr_cpystrn(word, text, strcspn(text, " ") + 1);
        wide = poolstat_columns(word);
        if (used && width && used + 1 + wide > width) {
            putchar('\n');
            used = 0;
        }
        poolstat_fit(cut, sizeof(cut), word, width && wide > width ? width : 0, 0);
        used += (unsigned)printf("%s", used ? " " : "") + wide;
        fputs(cut, stdout);
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    putchar('\n');
}

static int print_table(const poolstat_board_t *board, const poolstat_options_t *options, apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    pst_window_t window = { 0 };
    poolstat_grid_t children, connections;
    unsigned width = poolstat_terminal();
    char text[LINE];
    apr_status_t rv = poolstat_look(&snapshot, board, &options->filter, pool);

    if (rv == APR_SUCCESS) {
        rv = pst_snapshot_window(&snapshot, options->filter.sort, 0, options->has_limit ? options->limit : CONNECTIONS,
                                 &window, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = poolstat_grid_children(&children, &snapshot, board, 0, snapshot.child_count, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = poolstat_grid_connections(&connections, &snapshot, window.rows, window.count, pool);
    }
    if (rv != APR_SUCCESS) {
        return poolstat_read_failed(rv);
    }
    print_line(poolstat_head_server(text, sizeof(text), &snapshot, board), width);
    print_line(poolstat_head_sums(text, sizeof(text), &snapshot), width);
    print_line(poolstat_head_counts(text, sizeof(text), &snapshot), width);
    putchar('\n');
    if (children.row_count) {
        print_grid(&children, width);
    }
    else {
        puts("No children.");
    }
    if (window.count) {
        printf("\n%u of %u connections\n", (unsigned)window.count, (unsigned)window.of);
        print_grid(&connections, width);
    }
    if (pst_doctor_take(&snapshot, &board->board, pool) == APR_SUCCESS && snapshot.findings->count) {
        printf("\nFindings: %u; poolstat doctor tells\n", snapshot.findings->count);
    }
    return POOLSTAT_OK;
}

int poolstat_table(int argc, const char *const *argv)
{
    poolstat_options_t options;
    poolstat_board_t board;
    apr_pool_t *pool;
    int status = poolstat_options(&options, argc, argv);

    if (status >= 0) {
        return status;
    }
    apr_pool_create(&pool, NULL);
    status = poolstat_open(&board, &options, 1, pool);
    if (status < 0) {
        status = board.is_foreign ? poolstat_foreign(&board) : print_table(&board, &options, pool);
    }
    poolstat_close(&board);
    apr_pool_destroy(pool);
    return status;
}
