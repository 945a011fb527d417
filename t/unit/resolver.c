/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: names and lines asked of a program, here a script that answers well, badly, late or not at all.  What is
 * known stays known, no wait exceeds its time, no process is left behind, and a program that keeps failing is not
 * asked again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"
#include "pst_resolver.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/poolstat-unit-XXXXXX";
static char program[64], started[64];

/* It answers according to the path. */
static const char script[] =
    "#!/bin/sh\n"
    "echo x >> %s\n"
    "long=0123456789012345678901234567890123456789\n"
    "long=$long$long$long$long$long\n"
    "test -e %s.deaf && exit 1\n"
    "while read -r id offset path; do\n"
    "  case $path in\n"
    "  /good) printf 'f_%%s\\t1f\\t/src/%%s.c\\t42\\n' $offset $id ;;\n"
    "  /none) printf '\\t0\\t\\t0\\n' ;;\n"
    "  /replaced) printf '!\\t0\\t\\t0\\n' ;;\n"
    "  /control) printf 'a\\001b\\033[1mc\\177d\\t2\\tx\\001y\\t7\\n' ;;\n"
    "  /long) printf '%%s\\t3\\t%%s\\t8\\n' $long $long ;;\n"
    "  /longest) printf '%%s\\t3\\t%%s\\t9\\n' $long$long$long$long $long ;;\n"
    "  /short) printf 'alone\\n' ;;\n"
    "  /hang) exec sleep 60 ;;\n"
    "  esac\n"
    "done\n";

static unsigned starts(void)
{
    FILE *file = fopen(started, "r");
    unsigned count = 0;

    for (int c; file && (c = getc(file)) != EOF;) {
        count += c == 'x';
    }
    if (file) {
        fclose(file);
    }
    return count;
}

static const pst_resolved_t *asked(apr_uint64_t id, const char *path)
{
    const pst_unresolved_t place = { id, 0xabc, path };

    pst_resolver_ask(&place, 1, 20000);
    return pst_resolver_find(id, 0xabc);
}

static void nothing_left(const char *what)
{
    ok(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, what);
}

static void answers(void)
{
    static const pst_resolved_t none;
    const pst_unresolved_t two[] = { { 0x11, 0x22, "/good" }, { 0x33, 0x44, "/good" } };
    const pst_resolved_t *r;

    ok(!pst_resolver_find(0x11, 0x22), "nothing is known");
    is_number(pst_resolver_ask(two, 2, 20000), 2, "two places");
    r = pst_resolver_find(0x11, 0x22);
    r = r ? r : &none;
    is_text(r->function, "f_22", "a function");
    is_text(r->file, "/src/11.c", "its file");
    ok(r->line == 42 && r->into == 0x1f && !r->replaced, "its line, and where in it");
    r = pst_resolver_find(0x33, 0x44);
    is_text(r ? r->function : NULL, "f_44", "each place has its own");
    ok(!pst_resolver_find(0x11, 0x44) && !pst_resolver_find(0x33, 0x22), "and no other has");
    is_number(pst_resolver_ask(two, 2, 20000), 0, "what is known is not new");
    nothing_left("no process is left");
    r = asked(1, "/none");
    ok(r && !r->function[0] && !r->file[0] && !r->line && !r->replaced, "a place without a name is known as such");
    r = asked(2, "/replaced");
    ok(r && r->replaced && !r->function[0], "a file of another build");
}

static void hostile(void)
{
    const pst_resolved_t *r = asked(3, "/control");

    is_text(r ? r->function : NULL, "ab[1mcd", "no control characters");
    is_text(r ? r->file : NULL, "xy", "in the file neither");
    ok(r && r->line == 7, "and what follows is right");
    r = asked(4, "/long");
    ok(r && strlen(r->function) == PST_RESOLVED_NAME - 1 && strlen(r->file) == PST_RESOLVED_FILE - 1, "texts are cut");
    ok(r && r->line == 8 && r->into == 3, "and what follows is right");
    r = asked(5, "/longest");
    ok(r && !r->function[0] && !r->line, "a line that is too long says nothing");
    r = asked(6, "/short");
    is_text(r ? r->function : NULL, "alone", "fields that are not there");
    ok(r && !r->file[0] && !r->line && !r->into, "are empty");
}

