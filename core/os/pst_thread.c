/* SPDX-License-Identifier: Apache-2.0
 *
 * A child's own thread.  See pst_thread.h.
 *
 * The thread owns nothing and waits for nobody: it sleeps on a futex, its bell, until the next
 * full second of the clock, so that all children look at the same moments.
 */
#include "pst_thread.h"
#include "pst_array.h"

#include <apr_time.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLACK       10000000ul  /* ns that the system may add to a sleep, to wake several threads at once */
#define AFTER       5000        /* us: far enough past the second that no clock is still before it */
#define JOIN        1           /* s */
#define RINGS       20          /* heard per second; other processes can ring the bell, but not change the clock */

static struct {
    pthread_t     thread;
    pid_t         pid;          /* the process that has the thread */
    pst_thread_fn work;
    uint32_t     *bell;
    uint32_t      stop;         /* 0 or 1; a futex too */
} g;

static long futex(uint32_t *word, int what, uint32_t value, const struct timespec *wait)
{
    return syscall(SYS_futex, word, what, value, wait, NULL, 0);
}

void pst_thread_ring(uint32_t *bell)
{
    __atomic_add_fetch(bell, 1, __ATOMIC_RELEASE);
    futex(bell, FUTEX_WAKE, INT_MAX, NULL);
}

/* Sleep until the bell differs from `heard`, or the next second begins. */
static void sleep_on(uint32_t heard)
{
    static apr_uint64_t second;
    static unsigned rings;
    apr_uint64_t now = (apr_uint64_t)apr_time_now();
    long usec = (long)(APR_USEC_PER_SEC - now % APR_USEC_PER_SEC + AFTER);
    struct timespec wait = { usec / 1000000, usec % 1000000 * 1000 };

    if (now / APR_USEC_PER_SEC != second) {
        second = now / APR_USEC_PER_SEC;
        rings = 0;
    }
    /* any other answer means that there is no bell, as when the board's file was truncated */
    if (++rings > RINGS || (futex(g.bell, FUTEX_WAIT, heard, &wait) != 0 && errno != ETIMEDOUT && errno != EAGAIN
                            && errno != EINTR)) {
        futex(&g.stop, FUTEX_WAIT, 0, &wait);
    }
}

/* It starts with these blocked: the process's signals are for the MPM's threads. Those raised by a fault go to the
 * faulting thread, and are blocked in nobody, not even while it is made: guarded memory would not be safe then. */
static void all_but_faults(sigset_t *set)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

    sigfillset(set);
    for (unsigned i = 0; i < PST_ITEMS(faults); i++) {
        sigdelset(set, faults[i]);
    }
}

static void *run_thread(void *unused)
{
    pthread_setname_np(pthread_self(), "poolstat");
    prctl(PR_SET_TIMERSLACK, SLACK, 0, 0, 0);
    while (!__atomic_load_n(&g.stop, __ATOMIC_ACQUIRE)) {
        uint32_t heard = __atomic_load_n(g.bell, __ATOMIC_ACQUIRE);

        g.work((apr_uint64_t)apr_time_now());
        if (!__atomic_load_n(&g.stop, __ATOMIC_ACQUIRE)) {
            sleep_on(heard);
        }
    }
    return unused;
}

/* The thread may be waiting for a lock that the caller holds: then it is left, and ends with the process. */
static apr_status_t stop(void *unused)
{
    struct timespec until;

    (void)unused;
    if (g.pid != getpid()) {
        return APR_SUCCESS;
    }
    __atomic_store_n(&g.stop, 1, __ATOMIC_RELEASE);
    pst_thread_ring(g.bell);
    futex(&g.stop, FUTEX_WAKE, INT_MAX, NULL);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += JOIN;
    if (pthread_timedjoin_np(g.thread, NULL, &until) != 0) {
        pthread_detach(g.thread);
    }
    g.pid = 0;
    return APR_SUCCESS;
}

apr_status_t pst_thread_start(pst_thread_fn work, uint32_t *bell, apr_pool_t *pool)
{
    sigset_t most, before;
    pthread_attr_t attr;
    int rv;

    g.work = work;
    g.bell = bell;
    g.stop = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, PST_THREAD_STACK);
    all_but_faults(&most);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    rv = pthread_create(&g.thread, &attr, run_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rv == 0) {
        g.pid = getpid();
        apr_pool_pre_cleanup_register(pool, NULL, stop);
    }
    return rv;
}
