/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: a child's life as a whole.  Growth over its requests and growth while it warms up, whenever its requests come; lives
 * that are too short, or not on record; histories that lie.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_generation.h"
#include "pst_life.h"

#define MIB    ((apr_uint64_t)1 << 20)
#define POINTS 10

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *child;

/* MiB of RSS and requests at each of its points; rss 0: not measured yet. */
typedef struct course_t {
    unsigned rss[POINTS], requests[POINTS];
} course_t;

static pst_life_t life_of(const course_t *course, apr_uint64_t count, unsigned rss)
{
    pst_shared_history_t *history = pst_board_history(&board, (apr_uint32_t)pst_board_index(&board, child));
    pst_shared_point_t *points = (void *)((char *)history + PST_HISTORY_HEAD);
    pst_life_t life;

    history->pid = child->owner;
    history->fine_written = count;
    for (unsigned i = 0; i < POINTS; i++) {
        points[i].rss = (apr_uint32_t)(course->rss[i] * MIB / PST_HISTORY_PAGE);
        points[i].requests_finished = course->requests[i];
    }
    pst_life_judge(&life, &board, child, rss * MIB);
    return life;
}

static const course_t grows = { { 0, 10, 12, 14, 16, 18, 20, 22, 24, 26 }, { 0, 0, 10, 20, 30, 40, 50, 60, 70, 80 } };

static void judged(void)
{
    static const struct { const char *what; course_t course; unsigned rss; int rises; } cases[] = {
        { "warm after the first ones", { { 10, 30, 30, 30, 30, 30, 30, 30, 30, 30 }, { 0, 10, 20, 30, 40, 50, 60, 70, 80, 85 } }, 30, 0 },
        { "warm after half of its time, when they came", { { 10, 10, 10, 10, 10, 30, 30, 30, 30, 30 }, { 0, 0, 0, 0, 0, 10, 20, 40, 60, 80 } }, 31, 0 },
        { "warm, then growing", { { 10, 20, 22, 24, 26, 28, 30, 32, 34, 36 }, { 0, 10, 20, 30, 40, 50, 60, 70, 80, 85 } }, 38, 1 },
        { "growing by less than a MiB", { { 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 }, { 0, 10, 20, 30, 40, 50, 60, 70, 80, 85 } }, 10, 0 },
        { "given back", { { 10, 20, 30, 40, 50, 60, 40, 30, 20, 12 }, { 0, 10, 20, 30, 40, 50, 60, 70, 80, 85 } }, 12, 0 }
    };
    pst_life_t life;

    child->requests_finished = 90;
    life = life_of(&grows, POINTS, 28);
    ok(life.judged && life.rises, "even growth");
    is_number(life.gained, 18 * MIB, "by so much, since its RSS was first measured");
    is_number(life.requests, 90, "over so many requests");
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        life = life_of(&cases[i].course, POINTS, cases[i].rss);
        ok(life.judged && life.rises == cases[i].rises, cases[i].what);
    }
}

static void not_judged(void)
{
    static const course_t none, all_at_once = { { 10, 10, 10, 10, 10, 10, 10, 10, 10, 30 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 85 } };

    child->requests_finished = 90;
    ok(!life_of(&grows, PST_LIFE_POINTS - 1, 28).judged, "a life of few points");
    ok(!life_of(&grows, 1000000, 28).judged, "one that is longer than its history");
    ok(!life_of(&none, POINTS, 28).judged, "one whose RSS nobody measured");
    ok(!life_of(&all_at_once, POINTS, 30).judged, "one whose requests all came between two points");
    child->requests_finished = PST_LIFE_REQUESTS - 1;
    ok(!life_of(&grows, POINTS, 28).judged, "one of few requests");
    child->requests_finished = UINT64_MAX;
    ok(!life_of(&grows, POINTS, 28).judged, "one of more than there can be");
    child->requests_finished = 90;
    ok(life_of(&grows, POINTS, 28).judged, "the same with nothing wrong");
    pst_board_history(&board, (apr_uint32_t)pst_board_index(&board, child))->pid++;
    {
        pst_life_t life;

        pst_life_judge(&life, &board, child, 28 * MIB);
        ok(!life.judged && !life.rises, "a history of another");
    }
}

/* Any bytes: nothing but a wrong answer. */
static void lies(void)
{
    pst_shared_history_t *history = pst_board_history(&board, (apr_uint32_t)pst_board_index(&board, child));
    apr_uint64_t seed = 1;
    unsigned rising = 0;

    for (unsigned n = 0; n < 100000; n++) {
        pst_shared_point_t *points = (void *)((char *)history + PST_HISTORY_HEAD);
        pst_life_t life;

        history->pid = child->owner;
        history->fine_written = POINTS;
        for (unsigned i = 0; i < POINTS; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            points[i].rss = (apr_uint32_t)(seed >> 32);
            points[i].requests_finished = n % 2 ? (apr_uint32_t)(seed >> 20) % 100 : (apr_uint32_t)seed;
        }
        pst_life_judge(&life, &board, child, seed >> 20);
        rising += life.rises && !life.judged;
    }
    is_number(rising, 0, "what is not judged does not rise");
}

int main(void)
{
    const pst_generation_begin_t begin = { 1, 2, 4, 3, 0, 0 };

    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 4, pool);
    pst_generation_begin(&board, 1, &begin, NOW);
    child = add_child(&board, 101);
    judged();
    not_judged();
    lies();
    child->generation = 1;
    child->requests_finished = 90;
    life_of(&grows, POINTS, 28);
    pst_generation_child_ends(&board, child);
    is_number(pst_board_generation(&board, 1)->generation_lives_judged, 1, "its generation counts it as it ends");
    return done();
}
