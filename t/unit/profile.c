/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the heap profile.  With a rate of one byte each block is sampled and everything is exact: whichever function
 * allocated it, moved, freed, or freed unobserved; mappings; threads; with a larger rate the estimates are within
 * what chance allows.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"
#include "child_double.h"
#include "pst_block.h"
#include "pst_hooks.h"
#include "pst_profile.h"
#include "pst_site.h"
#include "pst_wrap_heap.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define MANY    50000

typedef struct {
    apr_uint64_t bytes, samples, ever;
} held_t;

static held_t held(apr_uint32_t scope)
{
    held_t sum = { 0, 0, 0 };

    for (apr_uint32_t i = 1; i < PST_SITE_COUNT; i++) {
        const pst_shared_site_t *row = pst_board_site(&board, block, i);

        if (row->in_use && row->scope == scope) {
            sum.bytes += pst_load(&row->site_live_bytes);
            sum.samples += pst_load(&row->site_live_samples);
            sum.ever += pst_load(&row->site_ever_bytes);
        }
    }
    return sum;
}

static apr_uint64_t chunk(void *at)
{
    return malloc_usable_size(at) + sizeof(size_t);
}

/* What is live now, minus what was live before. */
static void holds(const held_t *before, apr_uint64_t bytes, apr_uint64_t samples, const char *what)
{
    held_t now = held(PST_SCOPE_HEAP);

    if (!ok(now.bytes - before->bytes == bytes && now.samples - before->samples == samples, what)) {
        printf("# got %lld bytes in %lld, expected %llu in %llu\n", (long long)(now.bytes - before->bytes),
               (long long)(now.samples - before->samples), (unsigned long long)bytes, (unsigned long long)samples);
    }
}

static void each_function(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    void *at[8];
    apr_uint64_t sum = 0;

    at[0] = pst_wrap_heap_malloc(1000);
    at[1] = pst_wrap_heap_calloc(10, 100);
    at[2] = pst_wrap_heap_realloc(NULL, 3000);
    at[3] = pst_wrap_heap_reallocarray(NULL, 30, 100);
    ok(pst_wrap_heap_posix_memalign(&at[4], 64, 640) == 0, "posix_memalign");
    at[5] = pst_wrap_heap_aligned_alloc(64, 640);
    at[6] = pst_wrap_heap_memalign(64, 100);
    at[7] = pst_wrap_heap_valloc(100);
    for (int i = 0; i < 8; i++) {
        sum += chunk(at[i]);
    }
    holds(&none, sum, 8, "all eight, with what they take");
    for (int i = 0; i < 8; i++) {
        pst_wrap_heap_free(at[i]);
    }
    holds(&none, 0, 0, "all freed");
    pst_wrap_heap_free(NULL);
    holds(&none, 0, 0, "nothing freed");
}

/* free(NULL) is not a block: not even if the look-up is made, because the filter has a live block at such an
 * address. */
static void freed_null(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    const apr_uintptr_t apart = (apr_uintptr_t)16 * PST_BLOCK_FILTER;
    void *at = pst_wrap_heap_memalign(apart, 100);

    ok(at && pst_block_maybe(NULL), "an address that NULL is taken for");
    for (int i = 0; i < 100; i++) {
        pst_wrap_heap_free(NULL);
    }
    holds(&none, chunk(at), 1, "nothing freed a hundred times");
    ok(pst_block_maybe(at), "the block can be found");
    pst_wrap_heap_free(at);
    holds(&none, 0, 0, "freed");
}

static void moves(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    void *at = pst_wrap_heap_malloc(100), *same;
    volatile size_t too_much = PTRDIFF_MAX;

    at = pst_wrap_heap_realloc(at, 100000);
    holds(&none, chunk(at), 1, "a block that grows is charged with what it is now");
    at = pst_wrap_heap_realloc(at, 50);
    holds(&none, chunk(at), 1, "and one that shrinks");
    same = at;
    errno = 0;
    ok(!pst_wrap_heap_realloc(at, too_much) && errno == ENOMEM, "a block that cannot be had says so");
    holds(&none, chunk(same), 1, "the old one is there still, and charged");
    ok(!pst_wrap_heap_reallocarray(at, SIZE_MAX / 2, 3), "nor one whose size does not fit");
    ok(!pst_wrap_heap_calloc(SIZE_MAX / 2, 3) && !pst_wrap_heap_malloc(too_much), "nor these");
    holds(&none, chunk(same), 1, "none of it is charged");
    ok(!pst_wrap_heap_realloc(at, 0), "glibc frees what is asked to have no size");
    holds(&none, 0, 0, "and so it is");
}

static void freed_unseen(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    void *at = pst_wrap_heap_malloc(5000), *again;

    free(at);                       /* this object's calls are not redirected */
    again = pst_wrap_heap_malloc(5000);
    is_number(again == at, 1, "the same address again");
    holds(&none, chunk(again), 1, "is the new block, not both");
    pst_wrap_heap_free(again);
    holds(&none, 0, 0, "freed");
}

