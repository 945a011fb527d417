/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: faults in guarded memory, without a server.  Whoever touches what has ended goes on, however often; a fault
 * that is not ours kills as it would have; the signal being blocked by a thread, or that not being known, is refused.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_fault.h"
#include "pst_guarded.h"
#include "pst_misuse.h"
#include "pst_wrap.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define NODE   8192u
#define TIMES  12

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static volatile char sink;

static void nothing_freed(apr_uint32_t owner, int was_counted, apr_size_t size)
{
    (void)owner;
    (void)was_counted;
    (void)size;
}

static int ready(void)
{
    pst_real.guard_sigaction = sigaction;
    pst_real.guard_pthread_sigmask = pthread_sigmask;
    pst_misuse_start(&board, block);
    if (pst_range_reserve(nothing_freed) != APR_SUCCESS || pst_fault_start() != APR_SUCCESS) {
        return 0;
    }
    pst_range_limit(16 * NODE);
    return 1;
}

/* A pointer that is kept for good: each time that memory has come there again and has ended, it is read. Nothing else
 * is touched between. */
static int same_address(void *unused)
{
    const struct rlimit limit = { (rlim_t)2 << 30, (rlim_t)2 << 30 };     /* with which the range is the smallest */
    char *first = NULL;
    int times = 0;

    (void)unused;
    if (setrlimit(RLIMIT_AS, &limit) != 0 || !ready()) {
        return 1;
    }
    for (unsigned step = 0; times < TIMES && step < 40 * 65536u; step++) {
        char *at = pst_range_take(NODE, 1);

        if (!at) {
            return 2;
        }
        first = first ? first : at;
        at[0] = 'x';
        pst_range_close(at, NODE, 0, 0);
        if (at == first) {
            sink = first[0];
            times++;
        }
    }
    return times == TIMES && sink == 'x' ? 0 : 3;
}

static int not_ours(void *unused)
{
    char *closed = mmap(NULL, NODE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    if (!ready()) {
        return 1;
    }
    sink = closed[0];
    return 2;
}

static void *block_all(void *ends)
{
    sigset_t all;
    char c;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    if (write(((int *)ends)[1], "x", 1) == 1 && read(((int *)ends)[2], &c, 1) < 0) { }
    return NULL;
}

/* @return whether it is refused beside a thread that blocks the signal; limited: and no file can be opened */
static int blocked(void *limited)
{
    struct rlimit limit;
    pthread_t thread;
    int ends[4];
    char c;

    if (pipe(ends) != 0 || pipe(ends + 2) != 0 || pthread_create(&thread, NULL, block_all, ends) != 0
        || read(ends[0], &c, 1) != 1) {
        return 1;
    }
    if (limited) {      /* one more: for the list of threads, not for what each of them says */
        int next = dup(0);

        close(next);
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = (rlim_t)next + 1;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return pst_fault_start() == APR_EBUSY ? 0 : 2;
}

int main(void)
{
    int limited = 1;

#if defined(__SANITIZE_ADDRESS__)
    printf("ok %d # SKIP the sanitizer has SIGSEGV, and needs terabytes of addresses\n", ++tap_count);
    return done();
#endif
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 1, 1, pool);
    block = add_child(&board, (apr_uint32_t)getpid());
    is_number((unsigned)apart(same_address, NULL), 0, "the same address, each time that something has ended there");
    is_number((unsigned)-apart(not_ours, NULL), SIGSEGV, "a fault elsewhere kills");
    is_number((unsigned)apart(blocked, NULL), 0, "refused beside a thread that blocks the signal");
    is_number((unsigned)apart(blocked, &limited), 0, "and where that cannot be known");
    return done();
}
