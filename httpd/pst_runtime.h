/* SPDX-License-Identifier: Apache-2.0
 *
 * This process: its board, and whether it gathers. Set by httpd/mod_poolstat_process.c, read by all
 * others.
 */
#ifndef PST_RUNTIME_H
#define PST_RUNTIME_H

#include "pst_board.h"

/** Written by mod_poolstat_process.c alone, before the process has other threads. */
extern struct pst_runtime_t {
    const pst_board_t *board;   /**< valid for the life of the process, or NULL */
    const char *why_none;       /**< why there is no board: a sentence */
    int         gathers;
} pst_runtime;

/**
 * The board of this server.  Any process, any thread.
 * @param why  if there is none: a sentence that says why, never NULL then
 * @return the board, valid for the life of the process, or NULL
 */
static APR_INLINE const pst_board_t *pst_runtime_board(const char **why)
{
    *why = pst_runtime.board ? NULL : pst_runtime.why_none;
    return pst_runtime.board;
}

/** Child: does this process gather? If it does not, the hooks of connections and requests do nothing. */
static APR_INLINE int pst_runtime_gathers(void)
{
    return pst_runtime.gathers;
}

/** After reading other children's parts of the board: release their pages. Any thread, never blocks. */
void pst_runtime_give_back(void);

#endif /* PST_RUNTIME_H */
