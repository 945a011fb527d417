/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the instrumented allocator, from inside an instrumented process.
 *
 * Whatever a program does with pools, the figures on the board must be those that
 * a walk over all nodes finds, to the byte, at any moment.  So: a long random
 * walk through APR's functions, compared now and then; then the named cases.
 *
 *   instrument [SEED [STEPS]]
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_apr.h"
#include "pst_got.h"
#include "pst_instrument.h"
#include "pst_root.h"
#include "pst_late.h"
#include "pst_retained.h"
#include "pst_wrap.h"

#include <apr_buckets.h>
#include <apr_mmap.h>
#include <apr_shm.h>
#include <apr_tables.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
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

/* ---- what the nodes tell ------------------------------------------------ */

typedef struct {
    apr_pool_t    *pool;
    pst_account_t *account;     /* the account it should be charged to; NULL: the process */
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

static unsigned wrong, comparisons, pools_before;

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

    pst_root_sample(account, 1);
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
        if (request.pools < 40) {
            same(slot->request.slack_bytes, request.slack, "slack of a sampled request", step);
        }
    }
    else {
        same(slot->request.pools + slot->request.reserved_bytes + slot->request.slack_bytes, 0,
             "figures of no request", step);
    }
    if (whole.pools < 40 && own.pools + request.pools == whole.pools) {     /* no other request is being finished */
        same(slot->usage.slack_bytes, whole.slack, "slack of a sampled connection", step);
    }
}

static void compare(unsigned step)
{
    apr_uint64_t reserved, connections = 0, without_slot = 0, unslotted_reserved = 0, unslotted_pools = 0, counted = 0;
    pst_apr_figures_t process;

    look();
    process = sum_of(NULL, 0);
    same(pools_before + block->pools_created - block->pools_destroyed, seen_count, "pools created and not destroyed",
         step);
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
    pst_late_beat(block);
    same(block->process.slack_bytes + block->slack_early_bytes - block->slack_late_bytes, process.slack,
         "slack of the process, as just looked at", step);
    same((apr_uint64_t)pst_retained_count(0, &counted), 1, "retained can be counted", step);
    same(counted, all_retained(), "retained, counted", step);
    same(block->child_peak_bytes >= reserved, 1, "peak not below reserved", step);
    same(block->process.slack_bytes <= block->process.reserved_bytes, 1, "slack not above reserved", step);
}

/* ---- what a program does ------------------------------------------------ */

static apr_pool_t *alive[MAX_SEEN];
static unsigned alive_count;
static int in_cleanup;
static apr_pool_t *operated_root;
static unsigned done_ops[20];

static int note(void *baton, apr_pool_t *pool)
{
    (void)baton;
    if (alive_count < MAX_SEEN) {
        alive[alive_count++] = pool;
    }
    return 1;
}

/* Ours: those below base, and the unmanaged ones. */
static void refresh(void)
{
    apr_size_t budget = 1000000;

    alive_count = 0;
    pst_apr_walk(base, note, NULL, &budget);
    for (unsigned i = 0; i < unmanaged_count; i++) {
        pst_apr_walk(unmanaged[i], note, NULL, &budget);
    }
}

static apr_pool_t *any_pool(void)
{
    return alive[below(alive_count)];
}

static apr_status_t allocate_while_dying(void *data)
{
    apr_pool_t *pool = data, *deeper;

    in_cleanup++;
    apr_palloc(pool, any_size());
    apr_psprintf(pool, "%*d", (int)below(12000), 1);
    if (below(8) == 0 && apr_pool_create(&deeper, pool) == APR_SUCCESS) {
        apr_palloc(deeper, any_size());
    }
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

/* Like a library that keeps its own pool for as long as its user's pool exists. */
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

    switch (below(20)) {
    case 0: apr_pcalloc(pool, size); break;
    case 1: apr_psprintf(pool, "%*d", (int)size % 20000, 1); break;
    case 2: apr_psprintf(pool, "%s", ""); break;
    case 3: apr_pstrcat(pool, "a", "b", apr_psprintf(pool, "%*d", (int)below(300), 1), NULL); break;
    case 4: apr_pstrmemdup(pool, text, size % sizeof(text)); break;
    case 5: apr_pmemdup(pool, text, size % sizeof(text)); break;
    case 6: apr_table_setn(apr_table_make(pool, 5), "key", "value"); break;
    case 8: apr_pool_cleanup_register(pool, pool, allocate_while_dying, apr_pool_cleanup_null); break;
    case 9:
        if (below(8) == 0) {
            apr_pool_pre_cleanup_register(pool, pool, create_while_dying);
        }
        break;
    case 7: apr_array_push(apr_array_make(pool, (int)below(50) + 1, 16)); break;
    default: memset(apr_palloc(pool, size), 7, size);
    }
}

