/* SPDX-License-Identifier: Apache-2.0
 *
 * Which servers are there?  A server is known by its work: a process that has a file mapped for writing
 * which begins as a board does.  So neither the file's name nor httpd's matters, nor where PoolStatFile put it, nor
 * whether the server lives in another mount namespace.  Readers map it too, but never for writing.
 *
 * Anybody can map such a file: what counts is whose it is.
 */
#ifndef POOLSTAT_SERVERS_H
#define POOLSTAT_SERVERS_H

#include "pst_board.h"

#include <apr_time.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

/** A process: in a container it has another id than here. */
typedef struct poolstat_pid_t {
    apr_uint32_t pid;           /**< by which /proc has it here */
    apr_uint32_t named;         /**< by which it knows itself, and the board it */
} poolstat_pid_t;

/** Processes. */
typedef struct poolstat_pids_t {
    poolstat_pid_t *at;         /**< ascending, a server's by pid */
    unsigned count, room;
} poolstat_pids_t;

/** A board that processes have mapped for writing. */
typedef struct poolstat_server_t {
    dev_t device, opened_device;    /**< as maps and as stat() have it */
    ino_t inode;
    uid_t owner;
    int   is_ours;              /**< by poolstat_is_ours() */
    int   is_deleted;           /**< the name is gone: children of an old configuration use it */
    apr_uint32_t parent;        /**< as its header says */
    char  path[PATH_MAX + 64], way[PATH_MAX + 64];  /**< as people know it; how it was opened */
    int   way_is_link;          /**< of the kernel's own, to the file itself */
    poolstat_pids_t users;
} poolstat_server_t;

#define POOLSTAT_SERVERS 64     /**< that run at a time, as far as we tell them apart */
#define POOLSTAT_OTHERS  8      /**< of these, that are not ours to show unasked */

typedef struct poolstat_servers_t {
    poolstat_server_t *at[POOLSTAT_SERVERS + POOLSTAT_OTHERS];
    unsigned count, others;     /**< entries; those that are not ours */
    int refused;                /**< processes whose maps we may not read */
    int cut;                    /**< not all was looked at: there was too much, or too little time */
    apr_pool_t *pool;
    apr_time_t until;
} poolstat_servers_t;

/** Does this file belong to root or to the caller, and may only its owner write it?  Others' are shown to who asks for
 *  them. */
int poolstat_is_ours(const struct stat *about);

/** Of all processes, or (only) of one. */
void poolstat_servers_find(poolstat_servers_t *servers, apr_uint32_t only, apr_pool_t *pool);

/**
 * Of those that a board names, as many as it has blocks, and of those that were known: cheaper than all there are.
 * Finds none of a container, but for known ones: their names are other processes' here.
 */
void poolstat_servers_named(poolstat_servers_t *servers, const pst_board_t *board, const poolstat_pids_t *known,
                            apr_pool_t *pool);

/** Say which there are: by what to choose one, whose, where and since when it serves. */
void poolstat_servers_list(const poolstat_servers_t *servers);

/** Say which were left out since their boards are other users'.  Nothing if there are none. */
void poolstat_servers_say_others(const poolstat_servers_t *servers);

#endif /* POOLSTAT_SERVERS_H */
