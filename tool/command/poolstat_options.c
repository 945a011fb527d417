/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of poolstat.  One table has the options, the subcommands that take them, and the
 * texts of --help; a test compares it with the man page and the completion.
 */
#include "poolstat.h"
#include "pst_array.h"
#include "poolstat_nearest.h"
#include "poolstat_text.h"
#include "pst_args.h"
#include "pst_doctor.h"
#include "pst_metric.h"
#include "pst_ask.h"

#include <stdio.h>
#include <string.h>

/* @return NULL, or what is accepted, to follow "must be" */
typedef const char *(*setter_fn)(poolstat_options_t *options, const char *value);

/* A decimal number with up to six places, in millionths. @return 0 if it is not a number, or too large */
static int millionths(apr_uint64_t *to, const char *value, apr_uint64_t most)
{
    apr_uint64_t n = 0, digit = 1000000;
    const char *c = value;

    for (; *c >= '0' && *c <= '9' && c - value < 12; c++) {
        n = n * 10 + (apr_uint64_t)(*c - '0') * 1000000;
    }
    if (c == value) {
        return 0;
    }
    if (*c == '.') {
        for (c++; *c >= '0' && *c <= '9' && digit > 1; c++) {
            digit /= 10;
            n += (apr_uint64_t)(*c - '0') * digit;
        }
    }
    *to = n;
    return !*c && n <= most * 1000000;
}

static int whole(apr_uint32_t *to, const char *value, apr_uint32_t least, apr_uint32_t most)
{
    apr_uint64_t n;

    if (strchr(value, '.') || !millionths(&n, value, most) || n / 1000000 < least) {
        return 0;
    }
    *to = (apr_uint32_t)(n / 1000000);
    return 1;
}

static const char *set_option_file(poolstat_options_t *options, const char *value)
{
    options->file = value;
    return *value ? NULL : "the path of a board's file";
}

static const char *set_option_pid(poolstat_options_t *options, const char *value)
{
    return whole(&options->pid, value, 1, APR_INT32_MAX) ? NULL : "a process id";
}

static const char *set_option_sort(poolstat_options_t *options, const char *value)
{
    for (unsigned i = 0; i < PST_SORT_COUNT; i++) {
        if (!strcmp(value, pst_sort_word(i))) {
            options->filter.sort = (pst_sort_e)i;
            return NULL;
        }
    }
    return "reserved, used, peak, pools, buckets, retained, requests, age, client or pid";
}

static const char *set_option_kind(poolstat_options_t *options, const char *value)
{
    options->filter.kind = pst_kind_of(value);
    return options->filter.kind >= 0 ? NULL : "client, secondary or backend";
}

static const char *set_option_vhost(poolstat_options_t *options, const char *value)
{
    options->filter.vhost = value;
    return NULL;
}

static const char *set_limit(poolstat_options_t *options, const char *value)
{
    options->has_limit = 1;
    return whole(&options->limit, value, 0, 1000000) ? NULL : "a number from 0 to 1000000";
}

static const char *set_option_interval(poolstat_options_t *options, const char *value)
{
    return millionths(&options->interval, value, 3600) && options->interval >= 100000
        ? NULL : "a number of seconds from 0.1 to 3600";
}

static const char *set_option_count(poolstat_options_t *options, const char *value)
{
    apr_uint32_t count = 0;
    int good = whole(&count, value, 1, APR_INT32_MAX);

    options->count = count;
    return good ? NULL : "a number, 1 or more";
}

static const char *set_option_since(poolstat_options_t *options, const char *value)
{
    return millionths(&options->since, value, APR_UINT64_C(99999999999)) ? NULL : "a time in seconds since the epoch";
}

static const char *set_gone(poolstat_options_t *options, const char *value)
{
    (void)value;
    options->gone = 1;
    return NULL;
}

static const char *set_openmetrics(poolstat_options_t *options, const char *value)
{
    (void)value;
    options->openmetrics = 1;
    return NULL;
}

static const char *set_json(poolstat_options_t *options, const char *value)
{
    (void)value;
    options->json = 1;
    return NULL;
}

static const char *set_match(poolstat_options_t *options, const char *value)
{
    options->match = value;
    return NULL;
}

