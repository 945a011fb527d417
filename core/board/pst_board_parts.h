/* SPDX-License-Identifier: Apache-2.0
 *
 * What the board's parts share: the layout (pst_board_layout.c) and the file that holds it (pst_board_file.c).
 *
 * Called by: parent, reader
 */
#ifndef PST_BOARD_PARTS_H
#define PST_BOARD_PARTS_H

#include "pst_board.h"

/** Compute the layout of a board with these counts. @return APR_EINVAL for counts out of range */
apr_status_t pst_board_shape(pst_board_t *board, apr_uint32_t child_count, apr_uint32_t slot_count, apr_uint32_t fine,
                             apr_uint32_t interval);

/** Fill in a header in private memory: header_size bytes of zeros, including the descriptors. */
void pst_board_fill_header(pst_shared_header_t *header, const pst_board_t *board, const pst_board_about_t *about);

#endif /* PST_BOARD_PARTS_H */
