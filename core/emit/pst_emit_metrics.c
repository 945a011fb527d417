/* SPDX-License-Identifier: Apache-2.0
 *
 * The emitter's back ends for Prometheus: text format 0.0.4 and OpenMetrics 1.0.0.
 * See pst_emit.h.  They differ little: OpenMetrics names a counter's family without
 * its _total, gives units, and marks the end of the output.
 */
#include <string.h>
#include <apr_pools.h>
#include "pst_emit.h"
#include "pst_figure.h"
#include "pst_format.h"

#define RAW(emit, literal) pst_emit_raw(emit, literal, sizeof(literal) - 1)

static const char *const types[] = {
    [PST_GAUGE] = "gauge", [PST_COUNTER] = "counter", [PST_PEAK] = "gauge", [PST_TIME] = "gauge",
    [PST_HISTOGRAM] = "histogram", [PST_INFO] = "info"
};

static int name_ends_with(const char *text, apr_size_t len, const char *end)
{
    apr_size_t end_len = strlen(end);

    return len > end_len && !memcmp(text + len - end_len, end, end_len);
}

/* What the family is called; its samples may have a suffix. */
static apr_size_t family_len(const pst_emit_t *emit, const pst_metric_t *metric)
{
    apr_size_t len = strlen(metric->prom);

    if (emit->to == PST_EMIT_OPENMETRICS) {
        if (metric->kind == PST_COUNTER && name_ends_with(metric->prom, len, "_total")) {
            len -= sizeof("_total") - 1;
        }
        else if (metric->kind == PST_INFO && name_ends_with(metric->prom, len, "_info")) {
            len -= sizeof("_info") - 1;
        }
    }
    return len;
}

static int in_seconds(const pst_metric_t *metric)
{
    return metric->unit == PST_USEC || metric->unit == PST_SPAN;
}

/* "# TYPE name ": how each line of a family's head begins */
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

    emit->family_len = strlen(metric->prom) < PST_EMIT_NAME ? strlen(metric->prom) : PST_EMIT_NAME;
    memcpy(emit->family_name, metric->prom, emit->family_len);
    if (emit->to != PST_EMIT_OPENMETRICS && metric->kind == PST_INFO) {
        type = types[PST_GAUGE];
    }
    begin_head(emit, "# HELP ", len);
    pst_emit_escaped(emit, metric->help);
    RAW(emit, "\n");
    begin_head(emit, "# TYPE ", len);
    pst_emit_raw(emit, type, strlen(type));
    RAW(emit, "\n");
    if (emit->to == PST_EMIT_OPENMETRICS && name_ends_with(metric->prom, len, unit)) {
        begin_head(emit, "# UNIT ", len);
        pst_emit_raw(emit, unit, strlen(unit));
        RAW(emit, "\n");
    }
}

/* ---- labels, made once and printed many times ---- */

typedef struct text_t {
    char *text;
    apr_size_t len, room;
    apr_pool_t *pool;
} text_t;

static apr_status_t to_text(void *baton, const char *data, apr_size_t len)
{
    text_t *text = baton;

    if (text->len + len + PST_LABELS_PAD > text->room) {
        char *larger = apr_palloc(text->pool, text->room = 2 * (text->len + len) + PST_LABELS_PAD);

        if (text->len) {
            memcpy(larger, text->text, text->len);
        }
        text->text = larger;
    }
    memcpy(text->text + text->len, data, len);
    text->len += len;
    memset(text->text + text->len, 0, PST_LABELS_PAD);
    return APR_SUCCESS;
}

pst_labels_t pst_emit_labels(pst_emit_t *scratch, pst_emit_e to, const pst_field_t *fields, unsigned count,
                             apr_pool_t *pool)
{
    text_t text = { NULL, 0, 0, pool };
    char digits[PST_FORMAT_LEN];

    pst_emit_init(scratch, to, to_text, &text);
    for (unsigned i = 0; i < count; i++) {
        pst_emit_raw(scratch, ",", i != 0);
        pst_emit_raw(scratch, fields[i].name, strlen(fields[i].name));
        RAW(scratch, "=\"");
        if (fields[i].text) {
            pst_emit_escaped(scratch, fields[i].text);
        }
        else {
            pst_emit_raw(scratch, digits, pst_format_digits(digits, fields[i].value));
        }
        RAW(scratch, "\"");
    }
    pst_emit_flush(scratch);
    return (pst_labels_t){ text.text, text.len };
}

/* ---- samples: there are tens of thousands, so a line is made in its final place ---- */

enum { STEP = PST_LABELS_PAD, LINE_SLACK = 4 * STEP + PST_FORMAT_LEN };

/* Whole steps: most texts take one to three of them, which costs less than a call. */
static inline char *copy_steps(char *to, const char *from, apr_size_t len)
{
    for (apr_size_t i = 0; i < len; i += STEP) {
        memcpy(to + i, from + i, STEP);
    }
    return to + len;
}

static inline char *copy_labels(char *to, const pst_labels_t *first, const pst_labels_t *more)
{
    if (!first && !more) {
        return to;
    }
    *to++ = '{';
    if (first) {
        to = copy_steps(to, first->text, first->len);
    }
    if (first && more) {
        *to++ = ',';
    }
    if (more) {
        to = copy_steps(to, more->text, more->len);
    }
    *to++ = '}';
    return to;
}

void pst_emit_sample(pst_emit_t *emit, const char *suffix, const pst_labels_t *first, const pst_labels_t *more,
                     apr_uint64_t value)
{
    const pst_metric_t *metric = emit->family;
    apr_size_t need =
        emit->family_len + strlen(suffix) + (first ? first->len : 0) + (more ? more->len : 0) + LINE_SLACK;
    char *begin, *to;

    if (value == PST_UNKNOWN) {
        return;
    }
    if (need > PST_EMIT_BUFFER - emit->used) {
        pst_emit_flush(emit);
    }
    if (need > PST_EMIT_BUFFER || emit->status != APR_SUCCESS) {    /* our labels are never that long */
        return;
    }
    begin = emit->buffer + emit->used;
    to = copy_steps(begin, emit->family_name, emit->family_len);
    for (; *suffix; suffix++) {
        *to++ = *suffix;
    }
    to = copy_labels(to, first, more);
    *to++ = ' ';
    to += in_seconds(metric) && metric->kind != PST_HISTOGRAM ? pst_format_seconds(to, value, 6)
                                                              : pst_format_digits(to, value);
    *to++ = '\n';
    emit->used += (apr_size_t)(to - begin);
}

void pst_emit_families_end(pst_emit_t *emit)
{
    if (emit->to == PST_EMIT_OPENMETRICS) {
        RAW(emit, "# EOF\n");
    }
}
