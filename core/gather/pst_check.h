/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatCheck in this child: what is on now, and switching it.
 *
 * Each check lives in a file of its own, with a function that is told what is wanted from now on
 * (pst_check_switch_fn).  While a check is off nothing of it stands in anybody's way: other functions stand in the
 * objects' tables of calls, or behind pst_real, only while it is on.
 *
 * Another check: its words in core/board/pst_checks.c, its function here and in the list of pst_check.c, its kinds of
 * misuse in include/poolstat_misuse.def, told by pst_misuse_tell().
 *
 * Called by: start, watchdog
 */
#ifndef PST_CHECK_H
#define PST_CHECK_H

#include "pst_account.h"
#include "pst_checks.h"

/** What is on. Written by the thread that switches alone; any thread may read a member (pst_check_is()). */
extern pst_checks_t pst_check_now;

/** Relaxed read of a member of pst_check_now. */
#define pst_check_is(member) __atomic_load_n(&pst_check_now.member, __ATOMIC_RELAXED)

/**
 * From now on what of this is wanted is to be checked, and nothing else. The thread that starts the child, or its
 * watchdog's.
 * @return APR_SUCCESS; APR_EAGAIN: another time; else why it cannot be, and nothing of it is on
 */
typedef apr_status_t pst_check_switch_fn(const pst_checks_t *wanted);

/**
 * Child, once, after pst_instrument_classes(), before other threads exist: switch on what the configuration says.
 * @param obeys  1: whoever may write to the board may switch (PoolStatControl)
 * @return APR_SUCCESS, or why something cannot be checked: the rest is
 */
apr_status_t pst_check_start(const pst_board_t *board, pst_shared_child_t *block, const pst_checks_t *wanted,
                             int obeys);

/** The watchdog's thread, once a second or when the bell rang: switch if somebody asked to; keep what is on going. */
void pst_check_beat(void);

#endif /* PST_CHECK_H */
