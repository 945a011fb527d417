/* SPDX-License-Identifier: Apache-2.0
 *
 * Families of samples.  See pst_view_metrics.h.  The lists in pst_metric.c have the figures: a figure added there
 * appears here by itself.
 *
 * Sums that PromQL can make are left to it. A counter or peak of something short-lived (a connection, a request)
 * has no sample: it would vanish from any sum with its owner.  OpenMetrics wants each family once and its
 * samples together, so the outer loops are over figures.
 */
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "pst_view_metrics.h"
#include "pst_doctor.h"
#include "pst_figure.h"
#include "pst_metrics_class.h"
#include "pst_snapshot_misuses.h"
#include "pst_snapshot_relatives.h"
#include "pst_trend.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"


/* What samples of scopes are labelled with. */
typedef struct part_t {
    unsigned scope, kind;
} part_t;

static const part_t parts[] = {
    { PST_SCOPE_CONNECTION, PST_KIND_CLIENT }, { PST_SCOPE_CONNECTION, PST_KIND_SECONDARY },
    { PST_SCOPE_CONNECTION, PST_KIND_BACKEND }, { PST_SCOPE_CONNECTION, PST_KIND_OTHER },
    { PST_SCOPE_REQUEST, PST_KIND_CLIENT }, { PST_SCOPE_REQUEST, PST_KIND_SECONDARY },
    { PST_SCOPE_REQUEST, PST_KIND_BACKEND }
};

typedef struct metrics_t {
    pst_emit_t *emit, *scratch;
    const pst_snapshot_t *snapshot;
    apr_pool_t *pool;
    const pst_child_row_t **children;   /* by block, so that the order of samples stays the same */
    pst_labels_t *blocks;               /* of each child */
    apr_uint32_t count;
    pst_labels_t process, parts[PST_ITEMS(parts)], kinds[PST_KIND_COUNT], up_to[PST_SIZES_BUCKETS];
} metrics_t;

static pst_labels_t labels(metrics_t *m, const pst_field_t *fields, unsigned count)
{
    return pst_emit_labels(m->scratch, m->emit->to, fields, count, m->pool);
}

static const char *kind_word(unsigned kind)
{
    return kind == PST_KIND_OTHER ? "unslotted" : pst_kind_word(kind);
}

static void make_labels(metrics_t *m)
{
    char size[24];
    const pst_field_t process = { "scope", pst_scope_word(PST_SCOPE_PROCESS), 0 };

    m->process = labels(m, &process, 1);
    for (unsigned i = 0; i < PST_ITEMS(parts); i++) {
        const pst_field_t fields[] = { { "scope", pst_scope_word(parts[i].scope), 0 },
                                       { "kind", kind_word(parts[i].kind), 0 } };

        m->parts[i] = labels(m, fields, PST_ITEMS(fields));
    }
    for (unsigned kind = 0; kind < PST_KIND_COUNT; kind++) {
        const pst_field_t field = { "kind", kind_word(kind), 0 };

        m->kinds[kind] = labels(m, &field, 1);
    }
    for (unsigned b = 0; b < PST_SIZES_BUCKETS; b++) {
        const pst_field_t field = { "le", size, 0 };

        apr_snprintf(size, sizeof(size), pst_sizes_up_to(b) ? "%" APR_UINT64_T_FMT ".0" : "+Inf", pst_sizes_up_to(b));
        m->up_to[b] = labels(m, &field, 1);
    }
    for (apr_uint32_t i = 0; i < m->count; i++) {
        const pst_field_t field = { "block", NULL, m->children[i]->block };

        m->blocks[i] = labels(m, &field, 1);
    }
}

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

static void print_metrics_server(metrics_t *m)
{
    const pst_shared_header_t *about = &m->snapshot->about;
    const pst_field_t fields[] = { { "version", about->server, 0 }, { "module", about->module, 0 },
                                   { "mpm", about->mpm, 0 } };
    pst_labels_t info = labels(m, fields, PST_ITEMS(fields));

    if (!info.text) {
        return;
    }
    pst_emit_family(m->emit, PST_M_server);
    pst_emit_sample(m->emit, "", &info, NULL, pst_server_figure(m->snapshot, PST_M_server));
    for (unsigned i = 0; i < pst_server_metrics.count; i++) {
        pst_metric_e metric = pst_server_metrics.metrics[i];

        pst_emit_family(m->emit, metric);
        pst_emit_sample(m->emit, "", NULL, NULL, pst_server_figure(m->snapshot, metric));
    }
}

static void print_of_children(const metrics_t *m, pst_metric_e metric)
{
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count; i++) {
        pst_emit_sample(m->emit, "", &m->blocks[i], NULL, pst_child_figure(m->children[i], metric));
    }
}

/* Figures printed by scope are not printed again as a sum; the sum of a histogram is printed with it. */
static int said_elsewhere(pst_metric_e metric)
{
    return in_list(&pst_usage_metrics, metric) || metric == PST_M_connections_reserved_bytes
           || metric == PST_M_requests_reserved_bytes || metric == PST_M_requests_peak_bytes;
}

