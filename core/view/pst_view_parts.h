/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts heap and other of a child's books, opened: who holds them.
 */
#ifndef PST_VIEW_PARTS_H
#define PST_VIEW_PARTS_H

#include "pst_view_page.h"

/** On the page, opened without scripts; below the child's bar, and below its chart. Nothing if nothing is known. */
void pst_view_parts(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child);

/** The same as a row of a table with that many columns. */
void pst_view_parts_row(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child, unsigned columns);

/** JSON and TEXT: "parts" of a child, null for a part that nothing is known about. */
void pst_view_parts_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child);

#endif /* PST_VIEW_PARTS_H */
