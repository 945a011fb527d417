/* SPDX-License-Identifier: Apache-2.0
 *
 * The cheapest clock available: see the header.
 */
#include "pst_clock.h"

#define COMPARE_NS 200000u

apr_uint64_t pst_clock_scale;

apr_uint64_t pst_clock_usec(clockid_t clock)
{
    struct timespec time = { 0, 0 };

    clock_gettime(clock, &time);
    return (apr_uint64_t)time.tv_sec * 1000000 + (apr_uint64_t)time.tv_nsec / 1000;
}

#if defined(__SIZEOF_INT128__)
static apr_uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (apr_uint64_t)ts.tv_sec * 1000000000u + (apr_uint64_t)ts.tv_nsec;
}

void pst_clock_start(void)
{
    apr_uint64_t ns = monotonic_ns(), ticks = pst_ticks(), now_ns, now_ticks;

    if (pst_clock_scale) {
        return;
    }
    do {
        now_ns = monotonic_ns();
        now_ticks = pst_ticks();
    } while (now_ns - ns < COMPARE_NS);
    if (now_ticks > ticks) {
        pst_clock_scale = (apr_uint64_t)(((unsigned __int128)(now_ns - ns) << 40) / 1000u / (now_ticks - ticks));
    }
}
#else
/* 32 bits: no processor counter is read there, ticks are the clock's nanoseconds. */
void pst_clock_start(void)
{
    pst_clock_scale = ((apr_uint64_t)1 << 40) / 1000u;
}
#endif
