/* SPDX-License-Identifier: Apache-2.0
 *
 * While PoolStatCheck is on: note who a thread serves and when, and filters that look at what is passed.
 */
#ifndef MOD_POOLSTAT_BRIGADES_H
#define MOD_POOLSTAT_BRIGADES_H

#include <httpd.h>

/** While the configuration is read: hooks that give filters to connections and requests while buckets are checked. */
void pst_brigades_register(void);

/** Each time this module is loaded: the filters' names. */
void pst_brigades_filters(void);

/** Child, after pst_instrument_start(), before other threads exist: what else is redirected while checks are on.
 *  @param except names (const char *) of what is not reported; NULL: none */
void pst_brigades_child_init(const apr_array_header_t *except);

#endif /* MOD_POOLSTAT_BRIGADES_H */
