/* SPDX-License-Identifier: Apache-2.0
 *
 * Room for a part of the board on its disk, before it is touched.  See pst_board.h.
 */
#include "pst_board.h"

#include <errno.h>
#include <fcntl.h>

apr_status_t pst_board_room(const pst_board_t *board, apr_uint64_t at, apr_uint64_t size)
{
    int failed = board->fd < 0 ? 0 : posix_fallocate(board->fd, (off_t)at, (off_t)size);

    /* a file system that cannot say: rely on the guard */
    return failed == EINVAL || failed == EOPNOTSUPP ? APR_SUCCESS : failed;
}
