/* SPDX-License-Identifier: Apache-2.0
 *
 * What is reported about growth, from look to look. See pst_hold.h.
 */
#include "pst_hold.h"

#define ENTER 2u                /* looks in a row that find it growing before that is reported */
#define LEAVE 5u                /* that do not, before it is no longer reported */
#define LATER 5u                /* that find a later start, before that is believed */

void pst_told_from(pst_told_t *told, const pst_trend_t *trend, apr_uint64_t begin)
{
    int moves = trend->state != PST_TREND_LITTLE && trend->state != PST_TREND_STEADY;

    *told = (pst_told_t){ trend->state, trend->per_minute, trend->per_request, trend->fit,
                          trend->gained, trend->level, 0, 0 };
    if (moves) {
        told->since = begin + (apr_uint64_t)(trend->since * 1e6);
        told->until = begin + (apr_uint64_t)(trend->until * 1e6);
    }
}

/* The rate never claims more than was gained. */
static void set_told_rate(pst_told_t *told)
{
    double minutes = (double)(told->until - told->since) / 60e6;

    if (told->until > told->since && told->per_minute * minutes > told->gained) {
        told->per_request *= told->gained / (told->per_minute * minutes);
        told->per_minute = told->gained / minutes;
    }
}

/* It still grows. If it is found to start later than reported: the gain since the reported start. */
static void go_on(pst_hold_t *hold, pst_told_t *told)
{
    const pst_told_t *said = &hold->said;

    hold->later = told->since > said->since ? hold->later + 1 : 0;
    if (hold->later && hold->later < LATER && told->level >= said->level && told->until >= said->until) {
        told->gained = said->gained + told->level - said->level;
        told->since = said->since;
        set_told_rate(told);
    }
    else {
        hold->later = 0;
    }
}

/* It does not grow, or not any more; for a few looks it may just have been missed. */
static void linger(const pst_hold_t *hold, pst_told_t *told, apr_uint64_t now)
{
    *told = hold->said;
    told->until = now > told->until ? now : told->until;
    set_told_rate(told);
}

void pst_hold(pst_hold_t *hold, pst_told_t *told, apr_uint64_t now)
{
    int growing = told->state == PST_TREND_GROWING, said = hold->said.state == PST_TREND_GROWING;

    hold->found = growing ? hold->found + 1 : 0;
    hold->missed = growing ? 0 : hold->missed + 1;
    if (growing && said) {
        go_on(hold, told);
    }
    else if (growing && hold->found < ENTER) {
        *told = hold->said.state == PST_TREND_ENDED ? hold->said : (pst_told_t){ .state = PST_TREND_STEADY };
    }
    else if (said && told->state == PST_TREND_STEADY && hold->missed < LEAVE) {
        linger(hold, told, now);
    }
    hold->said = *told;
}

void pst_told_publish(pst_shared_verdict_t *to, const pst_told_t *told, const pst_shared_slot_t *slot, int scope)
{
    double lasted = told->until > told->since ? (double)(told->until - told->since) / 1000 : 0;

    if ((told->state != PST_TREND_GROWING && told->state != PST_TREND_ENDED)
        || (scope != PST_OF_NO_SCOPE && (int)to->scope != scope)) {
        pst_store(&to->site, 0);            /* set by pst_suspicion.c */
    }
    to->scope = (uint8_t)(scope == PST_OF_NO_SCOPE ? PST_SCOPE_PROCESS : scope);
    to->fit = (uint16_t)(told->fit * 1000 + 0.5);
    to->per_minute = (float)told->per_minute;
    to->per_request = (float)told->per_request;
    to->gained = (float)told->gained;
    to->lasted = lasted < APR_UINT32_MAX ? (apr_uint32_t)lasted : APR_UINT32_MAX;
    pst_store(&to->since, told->since);
    __atomic_store_n(&to->of, slot ? (apr_uint32_t)pst_load(&slot->id) : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&to->state, (uint8_t)told->state, __ATOMIC_RELEASE);
}
