/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat top: the text of its help, at any width.  The man page has the same keys.
 */
#include "poolstat_top.h"
#include "poolstat_text.h"

#include <apr_strings.h>

#define BESIDE 22               /* where what a key does begins */
#define BELOW 4                 /* the same, where there is no room beside keys */

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
    { "Ctrl-Z", "back to the shell; fg comes back here" },
    { NULL, "Small charts show what is recorded on the board (PoolStatHistory). In a child's bar P is the process scope, "
            "C connections, R requests, B buckets, F what is free but retained. Growth is that of the process scope, else of "
            "the heap, else of connections (conn.); empty while it is not known." }
};

static void add(top_help_t *help, const char *keys, const char *text, unsigned width)
{
    unsigned indent = !keys ? 0 : width >= 2 * BESIDE ? BESIDE : width > 4 * BELOW ? BELOW : 0;
    char part[sizeof(help->lines[0])];

    if (keys && indent < BESIDE && help->count < TOP_HELP_LINES) {
        apr_cpystrn(help->lines[help->count++], keys, sizeof(help->lines[0]));
        keys = "";
    }
    while (help->count < TOP_HELP_LINES && poolstat_line(part, sizeof(part), &text, width - indent)) {
        apr_snprintf(help->lines[help->count++], sizeof(help->lines[0]), "%-*s%s", (int)indent, keys ? keys : "", part);
        keys = "";
    }
}

void top_help(top_help_t *help, unsigned columns)
{
    help->count = 0;
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        add(help, entries[i].keys, entries[i].text, columns < 1 ? 1 : columns < TOP_HELP_WIDTH ? columns : TOP_HELP_WIDTH);
    }
}
