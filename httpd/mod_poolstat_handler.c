/* SPDX-License-Identifier: Apache-2.0
 *
 * The content handler: from a request to a face.  See mod_poolstat_handler.h.
 *
 * What a face needs (the snapshot, the emitter, links) lies in a pool with an
 * allocator of its own, which keeps no free list and is destroyed before the
 * handler returns: a look at a child must not make it grow.  Output leaves in
 * pieces of PST_EMIT_BUFFER bytes, however many rows there are.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <apr_strings.h>

#include "mod_poolstat_handler.h"
#include "pst_array.h"
#include "mod_poolstat_control.h"
#include "mod_poolstat_switch.h"
#include "mod_poolstat_release.h"
#include "pst_accept.h"
#include "pst_args.h"
#include "pst_doctor.h"
#include "pst_emit.h"
#include "pst_history.h"
#include "pst_runtime.h"
#include "pst_view_asked.h"
#include "pst_view_history.h"
#include "pst_view_metrics.h"
#include "pst_holders.h"
#include "pst_place.h"
#include "pst_view_page.h"
#include "pst_view_profile.h"
#include "pst_view_release.h"
#include "pst_view_tree.h"
#include "pst_web.h"

/* How long a page waits for names and lines of code not looked up yet. */
#define RESOLVE_MS 1500
#define POLICY "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; " \
               "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

/* Where output goes: down the filters, through one brigade. */
typedef struct out_t {
    request_rec *r;
    apr_bucket_brigade *brigade;
} out_t;

static apr_status_t pass(out_t *out)
{
    apr_status_t rv = ap_pass_brigade(out->r->output_filters, out->brigade);

    apr_brigade_cleanup(out->brigade);
    if (rv == APR_SUCCESS && out->r->connection->aborted) {
        rv = APR_ECONNABORTED;
    }
    return rv;
}

/* pst_sink_fn. A transient bucket: a filter below that keeps the bytes copies them. */
static apr_status_t sink_to_brigade(void *baton, const char *data, apr_size_t len)
{
    out_t *out = baton;
    apr_bucket_alloc_t *buckets = out->r->connection->bucket_alloc;

    APR_BRIGADE_INSERT_TAIL(out->brigade, apr_bucket_transient_create(data, len, buckets));
    return pass(out);
}

static void open_output(out_t *out, request_rec *r)
{
    out->r = r;
    out->brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
}

/*
 * The last output and its end in one brigade, so that a short
 * answer gets its Content-Length.
 */
static void close_output(out_t *out, pst_emit_t *emit)
{
    apr_bucket_alloc_t *buckets = out->r->connection->bucket_alloc;

    if (emit->status != APR_SUCCESS) {
        return;
    }
    if (emit->used) {
        APR_BRIGADE_INSERT_TAIL(out->brigade, apr_bucket_transient_create(emit->buffer, emit->used, buckets));
        emit->used = 0;
    }
    APR_BRIGADE_INSERT_TAIL(out->brigade, apr_bucket_eos_create(buckets));
    pass(out);
}

/* In err_headers_out, so that answers that httpd writes for us have them, too. */
static void set_headers(request_rec *r, const char *caching)
{
    apr_table_t *headers = r->err_headers_out;

    apr_table_setn(headers, "X-Content-Type-Options", "nosniff");
    apr_table_setn(headers, "Content-Security-Policy", POLICY);
    apr_table_setn(headers, "Referrer-Policy", "same-origin");
    apr_table_setn(headers, "Cache-Control", caching);
}

/* ---- which face ---- */

/*
 * Does path begin with prefix, at the end of a segment?
 * @return what follows, or NULL
 */
static const char *path_below(const char *path, const char *prefix)
{
    apr_size_t len = strlen(prefix);

    while (len && prefix[len - 1] == '/') {
        len--;
    }
    if (strncmp(path, prefix, len) || (path[len] && path[len] != '/')) {
        return NULL;
    }
    return path + len;
}

