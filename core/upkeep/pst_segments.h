/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory of the parent: which segments there are, how large, and which module made them while being configured.
 *
 * A segment that appears during a module's hook was made by that module. A segment is identified by its file or, if
 * it has none, by the kernel's own file for it.
 *
 * Parent only, when it has nothing else to do: while a configuration is read, and once in a while.
 *
 * Called by: parent
 */
#ifndef PST_SEGMENTS_H
#define PST_SEGMENTS_H

#include "pst_board.h"
#include "pst_shm.h"

#define PST_SEGMENTS_KNOWN 256

typedef struct pst_segment_known_t {
    pst_shm_t    shm;
    apr_uint32_t generation;    /**< in which it was first seen */
    char         maker[PST_MODULE_LEN]; /**< empty: not known */
} pst_segment_known_t;

/** What the parent keeps, even across reloads. Zeros: nothing yet. */
typedef struct pst_segments_t {
    pst_segment_known_t known[PST_SEGMENTS_KNOWN];
    apr_uint32_t count, more;
} pst_segments_t;

/**
 * Look at the current segments. New ones belong to this generation and were made by `maker`; missing ones are
 * forgotten. Reads /proc/self/maps, or smaps. @param maker "" if that is not known @return 0 if it cannot be read
 */
int pst_segments_look(pst_segments_t *segments, apr_uint32_t generation, const char *maker, int resident);

/** Who made the segments of a generation that still exist, largest first. Unused entries have empty names. */
void pst_segments_makers(const pst_segments_t *segments, apr_uint32_t generation,
                         pst_shared_maker_t makers[PST_MAKER_COUNT]);

/** What is known about some segments from elsewhere. */
typedef struct pst_segments_hints_t {
    const void  *scoreboard;    /**< an address in httpd's scoreboard; NULL: not known */
    apr_uint64_t board_inode;
} pst_segments_hints_t;

/** Publish the result of the last look on the board. */
void pst_segments_publish(const pst_segments_t *segments, const pst_board_t *board, const pst_segments_hints_t *hints,
                          apr_uint64_t now);

/** Add to the entry with that name, or to a free one; if there is neither, drop it. Then sort, largest first. */
void pst_makers_add(pst_shared_maker_t *makers, unsigned count, const char *name, apr_uint64_t bytes);

#endif /* PST_SEGMENTS_H */
