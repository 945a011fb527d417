/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's sums by kind of connection.  See pst_snapshot.h.
 *
 * Only gauges are added up: what counted or was largest in a connection goes with it, so
 * its sum over those that are left would mean nothing.
 */
#include "pst_snapshot.h"
#include "pst_figure.h"
#include "pst_trend.h"

void pst_kind_add(pst_child_row_t *child, const pst_shared_slot_t *slot)
{
    pst_kind_row_t *sum = &child->kinds[slot->kind < PST_KIND_COUNT ? slot->kind : PST_KIND_OTHER];

#define PST_METRIC_USAGE(field, kind, unit, prom, label, help) \
    if (PST_##kind == PST_GAUGE) { \
        sum->connection.field = pst_plus(sum->connection.field, pst_minus(slot->usage.field, slot->request.field)); \
        sum->request.field = pst_plus(sum->request.field, slot->request.field); \
    }
#define PST_METRIC_CONNECTION(field, kind, unit, prom, label, help) \
    if (PST_##kind == PST_GAUGE) { \
        sum->field = pst_plus(sum->field, slot->field); \
    }
#include "poolstat_metrics.def"
    if (slot->verdict.state == PST_TREND_GROWING) {
        sum->growing[slot->verdict.scope == PST_SCOPE_REQUEST ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION]++;
    }
}
