/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory by segment: a table on the page, an array for programs.
 */
#ifndef PST_VIEW_SEGMENTS_H
#define PST_VIEW_SEGMENTS_H

#include "pst_view_page.h"

/** The page's table; nothing where nothing is known. */
void pst_view_segments(pst_emit_t *emit, const pst_page_t *page);

/** JSON and text: "segments", null where nothing is known. */
void pst_view_segments_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_SEGMENTS_H */
