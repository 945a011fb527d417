/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to blame: the one rule for reading a stack.
 *
 * A module is what LoadModule loaded. Starting at the innermost frame, frames of httpd and APR are skipped up to the
 * first module: ap_pregcomp() does not keep memory, its caller does. Libraries on the way are what the module went
 * through and are never to blame themselves. The MPM is below everything that serves: it counts as a module only if
 * no httpd frame is between it and APR. If no module is on the stack, httpd itself is to blame, in the hook that ran;
 * if there is no httpd frame either, nobody is.
 *
 * Pure; any process, any thread.
 *
 * Called by: any
 */
#ifndef PST_BLAME_H
#define PST_BLAME_H

#include "pst_board.h"

/** The role for httpd of an object in the board's table: pst_code_e. Input and result may be anything. */
typedef unsigned (*pst_blame_kind_fn)(const void *baton, apr_uint32_t module);

/** Frames of a stack, by their index; -1: none. */
typedef struct pst_blame_t {
    int of;                     /**< innermost frame of the code to blame */
    int by;                     /**< the httpd function that it called */
    int through;                /**< outermost frame of the library that it called */
    int is_httpd;               /**< no module: `of` is the innermost frame of httpd */
} pst_blame_t;

/** @param frames innermost first @return whether somebody is to blame */
int pst_blame(pst_blame_t *blame, const pst_shared_frame_t *frames, unsigned depth, pst_blame_kind_fn kind_of,
              const void *baton);

#define PST_BLAME_LEAST 8       /* samples needed to name a module */

/** Is a share of this many samples almost certainly more than half? */
int pst_blame_is_sure(double share, double samples);

/** pst_blame_kind_fn, from the table on a board: baton is a pst_board_t. */
unsigned pst_blame_kind_on_board(const void *board, apr_uint32_t module);

#endif /* PST_BLAME_H */
