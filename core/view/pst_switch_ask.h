/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children, over the board, to switch their heap profiles, and watching the outcome.
 */
#ifndef PST_SWITCH_ASK_H
#define PST_SWITCH_ASK_H

#include "pst_board.h"

typedef enum {
    PST_SWITCH_PENDING = 0,   /**< asked, not done yet */
    PST_SWITCH_DONE,
    PST_SWITCH_CANNOT,        /**< it answered with another rate: calls cannot be redirected there */
    PST_SWITCH_GONE           /**< the child ended meanwhile */
} pst_switch_e;

/** One child asked. */
typedef struct pst_switch_row_t {
    apr_uint32_t   pid;
    apr_uint32_t   block;       /**< index on the board */
    apr_uint64_t   wanted;      /**< heap_answered becomes this */
    pst_switch_e state;
    apr_uint64_t   rate;        /**< bytes between samples, now; 0: off */
} pst_switch_row_t;

typedef struct pst_switch_asked_t {
    pst_switch_row_t *rows;
    apr_uint64_t rate;          /**< what was asked for */
    apr_uint32_t count, pending, done;
    apr_uint32_t deaf;          /**< children that do not listen: PoolStatControl is Off, or was when they started */
} pst_switch_asked_t;

/**
 * Ask all children, and those that start later until httpd reads its configuration again; or one.  Never waits.
 * @param fd     the board's file, open for writing, in a process that has it mapped read-only; -1: it is mapped
 *               for writing
 * @param pid    0: all
 * @param rate   0, or PST_HEAP_RATE_LEAST to PST_HEAP_RATE_MOST: children accept no other
 * @param asked  filled in; rows are of pool. No row: there is no such child, or it is deaf
 * @return APR_SUCCESS, or why nobody could be asked
 */
apr_status_t pst_switch_ask(pst_switch_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t pid,
                          apr_uint64_t rate, apr_pool_t *pool);

/** Look at the outcome so far. The same thread. @return how many are pending */
apr_uint32_t pst_switch_look(pst_switch_asked_t *asked, const pst_board_t *board);

/** The word for a state, as all views print it. */
const char *pst_switch_word(pst_switch_e state);

/** "Off", bytes, or K, M, G of them. @return whether children take it */
int pst_switch_rate_of(apr_uint64_t *rate, const char *text);

/** What pst_switch_rate_of() takes, to follow "must be". */
#define PST_SWITCH_RATES "Off, or a size from 4K to 1024G"

#endif /* PST_SWITCH_ASK_H */
