/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuses as readers see them. The snapshot's copies of them are made by pst_snapshot_misuses(), declared in
 * pst_snapshot.h: also those of children that are gone, whatever the snapshot shows, until their block is claimed
 * again.
 */
#ifndef PST_SNAPSHOT_MISUSES_H
#define PST_SNAPSHOT_MISUSES_H

#include "pst_snapshot.h"

/** "use-after-destroy"; "?" if out of range. */
const char *pst_misuse_word(unsigned kind);

/** What stack 0 to 2 of a kind shows: "touched", "destroyed", "made"; empty: there is none. */
const char *pst_misuse_stack_word(unsigned kind, unsigned stack);

/** Do two have the same place, perhaps in different children? */
int pst_misuse_same(const pst_misuse_row_t *one, const pst_misuse_row_t *two);

#endif /* PST_SNAPSHOT_MISUSES_H */
