/* SPDX-License-Identifier: Apache-2.0
 *
 * A close look at growth: of which scopes, and how many samples of it are taken.
 *
 * Pools that have lived for a second are where memory stays: each of their growths is sampled, as far as they are not
 * too many.  Of young ones, first nodes above all, a part is, as most of them are gone within the request.  While each
 * allocation is seen (pst_wrap_close.c), allocations in old pools are sampled by their bytes instead of growths.  The
 * chance of each is what its weight is divided by, so that sums are unbiased.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_CLOSE_H
#define PST_CLOSE_H

#include "pst_record.h"

#define PST_CLOSE_SAMPLES 8192u /* live ones of a child, at most */

/* Scopes that are looked into, a bit for each. */
extern unsigned pst_close_scopes;

/** Child, once, with the call sites. */
void pst_close_start(void);

/**
 * Is this growth to be sampled? Any thread.
 * @param chance a random number, 0 to 1
 * @return the bytes it stands for, or 0
 */
apr_uint64_t pst_close_weight(const pst_record_t *record, apr_size_t size, int first, double chance);

/** Bytes a sample, on average, of what is taken from pools while each allocation is seen. Any thread. */
apr_uint32_t pst_close_rate(void);

/** An allocation was chosen at that rate. @return the bytes it stands for; 0: it is in a pool too young. Any thread. */
apr_uint64_t pst_close_took(const pst_record_t *record, apr_size_t size, apr_uint32_t rate);

/** Seconds since the start, as of the last beat. Any thread. */
apr_uint32_t pst_close_now(void);

/** Watchdog: look into a scope's growth from now on, or no more. Again is the same as once. */
void pst_close_look_into(unsigned scope, int on, apr_uint64_t now);

/** Watchdog: each allocation is seen, from now on, or no more: then growths of old pools say nothing new. */
void pst_close_each(int on);

/** Watchdog, once a second: the clock goes on. @return seconds since the start */
double pst_close_beat(apr_uint64_t now);

/** Watchdog, once a second: as many samples as are enough, fewer the fewer there is room for. @param live how many
 *  there are */
void pst_close_adapt(int live);

/** Since when a scope is looked into: seconds since the start, and the time. Watchdog. */
double pst_close_since(unsigned scope, apr_uint64_t *time);

#endif /* PST_CLOSE_H */