static void clear_one(void)
{
    apr_pool_t *pool = any_pool();

    if (pool == base) {
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

/* Pools that exist before the account is opened move to it. */
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
    pst_root_open(account, pool, below(3) ? list : NULL);
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
    pst_account_came(account);
    pst_root_open(account, pool, NULL);
    pst_account_describe(connection, NOW, "GET / HTTP/1.1", NULL, NULL, "unit");
    add_scope(scope, account, pool, connection);
    refresh();
}

static void use_buckets(void)
{
    list_t *list = &lists[below(MAX_LISTS)];
    int i = (int)below(MAX_LARGE);

    if (!list->open) {
        list->pool = any_pool();
        if (list->pool != base && below(10) == 0) {
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

/* Mappings that are not nodes. */
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

/* ---- start -------------------------------------------------------------- */

static int start(pst_level_e wanted)
{
    const char *reason = NULL;
    pst_level_e level;

    apr_pool_create(&base, NULL);
    root = pst_apr_root(base);
    make_board(&board, 2, SLOTS, base);
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    if (pst_account_start(&board, block) != APR_SUCCESS) {
        return 0;
    }
    level = pst_instrument_start(base, wanted, &reason);
    if (wanted == PST_LEVEL_FULL && level != wanted) {
        printf("# not instrumented: %s\n", reason);
    }
    look();
    pools_before = seen_count - (unsigned)block->pools_created + (unsigned)block->pools_destroyed;
    return level == wanted && (level == PST_LEVEL_FULL) == (reason == NULL);
}

static void open_file(void)
{
    char *name = apr_pstrdup(base, "/tmp/poolstat-unit-XXXXXX");
    static const char zeros[8192];
    apr_size_t size = sizeof(zeros);

    apr_file_mktemp(&file, name, 0, base);
    unlink(name);
    apr_file_write(file, zeros, &size);
}

static void random_walk(unsigned steps)
{
    for (int i = 0; i < 4; i++) {
        apr_allocator_create(&loose[i]);
        apr_allocator_max_free_set(loose[i], i % 2 ? 200000 : APR_ALLOCATOR_MAX_FREE_UNLIMITED);
    }
    open_file();
    refresh();
    compare(0);
    is_number(wrong, 0, "at the start the board says what the nodes say");
    for (unsigned step = 1; step <= steps && wrong == 0; step++) {
        operate();
        if (step % 400 == 0 || step < 2000) {
            compare(step);
        }
    }
    printf("# %u comparisons; create %u, allocate %u, clear %u, destroy %u, connections %u, requests %u, buckets %u, "
           "mappings %u, threads %u\n",
           comparisons, done_ops[0], done_ops[1], done_ops[2], done_ops[3], (unsigned)block->connections_opened,
           (unsigned)block->requests_finished, done_ops[6], done_ops[7], done_ops[8]);
    is_number(wrong, 0, "and at every moment after");
    ok(block->unslotted_opened > 10 && block->connections_opened > block->unslotted_opened + 100,
       "connections found slots, and others none");
    in_cleanup = 1;
    while (unmanaged_count) {
        apr_pool_destroy(unmanaged[--unmanaged_count]);
    }
    while (pst_apr_pool(base)->child) {
        apr_pool_destroy(pst_apr_pool(base)->child);
    }
    in_cleanup = 0;
    for (int i = 0; i < 4; i++) {
        apr_allocator_destroy(loose[i]);
        loose[i] = NULL;
    }
    compare(steps + 1);
    is_number(wrong, 0, "all destroyed: still so");
    is_number(block->connections_open + block->unslotted.pools + block->unslotted.reserved_bytes, 0,
              "nothing is left open");
}

/* ---- cases with a name --------------------------------------------------- */

typedef struct {
    apr_uint64_t pools, reserved, child, buckets, open;
} sums_t;

static sums_t sums(void)
{
    const sums_t now = { block->process.pools, block->process.reserved_bytes, block->child_reserved_bytes,
                         block->child_bucket_bytes, block->connections_open };

    return now;
}

static int is_back(sums_t before, const char *what)
{
    const sums_t now = sums();
    int good = !memcmp(&now, &before, sizeof(now));

    ok(good, what);
    if (!good) {
        printf("# pools by %ld, reserved by %ld, of the child by %ld, buckets by %ld\n",
               (long)(now.pools - before.pools), (long)(now.reserved - before.reserved),
               (long)(now.child - before.child), (long)(now.buckets - before.buckets));
    }
    wrong = 0;
    compare(0);
    is_number(wrong, 0, "... and the books balance");
    return good;
}

static apr_pool_t *pool_of_its_own(apr_pool_t *parent, apr_size_t max_free)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    apr_allocator_create(&allocator);
    apr_allocator_max_free_set(allocator, max_free);
    apr_pool_create_ex(&pool, parent, NULL, allocator);
    apr_allocator_owner_set(allocator, pool);
    return pool;
}

static pst_account_t *connect_at(apr_pool_t *pool, apr_bucket_alloc_t *list)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, "192.0.2.1", "http/1.1", "www", NULL, NOW };
    pst_account_t *account = apr_palloc(pool, sizeof(*account));

    pst_account_open_connection(account, pool, &info);
    pst_root_open(account, pool, list);
    return account;
}

static pst_account_t *request_at(apr_pool_t *pool, pst_account_t *connection)
{
    pst_account_t *account = apr_palloc(pool, sizeof(*account));

    pst_account_open_request(account, pool, connection, NOW);
    pst_account_came(account);
    pst_root_open(account, pool, NULL);
    return account;
}

static apr_status_t note_cleanup(void *runs)
{
    ++*(unsigned *)runs;
    return APR_SUCCESS;
}

/* Each registration counts, whichever function makes it, with a new node or a reused record; killing one subtracts
 * nothing. */
static void cleanups_counted(void)
{
    apr_pool_t *pool = pool_of_its_own(base, 1);
    apr_uint64_t before = pst_load(&block->cleanups_registered);
    unsigned runs = 0;

    for (unsigned i = 0; i < 1000; i++) {
        apr_pool_cleanup_register(pool, &runs, note_cleanup, apr_pool_cleanup_null);
    }
    apr_pool_cleanup_kill(pool, &runs, note_cleanup);
    apr_pool_cleanup_register(pool, &runs, note_cleanup, apr_pool_cleanup_null);
    for (unsigned i = 0; i < 7; i++) {
        apr_pool_pre_cleanup_register(pool, &runs, note_cleanup);
    }
    is_number(pst_load(&block->cleanups_registered) - before, 1008, "cleanups registered are counted, all of them");
    apr_pool_destroy(pool);
    is_number(runs, 1007, "and they run");
}

/* Sizes computed by APR's rule: whole pages, at least two, including 40 bytes for the node itself. */
static void scopes_one_by_one(int by_clear)
{
    apr_pool_t *pool = pool_of_its_own(base, 1), *request, *deeper, *below_request;
    pst_account_t *account, *first, *second;
    const sums_t before = sums();
    pst_shared_slot_t *slot;

    apr_pool_create(&deeper, pool);
    account = connect_at(pool, NULL);
    slot = account->slot;
    ok(pst_root_is(pool) && !pst_root_is(deeper),
       "the pool has an account, the one below it none");
    ok(slot->usage.reserved_bytes == 16384 && slot->usage.pools == 2, "what it held went to the connection");
    is_number(block->process.reserved_bytes, before.reserved - 8192, "and left the process");
    apr_palloc(pool, 20000);
    apr_palloc(deeper, 8152);
    apr_palloc(deeper, 8153);
    is_number(slot->usage.reserved_bytes, 16384 + 20480 + 8192 + 12288, "it grows by whole nodes");
    is_number(slot->usage.growths, 3, "three times");
    is_number(block->process.reserved_bytes, before.reserved - 8192, "at nobody else's expense");
    apr_pool_create(&request, pool);
    first = request_at(request, account);
    is_number(slot->usage.peak_bytes, slot->usage.reserved_bytes,
              "its pool was the connection's already: no peak by moving");
    apr_palloc(request, 30000);
    ok(slot->request.reserved_bytes == 8192 + 32768 && slot->request.pools == 1, "a request counts for itself");
    is_number(slot->usage.reserved_bytes, 57344 + 8192 + 32768, "and for its connection");
    apr_palloc(pool, 50000);
    ok(slot->request.reserved_bytes == 8192 + 32768 && slot->usage.reserved_bytes == 98304 + 53248,
       "the connection's pool that a request makes grow is the connection's");
    apr_pool_create(&below_request, request);
    second = request_at(below_request, account);
    apr_palloc(below_request, 9000);
    ok(slot->request.reserved_bytes == 8192 + 12288 && account->current == second && first->usage == &first->own
       && first->own.reserved_bytes == 8192 + 32768,
       "a request below it has the slot to itself");
    is_number(slot->usage.reserved_bytes, 151552 + 8192 + 12288, "the connection has both");
    apr_pool_destroy(below_request);
    ok(slot->request.reserved_bytes == 0 && slot->usage.reserved_bytes == 151552 && slot->requests == 1,
       "destroyed, it is gone and counted");
    apr_pool_create(&deeper, request);
    apr_palloc(deeper, 100000);
    is_number(slot->usage.reserved_bytes, 151552 + 8192 + 102400,
              "the one it displaced still counts for the connection");
    ok(first->own.growths == 2 && first->own.reserved_bytes > 8192 + 32768 && first->own.peak_bytes == first->own.reserved_bytes,
       "and for itself, where nobody sees it");
    if (by_clear) {
        apr_pool_clear(pool);
        ok(!pst_root_is(pool), "cleared: the account ends with it");
        ok(slot->in_use == 0 && slot->usage.reserved_bytes == 0 && slot->usage.pools == 0, "and nothing is left on it");
        is_back(before, "the bare pool is the process's again");
        apr_pool_destroy(pool);
    }
    else {
        apr_pool_destroy(pool);
        ok(slot->in_use == 0 && slot->usage.reserved_bytes == 0 && slot->usage.pools == 0,
           "destroyed: nothing is left");
        wrong = 0;
        compare(0);
        is_number(wrong, 0, "the books balance");
    }
}

/* Pools beyond what is walked when an account is opened stay where they are, and nothing is lost. */
static void too_many_to_move(void)
{
    const sums_t before = sums();
    apr_pool_t *pool, *other;
    pst_account_t *account;

    apr_pool_create(&pool, base);
    for (int i = 0; i < 200; i++) {
        apr_pool_create(&other, pool);
        apr_palloc(other, 10000);
    }
    account = connect_at(pool, NULL);
    ok(account->slot->usage.pools < 201 && account->slot->usage.pools + block->process.pools == before.pools + 201,
       "200 pools below: some move, none is lost");
    apr_pool_destroy(pool);
    is_back(before, "all destroyed");
}

static void late_buckets(void)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(base);
    void *m[20], *large;
    const sums_t before = sums();
    pst_account_t *first, *second;
    apr_pool_t *pool;
    unsigned i;

    apr_pool_create(&pool, base);
    first = connect_at(pool, list);
    is_number(first->slot->bucket_bytes, 8192, "a connection takes over its bucket allocator");
    large = apr_bucket_alloc(20000, list);
    for (i = 0; i < 20; i++) {
        m[i] = apr_bucket_alloc(APR_BUCKET_ALLOC_SIZE, list);
    }
    ok(first->slot->bucket_bytes == block->child_bucket_bytes - before.buckets + 8192, "and what that takes");
    apr_pool_destroy(pool);
    apr_pool_create(&pool, base);
    second = connect_at(pool, NULL);
    ok(second->slot == first->slot || second->slot->bucket_bytes == 0, "the next in the slot");
    apr_bucket_free(large);
    for (i = 0; i < 20; i++) {
        apr_bucket_free(m[i]);
    }
    large = apr_bucket_alloc(50000, list);
    is_number(second->slot->bucket_bytes, 0, "is not charged for what the one before left behind");
    apr_bucket_free(large);
    apr_pool_destroy(pool);
    apr_bucket_alloc_destroy(list);
    is_number(block->child_bucket_bytes, before.buckets - 8192, "the list destroyed, no bucket bytes are left");
}

