/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat, the command: shared by its files. It reads the board's file and prints; it needs no running worker,
 * writes nothing (except for profile --heap and doctor --check), and trusts nothing that comes from the board.
 */
#ifndef POOLSTAT_H
#define POOLSTAT_H

#include "poolstat_asked.h"

/** A subcommand, called when its options have been parsed. @return a poolstat_exit_e */
typedef int (*poolstat_command_fn)(poolstat_options_t *options);

/** All of them, in the order of --help: the word ("" is the command without one), its operand as --help writes it,
 *  the function, and a complete sentence without its full stop. */
#define POOLSTAT_COMMANDS(X) \
    X("", "", poolstat_table, \
      "A table, once: the server, its children, its 10 largest connections, and what the doctor finds") \
    X("top", "", poolstat_top, \
      "Live, a look each second: all children, Enter goes into one, and into one of its connections") \
    X("json", "", poolstat_json, "All there is, as JSON: what /pool-status/json says") \
    X("text", "", poolstat_auto, \
      "All there is, a Key: value line each, of the 100 largest connections: what /pool-status?auto says") \
    X("metrics", "", poolstat_metrics, "Samples for Prometheus: what /pool-status/metrics says") \
    X("profile", "", poolstat_profile, "Call sites as a heap profile for pprof: what /pool-status/profile says") \
    X("history", "", poolstat_history, \
      "Histories as JSON: which there are or, with the --pid of a child, its points") \
    X("doctor", "", poolstat_doctor, \
      "What is wrong, the figures behind it and what to do; status 1 if there is anything") \
    X("report", "", poolstat_report, \
      "For a bug report: what is wrong, misuses first, then all there is; also of children that are gone") \
    X("urls", "", poolstat_urls, "What was asked for, by URL: requests, and the memory they took") \
    X("watch", "", poolstat_watch, "A line each second: what there is, and what changed since the line before") \
    X("tree", "PID", poolstat_tree, "The pools of a running process, read without stopping it; for root") \
    X("help", "[WORD]", poolstat_help_of, "What a subcommand does and takes, or all of them in short")

/** A line of that list without the function: only poolstat_run.c knows those. */
typedef struct poolstat_command_t {
    const char *name;
    const char *operand;
    const char *help;
} poolstat_command_t;

/** Parse the options of the subcommand argv[0], and run it. @return a poolstat_exit_e */
int poolstat_run(int argc, const char *const *argv);

/**
 * Parse a subcommand's arguments; complains on stderr by itself, and answers --help.
 * @param options filled in; texts point into argv
 * @return -1 to go on, else the status to end with
 */
int poolstat_options(poolstat_options_t *options, int argc, const char *const *argv);

/** Is this word an option whose value is the next word? Then that one is not a subcommand. */
int poolstat_option_takes_next(const char *word);

/** Print what --help prints, for one subcommand or (NULL) for all. */
void poolstat_help(const poolstat_command_t *command);

/** The subcommand of this name, "" among them, or NULL. */
const poolstat_command_t *poolstat_command_of(const char *name);

/** Say that there is no such subcommand, and which one was probably meant. @return POOLSTAT_USAGE */
int poolstat_no_command(const char *name);

/* The subcommands. */
#define POOLSTAT_PROTOTYPE(name, operand, fn, help) int fn(poolstat_options_t *options);
POOLSTAT_COMMANDS(POOLSTAT_PROTOTYPE)

/** profile --heap: one of the two things that the command writes. @return a poolstat_exit_e */
int poolstat_switch(poolstat_options_t *options);

/** doctor --check: the other one. @return a poolstat_exit_e */
int poolstat_switch_checks(poolstat_options_t *options);

/** --resolve: started by pst_resolver.c. @return a poolstat_exit_e */
int poolstat_resolve(void);

/** --describe: argv[0] is "--describe". */
int poolstat_describe(int argc, const char *const *argv);

#endif /* POOLSTAT_H */
