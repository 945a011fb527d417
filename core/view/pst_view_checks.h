/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching checks for misuse: the section of the page, and the outcome of a request to switch.
 */
#ifndef PST_VIEW_CHECKS_H
#define PST_VIEW_CHECKS_H

#include "pst_check_ask.h"
#include "pst_view_page.h"

/** JSON and TEXT: the outcome. */
apr_status_t pst_view_checking(pst_emit_t *emit, const pst_checking_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_checking_page(pst_emit_t *emit, const pst_checking_asked_t *asked);

/** The page's section: what is checked where, and a form if the reader may ask; nothing if there is neither. */
void pst_view_checks(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_CHECKS_H */
