/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the instrumented allocator, from inside of an instrumented process.
 *
 * Whatever a program does with pools, the figures on the board must be those that
 * a walk over all nodes finds, to the byte, at any moment.  So: a long random
 * walk through APR's functions, compared every so often; then the cases that have
 * a name.
 *
 *   instrument [SEED [STEPS]]
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_apr.h"
#include "pst_instrument.h"

#include <apr_buckets.h>
#include <apr_mmap.h>
#include <apr_shm.h>
#include <apr_tables.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <time.h>

#define SLOTS 8
#define MAX_POOLS 400
#define MAX_SEEN 4096
#define MAX_UNMANAGED 24
#define MAX_SCOPES 24
#define MAX_LISTS 16
#define MAX_LARGE 6
#define MAX_ALLOCATORS 1024

static pst_board_t board;
static pst_shared_child_t *block;
static apr_pool_t *root, *base;
static apr_mmap_t *mapped;
static apr_file_t *file;

/* ---- chance ------------------------------------------------------------- */

static uint64_t seed = 20250131;

static unsigned below(unsigned limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % limit);
}

static apr_size_t any_size(void)
{
    switch (below(40)) {
    case 0: return 0;
    case 1: return 8000 + below(400);               /* about a node */
    case 2: return below(60000);
    case 3: return below(20) ? below(9000) : below(400000);
    default: return below(below(4) ? 120 : 2000);
    }
}

/* ---- what the nodes say ------------------------------------------------- */

typedef struct {
    apr_pool_t    *pool;
    pst_account_t *account;     /* whom it should be charged to; NULL: the process */
} seen_t;

static seen_t seen[MAX_SEEN];
static unsigned seen_count;

static apr_pool_t *unmanaged[MAX_UNMANAGED];
static unsigned unmanaged_count;

/* Accounts open now. */
typedef struct {
    pst_account_t *account;
    apr_pool_t    *pool;
    pst_account_t *connection;  /* of a request */
    int            open;
} scope_t;

static scope_t scopes[MAX_SCOPES];

typedef struct {
    apr_bucket_alloc_t *list;
    apr_pool_t         *pool;
    void               *large[MAX_LARGE];
    void               *small[MAX_LARGE];
    int                 open;
} list_t;

static list_t lists[MAX_LISTS];

/* Allocators that no pool owns. */
static apr_allocator_t *loose[4];

static pst_account_t *account_at(const apr_pool_t *pool)
{
    for (int i = 0; i < MAX_SCOPES; i++) {
        if (scopes[i].open && scopes[i].pool == pool) {
            return scopes[i].account;
        }
    }
    return NULL;
}

/* A pool is charged to the account opened for it, else to that of its parent. */
static int see(void *baton, apr_pool_t *pool)
{
    const apr_pool_t *parent = pst_apr_pool(pool)->parent;
    pst_account_t *account = account_at(pool);

    (void)baton;
    if (seen_count == MAX_SEEN) {
        printf("Bail out! more pools than expected\n");
        exit(1);
    }
    for (unsigned i = seen_count; parent && !account && i-- > 0;) {
        if (seen[i].pool == parent) {
            account = seen[i].account;
            break;
        }
    }
    seen[seen_count].pool = pool;
    seen[seen_count++].account = account;
    return 1;
}

static void look(void)
{
    apr_size_t budget = 1000000;

    seen_count = 0;
    pst_apr_walk(root, see, NULL, &budget);
    for (unsigned i = 0; i < unmanaged_count; i++) {
        pst_apr_walk(unmanaged[i], see, NULL, &budget);
    }
}

static pst_apr_figures_t sum_of(const pst_account_t *account, int with_requests)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = 10000000;

    for (unsigned i = 0; i < seen_count; i++) {
        const pst_account_t *charged = seen[i].account;

        if (charged == account || (with_requests && charged && charged->above == account)) {
            pst_apr_add_pool(&figures, seen[i].pool, &budget);
        }
    }
    return figures;
}

static void add_retained(apr_allocator_t **known, unsigned *count, apr_allocator_t *allocator, apr_uint64_t *sum)
{
    for (unsigned i = 0; i < *count; i++) {
        if (known[i] == allocator) {
            return;
        }
    }
    known[(*count)++] = allocator;
    *sum += pst_apr_retained(allocator, 0, 1000000);
}

