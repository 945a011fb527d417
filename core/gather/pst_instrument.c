/* SPDX-License-Identifier: Apache-2.0
 *
 * Installing the wrappers: the start, and the proof that it works.
 *
 * Everything is proven in the running process before it is relied on: the mirror
 * of APR, that calls from libapr to itself, from libaprutil and from here reach the
 * wrappers, that the end of nested pools is seen, that the sums are correct to the byte. Whatever fails is undone and
 * reported.
 */
#include "pst_instrument.h"
#include "pst_got.h"
#include "pst_hooks.h"
#include "pst_class.h"
#include "pst_retained.h"
#include "pst_kept.h"
#include "pst_site.h"
#include "pst_wrap.h"

#include <apr_strings.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* Nodes examined in one of the proof's pools. */
#define WALK_NODES 4096

/* Pools and nodes examined at the child's start, when nobody waits yet. */
#define START_POOLS 1000000
#define START_NODES 10000000

#define MAX_ALLOCATORS 256

#define MAX_ALSO 4

/* How often to look for objects loaded since, at most; microseconds. */
#define REFRESH_EVERY 1000000

/* How often objects the loader may still have been relocating are examined again. */
#define TRIES_MOST 1000

static struct {
    pst_apr_facts_t facts;
    pst_got_loads_t right;      /* the loader's list when all slots were last known to be correct */
    apr_uint64_t    tried;      /* objects loaded when they were last walked over */
    unsigned        tries;
    apr_uint64_t    refreshed;  /* when somebody last looked */
    int             refreshing;
    int             nodes_in_heap; /* libapr was built to get nodes by malloc */
} g;

pst_instrument_t pst_instrumented;

/* Known pools without a parent. */
static apr_pool_t *also[MAX_ALSO];
static unsigned also_count;

/* -- the books at the start ----------------------------------------------- */

typedef struct {
    apr_allocator_t *allocators[MAX_ALLOCATORS];
    apr_size_t       allocator_count;
    apr_size_t       pools;
    apr_size_t       reserved;
    apr_size_t       slack;
    apr_size_t       nodes_left;
    int              adopt;
} opening_t;

static void note_allocator(opening_t *opening, apr_allocator_t *allocator)
{
    apr_size_t i;

    for (i = 0; i < opening->allocator_count; i++) {
        if (opening->allocators[i] == allocator) {
            return;
        }
    }
    if (opening->allocator_count < MAX_ALLOCATORS) {
        opening->allocators[opening->allocator_count++] = allocator;
    }
}

static int count_pool(void *baton, apr_pool_t *pool)
{
    (void)pool;
    ++*(apr_size_t *)baton;
    return 1;
}

static int open_pool(void *baton, apr_pool_t *pool)
{
    opening_t *opening = baton;
    pst_apr_figures_t figures = { 0 };
    pst_record_t *record = opening->adopt ? pst_record_adopt(pool) : NULL;

    pst_apr_add_pool(&figures, pool, &opening->nodes_left);
    opening->pools++;
    opening->reserved += figures.reserved;
    opening->slack += figures.slack;
    note_allocator(opening, pst_apr_pool(pool)->allocator);
    if (record) {
        pst_wrap_fill(record, pool, &figures);      /* charged to the process, as every new record is */
    }
    return 1;
}

static void enter_allocators(const opening_t *opening)
{
    for (apr_size_t i = 0; i < opening->allocator_count; i++) {
        pst_retained_enter(opening->allocators[i], START_NODES);
    }
    if (opening->allocator_count == MAX_ALLOCATORS) {
        pst_retained_lost();
    }
}

/* All pools that can be found. */
static void walk_all(apr_pool_t *root, pst_apr_visit_fn *visit, void *baton)
{
    apr_size_t budget = START_POOLS;

    pst_apr_walk(root, visit, baton, &budget);
    for (unsigned i = 0; i < also_count; i++) {
        pst_apr_walk(also[i], visit, baton, &budget);
    }
}

