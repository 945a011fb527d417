/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: what the kernel and the heap tell about a process. The reader of smaps is tested with texts made by
 * hand, cut anywhere, and with noise; then with this process, whose threads touch a known number of pages
 * and whose heap gets a known number of bytes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"
#include "apart.h"
#include "pst_books.h"
#include "pst_heap.h"
#include "pst_memory.h"
#include "pst_peek.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/prctl.h>

#define KB 1024ull
#define MB (1024 * KB)

/* -- texts ------------------------------------------------------------------ */

#define FIGURES(rss, anonymous, swap) \
    "Size:               9999 kB\nKernelPageSize:        4 kB\nRss:                " #rss " kB\nPss:                   1 kB\n" \
    "Private_Dirty:         1 kB\nAnonymous:         " #anonymous " kB\nSwap:             " #swap " kB\nSwapPss:          77 kB\n" \
    "VmFlags: rd mr mw me\n"

static const char typical[] =
    "55d0c0000000-55d0c0010000 r--p 00000000 fe:00 1234                       /usr/sbin/apache2\n" FIGURES(40, 0, 0)
    "55d0c0010000-55d0c0012000 rw-p 00010000 fe:00 1234                       /usr/sbin/apache2\n" FIGURES(8, 8, 0)
    "55d0c0012000-55d0c0014000 rw-p 00000000 00:00 0 \n" FIGURES(4, 4, 4)
    "55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0                          [heap]\n" FIGURES(500, 500, 12)
    "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \n" FIGURES(300, 300, 0)            /* an arena, and its reserve */
    "7f0000200000-7f0004000000 ---p 00000000 00:00 0 \n" FIGURES(0, 0, 0)
    "7f0004000000-7f0004008000 rw-p 00000000 00:00 0 \n" FIGURES(32, 32, 0)              /* right above: no stack */
    "7f0008000000-7f000bf80000 rw-p 00000000 00:00 0 \n" FIGURES(100, 100, 0)            /* an arena with little reserve left */
    "7f000bf80000-7f000c000000 ---p 00000000 00:00 0 \n" FIGURES(0, 0, 0)
    "7f000c000000-7f000c008000 rw-p 00000000 00:00 0 \n" FIGURES(20, 20, 0)              /* right above: no stack */
    "7f0010000000-7f0010001000 ---p 00000000 00:00 0 \n" FIGURES(0, 0, 0)                /* a guard, and a stack */
    "7f0010001000-7f0010801000 rw-p 00000000 00:00 0 \n" FIGURES(24, 24, 8)
    "7f0010801000-7f0010802000 ---p 00000000 00:00 0 \n" FIGURES(0, 0, 0)
    "7f0010802000-7f0011102000 rw-p 00000000 00:00 0 \n" FIGURES(9216, 9216, 0)          /* a stack and 1 MB merged with it */
    "7f0012000000-7f0012100000 rw-s 00000000 00:01 5                          /dev/zero (deleted)\n" FIGURES(64, 0, 16)
    "7f0013000000-7f0013001000 r--s 00000000 fe:00 77                         /var/a file with spaces\n" FIGURES(4, 0, 0)
    "7f0014000000-7f0014010000 rw-p 00000000 fe:00 78                         /lib/x.so\n" FIGURES(64, 20, 0)
    "7f0015000000-7f0015004000 rw-p 00000000 00:00 0                          [anon: glibc: malloc]\n" FIGURES(16, 16, 0)
    "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n" FIGURES(36, 36, 0)
    "7ffc00100000-7ffc00102000 r-xp 00000000 00:00 0                          [vdso]\n" FIGURES(8, 0, 0);

typedef struct pieces_t {
    unsigned count;
    apr_uint64_t bytes, there;
} pieces_t;

static void piece(void *baton, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there)
{
    pieces_t *pieces = baton;

    pieces->count++;
    pieces->bytes += to - from;
    pieces->there += there;
}

static void parse(pst_memory_maps_t *maps, pieces_t *pieces, const char *text, apr_size_t len, apr_size_t each)
{
    pst_smaps_t smaps;

    memset(&smaps, 0, sizeof(smaps));
    memset(maps, 0, sizeof(*maps));
    memset(pieces, 0, sizeof(*pieces));
    smaps.maps = maps;
    smaps.stack_size = 8 * MB;
    smaps.nobody = 1;
    smaps.rest = piece;
    smaps.baton = pieces;
    for (apr_size_t at = 0; at < len; at += each) {
        pst_smaps_feed(&smaps, text + at, len - at < each ? len - at : each);
    }
    pst_smaps_end(&smaps);
}

#define NAMELESS(range, perms, there) range " " perms " 00000000 00:00 0 \n" FIGURES(there, there, 0)

