/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_relatives.h.
 *
 * Growth is detected in two ways. A look every ten seconds gives the eight points needed for a trend in eighty
 * seconds; a daemon that grows by megabytes a minute is detected sooner: when each of five looks in a row finds it
 * larger than the one before, by at least a quarter of the mean step, and the last two steps are at least half of it.
 * A process warming up does not pass: its steps get smaller, or it does not take one at each look. Slower growth is
 * left to the trend.
 */
#include "pst_relatives.h"
#include "pst_books.h"
#include "pst_clock.h"
#include "pst_figure.h"
#include "pst_memory.h"
#include "pst_trend.h"

#include <apr_strings.h>
#include <string.h>
#include <unistd.h>

#define SECOND       ((apr_uint64_t)1000000)
#define LOOK_EACH    (5 * SECOND)   /* the MPM's hook runs more often when many children end */
#define ROLLUP_EACH  (60 * SECOND)
#define ROLLUP_MOST  10000          /* microseconds, in total per look */
#define STEP_LEAST   65536          /* bytes: a nearly idle process moves by less */
#define STEP_EVEN    4              /* each step is at least this part of the mean step */
#define FLAT_LOOKS   3              /* looks without a step that end it */
#define LOOKS_APART  (30 * SECOND)  /* more than this between two looks: something was missed */
#define STRIDE_MOST  32
#define GAIN_LEAST   1048576        /* bytes: the trend of a working interpreter moves by less than this, too */
#define TREND_LOOKS  12             /* points: two minutes at least */
#define ROLE_LOOKS   6              /* a process shows late what it is: it forks, then sets up */

static pst_family_t family;         /* for one pass: too large for a stack */

/* -- does it grow ------------------------------------------------------------- */

static double series_step(const pst_relative_series_t *series, unsigned i)
{
    return (double)series->recent[i + 1].size - (double)series->recent[i].size;
}

static int is_even(const pst_relative_series_t *series)
{
    double sum = 0, least;

    if (series->recent_count <= PST_RELATIVE_STEPS) {
        return 0;
    }
    for (unsigned i = 0; i < PST_RELATIVE_STEPS; i++) {
        sum += series_step(series, i);
    }
    least = sum / PST_RELATIVE_STEPS / STEP_EVEN;
    least = least > STEP_LEAST ? least : STEP_LEAST;
    for (unsigned i = 0; i < PST_RELATIVE_STEPS; i++) {
        if (series_step(series, i) < least || series->recent[i + 1].time - series->recent[i].time > LOOKS_APART) {
            return 0;
        }
    }
    /* while warming up the last ones are the smallest */
    return series_step(series, PST_RELATIVE_STEPS - 1) + series_step(series, PST_RELATIVE_STEPS - 2)
           >= sum / PST_RELATIVE_STEPS;
}

static void keep_recent(pst_relative_series_t *series, const pst_relative_point_t *point)
{
    if (series->recent_count > PST_RELATIVE_STEPS) {
        memmove(series->recent, series->recent + 1, PST_RELATIVE_STEPS * sizeof(series->recent[0]));
        series->recent_count--;
    }
    series->recent[series->recent_count++] = *point;
}

static void keep_point(pst_relative_series_t *series, const pst_relative_point_t *point)
{
    series->stride = series->stride ? series->stride : 1;
    if (series->count && ++series->skipped < series->stride) {
        return;
    }
    series->skipped = 0;
    if (series->count == PST_RELATIVE_POINTS && series->stride < STRIDE_MOST) {
        for (unsigned i = 1; i < PST_RELATIVE_POINTS / 2; i++) {
            series->points[i] = series->points[2 * i];
        }
        series->count = PST_RELATIVE_POINTS / 2;
        series->stride *= 2;
    }
    else if (series->count == PST_RELATIVE_POINTS) {
        memmove(series->points, series->points + 1, (PST_RELATIVE_POINTS - 1) * sizeof(series->points[0]));
        series->count--;
    }
    series->points[series->count++] = *point;
}

/* It continues until it does not grow for some looks, or releases half of the gain. */
static void follow_series(pst_relative_series_t *series, const pst_relative_point_t *point)
{
    apr_uint64_t gained = pst_minus(series->peak.size, series->since.size);

    if (point->size >= series->peak.size + STEP_LEAST / 2) {
        series->peak = *point;
        series->flat = 0;
    }
    else if (++series->flat >= FLAT_LOOKS || point->size < series->since.size + gained / 2) {
        series->evenly = 0;
        series->recent_count = 0;
    }
}

