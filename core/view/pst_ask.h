/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children, over the board, to switch their heap profiles or their checks for misuse, and watching the outcome.
 * To release memory: see pst_release_ask.h.
 */
#ifndef PST_ASK_H
#define PST_ASK_H

#include "pst_board.h"
#include "pst_checks.h"

/** What is switched, and so the unit of all values here. */
typedef enum {
    PST_ASK_HEAP,               /**< bytes between the heap profile's samples; 0: off */
    PST_ASK_CHECKS              /**< pst_checks_pack() */
} pst_ask_e;

typedef enum {
    PST_ASKED_PENDING = 0,      /**< asked, not done yet */
    PST_ASKED_DONE,
    PST_ASKED_CANNOT,           /**< it answered with another value: its error log says why */
    PST_ASKED_GONE              /**< the child ended meanwhile */
} pst_asked_e;

/** One child asked. */
typedef struct pst_asked_row_t {
    apr_uint32_t pid;
    apr_uint32_t block;         /**< index on the board */
    apr_uint64_t serial;        /**< its answer has this number, or a later one */
    pst_asked_e  state;
    apr_uint64_t value;         /**< what it is now, once DONE or CANNOT */
} pst_asked_row_t;

typedef struct pst_asked_t {
    pst_ask_e        what;
    pst_asked_row_t *rows;
    apr_uint64_t     value;     /**< what was asked for */
    apr_uint32_t     count, pending, done;
    apr_uint32_t     deaf;      /**< children that do not listen: PoolStatControl is Off, or was when they started */
} pst_asked_t;

/**
 * Whether a child of that process id is there. Any thread of a process that has the board.
 * @param pid  0: any
 * @return its process id; 0: no
 */
apr_uint32_t pst_ask_whom(const pst_shared_child_t *child, apr_uint32_t pid);

/**
 * Ask all children, or one.  Any thread; never waits.
 * @param fd     the board's file, opened for writing; -1: the board is mapped for it
 * @param pid    0: all, also those that start later in the newest generation among them
 * @param asked  filled in; rows are of pool. No row: there is no such child, or none listens
 * @return APR_SUCCESS; or the system's error, and some may have been asked
 */
apr_status_t pst_ask(pst_asked_t *asked, pst_ask_e what, const pst_board_t *board, int fd, apr_uint32_t pid,
                     apr_uint64_t value, apr_pool_t *pool);

/** Look at the outcome so far. The same thread. @return how many are pending */
apr_uint32_t pst_ask_look(pst_asked_t *asked, const pst_board_t *board);

/** Whether the child said what it is now. */
static inline int pst_asked_is_known(const pst_asked_row_t *row)
{
    return row->state == PST_ASKED_DONE || row->state == PST_ASKED_CANNOT;
}

/** The word for a state, as all views print it. */
const char *pst_asked_word(pst_asked_e state);

/** "Off", bytes, or K, M, G of them. @return whether children take it */
int pst_ask_rate(apr_uint64_t *rate, const char *text);

/** What pst_ask_rate() takes, to follow "must be". */
#define PST_ASK_RATES "Off, or a size from 4K to 1024G"

/** Words in one text, as in a form or on a command line, separated by blanks. @param error as pst_checks_parse() */
int pst_ask_checks(pst_checks_t *checks, const char *text, char *error, apr_pool_t *pool);

#endif /* PST_ASK_H */