/* Stacks next to arenas, whose reserve looks like a guard. */
static void beside_arenas(void)
{
    static const struct {
        const char *text, *what;
        unsigned stacks;
    } cases[] = {
        { NAMELESS("7f0000000000-7f0000200000", "rw-p", 300)
          NAMELESS("7f0000200000-7f0004001000", "---p", 0)
          NAMELESS("7f0004001000-7f0004801000", "rw-p", 24), "a guard that the kernel merged with the reserve below it", 1 },
        { NAMELESS("7f0000000000-7f0003fff000", "rw-p", 300)
          NAMELESS("7f0003fff000-7f0004001000", "---p", 0)
          NAMELESS("7f0004001000-7f0004801000", "rw-p", 24), "the same, of a reserve of a page", 1 },
        { NAMELESS("7f0000000000-7f0000200000", "rw-p", 300)
          NAMELESS("7f0000200000-7f0004000000", "---p", 0)
          NAMELESS("7f0004000000-7f0004800000", "rw-p", 24), "what lies right above a reserve", 0 },
        { NAMELESS("7f0000000000-7f0003fff000", "rw-p", 300)
          NAMELESS("7f0003fff000-7f0004000000", "---p", 0)
          NAMELESS("7f0004000000-7f0004800000", "rw-p", 24), "right above the last page of one", 0 },
        { NAMELESS("7f0003000000-7f0003fff000", "rw-p", 300)
          NAMELESS("7f0003fff000-7f0004000000", "---p", 0)
          NAMELESS("7f0004000000-7f0004800000", "rw-p", 24), "a stack that begins where an arena could", 1 },
        { NAMELESS("7f0003fff000-7f0004000000", "---p", 0)
          NAMELESS("7f0004000000-7f0004800000", "rw-p", 24), "the same with nothing below it", 1 },
        { NAMELESS("7f0000000000-7f0003000000", "---p", 0)
          NAMELESS("7f0003000000-7f0003800000", "rw-p", 24), "above 48 MB that are no guard", 0 },
        { NAMELESS("7f0003fff000-7f0004000000", "---p", 0)
          NAMELESS("7f0004001000-7f0004800000", "rw-p", 24), "not right above a guard", 0 },
    };
    pst_memory_maps_t maps;
    pieces_t pieces;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(&maps, &pieces, cases[i].text, strlen(cases[i].text), 4096);
        is_number(maps.stack_count, cases[i].stacks, cases[i].what);
    }
}

static void texts(void)
{
    pst_memory_maps_t maps, again;
    pieces_t pieces, more;
    unsigned differ = 0;

    parse(&maps, &pieces, typical, sizeof(typical) - 1, sizeof(typical));
    is_number(maps.mappings, 20, "every mapping");
    is_number(maps.file, (40 + 44 + 8) * KB, "files: what is as in the file");
    is_number(maps.data, (8 + 8 + 20) * KB, "data: what was written to, and variables behind it");
    is_number(maps.shared, (64 + 16 + 4) * KB, "shared");
    is_number(maps.stacks, (24 + 8 + 8192 + 36) * KB, "stacks, and no more than a stack can have");
    is_number(maps.stack_count, 3, "three of them");
    is_number(maps.rest, (512 + 300 + 32 + 100 + 20 + 1024 + 16) * KB, "the rest: heap, arena, what lies above one, what was merged with a stack");
    is_number(maps.rest_mapped, (1024 + 2048 + 32 + 65024 + 32 + 1024 + 16) * KB, "as mapped, without what may not be accessed");
    is_number(pieces.bytes, maps.rest_mapped, "told piece by piece");
    is_number(pieces.there, maps.rest, "with what is there of each");
    for (apr_size_t each = 1; each < 400; each++) {
        parse(&again, &more, typical, sizeof(typical) - 1, each);
        differ += memcmp(&maps, &again, sizeof(maps)) != 0 || memcmp(&pieces, &more, sizeof(more)) != 0;
    }
    is_number(differ, 0, "wherever the text is cut");
}

static int whole(const pst_memory_maps_t *m)
{
    const apr_uint64_t most = (apr_uint64_t)INT64_MAX;

    return m->file <= most && m->shared <= most && m->stacks <= most && m->data <= most && m->rest <= most
           && m->rest_mapped <= most;
}

