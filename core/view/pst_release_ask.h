/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children, over the board, to give memory back, and watching the outcome.
 */
#ifndef PST_RELEASE_ASK_H
#define PST_RELEASE_ASK_H

#include "pst_board.h"

typedef enum {
    PST_RELEASE_PENDING = 0,    /**< asked, not done yet */
    PST_RELEASE_DONE,
    PST_RELEASE_GONE            /**< the child ended meanwhile */
} pst_release_e;

/** One child asked. */
typedef struct pst_release_row_t {
    apr_uint32_t  pid;
    apr_uint32_t  block;        /**< index on the board */
    apr_uint32_t  serial;       /**< release_done reaches this */
    pst_release_e state;
    apr_uint32_t  heap_kind;    /**< pst_heap_e, once DONE */
    /* once DONE; checked */
    apr_uint64_t  allocators_bytes, heap_bytes, emptied, busy, rss_before, rss_after, took;
} pst_release_row_t;

/** All children asked at once. */
typedef struct pst_release_asked_t {
    pst_release_row_t *rows;
    apr_uint32_t count, pending, gone;
    apr_uint64_t allocators_bytes, heap_bytes, rss_before, rss_after;   /**< sums over those DONE */
} pst_release_asked_t;

/**
 * Ask all children, or one.  Any thread of a process that has the board mapped for writing; never waits.
 * @param pid    0: all
 * @param asked  filled in; rows are of pool. No row: there is no such child
 */
void pst_release_ask(pst_release_asked_t *asked, const pst_board_t *board, apr_uint32_t pid, apr_pool_t *pool);

/** Look at the outcome so far. The same thread. @return how many are pending */
apr_uint32_t pst_release_look(pst_release_asked_t *asked, const pst_board_t *board);

/** The word for a state, as all views print it. */
const char *pst_release_word(pst_release_e state);

#endif /* PST_RELEASE_ASK_H */
