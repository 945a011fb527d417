/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in code, as people read it: "mod_x.so function+0x1f".  The board has
 * object and offset; the function is looked up in this process, which as a rule has the same
 * objects loaded.
 */
#ifndef PST_PLACE_H
#define PST_PLACE_H

#include "pst_snapshot.h"

#define PST_PLACE_LEN 256

typedef struct pst_place_t {
    const char  *module;        /**< of the snapshot; "?" if it is not known */
    const char  *function;      /**< NULL: static, stripped, or not loaded here */
    apr_uint64_t offset;        /**< in the object, of the calling instruction */
    apr_uint64_t into;          /**< distance from the function's start, of the return address */
} pst_place_t;

/** Any thread; takes the loader's lock. */
void pst_place_of(pst_place_t *place, const pst_snapshot_t *snapshot, pst_shared_frame_t frame);

/** "module function+0x1f", or "module+0x1234". Cut at PST_PLACE_LEN. */
char *pst_place_text(char *to, const pst_place_t *place);

/** The code behind a growing verdict, as pst_place_text() says it. @return 0 if it is not known */
int pst_place_of_verdict(char *to, const pst_snapshot_t *snapshot, const pst_shared_verdict_t *verdict);

#endif /* PST_PLACE_H */