static void noise(void)
{
    static const char *const lines[] = {
        "7f00-7e00 rw-p 0 0:0 0\n", "7f00-8000\n", "7f00-8000 rw\n", "7f00-8000 rw-p\n", "7f00-8000 rw-p zz 00:00 0\n", "-\n", "\n",
        "0-ffffffffffffffff rw-p 00000000 00:00 0\n", "ffffffffffffffffff-1 rw-p 0 0 0\n", "1000-2000 rw-p 00000000",
        "1000-2000 rw-p 00000000 00:00 0\nRss: 18446744073709551615 kB\n", "Rss: 99999999999999999999999 kB\n",
        "1000-2000 rw-p 00000000 00:00 0\nRss: 12 MB\n", "1000-2000 rw-p 00000000 00:00 0\nRss: -5 kB\n", "Rss:\n", "Rss: 5",
        "1000-2000 rw-p 00000000 00:00 0\nAnonymous: 140737488355327 kB\nRss: 1 kB\n"
    };
    static char text[6000];
    pst_memory_maps_t maps;
    pst_memory_sum_t sum;
    pieces_t pieces;
    tally_t wrong = { 0, 0 };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        parse(&maps, &pieces, lines[i], strlen(lines[i]), 7);
        tally(&wrong, !whole(&maps) || (maps.rest > 12 * KB), i);
    }
    none_wrong(&wrong, "lines that make no sense are left out");
    for (unsigned round = 0; round < 20000; round++) {
        apr_size_t len = (apr_size_t)rand() % sizeof(text);

        if (round % 2) {
            memcpy(text, typical, sizeof(typical) < sizeof(text) ? sizeof(typical) : sizeof(text));
            for (unsigned n = (unsigned)rand() % 40; n; n--) {
                text[(apr_size_t)rand() % sizeof(text)] = (char)rand();
            }
        }
        else {
            for (apr_size_t i = 0; i < len; i++) {
                text[i] = "0123456789abcdef-rwxps \nRss:AnonymousSwap kB[heap]stack/\0\xff"[rand() % 58];
            }
        }
        parse(&maps, &pieces, text, len, 1 + (apr_size_t)rand() % 500);
        tally(&wrong, !whole(&maps), round);
        pst_rollup_parse(&sum, text, len);
        tally(&wrong, sum.rss > (apr_uint64_t)INT64_MAX, round);
    }
    none_wrong(&wrong, "noise, and text with noise in it: sums stay sums");
}

static void rollups(void)
{
    static const char text[] = "55c0-7ffc ---p 00000000 00:00 0                          [rollup]\nRss:                1672 kB\n"
        "Pss:                 274 kB\nPss_Dirty:           112 kB\nShared_Clean:       1520 kB\nPrivate_Clean:        40 kB\n"
        "Private_Dirty:       100 kB\nSwap:                 12 kB\nSwapPss:               3 kB\n";
    pst_memory_sum_t sum;

    ok(pst_rollup_parse(&sum, text, sizeof(text) - 1), "a rollup");
    is_number(sum.rss, 1672 * KB, "RSS");
    is_number(sum.pss, 274 * KB, "PSS, not what begins like it");
    is_number(sum.private_dirty, 100 * KB, "private dirty");
    is_number(sum.swap, 12 * KB, "swap, not what begins like it");
    ok(!pst_rollup_parse(&sum, "nothing\n", 8), "no rollup");
}

/* -- this process ----------------------------------------------------------- */

static apr_uint64_t all(const pst_memory_maps_t *m)
{
    return m->file + m->shared + m->stacks + m->data + m->rest;
}

/* Look until nothing changes any longer. */
static int quiet(pst_memory_maps_t *maps, pst_memory_sum_t *sum)
{
    for (int i = 0; i < 50; i++) {
        if (pst_memory_maps(maps, 0, NULL, NULL, NULL) != APR_SUCCESS || pst_memory_sum(sum, 0) != APR_SUCCESS) {
            return 0;
        }
        if (all(maps) == sum->rss + sum->swap) {
            return 1;
        }
    }
    printf("# by mapping %llu, in all %llu\n", (unsigned long long)all(maps), (unsigned long long)(sum->rss + sum->swap));
    return 0;
}

#define THREADS 9

static pthread_barrier_t barrier;

static __attribute__((noinline)) void touch(unsigned pages)
{
    volatile char *room = __builtin_alloca(pages * 4096);

    for (unsigned i = 0; i < pages; i++) {
        room[i * 4096] = 1;
    }
}

static void *toucher(void *each)
{
    unsigned nth = (unsigned)(apr_size_t)each;

    touch(8);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    touch(8 + 10 * nth);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* @param guard  0: no guard; 1: the default */
static void threads(apr_size_t stack_size, int guard, const char *what)
{
    const pst_memory_stacks_t stacks = { stack_size, 0 };
    pst_memory_maps_t before, touched, more;
    pthread_t thread[THREADS];
    pthread_attr_t attr;
    unsigned pages = 0;

    pthread_attr_init(&attr);
    if (stack_size) {
        pthread_attr_setstacksize(&attr, stack_size);
    }
    if (!guard) {
        pthread_attr_setguardsize(&attr, 0);
    }
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    pst_memory_maps(&before, 0, &stacks, NULL, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], &attr, toucher, (void *)(apr_size_t)i);
        pages += 10 * i;
        /* what the kernel may merge with a stack */
        if (i % 2) {
            char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

            *m = 1;
        }
    }
    pthread_barrier_wait(&barrier);
    pst_memory_maps(&touched, 0, &stacks, NULL, NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pst_memory_maps(&more, 0, &stacks, NULL, NULL);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    printf("# %s\n", what);
    is_number(touched.stack_count - before.stack_count, THREADS, "each thread has a stack");
    is_number(more.stacks - touched.stacks, pages * 4 * KB, "what they touched, to the page");
    pthread_attr_destroy(&attr);
}

