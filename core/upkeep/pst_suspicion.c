/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspicion: see the header.
 *
 * Place in the flow: board, samples of growth -> SUSPICION -> the verdicts' who.
 *
 * A scope's sum is suspicious when its floor rises: the minimum of the last seconds is above the minimum of those
 * before. That means little, and is forgotten when nothing follows; it costs some samples per second.
 *
 * One thread: the child's watchdog.
 */
#include "pst_suspicion.h"
#include "pst_alike.h"
#include "pst_close.h"
#include "pst_figure.h"
#include "pst_instrument.h"
#include "pst_kept.h"
#include "pst_trend.h"

#include <string.h>

#define HALF   4u               /* seconds whose floor is compared with that of as many before */
#define NEW    5000000u         /* a connection or request this young is not comparable: it is warming up.
                                   Microseconds */
#define PATIENCE 60000000u      /* microseconds after the last rise until it has ended */

typedef struct {
    apr_uint64_t sums[2 * HALF];    /* a ring */
    apr_uint32_t count;             /* ever */
    apr_uint64_t rose;              /* time; 0: never, or forgotten */
    apr_uint32_t rises;             /* one bit for each of the last looks, the newest lowest */
} watched_t;

static watched_t watched[PST_SCOPE_COUNT];

/* Each allocation is seen for CLOSELY if the cause of a growth is not known; then not again before a PAUSE is over,
 * which gets longer each time. */
#define STEADILY 5u             /* number of looks with rises among the last 2 * HALF */
#define CLOSELY  30000000u
#define PAUSE    60000000u
#define PAUSES   16u            /* PAUSE at most times this */

static struct {
    int          on;
    apr_uint64_t until;         /* on: the end; off: the earliest start; time */
    apr_uint32_t pauses;
} close_look;

static apr_uint64_t least_watched(const watched_t *w, apr_uint32_t from, apr_uint32_t to)
{
    apr_uint64_t least = APR_UINT64_MAX;

    for (; from < to; from++) {
        apr_uint64_t sum = w->sums[from % (2 * HALF)];

        least = sum < least ? sum : least;
    }
    return least;
}

/* Does the floor rise? */
static int rises(watched_t *w, apr_uint64_t sum)
{
    w->sums[w->count++ % (2 * HALF)] = sum;
    return w->count >= 2 * HALF
           && least_watched(w, w->count - HALF, w->count) > least_watched(w, w->count - 2 * HALF, w->count - HALF);
}

/* Bytes handed out move with each request; nodes come in steps and, if many are alike, all at once. */
static apr_uint64_t used(const pst_shared_usage_t *usage)
{
    return pst_minus(pst_load(&usage->reserved_bytes), pst_load(&usage->slack_bytes));
}

/* Everything in a scope, and those that are not new: these are alike. */
typedef struct {
    apr_uint64_t sum, alike;
    apr_uint32_t count;             /* number of those that are alike */
    int judged;                     /* a verdict says that one of them grows */
} scope_sum_t;

static void add_one(scope_sum_t *to, apr_uint64_t bytes, int is_new)
{
    to->sum += bytes;
    if (!is_new) {
        to->alike += bytes;
        to->count++;
    }
}

/* What connections themselves and their current requests hold. */
static void add_slots(scope_sum_t *scopes, const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    for (apr_uint32_t s = 0; s < board->slot_count; s++) {
        const pst_shared_slot_t *slot = pst_board_slot(board, child, s);
        apr_uint64_t request;

        if (!__atomic_load_n(&slot->in_use, __ATOMIC_RELAXED)) {
            continue;
        }
        request = used(&slot->request);
        add_one(&scopes[PST_SCOPE_CONNECTION], pst_minus(used(&slot->usage), request),
                now - pst_load(&slot->opened) < NEW);
        if (__atomic_load_n(&slot->has_request, __ATOMIC_RELAXED)) {
            add_one(&scopes[PST_SCOPE_REQUEST], request, now - pst_load(&slot->request_started) < NEW);
        }
        if (slot->verdict.state == PST_TREND_GROWING) {
            scopes[slot->verdict.scope == PST_SCOPE_REQUEST ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION].judged = 1;
        }
    }
}