/* ---- sizes that wrap ----------------------------------------------------- */

static int aborts;

static int count_abort(int code)
{
    aborts += code == APR_ENOMEM;
    return code;
}

/* @return what plain APR does, as a number: results and calls of the abort function */
static int too_large(void *unused)
{
    static volatile apr_size_t sizes[] = { SIZE_MAX, SIZE_MAX - 6, SIZE_MAX - 7, SIZE_MAX - 40, SIZE_MAX - 4096,
                                           SIZE_MAX - 5000, SIZE_MAX / 2 };
    apr_memnode_t *active;
    apr_pool_t *pool;
    int story = 0;

    (void)unused;
    aborts = 0;
    apr_pool_create_ex(&pool, NULL, count_abort, NULL);
    apr_palloc(pool, 100);
    active = pst_apr_pool(pool)->active;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        story += apr_palloc(pool, sizes[i]) == NULL;
        story += pst_apr_pool(pool)->active == active;
    }
    story += aborts;
    apr_pool_destroy(pool);
    return story;
}

/* ---- a pool of 100,000 nodes --------------------------------------------- */

#define MANY_NODES 100000
#define CHUNK 1000
#define TURNS 15

static int by_time(const void *a, const void *b)
{
    return *(const double *)a > *(const double *)b ? 1 : -1;
}

