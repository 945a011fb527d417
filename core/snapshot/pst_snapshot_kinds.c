/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's sums by kind of connection.  See pst_snapshot.h.
 *
 * Only gauges are added up: counters and peaks of a connection go when it closes, so their sum over
 * the remaining connections would mean nothing.
 */
#include "pst_snapshot.h"
#include "pst_figure.h"
#include "pst_trend.h"

void pst_kind_add(pst_child_row_t *child, const pst_shared_slot_t *slot)
{
    pst_kind_row_t *sum = &child->kinds[slot->kind < PST_KIND_COUNT ? slot->kind : PST_KIND_OTHER];

#define ADD_GAUGE(kind, to, more) \
    if ((kind) == PST_GAUGE) { \
        (to) = pst_plus(to, more); \
    }
#define ADD_USAGE(kind, field) \
    ADD_GAUGE(kind, sum->connection.field, pst_minus(slot->usage.field, slot->request.field)) \
    ADD_GAUGE(kind, sum->request.field, slot->request.field)
#define PST_METRIC_USAGE(...) ADD_USAGE(PST_KIND(__VA_ARGS__), PST_FIELD(__VA_ARGS__))
#define PST_METRIC_CONNECTION(...) \
    ADD_GAUGE(PST_KIND(__VA_ARGS__), sum->PST_FIELD(__VA_ARGS__), slot->PST_FIELD(__VA_ARGS__))
#include "poolstat_metrics.def"
    if (slot->verdict.state == PST_TREND_GROWING) {
        sum->growing[slot->verdict.scope == PST_SCOPE_REQUEST ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION]++;
    }
}
