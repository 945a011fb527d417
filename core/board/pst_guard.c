/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard against a board that is cut under us: see the header.
 *
 * Only calls that are safe in a signal handler: ftruncate, mmap, sigaction.  A
 * SIGBUS is delivered on the thread that touched the page, which resumes at the
 * same instruction.
 */
#include "pst_guard.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
    char            *base;
    size_t           size;
    int              fd;
    int              repairs;   /* so that a file that shrinks each time cannot hold us */
    int              set;
    struct sigaction before;
} g = { .fd = -1 };

#define MAX_REPAIRS 3

static void repair(void)
{
    if (__atomic_add_fetch(&g.repairs, 1, __ATOMIC_RELAXED) <= MAX_REPAIRS && g.fd >= 0
        && ftruncate(g.fd, (off_t)g.size) == 0) {
        return;
    }
    /* not counted as memory that there must be; if there is no other way the fault ends the process, as it would have */
    if (mmap(g.base, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
        sigaction(SIGBUS, &g.before, NULL);
    }
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    char *at = info->si_addr;
    int is_fault = info->si_code > 0;       /* else somebody sent it, and there is no address */

    if (is_fault && g.base && at >= g.base && at < g.base + g.size) {
        repair();
        return;
    }
    if (g.before.sa_flags & SA_SIGINFO) {
        g.before.sa_sigaction(signal, info, context);
    }
    else if (g.before.sa_handler != SIG_DFL && g.before.sa_handler != SIG_IGN) {
        g.before.sa_handler(signal);
    }
    else {
        sigaction(signal, &g.before, NULL);     /* the fault comes again, to the default */
        if (!is_fault) {
            raise(signal);
        }
    }
}

void pst_guard_set(const pst_board_t *board)
{
    struct sigaction now, ours;

    g.base = board->base;
    g.size = board->size;
    g.fd = board->fd;
    g.repairs = 0;
    if (sigaction(SIGBUS, NULL, &now) != 0 || ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)) {
        return;
    }
    memset(&ours, 0, sizeof(ours));
    ours.sa_sigaction = on_sigbus;
    ours.sa_flags = SA_SIGINFO;
    sigemptyset(&ours.sa_mask);
    g.before = now;
    g.set = sigaction(SIGBUS, &ours, NULL) == 0;
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
