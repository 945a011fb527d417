/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: somebody cuts the board's file under a process that has it mapped.  The process survives; a
 * SIGBUS that is not ours goes where it went before.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static apr_pool_t *pool;
static pst_board_t board;

static int cut(void)
{
    return ftruncate(board.fd, 0) == 0;
}

/* Each case runs in a process of its own; the parent restores the file. */

static int live_on(void *unused)
{
    pst_shared_child_t *child = pst_board_child(&board, 1);

    (void)unused;
    pst_guard_set(&board);
    if (!pst_board_intact(&board) || !cut()) {
        return 1;
    }
    pst_add(&child->held_bytes, 42);
    return pst_load(&child->held_bytes) != 42 ? 2 : pst_board_intact(&board) ? 3 : 0;
}

static int live_on_reading(void *unused)
{
    (void)unused;
    pst_guard_set(&board);
    return !cut() ? 1 : pst_board_intact(&board) ? 2 : 0;
}

/* Repeatedly, as an administrator's script might. */
static int cut_often(void *unused)
{
    (void)unused;
    pst_guard_set(&board);
    for (int i = 0; i < 10; i++) {
        if (!cut()) {
            return 1;
        }
        for (apr_uint32_t c = 0; c < board.child_count; c++) {
            pst_store(&pst_board_child(&board, c)->held_bytes, 7);
        }
        if (pst_board_intact(&board)) {
            return 2;
        }
    }
    return 0;
}