/* SetHandler's argument is an expression, normally a constant one (server/core.c, set_sethandler(), 2.4.71). */
static int sets_our_handler(request_rec *r, const core_dir_config *section)
{
    const char *error = NULL, *handler = section->handler;

    if (section->expr_handler) {
        handler = ap_expr_str_exec(r, section->expr_handler, &error);
    }
    return !error && handler && !strcmp(handler, PST_HANDLER_NAME);
}

/*
 * The part of the URI below the <Location> that set our handler.  path_info does not help: it
 * depends on which files exist.  So look for the longest plain
 * <Location> of this server that names the handler.
 * @return NULL if there is none: a pattern, a <Files>, a type
 */
static const char *below_location(request_rec *r)
{
    core_server_config *server = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)server->sec_url->elts;
    const char *rest = NULL;

    for (int i = 0; i < server->sec_url->nelts; i++) {
        core_dir_config *section = ap_get_core_module_config(sections[i]);
        const char *found;

        if (!section->d || section->r || section->d_is_fnmatch) {
            continue;
        }
        found = path_below(r->uri, section->d);
        if (found && (!rest || found > rest) && sets_our_handler(r, section)) {
            rest = found;
        }
    }
    return rest;
}

const char *pst_handler_location(request_rec *r)
{
    core_server_config *server = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)server->sec_url->elts;

    for (int i = 0; i < server->sec_url->nelts; i++) {
        const core_dir_config *section = ap_get_core_module_config(sections[i]);

        if (section->d && !section->r && !section->d_is_fnmatch && sets_our_handler(r, section)) {
            return section->d;
        }
    }
    return NULL;
}

static int path_ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && !strcmp(text + len - end_len, end);
}

typedef enum {
    SERVE_FACE,
    SERVE_CONTROL,              /* faces that act: only POST */
    SERVE_FILE,
    SERVE_NOTHING
} serve_e;

/* What is below the page, by its last segment. */
typedef struct address_t {
    const char *path;
    serve_e serve;
    const char *type;           /* NULL: it depends on what the request asks for */
    pst_face_e face;
    const pst_piece_t *file;
    const char *tag;
} address_t;

#define IS_HTML "text/html; charset=utf-8"
#define IS_TEXT "text/plain; charset=utf-8"
#define IS_JSON "application/json"

static const address_t the_page = { "/", SERVE_FACE, IS_HTML, PST_FACE_PAGE, NULL, NULL };
static const address_t nothing = { "", SERVE_NOTHING, NULL, PST_FACE_PAGE, NULL, NULL };
static const address_t addresses[] = {
    { "/json", SERVE_FACE, IS_JSON, PST_FACE_JSON, NULL, NULL },
    { "/history", SERVE_FACE, IS_JSON, PST_FACE_HISTORY, NULL, NULL },
    { "/profile", SERVE_FACE, IS_TEXT, PST_FACE_PROFILE, NULL, NULL },
    { "/metrics", SERVE_FACE, NULL, PST_FACE_METRICS, NULL, NULL },
    { "/release", SERVE_CONTROL, NULL, PST_FACE_RELEASE, NULL, NULL },
    { "/heap-profile", SERVE_CONTROL, NULL, PST_FACE_HEAP, NULL, NULL },
    { "/check", SERVE_CONTROL, NULL, PST_FACE_CHECK, NULL, NULL },
    { "/style.css", SERVE_FILE, "text/css; charset=utf-8", PST_FACE_PAGE, &pst_web_style_css, pst_web_style_css_tag },
    { "/chart.js", SERVE_FILE, "text/javascript; charset=utf-8", PST_FACE_PAGE, &pst_web_chart_js,
      pst_web_chart_js_tag },
    { "/dygraph.js", SERVE_FILE, "text/javascript; charset=utf-8", PST_FACE_PAGE, &pst_web_dygraph_min_js,
      pst_web_dygraph_min_js_tag }
};

/* Without a plain <Location> the page may have any name: any path that does not end like another address is the
 * page. */
static const address_t *what_to_serve(request_rec *r)
{
    const char *rest = below_location(r);

    if (rest && (!*rest || !strcmp(rest, "/"))) {
        return &the_page;
    }
    for (unsigned i = 0; i < PST_ITEMS(addresses); i++) {
        if (rest ? !strcmp(rest, addresses[i].path) : path_ends_with(r->uri, addresses[i].path)) {
            return &addresses[i];
        }
    }
    return rest ? &nothing : &the_page;
}