static void print_metrics_children(const metrics_t *m)
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

/* The scopes are disjoint: their sum is the child's. Those without a slot are connections and requests together. */
static void print_scopes(const metrics_t *m, apr_uint32_t i, pst_metric_e metric)
{
    const pst_child_row_t *child = m->children[i];
    int verdict = metric == PST_M_growing;

    if (!pst_level_tells(child->head.level, metric)) {
        return;
    }
    pst_emit_sample(m->emit, "", &m->blocks[i], &m->process,
                    verdict ? child->head.verdict.state == PST_TREND_GROWING
                            : pst_usage_figure(&child->head.process, metric));
    for (unsigned p = 0; p < PST_ITEMS(parts) && pst_metrics[metric].kind == PST_GAUGE; p++) {
        if (!verdict || parts[p].kind != PST_KIND_OTHER) {      /* without a slot there is no verdict */
            pst_emit_sample(m->emit, "", &m->blocks[i], &m->parts[p],
                            pst_kind_figure(&child->kinds[parts[p].kind], parts[p].scope, metric));
        }
    }
}

static void print_metrics_usage(const metrics_t *m, pst_metric_e metric)
{
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        print_scopes(m, i, metric);
    }
}

static void print_metrics_connections(const metrics_t *m, pst_metric_e metric)
{
    if (pst_metrics[metric].kind != PST_GAUGE) {
        return;
    }
    pst_emit_family(m->emit, metric);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        for (unsigned kind = 0; kind < PST_KIND_COUNT && pst_level_tells(m->children[i]->head.level, metric); kind++) {
            pst_emit_sample(m->emit, "", &m->blocks[i], &m->kinds[kind],
                            pst_kind_figure(&m->children[i]->kinds[kind], PST_SCOPE_CONNECTION, metric));
        }
    }
}

/* ---- what the doctor found ---- */

/* How many findings are like this one; 0 if an earlier one is. */
static apr_uint64_t alike(const pst_findings_t *findings, unsigned which)
{
    const pst_finding_t *one = &findings->findings[which];
    apr_uint64_t sum = 0;

    for (unsigned i = 0; i < findings->count; i++) {
        const pst_finding_t *other = &findings->findings[i];

        if (other->severity == one->severity && !strcmp(other->id, one->id)) {
            if (i < which) {
                return 0;
            }
            sum = pst_plus(sum, pst_plus(other->more, 1));
        }
    }
    return sum;
}

static void print_metrics_findings(metrics_t *m)
{
    const pst_findings_t *findings = m->snapshot->findings;
    apr_uint64_t sums[PST_SEVERITY_COUNT] = { 0 };

    if (!findings) {
        return;
    }
    pst_emit_family(m->emit, PST_M_finding);
    for (unsigned i = 0; i < findings->count; i++) {
        const pst_finding_t *finding = &findings->findings[i];
        const pst_field_t fields[] = { { "id", finding->id, 0 },
                                       { "severity", pst_severity_word(finding->severity), 0 } };
        pst_labels_t which = labels(m, fields, PST_ITEMS(fields));
        apr_uint64_t sum = alike(findings, i);

        if (sum && which.text) {
            pst_emit_sample(m->emit, "", &which, NULL, sum);
        }
        sums[finding->severity] = pst_plus(sums[finding->severity], pst_plus(finding->more, 1));
    }
    pst_emit_family(m->emit, PST_M_findings);
    for (unsigned severity = 0; severity < PST_SEVERITY_COUNT; severity++) {
        const pst_field_t field = { "severity", pst_severity_word(severity), 0 };
        pst_labels_t which = labels(m, &field, 1);

        if (which.text) {
            pst_emit_sample(m->emit, "", &which, NULL, sums[severity]);
        }
    }
}

/* ---- other processes, by role ---- */

/* Every role gets its number: zero is a figure, too. */
static void print_relatives(metrics_t *m)
{
    static const pst_metric_e metrics[] = { PST_M_relatives, PST_M_relatives_growing, PST_M_relative_rss_bytes,
                                            PST_M_relative_pss_bytes, PST_M_relative_private_bytes };

    for (unsigned i = 0; i < PST_ITEMS(metrics); i++) {
        pst_emit_family(m->emit, metrics[i]);
        for (unsigned role = 0; role < PST_ROLE_COUNT; role++) {
            const pst_field_t field = { "role", pst_role_word(role), 0 };
            pst_labels_t which = labels(m, &field, 1);
            apr_uint64_t value = pst_relatives_figure(m->snapshot, role, metrics[i]);

            if (which.text && value != PST_UNKNOWN) {
                pst_emit_sample(m->emit, "", &which, NULL, value);
            }
        }
    }
}

/* ---- misuses, by kind ---- */

static void print_misuses(metrics_t *m)
{
    pst_emit_family(m->emit, PST_M_misuse);
    for (unsigned kind = 0; kind < PST_MISUSE_COUNT; kind++) {
        const pst_field_t field = { "kind", pst_misuse_word(kind), 0 };
        pst_labels_t which = labels(m, &field, 1);

        for (apr_uint32_t i = 0; i < m->count && which.text; i++) {
            pst_emit_sample(m->emit, "", &m->blocks[i], &which, m->children[i]->head.misuses[kind]);
        }
    }
}

