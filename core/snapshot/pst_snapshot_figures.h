/* SPDX-License-Identifier: Apache-2.0
 *
 * Each figure of the metric table, from the snapshot's structs.
 */
#ifndef PST_SNAPSHOT_FIGURES_H
#define PST_SNAPSHOT_FIGURES_H

#include "pst_figure.h"
#include "pst_metric.h"
#include "pst_snapshot.h"

extern const pst_metric_list_t pst_total_metrics;   /**< of all children shown */

/** Does a child of this level know this figure of its scopes, connections and pools? */
int pst_level_tells(unsigned level, pst_metric_e metric);

/**
 * The figure of one thing.  Any thread; pure.
 * @return 0 for a figure that the thing does not have; PST_UNKNOWN for one that nobody knows: the child is not
 *         instrumented, or the kernel or the heap was not asked yet
 */
apr_uint64_t pst_usage_figure(const pst_shared_usage_t *usage, pst_metric_e metric);
apr_uint64_t pst_request_figure(const pst_row_t *row, pst_metric_e metric);
apr_uint64_t pst_row_figure(const pst_row_t *row, pst_metric_e metric);
apr_uint64_t pst_child_figure(const pst_child_row_t *child, pst_metric_e metric);
apr_uint64_t pst_class_figure(const pst_class_row_t *class, pst_metric_e metric);
apr_uint64_t pst_site_figure(const pst_site_row_t *site, pst_metric_e metric);
/** The part of a usage's figure that lies in a scope; for a connection's own figure, the sum. */
apr_uint64_t pst_kind_figure(const pst_kind_row_t *kind, unsigned scope, pst_metric_e metric);
apr_uint64_t pst_server_figure(const pst_snapshot_t *snapshot, pst_metric_e metric);
apr_uint64_t pst_total_figure(const pst_total_t *total, pst_metric_e metric);
apr_uint64_t pst_generation_figure(const pst_generation_row_t *generation, pst_metric_e metric);

#endif /* PST_SNAPSHOT_FIGURES_H */
