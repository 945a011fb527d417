/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of classes.  See pst_metrics_class.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pst_metrics_class.h"
#include "pst_view_metrics.h"

static void printable(char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

static void name_class(pst_metrics_class_t *to, const pst_snapshot_t *snapshot, const pst_class_row_t *class)
{
    const pst_shared_class_t *row = &class->row;
    const char *module = snapshot->modules[PST_FRAME_MODULE(row->creator)].name;

    to->sum = *class;
    if (!class->index) {
        to->sum.row.tag[0] = '\0';
        strcpy(to->name, "other");
    }
    else if (!row->creator) {
        strcpy(to->name, "unknown");
    }
    else if (row->function[0]) {
        snprintf(to->name, sizeof(to->name), "%s %s", module[0] ? module : "?", row->function);
    }
    else {
        snprintf(to->name, sizeof(to->name), "%s+0x%llx", module[0] ? module : "?",
                 (unsigned long long)PST_FRAME_OFFSET(row->creator));
    }
    printable(to->name);
    printable(to->sum.row.tag);
}

static int by_class_name(const void *one, const void *two)
{
    const pst_metrics_class_t *a = one, *b = two;
    int order = strcmp(a->name, b->name);

    return order ? order : strcmp(a->sum.row.tag, b->sum.row.tag);
}

/* Sorted rows: join those of one name into the first of them. */
static apr_uint32_t join(pst_metrics_class_t *rows, apr_uint32_t count)
{
    apr_uint32_t n = 0;

    for (apr_uint32_t i = 1; i < count; i++) {
        if (!by_class_name(&rows[n], &rows[i])) {
            pst_class_add(&rows[n].sum, &rows[i].sum);
        }
        else if (++n != i) {
            rows[n] = rows[i];
        }
    }
    return count ? n + 1 : 0;
}

/* Too many mean a hostile board, or modules that generate tags: the last by name are added to "other". */
static apr_uint32_t bound(pst_metrics_class_t *rows, apr_uint32_t count)
{
    if (count <= PST_METRICS_CLASSES) {
        return count;
    }
    for (apr_uint32_t i = PST_METRICS_CLASSES - 1; i < count; i++) {
        rows[i].sum.row.tag[0] = '\0';
        strcpy(rows[i].name, "other");
    }
    qsort(rows, count, sizeof(*rows), by_class_name);
    return join(rows, count);
}

void pst_metrics_classes(pst_metrics_classes_t *to, const pst_snapshot_t *snapshot,
                         const pst_class_row_t *classes, apr_uint32_t count, apr_pool_t *pool)
{
    to->rows = apr_palloc(pool, ((apr_size_t)count + 1) * sizeof(*to->rows));
    for (apr_uint32_t i = 0; i < count; i++) {
        name_class(&to->rows[i], snapshot, &classes[i]);
    }
    qsort(to->rows, count, sizeof(*to->rows), by_class_name);
    to->count = bound(to->rows, join(to->rows, count));
}
