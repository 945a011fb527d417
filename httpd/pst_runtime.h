/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the glue know of this process: its board, its block, how it
 * is instrumented.  Set up by httpd/pst_runtime.c, read by hooks and handler.
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

/** This child's level (pst_level_e) and, if it is not PST_LEVEL_FULL, why. */
pst_level_e pst_runtime_level(const char **reason);

#endif /* PST_RUNTIME_H */
