/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: other processes. /proc is parsed, descendants are told from others, and roles are found by what processes
 * hold; steady growth is found within six looks, warm-up and constant sizes are not reported.
 */
#include "pst_family.h"
#include "pst_relatives.h"
#include "pst_trend.h"
#include "board_double.h"
#include "tap.h"

#include <apr_general.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pst_family_t family;

static void parsed(void)
{
    pst_family_process_t process;
    pst_socket_e whose;
    apr_uint64_t inode;

    ok(pst_family_parse(&process, "42 (a) b) (c) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 88\n"),
       "a name with parentheses");
    is_number(process.pid, 42, "whose");
    is_number(process.parent, 7, "of whom");
    is_number(process.born, 123456, "since when");
    ok(!strcmp(process.name, "a) b) (c"), "its name");
    ok(!pst_family_parse(&process, "42 (cut"), "no end");
    ok(!pst_family_parse(&process, "42 (cut) S 7 1"), "too few fields");
    ok(!pst_family_parse(&process, ""), "nothing");
    ok(!pst_family_parse(&process, "99999999999 (x) S 7 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 1 1"), "no number of a process");
    whose = pst_family_socket("ffff8880: 00000002 00000000 00010000 0001 01 4711 /run/apache2/cgisock.12", &inode);
    ok(whose == PST_SOCKET_CGID && inode == 4711, "mod_cgid's socket");
    whose = pst_family_socket("ffff8880: 00000002 00000000 00010000 0001 01   55 /run/apache2/wsgi.12.0.1.sock", &inode);
    ok(whose == PST_SOCKET_WSGI && inode == 55, "mod_wsgi's");
    ok(pst_family_socket("ffff8880: 00000002 00000000 00010000 0001 01 55 /run/dbus", &inode) == PST_SOCKET_NONE,
       "another's");
    ok(pst_family_socket("ffff8880: 00000002 00000000", &inode) == PST_SOCKET_NONE, "a line that is cut");
    ok(pst_family_socket("", &inode) == PST_SOCKET_NONE, "an empty one");
}

static void add(apr_uint32_t pid, apr_uint32_t parent)
{
    family.process[family.count].pid = pid;
    family.process[family.count++].parent = parent;
}

static void marked(void)
{
    static const unsigned char right[] = { 1, 0, 1, 0, 1, 0, 0 };

    /* sorted: 3 < 10 < 20 < 30 < 40 < 50 < 51; 10 is the first, 3 came later, with a pid that was free again */
    add(20, 10);
    add(10, 1);
    add(3, 40);
    add(40, 20);
    add(30, 1);
    add(50, 51);
    add(51, 50);
    pst_family_mark(&family, 10);
    ok(!memcmp(family.below, right, sizeof(right)), "descendants; neither the first, nor others, nor a circle");
}

static void alive(void)
{
    apr_uint32_t found = 0;
    apr_uint64_t rss, own;
    char command[PST_COMMAND_LEN];
    pst_family_files_t files, mine;
    int ends[2];
    pid_t pid;

    if (pipe(ends) != 0 || (pid = fork()) < 0) {
        ok(0, "a process");
        return;
    }
    if (!pid) {
        dup2(ends[0], 0);
        close(ends[1]);
        pause();
        _exit(0);
    }
    ok(pst_family_scan(&family, (apr_uint32_t)getpid()) == APR_SUCCESS, "/proc");
    for (apr_uint32_t i = 0; i < family.count; i++) {
        found += family.below[i] && family.process[i].pid == (apr_uint32_t)pid;
    }
    is_number(found, 1, "a child of ours is found, once");
    ok(pst_family_size((apr_uint32_t)pid, &rss, &own) && rss >= own && rss > 4096, "it has memory");
    pst_family_command((apr_uint32_t)pid, command, sizeof(command));
    ok(strstr(command, "family") != NULL, "and a command");
    for (int tries = 0; tries < 500; tries++) {
        pst_family_files(&files, (apr_uint32_t)pid);
        if (pst_family_file(&files, 0) && pst_family_file(&files, 0)->kind == PST_FILE_PIPE) {
            break;
        }
        usleep(10000);
    }
    pst_family_files(&mine, 0);
    ok(pst_family_file(&files, 0) && pst_family_has(&mine, PST_FILE_PIPE, pst_family_file(&files, 0)->inode),
       "its input is a pipe of ours");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(!pst_family_size((apr_uint32_t)pid, &rss, &own), "gone, it has none");
    ok(!pst_family_files(&files, (apr_uint32_t)pid) && !files.count, "and no descriptors");
}

