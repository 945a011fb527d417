/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask for something to be done.  See mod_poolstat_control.h.
 *
 * A browser does what any page tells it, so a request must come from our own page: by the headers that browsers set
 * and scripts cannot (Sec-Fetch-Site, Origin, Referer); by a nonce, which takes reading the page or the JSON; and by
 * one of this server's own names.  The nonce is a time and its SipHash
 * under a key that the parent makes and its children inherit.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_control.h"

#include <apr_siphash.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_vhost.h>

#include <arpa/inet.h>

APLOG_USE_MODULE(poolstat);

#define RETAINED_LAYOUT 1
#define GOOD_FOR     3600       /* seconds */
#define BODY_MAX     1024
#define NONCE_LEN    24         /* 8 digits of time, 16 of its hash; hexadecimal */

/* Kept by httpd across reloads. */
typedef struct {
    int           made;
    unsigned char bytes[APR_SIPHASH_KSIZE];
} nonce_key_t;

static const unsigned char *key;        /* NULL: there is none */

/* Without random bytes there are no nonces, and nobody may ask, until a reload gets some. */
void pst_control_post_config(server_rec *s)
{
    nonce_key_t *kept = pst_retained("nonces", RETAINED_LAYOUT, sizeof(*kept));
    apr_status_t rv = APR_SUCCESS;

    if (!kept->made) {
        rv = apr_generate_random_bytes(kept->bytes, sizeof(kept->bytes));
        kept->made = rv == APR_SUCCESS;
    }
    key = kept->made ? kept->bytes : NULL;
    if (!key) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "PST0022: no nonces for POST /pool-status/release: the system gives no "
                     "random bytes. It is refused until a reload finds some.");
    }
}

static void write_nonce(char nonce[NONCE_LEN + 1], apr_uint32_t time)
{
    static const char what[] = "pool-status/release ";
    unsigned char hash[APR_SIPHASH_DSIZE];
    char text[sizeof(what) + 8];

    apr_snprintf(text, sizeof(text), "%s%08x", what, (unsigned)time);
    apr_siphash24_auth(hash, text, strlen(text), key);
    apr_snprintf(nonce, 9, "%08x", (unsigned)time);
    for (int i = 0; i < APR_SIPHASH_DSIZE; i++) {
        apr_snprintf(nonce + 8 + 2 * i, 3, "%02x", hash[i]);
    }
}

static apr_uint32_t seconds_now(void)
{
    return (apr_uint32_t)apr_time_sec(apr_time_now());
}

const char *pst_control_nonce(apr_pool_t *pool)
{
    char *nonce;

    if (!key || !pst_config_get(ap_server_conf)->control) {
        return NULL;
    }
    nonce = apr_palloc(pool, NONCE_LEN + 1);
    write_nonce(nonce, seconds_now());
    return nonce;
}

/* Takes the same time whatever the difference. @return NULL, or what is wrong */
static const char *wrong_nonce(const char *given)
{
    char expected[NONCE_LEN + 1], digits[9];
    apr_uint32_t time, now = seconds_now();
    unsigned differs = 0;

    if (!given) {
        return "it has no nonce";
    }
    if (!key) {
        return "this server could make no nonces (PST0022)";
    }
    if (strlen(given) != NONCE_LEN) {
        return "its nonce is not one of this server's";
    }
    apr_cpystrn(digits, given, sizeof(digits));
    time = (apr_uint32_t)strtoul(digits, NULL, 16);
    write_nonce(expected, time);
    for (int i = 0; i < NONCE_LEN; i++) {
        differs |= (unsigned char)given[i] ^ (unsigned char)expected[i];
    }
    if (differs) {
        return "its nonce is not one of this server's";
    }
    return time > now || now - time > GOOD_FOR ? "its nonce is too old" : NULL;
}

/* The length of an authority without a default port: proxies add it to Host, browsers leave it out of Origin. */
static apr_size_t length_of(const char *authority)
{
    apr_size_t len = strcspn(authority, "/?#");

    if (len > 3 && strncmp(authority + len - 3, ":80", 3) == 0) {
        return len - 3;
    }
    return len > 4 && strncmp(authority + len - 4, ":443", 4) == 0 ? len - 4 : len;
}

/* Is this the origin of our own pages? A proxy may have removed TLS, so the scheme does not matter. */
static int is_addressed_here(const char *url, const char *host)
{
    const char *authority = strstr(url, "://");

    if (!authority || !host) {
        return 0;
    }
    authority += 3;
    return length_of(authority) == length_of(host) && ap_cstr_casecmpn(authority, host, length_of(host)) == 0;
}

/*
 * A name that this server was not given may be one that an attacker's DNS points at its address, so that the
 * attacker's page has the same origin and reads our nonces. Nobody can do that with an address, or with
 * localhost.
 */
