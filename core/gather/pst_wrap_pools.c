/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of the pool functions.
 *
 * Place in the flow: APR calls -> WRAPPERS -> accounts -> board.
 *
 * Each calls the real function and compares the pool before and after.  Nothing is counted on the common path of a
 * palloc: an allocation that opens no node does not change what the pool holds.
 *
 * Concurrency: a pool's record is touched only by who may touch the pool, which
 * APR already demands to be one thread at a time; charges are atomic.
 */
#include "pst_got.h"
#include "pst_wrap.h"
#include "pst_allocator.h"
#include "pst_class.h"
#include "pst_heavy.h"
#include "pst_largest.h"
#include "pst_novel.h"
#include "pst_range.h"
#include "pst_retained.h"
#include "pst_site.h"

#include <string.h>

apr_uint64_t pst_wrap_loads_at_start;

/* Ticks between two looks for new objects, by pools that grow: less than a millisecond. */
#define LOOK_EVERY 1000000

static void nobody_looks(void)
{
}

void (*pst_wrap_look)(void) = nobody_looks;

static void nothing_sealed(apr_pool_t *pool)
{
    (void)pool;
}

void (*pst_wrap_sealed)(apr_pool_t *pool) = nothing_sealed;
static apr_uint64_t looked;         /* pst_ticks() */

/* Nodes examined when a pool is adopted late. */
#define WALK_NODES 4096

/* Pools that outlive a clear: httpd's make none; all must be found, since they
 * would point to an account that is gone. */
#define WALK_SURVIVORS 1000000

/* What a pool older than this child's instrumentation holds was never counted as held, unless the walk at the start
 * found the pool; nor was what its allocator keeps. */
static apr_size_t missing_in_held(apr_pool_t *pool, apr_size_t reserved)
{
    apr_allocator_t *allocator = pst_apr_pool(pool)->allocator;

    return reserved + (apr_allocator_owner_get(allocator) == pool ? pst_apr_retained(allocator, 0, WALK_NODES) : 0);
}

void pst_wrap_fill(pst_record_t *record, apr_pool_t *pool, const pst_apr_figures_t *figures)
{
    record->reserved = figures->reserved;
    record->published = figures->slack;
    record->active = pst_apr_pool(pool)->active;
    record->left = figures->slack - pst_apr_node_slack(pst_apr_pool(pool)->active);
}

/* Whoever allocates from a destroyed pool may get away with it. */
static int is_dead(apr_pool_t *pool)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = WALK_NODES;

    pst_apr_add_pool(&figures, pool, &budget);
    return figures.dead;
}

/* A pool without a record: made by code that is not instrumented (yet), or before the
 * start and in no tree.  If no object has come since the start it must be the latter. */
static __attribute__((noinline)) pst_record_t *take_in(apr_pool_t *pool)
{
    apr_pool_t *parent = pst_apr_pool(pool)->parent;
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = WALK_NODES;
    pst_record_t *record, *above;

    if (pst_range_has(pool)) {      /* a guarded pool without one has ended */
        return NULL;
    }
    record = is_dead(pool) ? NULL : pst_record_adopt(pool);
    if (!record) {
        return NULL;
    }
    above = parent ? pst_record_find(parent) : NULL;
    pst_apr_add_pool(&figures, pool, &budget);
    record->account = above ? above->account : pst_account_process();
    pst_wrap_fill(record, pool, &figures);
    pst_account_charge(record->account, (apr_int64_t)figures.reserved, (apr_int64_t)figures.slack, 1);
    PST_COUNT(unattributed_bytes, (apr_int64_t)figures.reserved);
    if (pst_got_loads() == pst_wrap_loads_at_start) {
        pst_account_held((apr_int64_t)missing_in_held(pool, figures.reserved));
    }
    if (apr_allocator_owner_get(pst_apr_pool(pool)->allocator) == pool
        && !pst_apr_has_mutex(pst_apr_pool(pool)->allocator)) {
        pst_retained_enter(pst_apr_pool(pool)->allocator, WALK_NODES);
    }
    pst_class_adopt(record, pool);
    return record;
}