void pst_instrument_also(apr_pool_t *pool)
{
    apr_pool_t *root = apr_pool_parent_get(pool) ? NULL : pool;

    for (unsigned i = 0; i < also_count; i++) {
        root = also[i] == root ? NULL : root;
    }
    if (root && also_count < MAX_ALSO) {
        also[also_count++] = root;
    }
}

/* Charge all existing pools to the process scope, with what their allocators retain. */
static void open_books(apr_pool_t *root, int adopt)
{
    opening_t opening = { .nodes_left = START_NODES, .adopt = adopt };
    apr_size_t i, retained = 0;

    walk_all(root, open_pool, &opening);
    for (i = 0; i < opening.allocator_count; i++) {
        retained += pst_apr_retained(opening.allocators[i], 0, START_NODES);
    }
    pst_account_charge(pst_account_process(), (apr_int64_t)opening.reserved, (apr_int64_t)opening.slack,
                       (apr_int64_t)opening.pools);
    if (adopt) {
        pst_account_held((apr_int64_t)(opening.reserved + retained));
        enter_allocators(&opening);
    }
}

/* -- proof ---------------------------------------------------------------- */

typedef struct {
    apr_uint64_t reserved, pools, buckets, held;
} books_t;

static books_t books(void)
{
    const pst_shared_child_t *block = pst_child_block();
    books_t now = { pst_load(&block->process.reserved_bytes), pst_load(&block->process.pools),
                    pst_load(&block->child_bucket_bytes), pst_load(&block->held_bytes) };

    return now;
}

/* More than a pool's first node: an allocation of this size makes a pool grow. Each page written is a page fault at
 * every child's start, so it is no larger than necessary. */
#define GROWS 8300

/* Does the account agree with the nodes? */
static int agrees(apr_pool_t *pool, apr_pool_t *below, const books_t *before)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = WALK_NODES;
    books_t now = books();

    pst_apr_add_pool(&figures, pool, &budget);
    if (below) {
        pst_apr_add_pool(&figures, below, &budget);
    }
    return now.reserved - before->reserved == figures.reserved && now.pools - before->pools == figures.pools;
}

/* Growth by libapr's own callers and by formatted printing, by more than the sizes an allocator sorts, and by nested
 * pools. Checked after each: the next call that is seen would correct a missed one. */
static int grow_and_compare(apr_pool_t *pool, const books_t *before)
{
    apr_pool_t *below;
    char *text;
    int good;

    text = apr_psprintf(pool, "%*s", GROWS, "");
    good = agrees(pool, NULL, before);
    apr_pstrcat(pool, text, text + GROWS - 1, NULL);
    good = good && agrees(pool, NULL, before);
    apr_pcalloc(pool, GROWS);
    good = good && agrees(pool, NULL, before);
    apr_pstrdup(pool, apr_pstrmemdup(pool, text, GROWS));
    apr_palloc(pool, 90000);
    if (apr_pool_create(&below, pool) != APR_SUCCESS) {
        return 0;
    }
    apr_palloc(below, 50000);
    return good && agrees(pool, below, before);
}

static int use_buckets(apr_pool_t *pool, const books_t *before)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(pool);
    void *m = apr_bucket_alloc(20000, list);
    const pst_apr_bucket_head_t *head = (const pst_apr_bucket_head_t *)(void *)((char *)m - PST_APR_BUCKET_HEAD);
    apr_size_t expected = pst_apr_node_size(pst_apr_bucket_home(list)) + pst_apr_node_size(head->memnode);
    books_t now = books();

    apr_bucket_free(m);
    return now.buckets - before->buckets == expected;
}

