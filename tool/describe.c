/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints docs/metrics.md from the metric table.  `make docs` runs it; lint
 * complains if what is committed differs.
 */
#include <ctype.h>
#include <stdio.h>

static void lower(const char *word)
{
    for (; *word; word++) {
        putchar(tolower((unsigned char)*word));
    }
}

static void row(const char *field, const char *kind, const char *unit, const char *prom, const char *help)
{
    printf("| `%s` | ", field);
    lower(kind);
    printf(" | ");
    lower(unit);
    printf(" | `%s` | %s |\n", prom, help);
}

static void heading(const char *title, const char *where)
{
    printf("\n## %s\n\n%s\n\n| figure | kind | unit | Prometheus name | what it is |\n| --- | --- | --- | --- | --- |\n",
           title, where);
}

int main(void)
{
    puts("# The figures\n\nMade by `make docs` from `include/poolstat_metrics.def`; do not edit. The name is the JSON key; "
         "text and page\nshow the same. A gauge goes both ways, a counter only grows, a peak is the largest value seen. "
         "Bytes are whole bytes.");
    heading("Of every usage", "The process scope, each connection, each request, and the connections without a slot.");
#define PST_METRIC_USAGE(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    heading("Of a connection", "Beside the usage of its whole tree.");
#define PST_METRIC_CONNECTION(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    heading("Of a child", "Beside the usage of its process scope.");
#define PST_METRIC_CHILD(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    heading("Of a class", "Pools with the same tag, made at the same place. In JSON without the prefix `class_`; spans in seconds.");
#define PST_METRIC_CLASS(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    heading("Of a call site", "A stack at which pools grow. In JSON without the prefix `site_`.");
#define PST_METRIC_SITE(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    heading("Computed", "By the snapshot, from the others.");
#define PST_METRIC_DERIVED(field, kind, unit, prom, label, help) row(#field, #kind, #unit, prom, help);
#include "poolstat_metrics.def"
    return 0;
}
