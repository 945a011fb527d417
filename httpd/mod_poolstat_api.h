/* SPDX-License-Identifier: Apache-2.0
 *
 * What other modules may call: include/mod_poolstat.h.
 */
#ifndef MOD_POOLSTAT_API_H
#define MOD_POOLSTAT_API_H

/** While hooks are registered: offer the optional functions. */
void pst_api_register(void);

#endif /* MOD_POOLSTAT_API_H */
