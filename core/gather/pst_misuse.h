/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuses: whoever finds one tells it here, and it lies on the board before anything worse can happen.
 *
 * One place is one row: what comes again there counts only.  Rows are claimed by compare-and-swap on a key that this
 * process alone has, and written once by whoever claimed them; nobody waits, nothing is allocated, no lock of the
 * loader's is asked for: so signal handlers may tell, too.  The rows are few and never given away: who comes when all
 * are taken is counted by its kind.
 *
 * Called by: start (pst_misuse_start), worker, signal, watchdog (pst_misuse_next)
 */
#ifndef PST_MISUSE_H
#define PST_MISUSE_H

#include "pst_account.h"

#define PST_MISUSE_DEPTH 24     /* return addresses, ours and the allocator's included */

/** A stack as it is taken: cheap to keep. */
typedef struct pst_misuse_stack_t {
    apr_uint32_t  thread;       /**< as the kernel numbers it; 0: nobody's */
    apr_uint32_t  depth;        /**< 0: not known */
    apr_uintptr_t ip[PST_MISUSE_DEPTH]; /**< return addresses, innermost first */
} pst_misuse_stack_t;

/** Take this thread's, from the caller of this function on. Unwinds: some 20,000 to 60,000 instructions. */
void pst_misuse_stack(pst_misuse_stack_t *stack);

/** The same in a signal handler: of the code that was interrupted.
 *  @param context the handler's third argument @param most frames */
void pst_misuse_stack_interrupted(pst_misuse_stack_t *stack, const void *context, apr_uint32_t most);

/** One side: see pst_shared_party_t. Kept by whoever keeps it; the line is as the slot had it, cut. */
typedef pst_shared_party_t pst_misuse_party_t;

/** This thread's: the connection it serves (pst_served.h), and its request. */
void pst_misuse_party_now(pst_misuse_party_t *party);

/** That of an account. While it may be used. */
void pst_misuse_party_of(pst_misuse_party_t *party, const pst_account_t *account);

typedef struct pst_misuse_t {
    pst_misuse_e kind;
    const char  *what;          /**< "pool", a bucket's type, a system call */
    const char  *tag;           /**< of the pool; NULL: none */
    apr_uint32_t of_class;      /**< pst_record_t.of_class; 0: of none */
    apr_uint64_t offset, size, age;
    const pst_misuse_party_t *by, *of;                      /**< NULL: not known */
    const pst_misuse_stack_t *stacks[PST_MISUSE_STACKS];    /**< NULL: not known */
} pst_misuse_t;

/** Child, once. */
void pst_misuse_start(const pst_board_t *board, pst_shared_child_t *block);

/** Tell. Any thread, any context, async-signal-safe. @return 1: the first of its place; 0: it came again, or there is
 *  no row for it */
int pst_misuse_tell(const pst_misuse_t *misuse);

/** The watchdog's thread: the next row that was not handed out yet. @return its index; -1: none */
int pst_misuse_next(void);

#endif /* PST_MISUSE_H */
