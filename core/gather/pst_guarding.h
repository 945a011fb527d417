/* SPDX-License-Identifier: Apache-2.0
 *
 * Guarding of pools, on and off: what has to stand where.
 *
 * Called by: start, watchdog
 */
#ifndef PST_GUARDING_H
#define PST_GUARDING_H

#include <apr_errno.h>

#include "pst_checks.h"

/** pst_check_switch_fn. Off: no pool more is guarded; the handler, and what stands before signals and system calls,
 *  stay for those that were. */
apr_status_t pst_guarding_switch(const pst_checks_t *wanted);

/** The watchdog's thread, once a second. */
void pst_guarding_beat(void);

#endif /* PST_GUARDING_H */