void pst_relative_add(pst_relative_series_t *series, apr_uint64_t now, apr_uint64_t size)
{
    pst_relative_point_t point = { now, size };

    if (series->recent_count && now <= series->recent[series->recent_count - 1].time) {
        return;
    }
    keep_recent(series, &point);
    keep_point(series, &point);
    if (series->evenly) {
        follow_series(series, &point);
    }
    else if (is_even(series)) {
        series->evenly = 1;
        series->flat = 0;
        series->since = series->recent[0];
        series->peak = point;
    }
}

static void judge_trend(pst_relative_verdict_t *verdict, const pst_relative_series_t *series)
{
    pst_trend_point_t points[PST_RELATIVE_POINTS + 1], work_points[PST_RELATIVE_POINTS + 1];
    double work[PST_RELATIVE_POINTS + 1];
    apr_uint64_t from = series->points[0].time;
    const pst_relative_point_t *last = series->recent_count ? &series->recent[series->recent_count - 1] : NULL;
    unsigned count = 0;
    pst_trend_t trend;

    if (series->count < TREND_LOOKS) {
        return;
    }
    for (; count < series->count; count++) {
        points[count].time = (double)(series->points[count].time - from) / 1e6;
        points[count].size = (double)series->points[count].size;
        points[count].requests = 0;
    }
    if (last && last->time > series->points[series->count - 1].time) {
        points[count].time = (double)(last->time - from) / 1e6;
        points[count].size = (double)last->size;
        points[count++].requests = 0;
    }
    pst_trend_judge(&trend, points, count, work, work_points);
    verdict->state = trend.state;
    if (trend.state == PST_TREND_GROWING && trend.gained < GAIN_LEAST) {
        verdict->state = PST_TREND_STEADY;
    }
    else if (trend.state == PST_TREND_GROWING) {
        verdict->since = from + (apr_uint64_t)(trend.since * 1e6);
        verdict->gained = trend.gained;
        verdict->per_minute = trend.per_minute;
    }
}

void pst_relative_judge(pst_relative_verdict_t *verdict, const pst_relative_series_t *series)
{
    double seconds = (double)(series->peak.time - series->since.time) / 1e6;

    memset(verdict, 0, sizeof(*verdict));
    verdict->state = PST_TREND_LITTLE;
    if (series->evenly && seconds > 0) {
        verdict->state = PST_TREND_GROWING;
        verdict->since = series->since.time;
        verdict->gained = (double)series->peak.size - (double)series->since.size;
        verdict->per_minute = verdict->gained / seconds * 60;
        return;
    }
    judge_trend(verdict, series);
}

/* -- what it is --------------------------------------------------------------- */

static int starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int is_parents_pipe(const pst_family_file_t *file, const pst_family_files_t *own)
{
    return file && file->kind == PST_FILE_PIPE && pst_family_has(own, PST_FILE_PIPE, file->inode);
}

/* The parent writes to it. One it also reads from is a program that answers, like those of RewriteMap. */
static int is_logger(const pst_family_files_t *files, const pst_family_files_t *own)
{
    const pst_family_file_t *in = pst_family_file(files, 0), *out = pst_family_file(files, 1);

    if (!is_parents_pipe(in, own)) {
        return 0;
    }
    for (apr_uint32_t std = 1; std <= 2 && is_parents_pipe(out, own); std++) {
        const pst_family_file_t *parents = pst_family_file(own, std);

        out = parents && parents->kind == out->kind && parents->inode == out->inode ? NULL : out;
    }
    return !is_parents_pipe(out, own);
}

static int holds_socket(const pst_family_files_t *files, const pst_family_sockets_t *sockets, pst_socket_e whose)
{
    for (unsigned i = 0; i < files->count; i++) {
        if (files->file[i].kind == PST_FILE_SOCKET && pst_family_whose(sockets, files->file[i].inode) == whose) {
            return 1;
        }
    }
    return 0;
}

/* By FastCGI's rule, an application listens on its standard input. */
static int is_fcgid(const pst_family_files_t *files, const pst_family_sockets_t *sockets)
{
    const pst_family_file_t *in = pst_family_file(files, 0);

    return in && in->kind == PST_FILE_SOCKET && pst_family_whose(sockets, in->inode) == PST_SOCKET_FCGID;
}

unsigned pst_relative_role(const pst_family_process_t *process, const char *command, apr_uint32_t top,
                           unsigned parents_role, int of_child, const pst_family_files_t *files,
                           const pst_family_files_t *own, const pst_family_sockets_t *sockets)
{
    int direct = process->parent == top;

    if (starts(process->name, "Passenger")) {
        return PST_ROLE_PASSENGER;
    }
    if (is_logger(files, own)) {
        return PST_ROLE_LOGGER;
    }
    if (direct && holds_socket(files, sockets, PST_SOCKET_CGID)) {
        return PST_ROLE_CGID;
    }
    if (is_fcgid(files, sockets)) {
        return PST_ROLE_FCGID;
    }
    if (direct && (starts(command, "(wsgi:") || holds_socket(files, sockets, PST_SOCKET_WSGI))) {
        return PST_ROLE_WSGI;
    }
    if (of_child || parents_role == PST_ROLE_CGID) {
        /* our own symbol resolver does not count */
        return strcmp(process->name, "addr2line") ? PST_ROLE_CGI : PST_ROLE_OTHER;
    }
    return direct ? PST_ROLE_OTHER : parents_role;
}

