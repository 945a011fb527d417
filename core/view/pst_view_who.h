/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is to blame, for programs: JSON and TEXT.
 */
#ifndef PST_VIEW_WHO_H
#define PST_VIEW_WHO_H

#include "pst_emit.h"
#include "pst_who.h"

/** Its keys, in the object that is open; all are present, null if NULL. */
void pst_view_who(pst_emit_t *emit, const pst_who_t *who);

/** The same for a call site: who it is charged to. */
void pst_view_who_of_site(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_site_row_t *site);

/** A child's scopes that are looked into: since when, who is named, who else holds how much of what stayed. */
void pst_view_blame(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child);

#endif /* PST_VIEW_WHO_H */