pst_record_t *pst_wrap_record(apr_pool_t *pool)
{
    pst_record_t *record = pst_record_find(pool);

    return PST_LIKELY(record != NULL) || pst_child_muted() ? record : take_in(pool);
}

apr_int64_t pst_wrap_publish(pst_record_t *record, apr_pool_t *pool)
{
    apr_size_t slack = record->left + pst_apr_node_slack(pst_apr_pool(pool)->active);
    apr_int64_t change = (apr_int64_t)(slack - record->published);

    record->published = slack;
    return change;
}

/*
 * The pool got nodes, or was cleared, by calls that are not redirected: those of a newly loaded object, or through a
 * pointer from dlsym(). Its nodes show what it holds; a pool with too many is left until it is cleared.
 */
void pst_wrap_heal(pst_record_t *record, apr_pool_t *pool)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = WALK_NODES, reserved = record->reserved, slack = record->published;
    apr_int64_t change;

    record->active = pst_apr_pool(pool)->active;
    pst_apr_add_pool(&figures, pool, &budget);
    if (figures.cut || pst_child_muted()) {
        return;
    }
    pst_wrap_fill(record, pool, &figures);
    change = (apr_int64_t)(figures.reserved - reserved);
    pst_account_charge(record->account, change, (apr_int64_t)(figures.slack - slack), 0);
    if (change) {
        pst_class_changed(record, pool, change);
        PST_COUNT(unattributed_bytes, change > 0 ? change : 0);
    }
}

/*
 * The active node changed while m was handed out.  APR moves to an older node
 * with room as well as to a fresh one; only m at the very start of the node identifies a fresh one, since a node in
 * the ring is never empty (apr_palloc() and
 * apr_pvsprintf() link it together with the requested bytes).
 */
static __attribute__((noinline)) void moved_node(apr_pool_t *pool, const apr_memnode_t *before, const void *m)
{
    const apr_memnode_t *now = pst_apr_pool(pool)->active;
    pst_record_t *record = pst_record_find(pool);
    apr_size_t size;

    if (!record) {
        return;
    }
    record->left += pst_apr_node_slack(before);
    record->active = now;
    if (pst_apr_opened(now, m)) {
        size = pst_apr_node_size(now);
        record->reserved += size;
        pst_account_charge_growth(record->account, (apr_int64_t)size, pst_wrap_publish(record, pool), record->reserved);
        pst_class_changed(record, pool, (apr_int64_t)size);
        pst_site_grow(record, size, 0);
        pst_novel_grown(record, size);
        if (PST_UNLIKELY(pst_ticks() - __atomic_load_n(&looked, __ATOMIC_RELAXED) > LOOK_EVERY)) {
            __atomic_store_n(&looked, pst_ticks(), __ATOMIC_RELAXED);
            pst_wrap_look();
        }
    }
    else {
        record->left -= (apr_size_t)(now->endp - (const char *)m);
        pst_account_charge(record->account, 0, pst_wrap_publish(record, pool), 0);
    }
}

/* A pool without a record is adopted before it changes, not after. */
static APR_INLINE void about_to(apr_pool_t *pool)
{
    pst_record_t *record = pst_wrap_record(pool);

    if (PST_LIKELY(record != NULL)) {
        pst_allocator_use(record, pool);
        pst_wrap_compare(record, pool);
    }
}

static __attribute__((noinline)) void *palloc_by_real(apr_pool_t *pool, apr_size_t size)
{
    const apr_memnode_t *before = pst_apr_pool(pool)->active;
    void *m;

    about_to(pool);
    m = pst_real.palloc(pool, size);

    if (m && pst_apr_pool(pool)->active != before) {
        moved_node(pool, before, m);
    }
    return m;
}

