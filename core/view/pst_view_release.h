/* SPDX-License-Identifier: Apache-2.0
 *
 * What transaction allocators keep, and would keep under a limit, and what releases gave back: for programs and on the
 * page.
 */
#ifndef PST_VIEW_RELEASE_H
#define PST_VIEW_RELEASE_H

#include "pst_release_ask.h"
#include "pst_view_page.h"
#include "pst_snapshot.h"

/** JSON and TEXT: max_free_limits of a child. */
void pst_view_limits(pst_emit_t *emit, const pst_child_row_t *child);

/** JSON and TEXT: the outcome of a release. */
apr_status_t pst_view_released(pst_emit_t *emit, const pst_release_asked_t *asked);

/** The same as a page. */
apr_status_t pst_view_released_page(pst_emit_t *emit, const pst_release_asked_t *asked);

/** The page's section: the form, if the reader may ask, and the outcome of each child's last release.
 *  Nothing if nobody may ask and nothing was ever released. */
void pst_view_release(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_RELEASE_H */
