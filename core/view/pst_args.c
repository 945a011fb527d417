/* SPDX-License-Identifier: Apache-2.0
 *
 * Query strings.  See pst_args.h.  A table has the arguments; anything else is refused, so that a
 * typing error never goes unnoticed.
 */
#include <string.h>
#include <apr_strings.h>
#include "pst_args.h"
#include "pst_array.h"
#include "pst_text.h"
#include "pst_metric.h"
#include "pst_ask.h"
#include "pst_view_metrics.h"
#include "pst_view_profile.h"

/* Longest value that can mean anything: a vhost's name. */
#define VALUE_MAX 255
/* How much of a client's text an error sentence repeats. */
#define SHOWN_MAX 40

static const char *const sorts[PST_SORT_COUNT] = {
    [PST_SORT_RESERVED] = "reserved", [PST_SORT_USED] = "used", [PST_SORT_PEAK] = "peak",
    [PST_SORT_POOLS] = "pools", [PST_SORT_BUCKETS] = "buckets", [PST_SORT_RETAINED] = "retained",
    [PST_SORT_REQUESTS] = "requests", [PST_SORT_AGE] = "age", [PST_SORT_CLIENT] = "client",
    [PST_SORT_PID] = "pid"
};

/* @param value decoded, not empty. @return NULL or what is accepted, to follow "must be" */
typedef const char *(*setter_fn)(pst_args_t *args, const char *value, apr_pool_t *pool);

static int set_number(apr_uint32_t *to, const char *value, apr_uint32_t low, apr_uint32_t high)
{
    apr_uint64_t n = 0;

    for (const char *c = value; *c; c++) {
        if (*c < '0' || *c > '9' || c - value > 9) {
            return 0;
        }
        n = n * 10 + (apr_uint64_t)(*c - '0');
    }
    if (n < low || n > high) {
        return 0;
    }
    *to = (apr_uint32_t)n;
    return 1;
}

static const char *set_refresh(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    return set_number(&args->refresh, value, 1, PST_ARGS_REFRESH_MAX) ? NULL : "a number of seconds from 1 to 3600";
}

static const char *set_rows(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    return set_number(&args->rows, value, 1, PST_ARGS_ROWS_MAX) ? NULL : "a number from 1 to 1000";
}

static const char *set_from(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    return set_number(&args->from, value, 0, APR_INT32_MAX) ? NULL : "a whole number, 0 or more";
}

static const char *set_children_from(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    return set_number(&args->children_from, value, 0, APR_INT32_MAX) ? NULL : "a whole number, 0 or more";
}

static const char *set_arg_pid(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    return set_number(&args->filter.pid, value, 1, APR_INT32_MAX) ? NULL : "the process id of a child";
}

/* Seconds since the epoch, with up to six decimals: what the JSON prints. */
static const char *set_arg_since(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    apr_uint64_t usec = 0, digit = 1000000;
    const char *c = value;

    (void)pool;
    for (; *c >= '0' && *c <= '9' && c - value < 11; c++) {
        usec = usec * 10 + (apr_uint64_t)(*c - '0') * 1000000;
    }
    if (c != value && *c == '.') {
        for (c++; *c >= '0' && *c <= '9' && digit > 1; c++) {
            digit /= 10;
            usec += (apr_uint64_t)(*c - '0') * digit;
        }
    }
    if (c == value || *c) {
        return "a time in seconds since the epoch";
    }
    args->since = usec;
    return NULL;
}

/* The nonce is checked elsewhere. */
static const char *set_nonce(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    args->nonce = apr_pstrdup(pool, value);
    return NULL;
}

static const char *set_arg_rate(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    args->has_rate = pst_ask_rate(&args->rate, value);
    return args->has_rate ? NULL : PST_ASK_RATES;
}

static const char *set_arg_of(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    args->of = pst_view_profile_of(value);
    if (args->of < 0) {
        args->of = PST_PROFILE_POOLS;
        return "pools, heap, mapped, stack or all";
    }
    return NULL;
}

static const char *set_arg_kind(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    args->filter.kind = pst_kind_of(value);
    return args->filter.kind >= 0 ? NULL : "client, secondary or backend";
}

static const char *set_arg_level(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    int level = pst_show_of(value);

    (void)pool;
    if (level < 0) {
        return "info, detail or debug";
    }
    args->level = (pst_metric_show_e)level;
    return NULL;
}