/*
 * The common case of apr_palloc() itself, the same in effect: take from the active
 * node if it has room.  Both ends of a node's room are aligned, so comparing the
 * size as requested gives the same result as comparing it rounded up, and no size can wrap.
 */
static APR_INLINE void *take_bytes(apr_pool_t *pool, apr_size_t size)
{
    apr_memnode_t *active = pst_apr_pool(pool)->active;
    char *m = active->first_avail;

    if (PST_LIKELY(size <= (apr_size_t)(active->endp - m))) {
        active->first_avail = (char *)APR_ALIGN_DEFAULT((apr_uintptr_t)m + size);
        return m;
    }
    return palloc_by_real(pool, size);
}

void *pst_wrap_palloc(apr_pool_t *pool, apr_size_t size)
{
    return take_bytes(pool, size);
}

/* What a request calls most besides apr_palloc() itself: each a palloc and a few
 * stores in libapr too (strings/apr_strings.c, apr_pools.c), here without the calls between. */
void *pst_wrap_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size)
{
    void *to = from ? take_bytes(pool, size) : NULL;

    return to ? memcpy(to, from, size) : NULL;
}

char *pst_wrap_pstrdup(apr_pool_t *pool, const char *from)
{
    return from ? pst_wrap_pmemdup(pool, from, strlen(from) + 1) : NULL;
}

char *pst_wrap_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length)
{
    return pst_wrap_terminated(from ? take_bytes(pool, length + 1) : NULL, from, length);
}

static APR_INLINE void link_cleanup(pst_apr_pool_t *p, pst_apr_cleanup_t *cleanup, const void *data,
                                    apr_status_t (*plain_fn)(void *), apr_status_t (*child_fn)(void *))
{
    cleanup->data = data;
    cleanup->plain_fn = plain_fn;
    cleanup->child_fn = child_fn;
    cleanup->next = p->cleanups;
    p->cleanups = cleanup;
}

static __attribute__((noinline)) void cleanup_by_real(apr_pool_t *pool, const void *data,
                                                      apr_status_t (*plain_fn)(void *),
                                                      apr_status_t (*child_fn)(void *))
{
    pst_apr_pool_t *p = pst_apr_pool(pool);
    pst_apr_cleanup_t *cleanup = p->free_cleanups;

    if (cleanup) {
        p->free_cleanups = cleanup->next;
    }
    else {
        cleanup = palloc_by_real(pool, sizeof(*cleanup));
    }
    link_cleanup(p, cleanup, data, plain_fn, child_fn);
}

void pst_wrap_pool_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *),
                                    apr_status_t (*child_fn)(void *))
{
    pst_apr_pool_t *p = pst_apr_pool(pool);
    apr_memnode_t *active;
    char *m;

    if (!pool) {
        return;
    }
    PST_COUNT(cleanups_registered, 1);
    active = p->active;
    m = active->first_avail;
    if (PST_LIKELY(!p->free_cleanups && sizeof(pst_apr_cleanup_t) <= (apr_size_t)(active->endp - m))) {
        active->first_avail = m + sizeof(pst_apr_cleanup_t);
        link_cleanup(p, (pst_apr_cleanup_t *)(void *)m, data, plain_fn, child_fn);
    }
    else {
        cleanup_by_real(pool, data, plain_fn, child_fn);
    }
}

void pst_wrap_pool_cleanup_register_spaced(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *),
                                           apr_status_t (*child_fn)(void *))
{
    if (pool) {
        PST_COUNT(cleanups_registered, 1);
        pst_real.pool_cleanup_register(pool, data, plain_fn, child_fn);
    }
}

/* Few are registered, and the pool's memory for them comes through our palloc. */
void pst_wrap_pool_pre_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *))
{
    if (pool) {
        PST_COUNT(cleanups_registered, 1);
        pst_real.pool_pre_cleanup_register(pool, data, plain_fn);
    }
}

