/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuses: code that finds one reports it here, and it is on the board before anything worse can happen.
 *
 * Each place has one row: repetitions are only counted. Rows are claimed by compare-and-swap on a key private to this
 * process, and written once by the claimer; nobody waits, nothing is allocated and the loader's lock is not taken, so
 * signal handlers may report too. Rows are few and never reused: when all are taken, misuses are only counted by
 * kind.
 *
 * Called by: start (pst_misuse_start), worker, signal, watchdog (pst_misuse_next)
 */
#ifndef PST_MISUSE_H
#define PST_MISUSE_H

#include "pst_account.h"

#define PST_MISUSE_DEPTH 24     /* return addresses, including ours and the allocator's */

/** A raw stack: cheap to keep. */
typedef struct pst_misuse_stack_t {
    apr_uint32_t  thread;       /**< the kernel's thread id; 0: none */
    apr_uint32_t  depth;        /**< 0: not known */
    apr_uintptr_t ip[PST_MISUSE_DEPTH]; /**< return addresses, innermost first */
} pst_misuse_stack_t;

/** Take this thread's stack, starting at the caller of this function. Unwinds: some 20,000 to 60,000 instructions. */
void pst_misuse_stack(pst_misuse_stack_t *stack);

/** The same in a signal handler, for the interrupted code. @param context the handler's third argument @param most
 *  frames */
void pst_misuse_stack_interrupted(pst_misuse_stack_t *stack, const void *context, apr_uint32_t most);

/** One side: see pst_shared_party_t. Stored by the caller; the line is as in the slot, cut. */
typedef pst_shared_party_t pst_misuse_party_t;

/** This thread's party: the connection it serves (pst_served.h), and its request. */
void pst_misuse_party_now(pst_misuse_party_t *party);

/** The party of an account. While the account may be used. */
void pst_misuse_party_of(pst_misuse_party_t *party, const pst_account_t *account);

typedef struct pst_misuse_t {
    pst_misuse_e kind;
    const char  *what;          /**< "pool", a bucket's type, a system call */
    const char  *tag;           /**< of the pool; NULL: none */
    apr_uint32_t of_class;      /**< pst_record_t.of_class; 0: none */
    apr_uint64_t offset, size, age;
    const pst_misuse_party_t *by, *of;                      /**< NULL: not known */
    const pst_misuse_stack_t *stacks[PST_MISUSE_STACKS];    /**< NULL: not known */
} pst_misuse_t;

/** Child, once. */
void pst_misuse_start(const pst_board_t *board, pst_shared_child_t *block);

/** Report a misuse. Any thread, any context, async-signal-safe. @return 1: the first at its place; 0: a repetition,
 *  or there is no row for it */
int pst_misuse_tell(const pst_misuse_t *misuse);

/** The watchdog's thread: the next row not yet returned by this function. @return its index; -1: none */
int pst_misuse_next(void);

#endif /* PST_MISUSE_H */