static void *deep_one(void *unused)
{
    volatile char room[300 * 1024];

    for (unsigned i = 0; i < sizeof(room); i += 4096) {
        room[i] = 1;
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

/* A thread whose stack does not have the usual size: it fills its own from the far end. @return 0; 1: what it
 * touched is not counted as stack; 2: it is counted as something else, too */
static int of_size(void *size)
{
    const pst_memory_stacks_t stacks = { 256 * 1024, 0 };
    pst_memory_maps_t before, after;
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, *(apr_size_t *)size);
    pthread_barrier_init(&barrier, NULL, 2);
    pst_memory_maps(&before, 0, &stacks, NULL, NULL);
    pthread_create(&thread, &attr, deep_one, NULL);
    pthread_barrier_wait(&barrier);
    pst_memory_maps(&after, 0, &stacks, NULL, NULL);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    /* a block left by ended threads already has a few of its pages */
    if (after.stacks - before.stacks < 268 * KB || after.stacks - before.stacks > 340 * KB) {
        return 1;
    }
    return after.rest > before.rest + 40 * KB ? 2 : 0;
}

static void other_sizes(void)
{
    static apr_size_t sizes[] = { 320 * 1024, 512 * 1024, 1024 * 1024, 3 * 1024 * 1024, 16 * 1024 * 1024 };
    char text[96];

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(text, sizeof(text), "a stack of %u KB, where they have 256 as a rule, is one", (unsigned)(sizes[i] / 1024));
        is_number((unsigned)apart(of_size, &sizes[i]), 0, text);
    }
}

static void this_process(void)
{
    pst_memory_maps_t maps, then;
    pst_memory_sum_t sum, after;
    char *m;

    ok(quiet(&maps, &sum), "the mappings add up to what the sum says");
    ok(maps.stack_count == 1 && maps.file && maps.data && maps.rest && maps.mappings > 10, "of every kind there is some");
    ok(pst_memory_count(&after, 0) == APR_SUCCESS && after.rss > sum.rss / 2 && after.rss < sum.rss * 2, "the kernel's counters say about the same");
    ok(sum.pss <= sum.rss && sum.private_dirty <= sum.rss, "shares are no more than the whole");
    m = mmap(NULL, 5 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(m, 5 * MB, MADV_NOHUGEPAGE);
    quiet(&maps, &sum);
    for (apr_size_t i = 0; i < 300; i++) {
        m[i * 4096] = 1;
    }
    ok(quiet(&then, &after), "they still do");
    is_number(after.rss - sum.rss, 300 * 4 * KB, "what is touched is resident, to the page");
    is_number(then.rest - maps.rest, 300 * 4 * KB, "and belongs to the rest");
    is_number(then.rest_mapped, maps.rest_mapped, "where it was mapped before");
    is_number(pst_memory_parent((apr_uint32_t)getpid()), (unsigned)getppid(), "the parent");
    is_number(pst_memory_parent(0x7fffffff), 0, "of nobody");
    ok(pst_memory_sum(&sum, 0x7fffffff) != APR_SUCCESS && !sum.rss, "a process that is not there");
    ok(pst_memory_maps(&maps, 0x7fffffff, NULL, NULL, NULL) != APR_SUCCESS && !maps.rest, "nor are its mappings");
    ok(!pst_peek(&sum, 8, 8) && pst_peek(&sum, (apr_size_t)m, 8), "a look at an address that faults is none");
}

/* What kernels merge: a stack with what is above it, an object's variables with what is above them. The pages of
 * each are counted separately. */

#define OWN (256 * 1024)

/* A guard, and right above it 3 MB that a stack begins. */
static char *map_stack(void)
{
    char *m = mmap(NULL, 4096 + 3 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(m, 4096 + 3 * MB, MADV_NOHUGEPAGE);
    mprotect(m + 4096, 3 * MB, PROT_READ | PROT_WRITE);
    return m + 4096;
}

static void unmap_stack(char *stack)
{
    munmap(stack - 4096, 4096 + 3 * MB);
}

static void touch_pages(char *at, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        at[i * 4096] = 1;
    }
}

/* What changes if the last pages of a 2 MB stack are touched, and the first ones above it. */
typedef struct merged_t {
    apr_uint64_t stacks, rest, rest_mapped;
} merged_t;

static void look_at_merged(merged_t *merged)
{
    const pst_memory_stacks_t stacks = { 2 * MB, 0 };
    pst_memory_maps_t before, after;
    char *stack;

    pst_memory_maps(&before, 0, &stacks, NULL, NULL);
    stack = map_stack();
    touch_pages(stack + 2 * MB - 30 * 4096, 30 + 7);
    pst_memory_maps(&after, 0, &stacks, NULL, NULL);
    merged->stacks = after.stacks - before.stacks;
    merged->rest = after.rest - before.rest;
    merged->rest_mapped = after.rest_mapped - before.rest_mapped;
    unmap_stack(stack);
}

static void *look_from_stack(void *maps)
{
    const pst_memory_stacks_t stacks = { 2 * MB, OWN };

    pst_memory_maps(maps, 0, &stacks, NULL, NULL);
    return NULL;
}

static void look_from(char *stack, pst_memory_maps_t *maps)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, OWN);
    if (pthread_create(&thread, &attr, look_from_stack, maps) == 0) {
        pthread_join(thread, NULL);
    }
    pthread_attr_destroy(&attr);
}

