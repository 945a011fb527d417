/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile: the section of the page, and the outcome of a request to switch.
 */
#ifndef PST_VIEW_HEAP_H
#define PST_VIEW_HEAP_H

#include "pst_switch_ask.h"
#include "pst_view_page.h"

/** JSON and TEXT: the outcome. */
apr_status_t pst_view_switched(pst_emit_t *emit, const pst_switch_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_switched_page(pst_emit_t *emit, const pst_switch_asked_t *asked);

/** The page's section: whose heap has been profiled since when, and a form if the reader may ask. */
void pst_view_heap(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_HEAP_H */
