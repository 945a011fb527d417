/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to blame: the one rule by which a stack is read.
 *
 * A module is what LoadModule loaded.  From the innermost frame on httpd's own frames and APR's are skipped up to
 * the first module: ap_pregcomp() does not keep memory, who called it does.  Libraries on the way are what the module
 * went through, never to blame themselves.  The MPM lies below everything that serves: it counts as a module only where
 * nothing of httpd's lies between it and APR.  Where no module is on the stack it is httpd itself, in the hook that
 * ran; where there is nothing of httpd either, nobody is to blame.
 *
 * Pure; any process, any thread.
 *
 * Called by: any
 */
#ifndef PST_BLAME_H
#define PST_BLAME_H

#include "pst_board.h"

/** What an object of the board's table is to httpd: pst_code_e. Anything may come in, anything may come out. */
typedef unsigned (*pst_blame_kind_fn)(const void *baton, apr_uint32_t module);

/** Frames of a stack, by their index; -1: none. */
typedef struct pst_blame_t {
    int of;                     /**< innermost frame of who is to blame */
    int by;                     /**< httpd's function that it called */
    int through;                /**< of the library that it called: the outermost one inside of it */
    int is_httpd;               /**< no module: `of` is the innermost frame of httpd */
} pst_blame_t;

/** @param frames innermost first @return whether there is anybody to blame */
int pst_blame(pst_blame_t *blame, const pst_shared_frame_t *frames, unsigned depth, pst_blame_kind_fn kind_of,
              const void *baton);

#define PST_BLAME_LEAST 8       /* samples by which a module may be named */

/** Is a share of so many samples more than a half with all but certainty? */
int pst_blame_is_sure(double share, double samples);

/** pst_blame_kind_fn, by the table on a board: baton is a pst_board_t. */
unsigned pst_blame_kind_on_board(const void *board, apr_uint32_t module);

#endif /* PST_BLAME_H */
