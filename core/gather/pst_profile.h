/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap profile: who holds the heap, mappings and stacks, by a sample of what is asked for.
 *
 * While it is off the wrappers of pst_wrap_heap.h stand in no table of calls: it costs nothing. What was there before
 * it was switched on is not known, and is said not to be.
 *
 * Called by: start, watchdog
 */
#ifndef PST_PROFILE_H
#define PST_PROFILE_H

#include "pst_board.h"

/** Child, once, before it has threads. Off until it is switched on. */
void pst_profile_start(pst_shared_child_t *block);

/**
 * Switch, as often as wanted. What is live was sampled since it was last switched on, or at another rate: of another
 * rate it begins anew, too. Child: at its start, or its own thread.
 * @param rate bytes between samples, on average; 0 = off
 * @return APR_SUCCESS; APR_ENOTIMPL where calls cannot be redirected
 */
apr_status_t pst_profile_switch(apr_uint64_t rate);

/** The child's own thread: since when is it on? 0: it is off. */
apr_uint64_t pst_profile_since(void);

/** The child's own thread: sample so many times as often for a while, or no longer. What was sampled stays. */
void pst_profile_look_closer(int closer);

/** The child's own thread, once a second: objects that were loaded since. */
void pst_profile_beat(void);

#endif /* PST_PROFILE_H */