/* A name with a newline in it would be two questions, and every later answer would be for the wrong one. */
static void odd_paths(void)
{
    const pst_unresolved_t places[] = { { 0x71, 1, "/good" }, { 0x72, 1, "/go\nod" }, { 0x73, 1, "/good" } };
    const pst_unresolved_t tab[] = { { 0x74, 1, "/a\tb" } };
    unsigned before = starts();

    is_number(pst_resolver_ask(places, 3, 20000), 1, "what comes before an odd path is asked");
    ok(pst_resolver_find(0x71, 1) && !pst_resolver_find(0x72, 1) && !pst_resolver_find(0x73, 1), "and nothing else");
    is_number(pst_resolver_ask(tab, 1, 20000), 0, "one alone");
    is_number(starts(), before + 1, "starts nothing");
    asked(0x75, "/good");
}

static void late(void)
{
    const pst_unresolved_t places[] = { { 0x81, 1, "/good" }, { 0x82, 1, "/hang" }, { 0x83, 1, "/good" } };
    time_t begun = time(NULL);

    is_number(pst_resolver_ask(places, 3, 3000), 1, "what was answered in time is known");
    ok(pst_resolver_find(0x81, 1) && !pst_resolver_find(0x82, 1), "the rest is not");
    ok(time(NULL) - begun < 40, "nobody waits for it");
    nothing_left("and its process is gone");
}

#define BEFORE 11       /* places that the tests before have made known */

static void full(void)
{
    static pst_unresolved_t places[PST_RESOLVED_COUNT + 100];
    unsigned known, found = 0;

    for (unsigned i = 0; i < PST_RESOLVED_COUNT + 100; i++) {
        places[i] = (pst_unresolved_t){ 0x10000 + i, 7, "/none" };
    }
    known = pst_resolver_ask(places, PST_RESOLVED_COUNT + 100, 60000);
    for (unsigned i = 0; i < PST_RESOLVED_COUNT + 100; i++) {
        found += pst_resolver_find(places[i].id, 7) != NULL;
    }
    is_number(found, known, "each that is new can be found");
    is_number(known + BEFORE, PST_RESOLVED_COUNT - 1, "until one place is left, so that a look-up ends");
    ok(pst_resolver_find(0x11, 0x22) != NULL, "what was known is known");
    ok(!pst_resolver_find(0xdead, 1), "what is not known is looked up to an end");
}

/* It dies without reading: this process gets no signal, and stops asking after three times. */
static void deaf(void)
{
    static pst_unresolved_t places[4000];
    char name[80];
    unsigned before = starts();
    sigset_t pending;
    FILE *file;

    snprintf(name, sizeof(name), "%s.deaf", started);
    file = fopen(name, "w");
    if (file) {
        fclose(file);
    }
    for (unsigned i = 0; i < 4000; i++) {
        places[i] = (pst_unresolved_t){ 0x90000 + i, 7, "/a/path/that/makes/it/more/than/a/pipe/has/room/for" };
    }
    for (unsigned i = 0; i < 6; i++) {
        is_number(pst_resolver_ask(places, 4000, 20000), 0, "no answer");
    }
    sigpending(&pending);
    ok(!sigismember(&pending, SIGPIPE), "no signal is left behind");
    is_number(starts(), before + 3, "after three failures it is not started again");
    nothing_left("no process is left");
    unlink(name);
}

int main(void)
{
    FILE *file;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!mkdtemp(dir)) {
        printf("Bail out! no directory\n");
        return 1;
    }
    snprintf(program, sizeof(program), "%s/poolstat", dir);
    snprintf(started, sizeof(started), "%s/started", dir);
    file = fopen(program, "w");
    if (!file) {
        printf("Bail out! no script\n");
        return 1;
    }
    fprintf(file, script, started, started);
    fclose(file);
    chmod(program, 0700);
    ok(!pst_resolver_is_there() && !asked(1, "/good"), "without a program nothing is asked");
    pst_resolver_use(program);
    ok(pst_resolver_is_there(), "there is one");
    answers();
    hostile();
    odd_paths();
    late();
    full();
    deaf();
    unlink(started);
    unlink(program);
    rmdir(dir);
    return done();
}