/* ---- how many requests there were of each size ---- */

static void print_metrics_sizes(const metrics_t *m)
{
    pst_emit_family(m->emit, PST_M_request_peak_bytes);
    for (apr_uint32_t i = 0; i < m->count && m->emit->status == APR_SUCCESS; i++) {
        const pst_child_row_t *child = m->children[i];
        apr_uint64_t sum = 0;

        for (unsigned b = 0; b < PST_SIZES_BUCKETS; b++) {
            sum = pst_plus(sum, child->sizes.all.row.requests[b]);
            pst_emit_sample(m->emit, "_bucket", &m->blocks[i], &m->up_to[b], sum);
        }
        pst_emit_sample(m->emit, "_sum", &m->blocks[i], NULL, pst_child_figure(child, PST_M_requests_peak_bytes));
        pst_emit_sample(m->emit, "_count", &m->blocks[i], NULL, sum);
    }
}

/* ---- classes ---- */

/* For one child, or for all: then without the counters, which would fall whenever a child ends. */
static void print_metrics_class(const metrics_t *m, const pst_metrics_classes_t *classes, const pst_labels_t *block,
                                pst_metric_e metric)
{
    for (apr_uint32_t c = 0; c < classes->count && m->emit->status == APR_SUCCESS; c++) {
        const pst_metrics_class_t *class = &classes->rows[c];

        pst_emit_sample(m->emit, "", block ? block : &class->labels, block ? &class->labels : NULL,
                        pst_class_figure(&class->sum, metric));
    }
}

static void name_classes(metrics_t *m, pst_metrics_classes_t *classes, const pst_class_row_t *rows, apr_uint32_t count)
{
    pst_metrics_classes(classes, m->snapshot, rows, count, m->pool);
    for (apr_uint32_t c = 0; c < classes->count; c++) {
        const pst_field_t fields[] = { { "class", classes->rows[c].name, 0 },
                                       { "tag", classes->rows[c].sum.row.tag, 0 } };

        classes->rows[c].labels = labels(m, fields, PST_ITEMS(fields));
    }
}

static void print_metrics_classes(metrics_t *m, int by_block)
{
    pst_metrics_classes_t *classes = apr_pcalloc(m->pool, ((apr_size_t)m->count + 1) * sizeof(*classes));

    if (!by_block) {
        name_classes(m, classes, m->snapshot->classes, m->snapshot->class_count);
    }
    for (apr_uint32_t i = 0; i < m->count && by_block; i++) {
        name_classes(m, &classes[i], m->children[i]->classes, m->children[i]->class_count);
    }
    for (unsigned i = 0; i <= pst_class_metrics.count && m->emit->status == APR_SUCCESS; i++) {
        pst_metric_e metric = i < pst_class_metrics.count ? pst_class_metrics.metrics[i] : PST_M_class_growing;

        if (!by_block && pst_metrics[metric].kind == PST_COUNTER) {
            continue;
        }
        pst_emit_family(m->emit, metric);
        if (!by_block) {
            print_metrics_class(m, classes, NULL, metric);
        }
        for (apr_uint32_t c = 0; c < m->count && by_block; c++) {
            print_metrics_class(m, &classes[c], &m->blocks[c], metric);
        }
    }
}

apr_status_t pst_view_metrics(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_classes_e classes,
                              apr_pool_t *pool)
{
    metrics_t m = { .emit = emit, .snapshot = snapshot, .pool = pool, .count = snapshot->child_count,
                    .scratch = apr_palloc(pool, sizeof(*m.scratch)),
                    .children = apr_palloc(pool, ((apr_size_t)snapshot->child_count + 1) * sizeof(*m.children)),
                    .blocks = apr_palloc(pool, ((apr_size_t)snapshot->child_count + 1) * sizeof(*m.blocks)) };

    for (apr_uint32_t i = 0; i < m.count; i++) {
        m.children[i] = &snapshot->children[i];
    }
    qsort(m.children, m.count, sizeof(*m.children), by_block);
    make_labels(&m);
    print_metrics_server(&m);
    print_metrics_findings(&m);
    print_relatives(&m);
    print_misuses(&m);
    print_metrics_children(&m);
    for (unsigned i = 0; i < pst_usage_metrics.count; i++) {
        print_metrics_usage(&m, pst_usage_metrics.metrics[i]);
    }
    print_metrics_usage(&m, PST_M_growing);
    for (unsigned i = 0; i < pst_kind_metrics.count; i++) {
        print_metrics_connections(&m, pst_kind_metrics.metrics[i]);
    }
    print_metrics_sizes(&m);
    if (classes != PST_CLASSES_OFF) {
        print_metrics_classes(&m, classes == PST_CLASSES_BLOCK);
    }
    pst_emit_families_end(emit);
    return emit->status;
}
