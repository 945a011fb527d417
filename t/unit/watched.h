/* SPDX-License-Identifier: Apache-2.0
 *
 * For units of writers and readers of the board.  Either each store to a row is observed, and must be made while the
 * row's counter is odd; or each access is counted, and at one of them something happens. The pages are protected
 * meanwhile: an access faults, is examined, and then executed as a single step.  One thread.
 */
#ifndef PST_WATCHED_H
#define PST_WATCHED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define WATCHED_ABLE 1
#else
#define WATCHED_ABLE 0
#endif

#define WATCHED_KINDS  8
#define WATCHED_RANGES 4

/* Rows of one kind, and the parts of a row written under its counter: from, end, from, end ... */
typedef struct {
    const char *name;
    char *rows;
    size_t size, count, seq;
    struct {
        size_t from, end;
    } under[WATCHED_RANGES];
    unsigned seen, wrong;
    size_t first_row, first_at;     /* where the first wrong store went */
} watched_t;

static struct {
    char *at;
    size_t size;
    int closed;                     /* protection of the pages meanwhile */
    watched_t *kinds;
    unsigned count;
    unsigned long accesses, when;   /* the event is at this access, from 1 */
    void (*happens)(void);
    struct sigaction was_segv, was_trap;
} watching;

static inline void watched_look(watched_t *kind, const char *at)
{
    size_t row, offset;

    if (at < kind->rows || at >= kind->rows + kind->size * kind->count) {
        return;
    }
    row = (size_t)(at - kind->rows) / kind->size;
    offset = (size_t)(at - kind->rows) % kind->size;
    for (unsigned i = 0; i < WATCHED_RANGES; i++) {
        if (offset >= kind->under[i].from && offset < kind->under[i].end) {
            kind->seen++;
            if (!(*(volatile uint32_t *)(void *)(kind->rows + row * kind->size + kind->seq) & 1) && !kind->wrong++) {
                kind->first_row = row;
                kind->first_at = offset;
            }
        }
    }
}

#if WATCHED_ABLE
#define STEP 0x100      /* the trap flag */

static inline void watched_store(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    char *address = info->si_addr;

    (void)number;
    if (address < watching.at || address >= watching.at + watching.size) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    for (unsigned i = 0; i < watching.count; i++) {
        watched_look(&watching.kinds[i], address);
    }
    mprotect(watching.at, watching.size, PROT_READ | PROT_WRITE);
    if (++watching.accesses == watching.when) {
        watching.happens();
        return;                     /* nothing more to observe */
    }
    at->uc_mcontext.gregs[REG_EFL] |= STEP;
}

static inline void watched_stepped(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;

    (void)number;
    (void)info;
    mprotect(watching.at, watching.size, watching.closed);
    at->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)STEP;
}

static inline void watched_close(void *at, size_t size, int closed)
{
    struct sigaction act = { .sa_flags = SA_SIGINFO };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = (size_t)at & ~(page - 1);

    watching.at = (char *)begin;
    watching.size = (((size_t)at + size + page - 1) & ~(page - 1)) - begin;
    watching.closed = closed;
    watching.accesses = 0;
    act.sa_sigaction = watched_store;
    sigaction(SIGSEGV, &act, &watching.was_segv);
    act.sa_sigaction = watched_stepped;
    sigaction(SIGTRAP, &act, &watching.was_trap);
    mprotect(watching.at, watching.size, closed);
}

static inline void watched_end(void)
{
    mprotect(watching.at, watching.size, PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &watching.was_segv, NULL);
    sigaction(SIGTRAP, &watching.was_trap, NULL);
}
#else
static inline void watched_close(void *at, size_t size, int closed)
{
    (void)at;
    (void)size;
    (void)closed;
}

static inline void watched_end(void)
{
}
#endif

/* From now on each store is examined. */
static inline void watched_begin(void *at, size_t size, watched_t *kinds, unsigned count)
{
    watching.kinds = kinds;
    watching.count = count;
    watching.when = 0;
    watched_close(at, size, PROT_READ);
}

/* Before access number `when`, reading or writing, something happens. */
static inline void watched_interrupt(void *at, size_t size, unsigned long when, void (*happens)(void))
{
    watching.count = 0;
    watching.when = when;
    watching.happens = happens;
    watched_close(at, size, PROT_NONE);
}

/* Were there at least this many stores, and was the counter odd at each? */
static inline void watched_say(const watched_t *kind, unsigned least, const char *what)
{
    if (!WATCHED_ABLE) {
        printf("ok %d - %s # SKIP stores are watched on x86-64 only\n", ++tap_count, what);
        return;
    }
    if (!ok(kind->seen >= least && !kind->wrong, what)) {
        printf("# %s: %u of %u stores with an even counter; the first to row %zu at byte %zu\n", kind->name,
               kind->wrong, kind->seen, kind->first_row, kind->first_at);
    }
}

#endif /* PST_WATCHED_H */
