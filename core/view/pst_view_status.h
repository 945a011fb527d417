/* SPDX-License-Identifier: Apache-2.0
 *
 * The section shown on other status pages: only sums.
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
 * @param at_large also figures beyond the balance: peaks, counters, figures of the system
 * @param href     of the page, or NULL
 */
void pst_view_status(pst_emit_t *emit, const pst_total_t *total, pst_status_e as, int at_large, const char *href);

#endif /* PST_VIEW_STATUS_H */
