/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat, the command: what its files share.  It reads the board's file and prints; it needs
 * no running worker, writes nothing, and takes nothing for granted that comes from the board.
 */
#ifndef POOLSTAT_H
#define POOLSTAT_H

#include "pst_snapshot.h"

/** What the command tells its caller; docs/poolstat.1 has the same list. */
typedef enum {
    POOLSTAT_OK = 0,
    POOLSTAT_FOUND = 1,         /**< doctor: there is a finding of the least severity asked for, or worse */
    POOLSTAT_USAGE = 2,         /**< the command line was not understood */
    POOLSTAT_NONE = 3,          /**< no board was found, or it cannot be opened */
    POOLSTAT_MANY = 4,          /**< several servers run, and none was chosen */
    POOLSTAT_DAMAGED = 5,       /**< the file is no board, is cut short, or was damaged */
    POOLSTAT_VERSION = 6,       /**< the board is of another version than this command */
    POOLSTAT_FAILED = 7         /**< the system refused something: memory, output, a terminal */
} poolstat_exit_e;

/** What the command line says; who does not take an option never sees it set. */
typedef struct poolstat_options_t {
    const char  *command;       /**< the word, "" for none */
    const char  *operand;       /**< the first word that is no option, or NULL */
    const char  *file;          /**< NULL: to be found */
    apr_uint32_t pid;           /**< of a parent or a child; 0: not given */
    pst_filter_t filter;
    int          has_limit;
    apr_uint32_t limit;
    apr_uint64_t interval;      /**< microseconds; 0: not given */
    apr_uint64_t count;         /**< 0: without end */
    apr_uint64_t since;         /**< time; 0: all */
    int          gone;          /**< children that are gone, too */
    int          openmetrics;
    int          json;
    const char  *match;         /**< a glob, or NULL */
    apr_uint64_t min;           /**< bytes */
    unsigned severity;          /**< pst_severity_e: the least that doctor tells */
} poolstat_options_t;

/** A subcommand. argv[0] is its word. @return a poolstat_exit_e */
typedef int (*poolstat_command_fn)(int argc, const char *const *argv);

typedef struct poolstat_command_t {
    const char *name;           /**< "" is the command without a word */
    const char *operand;        /**< how --help writes it, or "" */
    poolstat_command_fn fn;
    const char *help;           /**< a sentence that stands alone, without its full stop */
} poolstat_command_t;

/** All of them, in the order of --help; ends with a name of NULL. */
extern const poolstat_command_t poolstat_commands[];

/**
 * Understand a subcommand's arguments; complains on stderr by itself, and answers --help.
 * @param options filled in; texts are those of argv
 * @return -1 to go on, else the status to end with
 */
int poolstat_options(poolstat_options_t *options, int argc, const char *const *argv);

/** Is this word an option whose value is the next word? Then that one is no subcommand. */
int poolstat_option_takes_next(const char *word);

/** Print what --help prints, of one subcommand or (NULL) of all. */
void poolstat_help(const poolstat_command_t *command);

/** The subcommand of this name, "" among them, or NULL. */
const poolstat_command_t *poolstat_command_of(const char *name);

/** Say that there is no such subcommand, and which one may have been meant. @return POOLSTAT_USAGE */
int poolstat_no_command(const char *name);

/* The subcommands. */
int poolstat_table(int argc, const char *const *argv);
int poolstat_json(int argc, const char *const *argv);
int poolstat_auto(int argc, const char *const *argv);
int poolstat_profile(int argc, const char *const *argv);
int poolstat_metrics(int argc, const char *const *argv);
int poolstat_history(int argc, const char *const *argv);
int poolstat_doctor(int argc, const char *const *argv);
int poolstat_watch(int argc, const char *const *argv);
int poolstat_top(int argc, const char *const *argv);

/** --describe: argv[0] is that word. */
int poolstat_describe(int argc, const char *const *argv);
int poolstat_tree(int argc, const char *const *argv);
int poolstat_help_of(int argc, const char *const *argv);

#endif /* POOLSTAT_H */
