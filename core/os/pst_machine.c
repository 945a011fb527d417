/* SPDX-License-Identifier: Apache-2.0
 *
 * Available memory. See pst_machine.h.
 *
 * A limit may be set at any level: the server's own cgroup and each one above it are read, and the lowest limit
 * counts.  In a container the path in /proc/self/cgroup may be one
 * that only the host knows; then the cgroup mounted at the top is the container's own, and it is read in any case.
 */
#include "pst_machine.h"
#include "pst_proc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MOST 4096
#define LEVELS    32

/* Read the start of a file and add a NUL. @return 0 if it cannot be read */
static int read_under_root(const char *root, const char *path, char *to, apr_size_t room)
{
    char name[PATH_MAX];

    if ((apr_size_t)snprintf(name, sizeof(name), "%s%s", root, path) >= sizeof(name)) {
        return 0;
    }
    return pst_proc_take(pst_proc_open(name), to, room) > 0;
}

/* @return a number of bytes; 0 for "max", for the huge ones that mean no limit, and for anything that is not a
 * number */
static apr_uint64_t read_limit(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    return end == text || *text == '-' || value >= (1ULL << 60) ? 0 : value;
}

static apr_uint64_t of_machine(const char *root)
{
    char text[FILE_MOST], *line;
    apr_uint64_t kib;

    line = read_under_root(root, "/proc/meminfo", text, sizeof(text)) ? strstr(text, "MemTotal:") : NULL;
    kib = line ? read_limit(line + 9 + strspn(line + 9, " \t")) : 0;
    return kib < (1ULL << 50) ? kib * 1024 : 0;
}

/* The lowest limit of a cgroup and those above it. */
static apr_uint64_t of_cgroup(const char *root, const char *mount, char *path, const char *file)
{
    char name[PATH_MAX], text[64];
    apr_uint64_t least = 0;

    for (int level = 0; level < LEVELS; level++) {
        char *slash = strrchr(path, '/');

        if ((apr_size_t)snprintf(name, sizeof(name), "%s%s/%s", mount, path, file) < sizeof(name)
            && read_under_root(root, name, text, sizeof(text))) {
            apr_uint64_t limit = read_limit(text);

            least = limit && (!least || limit < least) ? limit : least;
        }
        if (!*path) {
            break;
        }
        *(slash ? slash : path) = '\0';
    }
    return least;
}

/* A line of /proc/self/cgroup is "number:controllers:path"; those of version 2 have no controllers. */
static apr_uint64_t of_cgroups(const char *root)
{
    char text[FILE_MOST], *line, *next;
    apr_uint64_t least = 0;

    if (!read_under_root(root, "/proc/self/cgroup", text, sizeof(text))) {
        return 0;
    }
    for (line = text; line && *line; line = next) {
        char *controllers = strchr(line, ':'), *path;
        apr_uint64_t limit = 0;

        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path || path[1] != '/' || strstr(path, "/..")) {
            continue;
        }
        *path++ = '\0';
        path[strcmp(path, "/") ? strlen(path) : 0] = '\0';
        controllers++;
        if (!*controllers) {
            limit = of_cgroup(root, "/sys/fs/cgroup", path, "memory.max");
        }
        else if (!strcmp(controllers, "memory")) {
            limit = of_cgroup(root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        }
        least = limit && (!least || limit < least) ? limit : least;
    }
    return least;
}

apr_uint64_t pst_machine_memory_below(const char *root, pst_memory_e *kind)
{
    apr_uint64_t machine = of_machine(root), cgroup = of_cgroups(root);

    if (cgroup && (!machine || cgroup < machine)) {
        *kind = PST_MEMORY_CGROUP;
        return cgroup;
    }
    *kind = machine ? PST_MEMORY_MACHINE : PST_MEMORY_UNKNOWN;
    return machine;
}

apr_uint64_t pst_machine_memory(pst_memory_e *kind)
{
    return pst_machine_memory_below("", kind);
}

const char *pst_memory_word(unsigned kind)
{
    switch (kind) {
    case PST_MEMORY_MACHINE: return "the machine";
    case PST_MEMORY_CGROUP:  return "the cgroup";
    default:                 return "?";
    }
}
