/* SPDX-License-Identifier: Apache-2.0
 *
 * Another process's memory, read without stopping it: its mappings, and copies of their contents.  Knows Linux, not
 * APR's pools.
 *
 * The process keeps running meanwhile, and may be hostile: every address is looked up in its mappings before it is
 * read, and what is read is only bytes.
 * Command only, one thread.
 */
#ifndef PST_REMOTE_H
#define PST_REMOTE_H

#include <apr_pools.h>
#include <apr_time.h>
#include <stdint.h>
#include <sys/types.h>

/** One mapping, as /proc/PID/maps has it. */
typedef struct pst_range_t {
    uintptr_t    from, to;
    uint64_t     offset;        /**< of `from` in the file */
    uint64_t     device, inode; /**< 0: no file */
    int          readable, writable, shared;
    const char  *path;          /**< "" if it has none; hostile text */
} pst_range_t;

/** A piece to read in one call, and the result. */
typedef struct pst_piece_read_t {
    uintptr_t    at;
    void        *to;
    apr_size_t   size;
    int          done;          /**< set: all of it was read */
} pst_piece_read_t;

typedef struct pst_remote_t {
    pid_t        pid;
    apr_pool_t  *pool;          /**< for texts that stay */
    apr_pool_t  *maps_pool;     /**< for the mappings; cleared when they are read again */
    pst_range_t *ranges;        /**< by address */
    apr_size_t   range_count;
    apr_time_t   looked;        /**< when the mappings were read last */
    apr_time_t   deadline;      /**< no reads after it */
    uint64_t     started;       /**< start of the process, in the kernel's ticks: tells it from a later one with its
                                 * pid */
    int          gone;          /**< it ended */
    int          late;          /**< the deadline passed */
    uint64_t     calls, bytes;  /**< cost of reading */
} pst_remote_t;

/**
 * Begin to read a process.
 * @param limit  time limit for all reads together
 * @param why    set to a sentence if it fails
 * @return APR_SUCCESS; APR_ENOENT: no such process; APR_EACCES: we may not read it
 */
apr_status_t pst_remote_open(pst_remote_t **remote, pid_t pid, apr_time_t limit, const char **why, apr_pool_t *pool);

/** Is there time left? */
int pst_remote_in_time(pst_remote_t *remote);

/**
 * The text of /proc/PID/stat from the third field on, the state: the name before it may contain anything.
 * @param text  room for all of it: 1024 bytes are enough
 * @return in text; NULL: there is no such process
 */
const char *pst_remote_stat(apr_uint32_t pid, char *text, apr_size_t size);

/** When it was started, in ticks since boot. @param stat from pst_remote_stat() @return 0: not given */
uint64_t pst_remote_stat_start(const char *stat);

/** The id by which it knows itself, which differs in a container. @return pid if that is not known */
apr_uint32_t pst_remote_own_id(apr_uint32_t pid);

/** Read the mappings again. Earlier ranges become invalid. */
apr_status_t pst_remote_look(pst_remote_t *remote);

/** The mapping that an address lies in, or NULL. New mappings are found, too. Valid until the next look. */
const pst_range_t *pst_remote_range(pst_remote_t *remote, uintptr_t at);

/** Are all of these bytes mapped readable? */
int pst_remote_is_readable(pst_remote_t *remote, uintptr_t at, apr_size_t size);

/** Can pools be there: is all of it mapped private and writable? */
int pst_remote_is_private(pst_remote_t *remote, uintptr_t at, apr_size_t size);

/** Copy from the process. @return 1: all of it; 0: not mapped, unreadable, process gone, out of time */
int pst_remote_read(pst_remote_t *remote, uintptr_t at, void *to, apr_size_t size);

/** Many copies by few calls, for addresses checked before. Sets `done` of each. */
void pst_remote_read_many(pst_remote_t *remote, pst_piece_read_t *pieces, apr_size_t count);

/**
 * A text that ends within size - 1 bytes, else as much as fits. Always ends in a NUL.
 * @return its length, or -1 if not even its first byte can be read
 */
int pst_remote_text(pst_remote_t *remote, uintptr_t at, char *to, apr_size_t size);

/** Is it still the same process? */
int pst_remote_alive(pst_remote_t *remote);

#endif /* PST_REMOTE_H */
