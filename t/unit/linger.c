/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: blocks that linger.  What was freed stays readable, but only so much, so many and so long; each is unmapped
 * once.
 */
#include "tap.h"
#include "pst_linger.h"

#include <pthread.h>
#include <sys/mman.h>

#define NODE    8192u
#define LIMIT   (4u << 20)
#define ROUND   64u
#define THREADS 4
#define BLOCKS  3000u

static char *map(apr_size_t size)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at != MAP_FAILED) {
        at[0] = 'x';
    }
    return at;
}

static int is_mapped(void *at)
{
    unsigned char page;

    return mincore(at, 1, &page) == 0;
}

static void one(void)
{
    char *at = map(NODE);

    is_number((unsigned)pst_linger(at, NODE), 0, "freed");
    ok(at[0] == 'x', "and still there");
    is_number(pst_linger_bytes(), NODE, "counted");
    for (unsigned i = 0; i < ROUND - 1; i++) {
        pst_linger_beat();
    }
    ok(is_mapped(at), "for a minute");
    pst_linger_beat();
    ok(!is_mapped(at), "then it is gone");
    is_number(pst_linger_bytes(), 0, "nothing lingers");
    at = map(NODE);
    is_number((unsigned)pst_linger(at + 1, 5), (unsigned)-1, "what is no page is an error, as munmap() has it");
    munmap(at, NODE);
}

static void too_many(void)
{
    char *at[2 * ROUND];
    unsigned mapped = 0;

    for (unsigned i = 0; i < 2 * ROUND; i++) {
        at[i] = map(NODE);
    }
    for (unsigned i = 0; i < 2 * ROUND; i++) {
        pst_linger(at[i], NODE);
    }
    for (unsigned i = 0; i < 2 * ROUND; i++) {
        mapped += (unsigned)is_mapped(at[i]);
    }
    is_number(mapped, ROUND, "so many and no more");
    ok(is_mapped(at[2 * ROUND - 1]) && !is_mapped(at[0]), "the oldest go first");
}

static void too_large(void)
{
    char *large = map(LIMIT), *larger = map(LIMIT + NODE), *small = map(NODE);

    pst_linger(large, LIMIT);
    ok(is_mapped(large), "as much as there may be");
    is_number(pst_linger_bytes(), LIMIT, "everything else went for it");
    pst_linger(small, NODE);
    ok(!is_mapped(large) && is_mapped(small), "and it goes for another");
    pst_linger(larger, LIMIT + NODE);
    ok(!is_mapped(larger), "more than that does not linger");
}

static void *free_many(void *most)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        apr_size_t bytes, *seen = most;

        pst_linger(map(NODE * (1 + i % 40)), NODE * (1 + i % 40));
        bytes = pst_linger_bytes();
        *seen = bytes > *seen ? bytes : *seen;
    }
    return NULL;
}

static void at_once(void)
{
    pthread_t threads[THREADS];
    apr_size_t most[THREADS] = { 0 };

    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, free_many, &most[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok(most[i] <= LIMIT + THREADS * 40 * NODE, "a thread of several: never more than they were just freeing");
    }
    for (unsigned i = 0; i < ROUND; i++) {
        pst_linger_beat();
    }
    is_number(pst_linger_bytes(), 0, "in the end nothing lingers: each was unmapped once");
}

int main(void)
{
    one();
    too_many();
    too_large();
    at_once();
    return done();
}
