/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes: the parent makes the board and frees the blocks of children that are gone; a child claims its block and
 * instruments itself.
 *
 * The board outlives reloads of the configuration, and with them of this module:
 * what the parent must remember is in httpd's retained data.  In a child the
 * module is pinned and stays.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_ends.h"
#include "mod_poolstat_reload.h"
#include "pst_allocator.h"
#include "pst_apr.h"
#include "pst_clock.h"
#include "pst_generation.h"
#include "pst_guard.h"
#include "pst_heavy.h"
#include "pst_instrument.h"
#include "pst_machine.h"
#include "pst_memory.h"
#include "pst_object.h"
#include "pst_relatives.h"
#include "pst_release.h"
#include "pst_surge.h"
#include "pst_switch.h"
#include "pst_resolver.h"
#include "pst_runtime.h"
#include "pst_profile.h"
#include "pst_version.h"
#include "mod_poolstat_control.h"

#include <apr_strings.h>
#include <apr_version.h>
#include <ap_release.h>
#include <http_core.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <signal.h>
#include <unistd.h>

APLOG_USE_MODULE(poolstat);

#define RETAINED_LAYOUT 2       /* layout of retained_t and its contents: change it when their meaning changes */
#define RELATIVES_LAYOUT 1
#define URLS_LAYOUT 1
#define MODULE_VERSION "mod_poolstat/" PST_VERSION

/* What the parent keeps across reloads. */
typedef struct {
    pst_board_t board;
    char        path[PATH_MAX];
    int         made;
} retained_t;

static struct {
    int                proven;      /* parent: the mirror of APR holds */
    pid_t              parent;      /* the process that began the generation */
    apr_uint32_t       generation;
    apr_uint32_t       pid;         /* of the child that is set up: -X sets up twice in one process */
    int                ended;       /* child: its end is counted */
    retained_t        *retained;
    pst_relatives_t   *relatives;   /* parent: processes that are not children; across reloads */
    pst_url_kept_t    *urls;        /* parent: requests to children that are gone; across reloads */
    apr_uint32_t       joined;      /* the process that has the board mapped as its own */
    const void        *mpm;         /* the MPM's module record, found by the parent */
    int                told_moved;  /* parent: it was logged that the file is another server's, or gone */
} g;

static int query_mpm_or(int code, int otherwise)
{
    int result = 0;

    return ap_mpm_query(code, &result) == APR_SUCCESS && result > 0 ? result : otherwise;
}

/* Old and new children live side by side during a graceful restart. */
static apr_uint32_t wanted_blocks(void)
{
    int daemons = query_mpm_or(AP_MPMQ_HARD_LIMIT_DAEMONS, 1);

    return (apr_uint32_t)(daemons < 32000 ? 2 * daemons + 2 : 65000);
}

/*
 * One connection per thread, or three where the MPM keeps idle ones without a
 * thread (AsyncRequestWorkerFactor 2, its default); and as many again as there are threads, for
 * HTTP/2 streams and connections to backends.
 */
static apr_uint32_t wanted_slots_of_one(const pst_config_t *config)
{
    int threads = query_mpm_or(AP_MPMQ_MAX_THREADS, 1), each = query_mpm_or(AP_MPMQ_IS_ASYNC, 0) ? 4 : 2;

    if (config->connections) {
        return config->connections;
    }
    if (!query_mpm_or(AP_MPMQ_IS_THREADED, 0)) {
        return 16;
    }
    return (apr_uint32_t)(threads < 16000 ? threads * each + 28 : 64000);
}

/* Limits far above what runs must not make the board huge: then each child has fewer rows, and counts the rest
 * without one. */
static apr_uint32_t wanted_slots(const pst_config_t *config)
{
    apr_uint32_t wanted = wanted_slots_of_one(config), most = PST_SLOTS_MOST / wanted_blocks();

    return wanted < most ? wanted : most;
}

static apr_status_t make_board(retained_t *retained, const char *path, apr_uint32_t blocks, apr_uint32_t slots,
                               const pst_config_t *config, apr_pool_t *ptemp)
{
    pst_board_about_t about = {
        .server = ap_get_server_description(),
        .module = MODULE_VERSION " APR/" APR_VERSION_STRING,
        .mpm = ap_show_mpm(),
        .interval = config->interval,
        .history = config->history,
    };
    apr_status_t rv = pst_board_create(&retained->board, path, blocks, slots, &about, ptemp);

    if (rv == APR_SUCCESS) {
        rv = pst_board_withhold(&retained->board);
        if (rv != APR_SUCCESS) {
            pst_board_close(&retained->board);
        }
    }
    retained->made = rv == APR_SUCCESS;
    if (retained->made) {
        apr_cpystrn(retained->path, path, sizeof(retained->path));
    }
    return rv;
}

