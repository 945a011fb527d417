/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and lines of code: see the header.
 *
 * Questions and answers, one line each, in the same order; fields end in a tab, except the last:
 *
 *     ID OFFSET PATH                 two numbers in hexadecimal
 *     FUNCTION INTO FILE LINE        empty if not known; "!" instead of FUNCTION: the file is a different build
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_resolver.h"
#include "pst_proc.h"
#include "pst_flag.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MOST (512u << 10)    /* bytes */
#define ASKED_MOST  (512u << 10)
#define FAILURES    3               /* in a row, after which it is not tried for a while */
#define PAUSE       300             /* s */
#define LONGEST     600             /* bytes of a line of an answer */

extern char **environ;

static struct {
    const char    *program;
    int            busy;
    unsigned       failures;
    time_t         not_before;
    apr_uint32_t   count;
    int            ready[PST_RESOLVED_COUNT];   /* atomic: 1 when the entry is whole */
    pst_resolved_t known[PST_RESOLVED_COUNT];
} g;

void pst_resolver_use(const char *program)
{
    g.program = program;
}

int pst_resolver_is_there(void)
{
    return g.program != NULL;
}

/* -- known places ----------------------------------------------------------- */

static apr_uint32_t first_place(apr_uint64_t id, apr_uint64_t offset)
{
    return (apr_uint32_t)(((id ^ offset << 16) * 0x9e3779b97f4a7c15u) >> 40) % PST_RESOLVED_COUNT;
}

const pst_resolved_t *pst_resolver_find(apr_uint64_t id, apr_uint64_t offset)
{
    apr_uint32_t i = first_place(id, offset);

    for (unsigned tries = 0; tries < PST_RESOLVED_COUNT; tries++, i = (i + 1) % PST_RESOLVED_COUNT) {
        if (!__atomic_load_n(&g.ready[i], __ATOMIC_ACQUIRE)) {
            return NULL;
        }
        if (g.known[i].id == id && g.known[i].offset == offset) {
            return &g.known[i];
        }
    }
    return NULL;
}

/* With the flag held. One place always stays free, so that a look-up ends. */
static int keep_resolved(const pst_resolved_t *resolved)
{
    apr_uint32_t i = first_place(resolved->id, resolved->offset);

    if (g.count + 1 >= PST_RESOLVED_COUNT || pst_resolver_find(resolved->id, resolved->offset)) {
        return 0;
    }
    while (__atomic_load_n(&g.ready[i], __ATOMIC_RELAXED)) {
        i = (i + 1) % PST_RESOLVED_COUNT;
    }
    g.known[i] = *resolved;
    g.count++;
    __atomic_store_n(&g.ready[i], 1, __ATOMIC_RELEASE);
    return 1;
}

/* -- the process ------------------------------------------------------------ */

typedef struct {
    pid_t pid;
    int   to, from;
} helper_t;

static int make_pipes(int in[2], int out[2])
{
    if (pst_proc_scarce() || pipe2(in, O_CLOEXEC) != 0) {
        return 0;
    }
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return 0;
    }
    return 1;
}

