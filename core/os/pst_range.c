/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_range.h.
 */
#include "pst_range.h"
#include "pst_clock.h"

#include <apr_errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* Sizes to try, largest first. */
#define LARGEST ((apr_size_t)1 << 28)
#define LEAST   ((apr_size_t)1 << 22)

/* Maximum share of a limited address space: one part in this many. */
#define SHARE 64

/* Each run and the page behind it are two kernel mappings, of which 65,530 are allowed. */
#define RUNS_MOST 8192

/* Pages examined when one is taken. */
#define LOOK_MOST 8192u

/* The same per second when looking for old runs: once round in a minute. */
#define OLD_MOST 1024u

/* What is known about a page. In all pages of a run except the first, `first` points to that. */
typedef struct {
    apr_uint32_t owner;         /* of the run */
    apr_uint32_t first;         /* page that the run begins with */
    apr_uint32_t pages;         /* of the run; in its first page */
    apr_uint32_t ended;         /* atomic: seconds; in its first page; 0: it has not, or somebody frees it */
    apr_byte_t   is;            /* atomic: pst_range_e */
    apr_byte_t   counted;       /* in its first page */
} page_t;

struct pst_range_t pst_range;

static struct {
    page_t       *pages;
    apr_uint32_t  count;        /* pages: a power of two */
    apr_uint32_t  hand;         /* atomic: where the next is taken, modulo count */
    apr_uint32_t  finger;       /* atomic: where the next is freed, modulo count */
    apr_uint32_t  broom;        /* atomic: where to look for the next old run, modulo count */
    apr_uint32_t  runs;         /* atomic */
    apr_size_t    quarantine;   /* atomic: bytes */
    apr_size_t    most;         /* its limit in bytes */
    pst_range_freed_fn *freed;
} g;

static void *map_closed(void *at, apr_size_t size, int flags)
{
    return mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* If the address space is limited it may be just enough for threads yet to be created. */
static apr_size_t allowed(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur < LEAST * SHARE) {
        return 0;
    }
    return limit.rlim_cur == RLIM_INFINITY ? LARGEST : LEAST;
}