/*
 * Links are relative, so that they work behind a proxy that moves the page: from
 * /x/pool-status they lead to pool-status/json, from /x/pool-status/ to json.
 */
static const char *link_base(request_rec *r, apr_pool_t *pool)
{
    const char *slash = strrchr(r->uri, '/');
    const char *last = slash ? slash + 1 : r->uri;

    return *last ? apr_pstrcat(pool, "./", ap_escape_path_segment(pool, last), "/", NULL) : "";
}

/* ---- the faces ---- */

/* The bytes are constants of this module: they are sent as they are, whoever keeps them, and never copied. */
static int serve_file(request_rec *r, const address_t *address)
{
    out_t out;
    int status;

    set_headers(r, "no-cache");
    ap_set_content_type(r, address->type);
    apr_table_setn(r->headers_out, "ETag", apr_pstrcat(r->pool, "\"", address->tag, "\"", NULL));
    status = ap_meets_conditions(r);
    if (status != OK) {
        return status;
    }
    ap_set_content_length(r, (apr_off_t)address->file->len);
    if (!r->header_only) {
        apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;

        open_output(&out, r);
        APR_BRIGADE_INSERT_TAIL(out.brigade, apr_bucket_immortal_create(address->file->text, address->file->len,
                                                                        buckets));
        APR_BRIGADE_INSERT_TAIL(out.brigade, apr_bucket_eos_create(buckets));
        pass(&out);
    }
    return OK;
}

/* A sentence instead of a face, with its own status. */
static int refuse_face(request_rec *r, int status, const char *sentence, apr_pool_t *pool)
{
    pst_emit_t *emit;
    out_t out;

    r->status = status;
    r->status_line = NULL;
    ap_set_content_type(r, "text/plain; charset=utf-8");
    if (r->header_only) {
        return OK;
    }
    emit = apr_palloc(pool, sizeof(*emit));
    open_output(&out, r);
    pst_emit_init(emit, PST_EMIT_TEXT, sink_to_brigade, &out);
    pst_emit_sentence(emit, sentence);
    close_output(&out, emit);
    return OK;
}

static int serve_snapshot(request_rec *r, const pst_board_t *board, const pst_args_t *args, pst_face_e face,
                          apr_pool_t *pool)
{
    pst_snapshot_t *snapshot = apr_palloc(pool, sizeof(*snapshot));
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    pst_window_t window = { 0 };
    pst_charts_t *charts = apr_palloc(pool, sizeof(*charts));
    pst_page_t page = { snapshot, &window, args, link_base(r, pool), pool, charts };
    apr_status_t rv = pst_snapshot_take(snapshot, board, &args->filter, (apr_uint64_t)apr_time_now(), pool);
    out_t out;

    if (rv == APR_SUCCESS && face != PST_FACE_PROFILE) {
        pst_place_resolve(snapshot, RESOLVE_MS, pool);
        pst_holders_take(snapshot, pool);
        rv = pst_doctor_take(snapshot, board, pool);
    }
    if (rv == APR_SUCCESS && face == PST_FACE_PAGE) {
        pst_snapshot_window(snapshot, args->filter.sort, args->from, args->rows, &window, pool);
        if (!args->as_text) {
            pst_charts_take(charts, board, snapshot, args->children_from, pool);
        }
    }
    if (rv != APR_SUCCESS) {
        return refuse_face(r, HTTP_SERVICE_UNAVAILABLE, "mod_poolstat cannot read its board now.", pool);
    }
    snapshot->nonce = pst_control_nonce(pool);
    open_output(&out, r);
    if (face == PST_FACE_JSON) {
        pst_emit_init(emit, PST_EMIT_JSON, sink_to_brigade, &out);
        pst_view_tree(emit, snapshot, 0);
    }
    else if (face == PST_FACE_PROFILE) {
        pst_emit_init(emit, PST_EMIT_TEXT, sink_to_brigade, &out);
        pst_view_profile(emit, snapshot, (pst_profile_of_e)args->of);
    }
    else if (args->as_text) {
        pst_emit_init(emit, PST_EMIT_TEXT, sink_to_brigade, &out);
        pst_view_tree(emit, snapshot, 1);
    }
    else {
        pst_emit_init(emit, PST_EMIT_HTML, sink_to_brigade, &out);
        pst_view_page(emit, &page);
    }
    close_output(&out, emit);
    return OK;
}