static double cpu_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double median(double *times, int count)
{
    qsort(times, (size_t)count, sizeof(*times), by_time);
    return times[count / 2];
}

/* @return seconds of processor time that CHUNK growths of the pool took */
static double grow_by_chunk(apr_pool_t *pool)
{
    double begun = cpu_time();

    for (int n = 0; n < CHUNK; n++) {
        apr_palloc(pool, 8100);
    }
    return cpu_time() - begun;
}

/* A pool whose allocator keeps that many nodes: growing it takes no page from the kernel or the host, the cost
 * of which may vary tenfold from one moment to the next. */
static apr_pool_t *warm_pool(int nodes)
{
    apr_pool_t *pool = pool_of_its_own(base, APR_ALLOCATOR_MAX_FREE_UNLIMITED);

    for (int n = 0; n < nodes; n++) {
        apr_palloc(pool, 8100);
    }
    apr_pool_clear(pool);
    return pool;
}

/* The large pool and a fresh one take turns, so that a machine that slows down slows both. */
static void large_pool(void)
{
    double large[TURNS], small[TURNS];
    const sums_t before = sums();
    apr_pool_t *pool = warm_pool(MANY_NODES);
    pst_account_t *account = connect_at(pool, NULL);
    apr_uint64_t growths = account->slot->usage.growths;

    for (int i = 0; i < MANY_NODES / CHUNK - TURNS; i++) {
        grow_by_chunk(pool);
    }
    for (int i = 0; i < TURNS; i++) {
        apr_pool_t *fresh = warm_pool(CHUNK);

        connect_at(fresh, NULL);
        small[i] = grow_by_chunk(fresh);
        large[i] = grow_by_chunk(pool);
        apr_pool_destroy(fresh);
    }
    is_number(account->slot->usage.growths - growths, MANY_NODES, "a pool grows 100,000 times");
    is_number(account->slot->usage.reserved_bytes, 8192ull * (MANY_NODES + 1), "every node is counted");
    printf("# %.0f ns a growth of a fresh pool, %.0f ns of this one\n", median(small, TURNS) * 1e9 / CHUNK,
           median(large, TURNS) * 1e9 / CHUNK);
    ok(median(large, TURNS) < 3 * median(small, TURNS), "its last growths are as cheap as those of a fresh one");
    apr_pool_destroy(pool);
    is_back(before, "destroyed");
}

static void deep_tree(void)
{
    const sums_t before = sums();
    apr_pool_t *pool, *top;

    apr_pool_create(&top, base);
    pool = top;
    for (int depth = 0; depth < 3000; depth++) {
        apr_pool_create(&pool, pool);
    }
    apr_pool_destroy(top);
    is_back(before, "3,000 pools, each below the one before, die at once");
}

/* Code that was not redirected makes a pool in the same node as a dead one: no record of the dead
 * pool may be used for it. */
static void unseen_birth(void)
{
    apr_status_t (*real_create)(apr_pool_t **, apr_pool_t *, apr_abortfunc_t, apr_allocator_t *);
    apr_pool_t *seen_one, *unseen;
    apr_allocator_t *allocator;
    sums_t before, now;

    *(void **)&real_create = dlsym(RTLD_DEFAULT, "apr_pool_create_ex");
    apr_allocator_create(&allocator);
    apr_pool_create_ex(&seen_one, base, NULL, allocator);
    apr_pool_destroy(seen_one);
    before = sums();
    real_create(&unseen, base, NULL, allocator);
    ok(unseen == seen_one && sums().pools == before.pools, "a pool is made behind our back, where one died before");
    apr_palloc(unseen, 20000);
    now = sums();
    ok(now.pools == before.pools + 1 && now.reserved == before.reserved + 8192 + 20480,
       "when it grows it is taken in, whole");
    apr_pool_destroy(unseen);
    now = sums();
    ok(!memcmp(&now, &before, sizeof(now)), "and gone when destroyed");
    apr_allocator_destroy(allocator);
}

