/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of pools' classes, set and queried by other modules.
 *
 * Called by: worker
 */
#ifndef PST_NAME_H
#define PST_NAME_H

#include <apr_pools.h>
#include "poolstat_board.h"

#define PST_NAME_COUNT 64
#define PST_NAME_CLASS_LEN (PST_TAG_LEN + PST_FUNCTION_LEN + 16)

/**
 * Tag a pool with a copy of a name that lasts as long as the process. The pool's owner; never waits.
 * @return APR_SUCCESS, APR_EINVAL for an empty name, APR_ENOSPC if PST_NAME_COUNT other names are already kept
 */
apr_status_t pst_name_pool(apr_pool_t *pool, const char *name);

/**
 * The name of a pool's class: "tag by function". The pool's owner.
 * @param to  room for PST_NAME_CLASS_LEN bytes; printable ASCII and a NUL
 * @return APR_SUCCESS, or APR_NOTFOUND
 */
apr_status_t pst_name_of_class(apr_pool_t *pool, char *to);

#endif /* PST_NAME_H */
