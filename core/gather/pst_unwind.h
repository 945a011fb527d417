/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks: this thread's current stack, in the board's format.
 *
 * Called by: worker
 */
#ifndef PST_UNWIND_H
#define PST_UNWIND_H

#include "pst_blame.h"
#include "pst_object.h"

#define PST_UNWIND_DEPTH 64      /* return addresses, including ours and the allocator's */

typedef struct pst_unwound_t {
    apr_uintptr_t base;         /**< frame of the function that asked */
    apr_uintptr_t top;          /**< the end of the outermost frame seen */
    apr_uint32_t  depth;
    int           cacheable;    /**< at[] is where the return addresses were found */
    apr_uint32_t  at[PST_UNWIND_DEPTH];  /**< bytes above base */
    apr_uintptr_t ip[PST_UNWIND_DEPTH];
    apr_uint32_t  frame_count;
    pst_shared_frame_t frames[PST_SITE_FRAMES]; /**< of a named stack: starting at the first outside this module and APR
                                                     */
} pst_unwound_t;

/** Unwind: takes the loader's lock. @param base frame address of the caller */
void pst_unwind_take(pst_unwound_t *stack, apr_uintptr_t base);

/** pst_object_find() or, where the loader's lock must not be taken, pst_object_known(). */
typedef const pst_object_t *(*pst_unwind_object_fn)(const void *address);

/**
 * Its frames, as places. If a stack has more frames than fit, the innermost are kept and those starting at the first
 * module: the frame to blame is always among them.
 */
void pst_unwind_name(pst_unwound_t *stack, const pst_board_t *board, pst_unwind_object_fn object_of);

#endif /* PST_UNWIND_H */
