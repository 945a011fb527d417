/* SPDX-License-Identifier: Apache-2.0
 *
 * Another process's memory: see the header.
 *
 * process_vm_readv() copies while the process runs: nothing is attached, stopped or written. It
 * holds the read lock on the process's mappings for as long as a copy takes, which is why copies are
 * small.
 */
#include "pst_remote.h"
#include "pst_proc.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH       512                     /* pieces in one call */
#define LOOK_AGAIN  apr_time_from_msec(20)  /* mappings are not read more often than that */
#define MAX_RANGES  131072u                 /* twice what the kernel allows by default */
#define MAX_PATHS   (16u << 20)             /* bytes of their names; further ones have none */

/* Read as much of a process's /proc file as there is room for. @return whether there is such a file */
static int read_small_of(apr_uint32_t pid, const char *name, char *text, apr_size_t size)
{
    int fd = pst_proc_open_of(pid, name);

    pst_proc_take(fd, text, size);
    return fd >= 0;
}

const char *pst_remote_stat(apr_uint32_t pid, char *text, apr_size_t size)
{
    const char *end = read_small_of(pid, "stat", text, size) ? strrchr(text, ')') : NULL;

    return end && end[1] == ' ' && end[2] ? end + 2 : NULL;
}

uint64_t pst_remote_stat_start(const char *stat)
{
    for (int field = 3; stat && field < 22; field++) {
        stat = strchr(stat, ' ');
        stat = stat ? stat + 1 : NULL;
    }
    return stat ? strtoull(stat, NULL, 10) : 0;
}

/* In ticks; 0 if there is no such process, or if it is a zombie. */
static uint64_t start_of(pid_t pid)
{
    char text[1024];
    const char *stat = pst_remote_stat((apr_uint32_t)pid, text, sizeof(text));

    return stat && *stat != 'Z' && *stat != 'X' ? pst_remote_stat_start(stat) : 0;
}

int pst_remote_alive(pst_remote_t *remote)
{
    if (!remote->gone && start_of(remote->pid) != remote->started) {
        remote->gone = 1;
    }
    return !remote->gone;
}

/* One line of maps. @param left bytes left for names, its own and later ones. @return 0 if it is not such a line */
static int parse_maps_line(pst_range_t *range, char *line, apr_size_t *left, apr_pool_t *pool)
{
    unsigned major, minor;
    uint64_t from, to;
    char rights[8];
    apr_size_t length;
    int path = 0;

    memset(range, 0, sizeof(*range));
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &from, &to, rights,
               &range->offset, &major, &minor, &range->inode, &path) < 7 || from >= to || strlen(rights) < 4) {
        return 0;
    }
    range->from = (uintptr_t)from;
    range->to = (uintptr_t)to;
    range->device = (uint64_t)major << 32 | minor;
    range->readable = rights[0] == 'r';
    range->writable = rights[1] == 'w';
    range->shared = rights[3] == 's';
    line[strcspn(line, "\n")] = '\0';
    length = path ? strlen(line + path) + 1 : 1;
    range->path = length > 1 && length <= *left ? apr_pstrmemdup(pool, line + path, length - 1) : NULL;
    *left -= range->path ? length : 0;
    range->path = range->path ? range->path : "";
    return 1;
}

apr_status_t pst_remote_look(pst_remote_t *remote)
{
    apr_size_t room = 0, left = MAX_PATHS;
    size_t size = 0;
    char path[64], *line = NULL;
    pst_range_t *more;
    FILE *in;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)remote->pid);
    remote->looked = apr_time_now();
    in = fopen(path, "re");
    if (!in) {
        return errno;
    }
    apr_pool_clear(remote->maps_pool);
    remote->range_count = 0;
    remote->ranges = NULL;
    while (remote->range_count < MAX_RANGES && getline(&line, &size, in) > 0) {
        if (remote->range_count == room) {
            room = room ? room * 2 : 512;
            more = apr_palloc(remote->maps_pool, room * sizeof(*more));
            if (remote->range_count) {
                memcpy(more, remote->ranges, remote->range_count * sizeof(*more));
            }
            remote->ranges = more;
        }
        remote->range_count +=
            parse_maps_line(&remote->ranges[remote->range_count], line, &left, remote->maps_pool) ? 1 : 0;
    }
    free(line);
    fclose(in);
    return remote->range_count ? APR_SUCCESS : APR_ENOENT;
}

