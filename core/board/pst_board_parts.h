/* SPDX-License-Identifier: Apache-2.0
 *
 * What the board's parts share: the layout (pst_board.c) and the file it lies in (pst_board_file.c).
 *
 * Called by: parent, reader
 */
#ifndef PST_BOARD_PARTS_H
#define PST_BOARD_PARTS_H

#include "pst_board.h"

/** Where everything lies on a board of these counts. @return APR_EINVAL for what is out of range */
apr_status_t pst_board_shape(pst_board_t *board, apr_uint32_t child_count, apr_uint32_t slot_count, apr_uint32_t fine,
                             apr_uint32_t interval);

/** Fill in a header in private memory: header_size bytes of zeros, descriptors and all. */
void pst_board_fill_header(pst_shared_header_t *header, const pst_board_t *board, const pst_board_about_t *about);

/** Are the numbers of this header those of a board of this version and size? Shapes the board by them. */
apr_status_t pst_board_check_header(pst_board_t *board, const pst_shared_header_t *header, apr_uint64_t file_size);

#endif /* PST_BOARD_PARTS_H */