static void *scribble(void *child)
{
    for (int i = 0; i < 20000; i++) {
        for (char *c = child; c < (char *)child + board.child_size; c += 512) {
            __atomic_store_n(c, 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static int cut_under_threads(void *unused)
{
    pthread_t threads[4];

    (void)unused;
    pst_guard_set(&board);
    for (apr_uint32_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, scribble, pst_board_child(&board, i));
    }
    for (int i = 0; i < 20; i++) {
        if (!cut()) {
            return 1;
        }
        usleep(300);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}

/* A reader's mapping and descriptor are for reading only: the file cannot be repaired through them. */
static int read_only(void *name)
{
    pst_board_t mapped;

    if (open_board(&mapped, name) != APR_SUCCESS) {
        return 1;
    }
    pst_guard_set(&mapped);
    return !cut() ? 2 : pst_board_intact(&mapped) ? 3 : 0;
}

#define NOT_LIMITED 79      /* qemu-user accepts the limit and ignores it */

/* The same where the kernel maps nothing more. */
static int read_only_in_no_memory(void *path)
{
    const struct rlimit none = { 0, 0 };
    struct rlimit now;

    if (setrlimit(RLIMIT_DATA, &none) != 0 || getrlimit(RLIMIT_DATA, &now) != 0) {
        return -1;
    }
    return now.rlim_cur ? NOT_LIMITED : read_only(path);
}

static int unguarded(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    pst_guard_set(&board);
    pst_guard_unset();
    return cut() && pst_board_intact(&board);
}

/* ---- not ours ----------------------------------------------------------- */

static char *foreign;

static int map_foreign(void)
{
    char name[] = "/tmp/poolstat-unit-XXXXXX";
    int fd = mkstemp(name);

    unlink(name);
    foreign = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return fd >= 0 && foreign != MAP_FAILED;
}

static int foreign_by_default(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    pst_guard_set(&board);
    if (map_foreign()) {
        *(volatile char *)foreign = 1;
    }
    return 0;
}

static void leave(int sig)
{
    _exit(sig == SIGBUS ? 77 : 1);
}

static void leave_with_address(int sig, siginfo_t *info, void *context)
{
    _exit(sig == SIGBUS && info->si_addr == foreign && context ? 78 : 1);
}

static int foreign_by_handler(void *unused)
{
    (void)unused;
    signal(SIGBUS, leave);
    pst_guard_set(&board);
    if (map_foreign()) {
        *(volatile char *)foreign = 1;
    }
    return 0;
}

static int foreign_by_sigaction(void *unused)
{
    struct sigaction action = { .sa_sigaction = leave_with_address, .sa_flags = SA_SIGINFO };

    (void)unused;
    sigaction(SIGBUS, &action, NULL);
    pst_guard_set(&board);
    pst_guard_set(&board);      /* the second call changes nothing: it must not take itself for the previous handler */
    if (map_foreign()) {
        *(volatile char *)foreign = 1;
    }
    return 0;
}

/* httpd sets its handlers in each child after we have set ours in the parent. */
static int set_again(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    pst_guard_set(&board);
    signal(SIGBUS, leave);
    pst_guard_set(&board);
    if (!cut() || pst_board_intact(&board)) {
        return 1;
    }
    if (map_foreign()) {
        *(volatile char *)foreign = 1;
    }
    return 2;
}

/* ---- rings ---------------------------------------------------------------- */

static struct sigaction beneath;
static int rounds;

/* A crash reporter's handler: reports, then passes on to the previous one. */
static void report(int sig, siginfo_t *info, void *context)
{
    if (++rounds > 1000) {
        _exit(1);
    }
    if (beneath.sa_flags & SA_SIGINFO) {
        beneath.sa_sigaction(sig, info, context);
    }
    else if (beneath.sa_handler != SIG_DFL) {
        beneath.sa_handler(sig);
    }
}

static void set_reporter(void)
{
    struct sigaction action = { .sa_sigaction = report, .sa_flags = SA_SIGINFO };

    sigaction(SIGBUS, &action, &beneath);
}

static int make_ring(void)
{
    pst_guard_set(&board);
    set_reporter();
    pst_guard_set(&board);
    rounds = 0;
    return map_foreign();
}

/* Ours, somebody's that chains to ours, ours again. */
static int ring_ends_in_handler(void *unused)
{
    struct sigaction action = { .sa_sigaction = leave_with_address, .sa_flags = SA_SIGINFO };

    (void)unused;
    sigaction(SIGBUS, &action, NULL);
    if (make_ring()) {
        *(volatile char *)foreign = 1;
    }
    return 2;
}

static int ring_ends_by_default(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    if (make_ring()) {
        *(volatile char *)foreign = 1;
    }
    return 2;
}

/* Both are set over and over: in the end the reporter knows only ours, and ours knows only the reporter. */
static int ring_set_often(void *unused)
{
    signal(SIGBUS, leave);
    for (int i = 0; i < 5; i++) {
        pst_guard_set(&board);
        set_reporter();
    }
    (void)unused;
    if (make_ring()) {
        *(volatile char *)foreign = 1;
    }
    return 2;
}

/* The board is guarded by all of them. */
static int ring_guards(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    return !make_ring() ? 1 : !cut() ? 2 : pst_board_intact(&board) ? 3 : rounds;
}

static sigjmp_buf back;

static void jump_back(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    siglongjmp(back, 1);
}

/* A handler that leaves by longjmp each time is called each time. */
static int jumps(void *unused)
{
    struct sigaction action = { .sa_sigaction = jump_back, .sa_flags = SA_SIGINFO };
    volatile int times = 0;

    (void)unused;
    sigaction(SIGBUS, &action, NULL);
    pst_guard_set(&board);
    if (!map_foreign()) {
        return 1;
    }
    while (times < 5) {
        if (sigsetjmp(back, 1) == 0) {
            *(volatile char *)foreign = 1;
            return 2;
        }
        times++;
    }
    return 0;
}

/* A process forked from ours, where the board is unmapped: what it maps there is its own, and must not be replaced by
 * zeros. */
static int forked_elsewhere(void *unused)
{
    (void)unused;
    signal(SIGBUS, leave);
    pst_guard_set(&board);
    if (!map_foreign()) {
        return 1;
    }
    if (fork() != 0) {
        int status = 0;

        wait(&status);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    }
    munmap(board.base, board.size);
    foreign = mremap(foreign, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, board.base);
    if (foreign == board.base) {
        *(volatile char *)foreign = 1;
    }
    _exit(2);
}

/* kill(1) by an administrator, or the kernel reporting bad memory: not one of our addresses. */
static int sent(void *unused)
{
    (void)unused;
    signal(SIGBUS, SIG_DFL);
    pst_guard_set(&board);
    raise(SIGBUS);
    return 0;
}

static int given_back(void *unused)
{
    struct sigaction now;

    (void)unused;
    signal(SIGBUS, leave);
    pst_guard_set(&board);
    sigaction(SIGBUS, NULL, &now);
    if (now.sa_handler == leave) {
        return 1;
    }
    pst_guard_unset();
    sigaction(SIGBUS, NULL, &now);
    return now.sa_handler == leave ? 0 : 2;
}

static void expect(int (*piece)(void *), void *data, int result, const char *what)
{
    int got;

    got = apart(piece, data);
    if (got == NOT_LIMITED) {
        printf("ok %d - # SKIP RLIMIT_DATA limits nothing here\n", ++tap_count);
    }
    else if (!ok(got == result, what)) {
        printf("# result %d, expected %d\n", got, result);
    }
    if (ftruncate(board.fd, 0) != 0 || ftruncate(board.fd, (off_t)board.size) != 0) {
        printf("Bail out! cannot mend the file\n");
        exit(1);
    }
}

/* Every cut loses the header: each case begins with a fresh board. */
static const char *fresh(void)
{
    const pst_board_about_t about = { "", "", "", 1, 100 };
    static const char *path;
    const char *dir = NULL;

    if (path) {
        pst_board_close(&board);
    }
    apr_temp_dir_get(&dir, pool);
    path = apr_psprintf(pool, "%s/poolstat-unit-%ld.guard", dir ? dir : ".", (long)getpid());
    if (pst_board_create(&board, path, 4, 8, &about, pool) != APR_SUCCESS) {
        printf("Bail out! no board at %s\n", path);
        exit(1);
    }
    return path;
}

int main(void)
{
    const char *path;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    fresh();
    expect(live_on, NULL, 0, "the file is cut: the process lives on and counts, the board is not intact");
    fresh();
    expect(live_on_reading, NULL, 0, "so too if the header is the first thing touched");
    fresh();
    expect(cut_often, NULL, 0, "cut ten times");
    fresh();
    expect(cut_under_threads, NULL, 0, "cut while threads count");
    path = fresh();
    expect(read_only, (void *)(apr_uintptr_t)path, 0, "a reader lives on as well");
    path = fresh();
    expect(read_only_in_no_memory, (void *)(apr_uintptr_t)path, -SIGBUS, "and ends by the fault where nothing can be mapped in its place");
    fresh();
    expect(unguarded, NULL, -SIGBUS, "without the guard it would have died");
    expect(foreign_by_default, NULL, -SIGBUS, "a SIGBUS elsewhere ends the process as ever");
    expect(foreign_by_handler, NULL, 77, "or goes to the handler that was there");
    expect(foreign_by_sigaction, NULL, 78, "with all that is known of it");
    path = fresh();
    expect(set_again, NULL, 77, "a handler set later is kept too, and the guard works on");
    expect(sent, NULL, -SIGBUS, "a SIGBUS sent by kill is not lost");
    expect(ring_ends_in_handler, NULL, 78, "handlers that form a ring: it is gone round once, then to who was there at first");
    expect(ring_ends_by_default, NULL, -SIGBUS, "or to the default");
    expect(ring_set_often, NULL, 77, "so too when both were set over and over");
    expect(ring_guards, NULL, 0, "and the board is guarded within it");
    expect(jumps, NULL, 0, "a handler that leaves by longjmp is asked each time");
    expect(forked_elsewhere, NULL, 77, "a process forked from ours guards nothing of its own accord");
    expect(given_back, NULL, 0, "given back, the handler is as it was");
    pst_board_close(&board);
    unlink(path);
    apr_terminate();
    return done();
}
