/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of everything that uses pools, allocators and buckets, while that is checked.
 *
 * Place in the flow: APR calls -> WRAPPERS -> the plain wrappers; what is found goes to pst_misuse.h.
 *
 * Each checks, reports, and then does what it was called for: misuses are not corrected.  pst_instrument_check()
 * leads calls here.
 *
 * Pools that have ended: the last thing done to a pool is to set its tag to pst_ended_tag. Creating a pool resets
 * that (apr_pool_create_ex() in memory/unix/apr_pools.c, APR 1.7), so a pool with this tag is one that has
 * ended, and no other is in its place.
 */
#include "pst_wrap.h"
#include "pst_buckets.h"
#include "pst_clock.h"
#include "pst_fault.h"
#include "pst_guarded.h"
#include "pst_lent.h"
#include "pst_misuse.h"
#include "pst_watchpoint.h"
#include "pst_withheld.h"

/* Pools of this thread that are being destroyed, nested. */
#define ENDING 16
/* Ended pools for which it is known who ended them. */
#define ENDED  1024u
/* Pools left by a cleanup below its own that are reported. */
#define LEFT   4

static const char ended_tag[] = "ended";

typedef struct {
    apr_pool_t *pool;
    pst_misuse_stack_t *maker;  /* of the last pool that was made below it meanwhile */
} ending_t;

static __thread struct {
    ending_t     pools[ENDING];
    unsigned     depth;
    const void  *caller;
} ending __attribute__((tls_model("initial-exec")));

static __thread const void *cleared_by __attribute__((tls_model("initial-exec")));

static struct {
    apr_pool_t *pool;           /* all relaxed atomics: reported, not relied on */
    const void *caller;
    apr_uint64_t connection;
    apr_uint32_t of_class;
} ended[ENDED];

/* The real functions, while others replace them. */
static int is_on;
static void *(*real_palloc)(apr_pool_t *pool, apr_size_t size);
static void (*real_clear)(apr_pool_t *pool);
static void (*real_destroy)(apr_pool_t *pool);

/* -- pools that have ended ------------------------------------------------- */

static APR_INLINE unsigned ended_row(const apr_pool_t *pool)
{
    return (unsigned)(((apr_uint64_t)(apr_uintptr_t)pool * 0x9e3779b97f4a7c15u) >> 32) % ENDED;
}

static void note_checked_end(apr_pool_t *pool)
{
    const pst_record_t *record = pst_record_find(pool);
    const pst_account_t *account = record ? record->account : NULL;
    unsigned row = ended_row(pool);

    __atomic_store_n(&ended[row].pool, pool, __ATOMIC_RELAXED);
    __atomic_store_n(&ended[row].caller, ending.caller, __ATOMIC_RELAXED);
    __atomic_store_n(&ended[row].connection, account ? (account->above ? account->above : account)->id : 0,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&ended[row].of_class, record ? record->of_class : 0, __ATOMIC_RELAXED);
}

static void tell_ended(apr_pool_t *pool, pst_misuse_e kind)
{
    unsigned row = ended_row(pool);
    pst_misuse_stack_t here, ender = { .depth = 1 };
    pst_misuse_party_t by, of = { 0 };
    pst_misuse_t misuse = { .kind = kind, .what = "pool", .by = &by, .stacks = { &here } };

    pst_misuse_stack(&here);
    pst_misuse_party_now(&by);
    if (__atomic_load_n(&ended[row].pool, __ATOMIC_RELAXED) == pool) {
        ender.ip[0] = (apr_uintptr_t)__atomic_load_n(&ended[row].caller, __ATOMIC_RELAXED);
        of.connection = __atomic_load_n(&ended[row].connection, __ATOMIC_RELAXED);
        misuse.of = &of;
        misuse.of_class = __atomic_load_n(&ended[row].of_class, __ATOMIC_RELAXED);
        misuse.stacks[1] = ender.ip[0] ? &ender : NULL;
    }
    pst_misuse_tell(&misuse);
}

