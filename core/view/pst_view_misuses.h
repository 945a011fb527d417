/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuses of pools, allocators and buckets: their stacks, and whose requests they were.  What the doctor says of them
 * is among its findings.
 */
#ifndef PST_VIEW_MISUSES_H
#define PST_VIEW_MISUSES_H

#include "pst_view_page.h"

/** The page's section; nothing if there are none. */
void pst_view_misuses(pst_emit_t *emit, const pst_page_t *page);

/** JSON and text: "misuses". */
void pst_view_misuses_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_MISUSES_H */