static int is_our_name(request_rec *r)
{
    unsigned char address[16];

    return !r->hostname || ap_matches_request_vhost(r, r->hostname, r->server->port)
           || ap_cstr_casecmp(r->hostname, "localhost") == 0 || inet_pton(AF_INET, r->hostname, address) == 1
           || inet_pton(AF_INET6, r->hostname, address) == 1;
}

/* @return NULL, or what is wrong */
static const char *foreign(request_rec *r)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *referer = apr_table_get(r->headers_in, "Referer");

    if (site && ap_cstr_casecmp(site, "same-origin") != 0) {
        return "its browser says that it comes from another site (Sec-Fetch-Site)";
    }
    /* if a page forbids referrers, its browser sends Origin null even for the page itself; Sec-Fetch-Site tells then */
    if (origin && !(site && strcmp(origin, "null") == 0) && !is_addressed_here(origin, host)) {
        return "it comes from another origin than its Host (Origin)";
    }
    if (!origin && referer && !is_addressed_here(referer, host)) {
        return "it comes from a page of another host (Referer)";
    }
    return is_our_name(r) ? NULL : "its Host is neither an address nor a name of this server (ServerName, ServerAlias)";
}

/* @return OK, 400 or 413 */
static int read_body(request_rec *r, char body[BODY_MAX + 1], const char **sentence)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    apr_size_t len = 0;
    long n = 0;

    body[0] = '\0';
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        *sentence = "The request's body cannot be read.";
        return HTTP_BAD_REQUEST;
    }
    if (!ap_should_client_block(r)) {
        return OK;
    }
    if (type && ap_cstr_casecmpn(type, "application/x-www-form-urlencoded", 33) != 0) {
        *sentence = "The body must be that of a form: application/x-www-form-urlencoded.";
        return HTTP_BAD_REQUEST;
    }
    while (len < BODY_MAX && (n = ap_get_client_block(r, body + len, BODY_MAX - len)) > 0) {
        len += (apr_size_t)n;
    }
    body[len] = '\0';
    if (n < 0 || strlen(body) != len) {
        *sentence = "The request's body cannot be read.";
        return HTTP_BAD_REQUEST;
    }
    if (len == BODY_MAX) {
        *sentence = "The request's body is too long.";
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    return OK;
}

/* Query and body parsed as one: nothing may be given twice. */
static const char *parse_form(pst_args_t *args, request_rec *r, pst_face_e face, const char *body,
                              apr_pool_t *pool)
{
    const char *error = pst_args_parse(args, r->args, face, pool);

    if (!error && args->nonce) {
        return "The argument \"nonce\" must be in the body: addresses are logged.";
    }
    if (!error) {
        error = pst_args_parse(args, r->args && *r->args ? apr_pstrcat(pool, r->args, "&", body, NULL) : body,
                               face, pool);
    }
    return error;
}

static const char *what_is_asked(pst_face_e face)
{
    switch (face) {
    case PST_FACE_HEAP: return "switch the heap profile";
    case PST_FACE_CHECK: return "switch checks";
    default: return "release memory";
    }
}

const char *pst_control_user(const request_rec *r)
{
    return r->user ? ap_escape_logitem(r->pool, r->user) : "-";
}

static int refuse_control(request_rec *r, pst_face_e face, const char *why, const char **sentence, apr_pool_t *pool)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "PST0011: a request to %s was refused, user %s: %s",
                  what_is_asked(face), pst_control_user(r), why);
    *sentence = apr_pstrcat(pool, "Refused: ", why, ".", NULL);
    return HTTP_FORBIDDEN;
}

int pst_control_admit(request_rec *r, pst_face_e face, pst_args_t *args, const char **sentence, apr_pool_t *pool)
{
    char body[BODY_MAX + 1];
    const char *why;
    int status;

    if (!pst_config_get(ap_server_conf)->control) {
        return refuse_control(r, face, "PoolStatControl is Off", sentence, pool);
    }
    why = foreign(r);
    if (why) {
        return refuse_control(r, face, why, sentence, pool);
    }
    status = read_body(r, body, sentence);
    if (status != OK) {
        return status;
    }
    *sentence = parse_form(args, r, face, body, pool);
    if (*sentence) {
        return HTTP_BAD_REQUEST;
    }
    why = wrong_nonce(args->nonce);
    if (why) {
        return refuse_control(r, face, why, sentence, pool);
    }
    if (!pst_watch_has_thread()) {
        *sentence = face == PST_FACE_HEAP
                        ? "Children have no watchdog here (-D PoolStatNoWatchdog): nobody could switch their profiles."
                        : "Children have no watchdog here (-D PoolStatNoWatchdog): nobody could release their memory.";
        return HTTP_SERVICE_UNAVAILABLE;
    }
    return OK;
}
