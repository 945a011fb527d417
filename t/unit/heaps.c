/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: mappings that are neither APR's nor the heap's, with any malloc. The unit runs itself again with each
 * allocator installed: the allocator itself says what it has mapped, so that another owner's mapping counts as
 * "other", and none of its own does.
 */
#include "tap.h"
#include "pst_books.h"
#include "pst_figure.h"
#include "pst_heap.h"
#include "pst_memory.h"

#include <glob.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB     (1024ull * 1024)
#define BLOCKS 4000

/* What the program with the other allocator reports. */
typedef struct {
    pst_heap_e kind;
    unsigned long long quiet, used, freed, mapped, gone;    /* other_bytes */
    unsigned long long untouched;   /* what it counts as its own, in use or free, and nobody has touched */
} told_t;

static pst_shared_child_t child;
static pst_books_keeper_t keeper;

static unsigned long long others_now(void)
{
    static apr_uint64_t now = 1738367940ull * 1000000;

    memset(keeper.not_before, 0, sizeof(keeper.not_before));
    memset(keeper.soonest, 0, sizeof(keeper.soonest));
    pst_books_refresh(&keeper);
    now += 1000000;
    pst_books_beat(&keeper, &child, 0, now, 1);
    return child.books.other_bytes;
}

/* mimalloc reports what it has committed, which takes memory once it is touched. How much that is depends on its version:
 * asked for and measured here, it is what other mappings come out too small by. */
static unsigned long long untouched_now(void)
{
    static pst_memory_maps_t maps;
    pst_heap_figures_t figures;

    if (pst_heap_ask(&figures) != APR_SUCCESS || !figures.mapped_is_least
        || pst_memory_maps(&maps, 0, NULL, NULL, NULL) != APR_SUCCESS) {
        return 0;
    }
    return pst_minus(figures.in_use + figures.free, maps.rest);
}

static int be_inner(int to)
{
    static void *blocks[BLOCKS];
    told_t told;
    char *other;

    child.pid = (apr_uint32_t)getpid();
    pst_books_start(&child, 0, 0);
    told.kind = pst_heap_kind();
    told.quiet = others_now();
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(16000);
        memset(blocks[i], 1, 16000);
    }
    told.used = others_now();
    for (unsigned i = 1; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    told.freed = others_now();
    told.untouched = untouched_now();
    other = mmap(NULL, 32 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(other, 1, 32 * MB);
    told.mapped = others_now();
    munmap(other, 32 * MB);
    told.gone = others_now();
    return write(to, &told, sizeof(told)) != (ssize_t)sizeof(told);
}

/* @return 0: it did not run */
static int run(const char *library, told_t *told)
{
    int up[2], status = 0;
    char number[16];
    ssize_t got;
    pid_t pid;

    if (pipe(up) != 0) {
        return 0;
    }
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        snprintf(number, sizeof(number), "%d", up[1]);
        setenv("LD_PRELOAD", library, 1);
        execl("/proc/self/exe", "heaps", number, (char *)NULL);
        _exit(127);
    }
    close(up[1]);
    got = read(up[0], told, sizeof(*told));
    close(up[0]);
    waitpid(pid, &status, 0);
    return got == (ssize_t)sizeof(*told) && status == 0;
}

static int within(unsigned long long got, unsigned long long least, unsigned long long most, const char *name, const char *what)
{
    char text[128];
    int good = got >= least && got <= most;

    snprintf(text, sizeof(text), "%s: %s", name, what);
    ok(good, text);
    if (!good) {
        printf("# %llu, not %llu to %llu\n", got, least, most);
    }
    return good;
}

static void test(const char *name, pst_heap_e kind, const char *pattern)
{
    unsigned long long own;
    told_t told;
    glob_t found = { 0 };

    if (*pattern && glob(pattern, 0, NULL, &found) != 0) {
        printf("ok %d # SKIP %s is not here\n", ++tap_count, name);
        return;
    }
    if (ok(run(*pattern ? found.gl_pathv[0] : "", &told) && told.kind == kind, name)) {
        printf("# %s, others in KB: %llu, 64 MB in use %llu, freed %llu, 32 MB of somebody's %llu, gone %llu; not touched %llu\n", name,
               told.quiet / 1024, told.used / 1024, told.freed / 1024, told.mapped / 1024, told.gone / 1024, told.untouched / 1024);
        within(told.quiet, 0, 2 * MB, name, "nearly nothing is in other mappings");
        /* tcmalloc's page map has a leaf of 2 MiB for each stretch of addresses, and 64 MB may happen to lie across
         * two */
        own = kind == PST_HEAP_TCMALLOC ? 4 * MB : 2 * MB;
        within(told.used, 0, told.quiet + own, name, "what it maps for what is in use is its own");
        within(told.freed, 0, told.quiet + own, name, "and stays its own when it is free");
        own = 32 * MB - told.untouched;
        within(told.mapped, told.freed + own - MB, told.freed + own + MB, name, "what somebody else maps is one of the others");
        within(told.gone, 0, told.freed + MB, name, "until it is gone");
    }
    globfree(&found);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return be_inner(atoi(argv[1]));
    }
#if defined(__SANITIZE_ADDRESS__)
    printf("ok %d # SKIP the sanitizer brings a heap of its own\n", ++tap_count);
    return done();
#endif
    test("glibc", PST_HEAP_GLIBC, "");
    test("jemalloc", PST_HEAP_JEMALLOC, "/usr/lib/*/libjemalloc.so.2");
    test("tcmalloc", PST_HEAP_TCMALLOC, "/usr/lib/*/libtcmalloc_minimal.so.4");
    test("mimalloc", PST_HEAP_MIMALLOC, "/usr/lib/*/libmimalloc.so.[23]*");
    return done();
}