static apr_uint64_t all_retained(void)
{
    static apr_allocator_t *known[MAX_ALLOCATORS];
    apr_uint64_t sum = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < seen_count && count < MAX_ALLOCATORS; i++) {
        add_retained(known, &count, pst_apr_pool(seen[i].pool)->allocator, &sum);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (loose[i]) {
            add_retained(known, &count, loose[i], &sum);
        }
    }
    return sum;
}

static apr_uint64_t nodes_of(const list_t *list)
{
    const apr_memnode_t *node;
    apr_uint64_t sum = 0;

    for (node = pst_apr_bucket_alloc(list->list)->blocks; node; node = node->next) {
        sum += pst_apr_node_size(node);
    }
    for (int i = 0; i < MAX_LARGE; i++) {
        if (list->large[i]) {
            sum += pst_apr_node_size(
                ((pst_apr_bucket_head_t *)(void *)((char *)list->large[i] - PST_APR_BUCKET_HEAD))->memnode);
        }
    }
    return sum;
}

static apr_uint64_t all_buckets(void)
{
    apr_uint64_t sum = 0;

    for (int i = 0; i < MAX_LISTS; i++) {
        sum += lists[i].open ? nodes_of(&lists[i]) : 0;
    }
    return sum;
}

/* ---- comparing ---------------------------------------------------------- */

static unsigned wrong, comparisons;

static void same(apr_uint64_t board_says, apr_uint64_t nodes_say, const char *what, unsigned step)
{
    comparisons++;
    if (board_says != nodes_say && wrong++ < 10) {
        printf("# step %u: %s is %" APR_UINT64_T_FMT " on the board, %" APR_UINT64_T_FMT " by the nodes\n", step, what,
               board_says, nodes_say);
    }
}

static void compare_connection(pst_account_t *account, unsigned step)
{
    pst_apr_figures_t whole = sum_of(account, 1), own = sum_of(account, 0), request = { 0 };
    const pst_shared_slot_t *slot = account->slot;

    pst_instrument_sample(account, 1);
    same(slot->usage.pools, whole.pools, "pools of a connection", step);
    same(slot->usage.reserved_bytes, whole.reserved, "reserved of a connection", step);
    same(slot->usage.peak_bytes >= whole.reserved, 1, "peak not below reserved", step);
    same(slot->usage.slack_bytes <= slot->usage.reserved_bytes, 1, "slack not above reserved", step);
    same(slot->retained_bytes, pst_apr_retained(pst_apr_pool(account->root)->allocator, 0, 1000000),
         "retained of a connection", step);
    if (account->current) {
        request = sum_of(account->current, 0);
        same(slot->request.pools, request.pools, "pools of a request", step);
        same(slot->request.reserved_bytes, request.reserved, "reserved of a request", step);
        if (request.pools < 60) {
            same(slot->request.slack_bytes, request.slack, "slack of a sampled request", step);
        }
    }
    else {
        same(slot->request.pools + slot->request.reserved_bytes + slot->request.slack_bytes, 0,
             "figures of no request", step);
    }
    if (whole.pools < 60 && own.pools + request.pools == whole.pools) {     /* no other request is being finished */
        same(slot->usage.slack_bytes, whole.slack, "slack of a sampled connection", step);
    }
}

static void compare(unsigned step)
{
    apr_uint64_t reserved, connections = 0, without_slot = 0, unslotted_reserved = 0, unslotted_pools = 0;
    pst_apr_figures_t process;

    look();
    process = sum_of(NULL, 0);
    same(block->process.pools, process.pools, "pools of the process", step);
    same(block->process.reserved_bytes, process.reserved, "reserved of the process", step);
    reserved = process.reserved;
    for (int i = 0; i < MAX_SCOPES; i++) {
        pst_account_t *account = scopes[i].account;

        if (scopes[i].open && account->scope == PST_SCOPE_CONNECTION) {
            pst_apr_figures_t whole = sum_of(account, 1);

            connections++;
            reserved += whole.reserved;
            if (account->slot) {
                compare_connection(account, step);
            }
            else {
                without_slot++;
                unslotted_reserved += whole.reserved;
                unslotted_pools += whole.pools;
            }
        }
    }
    same(block->unslotted.reserved_bytes, unslotted_reserved, "reserved without a slot", step);
    same(block->unslotted.pools, unslotted_pools, "pools without a slot", step);
    same(block->connections_open, connections, "connections open", step);
    same(block->unslotted_connections, without_slot, "connections without a slot", step);
    same(block->child_reserved_bytes, reserved, "reserved of the child", step);
    same(block->child_bucket_bytes, all_buckets(), "bucket bytes of the child", step);
    same(block->held_bytes, reserved + all_buckets() + all_retained(), "held", step);
    same(block->child_peak_bytes >= reserved, 1, "peak not below reserved", step);
    same(block->process.slack_bytes <= block->process.reserved_bytes, 1, "slack not above reserved", step);
}

