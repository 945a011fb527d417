/* SPDX-License-Identifier: Apache-2.0
 *
 * What is checked for misuse, as it is switched: on the page, and what came of a wish to switch it.
 */
#ifndef PST_VIEW_CHECKS_H
#define PST_VIEW_CHECKS_H

#include "pst_check_ask.h"
#include "pst_view_page.h"

/** JSON and TEXT: what came of it. */
apr_status_t pst_view_checking(pst_emit_t *emit, const pst_checking_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_checking_page(pst_emit_t *emit, const pst_checking_asked_t *asked);

/** The page's section: where what is checked, and a form where one may ask; nothing where neither is. */
void pst_view_checks(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_CHECKS_H */
