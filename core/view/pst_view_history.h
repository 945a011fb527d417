/* SPDX-License-Identifier: Apache-2.0
 *
 * Histories for programs: JSON, through the emitter.
 */
#ifndef PST_VIEW_HISTORY_H
#define PST_VIEW_HISTORY_H

#include "pst_emit.h"
#include "pst_history.h"

/** The points of one child, alive or gone. Any process. @return APR_SUCCESS, or what the sink said so far */
apr_status_t pst_view_history(pst_emit_t *emit, const pst_history_t *history, const pst_board_t *board);

/** Corrects a child's entry by what is known beyond the board. */
typedef void (*pst_view_correct_fn)(void *baton, pst_history_about_t *about);

/**
 * Which histories there are: children alive, and the last ones gone.
 * @param correct called for each before it is printed; NULL: there is nothing beyond the board
 */
apr_status_t pst_view_histories(pst_emit_t *emit, const pst_board_t *board, pst_view_correct_fn correct, void *baton);

#endif /* PST_VIEW_HISTORY_H */
