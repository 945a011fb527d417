/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat: find out which subcommand is meant.
 */
#include "poolstat.h"
#include "poolstat_text.h"
#include "pst_resolver.h"
#include "pst_version.h"

#include <apr_general.h>
#include <apr_version.h>
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int print_version(void)
{
    printf("poolstat %s, reads boards of version %d, APR %s\n", PST_VERSION, PST_BOARD_VERSION, apr_version_string());
    return POOLSTAT_OK;
}

/* Which of the words is the subcommand: the first that is neither an option nor an option's value. 0: none */
static int find_word(int argc, const char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            return i;
        }
        i += poolstat_option_takes_next(argv[i]);
    }
    return 0;
}

/* The word is not a subcommand; after an unknown option it is more likely that option's value. @return POOLSTAT_USAGE
 */
static int refuse_word(int word, const char *const *argv)
{
    const char *alone[] = { "", word > 1 ? argv[word - 1] : "" };
    poolstat_options_t options;

    return *alone[1] == '-' && poolstat_options(&options, 2, alone) == POOLSTAT_USAGE ? POOLSTAT_USAGE
                                                                                     : poolstat_no_command(argv[word]);
}

/* Answer what needs no subcommand (--help and the like), whatever else is given. @return -1: none of these */
static int answer_alone(int argc, const char *const *argv, int word)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-V")) {
            return print_version();
        }
        if (!strcmp(argv[i], "--resolve")) {
            return poolstat_resolve();
        }
        if (!strncmp(argv[i], "--describe", 10) && (!argv[i][10] || argv[i][10] == '=')) {
            return poolstat_describe(argc - i, argv + i);
        }
        if (!word && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
            poolstat_help(NULL);
            return POOLSTAT_OK;
        }
    }
    return -1;
}

static int run_command(int argc, const char *const *argv)
{
    const char **rest = calloc((size_t)argc + 1, sizeof(*rest));
    int word = find_word(argc, argv), status = answer_alone(argc, argv, word), count = 1;
    const poolstat_command_t *command = poolstat_command_of(word ? argv[word] : "");

    if (status < 0 && !rest) {
        status = POOLSTAT_FAILED;
    }
    if (status < 0 && !command) {
        status = refuse_word(word, argv);
    }
    if (status < 0) {
        rest[0] = command->name;
        for (int i = 1; i < argc; i++) {
            if (i != word) {
                rest[count++] = argv[i];
            }
        }
        status = poolstat_run(count, rest);
    }
    free(rest);
    return status;
}

/* Did the reader of our output go away? Then it has had enough: head does that, and it is not an error. */
static int reader_left(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* The status, after all output has been written. */
static int finish_status(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    if (reader_left()) {
        return status == POOLSTAT_FAILED ? POOLSTAT_OK : status;
    }
    poolstat_say("what was to be printed could not be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return status <= POOLSTAT_FOUND ? POOLSTAT_FAILED : status;
}

static int is_off(const char *value)
{
    return value && strcasecmp(value, "off") == 0;
}

/* Pools call this when they cannot get memory: callers that allocate from a pool need no check (core/README.md). */
static int give_up(int status)
{
    (void)status;
    if (stdscr && !isendwin()) {
        endwin();
    }
    poolstat_say_to(NULL, 0);
    poolstat_say("not enough memory");
    exit(POOLSTAT_FAILED);
}

static void take_pools(void)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, NULL);
    apr_pool_abort_set(give_up, apr_pool_parent_get(pool));
    apr_pool_destroy(pool);
}

int main(int argc, const char *const *argv)
{
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);           /* a reader that goes away is an error to handle, not a reason to die */
    if (apr_initialize() != APR_SUCCESS) {
        return POOLSTAT_FAILED;
    }
    take_pools();
    if (!is_off(getenv("POOLSTAT_SYMBOLS"))) {
        pst_resolver_use("/proc/self/exe");
    }
    status = finish_status(run_command(argc, argv));
    apr_terminate();
    return status;
}
