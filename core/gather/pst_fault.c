/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_fault.h.
 */
#include "pst_fault.h"
#include "pst_guarded.h"
#include "pst_proc.h"
#include "pst_wrap.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The same address this often in a row, though its page was open: that it had been closed is not the cause. */
#define SAME_MOST 4

/* A smaller alternate stack has no room for unwinding. */
#define ROOM ((apr_size_t)24 << 10)

static struct {
    int              set;
    pid_t            pid;
    struct sigaction next[2];   /* the handler for faults that are not ours: one of the two */
    unsigned         which;     /* atomic */
} g;

static __thread struct {
    int             inside;     /* in code that may fault itself */
    const char      *frame;     /* of the last call of somebody else's handler, which may have left by longjmp() */
    const siginfo_t *info;      /* and its argument */
    unsigned        same;
    const void     *last;
    sigjmp_buf      back;
} here __attribute__((tls_model("initial-exec")));

/* -- what is ours ------------------------------------------------------------- */

static apr_uint32_t depth_allowed(void)
{
    stack_t stack;

    return sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) && stack.ss_size < ROOM ? 1
                                                                                                  : PST_MISUSE_DEPTH;
}

/* Registering a cleanup faults in our wrapper, which starts there and is shorter than this. */
#define REGISTERS 192

static pst_misuse_e kind_of_touch(const pst_range_page_t *page, const pst_misuse_stack_t *stack)
{
    apr_uintptr_t register_at = (apr_uintptr_t)pst_wrap_pool_cleanup_register;

    if (page->is == PST_RANGE_BEHIND) {
        return PST_MISUSE_OVERRUN;
    }
    return stack->depth && stack->ip[0] - register_at < REGISTERS ? PST_MISUSE_LATE_REGISTER
                                                                 : PST_MISUSE_USE_AFTER_DESTROY;
}

/* Unwinding reads memory that may be invalid: if that faults, use what was found so far. */
static void tell_touch(const void *at, const pst_range_page_t *page, const void *context)
{
    pst_misuse_t misuse = { .kind = PST_MISUSE_USE_AFTER_DESTROY };
    pst_misuse_stack_t stack = { .depth = 0 };
    pst_misuse_party_t by;

    here.inside = 1;
    if (sigsetjmp(here.back, 0) == 0) {
        pst_misuse_stack_interrupted(&stack, context, depth_allowed());
    }
    if (sigsetjmp(here.back, 0) == 0) {
        pst_misuse_party_now(&by);
        misuse.by = &by;
        misuse.stacks[0] = &stack;
        misuse.kind = kind_of_touch(page, &stack);
        pst_guarded_describe(&misuse, page, at);
        pst_misuse_tell(&misuse);
    }
    here.inside = 0;
}

/* @return 0: it is not ours, whatever the address */
static int is_ours(const void *at, const void *context)
{
    pst_range_page_t page;
    int opened;

    if (here.last == at && here.same > SAME_MOST) {
        return 0;
    }
    pst_range_look(&page, at);
    opened = pst_range_open(at);
    here.same = here.last == at && opened == 0 ? here.same + 1 : 0;
    here.last = at;
    if (opened > 0 && !here.inside && g.pid == getpid()) {
        tell_touch(at, &page, context);
    }
    return opened >= 0;
}

/* -- what is not ---------------------------------------------------------------- */

static const struct sigaction *next_one(void)
{
    return &g.next[__atomic_load_n(&g.which, __ATOMIC_ACQUIRE) & 1];
}

static void set_next(const struct sigaction *action)
{
    unsigned other = (__atomic_load_n(&g.which, __ATOMIC_RELAXED) + 1) & 1;

    g.next[other] = *action;
    __atomic_store_n(&g.which, other, __ATOMIC_RELEASE);
}

/* Let it recur and go to the default; or send it again, if it was sent. */
static void default_takes_it(int is_fault)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    pst_real.guard_sigaction(SIGSEGV, &action, NULL);
    if (!is_fault) {
        raise(SIGSEGV);
    }
}

/* Call it as the kernel would, but without blocking the signal, since a fault of ours may come meanwhile. */
static void hand_fault_on(int signal, siginfo_t *info, void *context, int is_fault)
{
    const struct sigaction *next = next_one();
    const char *frame = __builtin_frame_address(0);
    sigset_t mask, before;

    /* a handler that passes our signal back to us has no successor */
    if ((here.info == info && here.frame && frame < here.frame)
        || (!(next->sa_flags & SA_SIGINFO) && next->sa_handler == SIG_DFL)) {
        default_takes_it(is_fault);
        return;
    }
    if (!(next->sa_flags & SA_SIGINFO) && next->sa_handler == SIG_IGN) {
        if (is_fault) {
            default_takes_it(is_fault);
        }
        return;
    }
    here.frame = frame;
    here.info = info;
    mask = next->sa_mask;
    sigdelset(&mask, SIGSEGV);
    pst_real.guard_pthread_sigmask(SIG_BLOCK, &mask, &before);
    if (next->sa_flags & SA_SIGINFO) {
        next->sa_sigaction(signal, info, context);
    }
    else {
        next->sa_handler(signal);
    }
    pst_real.guard_pthread_sigmask(SIG_SETMASK, &before, NULL);
    here.frame = NULL;
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
    int is_fault = info->si_code > 0, error = errno;

    if (is_fault && pst_range_has(info->si_addr) && is_ours(info->si_addr, context)) {
        errno = error;
        return;
    }
    if (here.inside && is_fault) {
        siglongjmp(here.back, 1);
    }
    hand_fault_on(signal, info, context, is_fault);
    errno = error;
}

