/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of the heap, of mappings and of threads: see the header.
 *
 * Place in the flow: malloc, mmap, pthread_create -> WRAPPERS -> call sites -> board.
 *
 * Of the bytes a thread requests, one in `rate` is chosen at random, on average; the block that contains it is
 * charged to its stack until it is freed. A block that another allocation returns was freed unseen, for example by a
 * stored pointer to free(): it is then forgotten.
 *
 * Rules in here: no lock, no allocation, no errno, and nothing that is wrapped is called, but by what unwinds the
 * stack: `inside` keeps that out.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_wrap_heap.h"
#include "pst_account.h"
#include "pst_child.h"
#include "pst_block.h"
#include "pst_heavy.h"
#include "pst_site.h"
#include "pst_span.h"
#include "pst_started.h"
#include "pst_surge.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The wrapper's caller: identifies stacks that were seen before. */
#define CALLER ((apr_uintptr_t)__builtin_return_address(0))

/* While nothing is sampled a thread checks again after this many bytes. */
#define ASK_AGAIN 65536

static struct {
    apr_uint64_t  rate;         /* atomic; 0: off */
    apr_uintptr_t page;
    apr_size_t    overhead;     /* bytes of a block beyond what is usable of it */
} g = { .page = 4096 };

/* How often, in bytes, a thread checks whether the rate has changed. */
#define STEP 32768

/* Bytes until this thread's next look, and from there to its next sample. */
typedef struct {
    apr_int64_t left, beyond;
} counter_t;

static __thread counter_t heap_counter __attribute__((tls_model("initial-exec")));
static __thread counter_t maps_counter __attribute__((tls_model("initial-exec")));
static __thread apr_uint64_t begun __attribute__((tls_model("initial-exec")));     /* the rate they were drawn at */
static __thread int inside __attribute__((tls_model("initial-exec")));

static apr_uint64_t rate_now(void)
{
    return pst_child_muted() ? 0 : __atomic_load_n(&g.rate, __ATOMIC_RELAXED);
}

static void wait_for(counter_t *counter, apr_int64_t bytes)
{
    counter->left = bytes < STEP ? bytes : STEP;
    counter->beyond = bytes - counter->left;
}

/* A counter ran out. @return 0: leave this one */
static int is_chosen(counter_t *counter, apr_uint64_t size, apr_uint64_t *rate)
{
    *rate = rate_now();
    if (inside) {               /* the next one instead */
        return 0;
    }
    if (!*rate) {
        wait_for(counter, ASK_AGAIN);
        return 0;
    }
    if (begun != *rate) {       /* not drawn yet, or at another rate: chance does not remember what was waited for */
        begun = *rate;
        wait_for(&heap_counter, pst_site_draw((double)*rate));
        wait_for(&maps_counter, pst_site_draw((double)*rate));
        counter->left -= (apr_int64_t)size;
    }
    if (counter->left + counter->beyond >= 0) {
        wait_for(counter, counter->left + counter->beyond);
        return 0;
    }
    wait_for(counter, pst_site_draw((double)*rate));
    return 1;
}

/* -- the heap --------------------------------------------------------------- */

static void forget_block(const pst_block_t *block)
{
    pst_site_change(block->site, -1, -(apr_int64_t)block->size, -(apr_int64_t)block->weight);
}

static __attribute__((noinline)) void lose(const void *at)
{
    pst_block_t block;

    if (pst_block_take(at, &block)) {
        forget_block(&block);
    }
}

/* A block is chosen by its requested size, and counts with its real size. */
static void keep_block(void *at, apr_uint64_t size, apr_uint64_t rate, apr_uintptr_t caller)
{
    apr_uint64_t asked = size ? size : 1, taken = malloc_usable_size(at) + g.overhead;
    pst_block_t block = { .size = taken, .weight = pst_site_weight(asked, (double)rate) };
    int site;

    block.weight = (apr_uint64_t)((double)block.weight / (double)asked * (double)taken);
    site = pst_site_charge(PST_SCOPE_HEAP, taken, block.weight, caller);
    pst_heavy_sampled(block.weight);
    if (site < 0) {
        PST_COUNT(samples_lost, 1);
        return;
    }
    block.site = (apr_uint32_t)site;
    if (!pst_block_add(at, &block)) {
        forget_block(&block);
        PST_COUNT(samples_lost, 1);
    }
}

static __attribute__((noinline)) void sample_block(void *at, size_t size, apr_uintptr_t caller)
{
    apr_uint64_t rate;
    int error = errno;

    if (is_chosen(&heap_counter, size, &rate)) {
        inside = 1;
        keep_block(at, size, rate, caller);
        inside = 0;
    }
    errno = error;
}