/* A number of bytes, or of K, M or G. */
static const char *set_min(poolstat_options_t *options, const char *value)
{
    static const char units[] = "KMG";
    apr_uint64_t n = 0;
    const char *c = value, *unit;

    for (; *c >= '0' && *c <= '9' && c - value < 12; c++) {
        n = n * 10 + (apr_uint64_t)(*c - '0');
    }
    if (c == value) {
        return "a size: bytes, or a number with K, M or G";
    }
    unit = *c ? strchr(units, *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c) : NULL;
    if (*c && (!unit || c[1])) {
        return "a size: bytes, or a number with K, M or G";
    }
    if (unit && n > UINT64_MAX >> 10 * (unit - units + 1)) {
        return "a size of less than 16 EB";
    }
    options->min = unit ? n << 10 * (unit - units + 1) : n;
    return NULL;
}

static const char *set_severity(poolstat_options_t *options, const char *value)
{
    for (unsigned i = 0; i < PST_SEVERITY_COUNT; i++) {
        if (!strcmp(value, pst_severity_word(i))) {
            options->severity = i;
            return NULL;
        }
    }
    return "info, warning or critical";
}

static const char *set_option_level(poolstat_options_t *options, const char *value)
{
    int level = pst_show_of(value);

    if (level < 0) {
        return "info, detail or debug";
    }
    options->level = (pst_metric_show_e)level;
    return NULL;
}

static const char *set_option_of(poolstat_options_t *options, const char *value)
{
    int of = pst_view_profile_of(value);

    if (of < 0) {
        return "pools, heap, mapped, stack or all";
    }
    options->of = (pst_profile_of_e)of;
    return NULL;
}

static const char *set_option_heap(poolstat_options_t *options, const char *value)
{
    options->has_rate = pst_ask_rate(&options->rate, value);
    return options->has_rate ? NULL : PST_ASK_RATES;
}

static const char *set_option_check(poolstat_options_t *options, const char *value)
{
    static char error[PST_CHECKS_ERROR];
    apr_pool_t *pool;

    apr_pool_create(&pool, NULL);
    options->has_checks = pst_ask_checks(&options->checks, value, error, pool);
    apr_pool_destroy(pool);
    return options->has_checks ? NULL : "Off, or what PoolStatCheck takes, such as \"guard 1/1000\"";
}

static const char *set_nothing(poolstat_options_t *options, const char *value)
{
    (void)options, (void)value;
    return NULL;
}

#define BOARD "- top json text metrics profile history watch doctor report urls "

static const struct {
    const char *name;
    char        letter;
    const char *value;          /* as --help writes it; NULL: takes none; in [ ]: optional */
    const char *commands;       /* "-" is the command without a word; "" all of them */
    setter_fn   set;
    const char *help;
} table[] = {
    { "file", 'f', "PATH", BOARD, set_option_file, "read this board file instead of looking for a server" },
    { "pid", 'p', "PID", BOARD, set_option_pid, "the server of this process; if it is a child, this child alone" },
    { "sort", 's', "WORD", "- top json text ", set_option_sort,
      "reserved (the default), used, peak, pools, buckets, retained, requests, age, client or pid" },
    { "kind", 'k', "KIND", "- top json text ", set_option_kind,
      "connections of this kind: client, secondary or backend" },
    { "vhost", 0, "NAME", "- top json text ", set_option_vhost, "connections of this vhost" },
    { "limit", 'l', "N", "- text report urls ", set_limit,
      "how many connections to list at most: 10 by default, 100 for text and report; of urls 20" },
    { "level", 0, "WORD", "- ", set_option_level,
      "more figures of each child: info (the default), detail, or debug for all there are" },
    { "of", 0, "WORD", "profile ", set_option_of, "of pools (the default), heap, mapped, stack or all" },
    { "heap", 0, "SIZE", "profile ", set_option_heap,
      "switch that of the heap instead: a sample each SIZE, such as 64K, or Off; needs PoolStatControl On" },
    { "check", 0, "WORDS", "doctor ", set_option_check,
      "switch what PoolStatCheck looks for instead: \"guard 1/1000 buckets\", or Off; needs PoolStatControl On" },
    { "gone", 'g', NULL, "- top json text metrics profile ", set_gone,
      "also children that are gone, while the board still has them" },
    { "interval", 'i', "SECONDS", "top watch ", set_option_interval,
      "pause between two looks, 0.1 to 3600; 1 by default" },
    { "count", 'n', "N", "top watch ", set_option_count, "how often to look before it ends; without it, for ever" },
    { "since", 0, "TIME", "history ", set_option_since, "only points after this time, in seconds since the epoch" },
    { "openmetrics", 0, NULL, "metrics ", set_openmetrics, "as OpenMetrics instead of Prometheus's text format 0.0.4" },
    { "severity", 0, "WORD", "doctor ", set_severity,
      "only findings of this severity or worse: info (the default), warning or critical; also for the status" },
    { "json", 'j', NULL, "tree doctor ", set_json, "print JSON" },
    { "match", 'm', "TAG", "tree ", set_match, "pools whose tag matches, with what they lie in" },
    { "min", 0, "SIZE", "tree ", set_min, "subtrees of at least this size; K, M and G are understood" },
    { "describe", 0, "[=FORMAT]", "-", set_nothing,
      "print the table of figures, as text or, with =markdown, for the manual" },
    { "version", 'V', NULL, "", set_nothing, "print the versions of command and boards" },
    { "help", 'h', NULL, "", set_nothing, "print this, or what a subcommand takes" }
};
#define HELP_COLUMN 27          /* column in which --help explains a word */
#define TABLE_SIZE ((int)PST_ITEMS(table))