/* Signals get their defaults, whatever the MPM blocks in its threads. */
static int spawn(helper_t *helper, int in, int out)
{
    char *argv[] = { (char *)(apr_uintptr_t)"poolstat", (char *)(apr_uintptr_t)"--resolve", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rv;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rv = posix_spawn(&helper->pid, g.program, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rv == 0;
}

static int start(helper_t *helper)
{
    int in[2], out[2], started;

    if (!make_pipes(in, out)) {
        return 0;
    }
    started = spawn(helper, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    helper->to = in[1];
    helper->from = out[0];
    if (!started) {
        close(in[1]);
        close(out[0]);
    }
    return started;
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Writing to a dead helper must not raise a signal: somebody else in this process may use SIGPIPE. */
static ssize_t write_quietly(int fd, const char *text, size_t size)
{
    struct timespec none = { 0, 0 };
    sigset_t pipe_signal, before, pending;
    ssize_t written;
    int error, was_pending;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    written = write(fd, text, size);
    error = errno;
    if (written < 0 && error == EPIPE && !was_pending) {
        while (sigtimedwait(&pipe_signal, NULL, &none) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

/* How long to wait before looking whether descriptors have become scarce: four are held here. */
#define LOOK_EVERY_MS 50

/* Write all questions and read all answers, until time is up. @return bytes of the answer */
static size_t converse(helper_t *helper, const char *asked, size_t asked_size, char *answer, size_t room,
                       long long until)
{
    size_t written = 0, got = 0;

    fcntl(helper->to, F_SETFL, O_NONBLOCK);
    for (;;) {
        struct pollfd fds[2] = { { helper->from, POLLIN, 0 }, { helper->to, POLLOUT, 0 } };
        long long left = until - now_ms();
        ssize_t n;

        left = left < LOOK_EVERY_MS ? left : LOOK_EVERY_MS;
        if (left <= 0 || pst_proc_scarce()
            || (poll(fds, helper->to >= 0 ? 2 : 1, (int)left) < 0 && errno != EINTR)) {
            return got;
        }
        if (helper->to >= 0 && fds[1].revents) {
            n = write_quietly(helper->to, asked + written, asked_size - written);
            written += n > 0 ? (size_t)n : 0;
            if (written == asked_size || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                close(helper->to);
                helper->to = -1;
            }
        }
        if (fds[0].revents) {
            n = read(helper->from, answer + got, room - got);
            if (n == 0 || (n < 0 && errno != EINTR) || (got += n > 0 ? (size_t)n : 0) == room) {
                return got;
            }
        }
    }
}

/* Whatever happened, end the helper. */
static void finish_helper(helper_t *helper)
{
    if (helper->to >= 0) {
        close(helper->to);
    }
    close(helper->from);
    kill(helper->pid, SIGKILL);
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* -- asking ----------------------------------------------------------------- */

/* A field of an answer, up to the tab; *at moves past it. */
static void field(char *to, size_t room, const char **at)
{
    size_t length = 0;

    for (; **at && **at != '\t'; ++*at) {
        unsigned char c = (unsigned char)**at;

        if (c >= 0x20 && c != 0x7f && length + 1 < room) {
            to[length++] = (char)c;
        }
    }
    to[length] = '\0';
    *at += **at == '\t';
}

static void understand(pst_resolved_t *resolved, const char *line)
{
    char number[24];

    field(resolved->function, sizeof(resolved->function), &line);
    field(number, sizeof(number), &line);
    resolved->into = (apr_uint32_t)strtoul(number, NULL, 16);
    field(resolved->file, sizeof(resolved->file), &line);
    field(number, sizeof(number), &line);
    resolved->line = (apr_uint32_t)strtoul(number, NULL, 10);
    resolved->replaced = strcmp(resolved->function, "!") == 0;
    if (resolved->replaced) {
        resolved->function[0] = '\0';
    }
}

/* Lines of the answer belong to what was asked, in order. @return how many were new */
static unsigned understand_all(const pst_unresolved_t *places, unsigned count, char *answer, size_t size)
{
    unsigned kept = 0, i = 0;
    char *line = answer, *end;

    for (; i < count && (end = memchr(line, '\n', size - (size_t)(line - answer))) != NULL; i++, line = end + 1) {
        pst_resolved_t resolved = { .id = places[i].id, .offset = places[i].offset };

        *end = '\0';
        if (end - line <= LONGEST) {
            understand(&resolved, line);
        }
        kept += (unsigned)keep_resolved(&resolved);
    }
    return kept;
}

static size_t write_asked(char *to, size_t room, const pst_unresolved_t *places, unsigned *count)
{
    size_t size = 0;
    unsigned i;

    for (i = 0; i < *count; i++) {
        int n;

        if (strpbrk(places[i].path, "\n\t")) {
            break;
        }
        n = snprintf(to + size, room - size, "%llx %llx %s\n", (unsigned long long)places[i].id,
                     (unsigned long long)places[i].offset, places[i].path);
        if (n < 0 || (size_t)n >= room - size) {
            break;
        }
        size += (size_t)n;
    }
    *count = i;
    return size;
}

static unsigned ask_helper(const pst_unresolved_t *places, unsigned count, unsigned milliseconds)
{
    char *asked = malloc(ASKED_MOST), *answer = malloc(ANSWER_MOST);
    helper_t helper;
    unsigned kept = 0;

    if (asked && answer) {
        size_t size = write_asked(asked, ASKED_MOST, places, &count);

        if (size && start(&helper)) {
            size = converse(&helper, asked, size, answer, ANSWER_MOST, now_ms() + milliseconds);
            finish_helper(&helper);
            kept = understand_all(places, count, answer, size);
        }
    }
    free(asked);
    free(answer);
    return kept;
}

unsigned pst_resolver_ask(const pst_unresolved_t *places, unsigned count, unsigned milliseconds)
{
    unsigned kept = 0;

    if (!g.program || !count || !pst_flag_take(&g.busy)) {
        return 0;
    }
    if (time(NULL) >= g.not_before) {
        kept = ask_helper(places, count, milliseconds);
        g.failures = kept ? 0 : g.failures + 1;
        if (g.failures >= FAILURES) {
            g.failures = 0;
            g.not_before = time(NULL) + PAUSE;
        }
    }
    pst_flag_give(&g.busy);
    return kept;
}