void *pst_wrap_palloc_spaced(apr_pool_t *pool, apr_size_t size)
{
    return palloc_by_real(pool, size);
}

char *pst_wrap_pvsprintf(apr_pool_t *pool, const char *format, va_list ap)
{
    const apr_memnode_t *before = pst_apr_pool(pool)->active;
    char *m;

    about_to(pool);
    m = pst_real.pvsprintf(pool, format, ap);
    if (PST_UNLIKELY(m && pst_apr_pool(pool)->active != before)) {
        moved_node(pool, before, m);
    }
    return m;
}

/* A hint, not a figure: it need not be exact when threads collide. */
static APR_INLINE void note_below(pst_account_t *account, apr_uint32_t more)
{
    if (account->root) {
        __atomic_store_n(&account->below, __atomic_load_n(&account->below, __ATOMIC_RELAXED) + more,
                         __ATOMIC_RELAXED);
    }
}

static __attribute__((always_inline)) inline void born(apr_pool_t *pool, const pst_record_t *above, const void *creator)
{
    pst_record_t *record = pst_record_make(pool);
    const apr_memnode_t *self = pst_apr_pool(pool)->self;

    record->account = above ? above->account : pst_account_process();
    record->reserved = pst_apr_node_size(self);
    record->published = pst_apr_node_slack(self);
    record->active = self;
    note_below(record->account, 1);
    pst_account_charge(record->account, (apr_int64_t)record->reserved, (apr_int64_t)record->published, 1);
    PST_COUNT(pools_created, 1);
    pst_class_born(record, creator);
    pst_site_grow(record, record->reserved, 1);
    pst_novel_grown(record, record->reserved);
}

static APR_INLINE apr_status_t create(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                      apr_allocator_t *allocator, const void *creator)
{
    const pst_record_t *above = parent ? pst_record_find(parent) : NULL;
    apr_status_t rv;

    if (PST_LIKELY(above != NULL)) {
        pst_allocator_use(above, parent);
    }
    rv = pst_real.pool_create_ex(pool, parent, abort_fn, allocator);
    if (PST_LIKELY(rv == APR_SUCCESS)) {
        born(*pool, above, creator);
    }
    return rv;
}

apr_status_t pst_wrap_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                     apr_allocator_t *allocator)
{
    return create(pool, parent, abort_fn, allocator, __builtin_return_address(0));
}

apr_status_t pst_wrap_pool_create_by(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                     apr_allocator_t *allocator, const void *creator)
{
    apr_status_t rv = create(pool, parent, abort_fn, allocator, creator);

    if (rv == APR_SUCCESS) {
        pst_wrap_sealed(*pool);
    }
    return rv;
}

apr_status_t pst_wrap_guard_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                           apr_allocator_t *allocator)
{
    return pst_wrap_pool_create_by(pool, parent, abort_fn, allocator, __builtin_return_address(0));
}

apr_status_t pst_wrap_pool_create_unmanaged_ex(apr_pool_t **pool, apr_abortfunc_t abort_fn,
                                               apr_allocator_t *allocator)
{
    apr_status_t rv = pst_real.pool_create_unmanaged_ex(pool, abort_fn, allocator);

    if (PST_LIKELY(rv == APR_SUCCESS)) {
        born(*pool, NULL, __builtin_return_address(0));
        if (!allocator && !pst_child_muted()) {
            pst_retained_enter(pst_apr_pool(*pool)->allocator, 0);      /* libapr made it, without a call */
        }
    }
    return rv;
}

/*
 * Does what apr_pool_destroy() and apr_pool_clear() do first, in the same order, through the wrappers: pre-cleanups,
 * then the pools below.
 * apr_pool_destroy() calls itself for these, directly and not through a table that
 * could be redirected (Debian's libapr 1.7.2); the real function then finds none.
 */
static void (*destroy_below)(apr_pool_t *pool) = pst_wrap_pool_destroy;
static void (*left_below)(apr_pool_t *pool) = NULL;