/* With its own allocator, so that its nodes come from the system and are returned there. */
static const char *prove(apr_pool_t *parent)
{
    books_t before = books(), after;
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    int grown, buckets;

    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        return "no memory for the proof";
    }
    if (apr_pool_create_ex(&pool, parent, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return "no memory for the proof";
    }
    apr_allocator_owner_set(allocator, pool);
    grown = grow_and_compare(pool, &before);
    buckets = !g.facts.buckets || use_buckets(pool, &before);
    apr_pool_destroy(pool);
    if (pst_retained_is_counted(allocator)) {
        pst_retained_forget(allocator);
        pst_retained_lost();            /* its end was not seen */
    }
    after = books();
    if (!grown) {
        return "not all calls of libapr to itself could be redirected";
    }
    if (!buckets) {
        return "not all calls of libaprutil to libapr could be redirected";
    }
    if (memcmp(&before, &after, sizeof(before)) != 0) {
        return "the end of nested pools, or what libapr returns to the system, could not be seen";
    }
    return NULL;
}

/* The process's mappings at the start. */
static pst_pages_t pages;

static apr_status_t patch_pools(pst_hooks_e table, int flags)
{
    apr_size_t stores;

    return pst_hooks_patch(table, (pst_got_job_t){ .pages = &pages, .flags = flags }, &stores);
}

/* Which way does libapr take nodes from the system?  Ask by making it take one. */
static int held_moves(pst_hooks_e os)
{
    apr_uint64_t before = books().held;
    apr_allocator_t *allocator;
    apr_memnode_t *node;
    int moved = 0;

    if (patch_pools(os, 0) == APR_SUCCESS && apr_allocator_create(&allocator) == APR_SUCCESS) {
        node = pst_real.allocator_alloc(allocator, 1);
        moved = node && books().held - before == pst_apr_node_size(node);
        if (node) {
            pst_real.allocator_free(allocator, node);
        }
        apr_allocator_destroy(allocator);
    }
    if (!moved) {
        patch_pools(os, PST_GOT_BACK);
    }
    return moved;
}

/* -- start ---------------------------------------------------------------- */

/* A process forked from this child (CGI) is not this child. */
static void in_forked(void)
{
    pst_child_mute();
}

/* Once the list of mappings is available. */
static const char *redirect_calls(apr_pool_t *parent)
{
    const char *why;

    pst_got_look(&g.right);
    pst_wrap_loads_at_start = g.right.loaded;
    if (patch_pools(PST_HOOKS_CALLS, 0) != APR_SUCCESS) {
        why = "calls between the loaded objects could not be redirected";
    }
    else if (!held_moves(PST_HOOKS_MMAP)
             && !(g.nodes_in_heap = held_moves(PST_HOOKS_MALLOC))) {
        why = "libapr's calls to the system could not be redirected";
    }
    else {
        why = prove(parent);
    }
    if (why) {
        for (pst_hooks_e table = 0; table < PST_HOOKS_TABLES; table++) {
            patch_pools(table, PST_GOT_BACK);
        }
    }
    return why;
}

/* Nothing is touched unless the rights of all pages are known. */
static const char *redirect_all(apr_pool_t *parent)
{
    const char *why;

    if (!pst_got_able()) {
        return "this processor's calls cannot be redirected, those of x86-64 and aarch64 alone";
    }
    if (!pst_got_pin((const void *)redirect_all)) {
        return "this module could not be pinned in memory";
    }
    if (pthread_atfork(NULL, NULL, in_forked) != 0) {
        return "no handler for forked processes could be set";
    }
    if (pst_pages_take(&pages, &why) == APR_SUCCESS) {
        why = redirect_calls(parent);
    }
    return why;
}

const pst_pages_t *pst_instrument_pages(void)
{
    return pages.at && pst_got_loads() == g.right.loaded ? &pages : NULL;
}

void pst_instrument_ready(void)
{
    pst_pages_drop(&pages);
}

/* Tables currently laid over the calls, 1 << PST_HOOKS_CLOSE and 1 << PST_HOOKS_CHECK; changed by the holder of
 * g.refreshing. */
static unsigned over;