/* -- processes ---------------------------------------------------------------- */

static int is_child(const pst_relatives_t *keeper, apr_uint32_t pid)
{
    for (apr_uint32_t i = 0; i < keeper->child_count; i++) {
        if (keeper->children[i] == pid) {
            return 1;
        }
    }
    return 0;
}

void pst_relatives_child(pst_relatives_t *keeper, apr_uint32_t pid, int lives)
{
    for (apr_uint32_t i = 0; i < keeper->child_count; i++) {
        if (keeper->children[i] == pid) {
            keeper->children[i] = keeper->children[--keeper->child_count];
            break;
        }
    }
    if (lives && keeper->child_count < PST_RELATIVES_CHILDREN) {
        keeper->children[keeper->child_count++] = pid;
    }
}

static pst_relative_t *relative_of(pst_relatives_t *keeper, apr_uint32_t pid)
{
    for (unsigned i = 0; pid && i < PST_RELATIVE_COUNT; i++) {
        if (keeper->relative[i].process.pid == pid) {
            return &keeper->relative[i];
        }
    }
    return NULL;
}

static int is_same_process(const pst_relative_t *relative, const pst_family_process_t *process)
{
    return relative->process.pid == process->pid && relative->process.born == process->born;
}

/* The process still exists, or is new. */
static void meet(pst_relatives_t *keeper, const pst_family_process_t *process, apr_uint64_t now)
{
    pst_relative_t *relative = relative_of(keeper, process->pid);

    if (relative && !is_same_process(relative, process)) {
        memset(relative, 0, sizeof(*relative));
    }
    for (unsigned i = 0; !relative && i < PST_RELATIVE_COUNT; i++) {
        relative = keeper->relative[i].process.pid ? NULL : &keeper->relative[i];
    }
    if (!relative) {
        keeper->more++;
        return;
    }
    if (!relative->process.pid) {
        relative->started = pst_family_started(process->born, now);
    }
    if (strcmp(relative->process.name, process->name) != 0) {
        relative->looks = 0;                    /* it became another program */
    }
    relative->process = *process;
    relative->seen = 1;
}

static apr_status_t meet_all(pst_relatives_t *keeper, apr_uint32_t top, apr_uint64_t now)
{
    apr_uint64_t began = pst_clock_usec(CLOCK_THREAD_CPUTIME_ID);
    apr_status_t rv = pst_family_scan(&family, top);

    keeper->scan_after = pst_clock_usec(CLOCK_MONOTONIC)
                         + pst_books_pause(PST_BOOKS_SUM, pst_clock_usec(CLOCK_THREAD_CPUTIME_ID) - began);
    keeper->more = 0;
    keeper->cut = rv == APR_SUCCESS && family.cut;
    /* first, ended ones make room */
    for (unsigned i = 0; i < PST_RELATIVE_COUNT; i++) {
        pst_relative_t *relative = &keeper->relative[i];

        for (apr_uint32_t p = 0; relative->process.pid && p < family.count; p++) {
            relative->seen |= family.below[p] && is_same_process(relative, &family.process[p]);
        }
        if (!relative->seen) {
            memset(relative, 0, sizeof(*relative));
        }
    }
    for (apr_uint32_t p = 0; p < family.count; p++) {
        if (family.below[p] && !is_child(keeper, family.process[p].pid)) {
            meet(keeper, &family.process[p], now);
        }
    }
    return rv;
}

static void meet_known(pst_relatives_t *keeper, apr_uint64_t now)
{
    pst_family_process_t process;

    for (unsigned i = 0; i < PST_RELATIVE_COUNT; i++) {
        pst_relative_t *relative = &keeper->relative[i];

        if (relative->process.pid && pst_family_read(&process, relative->process.pid)
            && is_same_process(relative, &process)) {
            meet(keeper, &process, now);
        }
    }
}

/* -- what it has -------------------------------------------------------------- */

/* What is determined at most once per look. */
typedef struct look_t {
    pst_relatives_t *keeper;
    apr_uint32_t top;
    apr_uint64_t now, rollup_cost;
    int asked;
    pst_family_files_t own, files;
    pst_family_sockets_t sockets;
} look_t;

