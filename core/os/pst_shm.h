/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared mappings of this process, by what backs them: a file, an unnamed segment, a System V segment.
 *
 * Called by: parent
 */
#ifndef PST_SHM_H
#define PST_SHM_H

#include <apr_errno.h>

#define PST_SHM_NAME 64

/** What backs one or more mappings, with their totals. */
typedef struct pst_shm_t {
    apr_uint64_t device, inode; /**< its identity: the same in each process for as long as it exists */
    apr_uint64_t from;          /**< where the first of its mappings begins */
    apr_uint64_t bytes;         /**< mapped */
    apr_uint64_t rss, pss;      /**< resident; 0 if not requested */
    char         name[PST_SHM_NAME]; /**< as the kernel names it, without directories: "zero (deleted)"; cut */
} pst_shm_t;

/** A reader of maps or smaps, fed piece by piece. Zero it, set what is named, feed. */
typedef struct pst_shm_reader_t {
    pst_shm_t   *to;
    unsigned     room;
    unsigned     count;         /**< filled */
    unsigned     more;          /**< mappings that did not fit */
    /* private */
    pst_shm_t   *now;
    char         line[256];
    unsigned     len;
} pst_shm_reader_t;

void pst_shm_feed(pst_shm_reader_t *reader, const char *text, apr_size_t len);

/**
 * Read them. Allocates nothing; takes time in proportion to the number of mappings.
 * @param resident  also read how much of each is resident, which costs more for larger mappings
 * @return APR_SUCCESS, or why /proc cannot be read
 */
apr_status_t pst_shm_read(pst_shm_reader_t *reader, int resident);

#endif /* PST_SHM_H */
