/* SPDX-License-Identifier: Apache-2.0
 *
 * A child's life as a whole, when it ends: whether its RSS rose until its end, or only while it warmed up. Children
 * that live for some seconds only (MaxConnectionsPerChild) are never old enough for a verdict of their own.
 *
 * By requests, not by time: what grows does so evenly over the requests served, what warms up does so with the first
 * ones, whenever they come.
 *
 * Called by: end
 */
#ifndef PST_LIFE_H
#define PST_LIFE_H

#include "pst_board.h"

/** Requests and points of its history that a life needs to be judged. */
#define PST_LIFE_REQUESTS 20
#define PST_LIFE_POINTS   4

typedef struct pst_life_t {
    int judged;             /**< it was long enough, and all of it is on record */
    int rises;              /**< RSS rose by as much in the second half of its requests as in the first */
    apr_uint64_t gained;    /**< bytes, from its first measured RSS to its end */
    apr_uint64_t requests;
} pst_life_t;

/** The ending child itself. Reads its history on the board, bounded. @param rss what it has now */
void pst_life_judge(pst_life_t *life, const pst_board_t *board, const pst_shared_child_t *child, apr_uint64_t rss);

#endif /* PST_LIFE_H */
