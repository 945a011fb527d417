/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the guarding of pools on and off: which tables must be in place.
 *
 * Called by: start, watchdog
 */
#ifndef PST_GUARDING_H
#define PST_GUARDING_H

#include <apr_errno.h>

#include "pst_checks.h"

/** pst_check_switch_fn. Off: no new pools are guarded; the handler and the wrappers of signals and system calls stay
 *  for those that were. */
apr_status_t pst_guarding_switch(const pst_checks_t *wanted);

/** The watchdog's thread, once a second. */
void pst_guarding_beat(void);

#endif /* PST_GUARDING_H */
