/* SPDX-License-Identifier: Apache-2.0
 *
 * Families of samples.  See pst_view_metrics.h.  Which figures there are is said
 * by the lists of pst_metric.c: a figure added there comes by itself.
 *
 * Sums that PromQL makes are left to it. What is a counter or a peak of something short-lived (a connection, a
 * request) has no sample: with its owner it would vanish from any sum.  OpenMetrics wants each family once and its
 * samples together, so the outer loops are over figures.
 */
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "pst_view_metrics.h"
#include "pst_metrics_class.h"
#include "pst_trend.h"

#define COUNT(array) (unsigned)(sizeof(array) / sizeof((array)[0]))
#define SAMPLE(emit, suffix, value, ...) do { \
        const pst_field_t labels_[] = { __VA_ARGS__ }; \
        pst_emit_sample(emit, suffix, labels_, COUNT(labels_), value); \
    } while (0)
#define SLOT(child) { "slot", NULL, (child)->block }

typedef struct metrics_t {
    pst_emit_t *emit;
    const pst_snapshot_t *snapshot;
    const pst_child_row_t **children;   /* by block: the order in which samples stay */
    apr_uint32_t count;
} metrics_t;

static int by_block(const void *one, const void *two)
{
    const pst_child_row_t *const *a = one, *const *b = two;

    return ((*a)->block > (*b)->block) - ((*a)->block < (*b)->block);
}

static int in_list(const pst_metric_list_t *list, pst_metric_e metric)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->metrics[i] == metric) {
            return 1;
        }
    }
    return 0;
}

static void print_server(const metrics_t *m)
{
    const pst_shared_header_t *about = &m->snapshot->about;

    pst_emit_family(m->emit, PST_M_server);
    SAMPLE(m->emit, "", pst_server_figure(m->snapshot, PST_M_server), { "version", about->server, 0 },
           { "module", about->module, 0 }, { "mpm", about->mpm, 0 });
    for (unsigned i = 0; i < pst_server_metrics.count; i++) {
        pst_metric_e metric = pst_server_metrics.metrics[i];

        pst_emit_family(m->emit, metric);
        pst_emit_sample(m->emit, "", NULL, 0, pst_server_figure(m->snapshot, metric));
    }
}

static void print_of_children(const metrics_t *m, pst_metric_e metric)
{
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count; i++) {
        SAMPLE(m->emit, "", pst_child_figure(m->children[i], metric), SLOT(m->children[i]));
    }
}

/* What is said by scope is not said again as a sum; the sum of a histogram stands with it. */
static int said_elsewhere(pst_metric_e metric)
{
    return in_list(&pst_usage_metrics, metric) || metric == PST_M_connections_reserved_bytes
           || metric == PST_M_requests_reserved_bytes || metric == PST_M_requests_peak_bytes;
}

static void print_children(const metrics_t *m)
{
    for (unsigned i = 0; i < pst_fact_metrics.count; i++) {
        print_of_children(m, pst_fact_metrics.metrics[i]);
    }
    for (unsigned i = 0; i < pst_child_metrics.count; i++) {
        if (!said_elsewhere(pst_child_metrics.metrics[i])) {
            print_of_children(m, pst_child_metrics.metrics[i]);
        }
    }
}

static const char *kind_word(unsigned kind)
{
    return kind == PST_KIND_OTHER ? "unslotted" : pst_kind_word(kind);
}

static int growing(const pst_child_row_t *child)
{
    return child->head.verdict.state == PST_TREND_GROWING;
}

/* The scopes are apart: their sum is the child's. Those without a slot are connections and requests in one. */
static void print_scopes(const metrics_t *m, const pst_child_row_t *child, pst_metric_e metric)
{
    int own = metric == PST_M_growing;

    SAMPLE(m->emit, "", own ? (apr_uint64_t)growing(child) : pst_usage_figure(&child->head.process, metric),
           SLOT(child), { "scope", pst_scope_word(PST_SCOPE_PROCESS), 0 });
    if (!own && pst_metrics[metric].kind != PST_GAUGE) {
        return;
    }
    for (unsigned scope = PST_SCOPE_CONNECTION; scope < PST_SCOPE_COUNT; scope++) {
        for (unsigned kind = 0; kind <= PST_KIND_OTHER; kind++) {
            if (kind == PST_KIND_OTHER && (own || scope == PST_SCOPE_REQUEST)) {
                continue;
            }
            SAMPLE(m->emit, "", pst_kind_figure(&child->kinds[kind], scope, metric), SLOT(child),
                   { "scope", pst_scope_word(scope), 0 }, { "kind", kind_word(kind), 0 });
        }
    }
}

static void print_usage(const metrics_t *m, pst_metric_e metric)
{
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        print_scopes(m, m->children[i], metric);
    }
}

static void print_connections(const metrics_t *m, pst_metric_e metric)
{
    if (pst_metrics[metric].kind != PST_GAUGE) {
        return;
    }
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        for (unsigned kind = 0; kind < PST_KIND_COUNT; kind++) {
            SAMPLE(m->emit, "", pst_kind_figure(&m->children[i]->kinds[kind], PST_SCOPE_CONNECTION, metric),
                   SLOT(m->children[i]), { "kind", pst_kind_word(kind), 0 });
        }
    }
}

