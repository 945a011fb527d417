/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_servers.h.
 *
 * Processes belong to anybody and may have mapped anything, any number of times: files are opened only through
 * pst_file.h, a limited number per process, and everything takes bounded time.
 */
#include "poolstat_servers.h"
#include "poolstat_process.h"
#include "poolstat_say.h"
#include "pst_file.h"
#include "pst_format.h"
#include "pst_remote.h"

#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TIME_LIMIT apr_time_from_sec(10)
#define MAX_LOOKS  256          /* files of one process that are examined: few have that many mapped for writing */

int poolstat_is_ours(const struct stat *about)
{
    return (about->st_uid == 0 || about->st_uid == geteuid()) && !(about->st_mode & (S_IWGRP | S_IWOTH));
}

static void add_pid(poolstat_pids_t *to, apr_uint32_t pid, apr_uint32_t named, apr_pool_t *pool)
{
    if (to->count && to->at[to->count - 1].pid == pid) {
        return;
    }
    if (to->count == to->room) {
        unsigned room = to->room ? 2 * to->room : 64;
        poolstat_pid_t *at = apr_palloc(pool, room * sizeof(*at));

        if (to->count) {
            memcpy(at, to->at, to->count * sizeof(*at));
        }
        to->at = at;
        to->room = room;
    }
    to->at[to->count++] = (poolstat_pid_t){ pid, named };
}

static void add_user(poolstat_server_t *server, apr_uint32_t pid, apr_pool_t *pool)
{
    if (!server->users.count || server->users.at[server->users.count - 1].pid != pid) {
        add_pid(&server->users, pid, pst_remote_own_id(pid), pool);
    }
}

static int by_server_pid(const void *one, const void *two)
{
    const poolstat_pid_t *a = one, *b = two;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* ---- one file ---- */

/* Read what every version's header begins with: see docs/board.md.
 * @param is_link the kernel's own link: then it is exactly this file
 * @return 1: a board; 0: not one; -1: another file, as far as we can tell */
static int read_magic(const char *path, int is_link, poolstat_server_t *server)
{
    pst_shared_header_t header;
    struct stat about;
    int fd = pst_file_open(path, is_link, &about), good;

    if (fd < 0) {
        return -1;
    }
    /* overlayfs and btrfs report another device in maps than in stat(): it only counts if we have it from the file */
    good = about.st_ino == server->inode && (!server->opened_device || about.st_dev == server->opened_device)
           && pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header);
    close(fd);
    if (!good) {
        return -1;
    }
    server->parent = header.parent;
    server->opened_device = about.st_dev;
    server->owner = about.st_uid;
    server->is_ours = poolstat_is_ours(&about);
    server->way_is_link = is_link;
    return memcmp(header.magic, PST_BOARD_MAGIC, sizeof(header.magic)) == 0;
}

/*
 * Is the file a board, and how is it opened?  The link of its mapping always leads to it, but only root may follow
 * it, and only while the process lives. The file by its name, as we or the process see it, is found again after a
 * restart.
 */
static int look_at_file(poolstat_server_t *server, apr_uint32_t pid, const char *range)
{
    int found, by_name = -1;
    char way[sizeof(server->way)];

    snprintf(server->way, sizeof(server->way), "/proc/%u/map_files/%.*s", (unsigned)pid, (int)strcspn(range, " "),
             range);
    found = read_magic(server->way, 1, server);
    if (found == 0 || server->is_deleted) {
        return found == 1;
    }
    apr_cpystrn(way, server->path, sizeof(way));
    by_name = read_magic(way, 0, server);
    if (by_name < 0 && snprintf(way, sizeof(way), "/proc/%u/root%s", (unsigned)pid, server->path) < (int)sizeof(way)) {
        by_name = read_magic(way, 0, server);
    }
    if (by_name >= 0) {
        apr_cpystrn(server->way, way, sizeof(server->way));
        found = by_name;
    }
    return found == 1;
}

/* ---- one process ---- */

static poolstat_server_t *known(poolstat_servers_t *servers, dev_t device, ino_t inode)
{
    for (unsigned i = 0; i < servers->count; i++) {
        if (servers->at[i]->inode == inode && servers->at[i]->device == device) {
            return servers->at[i];
        }
    }
    return NULL;
}

/* Add a file that is a board. Other users' boards cannot take the room for ours. */
static void add_server(poolstat_servers_t *servers, const poolstat_server_t *found, apr_uint32_t pid)
{
    int fits = found->is_ours ? servers->count - servers->others < POOLSTAT_SERVERS : servers->others < POOLSTAT_OTHERS;
    poolstat_server_t *server = fits ? apr_pmemdup(servers->pool, found, sizeof(*found)) : NULL;

    if (!server) {
        servers->cut = 1;
        return;
    }
    servers->others += !found->is_ours;
    servers->at[servers->count++] = server;
    add_user(server, pid, servers->pool);
}

/* One line of a process's maps: "from-to rw-s offset major:minor inode   path". @return how many files were
 * examined */