/* The pool is about to be used. */
static APR_INLINE void alive(apr_pool_t *pool, pst_misuse_e kind)
{
    if (pst_fault_is_dead(pool, kind)) {
        return;
    }
    if (PST_UNLIKELY(pst_apr_pool(pool)->tag == ended_tag) && !pst_child_muted()) {
        tell_ended(pool, kind);
    }
}

/* -- instead of the real functions ----------------------------------------- */

static void *check_grow(apr_pool_t *pool, apr_size_t size)
{
    alive(pool, PST_MISUSE_USE_AFTER_DESTROY);
    pst_watchpoint_at_allocator(pst_apr_pool(pool)->allocator);
    return real_palloc(pool, size);
}

static void check_clear(apr_pool_t *pool)
{
    real_clear(pool);
    pst_lent_pool_ends(pool, cleared_by);
}

/* All cleanups have run, nothing is below it. */
static void check_destroy(apr_pool_t *pool)
{
    pst_lent_pool_ends(pool, ending.caller);
    if (!pst_range_has(pool)) {         /* a guarded one is closed as it ends */
        pst_apr_pool(pool)->tag = ended_tag;
    }
    real_destroy(pool);
}

/* -- pools ----------------------------------------------------------------- */

/* Usually no watchpoint is set and none is wanted. The rare case is called last, so that the rest is a jump. */
#define IS_QUIET PST_LIKELY(!__atomic_load_n(&pst_watchpoint_armed, __ATOMIC_RELAXED))

static __attribute__((noinline)) void watched(apr_pool_t *pool)
{
    pst_watchpoint_come(pool, PST_WATCH_POOL, 1);
}

static __attribute__((noinline)) void *watched_palloc(apr_pool_t *pool, apr_size_t size)
{
    watched(pool);
    return pst_wrap_palloc(pool, size);
}

void *pst_wrap_check_palloc(apr_pool_t *pool, apr_size_t size)
{
    return IS_QUIET ? pst_wrap_palloc(pool, size) : watched_palloc(pool, size);
}

char *pst_wrap_check_pvsprintf(apr_pool_t *pool, const char *format, va_list ap)
{
    pst_watchpoint_at(pool, PST_WATCH_POOL);
    return pst_wrap_pvsprintf(pool, format, ap);
}

static __attribute__((noinline)) void *watched_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size)
{
    watched(pool);
    return pst_wrap_pmemdup(pool, from, size);
}

void *pst_wrap_check_pmemdup(apr_pool_t *pool, const void *from, apr_size_t size)
{
    return IS_QUIET ? pst_wrap_pmemdup(pool, from, size) : watched_pmemdup(pool, from, size);
}

static __attribute__((noinline)) char *watched_pstrdup(apr_pool_t *pool, const char *from)
{
    watched(pool);
    return pst_wrap_pstrdup(pool, from);
}

char *pst_wrap_check_pstrdup(apr_pool_t *pool, const char *from)
{
    return IS_QUIET || !from ? pst_wrap_pstrdup(pool, from) : watched_pstrdup(pool, from);
}

static __attribute__((noinline)) char *watched_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length)
{
    watched(pool);
    return pst_wrap_pstrmemdup(pool, from, length);
}

char *pst_wrap_check_pstrmemdup(apr_pool_t *pool, const char *from, apr_size_t length)
{
    return IS_QUIET || !from ? pst_wrap_pstrmemdup(pool, from, length) : watched_pstrmemdup(pool, from, length);
}

void pst_wrap_check_pool_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *),
                                          apr_status_t (*child_fn)(void *))
{
    if (pool) {
        alive(pool, PST_MISUSE_LATE_REGISTER);
        pst_watchpoint_at(pool, PST_WATCH_POOL);
    }
    pst_wrap_pool_cleanup_register(pool, data, plain_fn, child_fn);
}

void pst_wrap_check_pool_pre_cleanup_register(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *))
{
    if (pool) {
        alive(pool, PST_MISUSE_LATE_REGISTER);
        pst_watchpoint_at(pool, PST_WATCH_POOL);
    }
    pst_wrap_pool_pre_cleanup_register(pool, data, plain_fn);
}

