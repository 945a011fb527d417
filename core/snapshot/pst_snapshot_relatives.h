/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of the server that are not children of its MPM, as readers see them. The snapshot's copies of them are made
 * by pst_snapshot_relatives(), declared in pst_snapshot.h.
 */
#ifndef PST_SNAPSHOT_RELATIVES_H
#define PST_SNAPSHOT_RELATIVES_H

#include "pst_metric.h"
#include "pst_snapshot.h"

/** The figure of one; PST_UNKNOWN: nobody knows. */
apr_uint64_t pst_relative_figure(const pst_shared_relative_t *relative, pst_metric_e metric);

/** The same, added up over a role. PST_UNKNOWN if no process of it is known, or a part is missing. @param role  or
 *  PST_ROLE_COUNT: all */
apr_uint64_t pst_relatives_figure(const pst_snapshot_t *snapshot, unsigned role, pst_metric_e metric);

#endif /* PST_SNAPSHOT_RELATIVES_H */
