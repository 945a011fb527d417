/* SPDX-License-Identifier: Apache-2.0
 *
 * Which board?  That of --file, that of the process --pid, else that of the one server that runs and whose board
 * is root's or the caller's own, told by what processes have mapped; if none does, the board that a dead one left.
 */
#ifndef POOLSTAT_FIND_H
#define POOLSTAT_FIND_H

#include "poolstat_asked.h"
#include "poolstat_servers.h"
#include "pst_board.h"

typedef struct poolstat_board_t {
    pst_board_t  board;
    char         path[PATH_MAX + 64]; /**< as people know it; escape it */
    char         way[PATH_MAX + 64];  /**< how it was opened: may lead through /proc */
    int          is_found;      /**< by us, not named by --file: device and inode say which file it must be */
    int          way_is_link;
    dev_t        device;
    ino_t        inode;
    poolstat_pids_t users;      /**< ascending by name */
    int          is_inner;      /**< they live in a PID namespace of their own: names are not ids here */
    apr_time_t   looked;        /**< when they were all known; 0: some may not have been seen */
    apr_pool_t  *looks;         /**< of later looks for them, or NULL */
    apr_uint32_t parent;        /**< as the board says; 0 if no such process uses the board */
    apr_uint32_t child;         /**< the child that --pid named, by the board's name, else 0 */
    int          is_gone;       /**< nobody uses it: its server is dead */
    int          is_unsure;     /**< nobody was seen to use it, but not all processes could be looked at */
    apr_uint64_t as_of;         /**< of what time its figures then are; else 0 */
    int          objects;       /**< functions are looked up in a process of the server: poolstat_objects() */
    int          is_foreign;    /**< of another version: nothing is mapped, foreign can be read */
    int          foreign;       /**< its descriptor, else -1 */
} poolstat_board_t;

/**
 * Find and open.  Complains on stderr, and says there if the server is dead.
 * @param options filter.pid and filter.gone are set where the board that was found asks for it
 * @param foreign a board of another version is no error: is_foreign is set
 * @return -1 to go on, else the status to end with; to be closed in any case
 */
int poolstat_open(poolstat_board_t *to, poolstat_options_t *options, int foreign, apr_pool_t *pool);

void poolstat_close(poolstat_board_t *board);

/** Has the board been made anew, or damaged, since it was opened?  Then open it again. */
int poolstat_is_stale(const poolstat_board_t *board);

/**
 * For who looks again and again: did the server end meanwhile?  Then say so, and show what it left.
 * Costs nothing while its parent lives, and no more memory at the thousandth look than at the second.
 * @param pool of the board: what keeps who uses it is made of it
 */
void poolstat_refresh(poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool);

/** Does a process use the board that it calls by this id? */
int poolstat_uses(const poolstat_board_t *board, apr_uint32_t named);

/** The id by which /proc has the process that the board calls so.  @return 0: not known */
apr_uint32_t poolstat_pid_here(const poolstat_board_t *board, apr_uint32_t named);

#endif /* POOLSTAT_FIND_H */