void pst_wrap_pools_check(void (*destroy)(apr_pool_t *pool), void (*left)(apr_pool_t *pool))
{
    __atomic_store_n(&left_below, left, __ATOMIC_RELEASE);
    __atomic_store_n(&destroy_below, destroy ? destroy : pst_wrap_pool_destroy, __ATOMIC_RELEASE);
}

static APR_INLINE void empty(apr_pool_t *pool)
{
    pst_apr_pool_t *p = pst_apr_pool(pool);

    if (PST_UNLIKELY(p->pre_cleanups)) {
        pst_apr_run_cleanups(&p->pre_cleanups);
    }
    while (p->child) {
        destroy_below(p->child);
    }
}

/* Cleanups of the pool have made pools below it, which libapr's own apr_pool_destroy() would leave there. */
static __attribute__((noinline)) void empty_again(apr_pool_t *pool)
{
    if (pst_apr_pool(pool)->child && left_below) {
        left_below(pool);
    }
    empty(pool);
}

/* The pool is back to its own first node. */
static void cleared(apr_pool_t *pool, pst_record_t *record, pst_account_t *account)
{
    apr_size_t self = pst_apr_node_size(pst_apr_pool(pool)->self), before = record->reserved;

    PST_COUNT(pools_cleared, 1);
    record->left = 0;
    record->active = pst_apr_pool(pool)->active;
    pst_site_drop(record, 0);
    if (before != self) {
        record->reserved = self;
        pst_novel_given_back(record, self);
        pst_account_charge(account, (apr_int64_t)self - (apr_int64_t)before, pst_wrap_publish(record, pool), 0);
        pst_class_changed(record, pool, (apr_int64_t)self - (apr_int64_t)before);
        pst_allocator_recycled(record, pool);
    }
}

typedef struct {
    const pst_account_t *original;      /* where the account was: only compared */
    pst_account_t       *from, *to;
} heir_t;

static int inherit(void *baton, apr_pool_t *pool)
{
    const heir_t *heir = baton;
    pst_record_t *record = pst_record_find(pool);

    if (record && record->account == heir->original) {
        record->account = heir->to;
        note_below(heir->to, 1);
        pst_account_move(heir->from, heir->to, (apr_int64_t)record->reserved, (apr_int64_t)record->published, 1);
        if (record->samples) {
            pst_site_moved(record);
        }
    }
    return 1;
}

/*
 * The pool continues, its account ends: what is left goes back to the account its parent is charged to.  That is the
 * bare pool, and pools that its cleanups have made below it: these survive a clear. The account is in the pool, maybe
 * in a node that clear releases, and is used from a copy.
 */
static __attribute__((noinline)) void clear_rooted(apr_pool_t *pool, pst_record_t *record)
{
    apr_pool_t *parent = pst_apr_pool(pool)->parent;
    pst_record_t *above = parent ? pst_record_find(parent) : NULL;
    const pst_account_t *original = record->rooted;
    pst_account_t account;
    heir_t heir = { original, &account, above ? above->account : pst_account_process() };
    apr_size_t budget = WALK_SURVIVORS;

    pst_account_copy(&account, original);
    empty(pool);
    pst_real.pool_clear(pool);
    cleared(pool, record, &account);
    pst_allocator_recycled(record, pool);
    record->rooted = NULL;
    pst_apr_walk(pool, inherit, &heir, &budget);
    pst_account_close(&account, original);
}

void pst_wrap_pool_clear(apr_pool_t *pool)
{
    pst_record_t *record = pst_wrap_record(pool);

    if (PST_UNLIKELY(!record)) {
        pst_real.pool_clear(pool);
        return;
    }
    pst_allocator_use(record, pool);
    if (record->rooted) {
        clear_rooted(pool, record);
    }
    else {
        empty(pool);
        pst_real.pool_clear(pool);
        cleared(pool, record, record->account);
    }
    if (record->allocator) {
        pst_allocator_settle(record, pool);
    }
}

