/* SPDX-License-Identifier: Apache-2.0
 *
 * Which nodes are live, if libapr takes them from malloc: free() leaves a node's head as it was, so a dead node looks
 * like a live one. glibc's heaps tell: each is a row of chunks, and a chunk's head says where the next one begins and
 * whether the previous one is in use. A node is live if it is at the beginning of a chunk that is in use and has room
 * for it.
 *
 * What is not in a heap that can be walked (another allocator, a heap that is damaged or changes too fast) is not
 * judged. Command only, one thread.
 */
#ifndef PST_CHUNKS_H
#define PST_CHUNKS_H

#include "pst_search.h"

/** Set the state of each node found. */
void pst_chunks_judge(pst_remote_t *remote, pst_search_t *search);

#endif /* PST_CHUNKS_H */