/* ---- what a program does ------------------------------------------------ */

static apr_pool_t *alive[MAX_SEEN];
static unsigned alive_count;
static int in_cleanup;
static apr_pool_t *operated_root;
static unsigned done_ops[20];

static void refresh(void)
{
    look();
    for (alive_count = 0; alive_count < seen_count; alive_count++) {
        alive[alive_count] = seen[alive_count].pool;
    }
}

/* Any of ours: those below base, and the unmanaged ones. */
static apr_pool_t *any_pool(void)
{
    apr_pool_t *pool;

    do {
        pool = alive[below(alive_count)];
    } while (pool == root || (apr_pool_is_ancestor(root, pool) && !apr_pool_is_ancestor(base, pool)));
    return pool;
}

static apr_status_t allocate_while_dying(void *data)
{
    apr_pool_t *pool = data;

    in_cleanup++;
    memset(apr_palloc(pool, any_size()), 1, 0);
    apr_psprintf(pool, "%*d", (int)below(12000), 1);
    in_cleanup--;
    return APR_SUCCESS;
}

static apr_status_t create_while_dying(void *data)
{
    apr_pool_t *pool, *deeper;

    in_cleanup++;
    if (apr_pool_create(&pool, data) == APR_SUCCESS && apr_pool_create(&deeper, pool) == APR_SUCCESS) {
        apr_palloc(deeper, any_size());
        apr_pool_cleanup_register(deeper, deeper, allocate_while_dying, apr_pool_cleanup_null);
        if (below(2)) {
            apr_pool_clear(pool);
        }
        if (below(3) == 0) {
            apr_pool_destroy(pool);
        }
    }
    in_cleanup--;
    return APR_SUCCESS;
}

static int forget_unmanaged(const apr_pool_t *pool)
{
    for (unsigned i = 0; i < unmanaged_count; i++) {
        if (unmanaged[i] == pool) {
            unmanaged[i] = unmanaged[--unmanaged_count];
            return 1;
        }
    }
    return 0;
}

/* As a library does that keeps a pool of its own as long as its user's lives. */
static apr_status_t destroy_another(void *data)
{
    if (!in_cleanup && data != operated_root && forget_unmanaged(data)) {
        in_cleanup++;
        apr_pool_destroy(data);
        in_cleanup--;
    }
    return APR_SUCCESS;
}

static apr_status_t scope_ends(void *data)
{
    ((scope_t *)data)->open = 0;
    return APR_SUCCESS;
}

static apr_status_t list_ends(void *data)
{
    list_t *list = data;

    for (int i = 0; i < MAX_LARGE; i++) {
        if (list->large[i]) {
            apr_bucket_free(list->large[i]);
        }
        if (list->small[i]) {
            apr_bucket_free(list->small[i]);
        }
    }
    memset(list, 0, sizeof(*list));
    return APR_SUCCESS;
}

static void create(void)
{
    apr_pool_t *pool, *parent = any_pool();
    apr_allocator_t *allocator = NULL;

    if (alive_count >= MAX_POOLS) {
        return;
    }
    switch (below(12)) {
    case 0:
        if (unmanaged_count == MAX_UNMANAGED - 1) {
            return;
        }
        apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
        unmanaged[unmanaged_count++] = pool;
        if (below(2)) {
            apr_pool_cleanup_register(parent, pool, destroy_another, apr_pool_cleanup_null);
        }
        break;
    case 1:
    case 2:
    case 3:
        apr_allocator_create(&allocator);
        if (below(2)) {
            apr_allocator_max_free_set(allocator, below(3) ? 64 * 1024 : 1);
        }
        apr_pool_create_ex(&pool, parent, NULL, allocator);
        apr_allocator_owner_set(allocator, pool);
        break;
    case 4:
        apr_pool_create_ex(&pool, parent, NULL, loose[below(4)]);
        break;
    default:
        apr_pool_create(&pool, parent);
    }
    switch (below(6)) {
    case 0: apr_pool_cleanup_register(pool, pool, allocate_while_dying, apr_pool_cleanup_null); break;
    case 1: apr_pool_pre_cleanup_register(pool, pool, create_while_dying); break;
    default: break;
    }
    alive[alive_count++] = pool;
}

