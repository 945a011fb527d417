/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatMaxChild: a child that has become too large finishes its work and makes room for
 * another, as if the MPM had told it to.
 *
 * When: one child of the server at a time (pst_turn.h), and only while enough other workers are idle:
 * MinSpareServers or MinSpareThreads. If there are fewer, it first asks for its replacement: it keeps its own idle
 * workers out of the parent's count, continues to serve, and waits until the parent starts a child for them.
 *
 * How: prefork's child stops listening at a SIGUSR1.  A child of worker or event
 * has its main thread wait in ap_mpm_podx_check(), which the MPM calls through its table of imported functions. In
 * this child the call is made to answer as in a graceful stop, and a SIGTERM, which does nothing else there, wakes
 * the thread. (child_main() of server/mpm/{prefork,worker,event}, 2.4.63: the listener of worker and event
 * wakes it the same way.)
 *
 * What decides is private to the process, except for two words on the board: whose turn it is, and what was logged
 * already. These can only make it wait, or suppress a message.
 *
 * Concurrency: everything here runs on the child's watchdog thread, except check_leaving().  httpd's
 * scoreboard is read, and one flag of this child's own written, without a lock, as httpd does.
 */
#include "mod_poolstat_private.h"
#include "pst_account.h"
#include "pst_got.h"
#include "pst_turn.h"

#include <http_config.h>
#include <http_core.h>

#include <dlfcn.h>
#include <pthread.h>
#include <scoreboard.h>
#include <signal.h>
#include <unistd.h>

APLOG_USE_MODULE(poolstat);

/* A child must be this old before it is replaced: a limit that each child reaches at once must not
 * make the server start children all the time. */
#define YOUNG (60 * APR_USEC_PER_SEC)

/* With -D PoolStatMaxChildSoon, for tests: one second. */
#define DEFINE_SOON "PoolStatMaxChildSoon"
#define YOUNG_SOON  APR_USEC_PER_SEC

/* A child that takes longer to finish its work keeps all others from being replaced, and logs that. */
#define LONG      (600 * APR_USEC_PER_SEC)
#define LONG_SOON (3 * APR_USEC_PER_SEC)

/* If no replacement starts within this time, wait as long again before asking again. */
#define PATIENCE (60 * APR_USEC_PER_SEC)

/* How long after its start a child's PSS still tells what children need. */
#define FRESH (10 * APR_USEC_PER_SEC)

typedef enum { OTHER = 0, PREFORK, WORKER, EVENT } mpm_e;

static struct {
    const pst_board_t  *board;
    pst_shared_child_t *block;          /* NULL: this child does not leave */
    server_rec         *server;
    apr_uint64_t        limit;
    apr_uint64_t        started;
    int                 of_pss;
    int                 weighed;        /* what a fresh child needs is known to be less than the limit */
    mpm_e               mpm;
    apr_uint32_t        pid;
    pthread_t           main_thread;
    int               (*podx_check)(ap_pod_t *);
    int               (*update_status)(ap_sb_handle_t *, int, request_rec *);
    int                 leaving;        /* atomic: the main thread reads it */
    apr_uint64_t        left;           /* when it began to leave; 0: it was logged that this takes long */
    int                 out;            /* atomic: prefork's idle worker is out of the parent's count */
    apr_uint64_t        asked;          /* when it began to ask for its replacement; 0: it is not asking */
    apr_uint64_t        again;          /* not before this time */
} g;

static int query_mpm(int code)
{
    int result = 0;

    return ap_mpm_query(code, &result) == APR_SUCCESS ? result : 0;
}

static mpm_e which_mpm(void)
{
    const char *name = ap_show_mpm();

    if (!strcmp(name, "prefork")) {
        return PREFORK;
    }
    if (!strcmp(name, "worker")) {
        return WORKER;
    }
    return !strcmp(name, "event") ? EVENT : OTHER;
}

/* -- what is logged ---------------------------------------------------------- */

enum { TOLD_NOTHING_DONE = 1, TOLD_FUTILE = 2, TOLD_NO_ROOM = 4 };

/* What every child would log is logged by the first. */
static int first_to_tell(const pst_board_t *board, apr_uint32_t what)
{
    return !(__atomic_fetch_or(&pst_board_header(board)->told, what, __ATOMIC_RELAXED) & what);
}

static void tell_nothing_done(const pst_board_t *board, server_rec *s, const char *why)
{
    if (first_to_tell(board, TOLD_NOTHING_DONE)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "PST0016: PoolStatMaxChild does nothing: %s.", why);
    }
}

