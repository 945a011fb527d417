/* SPDX-License-Identifier: Apache-2.0
 *
 * The process heap.  See pst_heap.h.  Entry points are looked up by name, at run time: none of the allocators is
 * linked in; the one present was chosen by whoever started httpd.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_heap.h"
#include "pst_memory.h"
#include "pst_object.h"
#include "pst_peek.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int (*mallctl_fn)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
typedef int (*tc_property_fn)(const char *name, size_t *value);
typedef void (*tc_release_fn)(void);
typedef void (*mi_info_fn)(size_t *elapsed, size_t *user, size_t *system, size_t *rss, size_t *peak_rss,
                           size_t *commit, size_t *peak_commit, size_t *faults);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
typedef struct mallinfo2 (*mallinfo_fn)(void);
#else
typedef struct mallinfo (*mallinfo_fn)(void);
#endif
typedef int (*trim_fn)(size_t pad);

static struct {
    pst_heap_e     kind;
    mallinfo_fn    mallinfo;
    trim_fn        trim;
    mallctl_fn     mallctl;
    tc_property_fn tc_property;
    tc_release_fn  tc_release;
    mi_info_fn     mi_info;
} g;

/* -- recognising ------------------------------------------------------------ */

/* An entry point, if it comes from the object that malloc comes from. */
static void *entry(const char *name, apr_uint64_t object)
{
    void *at = dlsym(RTLD_DEFAULT, name);

    return at && object && pst_object_of(at) == object ? at : NULL;
}

/* ISO C has no cast from an object's address to a function's; POSIX guarantees it for dlsym(). */
#define ENTRY(to, name, object) \
    do { \
        void *at_ = entry((name), (object)); \
        memcpy(&(to), &at_, sizeof(at_)); \
    } while (0)

void pst_heap_recognise(void)
{
    apr_uint64_t object = pst_object_of(dlsym(RTLD_DEFAULT, "malloc"));

    memset(&g, 0, sizeof(g));
    ENTRY(g.mallctl, "mallctl", object);
    ENTRY(g.tc_property, "MallocExtension_GetNumericProperty", object);
    ENTRY(g.tc_release, "MallocExtension_ReleaseFreeMemory", object);
    ENTRY(g.mi_info, "mi_process_info", object);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    ENTRY(g.mallinfo, "mallinfo2", object);
#endif
    ENTRY(g.trim, "malloc_trim", object);
    /* glibc's come last: other allocators offer the same names */
    g.kind = PST_HEAP_UNKNOWN;
    if (g.mallctl) {
        g.kind = PST_HEAP_JEMALLOC;
    }
    else if (g.tc_property) {
        g.kind = PST_HEAP_TCMALLOC;
    }
    else if (g.mi_info) {
        g.kind = PST_HEAP_MIMALLOC;
    }
    else if (g.trim && entry("gnu_get_libc_version", object)) {
        g.kind = PST_HEAP_GLIBC;
    }
}

pst_heap_e pst_heap_kind(void)
{
    return g.kind;
}

pst_heap_tells_e pst_heap_tells(void)
{
    switch (g.kind) {
    case PST_HEAP_GLIBC: return g.mallinfo ? PST_HEAP_TELLS_BOTH : PST_HEAP_TELLS_NOTHING;
    case PST_HEAP_JEMALLOC:
    case PST_HEAP_TCMALLOC: return PST_HEAP_TELLS_BOTH;
    case PST_HEAP_MIMALLOC: return PST_HEAP_TELLS_SUM;
    default: return PST_HEAP_TELLS_NOTHING;
    }
}

/* -- querying --------------------------------------------------------------- */

/* Freed blocks that a thread keeps for itself (tcache: seven of each size up to a kilobyte) count as in use. */
static apr_status_t ask_glibc(pst_heap_figures_t *figures)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info;

    if (!g.mallinfo) {
        return APR_ENOTIMPL;
    }
    info = g.mallinfo();
    figures->in_use = (apr_uint64_t)info.uordblks + info.hblkhd;
    figures->free = info.fordblks;      /* present or not */
    figures->mapped = (apr_uint64_t)info.arena + info.hblkhd;
    return APR_SUCCESS;
#else
    (void)figures;
    return APR_ENOTIMPL;
#endif
}

static size_t je_figure(const char *name)
{
    size_t value = 0, size = sizeof(value);

    return g.mallctl(name, &value, &size, NULL, 0) == 0 && size == sizeof(value) ? value : 0;
}

/* Its figures are only refreshed when the epoch is advanced. */
static apr_status_t ask_jemalloc(pst_heap_figures_t *figures)
{
    apr_uint64_t epoch = 1;
    unsigned arenas = 0;
    size_t size = sizeof(arenas), resident, used;

    g.mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
    used = je_figure("stats.allocated");
    resident = je_figure("stats.resident");
    if (!used || !resident) {
        return APR_ENOTIMPL;    /* built without statistics */
    }
    figures->in_use = used;
    figures->free = resident > used ? resident - used : 0;
    figures->mapped = (apr_uint64_t)je_figure("stats.mapped") + je_figure("stats.retained");
    figures->arenas = g.mallctl("arenas.narenas", &arenas, &size, NULL, 0) == 0 ? arenas : 0;
    return APR_SUCCESS;
}

static size_t tc_figure(const char *name)
{
    size_t value = 0;

    return g.tc_property(name, &value) ? value : 0;
}

