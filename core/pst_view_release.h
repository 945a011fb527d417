/* SPDX-License-Identifier: Apache-2.0
 *
 * What transaction allocators keep and would keep, and what releases gave back: for programs and on the page.
 */
#ifndef PST_VIEW_RELEASE_H
#define PST_VIEW_RELEASE_H

#include "pst_view_page.h"

/** JSON and TEXT: max_free_limits of a child. */
void pst_view_limits(pst_emit_t *emit, const pst_child_row_t *child);

#endif /* PST_VIEW_RELEASE_H */
