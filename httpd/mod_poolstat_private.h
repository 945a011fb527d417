/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the parts of the glue: the configuration, and who does what when.
 */
#ifndef MOD_POOLSTAT_PRIVATE_H
#define MOD_POOLSTAT_PRIVATE_H

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <ap_mpm.h>
#include <mpm_common.h>

#include "pst_account.h"
#include "pst_board.h"
#include "pst_checks.h"
#include "pst_crossing.h"

/* Our only symbol that others see. */
extern module AP_MODULE_DECLARE_DATA poolstat_module __attribute__((visibility("default")));

/* -- configuration (mod_poolstat_config.c) -------------------------------- */

/** How much of a request line is written to the board. */
typedef enum {
    PST_LINE_PATH,              /**< without the query string */
    PST_LINE_WHOLE,
    PST_LINE_NONE
} pst_line_e;

typedef struct pst_config_t {
    int          instrument;    /**< PoolStatInstrument: 1 On, 0 Off */
    apr_uint32_t connections;   /**< PoolStatConnections: slots per child; 0 = from the MPM's limits */
    apr_uint64_t profile;       /**< PoolStatProfile: bytes of growth between samples; 0 = Off */
    apr_uint64_t heap_profile;  /**< PoolStatHeapProfile: bytes asked of the heap between samples; 0 = Off */
    const char  *symbols;       /**< PoolStatSymbols: the program; NULL = Off */
    const char  *file;          /**< PoolStatFile as given; NULL = the default */
    apr_uint32_t interval;      /**< PoolStatInterval: seconds between points of the histories */
    apr_uint32_t history;       /**< PoolStatHistory: points of each history; 0 = Off */
    apr_uint64_t warn[PST_WARN_COUNT]; /**< PoolStatWarn: bytes; 0 = Off */
    pst_line_e   line;          /**< PoolStatShow */
    int          control;       /**< PoolStatControl: 1 On, 0 Off */
    apr_uint64_t release;       /**< PoolStatRelease: bytes a second; 0 = Off */
    pst_checks_t checks;        /**< PoolStatCheck; all 0: Off */
    apr_array_header_t *except; /**< PoolStatCheckExcept: const char *; NULL: none */
    apr_uint64_t max_child;     /**< PoolStatMaxChild: bytes; 0 = Off */
    int          max_child_pss; /**< PoolStatMaxChild is about PSS, else about what the child reserves */
} pst_config_t;

extern const command_rec pst_config_directives[];

/** create_server_config. */
void *pst_config_create(apr_pool_t *pool, server_rec *s);

/** The configuration: the directives are global, so there is one. */
const pst_config_t *pst_config_get(const server_rec *main_server);

/** PoolStatFile resolved against DefaultRuntimeDir; NULL if it cannot be. */
const char *pst_config_file(const pst_config_t *config, apr_pool_t *pool);

/* -- processes (mod_poolstat_process.c) ----------------------------------- */

int pst_process_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
int pst_process_configured(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
int pst_process_drop_privileges(apr_pool_t *pchild, server_rec *s);
void pst_process_child_init(apr_pool_t *pchild, server_rec *s);
void pst_process_child_ready(apr_pool_t *pchild, server_rec *s);
void pst_process_child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot,
                              mpm_child_status status);
int pst_process_monitor(apr_pool_t *pool, server_rec *s);

/* -- what outlives reloads (mod_poolstat_retained.c) ------------------------ */

/**
 * Parent: memory that httpd keeps while it reloads this module; zeroed when it is first asked for.  A module of
 * another version, or with another layout, gets memory of its own: never memory that holds another struct.
 * @param what    a name
 * @param layout  a number to increase when members change and the size does not
 */
void *pst_retained(const char *what, unsigned layout, apr_size_t size);

/* -- histories (mod_poolstat_watch.c) -------------------------------------- */

/** Parent: make sure that someone writes the histories of this board. */
void pst_watch_post_config(const pst_board_t *board, apr_pool_t *pconf, server_rec *s);

