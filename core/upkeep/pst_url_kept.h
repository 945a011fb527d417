/* SPDX-License-Identifier: Apache-2.0
 *
 * Requested URLs of children that have ended: kept for the server's lifetime.
 *
 * The parent adds a child's table when it frees the child's block. It keeps the sum in private memory; the board gets
 * a copy and is never read back. A child can lie about what it served: it then spoils figures of the sum, by no more
 * than any process can have, and nothing else.
 *
 * Called by: parent
 */
#ifndef PST_URL_KEPT_H
#define PST_URL_KEPT_H

#include "pst_board.h"

/** What the parent keeps; initially zeros. */
typedef struct pst_url_kept_t {
    apr_uint32_t count;                             /**< rows, including row 0; 0: none yet */
    pst_shared_url_t rows[PST_URL_KEPT_COUNT];
} pst_url_kept_t;

/** Parent: publish what is kept on a new board. */
void pst_url_kept_publish(const pst_url_kept_t *kept, const pst_board_t *board);

/**
 * Parent: free a child's block, and add its requested URLs. Readers count them exactly once at any moment.
 * @param kept  may be NULL
 * @return whether it was freed
 */
int pst_url_kept_release(pst_url_kept_t *kept, const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t pid);

#endif /* PST_URL_KEPT_H */
