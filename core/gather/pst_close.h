/* SPDX-License-Identifier: Apache-2.0
 *
 * A close look at growth: for which scopes, and how many samples to take.
 *
 * Memory stays in pools that are at least a second old: each of their growths is sampled, unless there are too many.
 * Of young pools' growths, mostly first nodes, only a part is sampled, as most are gone within the request. While
 * every allocation is seen (pst_wrap_close.c), allocations in old pools are sampled by bytes instead of growths. Each
 * sample's weight is divided by its probability, so that sums are unbiased.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_CLOSE_H
#define PST_CLOSE_H

#include "pst_record.h"

#define PST_CLOSE_SAMPLES 8192u /* maximum number of live ones in a child */

/* Scopes under investigation, one bit each. */
extern unsigned pst_close_scopes;

/** Child, once, with the call sites. */
void pst_close_start(void);

/**
 * Should this growth be sampled? Any thread.
 * @param chance a random number, 0 to 1
 * @return the bytes it stands for, or 0
 */
apr_uint64_t pst_close_weight(const pst_record_t *record, apr_size_t size, int first, double chance);

/** Average bytes per sample of allocations from pools while each allocation is seen. Any thread. */
apr_uint32_t pst_close_rate(void);

/** An allocation was chosen at that rate. @return the bytes it stands for; 0: it is in a pool too young. Any thread. */
apr_uint64_t pst_close_took(const pst_record_t *record, apr_size_t size, apr_uint32_t rate);

/** Seconds since the start, as of the last beat. Any thread. */
apr_uint32_t pst_close_now(void);

/** Watchdog: start or stop investigating a scope's growth. Repeating it has no effect. */
void pst_close_look_into(unsigned scope, int on, apr_uint64_t now);

/** Watchdog: from now on each allocation is, or is no longer, seen: while it is, growths of old pools add no
 *  information. */
void pst_close_each(int on);

/** Watchdog, once a second: advance the clock. @return seconds since the start */
double pst_close_beat(apr_uint64_t now);

/** Watchdog, once a second: take as many samples as needed, fewer as room runs out. @param live how many there are */
void pst_close_adapt(int live);

/** Since when a scope has been investigated: seconds since the start, and the time. Watchdog. */
double pst_close_since(unsigned scope, apr_uint64_t *time);

#endif /* PST_CLOSE_H */
