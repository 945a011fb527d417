/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap profile as it is switched: on the page, and what came of a wish to switch it.
 */
#ifndef PST_VIEW_HEAP_H
#define PST_VIEW_HEAP_H

#include "pst_switch_ask.h"
#include "pst_view_page.h"

/** JSON and TEXT: what came of it. */
apr_status_t pst_view_switched(pst_emit_t *emit, const pst_switch_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_switched_page(pst_emit_t *emit, const pst_switch_asked_t *asked);

/** The page's section: whose heap is profiled since when, and a form where one may ask. */
void pst_view_heap(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_HEAP_H */
