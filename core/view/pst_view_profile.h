/* SPDX-License-Identifier: Apache-2.0
 *
 * The call sites as a heap profile, in the text that gperftools' heap profiler
 * writes: for google-pprof and Go's pprof.
 */
#ifndef PST_VIEW_PROFILE_H
#define PST_VIEW_PROFILE_H

#include "pst_emit.h"
#include "pst_snapshot.h"

/** Which memory a profile covers. */
typedef enum {
    PST_PROFILE_POOLS = 0,
    PST_PROFILE_HEAP,
    PST_PROFILE_MAPPED,
    PST_PROFILE_STACK,
    PST_PROFILE_ALL,
    PST_PROFILE_COUNT
} pst_profile_of_e;

/** By its word: pools, heap, mapped, stack, all. @return -1: there is none */
int pst_view_profile_of(const char *word);

/**
 * A line per call site of each child shown: how many growths or blocks and how many bytes, live and
 * ever, and the stack; then the objects mapped here.  These are estimates, the same as in JSON: pprof is told to take
 * them as they are (it would scale samples by their mean size).
 *
 * Addresses are those of this process, or of the one that pst_object_look_elsewhere() named: a child's object is
 * given the address at which the same build is loaded here; frames in objects that are not loaded here are left out.
 * @param emit of PST_EMIT_TEXT
 */
apr_status_t pst_view_profile(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_profile_of_e of);

/** The finest rate at which the children shown sample; 0: none does. */
apr_uint64_t pst_view_rate(const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_PROFILE_H */
