/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations: what each reading of the configuration cost, so that growth from one graceful
 * restart to the next can be seen.  The last PST_GENERATION_COUNT are on the board.
 *
 * The parent says what it has when a generation begins; each child adds itself as it begins and as
 * it ends; the parent counts those that ended without a word.  What reads them is
 * core/snapshot/pst_snapshot_generations.h.
 *
 * The parent is never patched: its pools are walked, by the proven mirror, at a moment
 * when it has one thread.
 *
 * Called by: parent, start (pst_generation_child_starts), end (pst_generation_child_ends)
 */
#ifndef PST_GENERATION_H
#define PST_GENERATION_H

#include <apr_pools.h>
#include "pst_board.h"
#include "pst_url_kept.h"

/** What the parent has as a generation begins; 0: not known. */
typedef struct pst_generation_begin_t {
    apr_uint64_t config_bytes;
    apr_uint64_t parent_bytes;
    apr_uint64_t rss_bytes;
    apr_uint64_t private_bytes;
    apr_uint64_t shmem_bytes;
    apr_uint64_t lasting_bytes;
} pst_generation_begin_t;

/**
 * Parent, when the configuration was read, before it has children of this generation.
 * @param proven  pst_apr_prove() said yes in this process: only then pools are walked
 */
void pst_generation_measure(pst_generation_begin_t *begin, apr_pool_t *pconf, apr_pool_t *plog, int proven);

/** Parent: may its pools be walked? It proves the mirror of APR, and looks for other threads. */
int pst_generation_may_walk(void);

/** The same, if they may: bytes used of all pools that stand in neither of these, which are cleared at a reload. Cut
 *  off at a bound. */
apr_uint64_t pst_generation_lasting(apr_pool_t *pconf, apr_pool_t *plog);

/** Parent: who made what, into the record of a generation, if it is there. NULL: left as it is. */
void pst_generation_made(const pst_board_t *board, apr_uint32_t number, const pst_shared_maker_t *shared,
                         const pst_shared_maker_t *lasting, const pst_shared_maker_t *heap);

/** Parent: a generation begins, and the one before ends. One that is recorded already is left alone. Never blocks. */
void pst_generation_begin(const pst_board_t *board, apr_uint32_t number, const pst_generation_begin_t *begin,
                          apr_uint64_t now);

/** Parent: a generation is about to end; nothing of it was given back yet. Reads /proc/self. Never blocks. */
void pst_generation_parent_ends(const pst_board_t *board, apr_uint32_t number);

/** Child: it is ready to serve; and it begins to end, its pools still there. Reads /proc/self. Never blocks. */
void pst_generation_child_starts(const pst_board_t *board, const pst_shared_child_t *child);
void pst_generation_child_ends(const pst_board_t *board, const pst_shared_child_t *child);

/** Parent: a child is gone without having said so. Its figures are what its block had last, if its books were ever
 *  taken. Never blocks. */
void pst_generation_child_gone(const pst_board_t *board, const pst_shared_child_t *child);

/** Parent: release the blocks of a child that is gone, as pst_board_release() does, and count it among the lost if it
 *  did not say that it ended. Never blocks. @param kept  what it was asked for is added there; may be NULL
 *  @return how many blocks were released */
int pst_generation_release(const pst_board_t *board, apr_uint32_t pid, pst_url_kept_t *kept);

/** Parent: the same for all children whose end nobody told of.  Looks at each block once, whatever stands there.
 *  @param is_gone  whether there is no process of this number, which may be any but 0. @return how many were
 *  released */
int pst_generation_sweep(const pst_board_t *board, int (*is_gone)(apr_uint32_t pid), pst_url_kept_t *kept);

#endif /* PST_GENERATION_H */
