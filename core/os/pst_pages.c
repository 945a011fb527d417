/* SPDX-License-Identifier: Apache-2.0
 *
 * The mappings of this process: see the header.
 *
 * Lines are parsed by hand into a list with room for all: it is mapped, and only the part written takes memory. A
 * file that ends in the middle of a line, cannot be read to its end, or has no lines (a /proc with other rights)
 * gives no list.
 */
#include "pst_pages.h"
#include "pst_proc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_AT_ONCE 4096

/* Parser state: a line is read character by character. */
typedef struct {
    pst_pages_t      *pages;
    pst_pages_range_t range;
    int               place;    /* 0 from, 1 to, 2 to 5 rights, 6 the rest of the line */
    int               wrong;
    int               full;
} reader_t;

static void add_range(reader_t *reader)
{
    pst_pages_t *pages = reader->pages;
    pst_pages_range_t *last = pages->count ? &pages->at[pages->count - 1] : NULL;

    if (reader->place != 6 || reader->range.from >= reader->range.to
        || (last && reader->range.from < last->to)) {
        reader->wrong = 1;
    }
    else if (last && last->to == reader->range.from && last->rights == reader->range.rights) {
        last->to = reader->range.to;
    }
    else if (pages->count == PST_PAGES_MOST) {
        reader->full = 1;
    }
    else {
        pages->at[pages->count++] = reader->range;
    }
    memset(&reader->range, 0, sizeof(reader->range));
    reader->place = 0;
}

static void digit(reader_t *reader, apr_uintptr_t *to, char c, char end)
{
    if (c == end) {
        reader->place++;
    }
    else if (c >= '0' && c <= '9') {
        *to = *to << 4 | (apr_uintptr_t)(c - '0');
    }
    else if (c >= 'a' && c <= 'f') {
        *to = *to << 4 | (apr_uintptr_t)(c - 'a' + 10);
    }
    else {
        reader->wrong = 1;
    }
}

static void take_char(reader_t *reader, char c)
{
    static const char letters[] = "rwxp";

    if (reader->place == 0) {
        digit(reader, &reader->range.from, c, '-');
    }
    else if (reader->place == 1) {
        digit(reader, &reader->range.to, c, ' ');
    }
    else if (reader->place < 6) {
        if (c == letters[reader->place - 2]) {
            reader->range.rights |= 1u << (reader->place - 2);
        }
        reader->place++;
    }
}

/* @return APR_SUCCESS at the end of the file */
static apr_status_t read_maps(reader_t *reader, int fd)
{
    char text[READ_AT_ONCE];
    apr_ssize_t got, i;

    for (;;) {
        got = pst_proc_read(fd, text, sizeof(text));
        if (got <= 0) {
            return got ? errno : APR_SUCCESS;
        }
        for (i = 0; i < got && !reader->wrong && !reader->full; i++) {
            if (text[i] == '\n') {
                add_range(reader);
            }
            else {
                take_char(reader, text[i]);
            }
        }
        if (reader->wrong || reader->full) {
            return APR_SUCCESS;
        }
    }
}

static const char *judge_reading(const reader_t *reader, apr_status_t rv)
{
    if (rv != APR_SUCCESS) {
        return "/proc/self/maps cannot be read to its end";
    }
    if (reader->full) {
        return "this process has more mappings than are looked at";
    }
    if (reader->wrong || reader->place || !reader->pages->count) {
        return "/proc/self/maps does not list the mappings of this process";
    }
    return NULL;
}

apr_status_t pst_pages_take(pst_pages_t *pages, const char **why)
{
    reader_t reader = { .pages = pages };
    apr_status_t rv;
    int fd;

    memset(pages, 0, sizeof(*pages));
    fd = pst_proc_open("/proc/self/maps");
    if (fd < 0) {
        rv = errno;
        *why = "/proc/self/maps cannot be opened";
        return rv;
    }
    pages->at = mmap(NULL, PST_PAGES_MOST * sizeof(pages->at[0]), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages->at == MAP_FAILED) {
        pages->at = NULL;
        close(fd);
        *why = "there is no memory for the list of its mappings";
        return APR_ENOMEM;
    }
    rv = read_maps(&reader, fd);
    close(fd);
    *why = judge_reading(&reader, rv);
    if (*why) {
        pst_pages_drop(pages);
        return rv ? rv : APR_EINCOMPLETE;
    }
    return APR_SUCCESS;
}

unsigned pst_pages_rights(const pst_pages_t *pages, apr_uintptr_t from, apr_size_t size)
{
    apr_size_t low = 0, high = pages->count;
    unsigned rights = PST_PAGES_READ | PST_PAGES_WRITE | PST_PAGES_EXEC | PST_PAGES_OWN;
    apr_uintptr_t end = from + size;

    if (!size || end < from) {
        return 0;
    }
    while (low < high) {
        apr_size_t middle = (low + high) / 2;

        if (from >= pages->at[middle].to) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    for (; low < pages->count && pages->at[low].from <= from; low++) {
        rights &= pages->at[low].rights;
        if (end <= pages->at[low].to) {
            return rights;
        }
        from = pages->at[low].to;
    }
    return 0;
}

void pst_pages_drop(pst_pages_t *pages)
{
    if (pages->at) {
        munmap(pages->at, PST_PAGES_MOST * sizeof(pages->at[0]));
    }
    memset(pages, 0, sizeof(*pages));
}
