/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's own thread: wakes by the clock and by its bell, is not kept busy by one that never
 * stops ringing, gets no signals, ends when told to, and delays nobody if it cannot.
 */
#include "pst_thread.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_time.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t *bell;
static int beats, stuck, usr1_blocked = -1;
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

static void work(apr_uint64_t now)
{
    sigset_t mask;

    (void)now;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    usr1_blocked = sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGBUS);
    __atomic_add_fetch(&beats, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&stuck, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&heap_lock);
        pthread_mutex_unlock(&heap_lock);
    }
}

static int seen(void)
{
    return __atomic_load_n(&beats, __ATOMIC_SEQ_CST);
}

/* Has it worked more often than that, within that many milliseconds? */
static int beats_beyond(int before, int ms)
{
    for (; ms > 0 && seen() <= before; ms--) {
        usleep(1000);
    }
    return seen() > before;
}

static void wakes(apr_pool_t *pool)
{
    apr_time_t start;
    int before;

    ok(pst_thread_start(work, bell, pool) == APR_SUCCESS, "it starts");
    ok(beats_beyond(0, 2000), "and works at once");
    before = seen();
    ok(beats_beyond(before, 3000), "again by the clock");
    ok(usr1_blocked == 1, "signals are blocked, but for faults");
    before = seen();
    beats_beyond(before, 3000);     /* by the clock: a second has just begun */
    before = seen();
    start = apr_time_now();
    pst_thread_ring(bell);
    ok(beats_beyond(before, 3000) && apr_time_now() - start < 500000, "at once when its bell is rung");
}

static void storm(void)
{
    apr_time_t until = apr_time_now() + 2 * APR_USEC_PER_SEC;
    int before = seen();

    while (apr_time_now() < until) {
        pst_thread_ring(bell);
    }
    ok(seen() - before > 2 && seen() - before <= 70, "a bell that never stops is heard some twenty times a second");
}

static void forked(apr_pool_t *pool)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        alarm(10);
        apr_pool_destroy(pool);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked process does not wait for a thread it does not have");
}

int main(void)
{
    apr_pool_t *pool, *again;
    apr_time_t start;
    int before;

    apr_initialize();
    alarm(60);
    bell = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    apr_pool_create(&pool, NULL);
    wakes(pool);
    storm();
    forked(pool);
    start = apr_time_now();
    apr_pool_destroy(pool);
    before = seen();
    ok(apr_time_now() - start < 900000, "it ends when its pool does, at once");
    pst_thread_ring(bell);
    ok(!beats_beyond(before, 1500), "and works no more");

    apr_pool_create(&again, NULL);
    pthread_mutex_lock(&heap_lock);
    stuck = 1;
    pst_thread_start(work, bell, again);
    beats_beyond(before, 2000);
    start = apr_time_now();
    apr_pool_destroy(again);
    ok(apr_time_now() - start < 3 * APR_USEC_PER_SEC, "one that waits for a lock of ours holds us up for a second, not for ever");
    return done();
}
