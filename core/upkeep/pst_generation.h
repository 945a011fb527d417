/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations: what each reading of the configuration cost, so that growth from one graceful
 * restart to the next can be seen.  The last PST_GENERATION_COUNT are on the board.
 *
 * The parent records what it has when a generation begins; each child adds itself when it begins and when it ends;
 * the parent counts those that ended abruptly. They are read by core/snapshot/pst_snapshot_generations.h.
 *
 * The parent is never patched: its pools are walked, by the proven mirror, at a moment when it has a single thread.
 *
 * Called by: parent, start (pst_generation_child_starts), end (pst_generation_child_ends)
 */
#ifndef PST_GENERATION_H
#define PST_GENERATION_H

#include <apr_pools.h>
#include "pst_board.h"
#include "pst_url_kept.h"

/** What the parent has when a generation begins; 0: not known. */
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
 * @param proven  pst_apr_prove() succeeded in this process: otherwise pools are not walked
 */
void pst_generation_measure(pst_generation_begin_t *begin, apr_pool_t *pconf, apr_pool_t *plog, int proven);

/** Parent: may its pools be walked? Proves the mirror of APR, and checks for other threads. */
int pst_generation_may_walk(void);

/** If they may: bytes used by all pools outside these two, which are cleared at a reload. Bounded. */
apr_uint64_t pst_generation_lasting(apr_pool_t *pconf, apr_pool_t *plog);

/** Parent: write who made what into the record of a generation, if present. NULL: unchanged. */
void pst_generation_made(const pst_board_t *board, apr_uint32_t number, const pst_shared_maker_t *shared,
                         const pst_shared_maker_t *lasting, const pst_shared_maker_t *heap);

/** Parent: a generation begins, and the previous one ends. An already recorded one is left alone. Never blocks. */
void pst_generation_begin(const pst_board_t *board, apr_uint32_t number, const pst_generation_begin_t *begin,
                          apr_uint64_t now);

/** Parent: a generation is about to end; nothing of it has been released yet. Reads /proc/self. Never blocks. */
void pst_generation_parent_ends(const pst_board_t *board, apr_uint32_t number);

/** Child: it is ready to serve; and it begins to end, while its pools still exist. Reads /proc/self. Never blocks. */
void pst_generation_child_starts(const pst_board_t *board, const pst_shared_child_t *child);
void pst_generation_child_ends(const pst_board_t *board, const pst_shared_child_t *child);

/** Parent: a child ended abruptly. Its figures are the last ones in its block, if its books were ever measured. Never
 *  blocks. */
void pst_generation_child_gone(const pst_board_t *board, const pst_shared_child_t *child);

/** Parent: release the blocks of a child that has ended, and count it as lost if it ended
 *  abruptly. Never blocks. @param kept its requested URLs are added here; may be NULL
 *  @return how many blocks were released */
int pst_generation_release(const pst_board_t *board, apr_uint32_t pid, pst_url_kept_t *kept);

/** Parent: the same for all children whose end was not reported. Looks at each block once, whatever it contains.
 *  @param is_gone whether no process with this pid exists; the pid may be anything but 0. @return how many were
 *  released */
int pst_generation_sweep(const pst_board_t *board, int (*is_gone)(apr_uint32_t pid), pst_url_kept_t *kept);

#endif /* PST_GENERATION_H */
