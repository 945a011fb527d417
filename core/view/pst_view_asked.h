/* SPDX-License-Identifier: Apache-2.0
 *
 * What came of asking children to switch something.
 */
#ifndef PST_VIEW_ASKED_H
#define PST_VIEW_ASKED_H

#include "pst_ask.h"
#include "pst_emit.h"

/** JSON and TEXT: the outcome. */
apr_status_t pst_view_asked(pst_emit_t *emit, const pst_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_asked_page(pst_emit_t *emit, const pst_asked_t *asked);

/** A rate as people read it; "Off" for 0. @param to PST_FORMAT_LEN bytes; what comes back need not be it */
const char *pst_view_rate_text(char *to, apr_uint64_t rate);

#endif /* PST_VIEW_ASKED_H */
