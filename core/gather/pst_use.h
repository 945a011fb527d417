/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatCheck's threads and buckets: are pools, allocators and buckets used as they should be?
 *
 * While one of the two is on, calls lead to pst_wrap_check.c.
 *
 * Called by: start, watchdog
 */
#ifndef PST_USE_H
#define PST_USE_H

#include "pst_check.h"

/** A pst_check_switch_fn. */
apr_status_t pst_use_switch(const pst_checks_t *wanted);

#endif /* PST_USE_H */
