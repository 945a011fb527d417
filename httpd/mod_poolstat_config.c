/* SPDX-License-Identifier: Apache-2.0
 *
 * The directives.  docs/directives.md has a paragraph for each; a test compares
 * the two lists.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_env.h"

#include <apr_lib.h>
#include <apr_strings.h>

/* Where make install puts the command: PST_BINDIR is a path, not a string, so that no shell can get its quotes
 * wrong. */
#undef linux
#undef unix
#define TEXT_OF(path) #path
#define TEXT(path) TEXT_OF(path)
#define PST_COMMAND TEXT(PST_BINDIR) "/poolstat"

#define DEFAULT_PROFILE (512 * 1024)
#define MAX_SIZE        ((apr_int64_t)1 << 40)
#define DEFAULT_FILE    "poolstat.board"
#define MAX_CONNECTIONS 65535   /* what a slot's bucket tag can name */
#define MAX_INTERVAL    3600
#define MIN_HISTORY     60
#define MIN_RELEASE     8192    /* the smallest node */

void *pst_config_create(apr_pool_t *pool, server_rec *s)
{
    pst_config_t *config = apr_palloc(pool, sizeof(*config));

    (void)s;
    *config = (pst_config_t){
        .instrument = 1,
        .connections = 0,
        .profile = DEFAULT_PROFILE,
        .heap_profile = DEFAULT_PROFILE,
        .symbols = PST_COMMAND,
        .file = NULL,
        .interval = 1,
        .history = 600,
        .line = PST_LINE_PATH,
        .control = 0,
        .release = 0,
    };
    return config;
}

const pst_config_t *pst_config_get(const server_rec *main_server)
{
    return ap_get_module_config(main_server->module_config, &poolstat_module);
}

const char *pst_config_file(const pst_config_t *config, apr_pool_t *pool)
{
    return ap_runtime_dir_relative(pool, config->file ? config->file : DEFAULT_FILE);
}

static pst_config_t *config_of(cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &poolstat_module);
}

static const char *set_on_or_off(cmd_parms *cmd, int *to, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    int on = ap_cstr_casecmp(arg, "On") == 0;

    if (misplaced) {
        return misplaced;
    }
    if (!on && ap_cstr_casecmp(arg, "Off") != 0) {
        return apr_psprintf(cmd->pool, "%s is '%s', but must be On or Off.", cmd->cmd->name, arg);
    }
    *to = on;
    return NULL;
}

static const char *set_instrument(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return set_on_or_off(cmd, &config_of(cmd)->instrument, arg);
}

static const char *set_connections(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *end;
    apr_int64_t n;

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    n = apr_strtoi64(arg, &end, 10);
    if (!apr_isdigit(arg[0]) || *end || n < 1 || n > MAX_CONNECTIONS) {
        return apr_psprintf(cmd->pool, "PoolStatConnections is '%s', but must be a number from 1 to %d: "
                            "the connections of one child that get a row of their own.", arg, MAX_CONNECTIONS);
    }
    config_of(cmd)->connections = (apr_uint32_t)n;
    return NULL;
}

/* Bytes, or bytes in units of 1024 (K), 1024 K (M), 1024 M (G). @return -1 if it is not a size */
static apr_int64_t parse_size(const char *arg)
{
    static const char units[] = "KMG";
    apr_int64_t n;
    char *end;

    n = apr_strtoi64(arg, &end, 10);
    if (!apr_isdigit(arg[0]) || n > MAX_SIZE) {
        return -1;
    }
    if (*end) {
        const char *unit = strchr(units, apr_toupper(*end));

        if (!unit || end[1]) {
            return -1;
        }
        n <<= 10 * (unit - units + 1);
    }
    return n > MAX_SIZE ? -1 : n;
}

/* Bytes between two samples, or 0 for Off. */
static const char *parse_rate(cmd_parms *cmd, apr_uint64_t *to, const char *arg, const char *of)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = ap_cstr_casecmp(arg, "Off") == 0 ? 0 : parse_size(arg);

    if (misplaced) {
        return misplaced;
    }
    if (n < 0 || (n == 0 && apr_isdigit(arg[0]))) {
        return apr_psprintf(cmd->pool,
                            "%s is '%s', but must be Off or a size from 1 to 1024G, such as 64K or 1M: the bytes "
                            "%s between two samples, on average.",
                            cmd->cmd->name, arg, of);
    }
    *to = (apr_uint64_t)n;
    return NULL;
}

static const char *set_profile(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return parse_rate(cmd, &config_of(cmd)->profile, arg, "by which pools grow");
}

static const char *set_heap_profile(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return parse_rate(cmd, &config_of(cmd)->heap_profile, arg, "asked of the heap");
}

