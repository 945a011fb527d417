/* SPDX-License-Identifier: Apache-2.0
 *
 * Release.  See pst_view_release.h.
 */
#include "pst_view_release.h"

static void print_kept(pst_emit_t *emit, const pst_shared_limits_t *limits, apr_uint64_t peak, apr_uint64_t sum)
{
    pst_emit_number(emit, "peak_bytes", peak);
    pst_emit_number(emit, "mean_bytes", limits->samples ? sum / limits->samples : 0);
}

void pst_view_limits(pst_emit_t *emit, const pst_child_row_t *child)
{
    const pst_shared_limits_t *limits = &child->head.limits;

    pst_emit_object(emit, "max_free");
    pst_emit_number(emit, "samples", limits->samples);
    print_kept(emit, limits, limits->real_peak, limits->real_sum);
    pst_emit_array(emit, "limits", "Limit");
    for (apr_uint32_t i = 0; i < PST_LIMIT_COUNT; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_number(emit, "limit_bytes", (apr_uint64_t)PST_LIMIT_LEAST << i);
        pst_emit_number(emit, "bytes", limits->kept[i]);
        print_kept(emit, limits, limits->peak[i], limits->sum[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}
