/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's sums by kind of connection.  See pst_snapshot.h.
 *
 * Only gauges are added up: what counted or was largest in a connection goes with it, so
 * its sum over those that are left would mean nothing.
 */
#include "pst_snapshot.h"
#include "pst_trend.h"

static apr_uint64_t plus(apr_uint64_t a, apr_uint64_t b)
{
    return a > (apr_uint64_t)INT64_MAX - b ? (apr_uint64_t)INT64_MAX : a + b;
}

static apr_uint64_t minus(apr_uint64_t a, apr_uint64_t b)
{
    return a > b ? a - b : 0;
}

void pst_kind_add(pst_child_row_t *child, const pst_shared_slot_t *slot)
{
    pst_kind_row_t *sum = &child->kinds[slot->kind < PST_KIND_COUNT ? slot->kind : PST_KIND_OTHER];

#define PST_METRIC_USAGE(field, kind, unit, prom, label, help) \
    if (PST_##kind == PST_GAUGE) { \
        sum->connection.field = plus(sum->connection.field, minus(slot->usage.field, slot->request.field)); \
        sum->request.field = plus(sum->request.field, slot->request.field); \
    }
#define PST_METRIC_CONNECTION(field, kind, unit, prom, label, help) \
    if (PST_##kind == PST_GAUGE) { \
        sum->field = plus(sum->field, slot->field); \
    }
#include "poolstat_metrics.def"
    if (slot->verdict.state == PST_TREND_GROWING) {
        sum->growing[slot->verdict.scope == PST_SCOPE_REQUEST ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION]++;
    }
}
