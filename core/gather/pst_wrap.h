/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers that calls to APR are redirected to, and the real functions behind
 * them.  Inside of the instrumented allocator only: pst_instrument.c owns the
 * table and decides which of these are put to use.
 */
#ifndef PST_WRAP_H
#define PST_WRAP_H

#include <apr_buckets.h>
#include <stdarg.h>

#include "pst_apr.h"
#include "pst_record.h"

/** The real functions that wrappers call; filled in before the first wrapper is reached. */
typedef struct pst_real_t {
    void          *(*palloc)(apr_pool_t *, apr_size_t);
    char          *(*pvsprintf)(apr_pool_t *, const char *, va_list);
    apr_status_t   (*pool_create_ex)(apr_pool_t **, apr_pool_t *, apr_abortfunc_t, apr_allocator_t *);
    apr_status_t   (*pool_create_unmanaged_ex)(apr_pool_t **, apr_abortfunc_t, apr_allocator_t *);
    void           (*pool_clear)(apr_pool_t *);
    void           (*pool_destroy)(apr_pool_t *);
    void           (*pool_tag)(apr_pool_t *, const char *);
    apr_memnode_t *(*allocator_alloc)(apr_allocator_t *, apr_size_t);
    void           (*allocator_free)(apr_allocator_t *, apr_memnode_t *);
    void          *(*bucket_alloc)(apr_size_t, apr_bucket_alloc_t *);
    void          *(*mmap)(void *, size_t, int, int, int, off_t);
    int            (*munmap)(void *, size_t);
    void          *(*malloc)(size_t);
    void           (*free)(void *);
} pst_real_t;

extern pst_real_t pst_real;

#define PST_LIKELY(e)   __builtin_expect(!!(e), 1)
#define PST_UNLIKELY(e) __builtin_expect(!!(e), 0)

/* pst_wrap_pools.c: same contracts as the functions they are named after. */
void *pst_wrap_palloc(apr_pool_t *pool, apr_size_t size);
void *pst_wrap_palloc_spaced(apr_pool_t *pool, apr_size_t size);   /* for an APR that puts red zones between */
void *pst_wrap_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size);
char *pst_wrap_pstrdup(apr_pool_t *pool, const char *from);
char *pst_wrap_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length);
void pst_wrap_pool_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *),
                                    apr_status_t (*child_fn)(void *));
char *pst_wrap_pvsprintf(apr_pool_t *pool, const char *format, va_list ap);
apr_status_t pst_wrap_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                     apr_allocator_t *allocator);
apr_status_t pst_wrap_pool_create_unmanaged_ex(apr_pool_t **pool, apr_abortfunc_t abort_fn,
                                               apr_allocator_t *allocator);
void pst_wrap_pool_clear(apr_pool_t *pool);
void pst_wrap_pool_destroy(apr_pool_t *pool);
void pst_wrap_pool_tag(apr_pool_t *pool, const char *tag);
apr_allocator_t *pst_wrap_pool_allocator_get(apr_pool_t *pool);

/** pst_got_loads() when calls were first redirected. */
extern apr_uint64_t pst_wrap_loads_at_start;

/** The record of a pool; a pool without one is taken in and charged. NULL if that failed. */
pst_record_t *pst_wrap_record(apr_pool_t *pool);

/** Fill in the record of a pool met as it stands: what it was found to hold. Charging is the caller's. */
void pst_wrap_fill(pst_record_t *record, apr_pool_t *pool, const pst_apr_figures_t *figures);

/** Bring a record's published slack up to date. @return the change, to be charged */
apr_int64_t pst_wrap_publish(pst_record_t *record, apr_pool_t *pool);

/* pst_wrap_nodes.c: nodes that go to no pool, and the operating system. */
apr_memnode_t *pst_wrap_allocator_alloc(apr_allocator_t *allocator, apr_size_t size);
void pst_wrap_allocator_free(apr_allocator_t *allocator, apr_memnode_t *node);
void *pst_wrap_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list);
void *pst_wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int pst_wrap_munmap(void *at, size_t size);
void *pst_wrap_malloc(size_t size);
void pst_wrap_free(void *at);

/** Before use: a number nobody outside knows, for the marks in nodes. */
void pst_wrap_nodes_start(apr_uint32_t secret);

/** Hand the nodes of a bucket allocator (the newest ones, bounded) to a connection. */
void pst_wrap_buckets_take(apr_bucket_alloc_t *list, apr_uint32_t tag);

#endif /* PST_WRAP_H */
