/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_range.h.
 */
#include "pst_range.h"
#include "pst_clock.h"
#include "pst_flag.h"

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
    apr_uint32_t ended;         /* seconds; in its first page */
    apr_byte_t   is;            /* atomic: pst_range_e */
    apr_byte_t   counted;       /* in its first page */
} page_t;

struct pst_range_t pst_range;

static struct {
    page_t       *pages;
    apr_uint32_t  count;        /* pages */
    apr_uint32_t  hand;         /* where the next is taken */
    apr_uint32_t  finger;       /* where the next is freed */
    apr_uint32_t  broom;        /* where to look for the next old run */
    apr_uint32_t  runs;         /* atomic */
    apr_size_t    quarantine;   /* atomic: bytes */
    apr_size_t    most;         /* its limit in bytes */
    int           busy;         /* pst_flag.h */
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

static int is_free_page(apr_uint32_t page)
{
    pst_range_e is = is_now(page);

    return is == PST_RANGE_NEVER || is == PST_RANGE_FREE;
}

static apr_uint32_t range_seconds(void)
{
    struct timespec ts;

    return clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) == 0 ? (apr_uint32_t)ts.tv_sec : 0;
}

/* -- freeing; with the flag -------------------------------------------------- */

/* Does a run in quarantine start there? Its first page says so; that may have been opened. */
static int in_quarantine(apr_uint32_t page)
{
    const page_t *at = &g.pages[page];
    pst_range_e is = is_now(page);

    return (is == PST_RANGE_ENDED || is == PST_RANGE_OPENED) && at->first == page && at->pages && at->ended;
}

/* A run that cannot be closed is left unchanged. @return whether it was freed */
static int free_run(apr_uint32_t page)
{
    page_t *at = &g.pages[page];
    apr_uint32_t count = at->pages, owner = at->owner;
    apr_size_t size = (apr_size_t)count * PST_RANGE_PAGE;

    if (map_closed(address_of(page), size + PST_RANGE_PAGE, MAP_FIXED) == MAP_FAILED) {
        return 0;
    }
    __atomic_sub_fetch(&g.quarantine, size, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&g.runs, 1, __ATOMIC_RELAXED);
    at->ended = 0;
    for (apr_uint32_t i = 0; i <= count; i++) {
        g.pages[page + i].owner = 0;
        becomes(page + i, PST_RANGE_FREE);
    }
    g.freed(owner, at->counted, size);
    return 1;
}

/* Free runs until the quarantine is within its limit: a separate finger follows the hand, so that each page is
 * visited once per round. */
static void make_room(void)
{
    for (apr_uint32_t looked = 0; looked < g.count; looked++) {
        if (__atomic_load_n(&g.quarantine, __ATOMIC_RELAXED) <= g.most) {
            return;
        }
        if (in_quarantine(g.finger)) {
            free_run(g.finger);
        }
        g.finger = g.finger + 1 < g.count ? g.finger + 1 : 0;
    }
}

/* The same for runs that ended before that time, some pages at a time. */
static void let_old_go(apr_uint32_t before)
{
    for (apr_uint32_t looked = 0; looked < OLD_MOST && looked < g.count; looked++) {
        if (in_quarantine(g.broom) && g.pages[g.broom].ended < before) {
            free_run(g.broom);
        }
        g.broom = g.broom + 1 < g.count ? g.broom + 1 : 0;
    }
}

/* -- taking ------------------------------------------------------------------ */

/* Find consecutive free pages, starting at the hand. @return the first; the count of all pages if there are none */
static apr_uint32_t free_row(apr_uint32_t wanted)
{
    apr_uint32_t page = g.hand, row = 0;

    for (apr_uint32_t looked = 0; looked < LOOK_MOST; looked++) {
        if (page == g.count) {
            page = row = 0;
        }
        row = is_free_page(page) ? row + 1 : 0;
        page++;
        if (row == wanted) {
            g.hand = page;
            return page - wanted;
        }
    }
    g.hand = page == g.count ? 0 : page;
    return g.count;
}

static void *open_row(apr_uint32_t pages, apr_uint32_t owner)
{
    apr_uint32_t page = free_row(pages + 1);
    apr_size_t size = (apr_size_t)pages * PST_RANGE_PAGE;

    if (page == g.count || mprotect(address_of(page), size, PROT_READ | PROT_WRITE) != 0) {
        return NULL;
    }
    for (apr_uint32_t i = 0; i <= pages; i++) {
        g.pages[page + i].owner = owner;
        g.pages[page + i].first = page;
        becomes(page + i, i < pages ? PST_RANGE_LIVE : PST_RANGE_BEHIND);
    }
    g.pages[page].pages = pages;
    g.pages[page].ended = 0;
    __atomic_add_fetch(&g.runs, 1, __ATOMIC_RELAXED);
    return address_of(page);
}

void *pst_range_take(apr_size_t size, apr_uint32_t owner)
{
    apr_uint32_t pages = (apr_uint32_t)((size + PST_RANGE_PAGE - 1) / PST_RANGE_PAGE);
    void *at = NULL;

    if (size > pst_range.size / 8 || !pages || __atomic_load_n(&g.runs, __ATOMIC_RELAXED) >= RUNS_MOST
        || !pst_flag_take(&g.busy)) {
        return NULL;
    }
    if (__atomic_load_n(&g.quarantine, __ATOMIC_RELAXED) > g.most) {
        make_room();
    }
    at = open_row(pages, owner);
    pst_flag_give(&g.busy);
    return at;
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
    if (pst_range.size && pst_flag_take(&g.busy)) {
        make_room();
        let_old_go(before);
        pst_flag_give(&g.busy);
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
