/* SPDX-License-Identifier: Apache-2.0
 *
 * The call sites as a heap profile, in the text that gperftools' heap profiler
 * writes: for google-pprof and Go's pprof.
 */
#ifndef PST_VIEW_PROFILE_H
#define PST_VIEW_PROFILE_H

#include "pst_emit.h"
#include "pst_snapshot.h"

/**
 * A line per call site of each child shown: sampled growths and their bytes, live and
 * ever, and the stack; then the objects mapped here.  pprof itself scales samples up, by the
 * rate in the first line, so these are the raw ones; children that sample at another rate than the
 * finest are left out.
 *
 * Addresses are those of this process, or of the one that pst_object_look_elsewhere() named: an object of a child stands where the same build of it is
 * loaded here; frames in an object that is not are left out.
 * @param emit of PST_EMIT_TEXT
 */
apr_status_t pst_view_profile(pst_emit_t *emit, const pst_snapshot_t *snapshot);

/** The finest rate at which the children shown sample; 0: none does. */
apr_uint64_t pst_view_rate(const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_PROFILE_H */
