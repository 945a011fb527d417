/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of everything that takes memory from a pool, while that is examined.
 *
 * Place in the flow: APR calls -> WRAPPERS -> call sites.
 *
 * A pool grows by a node when somebody's allocation does not fit any more.  Which allocation that is, is chance, but
 * the same chance in all connections that do the same: it takes many nodes to find out.  So of a scope that grows the
 * allocations themselves are sampled, by their bytes.  That costs instructions in each of them, so calls lead here
 * for half a minute at a time (pst_instrument_look_closely()), and to the plain wrappers otherwise.
 */
#include "pst_wrap.h"
#include "pst_site.h"
#include "pst_watchpoint.h"

#include <string.h>

static APR_INLINE void take_exact(apr_pool_t *pool, apr_size_t size)
{
    pst_watchpoint_at(pool, PST_WATCH_POOL);        /* these calls do not come by pst_wrap_check.c */
    if (__builtin_expect((pst_site_close -= (apr_int64_t)APR_ALIGN_DEFAULT(size)) < 0, 0)) {
        pst_site_took(pst_record_find(pool), APR_ALIGN_DEFAULT(size));
    }
}

void *pst_wrap_close_palloc(apr_pool_t *pool, apr_size_t size)
{
    take_exact(pool, size);
    return pst_wrap_palloc(pool, size);
}

char *pst_wrap_close_pvsprintf(apr_pool_t *pool, const char *format, va_list ap)
{
    char *m = pst_wrap_pvsprintf(pool, format, ap);

    if (m) {
        take_exact(pool, strlen(m) + 1);
    }
    return m;
}

void *pst_wrap_close_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size)
{
    if (from) {
        take_exact(pool, size);
    }
    return pst_wrap_pmemdup(pool, from, size);
}

char *pst_wrap_close_pstrdup(apr_pool_t *pool, const char *from)
{
    if (from) {
        take_exact(pool, strlen(from) + 1);
    }
    return pst_wrap_pstrdup(pool, from);
}

char *pst_wrap_close_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length)
{
    if (from) {
        take_exact(pool, length + 1);
    }
    return pst_wrap_pstrmemdup(pool, from, length);
}

void pst_wrap_close_pool_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *),
                                          apr_status_t (*child_fn)(void *))
{
    if (pool && !pst_apr_pool(pool)->free_cleanups) {
        take_exact(pool, sizeof(pst_apr_cleanup_t));
    }
    pst_wrap_pool_cleanup_register(pool, data, plain_fn, child_fn);
}
