/* SPDX-License-Identifier: Apache-2.0
 *
 * Which board? The one given by --file, that of the process --pid, else that of the only running server whose
 * board belongs to root or the caller, found by what processes have mapped; if none runs, the board that a dead
 * one left.
 */
#ifndef POOLSTAT_FIND_H
#define POOLSTAT_FIND_H

#include "poolstat_asked.h"
#include "poolstat_servers.h"
#include "pst_board.h"

typedef struct poolstat_board_t {
    pst_board_t  board;
    char         path[PATH_MAX + 64]; /**< as people know it; escape before printing */
    char         way[PATH_MAX + 64];  /**< how it was opened: may lead through /proc */
    int          is_found;      /**< found by us, not given by --file: device and inode say which file it must be */
    int          way_is_link;
    dev_t        device;
    ino_t        inode;
    poolstat_pids_t users;      /**< ascending by name */
    int          is_inner;      /**< they are in another PID namespace: their names are not ids here */
    apr_time_t   looked;        /**< when all of them were known; 0: some may not have been seen */
    apr_pool_t  *looks;         /**< for later searches, or NULL */
    apr_uint32_t parent;        /**< from the board; 0 if no such process uses the board */
    apr_uint32_t child;         /**< the child given by --pid, by the board's id, else 0 */
    int          is_gone;       /**< nobody uses it: its server is dead */
    int          is_unsure;     /**< nobody was seen using it, but not all processes could be examined */
    apr_uint64_t as_of;         /**< if so, the time of its figures; else 0 */
    int          objects;       /**< functions are looked up in a process of the server: poolstat_objects() */
    int          is_foreign;    /**< of another version: nothing is mapped, `foreign` can be read */
    int          foreign;       /**< its descriptor, else -1 */
} poolstat_board_t;

/**
 * Find and open.  Complains on stderr, and says there if the server is dead.
 * @param options filter.pid and filter.gone are set if the board that was found requires it
 * @param foreign a board of another version is not an error: is_foreign is set
 * @return -1 to go on, else the status to end with; close it in any case
 */
int poolstat_open(poolstat_board_t *to, poolstat_options_t *options, int foreign, apr_pool_t *pool);

void poolstat_close(poolstat_board_t *board);

/** Has the board been recreated, or damaged, since it was opened? Then open it again. */
int poolstat_is_stale(const poolstat_board_t *board);

/**
 * For callers that look repeatedly: did the server end meanwhile? Then say so, and show what it left.
 * Costs nothing while its parent lives, and no more memory at the thousandth look than at the second.
 * @param pool of the board: the record of its users is allocated from it
 */
void poolstat_refresh(poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool);

/** Does the process that the board knows by this id use the board? */
int poolstat_uses(const poolstat_board_t *board, apr_uint32_t named);

/** The id in /proc of the process that the board knows by this id.  @return 0: not known */
apr_uint32_t poolstat_pid_here(const poolstat_board_t *board, apr_uint32_t named);

#endif /* POOLSTAT_FIND_H */