static const char *of_what(void)
{
    return g.of_pss ? "PSS" : "reserved";
}

/* -- this child ------------------------------------------------------------ */

/* Measured by what no other process can write: the block's figures are only for display. */
static apr_uint64_t size_now(void)
{
    return g.of_pss ? pst_own_books_pss() : pst_child_reserved();
}

/* What it would have if it had served nothing. */
static apr_uint64_t size_at_rest(void)
{
    apr_uint64_t rest = pst_account_at_rest(), all = pst_child_reserved(), pss = size_now();

    if (!g.of_pss) {
        return rest;
    }
    return all > rest && pss > all - rest ? pss - (all - rest) : pss;
}

/* A limit below what a fresh child needs cannot be met by replacing children. @return 1 once it is known that it can */
static int weigh_limit(apr_uint64_t now)
{
    apr_uint64_t rest = size_at_rest();

    if (g.weighed || query_mpm(AP_MPMQ_MPM_STATE) != AP_MPMQ_RUNNING || size_now() == 0) {
        return g.weighed;
    }
    if (rest <= g.limit || now - g.started > FRESH) {
        return g.weighed = 1;
    }
    if (first_to_tell(g.board, TOLD_FUTILE)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                     "PST0017: PoolStatMaxChild is %" APR_UINT64_T_FMT " bytes %s, but a "
                     "child has %" APR_UINT64_T_FMT " right after its start: those that do are not replaced. Raise it.",
                     g.limit, of_what(), rest);
    }
    g.block = NULL;
    return 0;
}

/* -- httpd's scoreboard ---------------------------------------------------- */

typedef struct {
    process_score *own;         /* NULL: not found, or of a generation that is ending */
    int            slot;
    int            idle;        /* workers of other children that would take a connection now */
    int            processes;   /* other children that are not ending */
    int            free;        /* slots for more */
} scene_t;

static int is_idle(int slot, int thread)
{
    const worker_score *worker = ap_get_scoreboard_worker_from_indexes(slot, thread);

    return worker && worker->status == SERVER_READY;
}

static void count_child(scene_t *scene, int slot, const process_score *child, int threads, ap_generation_t generation)
{
    int thread;

    if (child->pid == 0) {
        scene->free++;
        return;
    }
    if (child->quiescing) {
        return;
    }
    scene->processes++;
    for (thread = 0; thread < threads && child->generation == generation && !child->not_accepting; thread++) {
        scene->idle += is_idle(slot, thread);
    }
}

static void look_around(scene_t *scene)
{
    int slots = query_mpm(g.mpm == EVENT ? AP_MPMQ_HARD_LIMIT_DAEMONS : AP_MPMQ_MAX_DAEMONS), slot;
    int threads = g.mpm == PREFORK ? 1 : query_mpm(AP_MPMQ_MAX_THREADS);
    ap_generation_t generation = query_mpm(AP_MPMQ_GENERATION);
    const global_score *global = ap_get_scoreboard_global();

    memset(scene, 0, sizeof(*scene));
    for (slot = 0; slot < slots; slot++) {
        process_score *child = ap_get_scoreboard_process(slot);

        if (child && child->pid == (pid_t)g.pid) {
            scene->own = global && global->running_generation == generation ? child : NULL;
            scene->slot = slot;
        }
        else if (child) {
            count_child(scene, slot, child, threads, generation);
        }
    }
}

/* PSS is estimated between two measurements (pst_books.h): a child must not leave because of an old or estimated
 * value. */
static apr_uint64_t size_for_sure(apr_uint64_t now)
{
    if (g.of_pss) {
        pst_own_books_sum(now);
    }
    return size_now();
}

static int spare_wanted(void)
{
    return query_mpm(g.mpm == PREFORK ? AP_MPMQ_MIN_SPARE_DAEMONS : AP_MPMQ_MIN_SPARE_THREADS);
}

/*
 * Put own idle workers in or out of the parent's count, see perform_idle_server_maintenance() of
 * each MPM: by flags with that effect which can be taken back. Event's parent counts a quiescing
 * child as gone for good, so there it is the flag of a busy child; the listener resets it after
 * being busy, and the next beat sets it again. Prefork's worker says that it is idle after each
 * connection: see tell_status().
 */
