/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command is asked for, and its exit status.
 */
#ifndef POOLSTAT_ASKED_H
#define POOLSTAT_ASKED_H

#include "pst_checks.h"
#include "pst_view_profile.h"
#include "pst_snapshot.h"

/** The exit status of the command; docs/poolstat.1 has the same list. */
typedef enum {
    POOLSTAT_OK = 0,
    POOLSTAT_FOUND = 1,         /**< doctor: there is a finding of the requested severity or worse */
    POOLSTAT_USAGE = 2,         /**< the command line was not understood */
    POOLSTAT_NONE = 3,          /**< no board was found, or it cannot be opened */
    POOLSTAT_MANY = 4,          /**< several servers run, and none was chosen */
    POOLSTAT_DAMAGED = 5,       /**< the file is not a board, is cut short, or damaged */
    POOLSTAT_VERSION = 6,       /**< the board is of another version than this command */
    POOLSTAT_FAILED = 7         /**< the system refused something: memory, output, a terminal */
} poolstat_exit_e;

/** The parsed command line; a subcommand never sees an option that it does not take. */
typedef struct poolstat_options_t {
    const char  *command;       /**< the word, "" for none */
    const char  *operand;       /**< the first word that is not an option, or NULL */
    const char  *file;          /**< NULL: to be found */
    apr_uint32_t pid;           /**< of a parent or a child; 0: not given */
    pst_filter_t filter;
    int          has_limit;
    apr_uint32_t limit;
    apr_uint64_t interval;      /**< microseconds; 0: not given */
    apr_uint64_t count;         /**< 0: without end */
    apr_uint64_t since;         /**< time; 0: all */
    int          gone;          /**< include children that are gone */
    int          openmetrics;
    int          json;
    const char  *match;         /**< a glob, or NULL */
    apr_uint64_t min;           /**< bytes */
    pst_profile_of_e of;        /**< profile: which memory */
    int          has_checks;    /**< doctor: switch what is checked */
    pst_checks_t checks;
    int          has_rate;      /**< profile: switch the heap profile */
    apr_uint64_t rate;          /**< to this many bytes between samples; 0: off */
    pst_metric_show_e level;    /**< table: figures of each child up to this level; PST_SHOW_INFO: the usual columns */
    unsigned severity;          /**< pst_severity_e: the least that doctor reports */
} poolstat_options_t;

#endif /* POOLSTAT_ASKED_H */