/* ---- a process forked from the child ------------------------------------- */

static apr_pool_t *inherited;
static pst_account_t *inherited_account;

static int be_a_script(void *unused)
{
    apr_pool_t *pool;

    (void)unused;
    apr_palloc(inherited, 100000);
    apr_pool_create(&pool, inherited);
    apr_palloc(pool, 20000);
    request_at(pool, inherited_account);
    connect_at(pool, apr_bucket_alloc_create(pool));
    pst_root_sample(inherited_account, 1);
    apr_pool_destroy(pool);
    apr_pool_clear(inherited);
    apr_pool_destroy(inherited);
    return 0;
}

static void forked(void)
{
    const sums_t before = sums();
    char *copy = malloc(board.size);
    apr_pool_t *request;

    apr_pool_create(&inherited, base);
    inherited_account = connect_at(inherited, NULL);
    apr_pool_create(&request, inherited);
    request_at(request, inherited_account);
    pst_account_describe(inherited_account, 0, "GET /cgi HTTP/1.1", NULL, NULL, "cgi");
    memcpy(copy, board.base, board.size);
    is_number((unsigned)apart(be_a_script, NULL), 0, "a forked process does what it likes with the pools it inherited");
    ok(!memcmp(copy, board.base, board.size), "and not a byte of the board changes");
    free(copy);
    apr_pool_destroy(inherited);
    is_back(before, "the child goes on as before");
}

/* ---- cases that need a fresh process -------------------------------------- */

/* The account lies in a node that clear gives back to the system. */
static int account_far_out(void *by_clear)
{
    apr_pool_t *pool, *request;
    pst_account_t *account;
    apr_uint64_t before;

    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    pool = pool_of_its_own(base, 1);
    before = block->child_reserved_bytes;
    apr_palloc(pool, 8000);
    apr_palloc(pool, 100000);
    account = connect_at(pool, NULL);
    apr_palloc(pool, 200000);
    apr_pool_create(&request, pool);
    apr_palloc(request, 100000);
    request_at(request, account);
    if (by_clear) {
        apr_pool_clear(request);
        apr_pool_clear(pool);
    }
    else {
        apr_pool_destroy(request);
        apr_pool_destroy(pool);
        before -= 8192;
    }
    return block->child_reserved_bytes != before ? 2 : block->connections_open || block->requests_finished != 1 ? 3 : 0;
}

/* Compare the nodes of a pool and those below it with what they are charged with. */
static int is_right(apr_pool_t *pool, apr_uint64_t others)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = 100000;

    pst_apr_add_pool(&figures, pool, &budget);
    return block->child_reserved_bytes == others + figures.reserved;
}

/* Calls that bypass the wrappers: the figures are repaired when the pool is touched: by growth, by a hook, by a clear,
 * by its end. */
static int unseen(void *unused)
{
    apr_pool_t *pool;
    apr_uint64_t others;
    int i;

    (void)unused;
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    others = block->child_reserved_bytes;
    pool = pool_of_its_own(base, 1);
    for (i = 0; i < 20; i++) {
        pst_real.palloc(pool, 50000);
    }
    if (is_right(pool, others)) {
        return 2;
    }
    apr_palloc(pool, 100000);
    if (!is_right(pool, others)) {
        return 3;
    }
    pst_real.palloc(pool, 300000);
    pst_real.pool_clear(pool);
    apr_palloc(pool, 100000);
    if (!is_right(pool, others)) {
        return 4;
    }
    pst_real.palloc(pool, 300000);
    apr_pool_clear(pool);
    if (!is_right(pool, others)) {
        return 5;
    }
    apr_palloc(pool, 100000);
    pst_real.palloc(pool, 300000);
    apr_pool_destroy(pool);
    return block->child_reserved_bytes != others ? 6 : 0;
}

/* Enough looks for something permanent to be reported. */
static int balance_is(apr_uint64_t unbalanced, apr_uint64_t overbooked)
{
    for (int i = 0; i < 5; i++) {
        pst_retained_balance(block, 0, NOW);
    }
    if (block->unbalanced_bytes != unbalanced || block->overbooked_bytes != overbooked || block->balance_time != NOW) {
        printf("# unbalanced %" APR_UINT64_T_FMT ", overbooked %" APR_UINT64_T_FMT "\n", block->unbalanced_bytes,
               block->overbooked_bytes);
        fflush(stdout);
        return 0;
    }
    return 1;
}

