/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: what the module opens for a moment never takes the descriptor that another thread needs. Whatever core opens,
 * by whichever call, the neighbour then tries to take as many as were free before: it must get all of them, or what is
 * left must be more than anybody takes at once.
 */
#include "tap.h"
#include "pst_array.h"
#include "pst_family.h"
#include "pst_fault.h"
#include "pst_machine.h"
#include "pst_memory.h"
#include "pst_oom.h"
#include "pst_pages.h"
#include "pst_peek.h"
#include "pst_proc.h"
#include "pst_resolver.h"
#include "pst_shm.h"
#include "pst_wrap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 128
#define FEW  8      /* a request takes fewer at once: a connection, a file, one or two of a handler */

static unsigned wanted;         /* by the neighbour; 0: there is none */
static unsigned opened, hungry;

static int take(void)
{
    return (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Somebody beside us, just now. */
static void neighbour(void)
{
    int taken[FEW];
    unsigned count = 0;

    while (count < wanted && (taken[count] = take()) >= 0) {
        count++;
    }
    hungry += count < wanted;
    while (count) {
        close(taken[--count]);
    }
}

static int noticed(int fd)
{
    int error = errno;

    if (wanted) {
        opened += fd >= 0;
        neighbour();
    }
    errno = error;
    return fd;
}

/* These stand in front of libc's for all of core. */
int open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    return noticed((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    return dir;
}

FILE *fopen(const char *path, const char *mode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? NULL : fdopen(fd, mode);
}

int pipe2(int ends[2], int flags)
{
    int rv = (int)syscall(SYS_pipe2, ends, flags);

    noticed(rv < 0 ? -1 : ends[0]);
    return rv;
}

/* -- all that core reads for a moment ------------------------------------------ */

static pst_family_t family;
static pst_family_files_t files;
static pst_family_sockets_t sockets;

static int pages(void)
{
    pst_pages_t here;
    const char *why;
    int got = pst_pages_take(&here, &why) == APR_SUCCESS;

    pst_pages_drop(&here);
    return got;
}

static int maps(void)
{
    static pst_memory_maps_t all;

    return pst_memory_maps(&all, 0, NULL, NULL, NULL) == APR_SUCCESS;
}

static int sum(void)
{
    pst_memory_sum_t all;

    return pst_memory_sum(&all, 0) == APR_SUCCESS;
}

static int mapped(void)
{
    return pst_memory_mapped() != 0;
}

static int shares(void)
{
    return pst_memory_shares(0, 1) >= 0;
}

static int processes(void)
{
    return pst_family_scan(&family, (apr_uint32_t)getpid()) == APR_SUCCESS;
}

static int own_files(void)
{
    return pst_family_files(&files, 0);
}

static int named(void)
{
    pst_family_sockets(&sockets);
    return 1;
}

static int size(void)
{
    apr_uint64_t rss, own;

    return pst_family_size((apr_uint32_t)getpid(), &rss, &own);
}

static int shared(void)
{
    static pst_shm_reader_t reader;

    return pst_shm_read(&reader, 1) == APR_SUCCESS;
}

static int pagemap(void)
{
    apr_uint64_t from = (apr_uint64_t)(apr_uintptr_t)&family / pst_page_size() * pst_page_size(), bytes;

    return pst_there_by_pagemap(0, from, from + pst_page_size(), &bytes);
}

static int user(void)
{
    apr_uint32_t who;

    return pst_memory_user(0, &who) == APR_SUCCESS;
}

static int shared_pages(void)
{
    return pst_memory_shmem() != APR_UINT64_MAX;
}

static int count_only(void)
{
    pst_memory_sum_t all;

    return pst_memory_count(&all, 0) == APR_SUCCESS;
}

static int machine(void)
{
    pst_memory_e kind;

    return pst_machine_memory(&kind) != 0;
}

static int killed(void)
{
    apr_uint64_t kills;

    pst_oom_kills(&kills);
    return 1;
}

/* A helper that ends at once: four descriptors for a moment. */
static int names(void)
{
    pst_unresolved_t place = { .id = 1, .offset = 1, .path = "/bin/true" };

    pst_resolver_ask(&place, 1, 200);
    return 1;
}

static int threads(void)
{
    return pst_fault_start() == APR_SUCCESS;
}

static const struct {
    const char *name;
    int (*look)(void);
} looks[] = { { "the mappings' rights", pages }, { "the mappings' sizes", maps }, { "RSS and PSS", sum },
              { "what is mapped", mapped }, { "whether the board is shared", shares }, { "all processes", processes },
              { "our descriptors", own_files }, { "sockets with names", named }, { "another's size", size },
              { "whose it is", user }, { "shared pages", shared_pages }, { "RSS alone", count_only },
              { "the machine's memory", machine }, { "who was killed", killed }, { "names of code", names },
              { "shared memory", shared }, { "pages that are there", pagemap }, { "what threads block", threads } };

/* -- how many are left ----------------------------------------------------------- */

static int filled[MOST], filled_count;

/* All are taken but so many: the ones with the highest numbers, as it is where they run out, or the lowest. */
static void leave(unsigned count, int highest)
{
    int fd;

    while (filled_count < MOST && (fd = take()) >= 0) {
        filled[filled_count++] = fd;
    }
    for (unsigned i = 0; i < count && filled_count; i++) {
        if (highest) {
            close(filled[--filled_count]);
        }
        else {
            close(filled[i]);
        }
    }
    if (!highest) {
        memmove(filled, filled + count, (size_t)(filled_count - (int)count) * sizeof(filled[0]));
        filled_count -= (int)count;
    }
}

static void release_all(void)
{
    while (filled_count) {
        close(filled[--filled_count]);
    }
}

/* @return how many looks there were that opened something */
static unsigned look_at_all(unsigned left, int highest, tally_t *starved)
{
    unsigned some = 0;

    for (unsigned i = 0; i < PST_ITEMS(looks); i++) {
        leave(left, highest);
        wanted = left < FEW ? left : FEW;
        opened = hungry = 0;
        looks[i].look();
        wanted = 0;
        some += opened != 0;
        if (tally(starved, hungry != 0, i)) {
            printf("# %u left, %s: %u times\n", left, looks[i].name, hungry);
        }
        release_all();
    }
    return some;
}

static void *wait_there(void *end)
{
    pthread_mutex_lock(end);
    pthread_mutex_unlock(end);
    return NULL;
}

int main(void)
{
    static pthread_mutex_t end = PTHREAD_MUTEX_INITIALIZER;
    tally_t starved = { 0, 0 }, few = { 0, 0 };
    unsigned some = 0;
    struct rlimit most;
    pthread_t other;

    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = MOST;
    setrlimit(RLIMIT_NOFILE, &most);
    pst_real.guard_sigaction = sigaction;
    pst_resolver_use("/bin/true");
    leave(1, 1);
    ok(pages(), "a process of one thread has nobody beside it: with one descriptor left it reads its mappings");
    release_all();

    pthread_mutex_lock(&end);
    if (!ok(pthread_create(&other, NULL, wait_there, &end) == 0, "another thread")) {
        return done();
    }
    for (unsigned i = 0; i < PST_ITEMS(looks); i++) {
        ok(looks[i].look(), looks[i].name);
    }
    for (unsigned left = 1; left <= 24; left++) {
        unsigned now = look_at_all(left, 1, &starved);

        some += now;
        tally(&few, left < FEW && now != 0, left);
        look_at_all(left, 0, &starved);
    }
    none_wrong(&starved, "a neighbour gets all that it needs, whatever is looked at meanwhile");
    none_wrong(&few, "where few are left nothing is opened");
    ok(some > PST_ITEMS(looks), "where there are enough, all is looked at");
    ok(look_at_all(64, 1, &starved) >= PST_ITEMS(looks) - 2, "and with many, too");
    pthread_mutex_unlock(&end);
    pthread_join(other, NULL);
    return done();
}