/* A caller that gets a pool's allocator is about to use it. */
apr_allocator_t *pst_wrap_pool_allocator_get(apr_pool_t *pool)
{
    const pst_record_t *record = pst_record_find(pool);

    if (PST_LIKELY(record != NULL)) {
        pst_allocator_use(record, pool);
    }
    return pst_apr_pool(pool)->allocator;
}

/*
 * Cleanups are run here too, not by the real function: they may allocate from the
 * pool, make pools below it, or wait for another thread that does, and all of that must
 * still find the record.  Then nothing is left that could.
 */
static APR_INLINE void finish_pool(apr_pool_t *pool)
{
    pst_apr_pool_t *p = pst_apr_pool(pool);

    empty(pool);
    if (p->cleanups) {
        pst_apr_run_cleanups(&p->cleanups);
        if (PST_UNLIKELY(p->pre_cleanups || p->child)) {
            empty_again(pool);
        }
    }
}

/* The account is in the pool: once that is gone a copy is used. */
static void destroy(apr_pool_t *pool, pst_record_t *record, pst_account_t *account)
{
    apr_int64_t reserved = (apr_int64_t)record->reserved, slack = (apr_int64_t)record->published;

    pst_class_check(record, pool);
    pst_class_died(record);
    pst_site_drop(record, 1);
    pst_novel_given_back(record, 0);
    if (record->allocator) {
        pst_allocator_gone(record, pool);
    }
    pst_record_drop(pool, record);
    pst_real.pool_destroy(pool);
    pst_account_charge(account, -reserved, -slack, -1);
    PST_COUNT(pools_destroyed, 1);
}

static int publish_pool(void *baton, apr_pool_t *pool)
{
    pst_account_t *account = baton;
    pst_record_t *record = pst_record_find(pool);

    if (record && record->account == account) {
        pst_account_charge(account, 0, pst_wrap_publish(record, pool), 0);
    }
    return record != NULL;
}

static __attribute__((noinline)) void weigh_large(apr_pool_t *pool, pst_account_t *account)
{
    apr_size_t budget = WALK_NODES;

    pst_heavy_name(account);
    if (pst_largest_beats(account)) {
        pst_apr_walk(pool, publish_pool, account, &budget);
        pst_largest_keep(account);
    }
}

/* The last moment at which a request is complete. */
static APR_INLINE void weigh_request(apr_pool_t *pool, pst_account_t *account)
{
    if (account->scope == PST_SCOPE_REQUEST && PST_UNLIKELY(pst_largest_count(account))) {
        weigh_large(pool, account);
    }
}

static __attribute__((noinline)) void destroy_rooted(apr_pool_t *pool, pst_record_t *record)
{
    pst_account_t *original = record->rooted;
    pst_account_t account;

    weigh_request(pool, original);
    finish_pool(pool);
    if (original->scope == PST_SCOPE_REQUEST) {
        pst_heavy_count(original);      /* it has been logged by now: httpd does so in a cleanup */
    }
    pst_account_copy(&account, original);
    destroy(pool, record, &account);
    pst_account_close(&account, original);
}

void pst_wrap_pool_destroy(apr_pool_t *pool)
{
    pst_record_t *record = pst_wrap_record(pool);

    if (PST_UNLIKELY(!record)) {
        finish_pool(pool);
        pst_real.pool_destroy(pool);
    }
    else if (record->rooted) {
        destroy_rooted(pool, record);
    }
    else {
        finish_pool(pool);
        note_below(record->account, (apr_uint32_t)-1);
        destroy(pool, record, record->account);
    }
}

/* The pool's class follows its tag. */
void pst_wrap_pool_tag(apr_pool_t *pool, const char *tag)
{
    pst_record_t *record = pst_record_find(pool);

    pst_real.pool_tag(pool, tag);
    if (PST_LIKELY(record != NULL)) {
        pst_class_tagged(record, tag);
    }
}
