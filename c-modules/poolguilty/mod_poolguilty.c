/* SPDX-License-Identifier: Apache-2.0
 *
 * The guilty: a module that keeps memory it should not, in each scope, so that tests know what must be named.
 *
 *   PoolGuilty process|connection|regex BYTES     this many bytes (regex: one) for each request of /small.txt
 *   PoolGuilty request BYTES                      the size of a chunk: 400
 *   SetHandler poolguilty                         a stream that takes a chunk of its request's pool each 20 ms, and
 *                                                 leaks it
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <string.h>

extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) poolguilty_module;

#define STREAM_CHUNKS 6000

static apr_pool_t *pchild;
static apr_thread_mutex_t *lock;
static apr_size_t of_process, of_connection, of_request = 400;
static int regexes;

/* What must be named: exported, so that every build has their names. */
__attribute__((visibility("default"), noinline)) void poolguilty_process(void);
__attribute__((visibility("default"), noinline)) void poolguilty_connection(conn_rec *c);
__attribute__((visibility("default"), noinline)) void poolguilty_regex(void);
__attribute__((visibility("default"), noinline)) char *poolguilty_chunk(request_rec *r);

void poolguilty_process(void)
{
    apr_thread_mutex_lock(lock);
    memset(apr_palloc(pchild, of_process), 1, of_process);
    apr_thread_mutex_unlock(lock);
}

void poolguilty_connection(conn_rec *c)
{
    memset(apr_palloc(c->pool, of_connection), 1, of_connection);
}

void poolguilty_regex(void)
{
    apr_thread_mutex_lock(lock);
    ap_pregcomp(pchild, "^/(small|other)([0-9]+)?\\.(txt|html)$", AP_REG_EXTENDED);
    apr_thread_mutex_unlock(lock);
}

char *poolguilty_chunk(request_rec *r)
{
    char *chunk = apr_palloc(r->pool, of_request);

    memset(chunk, 'x', of_request - 1);
    chunk[of_request - 1] = '\0';
    return chunk;
}

static int guilty_fixups(request_rec *r)
{
    if (strcmp(r->uri, "/small.txt") != 0) {
        return DECLINED;
    }
    if (of_process) {
        poolguilty_process();
    }
    if (of_connection) {
        poolguilty_connection(r->connection);
    }
    if (regexes) {
        poolguilty_regex();
    }
    return DECLINED;
}

static int guilty_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "poolguilty") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/event-stream");
    for (int i = 0; i < STREAM_CHUNKS && !r->connection->aborted; i++) {
        ap_rputs(poolguilty_chunk(r), r);
        ap_rflush(r);
        apr_sleep(20000);
    }
    return OK;
}

static void guilty_child_init(apr_pool_t *pool, server_rec *s)
{
    (void)s;
    pchild = pool;
    apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, pool);
}

static const char *set_guilty(cmd_parms *cmd, void *unused, const char *what, const char *bytes)
{
    apr_int64_t n = apr_atoi64(bytes);

    (void)cmd, (void)unused;
    if (n < 1 || n > 1000000) {
        return "PoolGuilty: 1 to 1000000 bytes";
    }
    if (strcmp(what, "process") == 0) {
        of_process = (apr_size_t)n;
    }
    else if (strcmp(what, "connection") == 0) {
        of_connection = (apr_size_t)n;
    }
    else if (strcmp(what, "request") == 0) {
        of_request = (apr_size_t)n;
    }
    else if (strcmp(what, "regex") == 0) {
        regexes = 1;
    }
    else {
        return "PoolGuilty: process, connection, request or regex";
    }
    return NULL;
}

static const command_rec guilty_directives[] = {
    AP_INIT_TAKE2("PoolGuilty", set_guilty, NULL, RSRC_CONF, "what is kept for each request, and how much"),
    { NULL }
};

static void guilty_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(guilty_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(guilty_fixups, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(guilty_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(poolguilty) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, guilty_directives, guilty_hooks, AP_MODULE_FLAG_NONE };
