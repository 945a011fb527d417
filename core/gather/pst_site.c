/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: see the header.
 *
 * Place in the flow: wrappers -> SITES -> board.
 *
 * Unwinding a stack costs some 20,000 instructions.  But stacks come again: each
 * one that was unwound leaves a trace, the places on the stack where its return addresses were found and what
 * they were, counted from the frame of pst_site_sample().  If all of them are there again, it is the
 * same stack.  They are compared from the innermost frame on, so that each one found
 * right vouches for the layout of the next; none beyond what unwinding has
 * seen of this thread's stack is looked at.
 *
 * Concurrency: samples are rare, so one flag guards traces, sites and samples, and
 * nobody waits for it (pst_flag.h).  Who cannot have it does without: the
 * thread's next growth is sampled instead; samples to be released are left on a list that the next
 * holder clears.  Unwinding and all that may take the loader's lock happens outside.
 */
#include "pst_site.h"
#include "pst_flag.h"
#include "pst_object.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unwind.h>

#define SAMPLES     65536u      /* live samples of a child, at most */
#define TRACES      512u
#define BUCKETS     256u
#define RAW_DEPTH   40u         /* return addresses of a trace, ours and the allocator's included */
#define MAX_FRAME   4096u       /* words of a stack frame searched for its return address */

typedef struct {
    apr_uint32_t next;          /* of the same pool, or of the free ones; 0 ends */
    apr_uint16_t site;
    apr_uint16_t first;         /* the node that the pool lies in */
    apr_uint64_t size;
    apr_uint64_t weight;        /* bytes it stands for */
} sample_t;

typedef struct {
    apr_uint32_t next;          /* of the bucket; 0 ends */
    apr_uint32_t depth;
    apr_uint32_t of_class, scope;
    apr_uint32_t site, turn;
    apr_uint32_t at[RAW_DEPTH]; /* bytes above the frame of pst_site_sample() */
    apr_uintptr_t ip[RAW_DEPTH];
} trace_t;

/* What a site is of, beside its stack. */
typedef struct {
    apr_uint32_t of_class, scope;
} charged_t;

/* What is on the board, as this process knows it. */
typedef struct {
    pst_shared_site_t *row;
    apr_uint32_t turn;          /* how often the row was given away */
    apr_uint32_t depth;
    apr_uint32_t scope, of_class;
    apr_uint64_t live_samples, ever_samples, ever_bytes, ever_sampled_bytes;
    pst_shared_frame_t frames[PST_SITE_FRAMES];
} site_t;

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    double rate;
    int busy;                   /* somebody is in */
    apr_uint32_t left;          /* samples released while somebody was: a list, atomic */
    apr_uint32_t sample_count, free_samples, trace_count, site_count;
    apr_uint32_t buckets[BUCKETS];
    trace_t traces[TRACES];     /* 0 is none */
    site_t sites[PST_SITE_COUNT];
    sample_t samples[SAMPLES];  /* 0 is none */
} g;

__thread apr_int64_t pst_site_left __attribute__((tls_model("initial-exec")));
static __thread apr_uint64_t dice __attribute__((tls_model("initial-exec")));
static __thread apr_uintptr_t known_top __attribute__((tls_model("initial-exec")));

void pst_site_start(const pst_board_t *board, pst_shared_child_t *block, apr_uint64_t rate)
{
    apr_uint32_t i;

    g.board = board;
    g.block = block;
    g.rate = (double)rate;
    g.sample_count = g.trace_count = g.site_count = 1;
    g.free_samples = 0;
    memset(g.buckets, 0, sizeof(g.buckets));
    memset(g.sites, 0, sizeof(g.sites));
    for (i = 0; i < PST_SITE_COUNT; i++) {
        g.sites[i].row = pst_board_site(board, block, i);
    }
    g.sites[0].row->in_use = rate != 0;
    block->profile_rate = rate;
    pst_site_left = 0;
    dice = 0;
}

/* -- chance --------------------------------------------------------------- */

static apr_uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

/* Bytes to the next sample: exponentially distributed. */
static apr_int64_t draw(double rate)
{
    double u = (double)((roll() >> 11) + 1) / 9007199254740992.0;      /* (0, 1] */

    return (apr_int64_t)(-log(u) * rate);
}

static void begin_dice(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    dice = ((apr_uint64_t)ts.tv_nsec << 32 ^ (apr_uint64_t)ts.tv_sec ^ (apr_uint64_t)(apr_uintptr_t)&dice) | 1;
    dice *= 0x9e3779b97f4a7c15u;
    roll();
}

