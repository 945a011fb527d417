/* SPDX-License-Identifier: Apache-2.0
 *
 * Children that ended without notice, as readers see them: checked copies, and the words for their values.
 */
#ifndef PST_SNAPSHOT_LOSSES_H
#define PST_SNAPSHOT_LOSSES_H

#include "pst_snapshot.h"
#include "pst_who.h"

/** "SIGKILL"; NULL: not known, or it has no name. */
const char *pst_signal_word(unsigned signal);

/** How that is known: "logged", "silent"; "unknown". */
const char *pst_signal_how_word(unsigned how);

/** "process", "connections", ...; "?" if out of range. */
const char *pst_part_word(unsigned part);

/** The largest part. */
pst_part_e pst_loss_part(const pst_shared_loss_t *loss);

/** Who held most of it. Takes the loader's lock. @return 0: not known */
int pst_loss_who(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_shared_loss_t *loss);

#endif /* PST_SNAPSHOT_LOSSES_H */
