/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong hands: a module that misuses pools and buckets in each way on request, so that tests know what must be
 * reported and in which function. The misuses are chosen so that nothing breaks.
 *
 *   SetHandler poolhands      the query is one of
 *     pool [MS]      uses a pool that all threads share, for that many milliseconds
 *     list [MS]      the same with a bucket allocator
 *     lock [MS]      the same with a pool, each time under a lock
 *     wait, use      the first waits until the second, on another connection, has used its request's pool
 *     keep, late     the first's filter keeps a bucket of its request, which the second, on the same connection,
 *                    passes on
 *     twice          destroys a bucket twice
 *     written        writes to buckets that it has freed
 *     foreign        passes a bucket of another bucket allocator
 *     below          a cleanup makes a pool below the one that is being destroyed
 *     itself         a cleanup destroys the pool that is being destroyed
 *     dead           registers a cleanup in a pool that it has destroyed
 */
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <string.h>

extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) poolhands_module;

#define LETTERS   "abcdefghijklmnopqrstuvwxyz"
#define WAIT_MOST apr_time_from_sec(20)

/* What must be named: exported, so that every build has their names. */
#define NAMED __attribute__((visibility("default"), noinline))
NAMED void *poolhands_use(apr_pool_t *pool);
NAMED void poolhands_take(apr_bucket_alloc_t *list);
NAMED void *poolhands_stray(apr_pool_t *pool);
NAMED apr_status_t poolhands_late(ap_filter_t *f, apr_bucket_brigade *bb);
NAMED void poolhands_twice(apr_bucket *e);
NAMED void poolhands_free(char *block);
NAMED void poolhands_foreign(request_rec *r, apr_bucket_brigade *bb);
NAMED apr_status_t poolhands_below(void *pool);
NAMED apr_status_t poolhands_itself(void *pool);
NAMED void poolhands_dead(apr_pool_t *pool);
NAMED void poolhands_end(apr_pool_t *pool);

static struct {
    apr_pool_t         *shared;
    apr_bucket_alloc_t *list;
    apr_thread_mutex_t *lock;
    apr_pool_t *volatile waits;     /* of a request */
    volatile int        used;
} g;

static ap_filter_rec_t *late_filter, *last_filter;

typedef struct {
    apr_bucket_brigade *kept;
    int                 keep, pass;
} keeper_t;

/* Prevents tail calls: the calling function stays on the stack. */
static volatile int stays;

/* This changes nothing. */
void *poolhands_use(apr_pool_t *pool)
{
    void *m = apr_palloc(pool, 0);

    stays = 1;
    return m;
}

void *poolhands_stray(apr_pool_t *pool)
{
    void *m = apr_palloc(pool, 0);

    stays = 1;
    return m;
}

/* Large ones come from the allocator, which has a lock. */
void poolhands_take(apr_bucket_alloc_t *list)
{
    apr_bucket_free(apr_bucket_alloc(10000, list));
    stays = 1;
}

static void share(const char *what, apr_interval_time_t most)
{
    apr_time_t until = apr_time_now() + most;

    while (apr_time_now() < until) {
        for (int i = 0; i < 100; i++) {
            if (*what == 'p') {
                poolhands_use(g.shared);
            }
            else if (what[1] == 'i') {
                poolhands_take(g.list);
            }
            else {
                apr_thread_mutex_lock(g.lock);
                poolhands_use(g.shared);
                apr_thread_mutex_unlock(g.lock);
            }
        }
    }
}

static void wait_for_use(apr_pool_t *pool)
{
    apr_time_t until = apr_time_now() + WAIT_MOST;

    g.used = 0;
    g.waits = pool;
    while (!g.used && apr_time_now() < until) {
        apr_sleep(1000);
    }
    g.waits = NULL;
}

static void use_waiting(void)
{
    apr_time_t until = apr_time_now() + WAIT_MOST;

    while (!g.waits && apr_time_now() < until) {
        apr_sleep(1000);
    }
    if (g.waits) {
        poolhands_stray(g.waits);
        g.used = 1;
    }
}

void poolhands_twice(apr_bucket *e)
{
    apr_bucket_destroy(e);
    apr_bucket_destroy(e);
    stays = 1;
}

void poolhands_free(char *block)
{
    apr_bucket_free(block);
    stays = 1;
}

/* One of them at least is withheld: the longest gap between two is 1022. */
static void write_late(request_rec *r)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(r->pool);

    for (int i = 0; i < 1100; i++) {
        char *block = apr_bucket_alloc(40, list);

        poolhands_free(block);
        *(volatile char *)(block + 17) ^= 1;
    }
}

static void destroy_twice(request_rec *r)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(r->pool);    /* nobody else uses what it has then */

    poolhands_twice(apr_bucket_immortal_create("x", 1, list));
}

void poolhands_foreign(request_rec *r, apr_bucket_brigade *bb)
{
    ap_pass_brigade(r->output_filters, bb);
    stays = 1;
}

static void pass_foreign(request_rec *r)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(r->connection->pool);
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create("foreign", 7, list));
    poolhands_foreign(r, bb);
}

apr_status_t poolhands_below(void *pool)
{
    apr_pool_t *below;

    return apr_pool_create(&below, pool);
}

apr_status_t poolhands_itself(void *pool)
{
    apr_pool_destroy(pool);
    stays = 1;
    return APR_SUCCESS;
}

