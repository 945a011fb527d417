/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of the server that are not children of its MPM: daemons of mod_wsgi, mod_cgid and mod_fcgid, piped loggers,
 * CGI programs.  The parent looks at them in its monitor hook, every ten seconds or so, and writes them on the board.
 *
 * What decides is private to the parent: who its MPM's children are is what the MPM told it, and what a process had
 * before is in its keeper.  The board is written, never read.
 *
 * What a look costs is bounded: a pass over /proc that took the CPU time t is not taken again for 1000 t, and between
 * passes only known processes are looked at; so is each process's smaps_rollup, once a minute at most, and a look that
 * has spent ROLLUP_MOST on them leaves the others to the next one.
 *
 * Called by: parent
 */
#ifndef PST_RELATIVES_H
#define PST_RELATIVES_H

#include "pst_board.h"
#include "pst_family.h"

/** Children of the MPM that can be told apart. */
#define PST_RELATIVES_CHILDREN 4096

/** Looks that must each be larger than the one before, the first apart. */
#define PST_RELATIVE_STEPS  5
/** Points kept of a process; when there are as many, each second one goes. */
#define PST_RELATIVE_POINTS 32

typedef struct pst_relative_point_t {
    apr_uint64_t time;          /**< microseconds */
    apr_uint64_t size;          /**< bytes */
} pst_relative_point_t;

/** What a process had. Zero at first. */
typedef struct pst_relative_series_t {
    unsigned count, stride, skipped, recent_count, flat;
    int      evenly;            /**< it grows by each look */
    pst_relative_point_t since, peak;   /**< where that began; the largest since */
    pst_relative_point_t recent[PST_RELATIVE_STEPS + 1];    /**< the last looks */
    pst_relative_point_t points[PST_RELATIVE_POINTS];
} pst_relative_series_t;

typedef struct pst_relative_verdict_t {
    unsigned     state;         /**< pst_trend_e */
    apr_uint64_t since;         /**< time */
    double       gained, per_minute;
} pst_relative_verdict_t;

/** One more look. Those that come before the one before are left out. Pure. */
void pst_relative_add(pst_relative_series_t *series, apr_uint64_t now, apr_uint64_t size);

/** Does it grow? Pure. */
void pst_relative_judge(pst_relative_verdict_t *verdict, const pst_relative_series_t *series);

typedef struct pst_relative_t {
    pst_family_process_t process;   /**< pid 0: nobody */
    int          seen, looks;
    unsigned     role;              /**< pst_role_e */
    apr_uint64_t started, rss, own, pss, pss_time;
    apr_uint64_t rollup_after;      /**< microseconds of a clock that only goes forward */
    char         command[PST_COMMAND_LEN];
    pst_relative_series_t series;
} pst_relative_t;

/** What the parent keeps for itself, across reloads. Zero at first. */
typedef struct pst_relatives_t {
    apr_uint64_t looked, scan_after;
    apr_uint32_t more;
    int          cut;
    apr_uint32_t child_count;
    apr_uint32_t children[PST_RELATIVES_CHILDREN];
    pst_relative_t relative[PST_RELATIVE_COUNT];
} pst_relatives_t;

/** Parent: its MPM says that a child began, or is gone. */
void pst_relatives_child(pst_relatives_t *keeper, apr_uint32_t pid, int lives);

/** Parent, its monitor hook: look, if it is time. Reads /proc, waits for nobody. */
void pst_relatives_look(pst_relatives_t *keeper, const pst_board_t *board, apr_uint64_t now);

/** What a process is, by what is known of it. Pure. @param own  the parent's pipes and sockets */
unsigned pst_relative_role(const pst_family_process_t *process, const char *command, apr_uint32_t top,
                           unsigned parents_role, int of_child, const pst_family_files_t *files,
                           const pst_family_files_t *own, const pst_family_sockets_t *sockets);

#endif /* PST_RELATIVES_H */