/* @return -1 if it is neither Off nor a size above 0 */
static apr_int64_t size_or_off(const char *arg)
{
    apr_int64_t n = ap_cstr_casecmp(arg, "Off") == 0 ? 0 : parse_size(arg);

    return n == 0 && apr_isdigit(arg[0]) ? -1 : n;
}

static const char *set_warn(cmd_parms *cmd, void *dummy, const char *what, const char *size)
{
    static const char *const names[PST_WARN_COUNT] = { NULL, "connection", "request", "child" };
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = size_or_off(size);
    int i;

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    for (i = PST_WARN_COUNT - 1; i > 0 && ap_cstr_casecmp(what, names[i]) != 0; i--) { }
    if (i == 0) {
        return apr_psprintf(cmd->pool, "PoolStatWarn is for '%s', but must be for request, connection or child.", what);
    }
    if (n < 0) {
        return apr_psprintf(cmd->pool, "PoolStatWarn %s is '%s', but must be Off or a size from 1 to 1024G, such as "
                            "512K or 10M: bytes reserved that are worth a line in the log.", names[i], size);
    }
    config_of(cmd)->warn[i] = (apr_uint64_t)n;
    return NULL;
}

static const char *set_max_child(cmd_parms *cmd, void *dummy, const char *size, const char *of)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = size_or_off(size);
    int pss = of && ap_cstr_casecmp(of, "pss") == 0;

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (n < 0) {
        return apr_psprintf(cmd->pool, "PoolStatMaxChild is '%s', but must be Off or a size from 1 to 1024G, such as "
                            "500M or 2G: the bytes at which a child is replaced.", size);
    }
    if (of && !pss && ap_cstr_casecmp(of, "reserved") != 0) {
        return apr_psprintf(cmd->pool, "PoolStatMaxChild is of '%s', but must be of reserved (default) or pss.", of);
    }
    config_of(cmd)->max_child = (apr_uint64_t)n;
    config_of(cmd)->max_child_pss = pss;
    return NULL;
}

static const char *set_directive_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (!*arg || arg[strlen(arg) - 1] == '/' || !ap_runtime_dir_relative(cmd->pool, arg)) {
        return apr_psprintf(cmd->pool, "PoolStatFile is '%s', but must be the name of a file, absolute or "
                            "below DefaultRuntimeDir.", arg);
    }
    config_of(cmd)->file = apr_pstrdup(cmd->pool, arg);
    return NULL;
}

/* @return whether arg is a number from low to high, and nothing else */
static int whole_number(apr_uint32_t *to, const char *arg, apr_int64_t low, apr_int64_t high)
{
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    if (!apr_isdigit(arg[0]) || *end || n < low || n > high) {
        return 0;
    }
    *to = (apr_uint32_t)n;
    return 1;
}

static const char *set_directive_interval(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (!whole_number(&config_of(cmd)->interval, arg, 1, MAX_INTERVAL)) {
        return apr_psprintf(cmd->pool, "PoolStatInterval is '%s', but must be a number of seconds from 1 to %d.",
                            arg, MAX_INTERVAL);
    }
    return NULL;
}

static const char *set_history(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    pst_config_t *config = config_of(cmd);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (ap_cstr_casecmp(arg, "Off") == 0) {
        config->history = 0;
    }
    else if (!whole_number(&config->history, arg, MIN_HISTORY, PST_HISTORY_MOST)) {
        return apr_psprintf(cmd->pool, "PoolStatHistory is '%s', but must be a number of points from %d to %u, or Off.",
                            arg, MIN_HISTORY, (unsigned)PST_HISTORY_MOST);
    }
    return NULL;
}

static const char *set_show(cmd_parms *cmd, void *dummy, const char *arg)
{
    static const char *const words[] = {
        [PST_LINE_PATH] = "path", [PST_LINE_WHOLE] = "line", [PST_LINE_NONE] = "none"
    };
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    int i;

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    for (i = PST_LINE_NONE; i >= 0 && ap_cstr_casecmp(arg, words[i]) != 0; i--) { }
    if (i < 0) {
        return apr_psprintf(cmd->pool, "PoolStatShow is '%s', but must be line, path or none: how much of a request "
                            "line is shown.", arg);
    }
    config_of(cmd)->line = (pst_line_e)i;
    return NULL;
}

static const char *set_control(cmd_parms *cmd, void *dummy, const char *arg)
{
    pst_config_t *config = config_of(cmd);
    const char *wrong = set_on_or_off(cmd, &config->control, arg);

    (void)dummy;
    if (!wrong && config->control) {
        pst_serves_register(cmd->pool);          /* checks can be switched on while the server runs */
    }
    return wrong;
}

static const char *set_release(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = ap_cstr_casecmp(arg, "Off") == 0 ? 0 : parse_size(arg);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (n < 0 || (n < MIN_RELEASE && apr_isdigit(arg[0]))) {
        return apr_psprintf(cmd->pool, "PoolStatRelease is '%s', but must be Off or a size from 8K to 1024G, such as "
                            "256K: the bytes that each child gives back in a second.", arg);
    }
    config_of(cmd)->release = (apr_uint64_t)n;
    return NULL;
}