static int takes(int i, const char *command)
{
    const char *word = *command ? command : "-", *at = table[i].commands;
    apr_size_t len = strlen(word);

    if (!*at) {
        return 1;
    }
    for (; *at; at += strcspn(at, " ") + 1) {
        if (strcspn(at, " ") == len && !strncmp(at, word, len)) {
            return 1;
        }
        if (!at[strcspn(at, " ")]) {
            break;
        }
    }
    return 0;
}

/* Which option a word is. @param value set to what follows its =, or NULL. @return -1: none */
static int option_of(const char *word, const char **value)
{
    apr_size_t len = strcspn(word, "=");

    *value = NULL;
    for (int i = 0; i < TABLE_SIZE; i++) {
        if (word[0] == '-' && word[1] == '-' && strlen(table[i].name) == len - 2
            && !strncmp(word + 2, table[i].name, len - 2)) {
            *value = word[len] ? word + len + 1 : NULL;
            return i;
        }
        if (word[0] == '-' && word[1] && word[1] == table[i].letter && (!word[2] || table[i].value)) {
            *value = word[2] ? word + 2 : NULL;
            return i;
        }
    }
    return -1;
}

static int needs_value(int i)
{
    return table[i].value && table[i].value[0] != '[';
}

int poolstat_option_takes_next(const char *word)
{
    const char *value;
    int i = option_of(word, &value);

    return i >= 0 && needs_value(i) && !value;
}

/* Ends with a name of NULL. */
static const poolstat_command_t commands[] = {
#define NAMED(name, operand, fn, help) { name, operand, help },
    POOLSTAT_COMMANDS(NAMED)
    { NULL, NULL, NULL }
};

/* Does any existing subcommand take it? */
static int is_of_use(int i)
{
    const poolstat_command_t *command = commands;

    while (command->name && !takes(i, command->name)) {
        command++;
    }
    return command->name != NULL;
}

/* Print a text in a column of its own, next to what it explains. */
static void print_beside(const char *begin, const char *text, unsigned columns)
{
    char line[512];
    unsigned left = columns > 2 * HELP_COLUMN ? columns - HELP_COLUMN : 0;

    while (poolstat_line(line, sizeof(line), &text, left)) {
        printf("%-*s %s\n", HELP_COLUMN - 1, begin, line);
        begin = "";
    }
}

static void help_options(const char *command)
{
    unsigned columns = poolstat_terminal();

    for (int i = 0; i < TABLE_SIZE; i++) {
        char name[48], begin[64];
        int is_optional = table[i].value && table[i].value[0] == '[';

        if (command ? !takes(i, command) : !is_of_use(i)) {
            continue;
        }
        snprintf(name, sizeof(name), "--%s%s%s", table[i].name, !table[i].value || is_optional ? "" : " ",
                 table[i].value ? table[i].value : "");
        snprintf(begin, sizeof(begin), "  %c%c%s %s", table[i].letter ? '-' : ' ',
                 table[i].letter ? table[i].letter : ' ', table[i].letter ? "," : " ", name);
        print_beside(begin, table[i].help, columns);
    }
}

void poolstat_help(const poolstat_command_t *command)
{
    unsigned columns = poolstat_terminal();
    char text[256];

    if (command && *command->name) {
        printf("Usage: poolstat %s%s%s [options]\n", command->name, *command->operand ? " " : "", command->operand);
        snprintf(text, sizeof(text), "%s.", command->help);
        poolstat_print(text, 0, columns);
        putchar('\n');
        help_options(command->name);
        return;
    }
    printf("Usage: poolstat [subcommand] [options]\n");
    poolstat_print("Shows the pool memory of every child of a running httpd that has mod_poolstat.", 0, columns);
    printf("\nSubcommands:\n");
    for (command = commands; command->name; command++) {
        char usage[32];

        snprintf(usage, sizeof(usage), "  %s%s%s", *command->name ? command->name : "(none)",
                 *command->operand ? " " : "", command->operand);
        print_beside(usage, command->help, columns);
    }
    printf("\nOptions:\n");
    help_options(NULL);
    putchar('\n');
    poolstat_print("Exit status: 0 fine, 1 doctor found something, 2 usage, 3 no board, 4 several servers, "
                   "5 damaged board, 6 board of another version, 7 the system refused. See poolstat(1).", 0, columns);
}