static unsigned take_maps_line(poolstat_servers_t *servers, apr_uint32_t pid, char *line)
{
    static poolstat_server_t found;         /* the command has one thread */
    unsigned device_major, device_minor;
    unsigned long long inode;
    char mode[5] = "";
    int at = 0;
    poolstat_server_t *server;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%*s %4s %*s %x:%x %llu %n", mode, &device_major, &device_minor, &inode, &at) != 4
        || mode[1] != 'w' || mode[3] != 's' || line[at] != '/' || strlen(line + at) >= PATH_MAX) {
        return 0;
    }
    server = known(servers, makedev(device_major, device_minor), (ino_t)inode);
    if (server) {
        add_user(server, pid, servers->pool);
        return 0;
    }
    memset(&found, 0, sizeof(found));
    found.device = makedev(device_major, device_minor);
    found.inode = (ino_t)inode;
    apr_cpystrn(found.path, line + at, sizeof(found.path));
    found.path[pst_file_name(found.path, &found.is_deleted)] = '\0';
    if (look_at_file(&found, pid, line)) {       /* files that are not boards would fill the table */
        add_server(servers, &found, pid);
    }
    return 1;
}

static int in_time(poolstat_servers_t *servers)
{
    int late = apr_time_now() > servers->until;

    servers->cut |= late;
    return !late;
}

static void take_process(poolstat_servers_t *servers, apr_uint32_t pid)
{
    unsigned looks = 0;
    char path[64];
    FILE *maps;
    char *line = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "/proc/%u/maps", (unsigned)pid);
    maps = fopen(path, "re");
    if (!maps) {
        servers->refused += errno == EACCES || errno == EPERM;
        return;
    }
    errno = 0;
    while (looks < MAX_LOOKS && in_time(servers) && getline(&line, &size, maps) > 0) {
        looks += take_maps_line(servers, pid, line);
        errno = 0;
    }
    servers->refused += errno == EACCES || errno == EPERM;
    free(line);
    fclose(maps);
}

/* ---- many ---- */

static void begin_servers(poolstat_servers_t *servers, apr_pool_t *pool)
{
    memset(servers, 0, sizeof(*servers));
    servers->pool = pool;
    servers->until = apr_time_now() + TIME_LIMIT;
}

/* These processes, each once. */
static void take_pids(poolstat_servers_t *servers, poolstat_pids_t *all)
{
    if (all->count) {
        qsort(all->at, all->count, sizeof(*all->at), by_server_pid);
    }
    for (unsigned i = 0; i < all->count && in_time(servers); i++) {
        if (all->at[i].pid && (!i || all->at[i].pid != all->at[i - 1].pid)) {
            take_process(servers, all->at[i].pid);
        }
    }
}

void poolstat_servers_find(poolstat_servers_t *servers, apr_uint32_t only, apr_pool_t *pool)
{
    poolstat_pids_t all = { NULL, 0, 0 };
    DIR *proc;

    begin_servers(servers, pool);
    if (only) {
        take_process(servers, only);
        return;
    }
    proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc)); ) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && pid > 0 && pid != (long)getpid()) {
            add_pid(&all, (apr_uint32_t)pid, 0, pool);
        }
    }
    if (proc) {
        closedir(proc);
    }
    take_pids(servers, &all);
}

void poolstat_servers_named(poolstat_servers_t *servers, const pst_board_t *board, const poolstat_pids_t *known,
                            apr_pool_t *pool)
{
    poolstat_pids_t named = { NULL, 0, 0 };

    begin_servers(servers, pool);
    add_pid(&named, __atomic_load_n(&pst_board_header(board)->parent, __ATOMIC_RELAXED), 0, pool);
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        add_pid(&named, __atomic_load_n(&pst_board_child(board, i)->pid, __ATOMIC_RELAXED), 0, pool);
    }
    for (unsigned i = 0; i < known->count; i++) {
        add_pid(&named, known->at[i].pid, 0, pool);
    }
    take_pids(servers, &named);
}

/* ---- listed ---- */

/* The value of --pid for it. */
static apr_uint32_t server_pid(const poolstat_server_t *server)
{
    for (unsigned i = 0; i < server->users.count; i++) {
        if (server->users.at[i].named == server->parent) {
            return server->users.at[i].pid;
        }
    }
    return server->users.at[0].pid;
}

void poolstat_servers_list(const poolstat_servers_t *servers)
{
    for (unsigned i = 0; i < servers->count; i++) {
        const poolstat_server_t *server = servers->at[i];
        char name[POOLSTAT_TEXT], user[64], ports[64], since[PST_FORMAT_LEN];
        const char *word;

        if (server->is_deleted || !server->users.count) {
            continue;
        }
        poolstat_process_ports(ports, sizeof(ports), server_pid(server));
        word = strchr(ports, ',') ? ", ports " : ", port ";
        poolstat_say("  --pid %-8u %s's%s%s, %u processes since %s, %s", (unsigned)server_pid(server),
                     poolstat_user(user, sizeof(user), server->owner),
                     *ports ? word : "", ports, server->users.count,
                     pst_format_time(since, poolstat_process_start(server_pid(server))),
                     poolstat_text(name, sizeof(name), server->path));
    }
}

void poolstat_servers_say_others(const poolstat_servers_t *servers)
{
    char text[POOLSTAT_OTHERS * 96] = "", user[64];
    apr_size_t used = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < servers->count; i++) {
        const poolstat_server_t *server = servers->at[i];

        if (!server->is_ours && server->users.count) {
            used += (apr_size_t)apr_snprintf(text + used, sizeof(text) - used, "%s%s's (--pid %u)", count++ ? ", " : "",
                                             poolstat_user(user, sizeof(user), server->owner),
                                             (unsigned)server_pid(server));
        }
    }
    if (count) {
        poolstat_say("boards of others are not shown unless they are asked for: %s%s", text,
                     servers->others == POOLSTAT_OTHERS ? ", perhaps more" : "");
    }
}
