/* SPDX-License-Identifier: Apache-2.0
 *
 * A close look at growth: see the header.
 *
 * Concurrency: rates and the clock are relaxed atomics that growths read; what changes them belongs to the watchdog's
 * thread.
 */
#include "pst_close.h"
#include "pst_clock.h"

#include <math.h>
#include <string.h>

/* Samples per second and child that are worth their cost, some 1,000 instructions each. */
#define ENOUGH      100u
/* Young pools: initially one growth per this many bytes. */
#define YOUNG_RATE  65536u
/* If that is less than half a node, each growth is taken. */
#define GROWTH_RATE 4096u
/* While each allocation is seen: bytes per sample, minimum and initial value. */
#define EACH_RATE   512u
/* A pool of this age is no longer young. Microseconds. */
#define OLD         1000000u

enum { TIER_OLD = 0, TIER_YOUNG, TIERS };

typedef struct {
    apr_uint32_t rate[TIERS];   /* bytes per sample; 0: each growth (atomic) */
    apr_uint32_t taken[TIERS];  /* since the last beat (atomic) */
    double since;               /* seconds */
    apr_uint64_t since_time;
} scope_t;

static struct {
    apr_uint64_t started;       /* time */
    apr_uint32_t now;           /* seconds (atomic) */
    int each;                   /* each allocation is seen (atomic) */
    apr_uint32_t each_rate, each_taken; /* (atomic) */
    scope_t scopes[PST_SCOPE_COUNT];
} g;

unsigned pst_close_scopes;

void pst_close_start(void)
{
    memset(&g, 0, sizeof(g));
    g.each_rate = EACH_RATE;
    pst_close_scopes = 0;
}

apr_uint32_t pst_close_now(void)
{
    return __atomic_load_n(&g.now, __ATOMIC_RELAXED);
}

static int is_old(const pst_record_t *record)
{
    return pst_ticks_usec((apr_int64_t)(pst_ticks() - record->born)) >= OLD;
}

apr_uint64_t pst_close_weight(const pst_record_t *record, apr_size_t size, int first, double chance)
{
    scope_t *scope = &g.scopes[record->account->scope];
    int tier = !first && is_old(record) ? TIER_OLD : TIER_YOUNG;
    apr_uint32_t rate = __atomic_load_n(&scope->rate[tier], __ATOMIC_RELAXED);
    double wanted = rate ? -expm1(-(double)size / rate) : 1;

    if (chance >= wanted || (tier == TIER_OLD && __atomic_load_n(&g.each, __ATOMIC_RELAXED))) {
        return 0;
    }
    __atomic_add_fetch(&scope->taken[tier], 1, __ATOMIC_RELAXED);
    return (apr_uint64_t)((double)size / wanted);
}

apr_uint32_t pst_close_rate(void)
{
    return __atomic_load_n(&g.each_rate, __ATOMIC_RELAXED);
}

apr_uint64_t pst_close_took(const pst_record_t *record, apr_size_t size, apr_uint32_t rate)
{
    if (!rate || !is_old(record)) {
        return 0;
    }
    __atomic_add_fetch(&g.each_taken, 1, __ATOMIC_RELAXED);
    return (apr_uint64_t)((double)size / -expm1(-(double)size / rate));
}

void pst_close_each(int on)
{
    __atomic_store_n(&g.each_rate, EACH_RATE, __ATOMIC_RELAXED);
    __atomic_store_n(&g.each, on, __ATOMIC_RELAXED);
}

/* -- scopes under investigation -------------------------------------------------- */

static double seconds(apr_uint64_t now)
{
    if (!g.started || now < g.started) {
        g.started = now;
    }
    return (double)(now - g.started) / 1e6;
}

void pst_close_look_into(unsigned which, int on, apr_uint64_t now)
{
    scope_t *scope = &g.scopes[which];
    unsigned bit = 1u << which;

    if (!(pst_close_scopes & bit) == !on) {
        return;
    }
    if (on) {
        memset(scope, 0, sizeof(*scope));
        scope->rate[TIER_YOUNG] = YOUNG_RATE;
        scope->since = seconds(now);
        scope->since_time = now;
    }
    __atomic_store_n(&pst_close_scopes, pst_close_scopes ^ bit, __ATOMIC_RELEASE);
}

double pst_close_since(unsigned scope, apr_uint64_t *time)
{
    *time = g.scopes[scope].since_time;
    return g.scopes[scope].since;
}

double pst_close_beat(apr_uint64_t now)
{
    double at = seconds(now);

    __atomic_store_n(&g.now, (apr_uint32_t)at, __ATOMIC_RELAXED);
    return at;
}

/* @param least the rate at which sampling starts or ends: below it each one is taken */
static void adapt(apr_uint32_t *rate_at, apr_uint32_t *taken_at, double target, double least)
{
    double taken = __atomic_exchange_n(taken_at, 0, __ATOMIC_RELAXED),
           rate = __atomic_load_n(rate_at, __ATOMIC_RELAXED);

    if (taken > target) {
        rate = fmin(fmax(rate, least) * fmin(taken / target, 64), 1e9);
    }
    else if (taken < target / 2) {
        rate = rate > least ? rate / 2 : 0;
    }
    __atomic_store_n(rate_at, (apr_uint32_t)rate, __ATOMIC_RELAXED);
}

void pst_close_adapt(int live)
{
    double target = ENOUGH * (1 - (double)live / PST_CLOSE_SAMPLES) + 1;

    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        for (int tier = 0; tier < TIERS && pst_close_scopes >> scope & 1; tier++) {
            adapt(&g.scopes[scope].rate[tier], &g.scopes[scope].taken[tier], target, GROWTH_RATE);
        }
    }
    adapt(&g.each_rate, &g.each_taken, target, EACH_RATE);
    if (__atomic_load_n(&g.each_rate, __ATOMIC_RELAXED) < EACH_RATE) {
        __atomic_store_n(&g.each_rate, EACH_RATE, __ATOMIC_RELAXED);
    }
}
