/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_oom.h.
 *
 * The kernel raises the count before it sends the signal (__oom_kill_process() in mm/oom_kill.c, Linux 6.1): by the
 * time the end of a process is noticed, the count has been raised.  cgroup v2 says "oom_kill N" in memory.events, v1
 * in memory.oom_control, the machine in /proc/vmstat.
 */
#include "pst_oom.h"
#include "pst_proc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST  4096
#define VMSTAT_MOST 16384       /* 170 lines of some 20 bytes */

/* The number after "oom_kill " at the start of a line. */
static int find_count(const char *text, apr_uint64_t *kills)
{
    static const char word[] = "oom_kill ";

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, word, sizeof(word) - 1)) {
            const char *from = line + sizeof(word) - 1;
            char *end;
            unsigned long long value = strtoull(from, &end, 10);

            *kills = value;
            return end != from && *from != '-' && value <= (unsigned long long)INT64_MAX;
        }
    }
    return 0;
}

static int read_count(const char *root, const char *folder, const char *path, const char *file, apr_uint64_t *kills)
{
    char name[PATH_MAX], text[VMSTAT_MOST];

    return (apr_size_t)snprintf(name, sizeof(name), "%s%s%s%s", root, folder, path, file) < sizeof(name)
           && pst_proc_take(pst_proc_open(name), text, sizeof(text)) > 0 && find_count(text, kills);
}

/* A line of /proc/self/cgroup: "number:controllers:path". In a container the path may be one that only the host knows:
 * then the cgroup mounted at the top is the container's own. */
static int of_line(const char *root, char *line, apr_uint64_t *kills)
{
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    const char *folder, *file;

    if (!path || path[1] != '/' || strstr(path, "/..")) {
        return 0;
    }
    *path++ = '\0';
    controllers++;
    if (*controllers && strcmp(controllers, "memory") != 0) {
        return 0;
    }
    folder = *controllers ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
    file = *controllers ? "/memory.oom_control" : "/memory.events";
    path = strcmp(path, "/") ? path : path + 1;
    return read_count(root, folder, path, file, kills) || (*path && read_count(root, folder, "", file, kills));
}

static int kills_of_cgroup(const char *root, apr_uint64_t *kills)
{
    char name[PATH_MAX], text[FILE_MOST], *line, *next;

    if ((apr_size_t)snprintf(name, sizeof(name), "%s/proc/self/cgroup", root) >= sizeof(name)
        || pst_proc_take(pst_proc_open(name), text, sizeof(text)) <= 0) {
        return 0;
    }
    for (line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        if (of_line(root, line, kills)) {
            return 1;
        }
    }
    return 0;
}

pst_oom_e pst_oom_kills_below(const char *root, apr_uint64_t *kills)
{
    *kills = 0;
    if (kills_of_cgroup(root, kills)) {
        return PST_OOM_CGROUP;
    }
    return read_count(root, "/proc", "", "/vmstat", kills) ? PST_OOM_MACHINE : PST_OOM_UNKNOWN;
}

pst_oom_e pst_oom_kills(apr_uint64_t *kills)
{
    return pst_oom_kills_below("", kills);
}
