/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory by segments, as it is read: checked copies, and the words for what they are.
 */
#ifndef PST_SNAPSHOT_SEGMENTS_H
#define PST_SNAPSHOT_SEGMENTS_H

#include "pst_snapshot.h"

/** "anonymous", "file", ...; "?" if out of range. */
const char *pst_segment_word(unsigned kind);

#endif /* PST_SNAPSHOT_SEGMENTS_H */
