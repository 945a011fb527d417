/* SPDX-License-Identifier: Apache-2.0
 *
 * Another process's memory, read without stopping it: its mappings, and copies
 * of what lies in them.  Knows Linux, not APR's pools.
 *
 * The process goes on running meanwhile, and may be hostile: every address is looked
 * up in its mappings before it is read, and what is read is nothing but bytes.
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
    uint64_t     device, inode; /**< 0: of no file */
    int          readable, writable, shared;
    const char  *path;          /**< "" if it has none; hostile text */
} pst_range_t;

/** What is asked for in one call, and what became of it. */
typedef struct pst_piece_read_t {
    uintptr_t    at;
    void        *to;
    apr_size_t   size;
    int          done;          /**< set: all of it was read */
} pst_piece_read_t;

typedef struct pst_remote_t {
    pid_t        pid;
    apr_pool_t  *pool;          /**< of texts that stay */
    apr_pool_t  *maps_pool;     /**< of the mappings, and cleared when they are read anew */
    pst_range_t *ranges;        /**< by address */
    apr_size_t   range_count;
    apr_time_t   looked;        /**< when the mappings were read last */
    apr_time_t   deadline;      /**< no reads after it */
    uint64_t     started;       /**< of the process, in the kernel's ticks: tells it from the next with its pid */
    int          gone;          /**< it ended */
    int          late;          /**< the deadline passed */
    uint64_t     calls, bytes;  /**< what reading took */
} pst_remote_t;

/**
 * Begin to read a process.
 * @param limit  time that all reads together may take
 * @param why    set to a sentence if it fails
 * @return APR_SUCCESS; APR_ENOENT: no such process; APR_EACCES: not for us to read
 */
apr_status_t pst_remote_open(pst_remote_t **remote, pid_t pid, apr_time_t limit, const char **why, apr_pool_t *pool);

/** Is there time left? */
int pst_remote_in_time(pst_remote_t *remote);

/**
 * What /proc/PID/stat says from its state on, the third field: the name before it may hold anything.
 * @param text  room for all of it: 1024 bytes are enough
 * @return in text; NULL: there is no such process
 */
const char *pst_remote_stat(apr_uint32_t pid, char *text, apr_size_t size);

/** When it was started, in ticks since the machine was. @param stat of pst_remote_stat() @return 0: it does not say */
uint64_t pst_remote_stat_start(const char *stat);

/** By which id it knows itself: in a container another one than here.  @return pid where that is not known */
apr_uint32_t pst_remote_own_id(apr_uint32_t pid);

/** Read the mappings anew. Ranges got before are gone. */
apr_status_t pst_remote_look(pst_remote_t *remote);

/** The mapping that an address lies in, or NULL. Mappings that came meanwhile are found. Valid until the next look. */
const pst_range_t *pst_remote_range(pst_remote_t *remote, uintptr_t at);

/** Are all of these bytes mapped to be read? */
int pst_remote_is_readable(pst_remote_t *remote, uintptr_t at, apr_size_t size);

/** Is this where pools can lie: mapped private and writable, all of it? */
int pst_remote_is_private(pst_remote_t *remote, uintptr_t at, apr_size_t size);

/** Copy from the process. @return 1: all of it; 0: not mapped, unreadable, process gone, out of time */
int pst_remote_read(pst_remote_t *remote, uintptr_t at, void *to, apr_size_t size);

/** Many copies by few calls, for addresses that were checked before. Sets each one's done. */
void pst_remote_read_many(pst_remote_t *remote, pst_piece_read_t *pieces, apr_size_t count);

/**
 * A text that ends within size - 1 bytes, else what there is of it. Always ends in a NUL.
 * @return its length, or -1 if not even its first byte can be read
 */
int pst_remote_text(pst_remote_t *remote, uintptr_t at, char *to, apr_size_t size);

/** Is the process still the one we began with? */
int pst_remote_alive(pst_remote_t *remote);

#endif /* PST_REMOTE_H */
