/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of a request, and its notes: see the header.
 *
 * Set twice: before the handler runs, for what it starts, and again when the request is logged, with
 * the final values.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_env.h"
#include "pst_format.h"
#include "pst_reading.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>

#define HOOKED_KEY "mod_poolstat PoolStatEnv"

typedef struct {
    int on;         /* -1: inherited */
} env_t;

typedef struct {
    const char *name;
    pst_metric_e metric;
} variable_t;

/* Made when the first PoolStatEnv On is read, in the configuration's pool. */
static struct {
    apr_array_header_t *request, *connection;
} names;

/* ---- when a request arrives ---- */

/* Names and room for texts come first, so that the figures include what the tables take for them. */
static char *set_names(request_rec *r, const apr_array_header_t *variables)
{
    char *texts = apr_pcalloc(r->pool, (apr_size_t)variables->nelts * PST_FORMAT_LEN);

    for (int i = 0; i < variables->nelts; i++) {
        const char *name = APR_ARRAY_IDX(variables, i, variable_t).name;

        apr_table_setn(r->subprocess_env, name, texts + i * PST_FORMAT_LEN);
        apr_table_setn(r->notes, name, texts + i * PST_FORMAT_LEN);
    }
    return texts;
}

static void set_texts(request_rec *r, const apr_array_header_t *variables, char *texts, pst_account_t *account)
{
    pst_reading_t reading;
    apr_uint64_t value;

    pst_reading_take(&reading, account, 1);
    for (int i = 0; i < variables->nelts; i++) {
        const variable_t *variable = &APR_ARRAY_IDX(variables, i, variable_t);

        if (pst_reading_figure(&reading, variable->metric, &value)) {
            pst_format_digits(texts + i * PST_FORMAT_LEN, value);
        }
        else {
            apr_table_unset(r->subprocess_env, variable->name);
            apr_table_unset(r->notes, variable->name);
        }
    }
}

static void set_variables(request_rec *r)
{
    pst_account_t *request = pst_phase_request_account(r), *connection = pst_phase_connection_account(r->connection);
    char *of_request = request ? set_names(r, names.request) : NULL;
    char *of_connection = connection ? set_names(r, names.connection) : NULL;

    if (connection) {
        set_texts(r, names.connection, of_connection, connection);
    }
    if (request) {
        set_texts(r, names.request, of_request, request);
    }
}

static int is_on(const request_rec *r)
{
    const env_t *env = ap_get_module_config(r->per_dir_config, &poolstat_module);

    return env && env->on == 1;
}

static int before_handler(request_rec *r)
{
    if (is_on(r)) {
        set_variables(r);
    }
    return DECLINED;
}

/* The log hook gets the first of several redirected requests, and logs the last. */
static int before_log(request_rec *r)
{
    while (r->next) {
        r = r->next;
    }
    if (is_on(r)) {
        set_variables(r);
    }
    return DECLINED;
}

/* ---- configuration ---- */

void *pst_env_create(apr_pool_t *pool, char *directory)
{
    env_t *env = apr_palloc(pool, sizeof(*env));

    (void)directory;
    *env = (env_t){ .on = -1 };
    return env;
}

void *pst_env_merge(apr_pool_t *pool, void *base, void *add)
{
    env_t *env = apr_palloc(pool, sizeof(*env));
    const env_t *outside = base, *inside = add;

    env->on = inside->on >= 0 ? inside->on : outside->on;
    return env;
}

static apr_array_header_t *name_all(apr_pool_t *pool, pst_scope_e scope, const char *prefix)
{
    const pst_metric_list_t *list = pst_reading_figures(scope);
    apr_array_header_t *all = apr_array_make(pool, (int)list->count, sizeof(variable_t));

    for (unsigned i = 0; i < list->count; i++) {
        char *name = apr_pstrcat(pool, prefix, pst_metrics[list->metrics[i]].key, NULL);
        variable_t *variable = apr_array_push(all);

        ap_str_toupper(name);
        *variable = (variable_t){ name, list->metrics[i] };
    }
    return all;
}

/* Hooks are sorted after the directives are read: hooks added here run, and a server without the directive does not
 * pay for them. */
static void add_hooks(apr_pool_t *pconf)
{
    void *hooked = NULL;

    apr_pool_userdata_get(&hooked, HOOKED_KEY, pconf);
    if (hooked) {
        return;
    }
    apr_pool_userdata_set("yes", HOOKED_KEY, NULL, pconf);      /* copies the key */
    names.request = name_all(pconf, PST_SCOPE_REQUEST, "poolstat_request_");
    names.connection = name_all(pconf, PST_SCOPE_CONNECTION, "poolstat_connection_");
    ap_hook_handler(before_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(before_log, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

const char *pst_env_set(cmd_parms *cmd, void *config, const char *arg)
{
    env_t *env = config;

    env->on = ap_cstr_casecmp(arg, "On") == 0;
    if (!env->on && ap_cstr_casecmp(arg, "Off") != 0) {
        return apr_psprintf(cmd->pool, "PoolStatEnv is '%s', but must be On or Off.", arg);
    }
    if (env->on) {
        add_hooks(cmd->pool);
    }
    return NULL;
}
