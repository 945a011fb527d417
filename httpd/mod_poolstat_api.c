/* SPDX-License-Identifier: Apache-2.0
 *
 * Optional functions for other modules.  What they promise is in include/mod_poolstat.h.
 */
#include "mod_poolstat_api.h"
#include "mod_poolstat.h"
#include "mod_poolstat_private.h"
#include "pst_name.h"
#include "pst_reading.h"
#include "pst_runtime.h"

#include <stddef.h>

_Static_assert(POOLSTAT_NAME_LEN == PST_TAG_LEN && POOLSTAT_NAMES == PST_NAME_COUNT, "the names we keep");
_Static_assert(POOLSTAT_CLASS_LEN >= PST_NAME_CLASS_LEN, "room for a class's name");

/* The struct of the first version. */
#define LEAST (offsetof(poolstat_usage_t, requests) + sizeof(apr_uint64_t))

static apr_uint64_t figure(const pst_reading_t *reading, pst_metric_e metric)
{
    apr_uint64_t value;

    return pst_reading_figure(reading, metric, &value) ? value : POOLSTAT_UNKNOWN;
}

static apr_status_t usage_of(pst_account_t *account, poolstat_usage_t *usage)
{
    pst_reading_t reading;
    poolstat_usage_t filled;
    int of_connection;

    if (usage->size < LEAST) {
        return APR_EINVAL;
    }
    if (!account) {
        return APR_NOTFOUND;
    }
    pst_reading_take(&reading, account, 1);
    of_connection = account->scope == PST_SCOPE_CONNECTION;
    filled = (poolstat_usage_t){
        .size = usage->size < sizeof(filled) ? usage->size : sizeof(filled),
        .pools = figure(&reading, PST_M_pools),
        .reserved_bytes = figure(&reading, PST_M_reserved_bytes),
        .used_bytes = figure(&reading, PST_M_used_bytes),
        .slack_bytes = figure(&reading, PST_M_slack_bytes),
        .peak_bytes = figure(&reading, PST_M_peak_bytes),
        .growths = figure(&reading, PST_M_growths),
        .bucket_bytes = of_connection ? figure(&reading, PST_M_bucket_bytes) : POOLSTAT_UNKNOWN,
        .retained_bytes = of_connection ? figure(&reading, PST_M_retained_bytes) : POOLSTAT_UNKNOWN,
        .requests = of_connection ? figure(&reading, PST_M_requests) : POOLSTAT_UNKNOWN,
    };
    memcpy(usage, &filled, filled.size);
    return APR_SUCCESS;
}

static apr_status_t poolstat_request_usage(const request_rec *r, poolstat_usage_t *usage)
{
    return usage_of(pst_phase_request_account(r), usage);
}

static apr_status_t poolstat_connection_usage(const conn_rec *c, poolstat_usage_t *usage)
{
    return usage_of(pst_phase_connection_account(c), usage);
}

static apr_status_t poolstat_name_pool(apr_pool_t *pool, const char *name)
{
    return pst_runtime_gathers() ? pst_name_pool(pool, name) : APR_NOTFOUND;
}

static apr_status_t poolstat_pool_class(apr_pool_t *pool, char *to)
{
    *to = '\0';
    return pst_runtime_gathers() ? pst_name_of_class(pool, to) : APR_NOTFOUND;
}

void pst_api_register(void)
{
    APR_REGISTER_OPTIONAL_FN(poolstat_request_usage);
    APR_REGISTER_OPTIONAL_FN(poolstat_connection_usage);
    APR_REGISTER_OPTIONAL_FN(poolstat_name_pool);
    APR_REGISTER_OPTIONAL_FN(poolstat_pool_class);
}
