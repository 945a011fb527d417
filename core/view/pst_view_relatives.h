/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of the server that are not children of its MPM: a table on the page, an array for programs.
 */
#ifndef PST_VIEW_RELATIVES_H
#define PST_VIEW_RELATIVES_H

#include "pst_view_page.h"

/** The page's table, or a line that says why there is none. */
void pst_view_relatives(pst_emit_t *emit, const pst_page_t *page);

/** JSON and text: "relatives". */
void pst_view_relatives_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_RELATIVES_H */