/* ---- how many requests were how large ---- */

static apr_uint64_t plus(apr_uint64_t a, apr_uint64_t b)
{
    return a > (apr_uint64_t)INT64_MAX - b ? (apr_uint64_t)INT64_MAX : a + b;
}

static void print_sizes(const metrics_t *m)
{
    char up_to[PST_SIZES_BUCKETS][24];

    for (unsigned b = 0; b < PST_SIZES_BUCKETS; b++) {
        apr_snprintf(up_to[b], sizeof(up_to[b]), pst_sizes_up_to(b) ? "%" APR_UINT64_T_FMT ".0" : "+Inf",
                     pst_sizes_up_to(b));
    }
    pst_emit_family(m->emit, PST_M_request_peak_bytes);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        const pst_child_row_t *child = m->children[i];
        apr_uint64_t sum = 0;

        for (unsigned b = 0; b < PST_SIZES_BUCKETS; b++) {
            sum = plus(sum, child->sizes.all.row.requests[b]);
            SAMPLE(m->emit, "_bucket", sum, SLOT(child), { "le", up_to[b], 0 });
        }
        SAMPLE(m->emit, "_sum", pst_child_figure(child, PST_M_requests_peak_bytes), SLOT(child));
        SAMPLE(m->emit, "_count", sum, SLOT(child));
    }
}

/* ---- classes ---- */

static void print_class_sums(const metrics_t *m, const pst_metrics_classes_t *classes, pst_metric_e metric)
{
    if (pst_metrics[metric].kind == PST_COUNTER) {      /* it would fall whenever a child ends */
        return;
    }
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t c = 0; c < classes->count && m->emit->status == APR_SUCCESS; c++) {
        const pst_metrics_class_t *class = &classes->rows[c];

        SAMPLE(m->emit, "", pst_class_figure(&class->sum, metric), { "class", class->name, 0 },
               { "tag", class->sum.row.tag, 0 });
    }
}

static void print_class_slots(const metrics_t *m, const pst_metrics_classes_t *of_children, pst_metric_e metric)
{
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        for (apr_uint32_t c = 0; c < of_children[i].count; c++) {
            const pst_metrics_class_t *class = &of_children[i].rows[c];

            SAMPLE(m->emit, "", pst_class_figure(&class->sum, metric), SLOT(m->children[i]),
                   { "class", class->name, 0 }, { "tag", class->sum.row.tag, 0 });
        }
    }
}

static apr_status_t print_classes(const metrics_t *m, pst_classes_e which, apr_pool_t *pool)
{
    const pst_snapshot_t *snapshot = m->snapshot;
    pst_metrics_classes_t *classes = apr_pcalloc(pool, ((apr_size_t)m->count + 1) * sizeof(*classes));
    apr_status_t rv = classes ? APR_SUCCESS : APR_ENOMEM;

    if (which == PST_CLASSES_SUM && rv == APR_SUCCESS) {
        rv = pst_metrics_classes(classes, snapshot, snapshot->classes, snapshot->class_count, pool);
    }
    for (apr_uint32_t i = 0; i < m->count && which == PST_CLASSES_SLOT && rv == APR_SUCCESS; i++) {
        rv = pst_metrics_classes(&classes[i], snapshot, m->children[i]->classes, m->children[i]->class_count, pool);
    }
    for (unsigned i = 0; i <= pst_class_metrics.count && rv == APR_SUCCESS; i++) {
        pst_metric_e metric = i < pst_class_metrics.count ? pst_class_metrics.metrics[i] : PST_M_class_growing;

        if (which == PST_CLASSES_SUM) {
            print_class_sums(m, classes, metric);
        }
        else {
            print_class_slots(m, classes, metric);
        }
    }
    return rv;
}

apr_status_t pst_view_metrics(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_classes_e classes,
                              apr_pool_t *pool)
{
    metrics_t m = { emit, snapshot, apr_palloc(pool, ((apr_size_t)snapshot->child_count + 1) * sizeof(*m.children)),
                    snapshot->child_count };
    apr_status_t rv = APR_SUCCESS;

    if (!m.children) {
        return APR_ENOMEM;
    }
    for (apr_uint32_t i = 0; i < m.count; i++) {
        m.children[i] = &snapshot->children[i];
    }
    qsort(m.children, m.count, sizeof(*m.children), by_block);
    print_server(&m);
    print_children(&m);
    for (unsigned i = 0; i < pst_usage_metrics.count; i++) {
        print_usage(&m, pst_usage_metrics.metrics[i]);
    }
    print_usage(&m, PST_M_growing);
    for (unsigned i = 0; i < pst_kind_metrics.count; i++) {
        print_connections(&m, pst_kind_metrics.metrics[i]);
    }
    print_sizes(&m);
    if (classes != PST_CLASSES_OFF) {
        rv = print_classes(&m, classes, pool);
    }
    pst_emit_families_end(emit);
    return emit->status != APR_SUCCESS ? emit->status : rv;
}
