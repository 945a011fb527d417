/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_family.h.
 *
 * All of this is read while processes run, end and have their pids reused: what is inconsistent is skipped, and read
 * again the next time.
 */
#include "pst_family.h"
#include "pst_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Limit on /proc/net/unix: servers have some hundred KB at most. */
#define UNIX_MOST (4u << 20)
#define LINE      512

static apr_uint64_t number_of(const char *text)
{
    return *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;
}

int pst_family_parse(pst_family_process_t *process, const char *text)
{
    const char *open = strchr(text, '('), *at = strrchr(text, ')');
    apr_uint64_t pid = number_of(text), parent;
    apr_size_t len;

    if (!open || !at || at < open || at[1] != ' ' || !pid || pid > APR_INT32_MAX) {
        return 0;
    }
    len = (apr_size_t)(at - open - 1);
    len = len < sizeof(process->name) ? len : sizeof(process->name) - 1;
    memcpy(process->name, open + 1, len);
    process->name[len] = '\0';
    process->pid = (apr_uint32_t)pid;
    /* field 2 ends at the last parenthesis; 3 is the state, 4 the parent, 22 the birth */
    process->born = parent = 0;
    for (int field = 3; at && field <= 22; field++) {
        at = strchr(at + 1, ' ');
        if (at && field == 4) {
            parent = number_of(at + 1);
        }
        if (at && field == 22) {
            process->born = number_of(at + 1);
        }
    }
    process->parent = parent <= APR_INT32_MAX ? (apr_uint32_t)parent : 0;
    return at != NULL;
}

int pst_family_read(pst_family_process_t *process, apr_uint32_t pid)
{
    char text[1024];

    return pst_proc_take(pst_proc_open_of(pid, "stat"), text, sizeof(text)) > 0
           && pst_family_parse(process, text) && process->pid == pid;
}

static int find_process(const pst_family_t *family, apr_uint32_t pid)
{
    int low = 0, high = (int)family->count - 1;

    while (low <= high) {
        int middle = (low + high) / 2;

        if (family->process[middle].pid == pid) {
            return middle;
        }
        if (family->process[middle].pid < pid) {
            low = middle + 1;
        }
        else {
            high = middle - 1;
        }
    }
    return -1;
}

static int by_pid(const void *one, const void *two)
{
    const pst_family_process_t *a = one, *b = two;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

void pst_family_mark(pst_family_t *family, apr_uint32_t top)
{
    int more = 1;

    qsort(family->process, family->count, sizeof(family->process[0]), by_pid);
    memset(family->below, 0, family->count);
    for (unsigned depth = 0; more && depth < PST_FAMILY_DEPTH; depth++) {
        more = 0;
        for (apr_uint32_t i = 0; i < family->count; i++) {
            apr_uint32_t parent = family->process[i].parent;
            int at = parent == top || !parent ? -1 : find_process(family, parent);

            if (!family->below[i] && family->process[i].pid != top
                && (parent == top || (at >= 0 && family->below[at]))) {
                family->below[i] = 1;
                more = 1;
            }
        }
    }
}

apr_status_t pst_family_scan(pst_family_t *family, apr_uint32_t top)
{
    struct dirent *entry;
    DIR *dir = pst_proc_list("/proc");

    family->count = 0;
    family->cut = 0;
    if (!dir) {
        return errno ? errno : APR_ENOENT;
    }
    while ((entry = readdir(dir))) {
        apr_uint64_t pid = number_of(entry->d_name);

        if (!pid || pid > APR_INT32_MAX) {
            continue;
        }
        if (family->count == PST_FAMILY_LOOKED) {
            family->cut = 1;
            break;
        }
        family->count += pst_family_read(&family->process[family->count], (apr_uint32_t)pid) ? 1 : 0;
    }
    closedir(dir);
    pst_family_mark(family, top);
    return family->count ? APR_SUCCESS : APR_ENOENT;
}

int pst_family_size(apr_uint32_t pid, apr_uint64_t *rss, apr_uint64_t *own)
{
    char text[256], *at = text;
    apr_uint64_t pages[3];
    long page = sysconf(_SC_PAGESIZE);

    if (pst_proc_take(pst_proc_open_of(pid, "statm"), text, sizeof(text)) <= 0) {
        return 0;
    }
    /* size, resident, shared, in pages */
    for (int i = 0; i < 3; i++) {
        pages[i] = strtoull(at, &at, 10);
        pages[i] = pages[i] < APR_INT32_MAX ? pages[i] : 0;
    }
    *rss = pages[1] * (apr_uint64_t)page;
    *own = (pages[1] > pages[2] ? pages[1] - pages[2] : 0) * (apr_uint64_t)page;
    return 1;
}

apr_uint64_t pst_family_started(apr_uint64_t born, apr_uint64_t now)
{
    struct timespec since;
    long ticks = sysconf(_SC_CLK_TCK);
    apr_uint64_t up, age;

    if (!born || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &since) != 0) {
        return 0;
    }
    up = (apr_uint64_t)since.tv_sec * 1000000 + (apr_uint64_t)since.tv_nsec / 1000;
    born = born / (apr_uint64_t)ticks * 1000000 + born % (apr_uint64_t)ticks * 1000000 / (apr_uint64_t)ticks;
    age = up > born ? up - born : 0;
    return now > age ? now - age : 0;
}

