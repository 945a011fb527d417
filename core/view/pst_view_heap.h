/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile: the section of the page.
 */
#ifndef PST_VIEW_HEAP_H
#define PST_VIEW_HEAP_H

#include "pst_view_page.h"

/** The page's section: whose heap has been profiled since when, and a form if the reader may ask. */
void pst_view_heap(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_HEAP_H */
