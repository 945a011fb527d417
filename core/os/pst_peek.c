/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_peek.h.
 */
#include "pst_peek.h"
#include "pst_proc.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

apr_uint64_t pst_page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);

    return size > 0 ? (apr_uint64_t)size : 4096;
}

int pst_peek(void *to, apr_uint64_t from, apr_size_t size)
{
    struct iovec here = { to, size }, there = { (void *)(apr_uintptr_t)from, size };

    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

int pst_there_by_pagemap(apr_uint32_t pid, apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes)
{
    apr_uint64_t entries[512], page = pst_page_size(), pages = (to - from) / page, at = from / page;
    int fd = pst_proc_open_of(pid, "pagemap"), good = fd >= 0;

    *bytes = 0;
    while (good && pages) {
        apr_size_t count = pages < 512 ? (apr_size_t)pages : 512;

        good = pread(fd, entries, count * sizeof(entries[0]), (off_t)(at * sizeof(entries[0])))
               == (ssize_t)(count * sizeof(entries[0]));
        for (apr_size_t i = 0; good && i < count; i++) {
            *bytes += entries[i] >> 62 ? page : 0;
        }
        pages -= count;
        at += count;
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

int pst_there_by_mincore(apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes)
{
    unsigned char pages[4096];
    apr_uint64_t page = pst_page_size(), step = page * sizeof(pages);

    *bytes = 0;
    for (apr_uint64_t at = from; at < to; at += step) {
        apr_size_t count = (apr_size_t)((to - at < step ? to - at : step) / page);

        if (mincore((void *)(apr_uintptr_t)at, count * page, pages) != 0) {
            return 0;
        }
        for (apr_size_t i = 0; i < count; i++) {
            *bytes += pages[i] & 1 ? page : 0;
        }
    }
    return 1;
}

int pst_there(apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes)
{
    return to - from <= PST_THERE_MOST
           && (pst_there_by_pagemap(0, from, to, bytes) || pst_there_by_mincore(from, to, bytes));
}