/* A thread's first growth. @return whether it is to be sampled */
static int begin_thread(apr_size_t size)
{
    begin_dice();
    pst_site_left = draw(g.rate) - (apr_int64_t)size;
    return pst_site_left < 0;
}

apr_int64_t pst_site_draw(double rate)
{
    if (!dice) {
        begin_dice();
    }
    return draw(rate);
}

apr_uint64_t pst_site_weight(apr_uint64_t size, double rate)
{
    return (apr_uint64_t)((double)size / -expm1(-(double)size / rate));
}

/* -- stacks --------------------------------------------------------------- */

typedef struct {
    apr_uintptr_t base;                 /* frame of pst_site_sample() */
    apr_uintptr_t before;               /* the frame before the current one */
    apr_uint32_t depth;
    int cacheable;
    apr_uint32_t at[RAW_DEPTH];
    apr_uintptr_t ip[RAW_DEPTH];
    apr_uint32_t frame_count;
    pst_shared_frame_t frames[PST_SITE_FRAMES];
} stack_walk_t;

/* The word of a frame that holds its return address: the last one where calls push it. */
static __attribute__((no_sanitize("address"))) int find_slot(stack_walk_t *stack, apr_uintptr_t end, apr_uintptr_t ip)
{
    apr_uintptr_t at = end - sizeof(ip), low = stack->before;
    apr_uint32_t words;

    for (words = 0; words < MAX_FRAME && at >= low; words++, at -= sizeof(ip)) {
        if (*(const apr_uintptr_t *)at == ip) {
            stack->at[stack->depth] = (apr_uint32_t)(at - stack->base);
            return 1;
        }
    }
    return 0;
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *baton)
{
    stack_walk_t *stack = baton;
    apr_uintptr_t ip = (apr_uintptr_t)_Unwind_GetIP(context), end = (apr_uintptr_t)_Unwind_GetCFA(context);

    if (!ip) {
        return _URC_END_OF_STACK;
    }
    if (end <= stack->base) {           /* inside of pst_site_sample() and what it calls */
        return _URC_NO_REASON;
    }
    if (stack->cacheable && (end - stack->base > APR_UINT32_MAX || !find_slot(stack, end, ip))) {
        stack->cacheable = 0;
    }
    stack->ip[stack->depth++] = ip;
    stack->before = end;
    return stack->depth < RAW_DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static __attribute__((noinline)) void unwind(stack_walk_t *stack)
{
    stack->before = stack->base;
    stack->depth = stack->frame_count = 0;
    stack->cacheable = 1;
    _Unwind_Backtrace(on_frame, stack);
    if (stack->before > known_top) {
        known_top = stack->before;
    }
}

/* pst_object_find() or, where the loader's lock must not be asked for, pst_object_known(). */
typedef const pst_object_t *(*object_fn)(const void *address);

/* Whose code is that, when frames are left out at the front? */
static int leads(const pst_object_t *object)
{
    return !object || (object->kind != PST_CODE_SELF && object->kind != PST_CODE_APR);
}

/* The first frame outside of this module and APR; depth if there is none. */
static apr_uint32_t first_led(const stack_walk_t *stack, object_fn object_of)
{
    apr_uint32_t first;

    for (first = 0; first < stack->depth && !leads(object_of((const void *)(stack->ip[first] - 1))); first++) {
    }
    return first;
}

/* Addresses in the board's terms, from that one on. */
static void name_frames(stack_walk_t *stack, object_fn object_of)
{
    apr_uint32_t i, first = first_led(stack, object_of);

    first = first < stack->depth ? first : 0;
    for (i = first; i < stack->depth && stack->frame_count < PST_SITE_FRAMES; i++) {
        apr_uintptr_t at = stack->ip[i] - 1;
        const pst_object_t *object = object_of((const void *)at);

        stack->cacheable &= object != NULL;     /* the next time it may have a name */
        stack->frames[stack->frame_count++] = object
            ? PST_FRAME(pst_board_module_add(g.board, object->id, object->name, object->kind), at - object->base)
            : PST_FRAME(0, at);
    }
}

/* -- traces; inside ------------------------------------------------------- */

static apr_uint32_t bucket_of(apr_uint32_t of_class, apr_uint32_t scope, apr_uintptr_t ip)
{
    return (apr_uint32_t)(((apr_uint64_t)ip ^ of_class << 8 ^ scope) * 0x9e3779b97f4a7c15u >> 56) % BUCKETS;
}

/* Is this stack here now? */
static __attribute__((no_sanitize("address"))) int is_here(const trace_t *trace, apr_uintptr_t base)
{
    apr_uint32_t i;

    for (i = 0; i < trace->depth; i++) {
        apr_uintptr_t at = base + trace->at[i];

        if (at + sizeof(at) > known_top || *(const apr_uintptr_t *)at != trace->ip[i]) {
            return 0;
        }
    }
    return 1;
}

/* @return a site, or -1 if this stack was not seen before */
static int find_trace(apr_uintptr_t base, apr_uintptr_t own, const charged_t *to)
{
    apr_uint32_t i;

    for (i = g.buckets[bucket_of(to->of_class, to->scope, own)]; i; i = g.traces[i].next) {
        const trace_t *trace = &g.traces[i];

        if (trace->of_class == to->of_class && trace->scope == to->scope
            && g.sites[trace->site].turn == trace->turn && is_here(trace, base)) {
            return (int)trace->site;
        }
    }
    return -1;
}

static void add_trace(const stack_walk_t *stack, apr_uintptr_t own, const charged_t *to, apr_uint32_t site)
{
    apr_uint32_t *bucket = &g.buckets[bucket_of(to->of_class, to->scope, own)];
    trace_t *trace;

    if (!stack->cacheable || !site) {
        return;
    }
    if (g.trace_count == TRACES) {      /* start again: those that matter come back soon */
        memset(g.buckets, 0, sizeof(g.buckets));
        g.trace_count = 1;
    }
    trace = &g.traces[g.trace_count];
    trace->depth = stack->depth;
    trace->of_class = to->of_class;
    trace->scope = to->scope;
    trace->site = site;
    trace->turn = g.sites[site].turn;
    memcpy(trace->at, stack->at, sizeof(trace->at));
    memcpy(trace->ip, stack->ip, sizeof(trace->ip));
    trace->next = *bucket;
    *bucket = g.trace_count++;
}

/* -- sites; inside -------------------------------------------------------- */

/* The row of a site that holds nothing now, and least ever; what it had goes to row 0. */
static apr_uint32_t take_row(void)
{
    apr_uint32_t i, least = 0;
    site_t *site;

    if (g.site_count < PST_SITE_COUNT) {
        return g.site_count++;
    }
    for (i = 1; i < PST_SITE_COUNT; i++) {
        if (!__atomic_load_n(&g.sites[i].live_samples, __ATOMIC_ACQUIRE) && (!least || g.sites[i].ever_bytes < g.sites[least].ever_bytes)) {
            least = i;
        }
    }
    site = &g.sites[least];
    if (least) {
        pst_add(&g.sites[0].row->site_ever_samples, (apr_int64_t)site->ever_samples);
        pst_add(&g.sites[0].row->site_ever_bytes, (apr_int64_t)site->ever_bytes);
        pst_add(&g.sites[0].row->site_ever_sampled_bytes, (apr_int64_t)site->ever_sampled_bytes);
        site->turn++;
    }
    return least;
}

static void write_row(site_t *site)
{
    pst_shared_site_t *row = site->row;

    pst_seq_begin(&row->seq);
    row->depth = (uint16_t)site->depth;
    row->scope = site->scope;
    row->of_class = site->of_class;
    memcpy(row->frames, site->frames, sizeof(row->frames));
    row->site_live_bytes = row->site_ever_bytes = row->site_live_samples = row->site_ever_samples = 0;
    row->site_live_sampled_bytes = row->site_ever_sampled_bytes = 0;
    row->in_use = 1;
    pst_seq_end(&row->seq);
}

/* @return 0 if there is no row */
static apr_uint32_t find_site(const pst_shared_frame_t *frames, apr_uint32_t depth, apr_uint32_t scope,
                              apr_uint32_t of_class)
{
    apr_uint32_t i;

    for (i = 1; i < g.site_count; i++) {
        site_t *site = &g.sites[i];

        if (site->depth == depth && site->scope == scope && site->of_class == of_class
            && !memcmp(site->frames, frames, depth * sizeof(*frames))) {
            return i;
        }
    }
    i = take_row();
    if (i) {
        site_t *site = &g.sites[i];

        memset(site->frames, 0, sizeof(site->frames));
        memcpy(site->frames, frames, depth * sizeof(*frames));
        site->depth = depth;
        site->scope = scope;
        site->of_class = of_class;
        site->live_samples = site->ever_samples = site->ever_bytes = site->ever_sampled_bytes = 0;
        write_row(site);
    }
    return i;
}

/* Also outside. The row is not given away while there are samples, so their count goes down last. */
static void change_live(site_t *site, int samples, apr_int64_t size, apr_int64_t weight)
{
    pst_add(&site->row->site_live_samples, samples);
    pst_add(&site->row->site_live_bytes, weight);
    pst_add(&site->row->site_live_sampled_bytes, size);
    __atomic_add_fetch(&site->live_samples, (apr_uint64_t)(apr_int64_t)samples, __ATOMIC_RELEASE);
}

static void charge_live(apr_uint32_t which, const sample_t *sample, int sign)
{
    site_t *site = &g.sites[which];

    change_live(site, sign, sign * (apr_int64_t)sample->size, sign * (apr_int64_t)sample->weight);
}

static void charge_ever(apr_uint32_t which, const sample_t *sample, int sign)
{
    site_t *site = &g.sites[which];

    site->ever_samples += (apr_uint64_t)(apr_int64_t)sign;
    site->ever_bytes += (apr_uint64_t)(sign * (apr_int64_t)sample->weight);
    site->ever_sampled_bytes += (apr_uint64_t)(sign * (apr_int64_t)sample->size);
    pst_add(&site->row->site_ever_samples, sign);
    pst_add(&site->row->site_ever_bytes, sign * (apr_int64_t)sample->weight);
    pst_add(&site->row->site_ever_sampled_bytes, sign * (apr_int64_t)sample->size);
}

/* -- samples -------------------------------------------------------------- */

static int enter(void)
{
    return pst_flag_take(&g.busy);
}

/* Inside: a chain of samples is no more. */
static void free_chain(apr_uint32_t i)
{
    while (i) {
        sample_t *sample = &g.samples[i];
        apr_uint32_t next = sample->next;

        charge_live(sample->site, sample, -1);
        sample->next = g.free_samples;
        g.free_samples = i;
        i = next;
    }
}

static void leave(void)
{
    free_chain(__atomic_exchange_n(&g.left, 0, __ATOMIC_ACQUIRE));
    pst_flag_give(&g.busy);
}

/* Outside: leave a chain to the next one who is in. */
static void leave_chain(apr_uint32_t head)
{
    apr_uint32_t tail = head, seen = __atomic_load_n(&g.left, __ATOMIC_RELAXED);

    while (g.samples[tail].next) {
        tail = g.samples[tail].next;
    }
    do {
        g.samples[tail].next = seen;
    } while (!__atomic_compare_exchange_n(&g.left, &seen, head, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void add_sample(pst_record_t *record, apr_uint32_t site, apr_size_t size, int first)
{
    sample_t made = { .site = (apr_uint16_t)site, .first = (apr_uint16_t)first, .size = size };
    apr_uint32_t i = g.free_samples;

    made.weight = pst_site_weight(size, g.rate);
    charge_ever(site, &made, 1);
    if (i) {
        g.free_samples = g.samples[i].next;
    }
    else if (g.sample_count < SAMPLES) {
        i = g.sample_count++;
    }
    else {
        pst_add(&g.block->samples_lost, 1);
        return;
    }
    made.next = record->samples;
    g.samples[i] = made;
    record->samples = i;
    charge_live(site, &made, 1);
}

/* A stack that no trace tells. */
static __attribute__((noinline)) void sample_new(pst_record_t *record, apr_size_t size, int first,
                                                 apr_uintptr_t base, apr_uintptr_t own)
{
    const charged_t to = { record->of_class, record->account->scope };
    stack_walk_t stack = { .base = base };
    apr_uint32_t site;

    unwind(&stack);
    name_frames(&stack, pst_object_find);
    if (!enter()) {
        pst_site_left = 0;              /* the next growth instead */
        return;
    }
    site = find_site(stack.frames, stack.frame_count, to.scope, to.of_class);
    add_trace(&stack, own, &to, site);
    add_sample(record, site, size, first);
    leave();
}

__attribute__((noinline, noclone)) void pst_site_sample(pst_record_t *record, apr_size_t size, int first)
{
    apr_uintptr_t base = (apr_uintptr_t)__builtin_frame_address(0);
    apr_uintptr_t own = (apr_uintptr_t)__builtin_return_address(0);
    charged_t to;
    int site;

    if (g.rate <= 0 || pst_child_muted()) {
        pst_site_left = APR_INT64_MAX;
        return;
    }
    if (!dice) {
        if (!begin_thread(size)) {
            return;
        }
    }
    pst_site_left = draw(g.rate);
    if (!enter()) {
        pst_site_left = 0;
        return;
    }
    to.of_class = record->of_class;
    to.scope = record->account->scope;
    site = find_trace(base, own, &to);
    if (site >= 0) {
        add_sample(record, (apr_uint32_t)site, size, first);
    }
    leave();
    if (site < 0) {
        sample_new(record, size, first, base, own);
    }
}

__attribute__((noinline)) void pst_site_note(uint64_t *to)
{
    stack_walk_t stack = { .base = (apr_uintptr_t)__builtin_frame_address(0) };

    unwind(&stack);
    name_frames(&stack, pst_object_find);
    if (stack.frame_count) {
        pst_store(to, stack.frames[0]);
    }
}

__attribute__((noinline)) const void *pst_site_caller(void)
{
    stack_walk_t stack = { .base = (apr_uintptr_t)__builtin_frame_address(0) };
    apr_uint32_t first;

    unwind(&stack);
    first = first_led(&stack, pst_object_find);
    return first < stack.depth ? (const void *)(stack.ip[first] - 1) : NULL;
}

void pst_site_release(pst_record_t *record, int all)
{
    apr_uint32_t i = record->samples, next, kept = 0, gone = 0;

    record->samples = 0;
    if (pst_child_muted()) {
        return;
    }
    for (; i; i = next) {               /* the chain is the pool's own */
        apr_uint32_t *to = g.samples[i].first && !all ? &kept : &gone;

        next = g.samples[i].next;
        g.samples[i].next = *to;
        *to = i;
    }
    record->samples = kept;
    if (gone && enter()) {
        free_chain(gone);
        leave();
    }
    else if (gone) {
        leave_chain(gone);
    }
}

void pst_site_moved(pst_record_t *record)
{
    apr_uint32_t i, scope = record->account->scope;

    if (pst_child_muted() || !enter()) {
        return;                         /* they stay where they are charged */
    }
    for (i = record->samples; i; i = g.samples[i].next) {
        sample_t *sample = &g.samples[i];
        const site_t from = g.sites[sample->site];
        apr_uint32_t to;

        if (!sample->site || (from.scope == scope && from.of_class == record->of_class)) {
            continue;
        }
        to = find_site(from.frames, from.depth, scope, record->of_class);
        charge_live(sample->site, sample, -1);
        charge_ever(sample->site, sample, -1);
        sample->site = (apr_uint16_t)to;
        charge_live(to, sample, 1);
        charge_ever(to, sample, 1);
    }
    leave();
}

/* -- memory outside of pools ------------------------------------------------ */

static int charge_trace(apr_uintptr_t base, apr_uintptr_t own, const charged_t *to, const sample_t *sample)
{
    int site;

    if (!enter()) {
        return -1;
    }
    site = find_trace(base, own, to);
    if (site >= 0) {
        charge_ever((apr_uint32_t)site, sample, 1);
        charge_live((apr_uint32_t)site, sample, 1);
    }
    leave();
    return site;
}

static __attribute__((noinline)) int charge_new(apr_uintptr_t base, apr_uintptr_t own, const charged_t *to,
                                                const sample_t *sample)
{
    stack_walk_t stack = { .base = base };
    apr_uint32_t site;

    unwind(&stack);
    name_frames(&stack, pst_object_known);
    if (!enter()) {
        return -1;
    }
    site = find_site(stack.frames, stack.frame_count, to->scope, 0);
    add_trace(&stack, own, to, site);
    charge_ever(site, sample, 1);
    charge_live(site, sample, 1);
    leave();
    return (int)site;
}

__attribute__((noinline, noclone)) int pst_site_charge(apr_uint32_t scope, apr_uint64_t size, apr_uint64_t weight,
                                                        apr_uintptr_t caller)
{
    apr_uintptr_t base = (apr_uintptr_t)__builtin_frame_address(0);
    const charged_t to = { 0, scope };
    const sample_t sample = { .size = size, .weight = weight };
    int site = charge_trace(base, caller, &to, &sample);

    return site >= 0 ? site : charge_new(base, caller, &to, &sample);
}

void pst_site_change(apr_uint32_t site, int samples, apr_int64_t size, apr_int64_t weight)
{
    if (site < PST_SITE_COUNT && !pst_child_muted()) {
        change_live(&g.sites[site], samples, size, weight);
    }
}
