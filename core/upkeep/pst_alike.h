/* SPDX-License-Identifier: Apache-2.0
 *
 * Similar objects, judged by their sum: a hundred connections that each grow by a hundred bytes per request are never
 * noticed one by one. While their number stays the same, their total is a series like any other.
 *
 * Called by: watchdog
 */
#ifndef PST_ALIKE_H
#define PST_ALIKE_H

#include "pst_board.h"

/**
 * Take a point, judge, publish. Child, its watchdog, once a second.
 * @param which PST_SCOPE_CONNECTION or PST_SCOPE_REQUEST
 * @param sum   bytes they hold in total
 * @param count their number
 * @param requests finished so far
 */
void pst_alike_add(pst_shared_verdict_t *verdict, unsigned which, apr_uint64_t sum, apr_uint32_t count,
                   apr_uint64_t requests, apr_uint64_t now);

#endif /* PST_ALIKE_H */
