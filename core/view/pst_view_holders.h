/* SPDX-License-Identifier: Apache-2.0
 *
 * Who holds memory, by module, and who takes it, by hook: on the page and for programs.
 */
#ifndef PST_VIEW_HOLDERS_H
#define PST_VIEW_HOLDERS_H

#include "pst_view_page.h"

/** Rows on the page; JSON has all. */
#define PST_VIEW_MODULES 12
#define PST_VIEW_HOOKS   16

/** The page's two tables; nothing where nothing was sampled. */
void pst_view_holders(pst_emit_t *emit, const pst_page_t *page);

/** "modules" and "hooks" of the whole. */
void pst_view_holders_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_HOLDERS_H */