static const char *set_arg_vhost(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    args->filter.vhost = apr_pstrdup(pool, value);
    return NULL;
}

static const char *set_arg_check(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    args->check = apr_pstrdup(pool, value);
    return NULL;
}

static const char *set_classes(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    static const char *const words[] = { [PST_CLASSES_SUM] = "sum", [PST_CLASSES_BLOCK] = "block",
                                         [PST_CLASSES_OFF] = "off" };

    (void)pool;
    for (unsigned i = 0; i < PST_ITEMS(words); i++) {
        if (!strcmp(value, words[i])) {
            args->classes = (int)i;
            return NULL;
        }
    }
    return "sum, block or off";
}

static const char *set_arg_sort(pst_args_t *args, const char *value, apr_pool_t *pool)
{
    (void)pool;
    for (unsigned i = 0; i < PST_SORT_COUNT; i++) {
        if (!strcmp(value, sorts[i])) {
            args->filter.sort = (pst_sort_e)i;
            return NULL;
        }
    }
    return "reserved, used, peak, pools, buckets, retained, requests, age, client or pid";
}

enum { PAGE = 1 << PST_FACE_PAGE, JSON = 1 << PST_FACE_JSON, HISTORY = 1 << PST_FACE_HISTORY,
       PROFILE = 1 << PST_FACE_PROFILE, METRICS = 1 << PST_FACE_METRICS, RELEASE = 1 << PST_FACE_RELEASE,
       HEAP = 1 << PST_FACE_HEAP, CHECK = 1 << PST_FACE_CHECK };

static const struct {
    const char *name;
    setter_fn set;          /* NULL: a word without value */
    unsigned faces;         /* a bit per pst_face_e */
} table[] = {
    { "auto", NULL, PAGE },
    { "refresh", set_refresh, PAGE },
    { "rows", set_rows, PAGE },
    { "from", set_from, PAGE },
    { "children_from", set_children_from, PAGE },
    { "level", set_arg_level, PAGE },
    { "sort", set_arg_sort, PAGE | JSON },
    { "of", set_arg_of, PROFILE },
    { "pid", set_arg_pid, PAGE | JSON | HISTORY | PROFILE | RELEASE | HEAP | CHECK },
    { "nonce", set_nonce, RELEASE | HEAP | CHECK },
    { "check", set_arg_check, CHECK },
    { "rate", set_arg_rate, HEAP },
    { "since", set_arg_since, HISTORY },
    { "classes", set_classes, METRICS },
    { "kind", set_arg_kind, PAGE | JSON },
    { "vhost", set_arg_vhost, PAGE | JSON }
};
#define TABLE_SIZE ((int)PST_ITEMS(table))