/* What is rare about it: the address is known, or the thread's counter ran out. */
static __attribute__((noinline)) void *note_block(void *at, size_t size, apr_uintptr_t caller)
{
    if (pst_block_maybe(at)) {
        lose(at);
    }
    if (heap_counter.left < 0) {
        sample_block(at, size, caller);
    }
    return at;
}

/* A block was handed out. Part of the wrapper, whose caller is determined only where needed: earlier, all calls would
 * have to keep it. */
static inline __attribute__((always_inline)) void *handed_out(void *at, size_t size)
{
    if (__builtin_expect(!at, 0)) {
        return at;
    }
    if (__builtin_expect((heap_counter.left -= (apr_int64_t)size) < 0, 0) || pst_block_maybe(at)) {
        return note_block(at, size, CALLER);
    }
    return at;
}

void *pst_wrap_heap_malloc(size_t size)
{
    return handed_out(pst_real.heap_malloc(size), size);
}

void *pst_wrap_heap_calloc(size_t count, size_t size)
{
    return handed_out(pst_real.heap_calloc(count, size), count * size);   /* it fails where that does not fit */
}

void pst_wrap_heap_free(void *at)
{
    if (pst_block_maybe(at)) {
        lose(at);
    }
    pst_real.heap_free(at);
}

/* What is sampled of the old block is put aside before the call: afterwards its address may be another's. */
typedef struct {
    pst_block_t block;
    int         was;
} aside_t;

static aside_t put_aside(const void *at)
{
    aside_t aside = { .was = 0 };

    if (pst_block_maybe(at)) {
        aside.was = pst_block_take(at, &aside.block);
    }
    return aside;
}

static inline __attribute__((always_inline)) void *moved_block(const aside_t *aside, void *from, void *to, size_t size)
{
    if (to || !size) {
        if (aside->was) {
            forget_block(&aside->block);
        }
        return handed_out(to, size);
    }
    if (aside->was && !pst_block_add(from, &aside->block)) {    /* it failed: the old block still exists */
        forget_block(&aside->block);
    }
    return to;
}

void *pst_wrap_heap_realloc(void *at, size_t size)
{
    aside_t aside = put_aside(at);

    return moved_block(&aside, at, pst_real.heap_realloc(at, size), size);
}

void *pst_wrap_heap_reallocarray(void *at, size_t count, size_t size)
{
    aside_t aside = put_aside(at);
    void *to = pst_real.heap_reallocarray(at, count, size);

    return moved_block(&aside, at, to, to ? count * size : count && size);
}

int pst_wrap_heap_posix_memalign(void **to, size_t alignment, size_t size)
{
    int rv = pst_real.heap_posix_memalign(to, alignment, size);

    if (rv == 0) {
        handed_out(*to, size);
    }
    return rv;
}

void *pst_wrap_heap_aligned_alloc(size_t alignment, size_t size)
{
    return handed_out(pst_real.heap_aligned_alloc(alignment, size), size);
}

void *pst_wrap_heap_memalign(size_t alignment, size_t size)
{
    return handed_out(pst_real.heap_memalign(alignment, size), size);
}

void *pst_wrap_heap_valloc(size_t size)
{
    return handed_out(pst_real.heap_valloc(size), size);
}

void *pst_wrap_heap_pvalloc(size_t size)
{
    return handed_out(pst_real.heap_pvalloc(size), size);
}

/* -- mappings --------------------------------------------------------------- */

static apr_uintptr_t whole_pages(size_t size)
{
    return ((apr_uintptr_t)size + g.page - 1) & ~(g.page - 1);
}

/* pst_span_fn: a span, or a part of it, went or came. */
static void span_changed(apr_uint32_t site, int samples, apr_int64_t bytes, apr_int64_t weight)
{
    pst_site_change(site, samples, bytes, weight);
    pst_surge_mapped(weight);
}

static void keep_span(apr_uintptr_t from, apr_uint64_t size, apr_uint64_t rate, apr_uintptr_t caller)
{
    pst_span_t span = { .from = from, .to = from + size, .size = size, .weight = pst_site_weight(size, (double)rate) };
    int site = pst_site_charge(PST_SCOPE_MAPPED, size, span.weight, caller);

    pst_heavy_sampled(span.weight);
    if (site >= 0) {
        span.site = (apr_uint32_t)site;
        if (pst_span_add(&span)) {
            pst_surge_mapped((apr_int64_t)span.weight);
            return;
        }
        pst_site_change(span.site, -1, -(apr_int64_t)span.size, -(apr_int64_t)span.weight);
    }
    PST_COUNT(samples_lost, 1);
}

