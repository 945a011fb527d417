/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in code, as people read it: "mod_x.so function+0x1f". The board has object and offset; the function is
 * looked up in this process, which normally has the same objects loaded. What this process does not know (static
 * functions, file and line) comes from pst_resolver.h.
 */
#ifndef PST_PLACE_H
#define PST_PLACE_H

#include "pst_snapshot.h"

#define PST_PLACE_LEN 256

typedef struct pst_place_t {
    const char  *module;        /**< of the snapshot; "?" if it is not known */
    const char  *function;      /**< NULL: not known */
    const char  *file;          /**< of the source, as given to the compiler; NULL: not known */
    apr_uint32_t line;          /**< in it */
    int          replaced;      /**< the object's file is now another build and is of no use */
    apr_uint64_t offset;        /**< in the object, of the calling instruction */
    apr_uint64_t into;          /**< distance from the function's start, of the return address */
} pst_place_t;

/** Any thread; takes the loader's lock. */
void pst_place_of(pst_place_t *place, const pst_snapshot_t *snapshot, pst_shared_frame_t frame);

/** The same from the board's table of objects alone, whose names end in a NUL. */
void pst_place_in(pst_place_t *place, const pst_shared_module_t *modules, pst_shared_frame_t frame);

/** "module function (file.c:12)", "module function+0x1f", or "module+0x1234". Cut at PST_PLACE_LEN. */
char *pst_place_text(char *to, const pst_place_t *place);

/**
 * Look up the places of a snapshot that are not known yet. Starts a process if there are any, and waits for it at
 * most that many milliseconds; afterwards places are as good as they can be.
 */
void pst_place_resolve(const pst_snapshot_t *snapshot, unsigned milliseconds, apr_pool_t *pool);

/** The same of one stack. @param modules copied, PST_MODULE_COUNT of them; names end in a NUL */
void pst_place_resolve_stack(const pst_shared_module_t *modules, const pst_shared_frame_t *frames, unsigned depth,
                             unsigned milliseconds);

#endif /* PST_PLACE_H */