apr_status_t pst_range_reserve(pst_range_freed_fn *freed)
{
    apr_size_t size = LARGEST, most = allowed();
    void *at = MAP_FAILED, *pages;

    if (pst_range.size) {
        return APR_SUCCESS;
    }
    for (; size >= LEAST && at == MAP_FAILED; size /= 2) {
        at = size <= most ? map_closed(NULL, size, 0) : MAP_FAILED;
        if (at != MAP_FAILED) {
            break;
        }
    }
    if (at == MAP_FAILED) {
        return APR_ENOMEM;
    }
    g.count = (apr_uint32_t)(size / PST_RANGE_PAGE);
    pages = mmap(NULL, g.count * sizeof(page_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    if (pages == MAP_FAILED) {
        munmap(at, size);
        return APR_ENOMEM;
    }
    madvise(at, size, MADV_NOHUGEPAGE);
    g.pages = pages;
    g.freed = freed;
    pst_range.base = (apr_uintptr_t)at;
    __atomic_store_n(&pst_range.size, size, __ATOMIC_RELEASE);
    return APR_SUCCESS;
}

void pst_range_limit(apr_size_t quarantine)
{
    g.most = quarantine < pst_range.size / 2 ? quarantine : pst_range.size / 2;
}

static apr_uint32_t page_of(const void *at)
{
    return (apr_uint32_t)(((apr_uintptr_t)at - pst_range.base) / PST_RANGE_PAGE);
}

static void *address_of(apr_uint32_t page)
{
    return (void *)(pst_range.base + (apr_size_t)page * PST_RANGE_PAGE);
}

static pst_range_e is_now(apr_uint32_t page)
{
    return (pst_range_e)__atomic_load_n(&g.pages[page].is, __ATOMIC_ACQUIRE);
}

static void becomes(apr_uint32_t page, pst_range_e what)
{
    __atomic_store_n(&g.pages[page].is, (apr_byte_t)what, __ATOMIC_RELEASE);
}

static apr_uint32_t range_seconds(void)
{
    struct timespec ts;

    return clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) == 0 ? (apr_uint32_t)ts.tv_sec : 0;
}

/* -- freeing ------------------------------------------------------------------- */

/* Does a run in quarantine start there? Its first page says so; that may have been opened. */
static int in_quarantine(apr_uint32_t page, apr_uint32_t before)
{
    const page_t *at = &g.pages[page];
    pst_range_e is = is_now(page);
    apr_uint32_t ended = __atomic_load_n(&at->ended, __ATOMIC_ACQUIRE);

    return (is == PST_RANGE_ENDED || is == PST_RANGE_OPENED) && at->first == page && at->pages && ended
           && ended < before;
}

/* Whoever takes the time when it ended frees it: one thread. A run that cannot be closed is left unchanged. */
static void free_run(apr_uint32_t page)
{
    page_t *at = &g.pages[page];
    apr_uint32_t ended = __atomic_exchange_n(&at->ended, 0, __ATOMIC_ACQ_REL);
    apr_uint32_t count = at->pages, owner = at->owner;
    apr_size_t size = (apr_size_t)count * PST_RANGE_PAGE;
    int counted = at->counted;

    if (!ended) {
        return;
    }
    if (map_closed(address_of(page), size + PST_RANGE_PAGE, MAP_FIXED) == MAP_FAILED) {
        __atomic_store_n(&at->ended, ended, __ATOMIC_RELEASE);
        return;
    }
    __atomic_sub_fetch(&g.quarantine, size, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&g.runs, 1, __ATOMIC_RELAXED);
    for (apr_uint32_t i = 0; i <= count; i++) {
        g.pages[page + i].owner = 0;
        becomes(page + i, PST_RANGE_FREE);
    }
    g.freed(owner, counted, size);
}

/* Free runs until the quarantine is within its limit: a separate finger follows the hand, so that each page is
 * visited once per round. */
static void make_room(void)
{
    for (apr_uint32_t looked = 0; looked < g.count; looked++) {
        apr_uint32_t page;

        if (__atomic_load_n(&g.quarantine, __ATOMIC_RELAXED) <= g.most) {
            return;
        }
        page = __atomic_fetch_add(&g.finger, 1, __ATOMIC_RELAXED) % g.count;
        if (in_quarantine(page, 0xffffffff)) {
            free_run(page);
        }
    }
}

/* The same for runs that ended before that time, some pages at a time. */
static void let_old_go(apr_uint32_t before)
{
    for (apr_uint32_t looked = 0; looked < OLD_MOST && looked < g.count; looked++) {
        apr_uint32_t page = __atomic_fetch_add(&g.broom, 1, __ATOMIC_RELAXED) % g.count;

        if (in_quarantine(page, before)) {
            free_run(page);
        }
    }
}

/* -- taking ------------------------------------------------------------------ */

/* Take these pages, if all are free. They are still closed, and known as such. */
static int take_pages(apr_uint32_t page, apr_uint32_t wanted)
{
    for (apr_uint32_t i = 0; i < wanted; i++) {
        apr_byte_t is = __atomic_load_n(&g.pages[page + i].is, __ATOMIC_RELAXED);

        if ((is != PST_RANGE_NEVER && is != PST_RANGE_FREE)
            || !__atomic_compare_exchange_n(&g.pages[page + i].is, &is, (apr_byte_t)PST_RANGE_TAKEN, 0,
                                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            while (i) {
                becomes(page + --i, PST_RANGE_FREE);
            }
            return 0;
        }
    }
    return 1;
}

/* The next row of free pages from the hand on. @return the first; the count of all pages if there are none */
static apr_uint32_t take_range_row(apr_uint32_t wanted)
{
    for (apr_uint32_t looked = 0; looked < LOOK_MOST; looked += wanted) {
        apr_uint32_t page = __atomic_fetch_add(&g.hand, wanted, __ATOMIC_RELAXED) % g.count;

        if (page + wanted <= g.count && take_pages(page, wanted)) {
            return page;
        }
    }
    return g.count;
}

static void *open_row(apr_uint32_t page, apr_uint32_t pages, apr_uint32_t owner)
{
    int opened = mprotect(address_of(page), (apr_size_t)pages * PST_RANGE_PAGE, PROT_READ | PROT_WRITE) == 0;

    if (opened) {
        g.pages[page].pages = pages;
        __atomic_add_fetch(&g.runs, 1, __ATOMIC_RELAXED);
    }
    for (apr_uint32_t i = 0; i <= pages; i++) {
        g.pages[page + i].owner = opened ? owner : 0;
        g.pages[page + i].first = page;
        if (!opened) {
            becomes(page + i, PST_RANGE_FREE);
        }
        else {
            becomes(page + i, i < pages ? PST_RANGE_LIVE : PST_RANGE_BEHIND);
        }
    }
    return opened ? address_of(page) : NULL;
}

void *pst_range_take(apr_size_t size, apr_uint32_t owner)
{
    apr_uint32_t pages = (apr_uint32_t)((size + PST_RANGE_PAGE - 1) / PST_RANGE_PAGE), page;

    if (size > pst_range.size / 8 || !pages || __atomic_load_n(&g.runs, __ATOMIC_RELAXED) >= RUNS_MOST) {
        return NULL;
    }
    make_room();
    page = take_range_row(pages + 1);
    return page == g.count ? NULL : open_row(page, pages, owner);
}

/* -- ending ------------------------------------------------------------------ */

static void ends(apr_uint32_t page, int counted)
{
    page_t *at = &g.pages[page];
    apr_uint32_t now = range_seconds();

    at->counted = (apr_byte_t)counted;
    __atomic_add_fetch(&g.quarantine, (apr_size_t)at->pages * PST_RANGE_PAGE, __ATOMIC_RELAXED);
    __atomic_store_n(&at->ended, now ? now : 1, __ATOMIC_RELEASE);
}

/* The state is set to ended first: a thread that is already there depends only on the page. */
void pst_range_close(void *at, apr_size_t size, apr_uint32_t owner, int counted)
{
    apr_uint32_t page = page_of(at), pages = g.pages[page].pages;

    for (apr_uint32_t i = 0; i < pages; i++) {
        if (owner) {
            g.pages[page + i].owner = owner;
        }
        becomes(page + i, PST_RANGE_ENDED);
    }
    if (owner) {
        g.pages[page + pages].owner = owner;
    }
    if (mprotect(at, (apr_size_t)pages * PST_RANGE_PAGE, PROT_NONE) != 0) {
        for (apr_uint32_t i = 0; i < pages; i++) {
            becomes(page + i, PST_RANGE_OPENED);
        }
    }
    (void)size;
    ends(page, counted);
}

void pst_range_give(void *at, apr_uint32_t owner)
{
    apr_uint32_t page = page_of(at), pages = g.pages[page].pages;

    for (apr_uint32_t i = 0; i <= pages; i++) {
        g.pages[page + i].owner = owner;
    }
}

void pst_range_leave(void *at, int counted)
{
    apr_uint32_t page = page_of(at), pages = g.pages[page].pages;

    for (apr_uint32_t i = 0; i < pages; i++) {
        becomes(page + i, PST_RANGE_OPENED);
    }
    ends(page, counted);
}

/* -- opening ----------------------------------------------------------------- */

void pst_range_look(pst_range_page_t *page, const void *at)
{
    apr_uint32_t i = page_of(at), first = g.pages[i].first;

    page->is = is_now(i);
    page->owner = g.pages[i].owner;
    first = first < g.count ? first : i;
    page->run = (apr_uintptr_t)address_of(first);
    page->size = (apr_size_t)g.pages[first].pages * PST_RANGE_PAGE;
}

/* If the kernel has no room for another mapping, everything is opened: that needs fewer, and kills nobody. */
static int open_pages(apr_uint32_t page)
{
    return mprotect(address_of(page), PST_RANGE_PAGE, PROT_READ | PROT_WRITE) == 0
           || mprotect((void *)pst_range.base, pst_range.size, PROT_READ | PROT_WRITE) == 0;
}

int pst_range_open(const void *at)
{
    apr_uint32_t i = page_of(at);
    apr_byte_t is = __atomic_load_n(&g.pages[i].is, __ATOMIC_ACQUIRE);

    if (is == PST_RANGE_LIVE || is == PST_RANGE_NEVER) {
        return is == PST_RANGE_LIVE ? 0 : -1;
    }
    if (!open_pages(i)) {
        return -1;
    }
    return is != PST_RANGE_OPENED
           && __atomic_compare_exchange_n(&g.pages[i].is, &is, (apr_byte_t)PST_RANGE_OPENED, 0, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE);
}

unsigned pst_range_open_span(const void *at, apr_size_t size, const void **first)
{
    apr_uintptr_t from = (apr_uintptr_t)at, to = from + size, base = pst_range.base, end = base + pst_range.size;
    unsigned opened = 0;

    if (!pst_range.size || to <= base || from >= end || to < from) {
        return 0;
    }
    from = from < base ? base : from;
    to = to > end ? end : to;
    for (apr_uint32_t i = page_of((const void *)from), last = page_of((const void *)(to - 1)); i <= last; i++) {
        if (is_now(i) == PST_RANGE_ENDED && pst_range_open(address_of(i)) == 1 && !opened++) {
            *first = i == page_of((const void *)from) ? (const void *)from : address_of(i);
        }
    }
    return opened;
}

/* -- upkeep ------------------------------------------------------------------- */

void pst_range_sweep(apr_uint32_t before)
{
    if (pst_range.size) {
        make_room();
        let_old_go(before);
    }
}

apr_size_t pst_range_quarantine(void)
{
    return __atomic_load_n(&g.quarantine, __ATOMIC_RELAXED);
}

apr_uint32_t pst_range_runs(void)
{
    return __atomic_load_n(&g.runs, __ATOMIC_RELAXED);
}