static void redirected(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    char *text = strdup("what libc calls malloc for");

    holds(&none, chunk(text), 1, "libc's own call was seen");
    pst_wrap_heap_free(text);
    holds(&none, 0, 0, "freed");
}

static void forked(void)
{
    held_t none = held(PST_SCOPE_HEAP), now;
    void *at = pst_wrap_heap_malloc(100);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        pst_wrap_heap_free(at);
        _exit(pst_wrap_heap_malloc(100) == NULL);
    }
    waitpid(pid, &status, 0);
    ok(pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked process allocates and frees");
    holds(&none, chunk(at), 1, "and writes nothing to the board");
    now = held(PST_SCOPE_HEAP);
    pst_wrap_heap_free(at);
    ok(now.ever == held(PST_SCOPE_HEAP).ever, "ever stays");
}

static void mappings(void)
{
    held_t none = held(PST_SCOPE_MAPPED), now;
    volatile size_t too_much = SIZE_MAX / 2;
    char *at = pst_wrap_heap_mmap(NULL, 100 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *moved;

    now = held(PST_SCOPE_MAPPED);
    is_number(now.bytes - none.bytes, 100 * 4096, "a mapping");
    pst_wrap_heap_munmap(at, 4096);
    pst_wrap_heap_munmap(at + 50 * 4096, 4096);
    now = held(PST_SCOPE_MAPPED);
    is_number(now.bytes - none.bytes, 98 * 4096, "without its first page and one in the middle");
    is_number(now.samples - none.samples, 2, "is two");
    ok(pst_wrap_heap_munmap(at + 1, 4096) != 0, "what the kernel refuses");
    ok(pst_wrap_heap_munmap(at, too_much) != 0, "also of more than there is");
    is_number(held(PST_SCOPE_MAPPED).bytes - none.bytes, 98 * 4096, "changes nothing");
    moved = pst_wrap_heap_mremap(at + 4096, 49 * 4096, 200 * 4096, MREMAP_MAYMOVE);
    is_number(held(PST_SCOPE_MAPPED).bytes - none.bytes, (49 + 200) * 4096, "one moves and grows");
    pst_wrap_heap_munmap(moved, 200 * 4096);
    pst_wrap_heap_munmap(at, 100 * 4096);
    now = held(PST_SCOPE_MAPPED);
    ok(now.bytes == none.bytes && now.samples == none.samples, "all unmapped");
}

static int stop;

static void *waits(void *how)
{
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        usleep(1000);
    }
    if (how) {
        pthread_exit(NULL);
    }
    return NULL;
}

static void stacks(void)
{
    held_t none = held(PST_SCOPE_STACK), now;
    pthread_t thread[3];
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)1 << 60);
    ok(pst_wrap_heap_pthread_create(&thread[0], &attr, waits, NULL) != 0, "a thread that cannot be had");
    now = held(PST_SCOPE_STACK);
    ok(now.samples == none.samples && now.bytes == none.bytes, "is not charged");
    pthread_attr_setstacksize(&attr, 256 * 1024);
    for (apr_uintptr_t i = 0; i < 3; i++) {
        pst_wrap_heap_pthread_create(&thread[i], &attr, waits, (void *)i);
    }
    now = held(PST_SCOPE_STACK);
    is_number(now.samples - none.samples, 3, "three threads");
    is_number(now.bytes - none.bytes, 3 * 256 * 1024, "with their stacks");
    pthread_cancel(thread[2]);
    pthread_join(thread[2], NULL);
    is_number(held(PST_SCOPE_STACK).samples - none.samples, 2, "one is cancelled");
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    now = held(PST_SCOPE_STACK);
    ok(now.samples == none.samples && now.bytes == none.bytes, "the others end by return and by pthread_exit()");
}

static void *churn(void *unused)
{
    void *at[64] = { NULL };

    for (unsigned i = 0; i < MANY; i++) {
        pst_wrap_heap_free(at[i % 64]);
        at[i % 64] = pst_wrap_heap_malloc(16 + i % 500);
    }
    for (unsigned i = 0; i < 64; i++) {
        pst_wrap_heap_free(at[i]);
    }
    return unused;
}

static void threads(void)
{
    held_t none = held(PST_SCOPE_HEAP);
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, churn, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    holds(&none, 0, 0, "four threads at once: nothing stays behind");
}

/* Samples of n blocks with probability p: within five deviations. */
static void by_chance(apr_uint64_t rate)
{
    static void *at[MANY];
    apr_uint64_t sum = 0;
    held_t now;
    double p = -expm1(-200.0 / (double)rate), deviation;

    pst_profile_switch(rate);
    for (unsigned i = 0; i < MANY; i++) {
        at[i] = pst_wrap_heap_malloc(200);
        sum += chunk(at[i]);
    }
    now = held(PST_SCOPE_HEAP);
    deviation = sqrt(MANY * p * (1 - p)) * (double)(sum / MANY) / p;
    printf("# rate %llu: %llu of %llu, %.1f deviations\n", (unsigned long long)rate, (unsigned long long)now.bytes,
           (unsigned long long)sum, ((double)now.bytes - (double)sum) / deviation);
    ok(fabs((double)now.bytes - (double)sum) < 5 * deviation, "the estimate lies within what chance allows");
    for (unsigned i = 0; i < MANY; i++) {
        pst_wrap_heap_free(at[i]);
    }
    is_number(held(PST_SCOPE_HEAP).bytes, 0, "and goes to the byte");
}

