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

/** Which histories there are: children alive, and the last ones gone. */
apr_status_t pst_view_histories(pst_emit_t *emit, const pst_board_t *board);

#endif /* PST_VIEW_HISTORY_H */