/* A mapping was made: forget what was known about its addresses. */
static __attribute__((noinline)) void mapped(apr_uintptr_t from, apr_uint64_t size, int counts, apr_uintptr_t caller)
{
    apr_uint64_t rate;
    int error = errno;

    if (!inside && !pst_child_muted()) {
        pst_span_cut(from, from + size);
        if (counts && (maps_counter.left -= (apr_int64_t)size) < 0 && is_chosen(&maps_counter, size, &rate)) {
            inside = 1;
            keep_span(from, size, rate, caller);
            inside = 0;
        }
    }
    errno = error;
}

static void *made(void *at, size_t size, int flags, apr_uintptr_t caller)
{
    if (at != MAP_FAILED) {
        mapped((apr_uintptr_t)at, whole_pages(size), (flags & MAP_ANONYMOUS) != 0, caller);
    }
    return at;
}

void *pst_wrap_heap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return made(pst_real.heap_mmap(at, size, protection, flags, fd, offset), size, flags, CALLER);
}

/* More than any address space has. */
#define TOO_MUCH ((apr_uint64_t)1 << 56)

/* A call that the kernel rejects at once changes nothing. */
static void unmapping(void *at, size_t size)
{
    if (size && size < TOO_MUCH && (apr_uintptr_t)at % g.page == 0 && !inside && !pst_child_muted()) {
        pst_span_cut((apr_uintptr_t)at, (apr_uintptr_t)at + whole_pages(size));
    }
}

int pst_wrap_heap_munmap(void *at, size_t size)
{
    unmapping(at, size);
    return pst_real.heap_munmap(at, size);
}

/* Treated as a new mapping by the caller: its old samples are dropped. */
void *pst_wrap_heap_mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
    void *to, *wanted = NULL;
    va_list ap;

    va_start(ap, flags);
    if (flags & MREMAP_FIXED) {
        wanted = va_arg(ap, void *);
    }
    va_end(ap);
    unmapping(at, size ? size : new_size);
    to = flags & MREMAP_FIXED ? pst_real.heap_mremap(at, size, new_size, flags, wanted)
                              : pst_real.heap_mremap(at, size, new_size, flags);
    return made(to, new_size, MAP_ANONYMOUS, CALLER);
}

/* -- threads ---------------------------------------------------------------- */

static apr_uint64_t stack_of(const pthread_attr_t *attr)
{
    pthread_attr_t usual;
    size_t size = 0;

    if (attr) {
        pthread_attr_getstacksize(attr, &size);
    }
    else if (pthread_getattr_default_np(&usual) == 0) {
        pthread_attr_getstacksize(&usual, &size);
        pthread_attr_destroy(&usual);
    }
    return size;
}

/* Each thread is charged: they are few, and code that makes too many must be named. */
int pst_wrap_heap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument)
{
    pst_started_t *started = NULL;
    int site = -1, rv;

    if (!inside && rate_now()) {
        apr_uint64_t size = stack_of(attr);

        inside = 1;
        site = pst_site_charge(PST_SCOPE_STACK, size, size, CALLER);
        inside = 0;
        started = site >= 0 ? pst_started_take((apr_uint32_t)site, size, start, argument) : NULL;
        if (site >= 0 && !started) {
            pst_site_change((apr_uint32_t)site, -1, -(apr_int64_t)size, -(apr_int64_t)size);
        }
    }
    if (!started) {
        return pst_real.heap_pthread_create(thread, attr, start, argument);
    }
    rv = pst_real.heap_pthread_create(thread, attr, pst_started_run, started);
    if (rv != 0) {
        pst_started_give(started);
    }
    return rv;
}

/* -- the switch ------------------------------------------------------------- */

void pst_wrap_heap_start(apr_size_t overhead)
{
    g.overhead = overhead;
}

void pst_wrap_heap_finer(apr_uint64_t rate)
{
    __atomic_store_n(&g.rate, rate, __ATOMIC_RELEASE);
}

void pst_wrap_heap_rate(apr_uint64_t rate)
{
    __atomic_store_n(&g.rate, 0, __ATOMIC_RELEASE);
    g.page = (apr_uintptr_t)sysconf(_SC_PAGESIZE);
    pst_span_start(span_changed);
    pst_started_start();
    pst_block_drop_all(forget_block);   /* also what calls under way have left since it was off */
    pst_span_cut(0, UINTPTR_MAX);
    __atomic_store_n(&g.rate, rate, __ATOMIC_RELEASE);
}