void poolhands_dead(apr_pool_t *pool)
{
    apr_pool_cleanup_register(pool, NULL, apr_pool_cleanup_null, apr_pool_cleanup_null);
    stays = 1;
}

void poolhands_end(apr_pool_t *pool)
{
    apr_pool_destroy(pool);
    stays = 1;
}

static void end_pool(request_rec *r, const char *how)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, r->pool);
    apr_pool_tag(pool, "poolhands");
    if (*how == 'b') {
        apr_pool_cleanup_register(pool, pool, poolhands_below, apr_pool_cleanup_null);
    }
    if (*how == 'i') {
        apr_pool_cleanup_register(pool, pool, poolhands_itself, apr_pool_cleanup_null);
    }
    poolhands_end(pool);
    if (*how == 'd') {
        poolhands_dead(pool);
    }
}

/* Keeps what passes through, without setting it aside; passes it on when told to. */
apr_status_t poolhands_late(ap_filter_t *f, apr_bucket_brigade *bb)
{
    keeper_t *keeper = f->ctx;
    apr_bucket *e, *next;
    apr_status_t rv;

    if (keeper->keep) {
        for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = next) {
            next = APR_BUCKET_NEXT(e);
            if (APR_BUCKET_IS_IMMORTAL(e) && e->length == 26) {
                APR_BUCKET_INSERT_BEFORE(e, apr_bucket_heap_create(LETTERS, 26, NULL, e->list));
                APR_BUCKET_REMOVE(e);
                APR_BRIGADE_INSERT_TAIL(keeper->kept, e);
                keeper->keep = 0;
            }
        }
    }
    else if (keeper->pass && !APR_BRIGADE_EMPTY(keeper->kept)) {
        keeper->pass = 0;
        APR_BRIGADE_PREPEND(bb, keeper->kept);
    }
    rv = ap_pass_brigade(f->next, bb);
    stays = 1;
    return rv;
}

/* Below all filters that check: late buckets are not sent. */
static apr_status_t last(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_bucket *e = APR_BRIGADE_FIRST(bb), *next;

    for (; e != APR_BRIGADE_SENTINEL(bb); e = next) {
        next = APR_BUCKET_NEXT(e);
        if (APR_BUCKET_IS_IMMORTAL(e) && e->length == 26) {
            apr_bucket_delete(e);
        }
    }
    return ap_pass_brigade(f->next, bb);
}

static void keep(request_rec *r, const char *what)
{
    conn_rec *c = r->connection;
    keeper_t *keeper = ap_get_module_config(c->conn_config, &poolhands_module);
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);

    if (!keeper) {
        keeper = apr_pcalloc(c->pool, sizeof(*keeper));
        keeper->kept = apr_brigade_create(c->pool, c->bucket_alloc);
        ap_set_module_config(c->conn_config, &poolhands_module, keeper);
        ap_add_output_filter_handle(late_filter, keeper, NULL, c);
        ap_add_output_filter_handle(last_filter, NULL, NULL, c);
    }
    keeper->keep = *what == 'k';
    keeper->pass = *what == 'l' && what[1] == 'a';
    if (keeper->keep) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(apr_pstrdup(r->pool, LETTERS), 26,
                                                               c->bucket_alloc));
        ap_pass_brigade(r->output_filters, bb);
    }
}

static int hands_handler(request_rec *r)
{
    const char *what = r->args ? r->args : "", *ms;
    apr_interval_time_t most;

    if (!r->handler || strcmp(r->handler, "poolhands") != 0) {
        return DECLINED;
    }
    ms = strchr(what, '&');
    most = apr_time_from_msec(ms ? apr_atoi64(ms + 1) : 20);
    ap_set_content_type(r, "text/plain");
    if (strncmp(what, "pool", 4) == 0 || strncmp(what, "list", 4) == 0 || strncmp(what, "lock", 4) == 0) {
        share(what, most);
    }
    else if (strcmp(what, "wait") == 0) {
        wait_for_use(r->pool);
    }
    else if (strcmp(what, "use") == 0) {
        use_waiting();
    }
    else if (strcmp(what, "keep") == 0 || strcmp(what, "late") == 0) {
        keep(r, what);
    }
    else if (strcmp(what, "twice") == 0) {
        destroy_twice(r);
    }
    else if (strcmp(what, "written") == 0) {
        write_late(r);
    }
    else if (strcmp(what, "foreign") == 0) {
        pass_foreign(r);
    }
    else {
        end_pool(r, what);
    }
    ap_rputs("done\n", r);
    return OK;
}

static void hands_child_init(apr_pool_t *pool, server_rec *s)
{
    (void)s;
    apr_pool_create(&g.shared, pool);
    apr_pool_tag(g.shared, "poolhands_shared");
    g.list = apr_bucket_alloc_create(pool);
    apr_thread_mutex_create(&g.lock, APR_THREAD_MUTEX_DEFAULT, pool);
}

static void hands_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(hands_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(hands_handler, NULL, NULL, APR_HOOK_MIDDLE);
    late_filter = ap_register_output_filter("POOLHANDS_LATE", poolhands_late, NULL, AP_FTYPE_CONNECTION + 1);
    last_filter = ap_register_output_filter("POOLHANDS_LAST", last, NULL, AP_FTYPE_NETWORK - 1);
}

AP_DECLARE_MODULE(poolhands) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hands_hooks, AP_MODULE_FLAG_NONE };