/* If something was not observed, the law is off by exactly that much, until the pool is touched. */
static int unbalanced(void *unused)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    (void)unused;
    if (!start(PST_LEVEL_FULL) || !balance_is(0, 0)) {
        return 1;
    }
    pool = pool_of_its_own(base, 1);
    pst_real.palloc(pool, 50000);
    pst_retained_balance(block, 0, NOW);
    if (block->unbalanced_bytes || !balance_is(53248, 0)) {
        return 2;
    }
    apr_palloc(pool, 100000);
    if (!balance_is(0, 0)) {
        return 3;
    }
    pst_real.pool_clear(pool);              /* 53248 and 102400 went to the free list or back */
    if (!balance_is(0, 53248 + 102400)) {
        return 4;
    }
    apr_palloc(pool, 10000);
    if (!balance_is(0, 0)) {
        return 5;
    }
    apr_pool_destroy(pool);
    apr_allocator_create(&allocator);
    apr_pool_create_ex(&pool, base, NULL, allocator);
    apr_allocator_owner_set(allocator, pool);
    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    pst_real.palloc(pool, 50000);           /* from the free list: no system call */
    if (!balance_is(53248, 0)) {
        return 6;
    }
    apr_pool_clear(pool);
    if (!balance_is(0, 0)) {
        return 7;
    }
    apr_allocator_max_free_set(allocator, 8192);    /* APR forgets what it keeps: nothing is reported any longer */
    pst_retained_balance(block, 0, NOW);
    return block->balance_time != 0 ? 8 : 0;
}

static const char late_code[] =
    "void *apr_palloc(void *, unsigned long);\n"
    "void *late_palloc(void *pool, unsigned long size) { return apr_palloc(pool, size); }\n"
    "void *(*late_table[])(void *, unsigned long) = { apr_palloc };\n";

/* An object loaded after the start: as soon as any pool grows its calls are observed, also those through its tables. */
static int loaded_late(void *unused)
{
    char dir[] = "/tmp/poolstat-unit-XXXXXX", command[600];
    void *(*palloc)(apr_pool_t *, apr_size_t), *(**table)(apr_pool_t *, apr_size_t), *late;
    apr_pool_t *pool, *other;
    apr_uint64_t others;
    FILE *code;

    (void)unused;
    if (!mkdtemp(dir)) {
        return 1;
    }
    apr_snprintf(command, sizeof(command), "%s/late.c", dir);
    code = fopen(command, "w");
    fputs(late_code, code);
    fclose(code);
    apr_snprintf(command, sizeof(command), "cc -shared -fPIC -o %s/late.so %s/late.c", dir, dir);
    if (system(command) != 0 || !start(PST_LEVEL_FULL)) {
        return 2;
    }
    other = pool_of_its_own(base, 1);
    pool = pool_of_its_own(base, 1);
    apr_snprintf(command, sizeof(command), "%s/late.so", dir);
    late = dlopen(command, RTLD_NOW);
    apr_snprintf(command, sizeof(command), "rm -r %s", dir);
    if (!late || system(command) != 0) {
        return 3;
    }
    palloc = (void *(*)(apr_pool_t *, apr_size_t))dlsym(late, "late_palloc");
    table = (void *(**)(apr_pool_t *, apr_size_t))dlsym(late, "late_table");
    usleep(20000);
    apr_palloc(other, 100000);
    others = block->child_reserved_bytes - 8192;
    palloc(pool, 200000);
    if (!is_right(pool, others)) {
        return 4;
    }
    table[0](pool, 300000);
    if (!is_right(pool, others)) {
        return 5;
    }
    apr_pool_destroy(pool);
    return block->child_reserved_bytes != others ? 6 : 0;
}

static void *allocate_in(void *pool)
{
    apr_pool_t *deeper;

    apr_palloc(pool, 20000);
    apr_pool_create(&deeper, pool);
    apr_palloc(deeper, 20000);
    apr_pool_destroy(deeper);
    apr_palloc(pool, 20000);
    return NULL;
}

static apr_status_t join_worker(void *pool)
{
    pthread_t worker;

    pthread_create(&worker, NULL, allocate_in, pool);
    pthread_join(worker, NULL);
    return APR_SUCCESS;
}

/* A cleanup waits for a worker that still uses the pool: APR allows it. */
static int worker_in_dying_pool(void *before_children)
{
    apr_pool_t *pool;
    sums_t before;

    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    before = sums();
    apr_pool_create(&pool, base);
    if (before_children) {
        apr_pool_pre_cleanup_register(pool, pool, join_worker);
    }
    else {
        apr_pool_cleanup_register(pool, pool, join_worker, apr_pool_cleanup_null);
    }
    apr_pool_destroy(pool);
    compare(0);
    return sums().reserved != before.reserved || sums().pools != before.pools ? 2 : wrong ? 3 : 0;
}

/* No walk from the global pool finds it at the start. */
static int unmanaged_before(void *unused)
{
    apr_pool_t *pool, *deeper;

    (void)unused;
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    apr_palloc(pool, 50000);
    apr_pool_create(&deeper, pool);
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    apr_palloc(pool, 100000);
    apr_palloc(deeper, 100000);
    unmanaged[unmanaged_count++] = pool;
    pools_before += 2;
    compare(0);
    if (wrong) {
        return 2;
    }
    unmanaged_count = 0;
    apr_pool_destroy(pool);
    pools_before -= 2;
    block->pools_destroyed -= 2;
    compare(1);
    return wrong ? 3 : 0;
}

/* A pool of code that was loaded after the start and is not redirected yet: what it holds was observed when it was
 * mapped. */
