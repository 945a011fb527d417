/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of everything that takes memory from a pool, while guarded pools are fenced: each of their allocations
 * gets its own node and is placed at its very end, right before the closed page. Nothing changes for other pools.
 *
 * Place in the flow: APR calls -> HERE -> the plain wrappers.
 */
#include "pst_guarded.h"
#include "pst_wrap.h"

#include <string.h>

static void *fenced(apr_pool_t *pool, apr_size_t size)
{
    apr_memnode_t *active = pst_apr_pool(pool)->active;
    char *m;

    active->first_avail = active->endp;         /* full: the next one comes from a fresh node */
    m = pst_wrap_palloc(pool, size ? size : 1);
    active = pst_apr_pool(pool)->active;
    if (m && pst_apr_opened(active, m) && pst_range_has(m) && size <= (apr_size_t)(active->endp - m)) {
        active->first_avail = active->endp;
        m = active->endp - APR_ALIGN_DEFAULT(size);
    }
    return m;
}

static APR_INLINE int is_fenced(const apr_pool_t *pool)
{
    return PST_UNLIKELY(pst_range_has(pool) && !pst_guarded_is_dead(pool));
}

void *pst_wrap_fence_palloc(apr_pool_t *pool, apr_size_t size)
{
    return is_fenced(pool) ? fenced(pool, size) : pst_wrap_palloc(pool, size);
}

void *pst_wrap_fence_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size)
{
    void *to = from ? pst_wrap_fence_palloc(pool, size) : NULL;

    return to ? memcpy(to, from, size) : NULL;
}

char *pst_wrap_fence_pstrdup(apr_pool_t *pool, const char *from)
{
    return from ? pst_wrap_fence_pmemdup(pool, from, strlen(from) + 1) : NULL;
}

char *pst_wrap_fence_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length)
{
    return pst_wrap_terminated(from ? pst_wrap_fence_palloc(pool, length + 1) : NULL, from, length);
}

char *pst_wrap_fence_pvsprintf(apr_pool_t *pool, const char *format, va_list ap)
{
    char *m = pst_wrap_pvsprintf(pool, format, ap);

    return m && is_fenced(pool) ? pst_wrap_fence_pmemdup(pool, m, strlen(m) + 1) : m;
}
