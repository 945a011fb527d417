/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat --describe: the metric table, as text or as docs/metrics.md.  `make docs` runs it; lint
 * complains if what is committed differs.
 */
#include "poolstat.h"
#include "poolstat_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A line of the table, as words. */
typedef struct figure_t {
    const char *field, *kind, *unit, *level, *prom, *help;
} figure_t;

#define ROW(...) \
    row(&(figure_t){ PST_FIELD_WORD(__VA_ARGS__), PST_KIND_WORD(__VA_ARGS__), PST_UNIT_WORD(__VA_ARGS__), \
                     PST_SHOW_WORD(__VA_ARGS__), PST_PROM(__VA_ARGS__), PST_HELP(__VA_ARGS__) });

static void lower(const char *word)
{
    for (; *word; word++) {
        putchar(tolower((unsigned char)*word));
    }
}

static void markdown_row(const figure_t *figure)
{
    printf("| `%s` | ", figure->field);
    lower(figure->kind);
    printf(" | ");
    lower(figure->unit);
    printf(" | ");
    lower(figure->level);
    printf(" | `%s` | %s |\n", figure->prom, figure->help);
}

static void markdown_heading(const char *title, const char *where)
{
    printf("\n## %s\n\n%s\n\n| figure | kind | unit | level | Prometheus name | what it is |\n"
           "| --- | --- | --- | --- | --- | --- |\n",
           title, where);
}

static void text_row(const figure_t *figure)
{
    printf("  %s (", figure->field);
    lower(figure->kind);
    printf(", ");
    lower(figure->unit);
    printf(", ");
    lower(figure->level);
    printf(", %s)\n      %s\n", figure->prom, figure->help);
}

static void text_heading(const char *title, const char *where)
{
    printf("\n%s: %s\n", title, where);
}

typedef void (*row_fn)(const figure_t *figure);
typedef void (*heading_fn)(const char *title, const char *where);

/* The groups, in the order of the manual. */
static void print_groups(row_fn row, heading_fn heading)
{
    heading("Of every usage", "The process scope, each connection, each request, and the connections without a slot.");
#define PST_METRIC_USAGE ROW
#include "poolstat_metrics.def"
    heading("Of a connection", "Beside the usage of its whole tree.");
#define PST_METRIC_CONNECTION ROW
#include "poolstat_metrics.def"
    heading("Of a child", "Beside the usage of its process scope.");
#define PST_METRIC_CHILD ROW
#include "poolstat_metrics.def"
    heading("The books of a child", "Its memory as the kernel and the heap tell it; see books.md.");
#define PST_METRIC_BOOKS ROW
#include "poolstat_metrics.def"
    heading("Of a class",
            "Pools with the same tag, made at the same place. In JSON without the prefix `class_`; spans in seconds.");
#define PST_METRIC_CLASS ROW
#include "poolstat_metrics.def"
    heading("Of a call site", "A stack at which pools grow. In JSON without the prefix `site_`.");
#define PST_METRIC_SITE ROW
#include "poolstat_metrics.def"
    heading("Of the server", "In the board's header, written as a generation begins.");
#define PST_METRIC_SERVER ROW
#include "poolstat_metrics.def"
    heading("Of a generation",
            "The time from one reading of the configuration to the next. In JSON without the prefix `generation_`.");
#define PST_METRIC_GENERATION ROW
#include "poolstat_metrics.def"
    heading("Computed", "By the snapshot, from the others.");
#define PST_METRIC_DERIVED ROW
#include "poolstat_metrics.def"
}

int poolstat_describe(int argc, const char *const *argv)
{
    const char *format = argv[0][10] ? argv[0] + 11 : "text";

    if (argc > 1 || (strcmp(format, "text") && strcmp(format, "markdown"))) {
        poolstat_say("--describe stands alone, with =text or =markdown");
        return POOLSTAT_USAGE;
    }
    if (!strcmp(format, "markdown")) {
        puts(
            "# The figures\n\nMade by `make docs` from `include/poolstat_metrics.def`; do not edit. The name is the "
            "JSON key; "
            "text and page\nshow the same. A gauge goes both ways, a counter only grows, a peak is the largest value "
            "seen. "
            "Bytes are whole bytes. The level: info matters first, detail explains it, "
            "debug tells how it was taken.");
        print_groups(markdown_row, markdown_heading);
    }
    else {
        puts("The figures of mod_poolstat: JSON key (kind, unit, level, Prometheus name).");
        print_groups(text_row, text_heading);
    }
    return POOLSTAT_OK;
}
