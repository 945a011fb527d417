/* SPDX-License-Identifier: Apache-2.0
 *
 * Children that ended without notice: a table on the page, an array for programs.
 */
#ifndef PST_VIEW_LOSSES_H
#define PST_VIEW_LOSSES_H

#include "pst_view_page.h"

/** The page's table; nothing where there was none. */
void pst_view_losses(pst_emit_t *emit, const pst_page_t *page);

/** JSON and text: "losses". */
void pst_view_losses_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_LOSSES_H */