static void roles(void)
{
    pst_family_process_t process = { .pid = 5, .parent = 1 };
    pst_family_files_t none = { .count = 0 }, own = { .count = 1, .file = { { 9, PST_FILE_PIPE, 77 } } },
        in = { .count = 1, .file = { { 0, PST_FILE_PIPE, 77 } } }, other = { .count = 1, .file = { { 0, PST_FILE_PIPE, 78 } } },
        both = { .count = 2, .file = { { 0, PST_FILE_PIPE, 77 }, { 1, PST_FILE_PIPE, 79 } } },
        holder = { .count = 2, .file = { { 0, PST_FILE_SOCKET, 33 }, { 8, PST_FILE_SOCKET, 31 } } };
    pst_family_sockets_t sockets = { .count = 1, .socket = { { 31, PST_SOCKET_CGID } } };

#define ROLE(of_parent, of_child, files) \
    pst_relative_role(&process, "command", 1, of_parent, of_child, &files, &own, &sockets)
    is_number(ROLE(0, 0, in), PST_ROLE_LOGGER, "what reads from a pipe of the parent is a logger");
    is_number(ROLE(0, 0, other), PST_ROLE_OTHER, "from another pipe not");
    own.file[own.count++] = (pst_family_file_t){ 10, PST_FILE_PIPE, 79 };
    is_number(ROLE(0, 0, both), PST_ROLE_OTHER, "nor what answers");
    own.file[1].number = 2;
    is_number(ROLE(0, 0, both), PST_ROLE_LOGGER, "what writes where the parent does is one");
    is_number(ROLE(0, 0, holder), PST_ROLE_CGID, "mod_cgid's daemon");
    sockets.socket[0].whose = PST_SOCKET_WSGI;
    is_number(ROLE(0, 0, holder), PST_ROLE_WSGI, "mod_wsgi's");
    sockets.socket[0].whose = PST_SOCKET_FCGID;
    is_number(ROLE(0, 0, holder), PST_ROLE_OTHER, "FastCGI listens on its input");
    sockets.socket[0].inode = 33;
    is_number(ROLE(0, 0, holder), PST_ROLE_FCGID, "as here");
    process.parent = 2;
    is_number(ROLE(PST_ROLE_CGID, 0, none), PST_ROLE_CGI, "a program of the daemon's");
    is_number(ROLE(PST_ROLE_OTHER, 1, none), PST_ROLE_CGI, "or of a child's");
    is_number(ROLE(PST_ROLE_WSGI, 0, none), PST_ROLE_WSGI, "what a daemon starts is its");
}

/* Sizes, ten seconds apart. @return after how many of them it is first said to grow; 0: never */
static unsigned grows_after(const double *kilobytes, unsigned count, pst_relative_verdict_t *last)
{
    static pst_relative_series_t series;
    unsigned first = 0;

    memset(&series, 0, sizeof(series));
    for (unsigned i = 0; i < count; i++) {
        pst_relative_add(&series, NOW + i * (apr_uint64_t)10000000, (apr_uint64_t)(kilobytes[i] * 1024));
        pst_relative_judge(last, &series);
        if (!first && last->state == PST_TREND_GROWING) {
            first = i + 1;
        }
    }
    return first;
}

static void judged(void)
{
    static double sizes[400];
    pst_relative_verdict_t last;
    unsigned i;

    for (i = 0; i < 7; i++) {
        sizes[i] = 10240 + 1000.0 * i;
    }
    is_number(grows_after(sizes, 7, &last), 6, "five steps of 1,000 KB: at the sixth look");
    is_number((long)last.gained, 6000 * 1024, "by as much as it was");
    is_number((long)last.per_minute, 6000 * 1024, "in a minute");
    is_number((long)(last.since - NOW), 0, "from the first look on");
    for (; i < 20; i++) {
        sizes[i] = sizes[6];
    }
    grows_after(sizes, 9, &last);
    is_number(last.state, PST_TREND_GROWING, "two looks without a step do not end it");
    grows_after(sizes, 10, &last);
    ok(last.state != PST_TREND_GROWING, "the third does");
    for (i = 0; i < 60; i++) {
        sizes[i] = 40000 - 30000.0 / (1 + i * i);
    }
    is_number(grows_after(sizes, 60, &last), 0, "what warms up does not grow");
    for (i = 0; i < 60; i++) {
        sizes[i] = 40000 + (i % 3) * 4000.0;
    }
    is_number(grows_after(sizes, 60, &last), 0, "nor does what comes and goes");
    for (i = 0; i < 60; i++) {
        sizes[i] = i < 20 ? 10000 : 60000;
    }
    is_number(grows_after(sizes, 60, &last), 0, "nor a step");
    for (i = 0; i < 400; i++) {
        sizes[i] = 10000 + 20.0 * i;
    }
    ok(grows_after(sizes, 60, &last) > 0, "20 KB a look are told, too, later");
    grows_after(sizes, 400, &last);
    is_number(last.state, PST_TREND_GROWING, "and still after an hour");
    ok(last.per_minute > 118 * 1024 && last.per_minute < 122 * 1024, "with its rate");
    for (i = 0; i < 400; i++) {
        sizes[i] = 10000;
    }
    is_number(grows_after(sizes, 400, &last), 0, "what stays does not grow");
}

/* A keeper of this process, which has one child. */
static void kept(apr_pool_t *pool)
{
    static pst_relatives_t keeper;
    pst_shared_relative_t row;
    pst_board_t board;
    unsigned mine = 0;
    pid_t pid;

    make_board(&board, 2, 4, pool);
    pid = fork();
    if (!pid) {
        pause();
        _exit(0);
    }
    pst_relatives_look(&keeper, &board, NOW);
    is_number(pst_board_header(&board)->relatives_known, PST_RELATIVES_KNOWN, "they are known");
    for (unsigned i = 0; i < PST_RELATIVE_COUNT; i++) {
        pst_seq_copy(&row, pst_board_relative(&board, i), sizeof(row));
        mine += row.pid == (apr_uint32_t)pid && row.parent == (apr_uint32_t)getpid() && row.rss_bytes >= row.own_bytes
                && row.rss_bytes && row.command[0];
    }
    is_number(mine, 1, "the child is on the board");
    pst_relatives_child(&keeper, (apr_uint32_t)pid, 1);
    keeper.looked = keeper.scan_after = 0;
    memset(keeper.relative, 0, sizeof(keeper.relative));
    pst_relatives_look(&keeper, &board, NOW + 10000000);
    is_number(pst_board_relative(&board, 0)->pid, 0, "as a child of the MPM it is not");
    pst_relatives_child(&keeper, (apr_uint32_t)pid, 0);
    is_number(keeper.child_count, 0, "until that is gone");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pst_board_close(&board);
}

int main(void)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    parsed();
    marked();
    alive();
    roles();
    judged();
    kept(pool);
    apr_pool_destroy(pool);
    return done();
}