static void more_than_there_is_room_for(void)
{
    static void *at[MANY];
    apr_uint64_t lost = pst_load(&block->samples_lost);
    held_t now;

    pst_profile_switch(1);
    for (unsigned i = 0; i < MANY; i++) {
        at[i] = pst_wrap_heap_malloc(200);
    }
    now = held(PST_SCOPE_HEAP);
    lost = pst_load(&block->samples_lost) - lost;
    ok(lost > 0 && now.samples + lost <= MANY && now.samples + lost >= MANY - 20000, "what finds no room is counted as lost");
    printf("# %llu kept, %llu lost\n", (unsigned long long)now.samples, (unsigned long long)lost);
    for (unsigned i = 0; i < MANY; i++) {
        pst_wrap_heap_free(at[i]);
    }
    is_number(held(PST_SCOPE_HEAP).samples, 0, "what was kept goes");
}

static void off(void)
{
    void *at = pst_wrap_heap_malloc(2000000);    /* what was drawn at the previous rate is used up */
    char *text;

    ok(held(PST_SCOPE_HEAP).bytes > 0, "on");
    ok(pst_profile_switch(0) == APR_SUCCESS && pst_load(&block->heap_profile_rate) == 0, "switched off");
    is_number(held(PST_SCOPE_HEAP).bytes, 0, "what was sampled is forgotten");
    pst_wrap_heap_free(at);
    text = strdup("not seen");
    is_number(held(PST_SCOPE_HEAP).bytes, 0, "and nothing is seen");
    free(text);
}

/* No call is redirected to us any longer: there is nothing to restore. */
static void nothing_left(void)
{
    const void *const others[] = { (const void *)apr_pool_parent_get, (const void *)gnu_get_libc_version, NULL };
    apr_size_t heap = 1, maps = 1;      /* libapr's own calls are redirected for its nodes */
    pst_pages_t pages;
    const char *why;

    ok(pst_pages_take(&pages, &why) == APR_SUCCESS, "mappings are known");
    pst_hooks_patch(PST_HOOKS_HEAP, (pst_got_job_t){ .pages = &pages, .flags = PST_GOT_BACK, .not_in = others }, &heap);
    pst_hooks_patch(PST_HOOKS_MAPS, (pst_got_job_t){ .pages = &pages, .flags = PST_GOT_BACK, .not_in = others }, &maps);
    pst_pages_drop(&pages);
    ok(heap == 0 && maps == 0, "no slot leads to a wrapper");
}

static int churned;

static void *churn_on(void *unused)
{
    void *at[64] = { NULL };

    for (unsigned i = 0; !__atomic_load_n(&churned, __ATOMIC_RELAXED); i++) {
        free(at[i % 64]);
        at[i % 64] = strdup("some text that is copied again and again, so that there is something to sample");
    }
    for (unsigned i = 0; i < 64; i++) {
        free(at[i]);
    }
    return unused;
}

/* Switched on and off while threads allocate: in the end nothing is live, and counting works as at the start. */
static void switched_meanwhile(void)
{
    pthread_t thread[THREADS];
    held_t none;
    void *at;

    pst_profile_beat();
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, churn_on, NULL);
    }
    for (unsigned i = 0; i < 300; i++) {
        pst_profile_switch(i % 3 == 0 ? 0 : i % 3 == 1 ? 512 : 64);
    }
    __atomic_store_n(&churned, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    pst_profile_switch(0);
    nothing_left();
    pst_profile_switch(1);
    ok(pst_profile_since() == pst_load(&block->heap_profile_since) && pst_profile_since() > 0, "since when is said");
    none = held(PST_SCOPE_HEAP);
    at = pst_wrap_heap_malloc(70000);
    at = pst_wrap_heap_realloc(at, 1000);
    holds(&none, chunk(at), 1, "a block is seen");
    pst_wrap_heap_free(at);
    holds(&none, 0, 0, "and goes");
    pst_profile_switch(0);
    is_number(held(PST_SCOPE_HEAP).samples, 0, "nothing is live");
    ok(pst_profile_since() == 0, "since never");
}

int main(void)
{
    apr_initialize();
    if (!ok(start_child(), "instrumented")) {
        return done();
    }
    pst_instrument_classes(base, &board, block, 1);
    pst_profile_start(block);
    is_number((unsigned)pst_profile_switch(1), APR_SUCCESS, "on, each byte");
    is_number(pst_load(&block->heap_profile_rate), 1, "the board says so");
    each_function();
    freed_null();
    moves();
    freed_unseen();
    redirected();
    forked();
    mappings();
    stacks();
    threads();
    by_chance(4096);
    by_chance(65536);
    more_than_there_is_room_for();
    off();
    nothing_left();
    switched_meanwhile();
    return done();
}