static void allocate(void)
{
    apr_pool_t *pool = any_pool();
    apr_size_t size = any_size();
    static char text[70000];

    switch (below(12)) {
    case 0: apr_pcalloc(pool, size); break;
    case 1: apr_psprintf(pool, "%*d", (int)size % 20000, 1); break;
    case 2: apr_psprintf(pool, "%s", ""); break;
    case 3: apr_pstrcat(pool, "a", "b", apr_psprintf(pool, "%*d", (int)below(300), 1), NULL); break;
    case 4: apr_pstrmemdup(pool, text, size % sizeof(text)); break;
    case 5: apr_pmemdup(pool, text, size % sizeof(text)); break;
    case 6: apr_table_setn(apr_table_make(pool, 5), "key", "value"); break;
    case 7: apr_array_push(apr_array_make(pool, (int)below(50) + 1, 16)); break;
    default: memset(apr_palloc(pool, size), 7, size);
    }
}

static void clear_one(void)
{
    apr_pool_t *pool = any_pool();

    if (pool == base || (below(4) && apr_pool_is_ancestor(pool, base))) {
        return;
    }
    operated_root = pst_apr_root(pool);
    apr_pool_clear(pool);
    refresh();
}

static void destroy_one(void)
{
    apr_pool_t *pool = any_pool();

    if (pool == base) {
        return;
    }
    operated_root = pst_apr_root(pool);
    forget_unmanaged(pool);
    apr_pool_destroy(pool);
    refresh();
}

static scope_t *free_scope(void)
{
    for (int i = 0; i < MAX_SCOPES; i++) {
        if (!scopes[i].open) {
            return &scopes[i];
        }
    }
    return NULL;
}

static void add_scope(scope_t *scope, pst_account_t *account, apr_pool_t *pool, pst_account_t *connection)
{
    const scope_t made = { account, pool, connection, 1 };

    *scope = made;
    apr_pool_cleanup_register(pool, scope, scope_ends, apr_pool_cleanup_null);
}

/* Pools there are before the account is opened move to it. */
static pst_account_t *fresh_account(apr_pool_t *pool)
{
    apr_pool_t *deeper = pool;

    for (unsigned n = below(4); n; n--) {
        apr_palloc(deeper, any_size());
        apr_pool_create(&deeper, below(2) ? pool : deeper);
    }
    return apr_palloc(pool, sizeof(pst_account_t));
}

static void open_connection(apr_pool_t *parent)
{
    const pst_connection_info_t info = { (pst_kind_e)below(3), "192.0.2.1", "http/1.1", "www", NULL, NOW };
    pst_account_t *account;
    scope_t *scope = free_scope();
    apr_allocator_t *allocator = NULL;
    apr_bucket_alloc_t *list = NULL;
    apr_pool_t *pool;

    if (!scope || alive_count >= MAX_POOLS) {
        return;
    }
    if (below(2)) {
        apr_allocator_create(&allocator);
        apr_allocator_max_free_set(allocator, below(2) ? 100000 : 1);
    }
    apr_pool_create_ex(&pool, parent, NULL, allocator);
    if (allocator) {
        apr_allocator_owner_set(allocator, pool);
    }
    account = fresh_account(pool);
    for (int i = 0; i < MAX_LISTS && !list; i++) {
        if (!lists[i].open) {
            list = lists[i].list = apr_bucket_alloc_create(pool);
            lists[i].pool = pool;
            lists[i].open = 1;
            apr_pool_cleanup_register(pool, &lists[i], list_ends, apr_pool_cleanup_null);
        }
    }
    pst_account_open_connection(account, pool, &info);
    pst_instrument_root(account, pool, below(3) ? list : NULL);
    add_scope(scope, account, pool, NULL);
    refresh();
}