static apr_status_t ask_tcmalloc(pst_heap_figures_t *figures)
{
    apr_uint64_t used = tc_figure("generic.current_allocated_bytes"), all = tc_figure("generic.heap_size"),
                 given_back = tc_figure("tcmalloc.pageheap_unmapped_bytes");

    figures->in_use = used;
    figures->free = all > used + given_back ? all - used - given_back : 0;
    figures->mapped = all;      /* including what was released, but not its own tables */
    figures->mapped_is_least = 1;
    return used ? APR_SUCCESS : APR_ENOTIMPL;
}

/* It knows what it has committed, but not how much of that is in use. */
static apr_status_t ask_mimalloc(pst_heap_figures_t *figures)
{
    size_t unused, commit = 0;

    g.mi_info(&unused, &unused, &unused, &unused, &unused, &commit, &unused, &unused);
    figures->in_use = figures->mapped = commit;     /* it may have reserved more */
    figures->mapped_is_least = 1;
    return commit ? APR_SUCCESS : APR_ENOTIMPL;
}

apr_status_t pst_heap_ask(pst_heap_figures_t *figures)
{
    memset(figures, 0, sizeof(*figures));
    switch (g.kind) {
    case PST_HEAP_GLIBC: return ask_glibc(figures);
    case PST_HEAP_JEMALLOC: return ask_jemalloc(figures);
    case PST_HEAP_TCMALLOC: return ask_tcmalloc(figures);
    case PST_HEAP_MIMALLOC: return ask_mimalloc(figures);
    default: return APR_ENOTIMPL;
    }
}

/* -- glibc's arenas --------------------------------------------------------- */

/*
 * Apart from the main arena, which grows by brk(), each arena is in heaps of 64 MB, at multiples of that (HEAP_MAX_SIZE
 * in malloc/arena.c, glibc 2.36; 2 * DEFAULT_MMAP_THRESHOLD_MAX).  A heap starts with the fields that heap_info has
 * had first in all of glibc 2: the arena, the previous heap, its size, how much of it is mapped for use.  An arena
 * directly follows the head of its first heap, which has no predecessor.
 */
#define HEAP_MAX  (APR_UINT64_C(64) << 20)
#define HEAD_MOST 4096
#define LOOK_MOST 16384

static int is_heap_head(apr_uint64_t at, const apr_uint64_t head[4], int *first)
{
    apr_uint64_t arena = head[0], before = head[1], size = head[2], mapped = head[3];

    *first = arena > at && arena - at < HEAD_MOST && !before;
    return arena && arena % 8 == 0 && (*first || (before && before % HEAP_MAX == 0)) && size && size <= mapped
           && mapped <= HEAP_MAX && mapped % 4096 == 0;
}

/* The main arena, which ends at the current break. */
static int is_main(apr_uint64_t from, apr_uint64_t to)
{
    apr_uint64_t end = (apr_uint64_t)(apr_uintptr_t)sbrk(0);

    return from < end && end <= to;
}

/* The present part of arenas with `size` bytes in `mapped`: all that is present of the piece, if they fill it. */
static apr_uint64_t there_of(apr_uint64_t at, apr_uint64_t mapped, apr_uint64_t size, int alone, apr_uint64_t there)
{
    apr_uint64_t bytes = there;

    if (!alone && !pst_there(at, at + mapped, &bytes)) {
        bytes = size;
    }
    return bytes < size ? bytes : size;
}

void pst_heap_find_arenas(void *baton, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there)
{
    pst_heap_arenas_t *found = baton;
    apr_uint64_t at = (from + HEAP_MAX - 1) / HEAP_MAX * HEAP_MAX, head[4];
    int first;

    if (g.kind != PST_HEAP_GLIBC || sizeof(void *) != 8) {
        return;
    }
    if (is_main(from, to)) {
        found->absent += to - from - (there < to - from ? there : to - from);
        return;
    }
    for (; at >= from && at < to && to - at >= sizeof(head) && found->looked < LOOK_MOST; at += HEAP_MAX) {
        found->looked++;
        if (pst_peek(head, at, sizeof(head)) && is_heap_head(at, head, &first)) {
            found->arenas += (apr_uint64_t)first;
            found->beyond += head[3] - head[2];
            found->absent += head[2] - there_of(at, head[3], head[2], at == from && head[3] == to - from, there);
        }
    }
}

/* -- releasing -------------------------------------------------------------- */

int pst_heap_gives(apr_uint32_t kind)
{
    return kind == PST_HEAP_GLIBC || kind == PST_HEAP_JEMALLOC || kind == PST_HEAP_TCMALLOC;
}

/* By the kernel's own counters: measuring a release must not cost more than the release. */
static apr_uint64_t present(void)
{
    pst_memory_sum_t sum;

    return pst_memory_count(&sum, 0) == APR_SUCCESS ? sum.rss + sum.swap : 0;
}

/* MALLCTL_ARENAS_ALL: 4096 in jemalloc 5. */
static int purge_jemalloc(void)
{
    return g.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0;
}

apr_status_t pst_heap_release(apr_uint64_t *bytes)
{
    apr_uint64_t before, after;
    int asked = 0;

    *bytes = 0;
    if (!pst_heap_gives(g.kind)) {
        return APR_ENOTIMPL;
    }
    before = present();
    switch (g.kind) {
    case PST_HEAP_GLIBC:
        asked = g.trim != NULL;
        if (asked) {
            g.trim(0);
        }
        break;
    case PST_HEAP_JEMALLOC:
        asked = purge_jemalloc();
        break;
    case PST_HEAP_TCMALLOC:
        asked = g.tc_release != NULL;
        if (asked) {
            g.tc_release();
        }
        break;
    default:
        break;
    }
    after = present();
    *bytes = asked && before > after ? before - after : 0;
    return asked ? APR_SUCCESS : APR_ENOTIMPL;
}
