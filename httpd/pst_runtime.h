/* SPDX-License-Identifier: Apache-2.0
 *
 * What the faces need to know of this process: its board.  Set up by
 * httpd/mod_poolstat_process.c, read by the handler.
 */
#ifndef PST_RUNTIME_H
#define PST_RUNTIME_H

#include <httpd.h>
#include "pst_board.h"

/**
 * The board of this server.  Any process, any thread.
 * @param why  if there is none: a sentence that says why, never NULL then
 * @return the board, valid for the life of the process, or NULL
 */
const pst_board_t *pst_runtime_board(const char **why);

#endif /* PST_RUNTIME_H */
