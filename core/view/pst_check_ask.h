/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children, over the board, to start or stop checking for misuse, and watching the outcome.
 */
#ifndef PST_CHECK_ASK_H
#define PST_CHECK_ASK_H

#include "pst_board.h"
#include "pst_checks.h"

typedef enum {
    PST_CHECKING_PENDING = 0,   /**< asked, not done yet */
    PST_CHECKING_DONE,
    PST_CHECKING_CANNOT,        /**< it answered that it cannot check all of this: its error log says why */
    PST_CHECKING_GONE           /**< the child ended meanwhile */
} pst_checking_e;

/** One child asked. */
typedef struct pst_checking_row_t {
    apr_uint32_t   pid;
    apr_uint32_t   block;       /**< index on the board */
    apr_uint32_t   serial;      /**< check_done reaches this */
    pst_checking_e state;
    pst_checks_t   checks;      /**< what is on, once it has answered */
} pst_checking_row_t;

typedef struct pst_checking_asked_t {
    pst_checking_row_t *rows;
    pst_checks_t wanted;
    apr_uint32_t count, pending, done;
    apr_uint32_t deaf;          /**< children that do not listen: PoolStatControl is Off, or was when they started */
} pst_checking_asked_t;

/**
 * Ask all children, or one.  Those that start later check what the configuration says.  Never waits.
 * @param fd     the board's file, open for writing, in a process that has it mapped read-only; -1: it is mapped
 *               for writing
 * @param pid    0: all
 * @param asked  filled in; rows are of pool. No row: there is no such child, or it is deaf
 * @return APR_SUCCESS, or why nobody could be asked
 */
apr_status_t pst_check_ask(pst_checking_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t pid,
                           const pst_checks_t *wanted, apr_pool_t *pool);

/** Look at the outcome so far. The same thread. @return how many are pending */
apr_uint32_t pst_checking_look(pst_checking_asked_t *asked, const pst_board_t *board);

/** The word for a state, as all views print it. */
const char *pst_checking_word(pst_checking_e state);

/** Words in one text, as in a form or on a command line, separated by blanks. @param error as pst_checks_parse() */
int pst_checks_of_text(pst_checks_t *checks, const char *text, char *error, apr_pool_t *pool);

#endif /* PST_CHECK_ASK_H */