/* The reading thread has a smaller stack. */
static void own_stack(void)
{
    pst_memory_maps_t before, after;
    char *stack = map_stack();

    touch_pages(stack, OWN / 4096);
    look_from(stack, &before);
    touch_pages(stack + OWN, 7);
    look_from(stack, &after);
    is_number(after.stacks, before.stacks, "the stack of the thread that looks ends where its own does");
    /* a sanitizer takes a page for each thread */
    ok(after.rest - before.rest >= 7 * 4 * KB && after.rest - before.rest <= 9 * 4 * KB, "and not where others do");
    unmap_stack(stack);
}

/* As in a child of httpd that changed its user from root, without CoreDumpDirectory. @return 0 if all is well */
static int without_rights(void *unused)
{
    merged_t merged;
    int fd;

    (void)unused;
    prctl(PR_SET_DUMPABLE, 0);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 1;
    }
    fd = open("/proc/self/pagemap", O_RDONLY);
    if (fd >= 0) {
        return 2;
    }
    look_at_merged(&merged);
    look_at_merged(&merged);
    printf("# without rights: of stacks %llu, of the rest %llu\n", (unsigned long long)merged.stacks,
           (unsigned long long)merged.rest);
    fflush(stdout);
    return (merged.stacks != 30 * 4 * KB) * 4 + (merged.rest != 7 * 4 * KB) * 8 + (merged.rest_mapped != MB) * 16;
}

static void merged_stacks(void)
{
    merged_t merged;

    look_at_merged(&merged);         /* from here on the reader's own stack is as deep as it gets */
    look_at_merged(&merged);
    is_number(merged.stacks, 30 * 4 * KB, "a stack ends where stacks end");
    is_number(merged.rest, 7 * 4 * KB, "what was merged with it is rest");
    is_number(merged.rest_mapped, MB, "as mapped");
    is_number((unsigned)apart(without_rights, NULL), 0, "the same where pagemap may not be read");
    own_stack();
}

/* A shared mapping of one file is told from others. */
static void told_apart(void)
{
    char name[] = "/tmp/poolstat-unit-XXXXXX";
    int fd = mkstemp(name);
    pst_memory_maps_t maps;
    struct stat st;
    char *m;

    unlink(name);
    if (fd < 0 || ftruncate(fd, 64 * 4096) != 0 || fstat(fd, &st) != 0
        || (m = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        ok(0, "a file to be mapped");
        return;
    }
    memset(m, 1, 10 * 4096);
    is_number((unsigned)pst_memory_shares((apr_uint32_t)getpid(), st.st_ino), 1, "who maps a file is known to");
    is_number((unsigned)pst_memory_shares((apr_uint32_t)getpid(), st.st_ino + 100000), 0, "and not to map another");
    ok(pst_memory_shares(0x7fffffff, st.st_ino) < 0, "of nobody it cannot be told");
    pst_memory_tell_apart(st.st_ino);
    pst_memory_maps(&maps, 0, NULL, NULL, NULL);
    is_number(maps.apart, 10 * 4 * KB, "the file's pages are told apart");
    is_number(maps.apart_pss, 10 * 4 * KB, "with their share");
    ok(maps.shared >= maps.apart, "as a part of what is shared");
    madvise(m, 64 * 4096, MADV_DONTNEED);
    pst_memory_maps(&maps, 0, NULL, NULL, NULL);
    ok(!maps.apart && m[5 * 4096] == 1, "given back they are not here, and not lost");
    pst_memory_tell_apart(0);
    munmap(m, 64 * 4096);
    close(fd);
}

static void merged_variables(void)
{
    extern char end;
    pst_memory_maps_t before, after;
    char *m, *above;

    above = (char *)(((apr_size_t)&end + 4095) / 4096 * 4096);
    pst_memory_maps(&before, 0, NULL, NULL, NULL);
    m = mmap(above, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (m != above) {
        printf("# there is no room above this program's variables\n");
        return;
    }
    for (unsigned i = 0; i < 11; i++) {
        m[i * 4096] = 1;
    }
    pst_memory_maps(&after, 0, NULL, NULL, NULL);
    is_number(after.rest - before.rest, 11 * 4 * KB, "what lies above an object's variables is rest");
    is_number(after.data, before.data, "and none of them");
    munmap(m, 64 * 4096);
}

/* -- the heap --------------------------------------------------------------- */

static void *use_arena(void *size)
{
    void *volatile block = malloc((apr_size_t)size);    /* or it would be left out */

    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free(block);
    return NULL;
}

static void arenas(void)
{
    pst_heap_arenas_t before = { 0, 0, 0, 0 }, after = { 0, 0, 0, 0 };
    pst_memory_maps_t maps;
    pthread_t thread[4];

    mallopt(M_ARENA_MAX, 64);
    pthread_barrier_init(&barrier, NULL, 5);
    pst_memory_maps(&maps, 0, NULL, pst_heap_find_arenas, &before);
    for (unsigned i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, use_arena, (void *)(apr_size_t)100);
    }
    pthread_barrier_wait(&barrier);
    pst_memory_maps(&maps, 0, NULL, pst_heap_find_arenas, &after);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    is_number(after.arenas - before.arenas, 4, "an arena for each thread that wants one");
}

/* What is free in the heap and resident, according to the books. */
static apr_uint64_t free_there(void)
{
    pst_heap_arenas_t arenas = { 0, 0, 0, 0 };
    pst_heap_figures_t figures;
    pst_memory_maps_t maps;

    pst_heap_ask(&figures);
    pst_memory_maps(&maps, 0, NULL, pst_heap_find_arenas, &arenas);
    return figures.free > arenas.absent ? figures.free - arenas.absent : 0;
}

/* Takes 40 MB of its own arena, frees them below a block that stays. */
static void *fill_arena(void *unused)
{
    static void *blocks[2500];
    void *volatile pin;     /* or it would be left out; malloc_trim() does not give back what is on top of a thread's arena */

    for (unsigned i = 0; i < 2500; i++) {
        blocks[i] = malloc(16000);
        memset(blocks[i], 1, 16000);
    }
    pin = malloc(16000);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < 2500; i++) {
        free(blocks[i]);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free(pin);
    return unused;
}

/* In an arena of a thread: what is free counts while it is resident. @return 0 if all is well */
static int freed_in_arena(void *rightless)
{
    apr_uint64_t taken, freed, released, bytes;
    pthread_t thread;
    int wrong;

    if (rightless) {
        prctl(PR_SET_DUMPABLE, 0);
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            return 1;
        }
    }
    mallopt(M_ARENA_MAX, 64);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, fill_arena, NULL);
    pthread_barrier_wait(&barrier);
    taken = free_there();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    freed = free_there();
    pst_heap_release(&bytes);
    released = free_there();
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    printf("# in an arena: free and there %llu, after 40 MB were freed %llu, after a release of %llu %llu\n", (unsigned long long)taken,
           (unsigned long long)freed, (unsigned long long)bytes, (unsigned long long)released);
    wrong = (freed - taken < 38 * MB) * 2 + (freed - taken > 39 * MB) * 4 + (bytes < 37 * MB) * 8
          + (freed - released < bytes - MB || freed - released > bytes + MB) * 16 + (released > 2 * MB) * 32;
    fflush(stdout);
    return wrong;
}