/** Child: begin the history of its block, start the thread that writes it. */
void pst_watch_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s);

/** Any process: do children have a watchdog thread? */
int pst_watch_has_thread(void);

/** Parent: from the monitor hook. Writes the histories if no watchdog does. */
void pst_watch_monitor(void);

/* -- the child's own books (mod_poolstat_books.c) --------------------------- */

/** Child, before other threads exist: set whose books they are. */
void pst_own_books_start(pst_shared_child_t *block);

/** Child, watchdog thread, once a second or more often: take the figures that are due. */
void pst_own_books_beat(apr_uint64_t now, apr_uint32_t interval);

/** The same thread: take RSS, PSS and the like now, whatever it costs. */
void pst_own_books_sum(apr_uint64_t now);

/** The same thread: the block's PSS as it was last taken or estimated, from private memory that nobody else can
 *  write. 0: not yet. */
apr_uint64_t pst_own_books_pss(void);

/** The same thread: memory was given back, so take all figures as soon as possible. */
void pst_own_books_refresh(void);

/* -- limits (mod_poolstat_limits.c, mod_poolstat_leave.c) ------------------ */

/** Parent: log once which limits will not work. @param watchdog whether children have one */
void pst_limits_post_config(const pst_board_t *board, server_rec *main_server, int watchdog);

/** Child, before other threads exist, after pst_account_start(). */
void pst_limits_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s);

/** Child, watchdog thread, once a second or more often: log what crossed a limit, leave if it is time to. */
void pst_limits_beat(apr_uint64_t now);

/** Parent, where PoolStatMaxChild is set: log once if it will not work. */
void pst_leave_post_config(const pst_board_t *board, server_rec *main_server, int watchdog);

/** Child, where PoolStatMaxChild is set, before other threads exist: prepare for leaving. */
void pst_leave_child_init(const pst_board_t *board, pst_shared_child_t *block, server_rec *s);

/** Child, watchdog thread, about once a second: leave if it is time to. */
void pst_leave_beat(apr_uint64_t now);

/* -- who threads serve (mod_poolstat_serves.c) ----------------------------- */

/** While the configuration is read: something may have to be checked, so threads note who they serve. */
void pst_serves_register(apr_pool_t *pool);

/** Do they? */
int pst_serves_registered(void);

/* -- misuses (mod_poolstat_check.c) ----------------------------------------- */

/** Child, before other threads exist, after pst_account_start(): start with the checks of the configuration. */
void pst_check_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s);

/** Child, watchdog thread, once a second or more often: log what was found since the last call, switch if asked to. */
void pst_check_log_beat(apr_uint64_t now);

/* -- connections and requests (mod_poolstat_phases.c) ---------------------- */

void pst_phases_register(apr_pool_t *pool);

/** Child, before other threads exist: set how much of request lines is recorded. */
void pst_phases_child_init(const pst_config_t *config);
int pst_phase_pre_connection(conn_rec *c, void *csd);
int pst_phase_create_request(request_rec *r);
int pst_phase_post_read_request(request_rec *r);
void pst_phase_handler(request_rec *r);

/** Note that the request is for a face of this module. */
void pst_phase_ours(const request_rec *r);
int pst_phase_log_transaction(request_rec *r);
int pst_phase_pre_close_connection(conn_rec *c);
void pst_phase_suspend_connection(conn_rec *c, request_rec *r);
void pst_phase_resume_connection(conn_rec *c, request_rec *r);

/**
 * The account of a request, also for its subrequests and redirects; or of a connection.
 * Child, any thread for which r or c is alive.
 * @return NULL if there is none: nothing is gathered here, or the connection is part of another one
 */
pst_account_t *pst_phase_request_account(const request_rec *r);
pst_account_t *pst_phase_connection_account(const conn_rec *c);

#endif /* MOD_POOLSTAT_PRIVATE_H */
