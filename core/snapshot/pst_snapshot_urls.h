/* SPDX-License-Identifier: Apache-2.0
 *
 * What was requested, as readers see it.  The snapshot's table of it is made by pst_snapshot_urls(), declared in
 * pst_snapshot.h.
 */
#ifndef PST_SNAPSHOT_URLS_H
#define PST_SNAPSHOT_URLS_H

#include "pst_metric.h"
#include "pst_snapshot.h"
#include "pst_url.h"

/** A row's figure; PST_UNKNOWN: nobody knows. */
apr_uint64_t pst_url_figure(const pst_snapshot_t *snapshot, const pst_shared_url_t *row, pst_metric_e metric);

#endif /* PST_SNAPSHOT_URLS_H */
