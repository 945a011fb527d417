/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of the server that are not children of its MPM: daemons of mod_wsgi, mod_cgid and mod_fcgid, piped loggers,
 * CGI programs.  The parent looks at them in its monitor hook, every ten seconds or so, and writes them on the board.
 *
 * Decisions use only the parent's private data: the MPM reports its children, and the keeper has each process's
 * earlier values.  The board is written, never read.
 *
 * What a look costs is bounded: a pass over /proc that took CPU time t is not repeated for 1000 t, and between passes
 * only known processes are examined; the same applies to each process's smaps_rollup, read at most once a minute, and
 * a look that has spent ROLLUP_MOST on them leaves the rest to the next one.
 *
 * Called by: parent
 */
#ifndef PST_RELATIVES_H
#define PST_RELATIVES_H

#include "pst_board.h"
#include "pst_family.h"

/** Maximum number of MPM children tracked. */
#define PST_RELATIVES_CHILDREN 4096

/** Number of successive looks that must each find more than the one before, not counting the first. */
#define PST_RELATIVE_STEPS  5
/** Points kept per process; when full, every second one is dropped. */
#define PST_RELATIVE_POINTS 32

typedef struct pst_relative_point_t {
    apr_uint64_t time;          /**< microseconds */
    apr_uint64_t size;          /**< bytes */
} pst_relative_point_t;

/** A process's past sizes. Initially zero. */
typedef struct pst_relative_series_t {
    unsigned count, stride, skipped, recent_count, flat;
    int      evenly;            /**< it grows at every look */
    pst_relative_point_t since, peak;   /**< where that started; the largest since */
    pst_relative_point_t recent[PST_RELATIVE_STEPS + 1];    /**< the last looks */
    pst_relative_point_t points[PST_RELATIVE_POINTS];
} pst_relative_series_t;

typedef struct pst_relative_verdict_t {
    unsigned     state;         /**< pst_trend_e */
    apr_uint64_t since;         /**< time */
    double       gained, per_minute;
} pst_relative_verdict_t;

/** Add a look. Looks older than the previous one are ignored. Pure. */
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

/** The parent's private state, kept across reloads. Initially zero. */
typedef struct pst_relatives_t {
    apr_uint64_t looked, scan_after;
    apr_uint32_t more;
    int          cut;
    apr_uint32_t child_count;
    apr_uint32_t children[PST_RELATIVES_CHILDREN];
    pst_relative_t relative[PST_RELATIVE_COUNT];
} pst_relatives_t;

/** Parent: its MPM reports that a child began or ended. */
void pst_relatives_child(pst_relatives_t *keeper, apr_uint32_t pid, int lives);

/** Parent, its monitor hook: look, if it is time. Reads /proc, never blocks. */
void pst_relatives_look(pst_relatives_t *keeper, const pst_board_t *board, apr_uint64_t now);

/** The role of a process, from what is known about it. Pure. @param own  the parent's pipes and sockets */
unsigned pst_relative_role(const pst_family_process_t *process, const char *command, apr_uint32_t top,
                           unsigned parents_role, int of_child, const pst_family_files_t *files,
                           const pst_family_files_t *own, const pst_family_sockets_t *sockets);

#endif /* PST_RELATIVES_H */