/* The histories there are, or the one of ?pid=. */
static int serve_history(request_rec *r, const pst_board_t *board, const pst_args_t *args, apr_pool_t *pool)
{
    apr_uint32_t pid = args->filter.pid;
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    pst_history_t history;
    out_t out;

    if (!board->history_size) {
        return refuse_face(r, HTTP_NOT_FOUND, "There are no histories: PoolStatHistory is Off.", pool);
    }
    if (pid) {
        pst_history_room(&history, board, pool);
        if (!pst_history_find(&history.about, board, pid) || !pst_history_read(&history, board)) {
            return refuse_face(
                r, HTTP_NOT_FOUND,
                apr_psprintf(pool, "There is no history of a child with the process id %u.", (unsigned)pid), pool);
        }
    }
    ap_set_content_type(r, "application/json");
    if (r->header_only) {
        return OK;
    }
    open_output(&out, r);
    pst_emit_init(emit, PST_EMIT_JSON, sink_to_brigade, &out);
    if (pid) {
        pst_history_leave_out(&history, args->since);
        pst_view_history(emit, &history, board);
    }
    else {
        pst_view_histories(emit, board, NULL, NULL);
    }
    close_output(&out, emit);
    return OK;
}

/* The only face whose format the client chooses. Only sums: no connection is copied into the snapshot. */
static int serve_metrics(request_rec *r, const pst_board_t *board, const pst_args_t *args, apr_pool_t *pool)
{
    pst_emit_e format = pst_accept_metrics(apr_table_get(r->headers_in, "Accept"));
    pst_filter_t filter = { .kind = -1, .no_rows = 1 };
    pst_snapshot_t *snapshot = apr_palloc(pool, sizeof(*snapshot));
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    out_t out;

    apr_table_mergen(r->err_headers_out, "Vary", "Accept");
    ap_set_content_type(r, pst_accept_type(format));
    if (r->header_only) {
        return OK;
    }
    if (pst_snapshot_take(snapshot, board, &filter, (apr_uint64_t)apr_time_now(), pool) != APR_SUCCESS
        || pst_doctor_take(snapshot, board, pool) != APR_SUCCESS) {
        return refuse_face(r, HTTP_SERVICE_UNAVAILABLE, "mod_poolstat cannot read its board now.", pool);
    }
    open_output(&out, r);
    pst_emit_init(emit, format, sink_to_brigade, &out);
    pst_view_metrics(emit, snapshot, (pst_classes_e)args->classes, pool);
    close_output(&out, emit);
    return OK;
}

/* @return NULL: nothing can be shown, and `status` is set for the request */
static const pst_board_t *good_board(request_rec *r, int *status, apr_pool_t *pool)
{
    const char *why = NULL;
    const pst_board_t *board = pst_runtime_board(&why);

    if (board && pst_board_intact(board)) {
        return board;
    }
    *status =
        refuse_face(r, HTTP_SERVICE_UNAVAILABLE,
                    !board && why ? why : "The board of mod_poolstat was damaged from outside: restart httpd.", pool);
    return NULL;
}

/* A browser's form gets a page, programs get JSON or lines of text. */
static pst_emit_e open_answer(out_t *out, pst_emit_t *emit, request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept"), *type = IS_TEXT;
    pst_emit_e to = PST_EMIT_TEXT;

    if (accept && strstr(accept, "application/json")) {
        to = PST_EMIT_JSON;
        type = IS_JSON;
    }
    else if (accept && strstr(accept, "text/html")) {
        to = PST_EMIT_HTML;
        type = IS_HTML;
    }
    ap_set_content_type(r, type);
    open_output(out, r);
    pst_emit_init(emit, to, sink_to_brigade, out);
    return to;
}

