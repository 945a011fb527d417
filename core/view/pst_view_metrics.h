/* SPDX-License-Identifier: Apache-2.0
 *
 * The face for Prometheus: /pool-status/metrics, `poolstat metrics`.
 */
#ifndef PST_VIEW_METRICS_H
#define PST_VIEW_METRICS_H

#include "pst_emit.h"
#include "pst_snapshot.h"

/** Which samples of classes are printed. */
typedef enum {
    PST_CLASSES_SUM = 0,        /**< gauges, added up over all children */
    PST_CLASSES_BLOCK,           /**< each child's, counters too */
    PST_CLASSES_OFF
} pst_classes_e;

/** Distinct classes with samples; the rest is added to class="other". */
#define PST_METRICS_CLASSES 256

/**
 * Print a snapshot as families of samples. Labels are bounded by the board: block (the number of the child's
 * block), scope, kind, class and tag (places in code), le. No pid, no client, no URI.
 * @param emit  of PST_EMIT_METRICS or PST_EMIT_OPENMETRICS; flushed by the caller
 * @param snapshot of all children; its rows are not needed (pst_filter_t.no_rows); findings too, if it has been
 *              examined
 * @param pool  for sorting and joining; bounded by the board's geometry
 * @return what the sink said
 */
apr_status_t pst_view_metrics(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_classes_e classes,
                              apr_pool_t *pool);

#endif /* PST_VIEW_METRICS_H */