static int steadily(const watched_t *w)
{
    return __builtin_popcount(w->rises & ((1u << 2 * HALF) - 1)) >= (int)STEADILY;
}

static void look_closely(int wanted, apr_uint64_t now)
{
    if (close_look.on && now >= close_look.until && pst_instrument_look_closely(0)) {
        pst_close_each(0);
        close_look.on = 0;
        close_look.pauses = close_look.pauses < PAUSES ? 2 * close_look.pauses : PAUSES;
        close_look.until = now + close_look.pauses * (apr_uint64_t)PAUSE;
    }
    else if (!close_look.on && wanted && now >= close_look.until && pst_instrument_look_closely(1)) {
        pst_close_each(1);
        close_look.on = 1;
        close_look.pauses = close_look.pauses ? close_look.pauses : 1;
        close_look.until = now + CLOSELY;
    }
}

static void suspect_child(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    scope_sum_t scopes[PST_SCOPE_COUNT] = { { .sum = used(&child->process),
                                              .judged = child->verdict.state == PST_TREND_GROWING } };
    pst_shared_who_t who = { .site = 0 };
    int wanted = 0;

    add_slots(scopes, board, child, now);
    for (unsigned scope = PST_SCOPE_CONNECTION; scope < PST_SCOPE_COUNT; scope++) {
        pst_alike_add(&child->sum_verdicts[scope], scope, scopes[scope].alike, scopes[scope].count,
                      pst_load(&child->requests_finished), now);
    }
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        watched_t *w = &watched[scope];
        int judged = scopes[scope].judged || child->sum_verdicts[scope].state == PST_TREND_GROWING;

        w->rises = w->rises << 1 | (apr_uint32_t)rises(w, scopes[scope].sum);
        if (w->rises & 1 || judged) {
            w->rose = now;
        }
        else if (now - w->rose > PATIENCE) {
            w->rose = 0;
        }
        pst_close_look_into(scope, w->rose != 0, now);
        wanted |= (judged || steadily(w)) && !pst_kept_who(&who, PST_KEPT_SCOPE, scope);
    }
    look_closely(wanted, now);
}

/* -- who is to blame ------------------------------------------------------- */

static void say(pst_shared_verdict_t *verdict, const pst_shared_who_t *who)
{
    pst_store(&verdict->site, who->site);
    verdict->share = who->share;
    verdict->samples = who->samples;
}

/* By what remained of this very object, or else of all objects like it. What was reported stays as long as it grows. */
static void say_who(pst_shared_verdict_t *verdict, unsigned part, apr_uint32_t which, int scope)
{
    pst_shared_who_t own = { .site = verdict->site }, of_all = { .site = 0 };

    if (verdict->state != PST_TREND_GROWING) {
        return;
    }
    if (pst_kept_who(&own, part, which)) {
        say(verdict, &own);
    }
    else if (scope >= 0 && pst_kept_who(&of_all, PST_KEPT_SCOPE, (apr_uint32_t)scope)) {
        say(verdict, &of_all);
    }
}

static void say_all(const pst_board_t *board, pst_shared_child_t *child)
{
    say_who(&child->verdict, PST_KEPT_SCOPE, PST_SCOPE_PROCESS, -1);
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        say_who(&child->sum_verdicts[scope], PST_KEPT_SCOPE, scope, -1);
    }
    for (apr_uint32_t i = 0; i < PST_CLASS_COUNT; i++) {
        say_who(&pst_board_class(board, child, i)->verdict, PST_KEPT_CLASS, i, -1);
    }
    for (apr_uint32_t s = 0; s < board->slot_count; s++) {
        pst_shared_slot_t *slot = pst_board_slot(board, child, s);
        int scope = slot->verdict.scope == PST_SCOPE_REQUEST ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION;

        if (__atomic_load_n(&slot->in_use, __ATOMIC_RELAXED)) {
            say_who(&slot->verdict, (unsigned)(PST_KEPT_SLOT + scope), s, scope);
        }
    }
}

void pst_suspicion_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    suspect_child(board, child, now);
    pst_kept_judge(now);
    say_all(board, child);
}