static int serve_release(request_rec *r, const pst_board_t *board, pst_emit_t *emit, apr_pool_t *pool)
{
    const char *sentence = NULL;
    pst_release_asked_t asked;
    int status = pst_release_serve(r, board, &asked, &sentence, pool);
    out_t out;

    if (status != OK) {
        return refuse_face(r, status, sentence, pool);
    }
    if (open_answer(&out, emit, r) == PST_EMIT_HTML) {
        pst_view_released_page(emit, &asked);
    }
    else {
        pst_view_released(emit, &asked);
    }
    close_output(&out, emit);
    return OK;
}

static int serve_switch(request_rec *r, const pst_board_t *board, pst_emit_t *emit, pst_switch_serve_fn *serve,
                        apr_pool_t *pool)
{
    const char *sentence = NULL;
    pst_asked_t asked;
    int status = serve(r, board, &asked, &sentence, pool);
    out_t out;

    if (status != OK) {
        return refuse_face(r, status, sentence, pool);
    }
    if (open_answer(&out, emit, r) == PST_EMIT_HTML) {
        pst_view_asked_page(emit, &asked);
    }
    else {
        pst_view_asked(emit, &asked);
    }
    close_output(&out, emit);
    return OK;
}

static int serve_control(request_rec *r, const address_t *address, apr_pool_t *pool)
{
    int status = OK;
    const pst_board_t *board = good_board(r, &status, pool);
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));

    if (!board) {
        return status;
    }
    if (address->face == PST_FACE_CHECK) {
        return serve_switch(r, board, emit, pst_switch_checks_serve, pool);
    }
    return address->face == PST_FACE_HEAP ? serve_switch(r, board, emit, pst_switch_heap_serve, pool)
                                          : serve_release(r, board, emit, pool);
}

static int serve_face(request_rec *r, const address_t *address, apr_pool_t *pool)
{
    const pst_board_t *board;
    int status = OK;
    pst_args_t args;
    const char *error = pst_args_parse(&args, r->args, address->face, pool);

    if (error) {
        return refuse_face(r, HTTP_BAD_REQUEST, error, pool);
    }
    board = good_board(r, &status, pool);
    if (!board) {
        return status;
    }
    if (address->face == PST_FACE_HISTORY) {
        return serve_history(r, board, &args, pool);
    }
    if (address->face == PST_FACE_METRICS) {
        return serve_metrics(r, board, &args, pool);
    }
    ap_set_content_type(r, args.as_text ? IS_TEXT : address->type);
    if (args.refresh) {
        apr_table_setn(r->headers_out, "Refresh", apr_psprintf(r->pool, "%u", (unsigned)args.refresh));
    }
    return r->header_only ? OK : serve_snapshot(r, board, &args, address->face, pool);
}

/* Below r->pool, so that it is charged to this request, but with its own allocator. */
static apr_pool_t *make_pool(request_rec *r)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        return NULL;
    }
    apr_allocator_max_free_set(allocator, 1);
    apr_pool_create_ex(&pool, r->pool, NULL, allocator);
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "pool-status");
    return pool;
}

int pst_handler_serves(const request_rec *r)
{
    return r->handler && !strcmp(r->handler, PST_HANDLER_NAME);
}

int pst_handler(request_rec *r)
{
    const address_t *address;
    apr_pool_t *pool;
    int status, method;

    set_headers(r, "no-store");
    address = what_to_serve(r);
    method = address->serve == SERVE_CONTROL ? M_POST : M_GET;
    if (r->method_number != method) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, method, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (address->serve == SERVE_NOTHING) {
        return HTTP_NOT_FOUND;
    }
    if (address->serve == SERVE_FILE) {
        return serve_file(r, address);
    }
    pool = make_pool(r);
    if (!pool) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    status = method == M_POST ? serve_control(r, address, pool) : serve_face(r, address, pool);
    apr_pool_destroy(pool);
    pst_runtime_give_back();
    return status;
}
