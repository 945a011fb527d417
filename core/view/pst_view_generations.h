/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations, on the page and for programs.
 */
#ifndef PST_VIEW_GENERATIONS_H
#define PST_VIEW_GENERATIONS_H

#include "pst_view_page.h"
#include "pst_snapshot.h"

/** The page's section: one row each, newest first, and growth per reload. */
void pst_view_generations(pst_emit_t *emit, const pst_page_t *page);

/** Part of the tree: `generations` and `generation_growth`. A JSON or TEXT emitter. */
void pst_view_generations_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_GENERATIONS_H */
