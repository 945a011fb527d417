/* SPDX-License-Identifier: Apache-2.0
 *
 * Finished requests: the largest, and how many there were of each size; for programs and on the page.
 */
#ifndef PST_VIEW_LARGEST_H
#define PST_VIEW_LARGEST_H

#include "pst_view_page.h"
#include "pst_snapshot.h"

/** JSON and TEXT: largest_requests and request_sizes of a child, or of all. */
void pst_view_large_rows(pst_emit_t *emit, const pst_large_row_t *rows, apr_uint32_t count);
void pst_view_sizes(pst_emit_t *emit, const pst_sizes_t *sizes);

/** The page's section, of all children in the snapshot. */
void pst_view_largest(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_LARGEST_H */
