/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings, on the page and for programs: what pst_doctor_take() left in the snapshot.
 */
#ifndef PST_VIEW_DOCTOR_H
#define PST_VIEW_DOCTOR_H

#include "pst_view_page.h"
#include "pst_snapshot.h"

/** The page's section; a calm line if there are no findings. Nothing if the doctor was not asked. */
void pst_view_doctor(pst_emit_t *emit, const pst_page_t *page);

/** Part of the tree: `findings`. A JSON or TEXT emitter. */
void pst_view_doctor_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

/** For a terminal: findings as sentences, or the calm line. A TEXT emitter. @return how many there are */
unsigned pst_view_doctor_text(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_DOCTOR_H */
