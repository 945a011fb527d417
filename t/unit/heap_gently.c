/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: gradual release of the heap, by PoolStatRelease. When it happens, by our own clock, on a heap with
 * much to release and on one whose free chunks lie between those in use, so that no page can be released.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"
#include "pst_heap.h"
#include "pst_release.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MB     (1024ul * 1024)
#define SECOND 1000000ull
#define BLOCKS 2500u            /* of 16000 bytes: 40 MB */

static pst_shared_child_t child;
static apr_uint64_t began, second;      /* seconds of our clock since it began */
static apr_uint64_t longest;            /* longest beat since let_rest(), in us */
static void *pin;

static void fill(void)
{
    static void *blocks[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(16000);
        memset(blocks[i], 1, 16000);
    }
    pin = malloc(16000);
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
}

static apr_uint64_t clock_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (apr_uint64_t)now.tv_sec * SECOND + (apr_uint64_t)now.tv_nsec / 1000;
}

/* Beats each second of our clock up to one. @return the second in which the heap gave something back, 0: it did not */
static apr_uint64_t beat_until(apr_uint64_t to)
{
    apr_uint64_t before = child.release_heap_bytes;

    while (second < to) {
        apr_uint64_t start = clock_usec(), took;

        pst_release_beat(began + ++second * SECOND);
        took = clock_usec() - start;
        longest = took > longest ? took : longest;
        if (child.release_heap_bytes > before) {
            return second;
        }
    }
    return 0;
}

/* After each release the heap rests for a second and twenty times what that took, by the system's clock. Waiting
 * for that is enough, since a beat took at least as long. */
static void let_rest(void)
{
    apr_uint64_t usec = SECOND + 20 * longest + 20000;
    struct timespec rest = { (time_t)(usec / SECOND), (long)(usec % SECOND) * 1000 };

    while (nanosleep(&rest, &rest) != 0) {
    }
    longest = 0;
}

int main(void)
{
    pst_heap_recognise();
    if (pst_heap_kind() != PST_HEAP_GLIBC) {
        ok(1, "another heap: its own rules");
        return done();
    }
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    began = clock_usec() / SECOND * SECOND;
    pst_release_start(&child, 0, 1, MB);

    fill();
    child.books.heap_free_bytes = 31 * MB;
    is_number(beat_until(30), 0, "31 MB free: not worth it");
    child.books.heap_free_bytes = 40 * MB;
    is_number(beat_until(40), 31, "40 MB are");
    let_rest();
    fill();
    is_number(beat_until(90), 0, "not again within a minute");
    is_number(beat_until(100), 92, "but after it, since it brought much");
    let_rest();

    /* now the books say that much is free, and none of it can be released */
    is_number(beat_until(153), 0, "free between what is in use: asked in vain");
    let_rest();
    fill();
    is_number(beat_until(272), 0, "then half as often");
    is_number(beat_until(280), 274, "two minutes later it is asked");
    let_rest();
    fill();
    is_number(beat_until(340), 335, "and since that brought much, a minute later again");
    return done();
}
