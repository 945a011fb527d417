/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of each child on the page: a stacked bar and the figures behind it.
 */
#ifndef PST_VIEW_BOOKS_H
#define PST_VIEW_BOOKS_H

#include "pst_view_page.h"

/** The section, of the children that the page shows. */
void pst_view_books(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_BOOKS_H */
