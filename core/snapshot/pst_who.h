/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is to blame for a growth, as people read it: "mod_x.so function+0x1f, by ap_pregcomp, through libfoo.so.1".  The
 * rule is in pst_blame.h.
 */
#ifndef PST_WHO_H
#define PST_WHO_H

#include "pst_place.h"

#define PST_WHO_LEN (3 * PST_PLACE_LEN)

typedef struct pst_who_t {
    pst_place_t of;             /**< the code of who is to blame */
    const char *by;             /**< the httpd function that it called; NULL: none, or without a name */
    const char *through;        /**< the library that it called; NULL: none */
    const char *hook;           /**< for httpd itself: the hook that ran, "fixups"; else NULL */
    int         is_httpd;       /**< no module is to blame */
    unsigned    share;          /**< of what stayed, in thousandths; 0: not known */
    unsigned    samples;        /**< the number of samples behind that */
    pst_shared_frame_t site;
} pst_who_t;

/**
 * By a stack. Any thread; takes the loader's lock.
 * @param modules the board's table, copied; names end in a NUL. Texts in `who` point into it
 * @return 0 if nobody is to blame
 */
int pst_who_of_stack(pst_who_t *who, const pst_shared_module_t *modules, const pst_shared_frame_t *frames,
                     unsigned depth);

/** The innermost hook of httpd on a stack: "fixups". @return NULL: none ran, or its name is not known */
const char *pst_who_hook(const pst_shared_module_t *modules, const pst_shared_frame_t *frames, unsigned depth);

/** By a call site. */
int pst_who_of_site(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_site_row_t *site);

/** By a place that a child's verdict or blame names, with what its call sites tell. @return 0 for no place */
int pst_who_of_frame(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                     pst_shared_frame_t site, unsigned share, unsigned samples);

/** Of a verdict. @return 0 if it does not grow, or it is not known */
int pst_who_of_verdict(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                       const pst_shared_verdict_t *verdict);

/** "mod_x.so function+0x1f, by ap_pregcomp, through libfoo.so.1", without the share. @param to room for PST_WHO_LEN */
char *pst_who_text(char *to, const pst_who_t *who);

#endif /* PST_WHO_H */
