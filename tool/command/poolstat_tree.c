/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat tree PID: the pools of a running process, without stopping it.
 *
 * Needs no board and no mod_poolstat in the process, only an APR whose pools have the same layout
 * as our own.
 */
#include "poolstat.h"
#include "poolstat_text.h"
#include "pst_global.h"
#include "pst_tree_view.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#define TIME_LIMIT apr_time_from_sec(20)

static int refuse_pid(const char *pid, const char *why)
{
    poolstat_say("tree: process %s: %s", pid, why);
    return POOLSTAT_NONE;
}

/* @return 0 if it is not a process id */
static pid_t parse_pid(const char *text)
{
    apr_int64_t pid = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9' && pid <= APR_INT32_MAX; c++) {
        pid = pid * 10 + (*c - '0');
    }
    return c > text && !*c && pid <= APR_INT32_MAX ? (pid_t)pid : 0;
}

/* The tree of the global pool first; then everything else, which takes the tree to tell it from dead pools. */
static void read_tree(pst_forest_t *forest, pst_search_t *search, uintptr_t global)
{
    pst_forest_add_root(forest, global);
    pst_forest_read(forest);
    pst_search(forest->remote, global - APR_MEMNODE_T_SIZE, search);
    if (pst_holdings_add_roots(forest, search)) {
        pst_forest_read(forest);
        if (pst_holdings_drop_dead(forest)) {
            pst_forest_read(forest);
        }
    }
    pst_forest_sum(forest);
}

static int show_tree(const poolstat_options_t *options, pst_remote_t *remote, apr_time_t began, apr_pool_t *pool)
{
    pst_symbols_t *symbols = pst_symbols_make(remote, pool);
    pst_emit_t *emit = apr_palloc(pool, sizeof(*emit));
    pst_tree_view_t view = { .match = options->match, .min = options->min };
    const pst_loaded_t *program;
    const char *why;
    uintptr_t global;
    pst_holdings_t holdings;
    pst_search_t search;
    pst_forest_t forest;
    apr_status_t rv;

    program = pst_symbols_object(symbols, "");
    global = pst_global_find(remote, symbols, &why);
    if (!global) {
        return refuse_pid(options->operand, why);
    }
    pst_forest_init(&forest, remote);
    read_tree(&forest, &search, global);
    pst_holdings_sum(&holdings, &forest, &search);
    if (!forest.changed) {
        pst_holdings_check(&holdings, &forest);
    }
    view.taken = apr_time_now() - began;
    if (!forest.count || !pst_remote_alive(remote)) {
        pst_search_free(&search);
        pst_forest_free(&forest);
        return refuse_pid(options->operand, "it ended while it was read");
    }
    view.forest = &forest;
    view.search = &search;
    view.holdings = &holdings;
    view.origins = pst_origins_find(remote, symbols, pool);
    view.program = program ? program->path : "?";
    view.resources = pst_resources_learn(remote, symbols, pool);
    pst_emit_init(emit, options->json ? PST_EMIT_JSON : PST_EMIT_TEXT, poolstat_to_file, stdout);
    rv = pst_tree_view(&view, emit);
    rv = forest.no_memory ? APR_ENOMEM : rv;
    pst_search_free(&search);
    pst_forest_free(&forest);
    return rv == APR_SUCCESS ? POOLSTAT_OK : POOLSTAT_FAILED;
}

int poolstat_tree(poolstat_options_t *options)
{
    int status;
    apr_time_t began = apr_time_now();
    pst_apr_facts_t facts;
    pst_remote_t *remote;
    const char *why = NULL;
    apr_pool_t *pool;
    pid_t pid;

    pid = options->operand ? parse_pid(options->operand) : 0;
    if (pid <= 0) {
        poolstat_say("tree needs the id of a process; see --help");
        return POOLSTAT_USAGE;
    }
    apr_pool_create(&pool, NULL);
    if (pst_apr_prove(&facts, &why) != APR_SUCCESS) {
        poolstat_say("tree: the command's own APR is not as expected: %s", why);
        status = POOLSTAT_FAILED;
    }
    else if (pst_remote_open(&remote, pid, TIME_LIMIT, &why, pool) != APR_SUCCESS) {
        status = refuse_pid(options->operand, why);
    }
    else {
        status = show_tree(options, remote, began, pool);
    }
    apr_pool_destroy(pool);
    return status;
}
