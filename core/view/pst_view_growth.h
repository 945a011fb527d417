/* SPDX-License-Identifier: Apache-2.0
 *
 * Two sections of the page: what grows, and a chart per child.  HTML, and SVG in it.
 */
#ifndef PST_VIEW_GROWTH_H
#define PST_VIEW_GROWTH_H

#include "pst_view_page.h"

/** What grows, the fastest first; nothing where nothing does. */
void pst_view_suspects(pst_emit_t *emit, const pst_page_t *page);

/** A chart per child, and the children that are gone; nothing if there are no histories. */
void pst_view_charts(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_GROWTH_H */
