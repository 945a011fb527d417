/* SPDX-License-Identifier: Apache-2.0
 *
 * Which servers are there?  A server is recognised by what it does: it is a process that has a file mapped for
 * writing which begins like a board. So neither the file's name nor httpd's matters, nor where PoolStatFile put it,
 * nor whether the server is in another mount namespace.  Readers map it too, but never for writing.
 *
 * Anybody can map such a file: what counts is who owns it.
 */
#ifndef POOLSTAT_SERVERS_H
#define POOLSTAT_SERVERS_H

#include "pst_board.h"

#include <apr_time.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

/** A process: in a container its id there differs from the one here. */
typedef struct poolstat_pid_t {
    apr_uint32_t pid;           /**< its id in /proc here */
    apr_uint32_t named;         /**< its id as the process and the board know it */
} poolstat_pid_t;

/** Processes. */
typedef struct poolstat_pids_t {
    poolstat_pid_t *at;         /**< ascending, a server's by pid */
    unsigned count, room;
} poolstat_pids_t;

/** A board that processes have mapped for writing. */
typedef struct poolstat_server_t {
    dev_t device, opened_device;    /**< from maps, and from stat() */
    ino_t inode;
    uid_t owner;
    int   is_ours;              /**< by poolstat_is_ours() */
    int   is_deleted;           /**< the name is gone: children of an old configuration use it */
    apr_uint32_t parent;        /**< from its header */
    char  path[PATH_MAX + 64], way[PATH_MAX + 64];  /**< as people know it; how it was opened */
    int   way_is_link;          /**< it is the kernel's own link to the file */
    poolstat_pids_t users;
} poolstat_server_t;

#define POOLSTAT_SERVERS 64     /**< the most servers at a time */
#define POOLSTAT_OTHERS  8      /**< of these, the most that are not shown unless asked for */

typedef struct poolstat_servers_t {
    poolstat_server_t *at[POOLSTAT_SERVERS + POOLSTAT_OTHERS];
    unsigned count, others;     /**< entries; those that are not ours */
    int refused;                /**< processes whose maps we may not read */
    int cut;                    /**< not everything was examined: there was too much, or too little time */
    apr_pool_t *pool;
    apr_time_t until;
} poolstat_servers_t;

/** Does this file belong to root or to the caller, and may only its owner write to it? Other boards are shown only if
 *  asked for. */
int poolstat_is_ours(const struct stat *about);

/** Search all processes, or (only) one. */
void poolstat_servers_find(poolstat_servers_t *servers, apr_uint32_t only, apr_pool_t *pool);

/**
 * Search those that a board names, up to its number of blocks, and those already known: cheaper than a search of
 * all. In a container only known ones are found: their ids belong to other processes here.
 */
void poolstat_servers_named(poolstat_servers_t *servers, const pst_board_t *board, const poolstat_pids_t *known,
                            apr_pool_t *pool);

/** List them: how to choose one, whose it is, and where and since when it serves. */
void poolstat_servers_list(const poolstat_servers_t *servers);

/** Say which were left out because their boards belong to other users.  Nothing if there are none. */
void poolstat_servers_say_others(const poolstat_servers_t *servers);

#endif /* POOLSTAT_SERVERS_H */
