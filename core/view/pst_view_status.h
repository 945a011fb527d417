/* SPDX-License-Identifier: Apache-2.0
 *
 * The section that other pages of status show: sums alone.
 */
#ifndef PST_VIEW_STATUS_H
#define PST_VIEW_STATUS_H

#include "pst_emit.h"
#include "pst_snapshot.h"

typedef enum {
    PST_STATUS_TABLE,       /**< HTML */
    PST_STATUS_LIST,        /**< HTML without tables */
    PST_STATUS_TEXT         /**< TEXT: lines PoolStat...: */
} pst_status_e;

/**
 * @param total    from pst_snapshot_heads() or a snapshot; NULL: there is no board
 * @param at_large also figures that are more than the balance: peaks, counters, what the system says
 * @param href     of the page, or NULL
 */
void pst_view_status(pst_emit_t *emit, const pst_total_t *total, pst_status_e as, int at_large, const char *href);

#endif /* PST_VIEW_STATUS_H */
