/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared mappings of this process, by what lies behind them: a file, a segment without a name, one of System V.
 *
 * Called by: parent
 */
#ifndef PST_SHM_H
#define PST_SHM_H

#include <apr_errno.h>

#define PST_SHM_NAME 64

/** What a few mappings have behind them, all of them together. */
typedef struct pst_shm_t {
    apr_uint64_t device, inode; /**< whose: the same in each process and for as long as it lives */
    apr_uint64_t from;          /**< where the first of its mappings begins */
    apr_uint64_t bytes;         /**< mapped */
    apr_uint64_t rss, pss;      /**< resident; 0 if not asked for */
    char         name[PST_SHM_NAME]; /**< as the kernel has it, without folders: "zero (deleted)"; cut */
} pst_shm_t;

/** A reader of maps or smaps, fed piece by piece. Zero it, set what is named, feed. */
typedef struct pst_shm_reader_t {
    pst_shm_t   *to;
    unsigned     room;
    unsigned     count;         /**< filled */
    unsigned     more;          /**< mappings for which there was no room */
    /* private */
    pst_shm_t   *now;
    char         line[256];
    unsigned     len;
} pst_shm_reader_t;

void pst_shm_feed(pst_shm_reader_t *reader, const char *text, apr_size_t len);

/**
 * Read them. Allocates nothing; as long as there are mappings.
 * @param resident  also how much of each is resident, which costs more the more there is
 * @return APR_SUCCESS, or why /proc cannot be read
 */
apr_status_t pst_shm_read(pst_shm_reader_t *reader, int resident);

#endif /* PST_SHM_H */
