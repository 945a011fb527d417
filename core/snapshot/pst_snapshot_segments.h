/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory by segment, as readers see it: checked copies, and the words for their kinds.
 */
#ifndef PST_SNAPSHOT_SEGMENTS_H
#define PST_SNAPSHOT_SEGMENTS_H

#include "pst_snapshot.h"

/** "anonymous", "file", ...; "?" if out of range. */
const char *pst_segment_word(unsigned kind);

#endif /* PST_SNAPSHOT_SEGMENTS_H */
