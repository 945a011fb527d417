/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks that all parts of the snapshot share. For core/snapshot alone.
 */
#ifndef PST_SNAPSHOT_CHECK_H
#define PST_SNAPSHOT_CHECK_H

#include "pst_board.h"

/** Whose block it is: its owner's or, with gone, the last child's. @return a pid; 0: nobody's */
apr_uint32_t pst_snapshot_whose(const pst_shared_child_t *block, int gone);

/** A verdict on something other than `of`, or an invalid one, becomes: too little data. */
void pst_snapshot_check_verdict(pst_shared_verdict_t *verdict, apr_uint32_t of);

/** An invalid share becomes: not known. */
void pst_snapshot_check_share(pst_shared_share_t *share);

/** Copy it as of one moment. What is out of range, or written all the time, becomes: not looked into. */
void pst_snapshot_take_blame(pst_shared_blame_t *to, const pst_shared_blame_t *from);

#endif /* PST_SNAPSHOT_CHECK_H */
