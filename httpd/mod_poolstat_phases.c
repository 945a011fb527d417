/* SPDX-License-Identifier: Apache-2.0
 *
 * The phases of connections and requests: accounts are opened here, described,
 * and sampled.  They close themselves with their pools.
 *
 * Concurrency: one thread at a time works on a connection; everything here runs on that thread.
 */
#include "mod_poolstat_private.h"
#include "pst_heavy.h"
#include "pst_instrument.h"
#include "pst_root.h"
#include "pst_novel.h"
#include "pst_runtime.h"
#include "pst_surge.h"

#include <http_connection.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <apr_strings.h>

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 116)
#define IS_OUTGOING(c) ((c)->outgoing)
#else
#define IS_OUTGOING(c) (!(c)->sbh && !(c)->master)
#endif

#define OUT_FILTER "POOLSTAT_OUT"
#define SCRIPT_MOST (APR_INT64_C(1) << 40)    /* bytes that a script reports as used: more is not believed */

static ap_filter_rec_t *out_filter;
static pst_line_e lines;        /* PoolStatShow */
static int scripts;             /* mod_php is loaded */

/* In the connection's configuration; allocated from its pool. */
typedef struct {
    pst_account_t     account;
    conn_rec         *c;
    const server_rec *shown;    /* the one whose name is in the slot */
    int               named;    /* the protocol is known: from requests, or it was looked for */
} connection_t;

static connection_t *connection_of(const conn_rec *c)
{
    return pst_runtime_gathers() ? ap_get_module_config(c->conn_config, &poolstat_module) : NULL;
}

/* From now on this thread does nothing for any request. */
static APR_INLINE void serve_nobody(void)
{
    pst_novel_rest();
    pst_heavy_serve(NULL);
}

static const char *vhost_name(const server_rec *s)
{
    return s->server_hostname ? s->server_hostname : "";
}

static void open_connection(conn_rec *c)
{
    connection_t *connection = apr_palloc(c->pool, sizeof(*connection)), *master;
    pst_connection_info_t info;

    master = c->master ? connection_of(c->master) : NULL;
    info.kind = IS_OUTGOING(c) ? PST_KIND_BACKEND : PST_KIND_CLIENT;
    if (c->master) {
        info.kind = PST_KIND_SECONDARY;
    }
    info.client = c->client_ip;
    info.protocol = ap_get_protocol(c->master ? c->master : c);
    info.vhost = vhost_name(c->base_server);
    info.master = master ? &master->account : NULL;
    info.now = (apr_uint64_t)apr_time_now();
    connection->c = c;
    connection->shown = c->base_server;
    connection->named = 0;
    pst_account_open_connection(&connection->account, c->pool, &info);
    pst_root_open(&connection->account, c->pool, c->bucket_alloc);
    ap_set_module_config(c->conn_config, &poolstat_module, connection);
    pst_instrument_refresh(info.now);
    if (info.kind == PST_KIND_CLIENT && connection->account.slot) {
        ap_add_output_filter_handle(out_filter, connection, NULL, c);
    }
}

/* A connection made on a pool that already has an account (as mod_proxy_connect does on the
 * client's pool) is part of that account. */
int pst_phase_pre_connection(conn_rec *c, void *csd)
{
    (void)csd;
    if (pst_runtime_gathers()) {
        if (!IS_OUTGOING(c)) {
            serve_nobody();
        }
        if (!pst_root_is(c->pool)) {
            open_connection(c);
        }
    }
    return OK;
}

/* HTTP/2 starts by ALPN, upgrade or its preface, all after the connection was opened; it is
 * recognised when there is output but no request on the connection itself. */
static __attribute__((noinline)) void name_protocol(connection_t *connection)
{
    connection->named = 1;
    pst_account_describe(&connection->account, 0, NULL, NULL, ap_get_protocol(connection->c), NULL);
}

/* While output goes to the network the connection's state is "writing"; afterwards the earlier
 * state is restored. */
static apr_status_t note_writing(ap_filter_t *f, apr_bucket_brigade *bb)
{
    connection_t *connection = f->ctx;
    apr_status_t rv;

    if (!connection->account.current && !connection->named) {
        name_protocol(connection);
    }
    pst_account_state(&connection->account, PST_STATE_WRITING);
    rv = ap_pass_brigade(f->next, bb);
    pst_account_state(&connection->account,
                      connection->account.current ? PST_STATE_HANDLER : PST_STATE_READING);
    return rv;
}

/*
 * Is this the pool of a request of its own?  Subrequests have a pool below the main request's,
 * internal redirects share it; r->main is not set yet here
 * (make_sub_request() in server/request.c, 2.4.63).
 */
