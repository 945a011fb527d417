/* SPDX-License-Identifier: Apache-2.0
 *
 * Releasing memory: on request, or gradually.
 *
 * The requester raises release_asked in the child's block and rings its bell; the child's watchdog
 * empties idle allocators, then asks the heap to release free memory, and writes the result to the block. It works in
 * slices, and beats as usual in between.
 *
 * Called by: start (pst_release_start), watchdog
 */
#ifndef PST_RELEASE_H
#define PST_RELEASE_H

#include "pst_board.h"

/**
 * Child, before its watchdog starts.
 * @param obeys    requests are allowed: else the board's requests are ignored, since any process that has it mapped
 * may write there
 * @param empties  pools are instrumented in full: allocators are known, and can be emptied
 * @param rate     bytes per second to release unasked from allocators that are then idle; 0: none
 */
void pst_release_start(pst_shared_child_t *block, int obeys, int empties, apr_uint64_t rate);

/** The child's watchdog, each time it wakes: takes some 75 ms at most (latecomers, a large node, others: 25 each),
 *  not counting the heap. */
void pst_release_beat(apr_uint64_t now);

#endif /* PST_RELEASE_H */