static apr_status_t drop_guard(void *unused)
{
    (void)unused;
    pst_guard_unset();
    return APR_SUCCESS;
}

static int board_fits(const retained_t *retained, const char *path, apr_uint32_t blocks, apr_uint32_t slots,
                      const pst_config_t *config)
{
    return retained->made && strcmp(retained->path, path) == 0 && retained->board.child_count == blocks
           && retained->board.slot_count == slots && retained->board.fine_count == config->history
           && retained->board.interval == config->interval && pst_board_is_at(&retained->board, path)
           && pst_board_intact(&retained->board);
}

/* The old board is dropped unless it fits; children of the old configuration keep writing to
 * theirs, unseen. */
static void provide_board(retained_t *retained, const pst_config_t *config, apr_pool_t *ptemp, server_rec *s)
{
    apr_uint32_t blocks = wanted_blocks(), slots = wanted_slots(config), holder;
    const char *path = pst_config_file(config, ptemp);
    apr_status_t rv = APR_EBADPATH;

    if (retained->made) {
        pst_guard_set(&retained->board);
    }
    if (path && board_fits(retained, path, blocks, slots, config)) {
        return;
    }
    if (retained->made) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "PST0001: the board is made anew: its file, its size or its "
                     "contents are not what they were. Children of the old configuration are no longer shown.");
        pst_guard_unset();
        if (!pst_runtime.gathers) {               /* -X: this process is the child that writes to it */
            pst_board_close(&retained->board);
        }
        retained->made = 0;
    }
    holder = path ? pst_board_holder(path) : 0;
    if (holder) {
        pst_runtime.why_none = "The board is another server's; the error log says whose (PST0026).";
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, s,
            "PST0026: %s is the board of the httpd with the process id %u, which runs: "
            "it is left alone, nothing is gathered here, pool-status answers 503. PoolStatFile or DefaultRuntimeDir "
            "names another place.",
            path, (unsigned)holder);
        return;
    }
    pst_runtime.why_none = "The board could not be made; the error log says why (PST0002).";
    if (path && strlen(path) < sizeof(retained->path)) {
        rv = make_board(retained, path, blocks, slots, config, ptemp);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "PST0002: no board could be made in %s: nothing is gathered, "
                     "pool-status answers 503. PoolStatFile names another place.", path ? path : "PoolStatFile");
        return;
    }
    pst_guard_set(&retained->board);
}

/* Logged once, by the parent: the mirror is the same in every child. */
static void announce(const pst_config_t *config, server_rec *s)
{
    pst_apr_facts_t facts;
    const char *why;

    g.proven = pst_apr_prove(&facts, &why) == APR_SUCCESS;
    if (!g.proven) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "PST0003: pools are not instrumented: %s. Connections and "
                     "requests are counted, bytes are not known.", why);
    }
    else if (!config->instrument) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "PST0004: pools are not instrumented: PoolStatInstrument is "
                     "Off. Figures are taken at hooks.");
    }
}

/* The first thread has a pool of its own, without a parent, made by ap_thread_main_create(): in the parent, and once
 * more in each child. */
static void tell_thread_pool(void)
{
#if AP_HAS_THREAD_LOCAL
    apr_thread_t *thread = ap_thread_current();

    if (thread) {
        pst_instrument_also(apr_thread_pool_get(thread));
    }
#endif
}

int pst_process_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const pst_config_t *config = pst_config_get(s);
    retained_t *retained;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL) {
        return OK;
    }
    retained = pst_retained("board", RETAINED_LAYOUT, sizeof(*retained));
    provide_board(retained, config, ptemp, s);
    apr_pool_cleanup_register(pconf, NULL, drop_guard, apr_pool_cleanup_null);
    g.retained = retained;
    g.relatives = pst_retained("relatives", RELATIVES_LAYOUT, sizeof(*g.relatives));
    g.urls = pst_retained("urls", URLS_LAYOUT, sizeof(*g.urls));
    if (retained->made && g.urls->count) {
        pst_url_kept_publish(g.urls, &retained->board);
    }
    g.told_moved = 0;
    pst_runtime.board = retained->made ? &retained->board : NULL;
    tell_thread_pool();
    pst_memory_tell_apart(pst_runtime.board ? pst_runtime.board->inode : 0);
    announce(config, s);
    pst_resolver_use(config->symbols && access(config->symbols, X_OK) == 0 ? config->symbols : NULL);
    if (config->control) {
        pst_control_post_config(s);
    }
    if (pst_runtime.board) {
        pst_watch_post_config(pst_runtime.board, pconf, s);
    }
    return OK;
}

