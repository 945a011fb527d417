/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap profile: who holds the heap, mappings and stacks, by sampling requests for memory.
 *
 * While it is off the wrappers of pst_wrap_heap.h are in no table of calls: it costs nothing. Memory allocated before
 * it was switched on is unknown, and reported as such.
 *
 * Called by: start, watchdog
 */
#ifndef PST_PROFILE_H
#define PST_PROFILE_H

#include "pst_board.h"

/** Child, once, before it has threads. Off until it is switched on. */
void pst_profile_start(pst_shared_child_t *block);

/**
 * Switch it on or off, as often as wanted. Live samples date from the last switch: a change of rate also starts over.
 * Child: at its start, or its own thread.
 * @param rate bytes between samples, on average; 0 = off
 * @return APR_SUCCESS; APR_ENOTIMPL if calls cannot be redirected
 */
apr_status_t pst_profile_switch(apr_uint64_t rate);

/** The child's own thread: time since which it is on; 0: off. */
apr_uint64_t pst_profile_since(void);

/** The child's own thread: sample this many times as often for a while, or stop doing so. Existing samples stay. */
void pst_profile_look_closer(int closer);

/** The child's own thread, once a second: handle newly loaded objects. */
void pst_profile_beat(void);

#endif /* PST_PROFILE_H */