void pst_family_command(apr_uint32_t pid, char *to, apr_size_t room)
{
    apr_ssize_t len = pst_proc_take(pst_proc_open_of(pid, "cmdline"), to, room);

    for (apr_ssize_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)to[i];

        if (c == '\0') {
            to[i] = ' ';
        }
        else if (c < 0x20 || c > 0x7e) {
            to[i] = '?';
        }
    }
    while (len > 0 && to[len - 1] == ' ') {
        len--;
    }
    to[len > 0 ? len : 0] = '\0';
}

/* "pipe:[123]", "socket:[123]". */
static pst_file_e file_kind(const char *link, apr_uint64_t *inode)
{
    if (!strncmp(link, "pipe:[", 6)) {
        *inode = number_of(link + 6);
        return PST_FILE_PIPE;
    }
    if (!strncmp(link, "socket:[", 8)) {
        *inode = number_of(link + 8);
        return PST_FILE_SOCKET;
    }
    return PST_FILE_OTHER;
}

int pst_family_files(pst_family_files_t *files, apr_uint32_t pid)
{
    char path[64], link[64];
    struct dirent *entry;
    unsigned looked = 0;
    DIR *dir;

    files->count = 0;
    if (pid) {
        snprintf(path, sizeof(path), "/proc/%u/fd", (unsigned)pid);
    }
    dir = pst_proc_list(pid ? path : "/proc/self/fd");
    if (!dir) {
        return 0;
    }
    while ((entry = readdir(dir)) && looked < 4 * PST_FAMILY_FILES && files->count < PST_FAMILY_FILES) {
        pst_family_file_t *file = &files->file[files->count];
        ssize_t len;

        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        looked++;
        len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        link[len > 0 ? len : 0] = '\0';
        file->number = (apr_uint32_t)number_of(entry->d_name);
        file->kind = file_kind(link, &file->inode);
        files->count += file->kind != PST_FILE_OTHER;
    }
    closedir(dir);
    return looked > 0;
}

const pst_family_file_t *pst_family_file(const pst_family_files_t *files, apr_uint32_t number)
{
    for (unsigned i = 0; i < files->count; i++) {
        if (files->file[i].number == number) {
            return &files->file[i];
        }
    }
    return NULL;
}

int pst_family_has(const pst_family_files_t *files, pst_file_e kind, apr_uint64_t inode)
{
    for (unsigned i = 0; i < files->count; i++) {
        if (files->file[i].kind == (apr_uint32_t)kind && files->file[i].inode == inode) {
            return 1;
        }
    }
    return 0;
}

/* "ffff...: 00000002 00000000 00010000 0001 01 12345 /path": the seventh is the inode. */
pst_socket_e pst_family_socket(const char *line, apr_uint64_t *inode)
{
    const char *at = line, *slash;

    for (int field = 0; field < 6; field++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    *inode = number_of(at);
    at += strcspn(at, " ");
    at += strspn(at, " ");
    slash = strrchr(at, '/');
    if (!*inode || !slash) {
        return PST_SOCKET_NONE;
    }
    if (!strncmp(slash, "/cgisock", 8)) {
        return PST_SOCKET_CGID;
    }
    if (!strncmp(slash, "/wsgi.", 6)) {
        return PST_SOCKET_WSGI;
    }
    return strstr(at, "/fcgidsock/") ? PST_SOCKET_FCGID : PST_SOCKET_NONE;
}

static void take_socket_line(pst_family_sockets_t *sockets, const char *line)
{
    apr_uint64_t inode;
    pst_socket_e whose = pst_family_socket(line, &inode);

    if (whose != PST_SOCKET_NONE && sockets->count < PST_FAMILY_NAMED) {
        sockets->socket[sockets->count].inode = inode;
        sockets->socket[sockets->count].whose = (apr_uint32_t)whose;
        sockets->count++;
    }
}

void pst_family_sockets(pst_family_sockets_t *sockets)
{
    char text[8192], line[LINE];
    apr_size_t len = 0, sum = 0;
    apr_ssize_t got;
    int fd = pst_proc_open("/proc/net/unix");

    sockets->count = 0;
    while (fd >= 0 && sum < UNIX_MOST && (got = pst_proc_read(fd, text, sizeof(text))) > 0) {
        sum += (apr_size_t)got;
        for (apr_ssize_t i = 0; i < got; i++) {
            if (text[i] == '\n') {
                line[len] = '\0';
                take_socket_line(sockets, line);
                len = 0;
            }
            else if (len < sizeof(line) - 1) {
                line[len++] = text[i] ? text[i] : '?';
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

pst_socket_e pst_family_whose(const pst_family_sockets_t *sockets, apr_uint64_t inode)
{
    for (unsigned i = 0; i < sockets->count; i++) {
        if (sockets->socket[i].inode == inode) {
            return (pst_socket_e)sockets->socket[i].whose;
        }
    }
    return PST_SOCKET_NONE;
}
