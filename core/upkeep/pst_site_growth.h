/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites as such: all live bytes of a place in somebody's code, in whatever scopes and classes, are a series like
 * any other.  What grows there need not make a connection or a class grow that can be told: a little in each of many
 * connections that come and go.
 *
 * By the profile's samples of live bytes (PoolStatProfile), so it takes some of them.
 *
 * Called by: watchdog
 */
#ifndef PST_SITE_GROWTH_H
#define PST_SITE_GROWTH_H

#include "pst_board.h"

/** Child, its watchdog, once a second: judge each place and publish its verdict with the call site that holds most. */
void pst_site_growth_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_SITE_GROWTH_H */