static int is_part_of_current(const pst_account_t *connection, apr_pool_t *pool)
{
    return connection->current && apr_pool_is_ancestor(connection->current->root, pool);
}

int pst_phase_create_request(request_rec *r)
{
    connection_t *connection = connection_of(r->connection);
    pst_account_t *account;

    if (!connection || r->main || r->prev || is_part_of_current(&connection->account, r->pool)) {
        return OK;
    }
    serve_nobody();
    pst_root_sample(&connection->account, 0);     /* the previous request is gone now */
    connection->named = 1;
    account = apr_palloc(r->pool, sizeof(*account));
    pst_account_open_request(account, r->pool, &connection->account, (apr_uint64_t)r->request_time);
    pst_root_open(account, r->pool, NULL);
    ap_set_module_config(r->request_config, &poolstat_module, account);
    pst_account_state(&connection->account,
                      r->connection->keepalives ? PST_STATE_KEEPALIVE : PST_STATE_READING);
    return OK;
}

/* Hosts are distinguished by their records, paths as requested, without the query. */
static void tell_what(const connection_t *connection, pst_account_t *account, const request_rec *r)
{
    apr_uint64_t hash;

    if (!r->uri) {
        return;
    }
    hash = pst_novel_hash(r->server, r->method_number, r->uri);
    if (pst_novel_serve(hash) == PST_NOVEL_NEW && !account->novel) {
        account->novel = 1;
        PST_COUNT(requests_new_open, 1);
    }
    pst_heavy_serve(&connection->account);
    pst_heavy_asked(account, vhost_name(r->server), lines == PST_LINE_NONE ? NULL : r->uri, hash);
}

/* What is left out of a request line: user and password of an absolute URI, which an access log masks, too
 * (log_request_line() in modules/loggers/mod_log_config.c, 2.4.71); and, unless lines are shown whole, query
 * and fragment. */
static APR_INLINE int has_secrets(const request_rec *r)
{
    return lines == PST_LINE_WHOLE ? r->parsed_uri.password != NULL
                                   : lines == PST_LINE_NONE || r->parsed_uri.query || r->args || r->parsed_uri.fragment
                                     || r->parsed_uri.user || r->parsed_uri.password;
}

/* " HTTP/1.1", by the number that httpd parsed, so that none of the client's text follows. */
static const char *version_of(const request_rec *r, char *buffer, apr_size_t size)
{
    if (r->assbackwards) {
        return "";
    }
    apr_snprintf(buffer, size, " HTTP/%d.%d", HTTP_VERSION_MAJOR(r->proto_num), HTTP_VERSION_MINOR(r->proto_num));
    return buffer;
}

/* The line up to its query, and a mark that it had one. It is cut as text, however httpd parsed it. */
static __attribute__((noinline)) const char *masked_line(const request_rec *r, char *buffer, apr_size_t size)
{
    const char *line = r->the_request, *version;
    char number[32];
    apr_size_t length;

    if (lines == PST_LINE_NONE) {
        return "-";
    }
    version = version_of(r, number, sizeof(number));
    if (r->parsed_uri.user || r->parsed_uri.password) {
        line = apr_pstrcat(r->pool, r->method, " ", apr_uri_unparse(r->pool, &r->parsed_uri,
                           lines == PST_LINE_WHOLE ? 0 : APR_URI_UNP_OMITUSERINFO), version, NULL);
    }
    length = lines == PST_LINE_WHOLE ? strlen(line) : strcspn(line, "?#");
    if (line[length]) {
        apr_snprintf(buffer, size, "%.*s?...%s", (int)(length < size ? length : size), line, version);
    }
    else {
        apr_cpystrn(buffer, line, size);
    }
    return buffer;
}

static void describe(connection_t *connection, const request_rec *r, const char *vhost)
{
    char buffer[PST_LINE_LEN];
    const char *line = r->the_request;

    if (__builtin_expect(has_secrets(r), 0)) {
        line = masked_line(r, buffer, sizeof(buffer));
    }
    pst_account_describe(&connection->account, (apr_uint64_t)r->request_time, line, vhost, NULL, NULL);
}

int pst_phase_post_read_request(request_rec *r)
{
    connection_t *connection = connection_of(r->connection);
    pst_account_t *account;
    const char *vhost = NULL;

    if (!connection || r->main || r->prev) {
        return DECLINED;
    }
    account = pst_phase_request_account(r);
    if (account) {
        pst_account_came(account);
    }
    if (connection->shown != r->server) {
        connection->shown = r->server;
        vhost = vhost_name(r->server);
    }
    pst_account_state(&connection->account, PST_STATE_HANDLER);
    pst_surge_begin();
    describe(connection, r, vhost);
    if (account) {
        tell_what(connection, account, r);
    }
    return DECLINED;
}