/* Children that the configuration allows, and the memory there is for them. */
static void publish_limits(pst_shared_header_t *header, const pst_config_t *config)
{
    pst_memory_e kind;
    apr_uint64_t bytes = pst_machine_memory(&kind);

    pst_store(&header->memory_limit_bytes, bytes);
    pst_store(&header->child_limit_bytes, config->max_child);
    pst_store(&header->child_limit_pss, config->max_child_pss != 0);
    pst_store(&header->children_limit, (apr_uint64_t)query_mpm_or(AP_MPMQ_MAX_DAEMONS, 0));
    pst_store(&header->threads_per_child, (apr_uint64_t)query_mpm_or(AP_MPMQ_MAX_THREADS, 1));
    __atomic_store_n(&header->memory_kind, (apr_uint32_t)kind, __ATOMIC_RELAXED);
}

/* The configuration's pool is about to be cleared. An exiting child destroys its copy, too. */
static apr_status_t generation_ends(void *unused)
{
    if (pst_runtime.board && g.parent == getpid()) {
        pst_guard_set(pst_runtime.board);
        pst_generation_parent_ends(pst_runtime.board, g.generation);
    }
    (void)unused;
    return APR_SUCCESS;
}

/* httpd's name for the MPM is its file name without "mod_mpm_". Looked up in the parent: names are in each module,
 * and a child would have to fault in a page of each. */
static const void *find_mpm(apr_pool_t *pool)
{
    const char *file = apr_pstrcat(pool, ap_show_mpm(), ".c", NULL);

    for (module **each = ap_loaded_modules; each && *each; each++) {
        if (strcmp((*each)->name, file) == 0) {
            return *each;
        }
    }
    return NULL;
}

/* After all other modules: what they made from the configuration exists. */
int pst_process_configured(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    pst_generation_begin_t begin;

    pst_reload_ends();
    g.mpm = find_mpm(ptemp);
    if (pst_runtime.board && !pst_runtime.gathers) {            /* -X rereads the configuration in
                                                                   the process that serves */
        pst_clock_start();
        publish_limits(pst_board_header(pst_runtime.board), pst_config_get(s));
        pst_generation_measure(&begin, pconf, plog, g.proven);
        g.generation = (apr_uint32_t)query_mpm_or(AP_MPMQ_GENERATION, 0);
        g.parent = getpid();
        pst_ends_post_config();
        pst_generation_begin(pst_runtime.board, g.generation, &begin, (apr_uint64_t)apr_time_now());
        pst_reload_tell(pst_runtime.board, g.generation);
        apr_pool_pre_cleanup_register(pconf, NULL, generation_ends);
    }
    return OK;
}

/* What all children would log in the same way is logged by the first. */
static void complain_once(pst_shared_header_t *header, server_rec *s, const char *reason)
{
    apr_uint32_t quiet = 0;

    if (__atomic_compare_exchange_n(&header->complained, &quiet, 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "PST0005: pools are not instrumented: %s. Figures are taken "
                     "at hooks.", reason);
    }
}

/* Allocators are separated only if they may have to be emptied: mere observation changes nothing. */
static void prepare_release(pst_shared_child_t *block, apr_pool_t *pchild, const pst_config_t *config)
{
    int full = block->level == PST_LEVEL_FULL;

    if (full && (config->control || config->release)) {
        pst_allocator_separate(pchild);
    }
    pst_store(&block->max_free_bytes, ap_max_mem_free);
    pst_release_start(block, config->control, full, config->release);
}

/* Only what LoadModule loaded can be blamed: pst_blame.h. */
static void tell_modules(apr_pool_t *pool)
{
    apr_array_header_t *records = apr_array_make(pool, 64, sizeof(void *));

    for (module **each = ap_loaded_modules; each && *each; each++) {
        APR_ARRAY_PUSH(records, const void *) = *each;
    }
    pst_object_modules((const void *const *)records->elts, (unsigned)records->nelts, g.mpm);
}