static void count_me_out(const scene_t *scene, int out)
{
    worker_score *worker = ap_get_scoreboard_worker_from_indexes(scene->slot, 0);
    unsigned char from = out ? SERVER_READY : SERVER_GRACEFUL, to = out ? SERVER_GRACEFUL : SERVER_READY;

    if (g.mpm == EVENT) {
        scene->own->not_accepting = (char)out;
    }
    else if (g.mpm == WORKER) {
        scene->own->quiescing = (char)out;
    }
    else if (worker) {
        __atomic_store_n(&g.out, out, __ATOMIC_RELEASE);
        __atomic_compare_exchange_n(&worker->status, &from, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

/* Replaces ap_update_child_status() in prefork's own calls, in this child: under traffic the next
 * connection would overwrite what a beat wrote, long before the parent counts. On the main thread. */
static int tell_status(ap_sb_handle_t *sbh, int status, request_rec *r)
{
    int out = status == SERVER_READY && __atomic_load_n(&g.out, __ATOMIC_ACQUIRE), was;

    was = g.update_status(sbh, out ? SERVER_GRACEFUL : status, r);
    if (out && !__atomic_load_n(&g.out, __ATOMIC_ACQUIRE)) {    /* taken back before it could be seen */
        g.update_status(sbh, status, r);
    }
    return was;
}

/* -- leaving --------------------------------------------------------------- */

/* Replaces ap_mpm_podx_check() in this child; on its main thread. */
static int check_leaving(ap_pod_t *pod)
{
    int rv;

    if (__atomic_load_n(&g.leaving, __ATOMIC_ACQUIRE)) {
        return AP_MPM_PODX_GRACEFUL;
    }
    rv = g.podx_check(pod);
    return rv == AP_MPM_PODX_NORESTART && __atomic_load_n(&g.leaving, __ATOMIC_ACQUIRE) ? AP_MPM_PODX_GRACEFUL : rv;
}

/* Repeated at the next beat, as the signal has no effect if the main thread was just about to sleep. */
static void wake_main_thread(void)
{
    if (query_mpm(AP_MPMQ_MPM_STATE) == AP_MPMQ_RUNNING) {
        pthread_kill(g.main_thread, g.mpm == PREFORK ? AP_SIG_GRACEFUL : SIGTERM);
    }
}

static void leave_child(const scene_t *scene, apr_uint64_t size, apr_uint64_t now)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g.server,
                 "PST0018: this child has %" APR_UINT64_T_FMT " bytes %s, more than "
                 "PoolStatMaxChild %" APR_UINT64_T_FMT ": it finishes its work (%" APR_UINT64_T_FMT
                 " connections) and is replaced. "
                 "Reserved %" APR_UINT64_T_FMT ", held %" APR_UINT64_T_FMT ", PSS %" APR_UINT64_T_FMT
                 "; it has lived %" APR_UINT64_T_FMT " s, finished %" APR_UINT64_T_FMT
                 " requests; %d workers are idle beside it.",
                 size, of_what(), g.limit, pst_load(&g.block->connections_open), pst_child_reserved(),
                 pst_load(&g.block->held_bytes), pst_own_books_pss(), (now - g.started) / APR_USEC_PER_SEC,
                 pst_load(&g.block->requests_finished), scene->idle);
    g.left = now;
    __atomic_store_n(&g.leaving, 1, __ATOMIC_RELEASE);
    wake_main_thread();
}

static void tell_if_long(apr_uint64_t now)
{
    apr_uint64_t most = ap_exists_config_define(DEFINE_SOON) ? LONG_SOON : LONG;

    if (g.left && now > g.left && now - g.left > most) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                     "PST0021: child %u has been leaving for %" APR_UINT64_T_FMT " s, being "
                     "above PoolStatMaxChild: %" APR_UINT64_T_FMT
                     " connections still keep it. No other child is replaced "
                     "until they have ended.",
                     g.pid, (now - g.left) / APR_USEC_PER_SEC, pst_load(&g.block->connections_open));
        g.left = 0;
    }
}

/* Stop leaving, and stop waiting to leave. */
static void stay(const scene_t *scene)
{
    if (g.asked && scene->own) {
        count_me_out(scene, 0);
    }
    g.asked = 0;
    pst_turn_give(g.board, g.pid);      /* also where another process wrote this child's name there */
}

/* Too few other workers are idle: wait for the parent to start another child, if it can. */
static void ask_for_spare(const scene_t *scene, apr_uint64_t now)
{
    if (scene->free == 0 || scene->processes + 1 >= query_mpm(AP_MPMQ_MAX_DAEMONS)) {
        if (first_to_tell(g.board, TOLD_NO_ROOM)) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g.server,
                         "PST0019: a child is above PoolStatMaxChild and stays for now: %d "
                         "workers are idle beside it, MinSpare asks for %d, and MaxRequestWorkers leaves no room for "
                         "another child first.",
                         scene->idle, spare_wanted());
        }
        stay(scene);
        return;
    }
    if (!g.asked) {
        g.asked = now;
    }
    else if (now - g.asked > PATIENCE) {
        stay(scene);
        g.again = now + PATIENCE;
        return;
    }
    count_me_out(scene, 1);
}