/* What the heap has mapped according to the kernel, compared with what the heap says, in a process that does nothing
 * else. */
static int whole_heap(void *unused)
{
    pst_memory_maps_t maps, then;
    pst_heap_figures_t figures, more;
    pst_heap_arenas_t unseen = { 0, 0, 0, 0 };
    void **blocks = mmap(NULL, 4096 * sizeof(void *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    pst_memory_maps(&maps, 0, NULL, pst_heap_find_arenas, &unseen);
    pst_heap_ask(&figures);
    for (unsigned i = 0; i < 4096; i++) {
        blocks[i] = malloc(i % 64 ? 5000 : 300000);
    }
    pst_memory_maps(&then, 0, NULL, NULL, NULL);
    pst_heap_ask(&more);
    return then.rest_mapped - maps.rest_mapped == more.mapped - figures.mapped;
}

static void heap(void)
{
    pst_heap_figures_t before, after;
    static void *blocks[4000];
    apr_uint64_t bytes = 0, there;
    void *pin;

    pst_heap_recognise();
    if (pst_heap_kind() != PST_HEAP_GLIBC) {
        ok(pst_heap_kind() == PST_HEAP_UNKNOWN && pst_heap_ask(&after) == APR_ENOTIMPL
           && pst_heap_release(&bytes) == APR_ENOTIMPL, "another heap: unknown");
        return;
    }
    is_number(pst_heap_tells(), PST_HEAP_TELLS_BOTH, "glibc tells what is in use and what is free");
    arenas();
    is_number((unsigned)apart(whole_heap, NULL), 1, "what the heap says it has mapped is what was mapped");
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    pst_heap_ask(&before);
    for (unsigned i = 0; i < 4000; i++) {
        blocks[i] = malloc(16000);
        memset(blocks[i], 1, 16000);
        bytes += malloc_usable_size(blocks[i]) + 8;
    }
    pin = malloc(16000);
    bytes += malloc_usable_size(pin) + 8;
    pst_heap_ask(&after);
    is_number(after.in_use - before.in_use, bytes, "what is allocated is in use, to the byte");
    for (unsigned i = 0; i < 4000; i++) {
        free(blocks[i]);
    }
    pst_heap_ask(&after);
    is_number(after.in_use - before.in_use, malloc_usable_size(pin) + 8, "what is freed is not");
    ok(after.free >= 4000 * 16000, "it is free in the heap, below a pin");
    there = free_there();
    ok(there >= 4000 * 16000 && there <= after.free, "and there");
    ok(pst_heap_release(&bytes) == APR_SUCCESS && bytes > 4000 * 16000ull - 65536 && bytes < 4000 * 16016ull + 4 * MB,
       "asked to, the heap gives it back");
    printf("# %llu bytes came back\n", (unsigned long long)bytes);
    pst_heap_ask(&before);
    ok(before.free >= 4000 * 16000, "the heap calls it free for ever");
    there = free_there();
    ok(there < MB, "but it is there no more");
    printf("# free %llu, of it there %llu\n", (unsigned long long)before.free, (unsigned long long)there);
    is_number((unsigned)apart(freed_in_arena, NULL), 0, "so it is in an arena of a thread");
    is_number((unsigned)apart(freed_in_arena, &there), 0, "also where pagemap may not be read");
    pst_heap_release(&bytes);
    ok(bytes < MB, "a second time there is nothing left");
    free(pin);
}

/* -- the books -------------------------------------------------------------- */

static void pauses(void)
{
    is_number(pst_books_pause(PST_BOOKS_SUM, 100), 100000, "a thousandth of a thread");
    is_number(pst_books_pause(PST_BOOKS_SUM, 10000), 10000000, "up to ten milliseconds");
    is_number(pst_books_pause(PST_BOOKS_MAPS, 200000), 4000000000ull, "then by the square");
    is_number(pst_books_pause(PST_BOOKS_HEAP, 1000), 1000000, "of the heap too, up to a millisecond");
    is_number(pst_books_pause(PST_BOOKS_HEAP, 10000), 100000000, "then by the square");
    is_number(pst_books_pause(PST_BOOKS_HEAP, 230000), 52900000000ull, "a quarter of a second: most of a day");
    ok(pst_books_pause(PST_BOOKS_HEAP, (apr_uint64_t)-1) > 0 && pst_books_pause(PST_BOOKS_HEAP, 50000000) > 1000000000ull, "never none");
}

/* Take all figures at once, whatever it cost before. */
static void anew(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    memset(keeper->not_before, 0, sizeof(keeper->not_before));
    memset(keeper->soonest, 0, sizeof(keeper->soonest));
    pst_books_refresh(keeper);
    pst_books_beat(keeper, child, 0, now, 1);
}

/* Memory that is neither APR's nor the heap's: the figure for it is within bounds. */
static void others(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    apr_uint64_t before = child->books.other_bytes;
    char *m;

    if (!child->books.heap_time) {
        return;     /* a heap without figures: the rest is unexplained */
    }
    m = mmap(NULL, 32 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 1, 32 * MB);
    anew(keeper, child, now);
    is_number(child->books.other_bytes - before, 32 * MB, "a mapping that nobody knows is one of the others");
    child->held_bytes = 32 * MB;
    anew(keeper, child, now);
    is_number(child->books.other_bytes, before, "if APR holds it, it is not");
    child->held_bytes = 0;
    munmap(m, 32 * MB);
    anew(keeper, child, now);
    is_number(child->books.other_bytes, before, "nor when it is gone");
}

/* While the sum is put off. `now` is the clock. */
static void between(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    pst_shared_books_t *books = &child->books;
    apr_uint64_t shared, clean, rss, off = books->books_put_off;
    char *m;

    anew(keeper, child, now);
    shared = books->rss_bytes - books->pss_bytes;
    clean = books->rss_bytes - books->private_dirty_bytes;
    rss = books->rss_bytes;
    keeper->not_before[PST_BOOKS_SUM] = keeper->soonest[PST_BOOKS_SUM] = (apr_uint64_t)-1;
    m = mmap(NULL, 64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 1, 64 * MB);
    ok(pst_books_beat(keeper, child, 0, now + 1000000, 1), "the next interval");
    ok(books->rss_bytes > rss + 63 * MB, "RSS goes on while the sum is put off");
    is_number(books->rss_bytes - books->pss_bytes, shared, "PSS goes on as RSS does");
    is_number(books->rss_bytes - books->private_dirty_bytes, clean, "so does private dirty");
    ok(books->books_put_off > off, "which is counted");
    is_number(books->books_time, now, "and can be seen");
    keeper->soonest[PST_BOOKS_SUM] = 0;
    pst_books_beat(keeper, child, 0, now + 2000000, 1);
    is_number(books->books_time, now + 2000000, "RSS moved by more than a sixteenth: it is taken as soon as the cost allows it");
    keeper->not_before[PST_BOOKS_SUM] = (apr_uint64_t)-1;
    keeper->soonest[PST_BOOKS_SUM] = 0;
    pst_books_beat(keeper, child, 0, now + 3000000, 1);
    is_number(books->books_time, now + 2000000, "RSS did not move: it is not");
    keeper->soonest[PST_BOOKS_SUM] = (apr_uint64_t)-1;
    keeper->sum_shared = 60 * MB;
    munmap(m, 64 * MB);
    pst_books_beat(keeper, child, 0, now + 4000000, 1);
    ok(books->pss_bytes == 0 && books->rss_bytes < rss + MB, "what shrinks below what was shared has no less than nothing");
    pst_books_sum(keeper, child, now + 5000000);
    ok(books->pss_bytes > 0 && books->pss_bytes < books->rss_bytes && books->books_time == now + 5000000, "asked for, it is taken at once");
}

static void refreshed(pst_books_keeper_t *keeper, pst_shared_child_t *child, apr_uint64_t now)
{
    const apr_uint64_t never = (apr_uint64_t)-1;
    pst_shared_books_t *books = &child->books;

    anew(keeper, child, now);
    books->heap_time = books->heap_time ? 1 : 0;
    keeper->not_before[PST_BOOKS_HEAP] = keeper->not_before[PST_BOOKS_SUM] = keeper->not_before[PST_BOOKS_MAPS] = never;
    keeper->soonest[PST_BOOKS_HEAP] = keeper->soonest[PST_BOOKS_SUM] = keeper->soonest[PST_BOOKS_MAPS] = 0;
    pst_books_refresh(keeper);
    pst_books_beat(keeper, child, 0, now + 6000000, 1);
    ok(books->books_time == now + 6000000 && books->maps_time == now + 6000000, "a refresh takes sum and mappings anew");
    ok(books->heap_time <= 1, "but asks the heap when its own cost allows it");
    keeper->not_before[PST_BOOKS_SUM] = keeper->not_before[PST_BOOKS_MAPS] = never;
    keeper->soonest[PST_BOOKS_SUM] = keeper->soonest[PST_BOOKS_MAPS] = never;
    pst_books_refresh(keeper);
    pst_books_beat(keeper, child, 0, now + 7000000, 1);
    ok(books->books_time == now + 6000000 && books->maps_time == now + 6000000, "and does not go below its bound");
    anew(keeper, child, now + 8000000);
    ok(!books->heap_time || books->heap_time == now + 8000000, "a heap that costs little is asked again");
}

static void books(void)
{
    static pst_shared_child_t child;
    pst_books_keeper_t keeper;
    const apr_uint64_t now = 1738367940ull * 1000000;
    apr_uint64_t explained;
    pst_memory_sum_t sum;
    pst_memory_maps_t maps;

    memset(&keeper, 0, sizeof(keeper));
    child.pid = (apr_uint32_t)getpid();
    pst_books_start(&child, 0, 0);
    pst_memory_sum(&sum, 0);            /* RSS is taken before the mappings: code that is first used in */
    pst_memory_maps(&maps, 0, NULL, NULL, NULL);    /* between would only be in the mappings */
    ok(pst_books_beat(&keeper, &child, 0, now - 3000000, 1), "the first beat begins an interval");
    ok(!pst_books_beat(&keeper, &child, 0, now - 2500000, 1), "the next is in the same one");
    is_number(child.books.books_time, now - 3000000, "the sum was taken");
    pst_books_beat(&keeper, &child, 0, now - 1000000, 1);
    ok(!child.books.maps_time && !child.books.maps_cost && !child.books.shmem_bytes && !child.books.heap_time,
       "mappings and heap were not, of who began two seconds ago");
    pst_books_beat(&keeper, &child, 0, now, 1);
    is_number(child.books.maps_time, now, "after three they are");
    ok(child.books.books_cost && child.books.maps_cost, "and what it cost");
    explained = child.books.file_bytes + child.books.shmem_bytes + child.books.stack_bytes + child.books.data_bytes;
    ok(child.books.rss_bytes > explained && explained, "mappings are a part of RSS");
    if (child.books.heap_time) {
        is_number(child.books.heap_kind, PST_HEAP_GLIBC, "the heap is known");
        ok(child.books.heap_arenas >= 1, "and has its arenas");
    }
    others(&keeper, &child, now);
    between(&keeper, &child, now);
    refreshed(&keeper, &child, now);
}

static unsigned mappings_in(const char *name)
{
    char line[512];
    unsigned long from, to;
    unsigned count = 0;
    FILE *file = fopen(name, "r");

    while (file && fgets(line, sizeof(line), file)) {
        count += sscanf(line, "%lx-%lx ", &from, &to) == 2;
    }
    if (file) {
        fclose(file);
    }
    return count;
}

/* Whether smaps is about this process. Under qemu-user it is about the emulator, which has mappings among ours; maps
 * is made up. */
static int smaps_is_ours(void)
{
    return mappings_in("/proc/self/smaps") == mappings_in("/proc/self/maps");
}

int main(void)
{
    if (!smaps_is_ours()) {
        return skip_all("smaps tells of an emulator here");
    }
    srand(3);
    texts();
    beside_arenas();
    noise();
    rollups();
    pauses();
    books();                    /* before threads leave stacks behind, mapped but hardly resident */
    this_process();
    threads(0, 1, "stacks of the usual size");
    threads(512 * 1024, 1, "stacks of half a megabyte");
    threads(3 * 256 * 1024, 0, "stacks without a guard, merged with each other and with more");
    other_sizes();
    merged_stacks();
    told_apart();
    merged_variables();
    heap();
    return done();
}
