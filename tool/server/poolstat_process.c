/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_process.h.  All of it is read from /proc, and bounded: a process can have any number
 * of descriptors, and its network any number of sockets.
 */
#include "poolstat_process.h"
#include "poolstat_say.h"
#include "pst_remote.h"

#include <apr_strings.h>
#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LISTENING 1024      /* sockets of a network */
#define MAX_SOCKETS   100000    /* lines of its tables */
#define MAX_FILES     4096      /* descriptors of a process */
#define MAX_PORTS     6         /* that are listed */

char poolstat_process_state(apr_uint32_t pid)
{
    char text[1024];
    const char *stat = pst_remote_stat(pid, text, sizeof(text));

    return stat ? *stat : 0;
}

/* When the machine was started, in seconds. */
static apr_uint64_t boot_time(void)
{
    FILE *in = fopen("/proc/stat", "re");
    unsigned long long seconds = 0;
    char *line = NULL;
    size_t size = 0;

    while (in && !seconds && getline(&line, &size, in) > 0) {
        if (sscanf(line, "btime %llu", &seconds) != 1) {
            seconds = 0;
        }
    }
    free(line);
    if (in) {
        fclose(in);
    }
    return seconds;
}

apr_uint64_t poolstat_process_start(apr_uint32_t pid)
{
    char text[1024];
    const char *stat = pst_remote_stat(pid, text, sizeof(text));
    apr_uint64_t boot = boot_time(), ticks;
    long each = sysconf(_SC_CLK_TCK);

    if (!stat || !boot || each <= 0) {
        return 0;
    }
    ticks = pst_remote_stat_start(stat);
    return boot * 1000000 + ticks / (apr_uint64_t)each * 1000000
           + ticks % (apr_uint64_t)each * 1000000 / (apr_uint64_t)each;
}

/* ---- ports ---- */

typedef struct listening_t {
    unsigned long inode;
    unsigned port;
} listening_t;

/* The listening sockets in the process's network. @return how many there are so far */
static unsigned add_listening(listening_t *to, unsigned count, apr_uint32_t pid, const char *table)
{
    unsigned state, port, lines = 0;
    unsigned long inode;
    char path[64], *line = NULL;
    size_t size = 0;
    FILE *in;

    snprintf(path, sizeof(path), "/proc/%u/net/%s", (unsigned)pid, table);
    in = fopen(path, "re");
    while (in && count < MAX_LISTENING && lines++ < MAX_SOCKETS && getline(&line, &size, in) > 0) {
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu", &port, &state, &inode)
                == 3
            && state == 0x0a) {
            to[count++] = (listening_t){ inode, port };
        }
    }
    free(line);
    if (in) {
        fclose(in);
    }
    return count;
}

static unsigned port_of(const listening_t *listening, unsigned count, unsigned long inode)
{
    for (unsigned i = 0; i < count; i++) {
        if (listening[i].inode == inode) {
            return listening[i].port;
        }
    }
    return 0;
}

static void add_port(unsigned *ports, unsigned *count, unsigned port)
{
    unsigned at = 0;

    while (at < *count && ports[at] < port) {
        at++;
    }
    if (!port || at == MAX_PORTS || (at < *count && ports[at] == port)) {
        return;
    }
    *count -= *count == MAX_PORTS;
    memmove(ports + at + 1, ports + at, (*count - at) * sizeof(*ports));
    ports[at] = port;
    ++*count;
}

char *poolstat_process_ports(char *to, apr_size_t size, apr_uint32_t pid)
{
    static listening_t listening[MAX_LISTENING];        /* the command has one thread */
    unsigned count = add_listening(listening, add_listening(listening, 0, pid, "tcp"), pid, "tcp6");
    unsigned ports[MAX_PORTS], port_count = 0, files = 0;
    apr_size_t used = 0;
    char path[64], link[64];
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%u/fd", (unsigned)pid);
    dir = count ? opendir(path) : NULL;
    for (struct dirent *entry; dir && files++ < MAX_FILES && (entry = readdir(dir)); ) {
        apr_ssize_t length = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        unsigned long inode;

        link[length > 0 ? length : 0] = '\0';
        if (sscanf(link, "socket:[%lu]", &inode) == 1) {
            add_port(ports, &port_count, port_of(listening, count, inode));
        }
    }
    if (dir) {
        closedir(dir);
    }
    *to = '\0';
    for (unsigned i = 0; i < port_count && used + 8 < size; i++) {
        used += (apr_size_t)apr_snprintf(to + used, size - used, "%s%u", i ? ", " : "", ports[i]);
    }
    return to;
}

char *poolstat_user(char *to, apr_size_t size, uid_t user)
{
    const struct passwd *known = getpwuid(user);

    if (known) {
        return poolstat_text(to, size, known->pw_name);
    }
    apr_snprintf(to, size, "user %u", (unsigned)user);
    return to;
}
