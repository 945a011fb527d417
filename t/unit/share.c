/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: new, or again, from made-up histories: the shares come out as they went in, however often the heap was asked;
 * and a statement on growth neither appears nor disappears at once from look to look.
 */
#include "tap.h"
#include "pst_hold.h"
#include "pst_share.h"
#include "pst_trend.h"

#include <math.h>
#include <string.h>

#define SECOND ((apr_uint64_t)1000000)
#define BEGIN  (1000000 * SECOND)
#define MOST   400

static pst_history_point_t points[MOST];
static pst_shared_share_t share;

/* That many seconds: new requests in those that `is_new` names, ten repeated ones in each; the heap is asked every
 * `asked` seconds. */
static double make(unsigned count, int (*is_new)(unsigned second), double each_new, double each_again, unsigned asked)
{
    double heap = 1e6;

    memset(points, 0, sizeof(points));
    for (unsigned i = 0; i < count; i++) {
        pst_history_point_t *p = &points[i];
        const pst_history_point_t *before = i ? p - 1 : p;
        unsigned newly = i ? (unsigned)is_new(i) : 0, again = i ? 8 + i * 7 % 5 : 0;

        heap += newly * each_new + again * each_again;
        p->time = BEGIN + i * SECOND;
        p->requests_new = before->requests_new + newly;
        p->requests_finished = before->requests_finished + newly + again;
        p->process_new = before->process_new + (apr_uint64_t)(newly * each_new);
        p->process_again = before->process_again + (apr_uint64_t)(again * each_again);
        p->heap_read = i % asked ? before->heap_read : p->time;
        p->heap_in_use = i % asked ? before->heap_in_use : (apr_uint64_t)heap / 4096 * 4096;
    }
    return (double)points[count - 1].heap_in_use - (double)points[0].heap_in_use;
}

static int now_and_then(unsigned second)
{
    return second % 12 < 4;
}

static int always(unsigned second)
{
    return 1 + (second * 2654435761u >> 13) % 3;
}

static int steadily(unsigned second)
{
    (void)second;
    return 1;
}

static int never(unsigned second)
{
    (void)second;
    return 0;
}

static void take(double gained, unsigned count)
{
    pst_share_heap(&share, points, count, BEGIN, BEGIN + (count - 1) * SECOND, gained);
}

static void near(double got, double expected, double error, const char *what)
{
    if (!ok(fabs(got - expected) <= error, what)) {
        printf("# got %.0f, expected %.0f within %.0f\n", got, expected, error);
    }
}

static void heap(void)
{
    static const unsigned asked[] = { 1, 3, 5 };
    double gained;

    for (unsigned a = 0; a < 3; a++) {
        gained = make(180, now_and_then, 100000, 0, asked[a]);
        take(gained, 180);
        ok(share.known && share.only_new, "all of it with what is new");
        near(share.gained_new, gained, 0.1 * gained, "so much");
        gained = make(180, now_and_then, 0, 3000, asked[a]);
        take(gained, 180);
        ok(share.known && !share.only_new, "all of it by repetition");
        near(share.gained_again, gained, 0.15 * gained, "so much");
        gained = make(180, always, 100000, 0, asked[a]);
        take(gained, 180);
        ok(share.known && share.only_new, "something new in each second: told by what fits");
        gained = make(180, always, 100000, 20000, asked[a]);
        take(gained, 180);
        ok(!share.only_new, "half by repetition: it is not only new");
        near(share.known ? share.gained_new : gained / 2, 35e6, 0.25 * gained, "and if so much is told, it is near");
    }
    gained = make(180, never, 0, 3000, 1);
    take(gained, 180);
    ok(share.known && !share.gained_new && share.gained_again > 0, "nothing new at all");
    gained = make(180, steadily, 100000, 0, 1);
    for (unsigned i = 0; i < 180; i++) {
        points[i].requests_finished = 11 * i;
    }
    take(gained, 180);
    ok(!share.known, "one new to ten repeated, in every second alike: not told");
    take(gained, 1);
    ok(!share.known, "no stretch");
}

static void process(void)
{
    make(100, now_and_then, 8192, 4096, 1);
    pst_share_process(&share, points, 100, BEGIN + 50 * SECOND, BEGIN + 99 * SECOND, 3e6);
    near(share.gained_new, 8192.0 * (points[99].requests_new - points[50].requests_new), 1, "pools: as it was charged, between these moments");
    is_number(share.requests_new, points[99].requests_new - points[50].requests_new, "by so many");
    near(share.gained_new + share.gained_again, 3e6, 1, "the rest is not new");
    pst_share_process(&share, points, 100, BEGIN, BEGIN + 99 * SECOND, 10000);
    near(share.gained_new, 10000, 1, "never more than was gained");
}

/* ---- from look to look ---- */

static pst_hold_t held;
static pst_told_t told;

static pst_trend_e look(pst_trend_e state, unsigned since, unsigned now, double gained)
{
    told = (pst_told_t){ .state = state };
    if (state == PST_TREND_GROWING) {
        told.since = BEGIN + since * SECOND;
        told.until = BEGIN + now * SECOND;
        told.gained = gained;
        told.level = 1e6 + now * 10000.0;
        told.per_minute = 60 * gained / (now - since);
    }
    pst_hold(&held, &told, BEGIN + now * SECOND);
    return told.state;
}

static void hold(void)
{
    unsigned looks = 0;

    ok(look(PST_TREND_GROWING, 0, 20, 200000) == PST_TREND_STEADY, "one look says nothing");
    ok(look(PST_TREND_STEADY, 0, 21, 0) == PST_TREND_STEADY, "nor another that does not find it");
    look(PST_TREND_GROWING, 0, 22, 220000);
    ok(look(PST_TREND_GROWING, 0, 23, 230000) == PST_TREND_GROWING, "two in a row do");
    look(PST_TREND_GROWING, 9, 24, 140000);
    ok(told.since == BEGIN, "since when does not jump");
    look(PST_TREND_STEADY, 0, 30, 0);
    ok(told.state == PST_TREND_GROWING, "one that misses it changes nothing");
    near(told.per_minute * 30 / 60, told.gained, 1, "but the rate: no more than was gained");
    while (look(PST_TREND_STEADY, 0, 31 + looks, 0) == PST_TREND_GROWING && looks < 20) {
        looks++;
    }
    is_number(looks, 3, "the fifth in a row ends it");
    look(PST_TREND_GROWING, 0, 50, 500000);
    look(PST_TREND_GROWING, 0, 51, 510000);
    for (unsigned i = 0; i < 6; i++) {
        look(PST_TREND_GROWING, 30, 52 + i, 220000);
    }
    ok(told.since == BEGIN + 30 * SECOND && told.gained == 220000, "a later beginning is believed in the end");
}

int main(void)
{
    heap();
    process();
    hold();
    return done();
}