static void tell_role(look_t *look, pst_relative_t *relative)
{
    const pst_relative_t *parent = relative_of(look->keeper, relative->process.parent);

    if (relative->looks > ROLE_LOOKS || (relative->looks && relative->role != PST_ROLE_OTHER)) {
        return;
    }
    if (!look->asked) {
        look->asked = 1;
        pst_family_files(&look->own, 0);
        pst_family_sockets(&look->sockets);
    }
    pst_family_files(&look->files, relative->process.pid);
    pst_family_command(relative->process.pid, relative->command, sizeof(relative->command));
    if (!relative->command[0]) {
        apr_snprintf(relative->command, sizeof(relative->command), "[%s]", relative->process.name);
    }
    relative->role = pst_relative_role(&relative->process, relative->command, look->top,
                                       parent ? parent->role : PST_ROLE_OTHER,
                                       is_child(look->keeper, relative->process.parent), &look->files, &look->own,
                                       &look->sockets);
}

static void tell_pss(look_t *look, pst_relative_t *relative)
{
    apr_uint64_t began = pst_clock_usec(CLOCK_THREAD_CPUTIME_ID), cost, pause;
    pst_memory_sum_t sum;

    if (look->rollup_cost > ROLLUP_MOST || pst_clock_usec(CLOCK_MONOTONIC) < relative->rollup_after) {
        return;
    }
    if (pst_memory_sum(&sum, relative->process.pid) == APR_SUCCESS) {
        relative->pss = sum.pss;
        relative->pss_time = look->now;
    }
    cost = pst_clock_usec(CLOCK_THREAD_CPUTIME_ID) - began;
    pause = pst_books_pause(PST_BOOKS_SUM, cost);
    look->rollup_cost += cost;
    relative->rollup_after = pst_clock_usec(CLOCK_MONOTONIC) + (pause > ROLLUP_EACH ? pause : ROLLUP_EACH);
}

static void judge_relative(look_t *look, pst_relative_t *relative)
{
    if (!relative->seen || !pst_family_size(relative->process.pid, &relative->rss, &relative->own) || !relative->rss) {
        memset(relative, 0, sizeof(*relative));     /* a zombie has nothing */
        return;
    }
    relative->seen = 0;
    tell_role(look, relative);
    tell_pss(look, relative);
    relative->looks++;
    pst_relative_add(&relative->series, look->now, relative->own);
}

static void publish_relative(pst_shared_relative_t *to, const pst_relative_t *from)
{
    pst_relative_verdict_t verdict;

    if (!from->process.pid && !__atomic_load_n(&to->pid, __ATOMIC_RELAXED)) {
        return;
    }
    pst_relative_judge(&verdict, &from->series);
    pst_seq_begin(&to->seq);
    to->pid = from->process.pid;
    to->parent = from->process.parent;
    to->role = (uint16_t)from->role;
    to->state = (uint16_t)verdict.state;
    to->started = from->started;
    to->rss_bytes = from->rss;
    to->own_bytes = from->own;
    to->pss_bytes = from->pss;
    to->pss_time = from->pss_time;
    to->since = verdict.since;
    to->gained = verdict.gained;
    to->per_minute = verdict.per_minute;
    apr_cpystrn(to->command, from->command, sizeof(to->command));
    pst_seq_end(&to->seq);
}

void pst_relatives_look(pst_relatives_t *keeper, const pst_board_t *board, apr_uint64_t now)
{
    pst_shared_header_t *header = pst_board_header(board);
    look_t look = { .keeper = keeper, .top = (apr_uint32_t)getpid(), .now = now };
    apr_uint64_t clock = pst_clock_usec(CLOCK_MONOTONIC);
    apr_status_t rv = APR_SUCCESS;

    if (keeper->looked && clock < keeper->looked + LOOK_EACH) {
        return;
    }
    keeper->looked = clock;
    if (clock >= keeper->scan_after) {
        rv = meet_all(keeper, look.top, now);
    }
    else {
        meet_known(keeper, now);
    }
    for (unsigned i = 0; i < PST_RELATIVE_COUNT; i++) {
        if (keeper->relative[i].process.pid) {
            judge_relative(&look, &keeper->relative[i]);
        }
        publish_relative(pst_board_relative(board, i), &keeper->relative[i]);
    }
    __atomic_store_n(&header->relatives_more, keeper->more, __ATOMIC_RELAXED);
    __atomic_store_n(&header->relatives_cut, (uint32_t)keeper->cut, __ATOMIC_RELAXED);
    pst_store(&header->relatives_time, now);
    __atomic_store_n(&header->relatives_known, rv == APR_SUCCESS ? PST_RELATIVES_KNOWN : PST_RELATIVES_HIDDEN,
                     __ATOMIC_RELEASE);
}
