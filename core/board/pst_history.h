/* SPDX-License-Identifier: Apache-2.0
 *
 * History: the figures of each child, one point per interval, in rings on the board.
 *
 *   gather   pst_history_start() and pst_history_beat(): the child's watchdog
 *            thread or, if there is none, the parent
 *   read     pst_history_find(), pst_history_read(): anyone; copies, checks, and restores what the ring keeps in 32
 *            bits
 *
 * Nothing here blocks, allocates on the writing side, or stops a worker: the
 * writer only reads what the workers count.  APR only.
 *
 * Called by: start (pst_history_start), watchdog, parent (pst_history_beat), reader
 */
#ifndef PST_HISTORY_H
#define PST_HISTORY_H

#include "pst_board.h"

/** One moment of a child, in bytes.  held = process + connections + requests + buckets + retained, always. */
typedef struct pst_history_point_t {
    apr_uint64_t time;
    apr_uint64_t process, connections, requests, buckets, retained, held, peak;
    apr_uint64_t connections_open;
    apr_uint64_t requests_finished;
    apr_uint64_t process_pools;                     /**< live pools of the process scope */
    apr_uint64_t process_new, process_again;        /**< the part of process that came with requests new to the child,
                                                         and with others */
    apr_uint64_t requests_new, requests_new_open;   /**< requests new to the child; those of them that were open then */
    apr_uint64_t heap_read;                         /**< when the heap was queried: for comparison with other points */
    apr_uint64_t slack;                             /**< of all scopes, in whole pages */
    /* the books, as last measured; 0: not yet. RSS + swap + not resident = held + heap + rest + unexplained, once
     * maps has been measured */
    apr_uint64_t rss, pss, private_dirty, swap, heap_in_use, heap_free, heap_arenas;
    apr_uint64_t file, shmem, stacks, data, other, unexplained, not_resident;
} pst_history_point_t;

/** Whose history it is. */
typedef struct pst_history_about_t {
    apr_uint32_t index;         /**< of its block */
    apr_uint32_t pid;
    apr_uint32_t generation;
    pst_level_e  level;
    pst_end_e    ended_how;
    int          alive;
    apr_uint64_t started, ended;
    apr_uint32_t points;        /**< number of readable fine points */
    apr_uint64_t written;       /**< number of fine points ever */
} pst_history_about_t;

typedef struct pst_history_t {
    pst_history_about_t about;
    pst_history_point_t *fine, *coarse;     /**< oldest first */
    apr_uint32_t fine_count, coarse_count;
} pst_history_t;

/**
 * Child: begin the history of a block just claimed. Reserves its room in the file system, so that a full disk is an
 * error here and not a signal later.
 * @return APR_SUCCESS; APR_ENOTIMPL if the board has no histories or child is not one of its blocks; else the
 *         system's error: then nothing is recorded
 */
apr_status_t pst_history_start(const pst_board_t *board, pst_shared_child_t *child);

/**
 * Writer: add a point if one is due, which is once per clock interval (so the points of all children are from the
 * same moments). Call it more often than that.
 * @return 0 if none was due, 1 if a fine point was added, 2 if also a coarse one
 */
int pst_history_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

/** @return whether block i has a history, of a running or ended child; then about is filled in. Any process. */
int pst_history_about(pst_history_about_t *about, const pst_board_t *board, apr_uint32_t i);

/**
 * When was the child of block i last heard from: its newest point, its books, its end, or at least its start? Any
 * process.
 * @return a time, not after now; 0 if the block was never used
 */
apr_uint64_t pst_history_last_sign(const pst_board_t *board, apr_uint32_t i, apr_uint64_t now);

/** Find the history of the child, running or last to have this pid. @return 0 if there is none. Any process. */
int pst_history_find(pst_history_about_t *about, const pst_board_t *board, apr_uint32_t pid);

/** Room for the points of one history. */
void pst_history_room(pst_history_t *history, const pst_board_t *board, apr_pool_t *pool);

/**
 * Copy. Any process.
 * @param history has room, and says in about which one
 * @return 0 if the block changed hands meanwhile: then the result is empty
 */
int pst_history_read(pst_history_t *history, const pst_board_t *board);

/** Leave out the points up to since, in the milliseconds that JSON prints: a repeated caller already has them. 0:
 *  keep all. */
void pst_history_leave_out(pst_history_t *history, apr_uint64_t since);

/** The word for an end, as all views print it; "?" if out of range. */
const char *pst_history_end_word(unsigned how);

/** The words for the writer; "?" if out of range. */
const char *pst_history_by_word(unsigned by);

#endif /* PST_HISTORY_H */
