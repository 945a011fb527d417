/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites themselves: all live bytes of a place in the code, in any scope and class, are a series like any other.
 * Growth there may be too small to show in a single connection or class: a little in each of many connections that
 * come and go.
 *
 * Based on the profile's samples of live bytes (PoolStatProfile), so it needs several of them.
 *
 * Called by: watchdog
 */
#ifndef PST_SITE_GROWTH_H
#define PST_SITE_GROWTH_H

#include "pst_board.h"

/** Child, its watchdog, once a second: judge each place and publish its verdict with the call site that holds most. */
void pst_site_growth_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_SITE_GROWTH_H */