/* A later line replaces an earlier one. */
static const char *set_check(cmd_parms *cmd, void *dummy, int count, char *const words[])
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char error[PST_CHECKS_ERROR];
    pst_checks_t checks;

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (!pst_checks_parse(&checks, count, (const char *const *)words, error)) {
        return apr_pstrdup(cmd->pool, error);
    }
    config_of(cmd)->checks = checks;
    pst_serves_register(cmd->pool);
    return NULL;
}

static const char *add_except(cmd_parms *cmd, void *dummy, const char *name)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    pst_config_t *config = config_of(cmd);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    if (!*name) {
        return "PoolStatCheckExcept has an empty name, but takes tags of pools and files of modules.";
    }
    if (!config->except) {
        config->except = apr_array_make(cmd->pool, 4, sizeof(const char *));
    }
    APR_ARRAY_PUSH(config->except, const char *) = name;
    return NULL;
}

static const char *set_symbols(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *misplaced = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dummy;
    if (misplaced) {
        return misplaced;
    }
    config_of(cmd)->symbols = ap_cstr_casecmp(arg, "Off") == 0 ? NULL : ap_server_root_relative(cmd->pool, arg);
    return NULL;
}

const command_rec pst_config_directives[] = {
    AP_INIT_TAKE1("PoolStatInstrument", set_instrument, NULL, RSRC_CONF,
                  "On (default) to see every pool operation of a child, Off to look at pools at hooks only"),
    AP_INIT_TAKE1("PoolStatConnections", set_connections, NULL, RSRC_CONF,
                  "connections of one child that get a row of their own; default: by the MPM's limits"),
    AP_INIT_TAKE1("PoolStatProfile", set_profile, NULL, RSRC_CONF,
                  "bytes by which pools grow between two sampled call sites, on average, or Off; default: 512K"),
    AP_INIT_TAKE1("PoolStatHeapProfile", set_heap_profile, NULL, RSRC_CONF,
                  "bytes asked of the heap, or mapped, between two sampled call sites, on average, or Off; default: "
                  "512K"),
    AP_INIT_TAKE1("PoolStatSymbols", set_symbols, NULL, RSRC_CONF,
                  "the program poolstat, which looks up functions and lines for the page, or Off; default: "
                  PST_COMMAND),
    AP_INIT_TAKE_ARGV("PoolStatCheck", set_check, NULL, RSRC_CONF,
                      "Off (default), or what misuse of pools and buckets is looked for: guard 1/N [request] "
                      "[connection] [secondary] [all], threads 1/N, buckets, fence"),
    AP_INIT_ITERATE("PoolStatCheckExcept", add_except, NULL, RSRC_CONF,
                    "tags of pools, and files of modules (mod_x.so), that two threads may use: they have a lock of "
                    "their own"),
    AP_INIT_TAKE1("PoolStatEnv", pst_env_set, NULL, RSRC_CONF | ACCESS_CONF,
                  "On to tell CGI and logs of a request's figures by variables POOLSTAT_..., Off (default)"),
    AP_INIT_TAKE1("PoolStatFile", set_directive_file, NULL, RSRC_CONF,
                  "file behind the board, absolute or below DefaultRuntimeDir; default: " DEFAULT_FILE),
    AP_INIT_TAKE1("PoolStatInterval", set_directive_interval, NULL, RSRC_CONF,
                  "seconds between two points of a child's history, 1 to 3600; default: 1"),
    AP_INIT_TAKE1("PoolStatHistory", set_history, NULL, RSRC_CONF,
                  "points of a child's history, 60 to 86400, or Off; default: 600"),
    AP_INIT_TAKE2("PoolStatWarn", set_warn, NULL, RSRC_CONF,
                  "request, connection or child, and the size in bytes reserved above which it is logged, or Off "
                  "(default)"),
    AP_INIT_TAKE1("PoolStatShow", set_show, NULL, RSRC_CONF,
                  "how much of a request line is shown and logged: line, path (default: no query string) or none"),
    AP_INIT_TAKE1("PoolStatControl", set_control, NULL, RSRC_CONF,
                  "On to let the page act on children (release memory), Off (default) to let it show only"),
    AP_INIT_TAKE1("PoolStatRelease", set_release, NULL, RSRC_CONF,
                  "bytes a second that each child gives back from allocators that nobody uses, or Off (default)"),
    AP_INIT_TAKE12("PoolStatMaxChild", set_max_child, NULL, RSRC_CONF,
                   "size above which a child is replaced gracefully, or Off (default); of what: reserved (default) or "
                   "pss"),
    { NULL }
};
