/* SPDX-License-Identifier: Apache-2.0
 *
 * What children that are gone were asked for: kept for the server's life.
 *
 * The parent adds a child's table as it frees its block. What it keeps is its own, in private memory; the board gets a
 * copy, and is never read back. A child can lie about what it served: it then spoils figures of the sum, by no more
 * than any process can have, and nothing else.
 *
 * Called by: parent
 */
#ifndef PST_URL_KEPT_H
#define PST_URL_KEPT_H

#include "pst_board.h"

/** What the parent keeps; zeros at first. */
typedef struct pst_url_kept_t {
    apr_uint32_t count;                             /**< rows, row 0 among them; 0: none yet */
    pst_shared_url_t rows[PST_URL_KEPT_COUNT];
} pst_url_kept_t;

/** Parent: a board that was made anew gets what is kept. */
void pst_url_kept_publish(const pst_url_kept_t *kept, const pst_board_t *board);

/**
 * Parent: free a child's block, and add what it was asked for. Readers count it once at any moment.
 * @param kept  may be NULL
 * @return whether it was freed
 */
int pst_url_kept_release(pst_url_kept_t *kept, const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t pid);

#endif /* PST_URL_KEPT_H */
