/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat top: the texts it shows page by page, at any width: its help, whose keys are also in the man page,
 * and the doctor's findings, in the words of `poolstat doctor`.
 */
#include "poolstat_top.h"
#include "pst_array.h"
#include "poolstat_text.h"
#include "pst_view_doctor.h"

#include <apr_strings.h>

#define BESIDE 22               /* column where a key's explanation begins */
#define BELOW 4                 /* the same, if there is no room next to the keys */

static const struct {
    const char *keys;           /* NULL: a paragraph */
    const char *text;
} entries[] = {
    { "q", "quit" },
    { "up, down, PgUp, PgDn", "select a row; Home, End: the first, the last" },
    { "Enter, right", "go into a child, then into a connection" },
    { "Esc, left, Backspace", "go back" },
    { "r u p o b t", "sort by reserved, used, peak, pools, buckets, retained" },
    { "e a c i", "sort by requests, age, client, pid" },
    { "space", "pause, go on" },
    { "+ -", "look half as often, twice as often" },
    { "d", "what the doctor found, and what to do" },
    { "Ctrl-Z", "back to the shell; fg comes back here" },
    { NULL,
      "Small charts show what is recorded on the board (PoolStatHistory). In a child's bar P is the process scope, "
      "C connections, R requests, B buckets, F what is free but retained. Growth is that of the process scope, else of "
      "the heap, else of connections (conn.); empty while it is not known." }
};

static void add_top_page(top_page_t *page, const char *keys, const char *text, unsigned width)
{
    unsigned indent = 0;
    char part[sizeof(page->lines[0])];

    if (keys && width >= 2 * BESIDE) {
        indent = BESIDE;
    }
    else if (keys && width > 4 * BELOW) {
        indent = BELOW;
    }
    if (keys && indent < BESIDE && page->count < TOP_PAGE_LINES) {
        apr_cpystrn(page->lines[page->count++], keys, sizeof(page->lines[0]));
        keys = "";
    }
    while (page->count < TOP_PAGE_LINES && poolstat_line(part, sizeof(part), &text, width - indent)) {
        apr_snprintf(page->lines[page->count++], sizeof(page->lines[0]), "%-*s%s", (int)indent, keys ? keys : "", part);
        keys = "";
    }
}

static unsigned pages_width(unsigned columns)
{
    if (columns < 1) {
        return 1;
    }
    return columns < TOP_PAGE_WIDTH ? columns : TOP_PAGE_WIDTH;
}

void top_help(top_page_t *page, unsigned columns)
{
    page->count = 0;
    for (unsigned i = 0; i < PST_ITEMS(entries); i++) {
        add_top_page(page, entries[i].keys, entries[i].text, pages_width(columns));
    }
}

typedef struct {
    top_page_t *page;
    unsigned width;
} writer_t;

static apr_status_t write_line(void *baton, const char *line)
{
    const writer_t *to = baton;

    if (*line) {
        add_top_page(to->page, NULL, line, to->width);
    }
    else if (to->page->count < TOP_PAGE_LINES) {
        to->page->lines[to->page->count++][0] = '\0';
    }
    return APR_SUCCESS;
}

void top_findings(top_page_t *page, const pst_snapshot_t *snapshot, unsigned columns)
{
    static pst_emit_t emit;     /* the command has one thread */
    static poolstat_lines_t lines;
    writer_t writer = { page, pages_width(columns) };

    page->count = 0;
    lines.each = write_line;
    lines.baton = &writer;
    lines.used = 0;
    pst_emit_init(&emit, PST_EMIT_TEXT, poolstat_to_lines, &lines);
    pst_view_doctor_text(&emit, snapshot);
    pst_emit_flush(&emit);
}