/* Decode into to, of room bytes. @return 0 for a broken escape, a NUL, or text that does not fit */
static int decode(char *to, apr_size_t room, const char *from, apr_size_t len)
{
    apr_size_t n = 0;

    for (apr_size_t i = 0; i < len; i++) {
        int c = (unsigned char)from[i];

        if (c == '+') {
            c = ' ';
        }
        else if (c == '%') {
            if (i + 2 >= len || pst_hex_digit(from[i + 1]) < 0 || pst_hex_digit(from[i + 2]) < 0) {
                return 0;
            }
            c = pst_hex_digit(from[i + 1]) << 4 | pst_hex_digit(from[i + 2]);
            i += 2;
        }
        if (!c || n + 1 >= room) {
            return 0;
        }
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return 1;
}

static const char *shown(const char *text, apr_size_t len, apr_pool_t *pool)
{
    return len <= SHOWN_MAX ? apr_pstrmemdup(pool, text, len)
                            : apr_pstrcat(pool, apr_pstrmemdup(pool, text, SHOWN_MAX), "...", NULL);
}

/* One name=value. @param seen a bit per argument given so far */
static const char *parse_pair(pst_args_t *args, const char *pair, apr_size_t len, pst_face_e face,
                              unsigned *seen, apr_pool_t *pool)
{
    const char *equals = memchr(pair, '=', len);
    apr_size_t name_len = equals ? (apr_size_t)(equals - pair) : len;
    apr_size_t value_len = equals ? len - name_len - 1 : 0;
    char value[VALUE_MAX + 1];
    const char *accepted;
    int i;

    for (i = 0; i < TABLE_SIZE; i++) {
        if (strlen(table[i].name) == name_len && !memcmp(table[i].name, pair, name_len)) {
            break;
        }
    }
    if (i == TABLE_SIZE || !(table[i].faces & 1u << face)) {
        return apr_pstrcat(pool, "There is no argument \"", shown(pair, name_len, pool), "\" here.", NULL);
    }
    if (*seen & 1u << i) {
        return apr_pstrcat(pool, "The argument \"", table[i].name, "\" is given more than once.", NULL);
    }
    *seen |= 1u << i;
    if (!table[i].set) {
        args->as_text = 1;
        return value_len ? apr_pstrcat(pool, "The argument \"", table[i].name, "\" takes no value.", NULL) : NULL;
    }
    if (!value_len) {
        return NULL;
    }
    if (!decode(value, sizeof(value), equals + 1, value_len)) {
        return apr_pstrcat(pool, "The argument \"", table[i].name, "\" is too long or not properly encoded.", NULL);
    }
    accepted = table[i].set(args, value, pool);
    if (accepted) {
        return apr_pstrcat(pool, "The argument \"", table[i].name, "\" must be ", accepted, "; it is \"",
                           shown(value, strlen(value), pool), "\".", NULL);
    }
    return NULL;
}

const char *pst_args_parse(pst_args_t *args, const char *query, pst_face_e face, apr_pool_t *pool)
{
    unsigned seen = 0;

    memset(args, 0, sizeof(*args));
    args->filter.kind = -1;
    args->rows = PST_ARGS_ROWS;
    while (query && *query) {
        apr_size_t len = strcspn(query, "&");
        const char *error = len ? parse_pair(args, query, len, face, &seen, pool) : NULL;

        if (error) {
            return error;
        }
        query += len + (query[len] == '&');
    }
    return NULL;
}

const char *pst_sort_word(unsigned sort)
{
    return sort < PST_SORT_COUNT ? sorts[sort] : "?";
}

static const char *encoded(const char *text, apr_pool_t *pool)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = apr_palloc(pool, 3 * strlen(text) + 1), *out = to;

    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')
            || strchr("-._~", *c)) {
            *out++ = (char)*c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[*c >> 4];
        *out++ = digits[*c & 15];
    }
    *out = '\0';
    return to;
}

const char *pst_args_query(const pst_args_t *args, apr_pool_t *pool)
{
    const char *q = "";
    const pst_filter_t *filter = &args->filter;

    if (filter->sort != PST_SORT_RESERVED) {
        q = apr_pstrcat(pool, q, "&sort=", pst_sort_word(filter->sort), NULL);
    }
    if (filter->pid) {
        q = apr_psprintf(pool, "%s&pid=%u", q, (unsigned)filter->pid);
    }
    if (filter->kind >= 0) {
        q = apr_pstrcat(pool, q, "&kind=", pst_kind_word((unsigned)filter->kind), NULL);
    }
    if (filter->vhost) {
        q = apr_pstrcat(pool, q, "&vhost=", encoded(filter->vhost, pool), NULL);
    }
    if (args->level != PST_SHOW_INFO) {
        q = apr_pstrcat(pool, q, "&level=", pst_show_word(args->level), NULL);
    }
    if (args->rows != PST_ARGS_ROWS) {
        q = apr_psprintf(pool, "%s&rows=%u", q, (unsigned)args->rows);
    }
    if (args->from) {
        q = apr_psprintf(pool, "%s&from=%u", q, (unsigned)args->from);
    }
    if (args->children_from) {
        q = apr_psprintf(pool, "%s&children_from=%u", q, (unsigned)args->children_from);
    }
    if (args->refresh) {
        q = apr_psprintf(pool, "%s&refresh=%u", q, (unsigned)args->refresh);
    }
    return *q ? apr_pstrcat(pool, "?", q + 1, NULL) : "?";
}

const char *pst_args_pid_query(const pst_args_t *args, apr_uint32_t pid, apr_pool_t *pool)
{
    pst_args_t of_child = *args;

    of_child.filter.pid = pid;
    of_child.from = of_child.children_from = 0;
    return pst_args_query(&of_child, pool);
}
