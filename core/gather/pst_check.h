/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatCheck in this child: what is on now, and switching it.
 *
 * Each check is in its own file, with a function that receives what is wanted from now on (pst_check_switch_fn).
 * While a check is off it costs nothing: its functions are in the objects' tables of calls, or behind pst_real, only
 * while it is on.
 *
 * To add a check: its words in core/board/pst_checks.c, its function here and in the list of pst_check.c, its kinds
 * of misuse in include/poolstat_misuse.def, reported by pst_misuse_tell().
 *
 * Called by: start, watchdog
 */
#ifndef PST_CHECK_H
#define PST_CHECK_H

#include "pst_account.h"
#include "pst_checks.h"

/** What is on. Written only by the thread that switches; any thread may read a member (pst_check_is()). */
extern pst_checks_t pst_check_now;

/** Relaxed read of a member of pst_check_now. */
#define pst_check_is(member) __atomic_load_n(&pst_check_now.member, __ATOMIC_RELAXED)

/**
 * From now on check what is wanted and nothing else. The thread that starts the child, or its watchdog.
 * @return APR_SUCCESS; APR_EAGAIN: try later; else why it is impossible, and none of it is on
 */
typedef apr_status_t pst_check_switch_fn(const pst_checks_t *wanted);

/**
 * Child, once, after pst_instrument_classes(), before other threads exist: switch on what the configuration says.
 * @param obeys  1: whoever may write to the board may switch (PoolStatControl)
 * @return APR_SUCCESS, or why something cannot be checked: the rest still is
 */
apr_status_t pst_check_start(const pst_board_t *board, pst_shared_child_t *block, const pst_checks_t *wanted,
                             int obeys);

/** The watchdog's thread, once a second or when the bell rang: switch on request; maintain what is on. */
void pst_check_beat(void);

#endif /* PST_CHECK_H */
