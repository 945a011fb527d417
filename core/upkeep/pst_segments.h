/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared memory of the parent: which segments there are, how large, and which module made them as it was configured.
 *
 * Whatever was not there before a module's hook and is there afterwards, the module made.  A segment is told from
 * others by its file or, where it has none, by that which the kernel has for it.
 *
 * The parent alone, at moments when it has nothing else to do: as a configuration is read, and once in a while.
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

/** What the parent keeps, also across reloads. Zeros: nothing yet. */
typedef struct pst_segments_t {
    pst_segment_known_t known[PST_SEGMENTS_KNOWN];
    apr_uint32_t count, more;
} pst_segments_t;

/**
 * What is there now. Those that are new are of this generation and made by `maker`, those that are gone are forgotten.
 * Reads /proc/self/maps, or smaps. @param maker "" if that is not known @return 0 if it cannot be read
 */
int pst_segments_look(pst_segments_t *segments, apr_uint32_t generation, const char *maker, int resident);

/** Who made what is still there of a generation's, most bytes first. Names are empty where there is nobody more. */
void pst_segments_makers(const pst_segments_t *segments, apr_uint32_t generation,
                         pst_shared_maker_t makers[PST_MAKER_COUNT]);

/** What is known of some segments by other ways. */
typedef struct pst_segments_hints_t {
    const void  *scoreboard;    /**< an address in httpd's scoreboard; NULL: not known */
    apr_uint64_t board_inode;
} pst_segments_hints_t;

/** Write what was seen last onto the board. */
void pst_segments_publish(const pst_segments_t *segments, const pst_board_t *board, const pst_segments_hints_t *hints,
                          apr_uint64_t now);

/** Add to whoever has that name, or to a free entry; if there is neither, to nobody. Then most first. */
void pst_makers_add(pst_shared_maker_t *makers, unsigned count, const char *name, apr_uint64_t bytes);

#endif /* PST_SEGMENTS_H */
