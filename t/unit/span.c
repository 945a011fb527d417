/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: sampled mappings.  A model of pages says what must be left after each cut and each new mapping; the reported
 * changes must add up to what is there; several threads at once, each in its own addresses.
 */
#include "tap.h"
#include "pst_span.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE  4096u
#define PAGES 512u
#define BASE  ((apr_uintptr_t)0x7f0000000000)
#define SITES 4
#define MANY  200000

static apr_int64_t spans[SITES], sizes[SITES], weights[SITES];

static unsigned others;         /* how many unmap something else right now: the flag is taken */

static void changed(apr_uint32_t site, int n, apr_int64_t size, apr_int64_t weight)
{
    for (; others; others--) {
        pst_span_cut(BASE + 10 * PAGE, BASE + 11 * PAGE);
    }
    __atomic_add_fetch(&spans[site], n, __ATOMIC_RELAXED);
    __atomic_add_fetch(&sizes[site], size, __ATOMIC_RELAXED);
    __atomic_add_fetch(&weights[site], weight, __ATOMIC_RELAXED);
}

static int add(apr_uintptr_t from, apr_uint64_t pages, apr_uint32_t site)
{
    pst_span_t span = { .from = from, .to = from + pages * PAGE, .site = site, .size = pages * PAGE, .weight = 3 * pages * PAGE };
    int added = pst_span_add(&span);

    if (added) {
        changed(site, 1, (apr_int64_t)span.size, (apr_int64_t)span.weight);
    }
    return added;
}

static void forget_all(void)
{
    pst_span_cut(0, UINTPTR_MAX);
    for (int i = 0; i < SITES; i++) {
        spans[i] = sizes[i] = weights[i] = 0;
    }
}

static void one(void)
{
    is_number((unsigned)add(BASE, 10, 1), 1, "a span is kept");
    is_number((apr_uint64_t)sizes[1], 10 * PAGE, "and charged to its site");
    pst_span_cut(BASE, BASE + PAGE);
    is_number((apr_uint64_t)sizes[1], 9 * PAGE, "its first page goes");
    pst_span_cut(BASE + 9 * PAGE, BASE + 20 * PAGE);
    is_number((apr_uint64_t)sizes[1], 8 * PAGE, "its last page goes");
    pst_span_cut(BASE + 4 * PAGE, BASE + 6 * PAGE);
    is_number((apr_uint64_t)sizes[1], 6 * PAGE, "a hole in the middle");
    is_number((apr_uint64_t)spans[1], 2, "makes two of it");
    is_number((apr_uint64_t)weights[1], 18 * PAGE, "and what it stands for goes in proportion");
    is_number((unsigned)add(BASE + 5 * PAGE, 4, 2), 1, "the same addresses are mapped by another");
    is_number((apr_uint64_t)sizes[1], 3 * PAGE, "the first one has what is not covered");
    is_number((apr_uint64_t)sizes[2], 4 * PAGE, "the other all of its own");
    pst_span_cut(BASE, BASE + 100 * PAGE);
    ok(!spans[1] && !spans[2] && !sizes[1] && !sizes[2] && !weights[1] && !weights[2], "all is gone, to the byte");
    forget_all();
}

/* A thread that unmaps while another one is inside leaves the addresses behind: the next one inside processes them. */
static void left_behind(void)
{
    add(BASE, 1, 1);
    add(BASE + 10 * PAGE, 4, 2);
    others = 1;
    pst_span_cut(BASE, BASE + PAGE);
    is_number((apr_uint64_t)sizes[2], 4 * PAGE, "what cannot be cut at once");
    pst_span_cut(BASE + 100 * PAGE, BASE + 101 * PAGE);
    is_number((apr_uint64_t)sizes[2], 3 * PAGE, "is cut by the next");
    add(BASE, 1, 1);
    others = PST_SPAN_PENDING + 1;
    pst_span_cut(BASE, BASE + PAGE);
    is_number((apr_uint64_t)sizes[2], 3 * PAGE, "more than can be left behind");
    pst_span_cut(BASE + 100 * PAGE, BASE + 101 * PAGE);
    ok(!sizes[2] && !spans[2], "and all that is known is forgotten");
    add(BASE + 10 * PAGE, 4, 2);
    is_number((apr_uint64_t)sizes[2], 4 * PAGE, "afterwards spans are kept as before");
    forget_all();
}

static void model(unsigned seed)
{
    static unsigned char owner[PAGES];
    tally_t wrong = { 0, 0 };
    unsigned step;

    srand(seed);
    memset(owner, 0, sizeof(owner));
    for (step = 0; step < 20000; step++) {
        unsigned from = (unsigned)rand() % PAGES, pages = 1 + (unsigned)rand() % 40, site = 1 + (unsigned)rand() % (SITES - 1);
        apr_int64_t expected[SITES] = { 0 };

        pages = from + pages > PAGES ? PAGES - from : pages;
        if (rand() % 3) {
            pst_span_cut(BASE + from * PAGE, BASE + (from + pages) * PAGE);
            site = 0;
        }
        else if (!add(BASE + from * PAGE, pages, site)) {
            site = 0;
        }
        memset(owner + from, (int)site, pages);
        for (unsigned i = 0; i < PAGES; i++) {
            expected[owner[i]] += PAGE;
        }
        for (unsigned i = 1; i < SITES; i++) {
            tally(&wrong, sizes[i] != expected[i], step);
        }
    }
    if (!none_wrong(&wrong, "20,000 random cuts and mappings: as the pages say")) {
        printf("# of seed %u\n", seed);
    }
    forget_all();
}

static void more_than_there_is_room_for(void)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < PST_SPAN_COUNT + 100; i++) {
        kept += (unsigned)add(BASE + i * 2 * PAGE, 1, 1);
    }
    is_number(kept, PST_SPAN_COUNT, "as many as there is room for, and then no more");
    pst_span_cut(BASE, BASE + 4 * PAGE * PST_SPAN_COUNT);
    is_number((apr_uint64_t)sizes[1], 0, "and all of them go");
    forget_all();
}

/* Maps and unmaps at addresses that no other thread uses. */
static void *churn(void *baton)
{
    apr_uintptr_t base = BASE + ((apr_uintptr_t)baton << sizeof(baton) * 4);
    apr_uint32_t site = (apr_uint32_t)(apr_uintptr_t)baton;

    for (unsigned i = 0; i < MANY; i++) {
        add(base + (i % 8) * 16 * PAGE, 8, site);
        pst_span_cut(base + (i % 8) * 16 * PAGE, base + (i % 8) * 16 * PAGE + 8 * PAGE);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t thread[SITES - 1];

    for (apr_uintptr_t i = 0; i < SITES - 1; i++) {
        pthread_create(&thread[i], NULL, churn, (void *)(i + 1));
    }
    for (int i = 0; i < SITES - 1; i++) {
        pthread_join(thread[i], NULL);
    }
    pst_span_cut(BASE - PAGE, BASE);        /* what was left to the next one inside */
    add(BASE - PAGE, 1, 0);
    pst_span_cut(BASE - PAGE, BASE);
    for (int i = 1; i < SITES; i++) {
        printf("# site %d: %lld spans\n", i, (long long)spans[i]);
        ok(!spans[i] && !sizes[i] && !weights[i], "three threads at once: nothing stays behind");
    }
}

int main(void)
{
    pst_span_start(changed);
    one();
    left_behind();
    model(1);
    model(2);
    more_than_there_is_room_for();
    threads();
    return done();
}