/* Who holds the heap, mappings and stacks: nothing else needs it. */
static void start_profile(pst_shared_child_t *block, const pst_config_t *config, server_rec *s)
{
    apr_uint64_t rate = pst_switch_start(pst_runtime.board, block, config->control, config->heap_profile);
    apr_status_t rv;

    if (block->level != PST_LEVEL_FULL) {
        return;
    }
    pst_profile_start(block);
    pst_surge_start(block, !query_mpm_or(AP_MPMQ_IS_THREADED, 0));
    rv = pst_profile_switch(rate);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0023: there is no heap profile: calls to malloc and its kin "
                     "cannot be redirected in this child. All else works.");
    }
}

/* Counting begins. @return how figures are taken */
static pst_level_e start_gathering(apr_pool_t *pchild, pst_shared_child_t *claimed, const pst_config_t *config,
                                   const char **reason)
{
    pst_level_e level;

    if (pst_account_start(pst_runtime.board, claimed) != APR_SUCCESS) {
        *reason = "there is no memory for its accounts";
        return PST_LEVEL_PUBLIC;
    }
    pst_heavy_start(pst_runtime.board, pst_child_block());
    tell_modules(pchild);
    pst_phases_child_init(config);
    tell_thread_pool();
    level = pst_instrument_start(pchild, config->instrument ? PST_LEVEL_FULL : PST_LEVEL_HOOKS, reason);
    pst_instrument_classes(pchild, pst_runtime.board, pst_child_block(), config->profile);
    pst_runtime.gathers = 1;
    return level;
}

/* @return whether there is more to start than what stands in the block */
static int starts_more(pst_shared_child_t *block, pst_level_e level, const char *reason, server_rec *s)
{
    if (block) {
        block->level = level;
        apr_cpystrn(block->reason, reason ? reason : "", sizeof(block->reason));
    }
    if (!pst_runtime.gathers) {
        ap_log_error(APLOG_MARK, APLOG_ERR, APR_ENOMEM, s, "PST0007: this child gathers nothing.");
    }
    return pst_runtime.gathers;
}

static void set_up_child(apr_pool_t *pchild, server_rec *s, const pst_config_t *config)
{
    const char *reason = NULL;
    apr_uint32_t generation = (apr_uint32_t)query_mpm_or(AP_MPMQ_GENERATION, 0);
    pst_shared_child_t *block = pst_board_claim_unseen(pst_runtime.board, g.pid, generation);
    pst_level_e level = start_gathering(pchild, block, config, &reason);

    if (!block) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "PST0006: no free block on the board, or no room for one: this child is not shown.");
    }
    block = pst_runtime.gathers ? pst_child_block() : block;
    if (starts_more(block, level, reason, s)) {
        if (reason && config->instrument && level == PST_LEVEL_HOOKS) {
            complain_once(pst_board_header(pst_runtime.board), s, reason);
        }
        start_profile(block, config, s);
        pst_instrument_ready();
        prepare_release(block, pchild, config);
        pst_check_child_init(pst_runtime.board, block, pchild, s);
    }
    if (block) {        /* now that it is complete: nobody sees a child that checks nothing yet */
        pst_board_show(block);
    }
    if (pst_runtime.gathers) {
        pst_watch_child_init(pst_runtime.board, block, pchild, s);
    }
}

/*
 * A process that the parent forked does not have the board mapped. The MPM's children get it back here; any other
 * process that gets here, such as mod_cgid's daemon, does not. An MPM reports the state "starting" only in its
 * children, once it runs (child_main() of prefork, worker and event, 2.4.71); or "stopping", if a signal comes before
 * the child has its own handlers. mod_cgid does not restart its daemon while the MPM stops.
 */
static int is_child_of_mpm(void)
{
    int state = -1;

    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_RUN_MPM
           && ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
           && (state == AP_MPMQ_STARTING || state == AP_MPMQ_STOPPING);
}

/* If the file is no longer ours, the parent logs that, once. */
static void join_board(server_rec *s)
{
    apr_status_t rv = pst_board_join(&g.retained->board, g.retained->path);

    if (rv == APR_SUCCESS || g.retained->board.mapper == (apr_uint32_t)getpid()) {
        g.joined = (apr_uint32_t)getpid();
        return;
    }
    pst_runtime.board = NULL;
    pst_runtime.why_none = "This child could not open the board: the error log says why (PST0024, PST0025).";
    if (rv != APR_EMISMATCH && !APR_STATUS_IS_ENOENT(rv)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0025: the board cannot be opened: this child is not shown.");
    }
}

