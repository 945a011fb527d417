/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching checks for misuse: the section of the page.
 */
#ifndef PST_VIEW_CHECKS_H
#define PST_VIEW_CHECKS_H

#include "pst_view_page.h"

/** The page's section: what is checked where, and a form if the reader may ask; nothing if there is neither. */
void pst_view_checks(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_CHECKS_H */
