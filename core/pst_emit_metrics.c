/* SPDX-License-Identifier: Apache-2.0
 *
 * The emitter's back ends for Prometheus: text format 0.0.4 and OpenMetrics 1.0.0.
 * See pst_emit.h.  They differ in little: OpenMetrics names a counter's family without
 * its _total, says units, and marks its end.
 */
#include <string.h>
#include "pst_emit.h"
#include "pst_format.h"

#define RAW(emit, literal) pst_emit_raw(emit, literal, sizeof(literal) - 1)

static const char *const types[] = {
    [PST_GAUGE] = "gauge", [PST_COUNTER] = "counter", [PST_PEAK] = "gauge", [PST_TIME] = "gauge",
    [PST_HISTOGRAM] = "histogram", [PST_INFO] = "info"
};

static int ends_with(const char *text, apr_size_t len, const char *end)
{
    apr_size_t end_len = strlen(end);

    return len > end_len && !memcmp(text + len - end_len, end, end_len);
}

/* What the family is called; its samples may have a suffix. */
static apr_size_t family_len(const pst_emit_t *emit, const pst_metric_t *metric)
{
    apr_size_t len = strlen(metric->prom);

    if (emit->to == PST_EMIT_OPENMETRICS) {
        len -= metric->kind == PST_COUNTER && ends_with(metric->prom, len, "_total") ? sizeof("_total") - 1
             : metric->kind == PST_INFO && ends_with(metric->prom, len, "_info") ? sizeof("_info") - 1 : 0;
    }
    return len;
}

static int in_seconds(const pst_metric_t *metric)
{
    return metric->unit == PST_USEC || metric->unit == PST_SPAN;
}

/* "# TYPE name ": what each line of a family's head begins with */
static void begin_head(pst_emit_t *emit, const char *what, apr_size_t name_len)
{
    pst_emit_raw(emit, what, strlen(what));
    pst_emit_raw(emit, emit->family->prom, name_len);
    RAW(emit, " ");
}

void pst_emit_family(pst_emit_t *emit, pst_metric_e which)
{
    const pst_metric_t *metric = emit->family = &pst_metrics[which];
    const char *type = types[metric->kind], *unit = in_seconds(metric) ? "seconds" : "bytes";
    apr_size_t len = family_len(emit, metric);

    if (emit->to != PST_EMIT_OPENMETRICS && metric->kind == PST_INFO) {
        type = types[PST_GAUGE];
    }
    begin_head(emit, "# HELP ", len);
    pst_emit_escaped(emit, metric->help);
    RAW(emit, "\n");
    begin_head(emit, "# TYPE ", len);
    pst_emit_raw(emit, type, strlen(type));
    RAW(emit, "\n");
    if (emit->to == PST_EMIT_OPENMETRICS && ends_with(metric->prom, len, unit)) {
        begin_head(emit, "# UNIT ", len);
        pst_emit_raw(emit, unit, strlen(unit));
        RAW(emit, "\n");
    }
}

static void put_labels(pst_emit_t *emit, const pst_field_t *labels, unsigned count)
{
    char digits[PST_FORMAT_LEN];

    for (unsigned i = 0; i < count; i++) {
        pst_emit_raw(emit, i ? "," : "{", 1);
        pst_emit_raw(emit, labels[i].name, strlen(labels[i].name));
        RAW(emit, "=\"");
        if (labels[i].text) {
            pst_emit_escaped(emit, labels[i].text);
        }
        else {
            pst_emit_raw(emit, digits, pst_format_digits(digits, labels[i].value));
        }
        RAW(emit, "\"");
    }
    if (count) {
        RAW(emit, "}");
    }
}

void pst_emit_sample(pst_emit_t *emit, const char *suffix, const pst_field_t *labels, unsigned count,
                     apr_uint64_t value)
{
    const pst_metric_t *metric = emit->family;
    char text[PST_FORMAT_LEN];
    apr_size_t len = in_seconds(metric) && metric->kind != PST_HISTOGRAM ? pst_format_seconds(text, value, 6)
                                                                         : pst_format_digits(text, value);

    pst_emit_raw(emit, metric->prom, strlen(metric->prom));
    pst_emit_raw(emit, suffix, strlen(suffix));
    put_labels(emit, labels, count);
    RAW(emit, " ");
    text[len++] = '\n';
    pst_emit_raw(emit, text, len);
}

void pst_emit_families_end(pst_emit_t *emit)
{
    if (emit->to == PST_EMIT_OPENMETRICS) {
        RAW(emit, "# EOF\n");
    }
}