int poolstat_help_of(poolstat_options_t *options)
{
    const poolstat_command_t *command = NULL;

    if (options->operand && *options->operand && !(command = poolstat_command_of(options->operand))) {
        return poolstat_no_command(options->operand);
    }
    poolstat_help(command);
    return POOLSTAT_OK;
}

const poolstat_command_t *poolstat_command_of(const char *name)
{
    const poolstat_command_t *command = commands;

    while (command->name && strcmp(command->name, name)) {
        command++;
    }
    return command->name ? command : NULL;
}

int poolstat_no_command(const char *name)
{
    poolstat_nearest_t nearest;
    char typed[POOLSTAT_TEXT];

    poolstat_nearest(&nearest, name);
    for (const poolstat_command_t *command = commands; command->name; command++) {
        poolstat_nearest_to(&nearest, command->name);
    }
    poolstat_say("there is no subcommand \"%s\"; %s%s", poolstat_text(typed, sizeof(typed), name),
                 nearest.word ? "did you mean " : "poolstat help lists them", nearest.word ? nearest.word : "");
    return POOLSTAT_USAGE;
}

/* Say that there is no such option, or not for this subcommand. */
static void say_no_option(const char *command, const char *word, int i)
{
    poolstat_nearest_t nearest;
    char typed[POOLSTAT_TEXT], name[POOLSTAT_NEAREST_MOST + 1] = "", see[64];

    snprintf(see, sizeof(see), *command ? "poolstat help %s" : "poolstat --help", command);
    if (i >= 0) {
        poolstat_say("%s takes no --%s; see %s", *command ? command : "poolstat alone", table[i].name, see);
        return;
    }
    if (word[0] == '-' && word[1] == '-' && strcspn(word + 2, "=") < sizeof(name)) {
        memcpy(name, word + 2, strcspn(word + 2, "="));
    }
    poolstat_nearest(&nearest, name);
    for (int k = 0; k < TABLE_SIZE; k++) {
        if (!*command || takes(k, command)) {
            poolstat_nearest_to(&nearest, table[k].name);
        }
    }
    poolstat_text(typed, sizeof(typed), word);
    if (nearest.word) {
        poolstat_say("there is no option \"%s\"; did you mean --%s", typed, nearest.word);
    }
    else {
        poolstat_say("there is no option \"%s\"; see %s", typed, see);
    }
}

/* Parse one option. @return how many words it took; 0: not understood, and this was reported */
static int take_option(poolstat_options_t *options, int left, const char *const *argv)
{
    const char *value, *accepted;
    char typed[POOLSTAT_TEXT];
    int i = option_of(argv[0], &value), used = 1;

    if (i < 0 || !takes(i, options->command)) {
        say_no_option(options->command, argv[0], i);
        return 0;
    }
    if (needs_value(i) && !value) {
        if (left < 2) {
            poolstat_say("--%s needs a value; see --help", table[i].name);
            return 0;
        }
        value = argv[1];
        used = 2;
    }
    if (!table[i].value && value) {
        poolstat_say("--%s takes no value", table[i].name);
        return 0;
    }
    accepted = table[i].set(options, value);
    if (accepted) {
        poolstat_say("--%s must be %s, not \"%s\"", table[i].name, accepted,
                     poolstat_text(typed, sizeof(typed), value));
        return 0;
    }
    return used;
}

int poolstat_options(poolstat_options_t *options, int argc, const char *const *argv)
{
    const poolstat_command_t *command = poolstat_command_of(argv[0]);
    char typed[POOLSTAT_TEXT];

    memset(options, 0, sizeof(*options));
    options->command = argv[0];
    options->filter.kind = -1;
    for (int i = 1; i < argc; ) {
        int used = 1;

        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            poolstat_help(command);
            return POOLSTAT_OK;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            used = take_option(options, argc - i, argv + i);
        }
        else if (!options->operand && command && *command->operand) {
            options->operand = argv[i];
        }
        else {
            poolstat_say("\"%s\" is one word too many; see --help", poolstat_text(typed, sizeof(typed), argv[i]));
            used = 0;
        }
        if (!used) {
            return POOLSTAT_USAGE;
        }
        i += used;
    }
    return -1;
}