/* Walk over new objects only. Everything is correct once a later walk finds nothing to do: before that, the loader
 * may have been working on one. */
static void patch_new(const pst_got_loads_t *now)
{
    pst_pages_t here;
    apr_size_t stores = 0, skip = now->unloaded == g.right.unloaded ? g.right.objects : 0;
    apr_status_t rv;
    const char *why;

    if (pst_pages_take(&here, &why) != APR_SUCCESS) {
        return;                 /* next time */
    }
    pst_hooks_choose(over);
    rv = pst_hooks_patch(PST_HOOKS_NOW, (pst_got_job_t){ .pages = &here, .flags = PST_GOT_LATE, .skip = skip },
                         &stores);
    if ((rv == APR_SUCCESS && !stores) || ++g.tries > TRIES_MOST) {
        g.right = *now;
        g.tries = 0;
    }
    pst_pages_drop(&here);
}

/* @param again  even if all loaded objects have been walked over, but were not all correct then */
static void look_for(int again)
{
    pst_got_loads_t now;
    apr_uint64_t loaded;

    if (pst_child_muted() || __atomic_exchange_n(&g.refreshing, 1, __ATOMIC_ACQUIRE)) {
        return;
    }
    loaded = pst_got_loads();
    if (loaded != g.right.loaded && (again || loaded != g.tried)) {
        pst_got_look(&now);
        g.tried = now.loaded;
        patch_new(&now);
    }
    __atomic_store_n(&g.refreshing, 0, __ATOMIC_RELEASE);
}

static void look_for_new(void)
{
    look_for(0);
}

static void start_secret(void)
{
    apr_uint32_t secret = 0;

    if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != (ssize_t)sizeof(secret)) {
        secret = (apr_uint32_t)(apr_uintptr_t)&secret ^ (apr_uint32_t)pst_got_loads();
    }
    pst_wrap_nodes_start(secret);
}

pst_level_e pst_instrument_start(apr_pool_t *pool, pst_level_e wanted, const char **reason)
{
    apr_size_t pools = 0;
    apr_pool_t *root;

    *reason = NULL;
    if (pst_apr_prove(&g.facts, reason) != APR_SUCCESS) {
        return PST_LEVEL_PUBLIC;
    }
    pst_instrumented.mirror = 1;
    pst_instrumented.buckets = g.facts.buckets;
    root = pst_apr_root(pool);
    if (wanted != PST_LEVEL_FULL) {
        open_books(root, 0);
        *reason = "PoolStatInstrument is Off";
        return PST_LEVEL_HOOKS;
    }
    walk_all(root, count_pool, &pools);
    if (pst_record_start(g.facts.first, pools) != APR_SUCCESS) {
        *reason = "no memory for the table of pools";
        return PST_LEVEL_PUBLIC;
    }
    start_secret();
    pst_hooks_prepare(&g.facts);
    pst_class_start(NULL, NULL);
    pst_account_apart();
    open_books(root, 1);
    *reason = redirect_all(pool);
    pst_account_together();
    pst_instrumented.calls = *reason == NULL;
    if (pst_instrumented.calls) {
        pst_wrap_look = look_for_new;
    }
    return pst_instrumented.calls ? PST_LEVEL_FULL : PST_LEVEL_HOOKS;
}

int pst_instrument_nodes_in_heap(void)
{
    return pst_instrumented.calls && g.nodes_in_heap;
}

static int open_class(void *baton, apr_pool_t *pool)
{
    pst_record_t *record = pst_record_find(pool);

    (void)baton;
    if (record) {
        pst_class_adopt(record, pool);
    }
    return 1;
}

void pst_instrument_classes(apr_pool_t *pool, const pst_board_t *board, pst_shared_child_t *block,
                            apr_uint64_t profile)
{
    if (!pst_instrumented.calls) {
        return;
    }
    pst_clock_start();
    pst_class_start(board, block);
    walk_all(pst_apr_root(pool), open_class, NULL);
    pst_site_start(board, block, profile);
    pst_kept_start(board, block);
}

