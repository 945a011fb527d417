/* SPDX-License-Identifier: Apache-2.0
 *
 * Log tags: see the header.
 *
 * An access log's line is made when the response has gone out and the request's pool still exists: its
 * values are final. An error log's line can be made at any moment, by anybody, also while the pool
 * changes: there figures are taken as they are, nothing is allocated and no pool is read.
 */
#include "mod_poolstat_private.h"
#include "pst_array.h"
#include "mod_poolstat_log.h"
#include "pst_format.h"
#include "pst_reading.h"

#include <apr_lib.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_core.h>
#include <mod_log_config.h>

APLOG_USE_MODULE(poolstat);

/* ---- the lines ---- */

/* In digits, or "-". @return their number */
static int put_log_figure(char *to, pst_account_t *account, pst_scope_e scope, const char *word, int fresh)
{
    pst_reading_t reading;
    pst_metric_e metric;
    apr_uint64_t value;

    if (account && pst_reading_word(&metric, scope, word)) {
        pst_reading_take(&reading, account, fresh);
        if (pst_reading_figure(&reading, metric, &value)) {
            return (int)pst_format_digits(to, value);
        }
    }
    apr_cpystrn(to, "-", PST_FORMAT_LEN);
    return 1;
}

/* Memory for the text is taken first, so that the figure counts it. */
static const char *in_access_log(request_rec *r, pst_account_t *account, pst_scope_e scope, const char *word)
{
    char *text = apr_palloc(r->pool, PST_FORMAT_LEN);

    put_log_figure(text, account, scope, word, 1);
    return text;
}

static const char *access_request(request_rec *r, char *word)
{
    return in_access_log(r, pst_phase_request_account(r), PST_SCOPE_REQUEST, word);
}

static const char *access_connection(request_rec *r, char *word)
{
    return in_access_log(r, pst_phase_connection_account(r->connection), PST_SCOPE_CONNECTION, word);
}

/* Prints nothing if there is no figure, as the core's own items do, so that the format's flags decide what is
 * printed. */
static int in_error_log(char *to, int room, pst_account_t *account, pst_scope_e scope, const char *word)
{
    char text[PST_FORMAT_LEN];
    int length = account ? put_log_figure(text, account, scope, word ? word : "", 0) : 0;

    if (!length || length >= room || text[0] == '-') {
        return 0;
    }
    memcpy(to, text, (apr_size_t)length + 1);
    return length;
}

static int error_request(const ap_errorlog_info *info, const char *word, char *to, int room)
{
    return info->r ? in_error_log(to, room, pst_phase_request_account(info->r), PST_SCOPE_REQUEST, word) : 0;
}

static int error_connection(const ap_errorlog_info *info, const char *word, char *to, int room)
{
    return info->c ? in_error_log(to, room, pst_phase_connection_account(info->c), PST_SCOPE_CONNECTION, word) : 0;
}

int pst_log_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *tell = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);
    static char access_r[] = "^PR", access_c[] = "^PC", error_r[] = "R", error_c[] = "C";

    (void)plog, (void)ptemp;
    if (tell) {
        tell(pconf, access_r, access_request, 0);
        tell(pconf, access_c, access_connection, 0);
    }
    ap_register_errorlog_handler(pconf, error_r, error_request, 0);
    ap_register_errorlog_handler(pconf, error_c, error_connection, 0);
    return OK;
}

/* ---- the words in formats, when the configuration is read ---- */

/* Our next tag in a format: how it ends ("^P" or ""), whose it is, its word. */
typedef struct {
    const char *mark;
    pst_scope_e scope;
    const char *word;
} tag_t;

/* From a '%' on, skip what may come before the tag's letters. @return where to look for the next */
static const char *read_format_tag(tag_t *tag, const char *from, const char *flags, apr_pool_t *pool)
{
    const char *at = from + 1, *letter;

    tag->word = "";
    while (*at && (strchr(flags, *at) || apr_isdigit(*at))) {
        if (*at++ == '{') {
            tag->word = ap_getword(pool, &at, '}');
        }
    }
    letter = at + strlen(tag->mark);
    if (strncmp(at, tag->mark, strlen(tag->mark)) || (*letter != 'R' && *letter != 'C')) {
        tag->mark = NULL;
        return *at && at == from + 1 ? at + 1 : at;     /* "%%" does not begin a tag */
    }
    tag->scope = *letter == 'R' ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION;
    return letter + 1;
}

static const char *words_of(pst_scope_e scope, apr_pool_t *pool)
{
    const pst_metric_list_t *list = pst_reading_figures(scope);
    const char *all = NULL;

    for (unsigned i = 0; i < list->count; i++) {
        char *word = apr_pstrdup(pool, pst_metrics[list->metrics[i]].label);

        ap_str_tolower(word);
        all = all ? apr_pstrcat(pool, all, ", ", word, NULL) : word;
    }
    return all;
}

/* @return 0 after a complaint */
static int check_format(const ap_directive_t *directive, const char *mark, const char *flags, apr_pool_t *pool)
{
    const char *at = directive->args;
    pst_metric_e metric;

    while (at && (at = strchr(at, '%')) != NULL) {
        tag_t tag = { .mark = mark };

        at = read_format_tag(&tag, at, flags, pool);
        if (tag.mark && !pst_reading_word(&metric, tag.scope, tag.word)) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL, "PST0020: %s has %%{%s}%s%c, but '%s' is none "
                         "of %s (line %d of %s).", directive->directive, tag.word, mark,
                         tag.scope == PST_SCOPE_REQUEST ? 'R' : 'C', tag.word, words_of(tag.scope, pool),
                         directive->line_num, directive->filename);
            return 0;
        }
    }
    return 1;
}

static int check_tree(const ap_directive_t *directive, apr_pool_t *pool)
{
    static const char *const of_access[] = { "LogFormat", "CustomLog", "GlobalLog", "TransferLog" };
    int good = 1;

    for (; directive; directive = directive->next) {
        for (unsigned i = 0; i < PST_ITEMS(of_access); i++) {
            if (!ap_cstr_casecmp(directive->directive, of_access[i])) {
                good &= check_format(directive, "^P", "!<>,{", pool);
            }
        }
        if (!ap_cstr_casecmp(directive->directive, "ErrorLogFormat")) {
            good &= check_format(directive, "", " {+-", pool);
        }
        good &= !directive->first_child || check_tree(directive->first_child, pool);
    }
    return good;
}

int pst_log_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf, (void)plog, (void)s;
    return check_tree(ap_conftree, ptemp) ? OK : HTTP_INTERNAL_SERVER_ERROR;
}
