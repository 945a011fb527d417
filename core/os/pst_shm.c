/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_shm.h.  Lines of maps, and head lines of smaps: "from-to perms offset major:minor inode   name".
 */
#include "pst_shm.h"
#include "pst_proc.h"
#include "pst_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_A_TIME 4096
#define READS_MOST     4096     /* 16 MiB of text */

static apr_uint64_t hex(char **at, char end)
{
    char *from = *at;
    unsigned long long value = strtoull(from, at, 16);

    if (*at == from || **at != end) {
        *at = NULL;
        return 0;
    }
    (*at)++;
    return value;
}

static pst_shm_t *shm_of(pst_shm_reader_t *reader, apr_uint64_t device, apr_uint64_t inode)
{
    for (unsigned i = 0; i < reader->count; i++) {
        if (reader->to[i].inode == inode && reader->to[i].device == device) {
            return &reader->to[i];
        }
    }
    if (reader->count == reader->room) {
        reader->more++;
        return NULL;
    }
    memset(&reader->to[reader->count], 0, sizeof(reader->to[0]));
    return &reader->to[reader->count++];
}

/* @return 0: it is not the head of a mapping */
static int read_head(pst_shm_reader_t *reader, char *line)
{
    char *at = line, *name;
    apr_uint64_t from = hex(&at, '-'), to = at ? hex(&at, ' ') : 0, major, minor, inode;
    int shared = at && strnlen(at, 5) == 5 && at[3] == 's' && at[4] == ' ';

    if (!at || to <= from) {
        return 0;
    }
    reader->now = NULL;
    at += shared ? 5 : 0;
    if (!shared || (hex(&at, ' '), !at)) {
        return 1;
    }
    major = hex(&at, ':');
    minor = at ? hex(&at, ' ') : 0;
    if (!at) {
        return 1;
    }
    inode = strtoull(at, &at, 10);
    reader->now = shm_of(reader, major << 32 | minor, inode);
    if (reader->now) {
        reader->now->from = reader->now->inode ? reader->now->from : from;
        reader->now->device = major << 32 | minor;
        reader->now->inode = inode;
        reader->now->bytes += to - from;
        name = at + strspn(at, " ");
        name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
        pst_cut(reader->now->name, sizeof(reader->now->name), name);
    }
    return 1;
}

static void read_figure(pst_shm_reader_t *reader, const char *line)
{
    unsigned long long kib;

    if (!reader->now || (strncmp(line, "Rss:", 4) != 0 && strncmp(line, "Pss:", 4) != 0)) {
        return;
    }
    kib = strtoull(line + 4, NULL, 10);
    if (kib < (1ULL << 40)) {
        *(line[0] == 'R' ? &reader->now->rss : &reader->now->pss) += kib * 1024;
    }
}

void pst_shm_feed(pst_shm_reader_t *reader, const char *text, apr_size_t len)
{
    for (apr_size_t i = 0; i < len; i++) {
        if (text[i] != '\n') {
            if (reader->len < sizeof(reader->line) - 1) {
                reader->line[reader->len++] = text[i];
            }
            continue;
        }
        reader->line[reader->len] = '\0';
        reader->len = 0;
        if (!read_head(reader, reader->line)) {
            read_figure(reader, reader->line);
        }
    }
}

apr_status_t pst_shm_read(pst_shm_reader_t *reader, int resident)
{
    char text[READ_AT_A_TIME];
    int fd = pst_proc_open_of(0, resident ? "smaps" : "maps");
    apr_ssize_t got = -1;
    apr_status_t rv;

    reader->count = reader->more = reader->len = 0;
    reader->now = NULL;
    if (fd < 0) {
        return errno;
    }
    for (unsigned i = 0; i < READS_MOST && (got = pst_proc_read(fd, text, sizeof(text))) > 0; i++) {
        pst_shm_feed(reader, text, (apr_size_t)got);
    }
    rv = got < 0 ? errno : APR_SUCCESS;
    close(fd);
    return rv;
}