void pst_phase_handler(request_rec *r)
{
    connection_t *connection = connection_of(r->connection);

    if (connection && !r->main) {
        pst_account_describe(&connection->account, 0, NULL, NULL, NULL, r->handler);
        pst_root_sample_request(&connection->account);
    }
}

/* Readers of a face are not the server's real clients. A request that includes a face by SSI, or was redirected to
 * one, is a client's. */
void pst_phase_ours(const request_rec *r)
{
    pst_account_t *account = r->main || r->prev ? NULL : pst_phase_request_account(r);

    if (account) {
        pst_account_ours(account);
    }
}

/* Where an internal redirect led. */
static APR_INLINE const request_rec *last_of(const request_rec *r)
{
    while (r->next) {
        r = r->next;
    }
    return r;
}

/* When a script ends, mod_php puts its peak memory in a note (php_handler() in
 * sapi/apache2handler/sapi_apache2.c, PHP 8.2). */
static __attribute__((noinline)) void note_script(pst_account_t *account, const request_rec *r)
{
    const char *used = apr_table_get(last_of(r)->notes, "mod_php_memory_usage");
    apr_int64_t bytes = used ? apr_atoi64(used) : 0;

    if (bytes > 0 && bytes < SCRIPT_MOST) {
        pst_heavy_script(account, (apr_uint64_t)bytes);
    }
}

/*
 * What cannot be parsed as a request is answered, logged and counted by mod_status, but never
 * reaches post_read_request. httpd also logs a client that sends no request line in time: then
 * nothing arrived, and there is no method (ap_read_request() in server/protocol.c, 2.4.63).
 */
int pst_phase_log_transaction(request_rec *r)
{
    pst_account_t *account = pst_phase_request_account(r);

    if (!account) {
        return DECLINED;
    }
    if (r->method || r->status != HTTP_REQUEST_TIME_OUT) {
        pst_account_came(account);
    }
    if (!account->ours) {
        pst_surge_end(account->slot);       /* what the request mapped is gone by now, or stays */
    }
    if (scripts) {
        note_script(account, r);
    }
    return DECLINED;
}

int pst_phase_pre_close_connection(conn_rec *c)
{
    connection_t *connection = connection_of(c);

    serve_nobody();
    if (connection) {
        pst_account_state(&connection->account, PST_STATE_CLOSING);
    }
    return OK;
}

static pst_state_e state_of(const conn_rec *c)
{
    switch (c->cs ? c->cs->state : CONN_STATE_SUSPENDED) {
    case CONN_STATE_CHECK_REQUEST_LINE_READABLE:
        return PST_STATE_KEEPALIVE;
    case CONN_STATE_WRITE_COMPLETION:
        return PST_STATE_WRITING;
    case CONN_STATE_LINGER:
    case CONN_STATE_LINGER_NORMAL:
    case CONN_STATE_LINGER_SHORT:
        return PST_STATE_CLOSING;
    default:
        return PST_STATE_PARKED;
    }
}

void pst_phase_suspend_connection(conn_rec *c, request_rec *r)
{
    connection_t *connection = connection_of(c);

    (void)r;
    serve_nobody();
    if (connection) {
        pst_root_sample(&connection->account, 1);
        pst_account_state(&connection->account, state_of(c));
    }
}

void pst_phase_resume_connection(conn_rec *c, request_rec *r)
{
    connection_t *connection = connection_of(c);

    (void)r;
    if (connection) {
        pst_heavy_serve(connection->account.current ? &connection->account : NULL);
        pst_account_state(&connection->account,
                          connection->account.current ? PST_STATE_HANDLER : PST_STATE_READING);
    }
}

pst_account_t *pst_phase_request_account(const request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return pst_runtime_gathers() && r->request_config ? ap_get_module_config(r->request_config, &poolstat_module)
                                                      : NULL;
}

pst_account_t *pst_phase_connection_account(const conn_rec *c)
{
    connection_t *connection = connection_of(c);

    return connection ? &connection->account : NULL;
}

/* mod_php.c, and with its number in the name before PHP 8. */
static int has_scripts(void)
{
    for (module *const *each = ap_loaded_modules; *each; each++) {
        if (strncmp((*each)->name, "mod_php", 7) == 0) {
            return 1;
        }
    }
    return 0;
}

void pst_phases_child_init(const pst_config_t *config)
{
    lines = config->line;
    scripts = has_scripts();
}

void pst_phases_register(apr_pool_t *pool)
{
    (void)pool;
    out_filter = ap_register_output_filter(OUT_FILTER, note_writing, NULL, AP_FTYPE_NETWORK - 1);
}
