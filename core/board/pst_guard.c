/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard against a board that is truncated under us, or is on a full disk: see the header.
 *
 * Only calls that are safe in a signal handler: fstat, ftruncate, mmap, sigaction, getpid, getrlimit (a plain system
 * call).  A SIGBUS is delivered on the thread that touched the page, which resumes at the
 * same instruction.
 *
 * Handlers chain, and a chain may become a ring: somebody installs a handler after ours that passes foreign signals
 * to ours; ours is installed again, after that one, and passes signals to it. So a thread that comes back here while
 * passing a signal on has gone round: it goes to the original handler, and from there to the default.
 */
#include "pst_guard.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char            *base;
    size_t           size;
    int              fd;
    int              repairs;   /* so that a file that shrinks each time cannot trap us */
    int              set;
    pid_t            pid;       /* a process forked from this one may not have the board mapped */
    struct sigaction before;    /* the handler before ours */
    struct sigaction first;     /* the same, the first time */
} g = { .fd = -1 };

/* The pass-on in progress on this thread. A handler that leaves by longjmp leaves it unchanged. */
static __thread struct {
    const char      *frame;     /* of the handler that passes on; NULL: none */
    const siginfo_t *info;
    int              rounds;
} handing __attribute__((tls_model("initial-exec")));

#define MAX_REPAIRS 3

/* Was the file truncated, and can its length be restored? */
static int lengthen(void)
{
    struct rlimit limit;
    struct stat st;

    return g.fd >= 0 && fstat(g.fd, &st) == 0 && (uint64_t)st.st_size < g.size
           && getrlimit(RLIMIT_FSIZE, &limit) == 0 && g.size <= limit.rlim_cur && ftruncate(g.fd, (off_t)g.size) == 0;
}

static void repair(void)
{
    if (__atomic_add_fetch(&g.repairs, 1, __ATOMIC_RELAXED) <= MAX_REPAIRS && lengthen()) {
        return;
    }
    /* not counted as committed memory; if this fails the fault ends the process, as it would have anyway */
    if (mmap(g.base, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0)
        == MAP_FAILED) {
        sigaction(SIGBUS, &g.before, NULL);
    }
}

static int is_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void call(const struct sigaction *action, int signal, siginfo_t *info, void *context)
{
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(signal, info, context);
    }
    else {
        action->sa_handler(signal);
    }
}

/* The fault recurs and goes to the default. */
static void leave_to_default(int signal, int is_fault)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
    if (!is_fault) {
        raise(signal);
    }
}

/* @return 0 for a signal from the system, n for one that comes back from a handler we passed it to */
static int rounds_so_far(const char *frame, const siginfo_t *info)
{
    if (!handing.frame || frame >= handing.frame) {
        return 0;
    }
    return info == handing.info ? handing.rounds + 1 : 0;
}

static void hand_on(int signal, siginfo_t *info, void *context, int is_fault)
{
    const char *frame = __builtin_frame_address(0);
    int rounds = rounds_so_far(frame, info);
    const struct sigaction *next = rounds ? &g.first : &g.before;

    if (!rounds) {
        handing.frame = frame;
        handing.info = info;
    }
    handing.rounds = rounds;
    if (rounds < 2 && is_handler(next)) {
        call(next, signal, info, context);
    }
    else if (is_fault || next->sa_handler != SIG_IGN) {
        leave_to_default(signal, is_fault);
    }
    if (!rounds) {
        handing.frame = NULL;
    }
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    char *at = info->si_addr;
    int is_fault = info->si_code > 0;       /* else somebody sent it, and there is no address */

    if (is_fault && g.base && at >= g.base && at < g.base + g.size && g.pid == getpid()) {
        repair();
        return;
    }
    hand_on(signal, info, context, is_fault);
}

void pst_guard_set(const pst_board_t *board)
{
    struct sigaction now, ours;

    g.base = board->base;
    g.size = board->size;
    g.fd = board->fd;
    g.repairs = 0;
    g.pid = getpid();
    if (sigaction(SIGBUS, NULL, &now) != 0 || ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)) {
        return;
    }
    memset(&ours, 0, sizeof(ours));
    ours.sa_sigaction = on_sigbus;
    ours.sa_flags = SA_SIGINFO;
    sigemptyset(&ours.sa_mask);
    g.before = now;
    if (!g.set) {
        g.first = now;
    }
    g.set |= sigaction(SIGBUS, &ours, NULL) == 0;
}

void pst_guard_unset(void)
{
    struct sigaction now;

    g.base = NULL;
    if (g.set && sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO)
        && now.sa_sigaction == on_sigbus) {
        sigaction(SIGBUS, &g.before, NULL);
    }
    g.set = 0;
}