static int taken_in_late(void *unused)
{
    apr_status_t (*real_create)(apr_pool_t **, apr_pool_t *, apr_abortfunc_t, apr_allocator_t *);
    apr_uint64_t loads;
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    (void)unused;
    *(void **)&real_create = dlsym(RTLD_DEFAULT, "apr_pool_create_ex");
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    loads = pst_got_loads();
    if (dlopen("libanl.so.1", RTLD_NOW) && pst_got_loads() == loads) {
        dlopen("libutil.so.1", RTLD_NOW);
    }
    if (pst_got_loads() == loads) {
        printf("# nothing could be loaded\n");
        return 2;
    }
    apr_allocator_create(&allocator);
    real_create(&pool, base, NULL, allocator);
    apr_allocator_owner_set(allocator, pool);
    pools_before++;
    apr_palloc(pool, 20000);
    compare(0);
    if (wrong) {
        return 3;
    }
    apr_pool_destroy(pool);
    compare(1);
    return wrong ? 4 : 0;
}

/* Other pools below the connection are still sampled. */
static int hint_survives_clear(void *unused)
{
    apr_pool_t *pool, *request, *deeper;
    pst_account_t *account;

    (void)unused;
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    apr_pool_create(&pool, base);
    account = connect_at(pool, NULL);
    apr_pool_create(&deeper, pool);
    apr_pool_create(&request, pool);
    request_at(request, account);
    apr_pool_clear(request);
    apr_pool_destroy(request);
    apr_palloc(deeper, 1000);
    scopes[0].account = account;
    scopes[0].pool = pool;
    scopes[0].open = 1;
    compare(0);
    return wrong ? 2 : 0;
}

static apr_pool_t *survivor;

static apr_status_t make_survivor(void *pool)
{
    apr_pool_create(&survivor, pool);
    apr_palloc(survivor, 20000);
    return APR_SUCCESS;
}

/* apr_pool_clear() destroys what is below before it runs cleanups. */
static int made_by_cleanup(void *unused)
{
    apr_pool_t *pool, *deeper;

    (void)unused;
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    pool = pool_of_its_own(base, 1);
    apr_pool_cleanup_register(pool, pool, make_survivor, apr_pool_cleanup_null);
    connect_at(pool, NULL);
    apr_pool_clear(pool);
    memset(apr_palloc(pool, 5000), 7, 5000);    /* the old contents are overwritten */
    apr_palloc(survivor, 30000);
    apr_pool_create(&deeper, survivor);
    compare(0);
    if (wrong) {
        return 2;
    }
    apr_pool_destroy(deeper);
    apr_pool_destroy(pool);
    compare(1);
    return wrong ? 3 : 0;
}

static apr_uint64_t sampled_of(apr_uint32_t scope)
{
    apr_uint64_t sum = 0;

    for (apr_uint32_t i = 0; i < PST_SITE_COUNT; i++) {
        const pst_shared_site_t *row = pst_board_site(&board, block, i);

        sum += row->in_use && row->scope == scope ? pst_load(&row->site_live_bytes) : 0;
    }
    return sum;
}

/* The clear ends its account: its samples go where its bytes go. */
static int samples_outlive_clear(void *unused)
{
    apr_uint64_t before;
    apr_pool_t *pool;

    (void)unused;
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    pst_instrument_classes(base, &board, block, 1);
    before = sampled_of(PST_SCOPE_PROCESS);
    pool = pool_of_its_own(base, 1);
    apr_pool_cleanup_register(pool, pool, make_survivor, apr_pool_cleanup_null);
    connect_at(pool, NULL);
    apr_palloc(pool, 50000);
    if (sampled_of(PST_SCOPE_CONNECTION) <= 50000) {
        return 2;
    }
    apr_pool_clear(pool);
    if (sampled_of(PST_SCOPE_CONNECTION)) {
        printf("# %" APR_UINT64_T_FMT " sampled bytes of a connection that is gone\n",
               sampled_of(PST_SCOPE_CONNECTION));
        return 3;
    }
    if (sampled_of(PST_SCOPE_PROCESS) < before + 20000) {
        return 4;
    }
    apr_pool_destroy(pool);
    return sampled_of(PST_SCOPE_PROCESS) == before ? 0 : 5;
}

static int at_hooks(void *unused)
{
    apr_pool_t *pool, *request;
    pst_account_t *account;
    pst_shared_slot_t *slot;

    (void)unused;
    if (!start(PST_LEVEL_HOOKS)) {
        return 1;
    }
    apr_pool_create(&pool, base);
    account = connect_at(pool, NULL);
    slot = account->slot;
    apr_palloc(pool, 20000);
    apr_pool_create(&request, pool);
    request_at(request, account);
    apr_palloc(request, 9000);
    pst_root_sample(account, 1);
    if (slot->usage.reserved_bytes != 8192 + 20480 + 8192 + 12288 || slot->usage.pools != 2
        || slot->request.reserved_bytes != 8192 + 12288 || !pst_root_is(pool)) {
        return 2;
    }
    apr_pool_destroy(request);
    pst_root_sample(account, 1);
    if (slot->usage.reserved_bytes != 8192 + 20480 || block->requests_finished != 1) {
        return 3;
    }
    apr_pool_clear(pool);
    return slot->in_use || block->connections_open ? 4 : 0;
}

/* Another process writes to the block all the time: this must not affect the proof. */
static int scribbled(void *unused)
{
    const char *why_not = NULL;
    pst_shared_child_t *target;
    pid_t scribbler;
    int level;

    (void)unused;
    apr_pool_create(&base, NULL);
    make_board(&board, 2, 64, base);
    target = pst_board_child(&board, 0);
    scribbler = fork();
    if (scribbler == 0) {
        alarm(APART_SECONDS);
        for (;;) {
            pst_add(&target->held_bytes, 4096);
            pst_add(&target->child_bucket_bytes, 1);
            pst_add(&target->process.reserved_bytes, 4096);
        }
    }
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    for (apr_uint64_t was = pst_load(&block->held_bytes); pst_load(&block->held_bytes) == was; sched_yield()) { }
    level = pst_account_start(&board, block) == APR_SUCCESS ? (int)pst_instrument_start(base, PST_LEVEL_FULL, &why_not) : -1;
    kill(scribbler, SIGKILL);
    apart_wait(scribbler);
    if (level != PST_LEVEL_FULL) {
        printf("# %s\n", why_not ? why_not : "?");
        fflush(stdout);
    }
    return level != PST_LEVEL_FULL;
}

