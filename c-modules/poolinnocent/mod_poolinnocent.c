/* SPDX-License-Identifier: Apache-2.0
 *
 * The innocent: a module that makes pools wherever it can, fills them, and destroys them in order. Naming it is always
 * wrong.
 *
 *   PoolInnocents N      this many pools below the process's, the connection's and the request's pool for each request,
 *                        and below the request's for each brigade that is sent
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <string.h>

extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) poolinnocent_module;

#define MOST 10

static apr_pool_t *pchild;
static apr_thread_mutex_t *lock;
static int count;

typedef struct made_t {
    int         count;
    apr_pool_t *pools[2 * MOST];
} made_t;

static apr_pool_t *make(apr_pool_t *parent, apr_size_t bytes)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, parent);
    apr_pool_tag(pool, "poolinnocent");
    memset(apr_palloc(pool, bytes), 0, bytes);
    return pool;
}

static int innocent_post_read_request(request_rec *r)
{
    made_t *made = apr_pcalloc(r->pool, sizeof(*made));

    if (!ap_is_initial_req(r)) {
        return DECLINED;
    }
    for (int i = 0; i < count; i++) {
        made->pools[made->count++] = make(r->connection->pool, 9000);
        apr_thread_mutex_lock(lock);
        made->pools[made->count++] = make(pchild, 9000);
        apr_thread_mutex_unlock(lock);
    }
    ap_set_module_config(r->request_config, &poolinnocent_module, made);
    return DECLINED;
}

static int innocent_log(request_rec *r)
{
    made_t *made = ap_get_module_config(r->request_config, &poolinnocent_module);

    for (int i = 0; made && i < made->count; i++) {
        apr_thread_mutex_lock(lock);
        apr_pool_destroy(made->pools[i]);
        apr_thread_mutex_unlock(lock);
    }
    return DECLINED;
}

static apr_status_t innocent_filter(ap_filter_t *f, apr_bucket_brigade *brigade)
{
    apr_pool_t *pools[MOST];
    apr_status_t rv;

    for (int i = 0; i < count; i++) {
        pools[i] = make(f->r->pool, 3000);
    }
    rv = ap_pass_brigade(f->next, brigade);
    for (int i = 0; i < count; i++) {
        apr_pool_destroy(pools[i]);
    }
    return rv;
}

static void innocent_insert(request_rec *r)
{
    ap_add_output_filter("POOLINNOCENT", NULL, r, r->connection);
}

static void innocent_child_init(apr_pool_t *pool, server_rec *s)
{
    (void)s;
    pchild = pool;
    apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, pool);
}

static const char *set_innocents(cmd_parms *cmd, void *unused, const char *number)
{
    (void)cmd, (void)unused;
    count = atoi(number);
    return count < 0 || count > MOST ? "PoolInnocents: 0 to 10" : NULL;
}

static const command_rec innocent_directives[] = {
    AP_INIT_TAKE1("PoolInnocents", set_innocents, NULL, RSRC_CONF, "pools made and destroyed in each scope"),
    { NULL }
};

static void innocent_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(innocent_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(innocent_post_read_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(innocent_log, NULL, NULL, APR_HOOK_LAST);
    ap_register_output_filter("POOLINNOCENT", innocent_filter, NULL, AP_FTYPE_RESOURCE);
    ap_hook_insert_filter(innocent_insert, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(poolinnocent) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, innocent_directives, innocent_hooks, AP_MODULE_FLAG_NONE };