static const pst_range_t *search_ranges(const pst_remote_t *remote, uintptr_t at)
{
    apr_size_t low = 0, high = remote->range_count;

    while (low < high) {
        apr_size_t middle = (low + high) / 2;
        const pst_range_t *range = &remote->ranges[middle];

        if (at < range->from) {
            high = middle;
        }
        else if (at >= range->to) {
            low = middle + 1;
        }
        else {
            return range;
        }
    }
    return NULL;
}

/* Is all of it readable and, if asked for, private and writable? Also across adjacent mappings, which a heap has
 * if it grew after a fork. */
static int covers(const pst_remote_t *remote, uintptr_t at, apr_size_t size, int is_private)
{
    const pst_range_t *range = search_ranges(remote, at), *end = remote->ranges + remote->range_count;
    uintptr_t last = at + size;

    if (!range || !size || last < at) {
        return 0;
    }
    for (;; range++) {
        if (!range->readable || (is_private && (!range->writable || range->shared))) {
            return 0;
        }
        if (last <= range->to) {
            return 1;
        }
        if (range + 1 == end || range[1].from != range->to) {
            return 0;
        }
    }
}

/* May there be new mappings? Then read them again, but not for every wild pointer. */
static int look_again(pst_remote_t *remote, uintptr_t at)
{
    return at >= 4096 && !remote->late && !remote->gone && apr_time_now() - remote->looked > LOOK_AGAIN
           && pst_remote_look(remote) == APR_SUCCESS;
}

const pst_range_t *pst_remote_range(pst_remote_t *remote, uintptr_t at)
{
    const pst_range_t *range = search_ranges(remote, at);

    return range || !look_again(remote, at) ? range : search_ranges(remote, at);
}

int pst_remote_is_readable(pst_remote_t *remote, uintptr_t at, apr_size_t size)
{
    return covers(remote, at, size, 0) || (look_again(remote, at) && covers(remote, at, size, 0));
}

int pst_remote_is_private(pst_remote_t *remote, uintptr_t at, apr_size_t size)
{
    return covers(remote, at, size, 1) || (look_again(remote, at) && covers(remote, at, size, 1));
}

int pst_remote_in_time(pst_remote_t *remote)
{
    if (!remote->late && apr_time_now() > remote->deadline) {
        remote->late = 1;
    }
    return !remote->late;
}

/* @return bytes read, counted from the start of the pieces */
static apr_size_t copy_pieces(pst_remote_t *remote, const struct iovec *to, const struct iovec *from,
                              unsigned long count)
{
    ssize_t done = process_vm_readv(remote->pid, to, count, from, count, 0);

    remote->calls++;
    if (done < 0) {
        if (errno == ESRCH) {
            remote->gone = 1;
        }
        return 0;
    }
    remote->bytes += (uint64_t)done;
    return (apr_size_t)done;
}

int pst_remote_read(pst_remote_t *remote, uintptr_t at, void *to, apr_size_t size)
{
    /* cppcheck-suppress ctuuninitvar; it is filled in */
    struct iovec into = { to, size }, from = { (void *)at, size };

    return !remote->gone && pst_remote_in_time(remote) && pst_remote_is_readable(remote, at, size)
           && copy_pieces(remote, &into, &from, 1) == size;
}