static int stop_loading;

/* A worker that loads and unloads objects, and finds that their calls are to be redirected. */
static void *load_again_and_again(void *unused)
{
    apr_uint64_t now = 1u << 30;

    (void)unused;
    while (!__atomic_load_n(&stop_loading, __ATOMIC_ACQUIRE)) {
        void *object = dlopen("libanl.so.1", RTLD_NOW);

        if (!object) {
            object = dlopen("libutil.so.1", RTLD_NOW);
        }
        pst_instrument_refresh(now += 2000000);
        if (object) {
            dlclose(object);
        }
    }
    return NULL;
}

/* Tables are laid and taken away, whatever the workers do meanwhile. @return how often that failed */
static int switched_beside_loads(void *unused)
{
    pthread_t worker;
    int failed = 0;

    (void)unused;
    if (!start(PST_LEVEL_FULL) || pthread_create(&worker, NULL, load_again_and_again, NULL) != 0) {
        return -1;
    }
    for (int i = 0; i < 100; i++) {
        failed += !pst_instrument_stand(PST_HOOKS_SYSCALLS, 1);
        failed += !pst_instrument_stand(PST_HOOKS_SYSCALLS, 0);
        failed += !pst_instrument_check(1, 1);
        failed += !pst_instrument_check(0, 0);
    }
    __atomic_store_n(&stop_loading, 1, __ATOMIC_RELEASE);
    pthread_join(worker, NULL);
    return failed;
}

/* The child's exit. */
static int terminate(void *unused)
{
    apr_pool_t *pool;

    (void)unused;
    if (!start(PST_LEVEL_FULL)) {
        return 1;
    }
    refresh();
    open_file();
    for (unsigned step = 0; step < 2000; step++) {
        operate();
    }
    connect_at(pool_of_its_own(base, 1), NULL);
    apr_pool_create(&pool, NULL);
    in_cleanup = 1;
    while (unmanaged_count) {
        apr_pool_destroy(unmanaged[--unmanaged_count]);
    }
    apr_terminate();
    return block->process.pools || block->child_reserved_bytes || block->connections_open ? 2
           : block->child_bucket_bytes ? 3 : block->held_bytes ? 4 : 0;
}

int main(int argc, char **argv)
{
    unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 200000;
    int alone;
    unsigned failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : seed;
    printf("# seed %" APR_UINT64_T_FMT "\n", (apr_uint64_t)seed);
    alone = apart(too_large, NULL);
    is_number((unsigned)apart(account_far_out, &alone), 0, "an account whose memory goes with a clear");
    is_number((unsigned)apart(account_far_out, NULL), 0, "or with a destroy");
    is_number((unsigned)apart(unseen, NULL), 0, "calls that go past the wrappers: a pool heals when it is touched");
    is_number((unsigned)apart(unbalanced, NULL), 0, "what was not seen does not balance, by just that much");
    is_number((unsigned)apart(loaded_late, NULL), 0, "an object loaded late is seen when a pool grows");
    is_number((unsigned)apart(switched_beside_loads, NULL), 0, "tables over the calls are switched beside threads that load objects");
    is_number((unsigned)apart(worker_in_dying_pool, NULL), 0, "a cleanup waits for a worker that uses the pool");
    is_number((unsigned)apart(worker_in_dying_pool, &alone), 0, "a pre-cleanup waits for one");
    is_number((unsigned)apart(unmanaged_before, NULL), 0, "an unmanaged pool born before the child was instrumented");
    is_number((unsigned)apart(hint_survives_clear, NULL), 0, "a request's pool cleared, then destroyed");
    is_number((unsigned)apart(made_by_cleanup, NULL), 0, "a pool made by a cleanup outlives the clear");
    is_number((unsigned)apart(samples_outlive_clear, NULL), 0, "and so do its samples, in another scope");
    is_number((unsigned)apart(taken_in_late, NULL), 0, "a pool of code that was loaded late is not held twice");
    is_number((unsigned)apart(at_hooks, NULL), 0, "instrumented not at all: exact at hooks");
    for (int i = 0; i < 20; i++) {          /* whether the other one runs just then is chance */
        failed += apart(scribbled, NULL) != 0;
    }
    is_number(failed, 0, "it starts though another process writes to its block");
    is_number((unsigned)apart(terminate, NULL), 0, "the process ends: all comes down to 0");

    ok(start(PST_LEVEL_FULL), "instrumented in full");
    random_walk(steps);
    scopes_one_by_one(0);
    scopes_one_by_one(1);
    too_many_to_move();
    late_buckets();
    is_number((unsigned)too_large(NULL), (unsigned)alone, "sizes that wrap: refused as by APR itself");
    is_number((unsigned)alone, 3 * 7, "that is, by NULL, and the abort function is called");
    cleanups_counted();
    large_pool();
    deep_tree();
    forked();
    unseen_birth();
    pst_board_close(&board);
    return done();
}
