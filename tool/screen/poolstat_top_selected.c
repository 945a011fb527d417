/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat top: the selected child and connection, by pid and serial.  See poolstat_top.h.
 */
#include "poolstat_top.h"

const pst_child_row_t *top_child(const top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (child->head.owner == top->pid && child->head.started == top->started) {
            return child;
        }
    }
    return NULL;
}

const pst_row_t *top_connection(const top_t *top)
{
    const pst_child_row_t *child = top_child(top);

    for (apr_uint32_t i = 0; child && i < child->shown; i++) {
        const pst_row_t *row = top->session.snapshot.rows[child->first + i];

        if (row->slot.id == top->id) {
            return row;
        }
    }
    return NULL;
}

unsigned top_count(const top_t *top)
{
    const pst_child_row_t *child;

    if (top->screen == TOP_CHILDREN) {
        return top->session.snapshot.child_count;
    }
    child = top->screen == TOP_CHILD ? top_child(top) : NULL;
    return child ? child->shown : 0;
}
