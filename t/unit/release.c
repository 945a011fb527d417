/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the child's side of a release, by the test's own clock: who it obeys, and how it releases gradually.
 */
#include "tap.h"
#include "apart.h"
#include "child_double.h"
#include "pst_allocator.h"
#include "pst_instrument.h"
#include "pst_release.h"
#include "pst_release_ask.h"

#include <string.h>

#define RATE   65536
#define SECOND 1000000
#define SMALL  32768    /* what 30,000 bytes take */
#define LARGE  303104   /* what 300,000 do */

static apr_uint64_t now = NOW + 5000;

/* A connection that needs that many nodes for pieces of that many bytes, and ends. */
static void use(apr_pool_t *pool, int count, apr_size_t bytes)
{
    for (int i = 0; i < count; i++) {
        apr_palloc(pool, bytes);
    }
    apr_pool_clear(pool);
}

/* @return what was given back since the last call */
static apr_uint64_t second(void)
{
    static apr_uint64_t before;
    apr_uint64_t all, bytes;

    now += SECOND;
    pst_release_beat(now);
    all = block->release_allocators_bytes;
    bytes = all - before;
    before = all;
    return bytes;
}

static apr_uint64_t seconds(int count)
{
    apr_uint64_t sum = 0;

    while (count-- > 0) {
        sum += second();
    }
    return sum;
}

static void obeys(void)
{
    pst_release_asked_t asked;

    pst_release_start(block, 0, 1, 0);
    pst_release_ask(&asked, &board, 0, base);
    ok(asked.count == 0, "nobody is waited for who would not answer");
    block->release_asked++;
    second();
    is_number(block->releases, 0, "who must not obey does not, whatever is written on the board");
    is_number(block->release_done, 0, "and does not say that it did");
    pst_release_start(block, 1, 1, 0);
    second();
    is_number(block->releases, 1, "who must does");
    pst_release_ask(&asked, &board, 0, base);
    ok(asked.count == 1, "and is asked");
    second();
    is_number(pst_release_look(&asked, &board), 0, "and answers");
    is_number(block->releases, 2, "by doing it again");
    is_number(block->release_done, block->release_asked, "and says so");
    second();
    is_number(block->releases, 2, "once");
}

static void steadily(void)
{
    apr_pool_t *pool = transaction(base, APR_ALLOCATOR_MAX_FREE_UNLIMITED);
    apr_uint64_t held;

    pst_release_start(block, 0, 1, RATE);
    seconds(3);
    use(pool, 20, 30000);
    held = block->held_bytes;
    is_number(second(), RATE, "idle: a second's worth");
    is_number(held - block->held_bytes, RATE, "held fell by that");
    is_number(retained(pool), 18 * SMALL, "the others are kept");
    for (int i = 0; i < 18; i++) {
        apr_palloc(pool, 30000);
    }
    is_number(held - block->held_bytes, RATE, "and used again: nothing is mapped anew");
    is_number(second(), 0, "in use: left alone");
    apr_pool_clear(pool);
    is_number(seconds(9), 9 * RATE, "and gone in the end, as fast as told");
    is_number(retained(pool), 0, "all of it");
    is_number(second(), 0, "nothing is left");
    apr_pool_destroy(pool);
}

/* The watchdog wakes now a bit earlier, now a bit later. */
static void once_a_second(void)
{
    apr_uint64_t samples;

    pst_release_start(block, 0, 1, 0);
    second();
    samples = block->limits.samples;
    now += SECOND - 3;
    pst_release_beat(now);
    is_number(block->limits.samples, samples + 1, "a second less a bit: measured");
    pst_release_beat(now + 1);
    is_number(block->limits.samples, samples + 1, "not twice");
    now += 3;
}

/* Nodes larger than a second's share, and small ones that keep coming back. */
static void large_ones(void)
{
    apr_pool_t *large = transaction(base, APR_ALLOCATOR_MAX_FREE_UNLIMITED), *small = transaction(base, APR_ALLOCATOR_MAX_FREE_UNLIMITED);
    apr_uint64_t sum = 0, from_small = 0;
    int i;

    pst_release_start(block, 0, 1, RATE);
    use(large, 2, 300000);
    use(small, 20, 30000);
    for (i = 0; i < 60 && retained(large); i++) {
        apr_uint64_t some = second();

        if (i % 4 == 0) {
            use(small, 20, 30000);
        }

        sum += some;
        from_small += some < LARGE ? some : some - LARGE;
    }
    is_number(retained(large), 0, "both large ones are gone");
    ok(sum >= 2 * LARGE, "given back");
    ok(from_small >= sum / 4, "the small ones did not have to wait for them");
    ok(sum <= (apr_uint64_t)(i + 1) * RATE, "no faster than told");
    printf("# %" APR_UINT64_T_FMT " bytes in %d s\n", sum, i);
    apr_pool_destroy(small);

    use(large, 1, 2000000);
    for (i = 0; i < 60 && retained(large); i++) {
        second();
    }
    ok(i >= 30 && i <= 33, "alone it is saved up for with all there is");
    is_number(second(), 0, "that is all");
    apr_pool_destroy(large);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    ok(start_child(), "instrumented in full");
    obeys();
    once_a_second();
    steadily();
    large_ones();
    pst_board_close(&board);
    return done();
}