/* Below the connection, or below another request of it. */
static void open_request(void)
{
    scope_t *scope = free_scope(), *above = &scopes[below(MAX_SCOPES)];
    pst_account_t *account, *connection;
    apr_pool_t *pool;

    if (!scope || !above->open || alive_count >= MAX_POOLS) {
        return;
    }
    connection = above->account->above ? above->account->above : above->account;
    apr_pool_create(&pool, above->pool);
    account = fresh_account(pool);
    pst_account_open_request(account, pool, connection, NOW);
    pst_instrument_root(account, pool, NULL);
    pst_account_describe(connection, NOW, "GET / HTTP/1.1", NULL, NULL, "unit");
    add_scope(scope, account, pool, connection);
    refresh();
}

static void use_buckets(void)
{
    list_t *list = &lists[below(MAX_LISTS)];
    int i = (int)below(MAX_LARGE);

    if (!list->open) {
        if (below(10) == 0) {
            list->pool = any_pool();
            list->list = apr_bucket_alloc_create(list->pool);
            list->open = 1;
            apr_pool_cleanup_register(list->pool, list, list_ends, apr_pool_cleanup_null);
        }
        return;
    }
    if (list->large[i]) {
        apr_bucket_free(list->large[i]);
        list->large[i] = NULL;
    }
    else if (below(2)) {
        list->large[i] = apr_bucket_alloc(APR_BUCKET_ALLOC_SIZE + 1 + below(30000), list->list);
    }
    if (list->small[i]) {
        apr_bucket_free(list->small[i]);
        list->small[i] = NULL;
    }
    else {
        list->small[i] = apr_bucket_alloc(below(APR_BUCKET_ALLOC_SIZE + 1), list->list);
    }
    while (below(6) == 0) {         /* a brigade is built and cleaned up */
        apr_bucket_brigade *brigade = apr_brigade_create(list->pool, list->list);

        apr_brigade_printf(brigade, NULL, NULL, "%*d", (int)below(20000), 1);
        apr_brigade_destroy(brigade);
    }
}

/* Mappings that are no nodes. */
static void map_something(void)
{
    apr_pool_t *pool = any_pool();
    apr_shm_t *shm;

    if (below(3)) {
        apr_mmap_create(&mapped, file, 0, 8192, APR_MMAP_READ, pool);
    }
    else if (apr_shm_create(&shm, 8192, NULL, pool) == APR_SUCCESS && below(2)) {
        apr_shm_destroy(shm);
    }
}

/* Threads with pools of their own, and with pools below a shared one. */
static void *thread(void *shared)
{
    unsigned at = (unsigned)(apr_uintptr_t)&at;
    apr_pool_t *own, *pools[5] = { NULL };

    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    for (int step = 0; step < 150; step++) {
        apr_pool_t **pool = &pools[rand_r(&at) % 5];

        if (!*pool) {
            apr_pool_create(pool, rand_r(&at) % 2 ? own : shared);
        }
        apr_palloc(*pool, (apr_size_t)rand_r(&at) % 12000);
        apr_psprintf(*pool, "%*d", rand_r(&at) % 3000, 1);
        if (rand_r(&at) % 4 == 0) {
            apr_pool_destroy(*pool);
            *pool = NULL;
        }
        else if (rand_r(&at) % 4 == 0) {
            apr_pool_clear(*pool);
        }
        apr_palloc(own, 50);
    }
    for (int i = 0; i < 5; i++) {
        if (pools[i]) {
            apr_pool_destroy(pools[i]);
        }
    }
    apr_pool_destroy(own);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[4];
    apr_pool_t *shared;

    apr_pool_create(&shared, base);         /* its allocator is the global one, which has a mutex */
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, thread, shared);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    apr_pool_destroy(shared);
}

static void operate(void)
{
    unsigned what = below(1000);
    int op;

    if (what < 190) { op = 0; create(); }
    else if (what < 650) { op = 1; allocate(); }
    else if (what < 700) { op = 2; clear_one(); }
    else if (what < (alive_count > MAX_POOLS - 20 ? 900 : 740)) { op = 3; destroy_one(); }
    else if (what < 755) { op = 4; open_connection(below(2) ? base : any_pool()); }
    else if (what < 790) { op = 5; open_request(); }
    else if (what < 970) { op = 6; use_buckets(); }
    else if (what < 999) { op = 7; map_something(); }
    else { op = 8; below(8) == 0 ? run_threads() : refresh(); }
    done_ops[op]++;
}
