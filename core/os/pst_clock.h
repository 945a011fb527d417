/* SPDX-License-Identifier: Apache-2.0
 *
 * The cheapest clock available: a processor counter, one instruction to read. For time spans within one process.
 *
 * Called by: any
 */
#ifndef PST_CLOCK_H
#define PST_CLOCK_H

#include <apr.h>
#include <time.h>

static APR_INLINE apr_uint64_t pst_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    apr_uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (apr_uint64_t)ts.tv_sec * 1000000000u + (apr_uint64_t)ts.tv_nsec;
#endif
}

/** One of the system's clocks, in microseconds. */
apr_uint64_t pst_clock_usec(clockid_t clock);

/** Before pst_ticks_usec(): compare the counter with the clock for a fifth of a millisecond, unless already done: if
 *  the parent does it, its children need not. */
void pst_clock_start(void);

extern apr_uint64_t pst_clock_scale;    /* microseconds a tick, times 2^40 */

/** A difference of ticks in microseconds; negative ones (another core's counter) are 0. */
static APR_INLINE apr_uint64_t pst_ticks_usec(apr_int64_t ticks)
{
#if defined(__SIZEOF_INT128__)
    return ticks <= 0 ? 0 : (apr_uint64_t)((unsigned __int128)(apr_uint64_t)ticks * pst_clock_scale >> 40);
#else
    /* in halves; ticks are nanoseconds there, so the scale has 31 bits */
    apr_uint64_t t = ticks <= 0 ? 0 : (apr_uint64_t)ticks;

    return ((t >> 32) * pst_clock_scale + ((t & 0xffffffffu) * pst_clock_scale >> 32)) >> 8;
#endif
}

#endif /* PST_CLOCK_H */