/* The last hook that runs with the parent's rights. */
int pst_process_drop_privileges(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    if (pst_runtime.board && is_child_of_mpm()) {
        join_board(s);
    }
    return DECLINED;
}

void pst_process_child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_uint32_t pid = (apr_uint32_t)getpid();

    if (pst_runtime.board && g.joined != pid) {       /* an MPM that keeps its rights */
        join_board(s);
    }
    if (!pst_runtime.board) {
        return;
    }
    pst_guard_set(pst_runtime.board);
    if (g.pid != pid) {
        g.pid = pid;
        set_up_child(pchild, s, pst_config_get(s));
    }
    pst_board_close_file(&g.retained->board);
    pst_guard_set(pst_runtime.board);
    pst_runtime_give_back();                /* claiming looked for a free block */
}

/* apr_pool_pre_cleanup: all of the child's pools still exist. */
static apr_status_t record_end(void *unused)
{
    (void)unused;
    g.ended = 1;
    pst_generation_child_ends(pst_runtime.board, pst_child_block());
    return APR_SUCCESS;
}

/*
 * exit() was called: by httpd at an orderly end, when everything is recorded already, or by a module that ends its
 * child, as mod_perl's child_terminate() does in a pool cleanup. Then no pool cleanup records the end, and
 * connections are not closed, just gone. A process forked from the child has this handler, too: it is another process,
 * and records nothing.
 */
static void at_exit(void)
{
    pst_shared_child_t *block = pst_child_block();

    if ((pid_t)g.pid != getpid() || pst_child_muted() || pst_board_index(pst_runtime.board, block) < 0) {
        return;
    }
    if (!g.ended) {
        record_end(NULL);
    }
    pst_board_farewell(block);
    pst_account_gone();
}

/* After all other modules: what they take for each child is allocated by now. */
void pst_process_child_ready(apr_pool_t *pchild, server_rec *s)
{
    (void)s;
    if (pst_runtime.gathers) {
        pst_generation_child_starts(pst_runtime.board, pst_child_block());
        apr_pool_pre_cleanup_register(pchild, NULL, record_end);
        atexit(at_exit);
    }
}

/* Only the parent gets here: it outlives all others. httpd sets its own handlers in it, too, so the guard is set
 * again wherever the parent touches the board. */
void pst_process_child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot,
                              mpm_child_status status)
{
    (void)generation, (void)slot;
    if (g.relatives && pid > 0 && (status == MPM_CHILD_STARTED || status == MPM_CHILD_EXITED)) {
        pst_relatives_child(g.relatives, (apr_uint32_t)pid, status == MPM_CHILD_STARTED);
    }
    if (pst_runtime.board && status == MPM_CHILD_EXITED && pid > 0) {
        pst_guard_set(pst_runtime.board);
        pst_ends_child(s, pid);
        pst_generation_release(pst_runtime.board, (apr_uint32_t)pid, g.urls);
    }
}

/* Logged once: new readers will not find the board. */
static void look_for_board(server_rec *s)
{
    if (!g.told_moved && !pst_board_is_at(pst_runtime.board, g.retained->path)) {
        g.told_moved = 1;
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            "PST0024: %s is not the board of this server any more: it was removed, "
            "renamed, cut or replaced. Children that start from now on are not shown; a restart, graceful or not, "
            "makes "
            "the board anew.",
            g.retained->path);
    }
}

/* The pid is checked by the system, not believed. */
static int is_gone(apr_uint32_t pid)
{
    return pid > INT_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* For children whose end was never reported: a block whose owner does not exist is free. */
int pst_process_monitor(apr_pool_t *pool, server_rec *s)
{
    (void)pool;
    if (pst_runtime.board) {
        pst_guard_set(pst_runtime.board);
        look_for_board(s);
        pst_ends_monitor();
        pst_reload_monitor(pst_runtime.board);
        pst_generation_sweep(pst_runtime.board, is_gone, g.urls);
        pst_relatives_look(g.relatives, pst_runtime.board, (apr_uint64_t)apr_time_now());
    }
    pst_watch_monitor();
    return DECLINED;
}