/* -- in front --------------------------------------------------------------------- */

static int is_on_segv(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_segv;
}

static int come_to_front(void)
{
    struct sigaction now, own;

    if (pst_real.guard_sigaction(SIGSEGV, NULL, &now) != 0) {
        return 0;
    }
    if (is_on_segv(&now)) {
        return 1;
    }
    memset(&own, 0, sizeof(own));
    own.sa_sigaction = on_segv;
    own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&own.sa_mask);
    set_next(&now);
    return pst_real.guard_sigaction(SIGSEGV, &own, NULL) == 0;
}

int pst_wrap_guard_sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
    struct sigaction old = *next_one();

    if (signal != SIGSEGV || !g.set || g.pid != getpid()) {
        return pst_real.guard_sigaction(signal, action, before);
    }
    if (action) {
        set_next(action);
    }
    if (before) {
        *before = old;
    }
    return 0;
}

pst_signal_fn *pst_wrap_guard_signal(int signal, pst_signal_fn *handler)
{
    struct sigaction old = *next_one(), action;

    if (signal != SIGSEGV || !g.set || g.pid != getpid()) {
        pst_signal_fn *was = pst_real.guard_signal(signal, handler);

        return was;
    }
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    set_next(&action);
    return old.sa_flags & SA_SIGINFO ? (pst_signal_fn *)(void *)old.sa_sigaction : old.sa_handler;
}

/* The requested set, without the one signal that must not be blocked. */
static const sigset_t *without(sigset_t *room, int how, const sigset_t *set)
{
    if (!set || how == SIG_UNBLOCK || sigismember(set, SIGSEGV) != 1 || g.pid != getpid()) {
        return set;
    }
    *room = *set;
    sigdelset(room, SIGSEGV);
    return room;
}

int pst_wrap_guard_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;

    return pst_real.guard_pthread_sigmask(how, without(&room, how, set), before);
}

int pst_wrap_guard_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;

    return pst_real.guard_sigprocmask(how, without(&room, how, set), before);
}

/* -- existing threads --------------------------------------------------------------- */

/* If /proc does not say whether a thread that has not ended blocks the signal: yes. */
static int blocks(const char *task)
{
    char path[64], text[4096], *line;
    apr_ssize_t got;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", task);
    got = pst_proc_take(pst_proc_open(path), text, sizeof(text));
    if (got < 0) {
        return errno != ENOENT && errno != ESRCH;       /* else it has ended */
    }
    line = strstr(text, "\nSigBlk:");
    return !line || (strtoull(line + 8, NULL, 16) >> (SIGSEGV - 1) & 1) != 0;
}

/* Does a thread block the signal? A fault that others survive would kill it. If /proc does not say: yes. */
static int somebody_blocks(void)
{
    DIR *tasks = pst_proc_list("/proc/self/task");
    struct dirent *task;
    int found = 0;

    if (!tasks) {
        return 1;
    }
    while (!found && (task = readdir(tasks)) != NULL) {
        found = task->d_name[0] != '.' && blocks(task->d_name);
    }
    closedir(tasks);
    return found;
}

/* -- on ------------------------------------------------------------------------------- */

apr_status_t pst_fault_start(void)
{
    if (somebody_blocks()) {
        return APR_EBUSY;
    }
    g.pid = getpid();
    g.set = come_to_front();
    return g.set ? APR_SUCCESS : APR_EGENERAL;
}

void pst_fault_beat(void)
{
    if (g.set && g.pid == getpid()) {
        come_to_front();
    }
}

/* -- found without a fault ---------------------------------------------------------------- */

static int tell_found(pst_misuse_e kind, const void *at, const char *what)
{
    pst_misuse_t misuse = { .kind = kind };
    pst_misuse_stack_t stack;
    pst_misuse_party_t by;
    pst_range_page_t page;

    if (g.pid != getpid()) {
        return 0;
    }
    pst_range_look(&page, at);
    pst_misuse_stack(&stack);
    pst_misuse_party_now(&by);
    misuse.by = &by;
    misuse.stacks[0] = &stack;
    pst_guarded_describe(&misuse, &page, at);
    misuse.what = what ? what : misuse.what;
    return pst_misuse_tell(&misuse);
}

int pst_fault_dead(const void *pool, pst_misuse_e kind)
{
    int dead = pst_guarded_is_dead(pool);

    if (dead) {
        pst_range_open(pool);
        tell_found(kind, pool, NULL);
    }
    return dead;
}

void pst_fault_kernel(const char *name, const void *at)
{
    int error = errno;

    tell_found(PST_MISUSE_SYSCALL, at, name);
    errno = error;
}