void pst_wrap_check_pool_cleanup_kill(apr_pool_t *pool, const void *data, apr_status_t (*plain_fn)(void *))
{
    if (pool) {
        alive(pool, PST_MISUSE_USE_AFTER_DESTROY);
        pst_watchpoint_at(pool, PST_WATCH_POOL);
    }
    pst_real.check_pool_cleanup_kill(pool, data, plain_fn);
}

/* A pool below one that is being destroyed. Those that pre-cleanups make are found by libapr, those that a cleanup
 * destroys again do no harm: who made it is kept until it is known. */
static __attribute__((noinline)) void note_maker(ending_t *at)
{
    pst_misuse_stack(at->maker);
}

static void look_above(const apr_pool_t *parent)
{
    for (unsigned i = 0; i < ending.depth && i < ENDING; i++) {
        if (ending.pools[i].pool == parent && ending.pools[i].maker) {
            note_maker(&ending.pools[i]);
        }
    }
}

apr_status_t pst_wrap_check_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                           apr_allocator_t *allocator)
{
    if (parent) {
        alive(parent, PST_MISUSE_USE_AFTER_DESTROY);
        if (!pst_apr_has_mutex(pst_apr_pool(parent)->allocator)) {
            pst_watchpoint_at(parent, PST_WATCH_POOL);
        }
        pst_watchpoint_at_allocator(allocator ? allocator : pst_apr_pool(parent)->allocator);
        if (PST_UNLIKELY(ending.depth)) {
            look_above(parent);
        }
    }
    pst_watchpoint_tick();
    return pst_wrap_pool_create_by(pool, parent, abort_fn, allocator, __builtin_return_address(0));
}

/* A cleanup of a pool that is being destroyed destroys or clears that pool. It is left alone: what is done already
 * ends it. */
static __attribute__((noinline)) int ends_itself(apr_pool_t *pool)
{
    for (unsigned i = 0; i < ending.depth && i < ENDING; i++) {
        if (ending.pools[i].pool == pool && !pst_child_muted()) {
            tell_ended(pool, PST_MISUSE_DOUBLE_DESTROY);
            return 1;
        }
    }
    return 0;
}

void pst_wrap_check_pool_clear(apr_pool_t *pool)
{
    if (pst_fault_is_dead(pool, PST_MISUSE_DOUBLE_DESTROY) || (PST_UNLIKELY(ending.depth) && ends_itself(pool))) {
        return;                         /* as pst_wrap_guard.c does */
    }
    alive(pool, PST_MISUSE_DOUBLE_DESTROY);
    pst_watchpoint_end(pool);
    cleared_by = __builtin_return_address(0);
    pst_wrap_pool_clear(pool);
}

static void end(apr_pool_t *pool)
{
    pst_misuse_stack_t maker;
    unsigned depth = ending.depth++;

    if (depth < ENDING) {
        maker.depth = 0;
        ending.pools[depth] = (ending_t){ .pool = pool, .maker = &maker };
    }
    note_checked_end(pool);
    pst_watchpoint_end(pool);
    pst_wrap_pool_destroy(pool);
    ending.depth = depth;
}

/* Those below the one that is destroyed. */
static void end_below(apr_pool_t *pool)
{
    end(pool);
}

void pst_wrap_check_pool_destroy(apr_pool_t *pool)
{
    const void *caller = ending.caller;

    if (pst_fault_is_dead(pool, PST_MISUSE_DOUBLE_DESTROY) || (PST_UNLIKELY(ending.depth) && ends_itself(pool))) {
        return;
    }
    ending.caller = __builtin_return_address(0);
    alive(pool, PST_MISUSE_DOUBLE_DESTROY);
    end(pool);
    ending.caller = caller;
}