/* The kernel stops at the first piece that it cannot read: the rest is requested again. */
void pst_remote_read_many(pst_remote_t *remote, pst_piece_read_t *pieces, apr_size_t count)
{
    struct iovec to[BATCH], from[BATCH];
    apr_size_t next = 0, i, n, done;

    for (i = 0; i < count; i++) {
        pieces[i].done = 0;
    }
    while (next < count && !remote->gone && pst_remote_in_time(remote)) {
        n = count - next < BATCH ? count - next : BATCH;
        for (i = 0; i < n; i++) {
            to[i].iov_base = pieces[next + i].to;
            from[i].iov_base = (void *)pieces[next + i].at;
            to[i].iov_len = from[i].iov_len = pieces[next + i].size;
        }
        done = copy_pieces(remote, to, from, n);
        for (i = 0; i < n && done >= pieces[next].size; i++, next++) {
            done -= pieces[next].size;
            pieces[next].done = 1;
        }
        if (i < n) {
            next++;
        }
    }
}

int pst_remote_text(pst_remote_t *remote, uintptr_t at, char *to, apr_size_t size)
{
    apr_size_t used = 0, piece;
    const char *end;

    to[0] = '\0';
    while (used < size - 1) {
        piece = 4096 - ((at + used) & 4095);    /* what follows may not be mapped */
        piece = piece < size - 1 - used ? piece : size - 1 - used;
        piece = piece < 64 ? piece : 64;
        if (!pst_remote_read(remote, at + used, to + used, piece)) {
            to[used] = '\0';
            return used ? (int)used : -1;
        }
        end = memchr(to + used, '\0', piece);
        if (end) {
            return (int)(end - to);
        }
        used += piece;
    }
    to[used] = '\0';
    return (int)used;
}

/* "NSpid:	4711	12": its id here, and in each nested namespace, down to its own. */
apr_uint32_t pst_remote_own_id(apr_uint32_t pid)
{
    char text[8192], *line, *end;
    apr_uint32_t own = pid;

    line = read_small_of(pid, "status", text, sizeof(text)) ? strstr(text, "\nNSpid:") : NULL;
    for (line = line ? line + sizeof("\nNSpid:") - 1 : NULL; line && *line == '\t'; line = end) {
        unsigned long number = strtoul(line + 1, &end, 10);

        if (end == line + 1 || number == 0 || number > APR_INT32_MAX) {
            return own;
        }
        own = (apr_uint32_t)number;
    }
    return own;
}

apr_status_t pst_remote_open(pst_remote_t **opened, pid_t pid, apr_time_t limit, const char **why, apr_pool_t *pool)
{
    pst_remote_t *remote = apr_pcalloc(pool, sizeof(*remote));
    apr_size_t i = 0;
    apr_status_t rv;
    char byte = 0;

    *opened = remote;
    remote->pid = pid;
    remote->pool = pool;
    remote->deadline = apr_time_now() + limit;
    remote->started = start_of(pid);
    apr_pool_create(&remote->maps_pool, pool);
    if (!remote->started) {
        *why = "there is no such process";
        return APR_ENOENT;
    }
    rv = pst_remote_look(remote);
    while (i + 1 < remote->range_count && !remote->ranges[i].readable) {
        i++;
    }
    errno = 0;
    if (rv == APR_SUCCESS && !pst_remote_read(remote, remote->ranges[i].from, &byte, 1)) {
        switch (errno) {
        case EPERM:  rv = APR_EACCES; break;
        case ENOSYS: rv = APR_ENOTIMPL; break;
        default:     rv = APR_ENOENT; break;
        }
    }
    if (APR_STATUS_IS_EACCES(rv) || rv == EPERM) {
        *why = geteuid() ? "its memory may be read by root, or by its own user where it allows core dumps"
                         : "its memory may not be read, not even by root: the system keeps it to itself";
        return APR_EACCES;
    }
    if (rv == APR_ENOTIMPL) {
        *why = "this kernel has no process_vm_readv()";
    }
    else if (rv != APR_SUCCESS) {
        *why = "it has no memory to read: it ended, or belongs to the kernel";
        return APR_ENOENT;
    }
    return rv;
}