void pst_instrument_refresh(apr_uint64_t now)
{
    apr_uint64_t last = __atomic_load_n(&g.refreshed, __ATOMIC_RELAXED);

    if (now - last >= REFRESH_EVERY && pst_instrumented.calls
        && __atomic_compare_exchange_n(&g.refreshed, &last, now, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        look_for(1);
    }
}

/* A worker that finds objects to patch has it for some milliseconds. Ours waits for that, which no worker does. */
#define TURN_TRIES 100
#define TURN_PAUSE 2000u            /* microseconds */

static int wait_for_turn(void)
{
    for (unsigned i = 0; i < TURN_TRIES; i++) {
        if (!__atomic_exchange_n(&g.refreshing, 1, __ATOMIC_ACQUIRE)) {
            return 1;
        }
        usleep(TURN_PAUSE);
    }
    return 0;
}

/* Lay a table over the calls, or remove it. @return 0 if impossible, or not now */
static int lay_over(pst_hooks_e table, int on)
{
    pst_pages_t here;
    apr_size_t stores = 0;
    apr_status_t rv = APR_EAGAIN;
    const char *why;

    if (!pst_instrumented.calls || !g.facts.plain || pst_child_muted() || !wait_for_turn()) {
        return 0;
    }
    if (pst_pages_take(&here, &why) == APR_SUCCESS) {
        over = on ? over | 1u << table : over & ~(1u << table);
        pst_hooks_choose(over);
        rv = pst_hooks_patch(PST_HOOKS_NOW, (pst_got_job_t){ .pages = &here, .flags = PST_GOT_LATE }, &stores);
        pst_pages_drop(&here);
    }
    __atomic_store_n(&g.refreshing, 0, __ATOMIC_RELEASE);
    return rv == APR_SUCCESS || stores;
}

int pst_instrument_look_closely(int on)
{
    return lay_over(PST_HOOKS_CLOSE, on);
}

int pst_instrument_check(int on, int buckets)
{
    int done;

    if (on && pst_instrumented.calls && g.facts.plain) {
        pst_wrap_check_on(1);
    }
    done = lay_over(PST_HOOKS_CHECK, on) && (lay_over(PST_HOOKS_BLOCKS, on && buckets) || !buckets);
    if (done != on) {
        pst_wrap_check_on(0);
    }
    return done;
}

int pst_instrument_stand(pst_hooks_e table, int on)
{
    pst_pages_t here;
    apr_size_t stores = 0;
    apr_status_t rv = APR_EGENERAL;
    const char *why;

    if (table == PST_HOOKS_GUARD || table == PST_HOOKS_FENCE) {
        return lay_over(table, on);
    }
    if (!pst_instrumented.calls || pst_child_muted() || !wait_for_turn()) {
        return 0;
    }
    if (pst_pages_take(&here, &why) == APR_SUCCESS) {
        rv = pst_hooks_patch(table, (pst_got_job_t){ .pages = &here, .flags = PST_GOT_LATE | (on ? 0 : PST_GOT_BACK) },
                             &stores);
        pst_pages_drop(&here);
    }
    __atomic_store_n(&g.refreshing, 0, __ATOMIC_RELEASE);
    return rv == APR_SUCCESS || rv == APR_EAGAIN;
}

void pst_instrument_tag(apr_pool_t *pool, const char *tag)
{
    if (pst_instrumented.calls) {
        pst_wrap_pool_tag(pool, tag);
    }
    else {
        apr_pool_tag(pool, tag);
    }
}

apr_uint32_t pst_instrument_class(apr_pool_t *pool)
{
    pst_record_t *record = pst_instrumented.calls ? pst_record_find(pool) : NULL;

    if (!record || pst_child_muted()) {
        return 0;
    }
    pst_class_check(record, pool);
    return record->of_class;
}