/* Its cleanups have run, and pools are below it. */
static void left_below(apr_pool_t *pool)
{
    const pst_misuse_stack_t *maker = NULL;
    pst_misuse_stack_t here;
    pst_misuse_party_t by, of;
    const pst_record_t *record = pst_record_find(pool);
    pst_misuse_t misuse = { .kind = PST_MISUSE_LATE_SUBPOOL, .what = "pool", .tag = pst_apr_pool(pool)->tag,
                            .of_class = record ? record->of_class : 0, .by = &by, .of = &of };

    if (pst_child_muted()) {
        return;
    }
    for (unsigned i = 0; i < ending.depth && i < ENDING; i++) {
        if (ending.pools[i].pool == pool && ending.pools[i].maker->depth) {
            maker = ending.pools[i].maker;
        }
    }
    pst_misuse_party_now(&by);
    pst_misuse_party_of(&of, record ? record->account : NULL);
    if (!maker) {
        pst_misuse_stack(&here);
    }
    misuse.stacks[0] = maker ? maker : &here;
    pst_misuse_tell(&misuse);
}

/* -- allocators and buckets ------------------------------------------------ */

apr_memnode_t *pst_wrap_check_allocator_alloc(apr_allocator_t *allocator, apr_size_t size)
{
    pst_watchpoint_at_allocator(allocator);
    return pst_wrap_allocator_alloc(allocator, size);
}

void pst_wrap_check_allocator_free(apr_allocator_t *allocator, apr_memnode_t *node)
{
    pst_watchpoint_at_allocator(allocator);
    pst_withheld_end(node);
    pst_wrap_allocator_free(allocator, node);
}

static __attribute__((noinline)) void *watched_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    pst_watchpoint_come(list, PST_WATCH_BUCKETS, 1);
    return pst_wrap_bucket_alloc(size, list);
}

void *pst_wrap_check_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    return IS_QUIET ? pst_wrap_bucket_alloc(size, list) : watched_bucket_alloc(size, list);
}

/* A block larger than a bucket has a node of its own. If its allocator is one of ours, that is closed when the block is
 * freed: a few of the small ones are made so large. */
void *pst_wrap_block_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    void *block;

    pst_watchpoint_at(list, PST_WATCH_BUCKETS);
    if (size <= APR_BUCKET_ALLOC_SIZE && pst_guarded_wants_node(pst_apr_bucket_alloc(list)->allocator)) {
        size = APR_BUCKET_ALLOC_SIZE + 1;
    }
    block = pst_wrap_bucket_alloc(size, list);
    if (PST_LIKELY(block != NULL)) {
        pst_buckets_taken(block);
        pst_lent_forget(block);
    }
    return block;
}

static __attribute__((noinline)) void free_large(void *block)
{
    int outer = pst_guarded_frees_block;

    pst_guarded_frees_block = 1;
    pst_real.block_free(block);
    pst_guarded_frees_block = outer;
}

void pst_wrap_block_free(void *block)
{
    if (pst_fault_is_dead(block, PST_MISUSE_BUCKET_TWICE)) {
        return;
    }
    pst_watchpoint_at(pst_buckets_of(block), PST_WATCH_BUCKETS);
    if (pst_buckets_head(block)->size != PST_APR_SMALL_BUCKET) {
        pst_lent_forget(block);
        free_large(block);
        return;
    }
    if (!pst_buckets_freed(block, __builtin_return_address(0))) {
        return;
    }
    block = pst_withheld_swap(block);
    if (PST_LIKELY(block != NULL)) {
        pst_real.block_free(block);
    }
}

int pst_wrap_check_is_on(void)
{
    return is_on;
}

void pst_wrap_check_on(int on)
{
    if (on && !is_on) {
        real_palloc = pst_real.palloc;
        real_clear = pst_real.pool_clear;
        real_destroy = pst_real.pool_destroy;
    }
    if (on != is_on) {
        is_on = on;
        __atomic_store_n(&pst_real.palloc, on ? check_grow : real_palloc, __ATOMIC_RELEASE);
        __atomic_store_n(&pst_real.pool_clear, on ? check_clear : real_clear, __ATOMIC_RELEASE);
        __atomic_store_n(&pst_real.pool_destroy, on ? check_destroy : real_destroy, __ATOMIC_RELEASE);
    }
    pst_wrap_pools_check(on ? end_below : NULL, on ? left_below : NULL);
}