void pst_leave_beat(apr_uint64_t now)
{
    apr_uint64_t size;
    scene_t scene;

    if (!g.block) {
        return;
    }
    if (g.leaving) {
        tell_if_long(now);
        wake_main_thread();
        return;
    }
    if (!weigh_limit(now) || query_mpm(AP_MPMQ_MPM_STATE) != AP_MPMQ_RUNNING) {
        return;
    }
    size = size_now();
    look_around(&scene);
    if (size <= g.limit || !scene.own || now < g.again) {
        stay(&scene);
    }
    else if (pst_turn_take(g.board, g.pid, now)) {
        if (scene.idle < spare_wanted()) {
            ask_for_spare(&scene, now);
        }
        else if ((size = size_for_sure(now)) > g.limit) {
            leave_child(&scene, size, now);
        }
        else {
            stay(&scene);
        }
    }
    else if (g.asked) {
        stay(&scene);       /* somebody overwrote its name there */
    }
}

/* -- start ----------------------------------------------------------------- */

static const char *why_not(const pst_config_t *config, int watchdog)
{
    if (which_mpm() == OTHER) {
        return "this MPM is not known";
    }
    if (ap_exists_config_define("ONE_PROCESS") || ap_exists_config_define("DEBUG")) {
        return "there is one process";
    }
    if (!watchdog) {
        return "children have no watchdog (-D PoolStatNoWatchdog)";
    }
    return !config->instrument && !config->max_child_pss ? "without PoolStatInstrument only pss is known" : NULL;
}

void pst_leave_post_config(const pst_board_t *board, server_rec *main_server, int watchdog)
{
    const char *why = why_not(pst_config_get(main_server), watchdog);

    __atomic_store_n(&pst_board_header(board)->told, 0, __ATOMIC_RELAXED);
    if (why) {
        tell_nothing_done(board, main_server, why);
    }
}

static int patch_one(pst_got_entry_t *entry)
{
    pst_pages_t pages;
    pst_got_job_t job = { .entries = entry, .count = 1, .pages = &pages };
    apr_size_t stores;
    const char *why;
    int done;

    if (pst_pages_take(&pages, &why) != APR_SUCCESS) {
        return 0;
    }
    done = pst_got_patch(&job, &stores) == APR_SUCCESS;
    pst_pages_drop(&pages);
    return done;
}

/* Redirect the MPM's call, in this child. @return 0 if it has no call to redirect */
static int redirect_poll(pst_got_entry_t *entry, void *to_real)
{
    entry->real = dlsym(RTLD_DEFAULT, entry->name);     /* our own call would be redirected too */
    memcpy(to_real, &entry->real, sizeof(entry->real));
    return entry->real && pst_got_pin(entry->wrapper) && patch_one(entry) && entry->slots;
}

static int redirect_mpm(void)
{
    static pst_got_entry_t check = { .name = "ap_mpm_podx_check", .wrapper = (void *)check_leaving };
    static pst_got_entry_t update = { .name = "ap_update_child_status", .wrapper = (void *)tell_status };

    if (g.mpm == PREFORK) {
        update.only_in = ap_find_linked_module("prefork.c");
        if (update.only_in) {       /* without it, what a beat writes lasts until the next connection */
            redirect_poll(&update, &g.update_status);
        }
        return 1;
    }
    return redirect_poll(&check, &g.podx_check);
}

void pst_leave_child_init(const pst_board_t *board, pst_shared_child_t *block, server_rec *s)
{
    const pst_config_t *config = pst_config_get(s);

    if (why_not(config, 1)) {
        return;
    }
    g.board = board;
    g.server = s;
    g.limit = config->max_child;
    g.of_pss = config->max_child_pss;
    g.mpm = which_mpm();
    g.pid = (apr_uint32_t)getpid();
    g.main_thread = pthread_self();
    g.started = (apr_uint64_t)apr_time_now();
    g.again = g.started + (ap_exists_config_define(DEFINE_SOON) ? YOUNG_SOON : YOUNG);
    if (!redirect_mpm()) {
        tell_nothing_done(board, s, "the MPM is linked into httpd, or its calls cannot be redirected");
        return;
    }
    g.block = block;
}
