/* SPDX-License-Identifier: Apache-2.0
 *
 * All nodes of another process: see the header.
 */
#include "pst_search.h"
#include "pst_chunks.h"
#include "pst_forest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE        4096u
#define BATCH       512u                /* pages read by one call */
#define MAX_PAGES   (8u << 20)          /* 32 GB */
#define MAX_FOUND   (1u << 22)
#define TIME        apr_time_from_sec(5)
#define MAX_RANGE   (UINT64_C(1) << 38) /* larger ones are shadow memory of sanitizers, with few pages present */
#define PRESENT     (UINT64_C(1) << 63) /* Documentation/admin-guide/mm/pagemap.rst */
#define SWAPPED     (UINT64_C(1) << 62)

typedef struct {
    pst_remote_t *remote;
    pst_search_t *search;
    int           pagemap;              /* -1: every page is read */
    uintptr_t     waiting[BATCH];
    uint32_t      count;
    apr_size_t    stride;               /* a page, or what malloc aligns to */
    apr_time_t    until;
} look_t;

static void take_found(look_t *look, uintptr_t at, const pst_pool_copy_t *copy)
{
    pst_search_t *search = look->search;
    uintptr_t end = (uintptr_t)copy->node.endp, avail = (uintptr_t)copy->node.first_avail;
    pst_found_t *found;

    if (end <= at || (end - at) % PAGE != 0 || end - at != ((apr_size_t)copy->node.index + 1) * PAGE
        || end - at < 2 * PAGE || avail < at + APR_MEMNODE_T_SIZE || avail > end
        || !pst_remote_is_private(look->remote, at, end - at)) {
        return;
    }
    if (search->count == search->room) {
        uint32_t room = search->room ? search->room * 2 : 1024;

        found = search->count < MAX_FOUND ? realloc(search->found, (size_t)room * sizeof(*found)) : NULL;
        if (!found) {
            search->cut = 1;
            return;
        }
        search->found = found;
        search->room = room;
    }
    found = &search->found[search->count++];
    found->at = at;
    found->size = end - at;
    memcpy(found->first, &copy->pool, sizeof(found->first));
    found->state = look->stride == PAGE ? PST_FOUND_LIVE : PST_FOUND_UNKNOWN;
    found->third = (uintptr_t)copy->pool.sibling;
    found->rootlike = (uintptr_t)copy->pool.self == at && !copy->pool.parent && !copy->pool.sibling && !copy->pool.ref
                      && copy->pool.allocator;
}

/* Search the collected pages: the beginning of each or, if nodes may begin anywhere, all of it and a bit of the
 * next. */
static void look_at_waiting(look_t *look)
{
    const apr_size_t size = look->stride == PAGE ? sizeof(pst_pool_copy_t) : PAGE + sizeof(pst_pool_copy_t);
    pst_piece_read_t *pieces = malloc(look->count * sizeof(*pieces) + 1);
    char *bytes = malloc(look->count * size + 1);
    pst_pool_copy_t copy;
    apr_size_t offset;
    uint32_t i;

    for (i = 0; pieces && bytes && i < look->count; i++) {
        pieces[i] = (pst_piece_read_t){ look->waiting[i], bytes + i * size, size, 0 };
        if (size > PAGE && !pst_remote_is_readable(look->remote, look->waiting[i], size)) {
            pieces[i].size = PAGE;
            memset(bytes + i * size + PAGE, 0, size - PAGE);
        }
    }
    if (pieces && bytes) {
        pst_remote_read_many(look->remote, pieces, look->count);
    }
    for (i = 0; pieces && bytes && i < look->count; i++) {
        for (offset = 0; pieces[i].done && offset < PAGE; offset += look->stride) {
            memcpy(&copy, bytes + i * size + offset, sizeof(copy));
            take_found(look, look->waiting[i] + offset, &copy);
        }
    }
    look->search->pages += look->count;
    look->count = 0;
    free(pieces);
    free(bytes);
}

static void look_at_range(look_t *look, uintptr_t from, uintptr_t to)
{
    uint64_t states[BATCH];
    uintptr_t at = from;
    apr_size_t n, i;

    while (at < to && !look->search->cut && !look->remote->late && !look->remote->gone) {
        n = (to - at) / PAGE < BATCH ? (to - at) / PAGE : BATCH;
        if (look->pagemap < 0
            || pread(look->pagemap, states, n * sizeof(states[0]), (off_t)(at / PAGE * sizeof(states[0])))
                   != (ssize_t)(n * sizeof(states[0]))) {
            for (i = 0; i < n; i++) {
                states[i] = PRESENT;
            }
        }
        for (i = 0; i < n; i++, at += PAGE) {
            if (states[i] & PRESENT) {
                look->waiting[look->count++] = at;
                if (look->count == BATCH) {
                    look_at_waiting(look);
                }
            }
            else if (states[i] & SWAPPED) {
                look->search->swapped++;
            }
        }
        if (look->search->pages > MAX_PAGES || apr_time_now() > look->until) {
            look->search->cut = 1;
        }
    }
}

static int by_pool_address(const void *one, const void *two)
{
    const pst_found_t *a = one, *b = two;

    return (a->at > b->at) - (a->at < b->at);
}

/* Leave out dead nodes: they have no owner. */
static void leave_out_dead(pst_search_t *search)
{
    uint32_t i, kept = 0;

    for (i = 0; i < search->count; i++) {
        if (search->found[i].state != PST_FOUND_DEAD) {
            search->found[kept++] = search->found[i];
        }
    }
    search->dead = search->count - kept;
    search->count = kept;
}

/* With 32-bit addresses, all are. */
static int is_searched(apr_uint64_t size)
{
    return size <= MAX_RANGE;
}

void pst_search(pst_remote_t *remote, uintptr_t example, pst_search_t *search)
{
    look_t look = { .remote = remote, .search = search, .until = apr_time_now() + TIME };
    struct { uintptr_t from, to; } *ranges;
    apr_size_t i, count = 0;
    char path[64];

    memset(search, 0, sizeof(*search));
    look.stride = example % PAGE == 0 ? PAGE : 16;
    snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)remote->pid);
    look.pagemap = open(path, O_RDONLY | O_CLOEXEC);
    /* a look may read the mappings again, so use a copy */
    ranges = malloc(remote->range_count * sizeof(*ranges) + 1);
    for (i = 0; ranges && i < remote->range_count; i++) {
        const pst_range_t *range = &remote->ranges[i];

        /* without a file; named ones are stacks and the kernel's, except the heap and those that prctl() named
         * "[anon:" */
        if (range->readable && range->writable && !range->shared && !range->inode
            && is_searched(range->to - range->from)
            && (!range->path[0] || strcmp(range->path, "[heap]") == 0 || strncmp(range->path, "[anon", 5) == 0)) {
            ranges[count].from = range->from;
            ranges[count++].to = range->to;
        }
    }
    for (i = 0; i < count; i++) {
        look_at_range(&look, ranges[i].from, ranges[i].to);
    }
    look_at_waiting(&look);
    if (!ranges || remote->late) {
        search->cut = 1;
    }
    if (search->count) {
        qsort(search->found, search->count, sizeof(search->found[0]), by_pool_address);
    }
    if (look.stride != PAGE) {
        pst_chunks_judge(remote, search);
        leave_out_dead(search);
    }
    free(ranges);
    if (look.pagemap >= 0) {
        close(look.pagemap);
    }
}

void pst_search_free(pst_search_t *search)
{
    free(search->found);
    memset(search, 0, sizeof(*search));
}
