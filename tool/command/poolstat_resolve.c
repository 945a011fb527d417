/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat --resolve: the helper that pst_resolver.c starts. Reads places from standard input, and writes what is
 * there.
 *
 * It reads files that may be hostile: after opening them it has no root rights, cannot gain any, and is bounded in
 * time and memory. Its caller waits no longer than it wants to.
 */
#include "poolstat.h"
#include "poolstat_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES      4096        /* the most places in one call */
#define OBJECTS     512
#define NOBODY      65534
#define MEMORY      (APR_UINT64_C(2) << 30)     /* address space: debug files are mapped */
#define CPU_SECONDS 20

typedef struct {
    apr_uint64_t id;
    char path[PATH_MAX];
    int fd;                     /* -1: it could not be opened, or libdw owns it */
    int opened, replaced;
    poolstat_lines_t *lines;
} object_t;

typedef struct {
    object_t *object;
    apr_uint64_t offset;
} place_t;

static struct {
    object_t objects[OBJECTS];
    place_t  places[PLACES];
    unsigned object_count, place_count;
} g;

/* Open only regular files: opening anything else can hang, or have effects. */
static int open_regular(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static object_t *resolved_object(apr_uint64_t id, const char *path)
{
    for (unsigned i = 0; i < g.object_count; i++) {
        if (g.objects[i].id == id && strcmp(g.objects[i].path, path) == 0) {
            return &g.objects[i];
        }
    }
    if (g.object_count == OBJECTS || strlen(path) >= PATH_MAX) {
        return NULL;
    }
    g.objects[g.object_count].id = id;
    strcpy(g.objects[g.object_count].path, path);
    g.objects[g.object_count].fd = open_regular(path);
    return &g.objects[g.object_count++];
}

static void read_places(void)
{
    char line[PATH_MAX + 64], path[PATH_MAX];
    unsigned long long id, offset;

    while (g.place_count < PLACES && fgets(line, sizeof(line), stdin)) {
        place_t *place = &g.places[g.place_count++];

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%llx %llx %4095[^\n]", &id, &offset, path) == 3) {
            place->object = resolved_object(id, path);
            place->offset = offset;
        }
    }
}

static void limit(int what, rlim_t to)
{
    struct rlimit most = { to, to };

    setrlimit(what, &most);
}

/* @return 0: it is still root, and so must do nothing */
static int give_up_rights(void)
{
    limit(RLIMIT_AS, MEMORY);
    limit(RLIMIT_CPU, CPU_SECONDS);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) {
        return 0;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && geteuid() != 0;
}

static void open_debug(object_t *object)
{
    if (!object->opened) {
        object->opened = 1;
        object->lines =
            object->fd >= 0 ? poolstat_lines_open(object->fd, object->path, object->id, &object->replaced) : NULL;
    }
}

static void print_resolve_text(const char *text)
{
    for (; text && *text; text++) {
        if ((unsigned char)*text >= 0x20 && *text != 0x7f) {
            putchar(*text);
        }
    }
}

static void answer(const place_t *place)
{
    poolstat_line_t line = { NULL, 0, NULL, 0 };

    if (place->object) {
        open_debug(place->object);
        if (place->object->replaced) {
            fputs("!\t\t\t\n", stdout);
            return;
        }
        if (place->object->lines) {
            poolstat_lines_at(place->object->lines, place->offset, &line);
        }
    }
    print_resolve_text(line.function);
    printf("\t%llx\t", (unsigned long long)line.into);
    print_resolve_text(line.file);
    printf("\t%d\n", line.line);
}

int poolstat_resolve(void)
{
    read_places();
    if (!poolstat_lines_can() || !give_up_rights()) {
        return POOLSTAT_FAILED;
    }
    for (unsigned i = 0; i < g.place_count; i++) {
        answer(&g.places[i]);
        fflush(stdout);
    }
    return POOLSTAT_OK;
}
