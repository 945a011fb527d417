/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: see the header.
 *
 * Place in the flow: wrappers -> SITES -> board.
 *
 * Unwinding a stack costs some 20,000 instructions.  But stacks recur: each unwound stack leaves a trace, the
 * positions of its return addresses relative to the frame of pst_site_sample(), and their values. If all of them
 * match again, it is the same stack. They are compared starting at the innermost frame, so that each match vouches
 * for the layout of the next; nothing beyond what unwinding has seen of this thread's stack is read.
 *
 * Concurrency: samples are rare, so one flag guards traces, sites and samples, and
 * nobody waits for it (pst_flag.h).  A thread that cannot get it does without: its next growth is sampled instead;
 * samples to be released are left on a list that the next holder clears. Unwinding and anything that may take the
 * loader's lock happens without the flag.
 */
#include "pst_site.h"
#include "pst_dice.h"
#include "pst_flag.h"
#include "pst_object.h"
#include "pst_unwind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES     65536u      /* maximum number of live samples in a child */
#define TRACES      512u
#define BUCKETS     256u

/* What a sample is for. */
enum { FREE = 0, PROFILE, KEPT, RETIRED };

typedef struct {
    apr_uint32_t next;          /* of the same pool, or of the free ones; 0 ends */
    apr_uint16_t site;
    apr_byte_t   first;         /* the node that contains the pool */
    apr_byte_t   is;
    apr_uint64_t weight;        /* bytes it stands for */
    union {
        apr_uint64_t size;      /* PROFILE */
        struct {                /* KEPT */
            apr_uint32_t when;  /* pst_close_now() */
            apr_uint32_t slot;  /* of its connection, plus 1; 0: none */
        };
    };
} sample_t;

typedef struct {
    apr_uint32_t next;          /* of the bucket; 0 ends */
    apr_uint32_t depth;
    apr_uint32_t of_class, scope;
    apr_uint32_t site, turn;
    apr_uint32_t at[PST_UNWIND_DEPTH]; /* bytes above the frame of pst_site_sample() */
    apr_uintptr_t ip[PST_UNWIND_DEPTH];
} trace_t;

/* What a site is for, besides its stack. */
typedef struct {
    apr_uint32_t of_class, scope;
} charged_t;

/* This process's own copy of what is on the board. */
typedef struct {
    pst_shared_site_t *row;
    apr_uint32_t turn;          /* how often the row was reassigned */
    apr_uint32_t depth;
    apr_uint32_t scope, of_class;
    apr_uint64_t live_samples;
    apr_uint64_t ever_samples, ever_bytes, ever_sampled_bytes; /* without those that left */
    pst_shared_frame_t blamed;  /* the place to blame; 0: nobody's */
    pst_shared_frame_t frames[PST_SITE_FRAMES];
} site_t;

/* Samples of two kinds, each with a share of the table that the other cannot take. */
typedef struct {
    apr_uint32_t first, end;    /* of the table */
    apr_uint32_t count;         /* the next unused one */
    apr_uint32_t free;          /* released ones: a list; 0 ends */
} share_t;

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    double rate;
    int busy;                   /* the flag */
    apr_uint32_t left;          /* samples released while the flag was taken: a list, atomic */
    share_t profile, kept;
    apr_uint32_t retired;       /* samples that wait for their pool to drop them */
    apr_uint32_t trace_count, site_count;
    apr_uint32_t buckets[BUCKETS];
    trace_t traces[TRACES];     /* 0 is none */
    site_t sites[PST_SITE_COUNT];
    sample_t samples[SAMPLES + PST_CLOSE_SAMPLES];   /* 0 is none */
} g;

__thread apr_int64_t pst_site_left __attribute__((tls_model("initial-exec")));
__thread apr_int64_t pst_site_close __attribute__((tls_model("initial-exec")));
static __thread apr_uint64_t dice __attribute__((tls_model("initial-exec")));
static __thread int begun __attribute__((tls_model("initial-exec")));   /* pst_site_left was drawn */
static __thread apr_uintptr_t known_top __attribute__((tls_model("initial-exec")));

/* Rows that are never needed are never touched. */
static void give_row(apr_uint32_t site)
{
    g.sites[site].row = pst_board_site(g.board, g.block, site);
}

void pst_site_start(const pst_board_t *board, pst_shared_child_t *block, apr_uint64_t rate)
{
    if (g.board) {              /* else all of it is zero, and no page of it is needed */
        memset(g.buckets, 0, sizeof(g.buckets));
        memset(g.sites, 0, sizeof(g.sites));
    }
    g.board = board;
    g.block = block;
    g.rate = (double)rate;
    g.trace_count = g.site_count = 1;
    g.profile = (share_t){ 1, SAMPLES, 1, 0 };
    g.kept = (share_t){ SAMPLES, SAMPLES + PST_CLOSE_SAMPLES, SAMPLES, 0 };
    g.retired = 0;
    give_row(0);
    g.sites[0].row->in_use = rate != 0;
    block->profile_rate = rate;
    pst_site_left = 0;
    dice = 0;
    begun = 0;
    pst_close_start();
}

/* -- chance --------------------------------------------------------------- */

/* Bytes to the next sample: exponentially distributed. */
static apr_int64_t draw(double rate)
{
    double u = (double)((pst_dice_roll(&dice) >> 11) + 1) / 9007199254740992.0;      /* (0, 1] */

    return (apr_int64_t)(-log(u) * rate);
}

static void shake(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    dice = ((apr_uint64_t)ts.tv_nsec << 32 ^ (apr_uint64_t)ts.tv_sec ^ (apr_uint64_t)(apr_uintptr_t)&dice) | 1;
    dice *= 0x9e3779b97f4a7c15u;
    pst_dice_roll(&dice);
}

apr_int64_t pst_site_draw(double rate)
{
    if (!dice) {
        shake();
    }
    return draw(rate);
}

apr_uint64_t pst_site_weight(apr_uint64_t size, double rate)
{
    return (apr_uint64_t)((double)size / -expm1(-(double)size / rate));
}

/* A growth that may be the profile's: at a thread's first growth the remaining bytes are not yet drawn. */
static int is_due(apr_size_t size)
{
    if (g.rate <= 0) {
        pst_site_left = APR_INT64_MAX;
        return 0;
    }
    if (!begun) {
        begun = 1;
        pst_site_left = pst_site_draw(g.rate) - (apr_int64_t)size;
    }
    if (pst_site_left >= 0) {
        return 0;
    }
    pst_site_left = draw(g.rate);
    return 1;
}

/* The same for a close look. @return the bytes it stands for; 0: it is not to be sampled */
static apr_uint64_t is_close(const pst_record_t *record, apr_size_t size, int first)
{
    if (!dice) {
        shake();
    }
    return pst_close_weight(record, size, first, (double)(pst_dice_roll(&dice) >> 11) / 9007199254740992.0);
}

/* -- traces; with the flag ------------------------------------------------ */

static apr_uint32_t site_bucket(apr_uint32_t of_class, apr_uint32_t scope, apr_uintptr_t ip)
{
    return (apr_uint32_t)(((apr_uint64_t)ip ^ of_class << 8 ^ scope) * 0x9e3779b97f4a7c15u >> 56) % BUCKETS;
}

/* Is this the current stack? */
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

    for (i = g.buckets[site_bucket(to->of_class, to->scope, own)]; i; i = g.traces[i].next) {
        const trace_t *trace = &g.traces[i];

        if (trace->of_class == to->of_class && trace->scope == to->scope
            && g.sites[trace->site].turn == trace->turn && is_here(trace, base)) {
            return (int)trace->site;
        }
    }
    return -1;
}

static void forget_traces(void)
{
    memset(g.buckets, 0, sizeof(g.buckets));
    g.trace_count = 1;
}

static void add_trace(const pst_unwound_t *stack, apr_uintptr_t own, const charged_t *to, apr_uint32_t site)
{
    apr_uint32_t *bucket = &g.buckets[site_bucket(to->of_class, to->scope, own)];
    trace_t *trace;

    if (!stack->cacheable || !site) {
        return;
    }
    if (g.trace_count == TRACES) {      /* start again: those that matter come back soon */
        forget_traces();
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

/* -- sites; with the flag ------------------------------------------------- */

/* The row of a site that holds nothing now and has held least ever; its figures go to row 0. */
static apr_uint32_t take_row(void)
{
    apr_uint32_t i, least = 0;
    site_t *site;

    if (g.site_count < PST_SITE_COUNT) {
        give_row(g.site_count);
        return g.site_count++;
    }
    for (i = 1; i < PST_SITE_COUNT; i++) {
        if (!__atomic_load_n(&g.sites[i].live_samples, __ATOMIC_ACQUIRE)
            && (!least || g.sites[i].ever_bytes < g.sites[least].ever_bytes)) {
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

static void write_site_row(site_t *site)
{
    pst_shared_site_t *row = site->row;

    pst_seq_begin(&row->seq);
    row->depth = (uint16_t)site->depth;
    row->scope = site->scope;
    row->of_class = site->of_class;
    memcpy(row->frames, site->frames, sizeof(row->frames));
    memset(&row->verdict, 0, sizeof(row->verdict));
    row->site_live_bytes = row->site_ever_bytes = row->site_live_samples = row->site_ever_samples = 0;
    row->site_left_bytes = row->site_left_samples = row->site_left_sampled_bytes = 0;
    row->site_live_sampled_bytes = row->site_ever_sampled_bytes = row->site_kept_bytes = row->site_kept_samples = 0;
    row->in_use = 1;
    pst_seq_end(&row->seq);
}

static pst_shared_frame_t site_frame(const site_t *site)
{
    pst_blame_t blame;

    return pst_blame(&blame, site->frames, site->depth, pst_blame_kind_on_board, g.board) ? site->frames[blame.of] : 0;
}

/* @return 0 if there is no row */
static apr_uint32_t find_written(const pst_shared_frame_t *frames, apr_uint32_t depth, apr_uint32_t scope,
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
        site->blamed = site_frame(site);
        write_site_row(site);
    }
    return i;
}

/* Also without the flag. A row is not reassigned while it has samples, so their count is lowered last. */
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

    if (sample->is == PROFILE) {
        change_live(site, sign, sign * (apr_int64_t)sample->size, sign * (apr_int64_t)sample->weight);
    }
    else {                              /* it keeps the row */
        __atomic_add_fetch(&site->live_samples, (apr_uint64_t)(apr_int64_t)sign, __ATOMIC_RELEASE);
    }
}

static void charge_ever(apr_uint32_t which, const sample_t *sample)
{
    site_t *site = &g.sites[which];

    site->ever_samples++;
    site->ever_bytes += sample->weight;
    site->ever_sampled_bytes += sample->size;
    pst_add(&site->row->site_ever_samples, 1);
    pst_add(&site->row->site_ever_bytes, (apr_int64_t)sample->weight);
    pst_add(&site->row->site_ever_sampled_bytes, (apr_int64_t)sample->size);
}

/* The row now belongs to another site. Counters on the board only grow. */
static void leave_ever(apr_uint32_t which, const sample_t *sample)
{
    site_t *site = &g.sites[which];

    site->ever_samples--;
    site->ever_bytes -= sample->weight;
    site->ever_sampled_bytes -= sample->size;
    pst_add(&site->row->site_left_samples, 1);
    pst_add(&site->row->site_left_bytes, (apr_int64_t)sample->weight);
    pst_add(&site->row->site_left_sampled_bytes, (apr_int64_t)sample->size);
}

/* -- samples -------------------------------------------------------------- */

static int enter_sampling(void)
{
    return pst_flag_take(&g.busy);
}

/* With the flag: free a sample. */
static void free_sample(apr_uint32_t i)
{
    sample_t *sample = &g.samples[i];
    share_t *of = i < SAMPLES ? &g.profile : &g.kept;

    charge_live(sample->site, sample, -1);
    g.retired -= sample->is == RETIRED;
    sample->is = FREE;
    sample->next = of->free;
    of->free = i;
}

/* With the flag: the same for a chain. */
static void free_chain(apr_uint32_t i)
{
    while (i) {
        apr_uint32_t next = g.samples[i].next;

        free_sample(i);
        i = next;
    }
}

static void leave_sampling(void)
{
    free_chain(__atomic_exchange_n(&g.left, 0, __ATOMIC_ACQUIRE));
    pst_flag_give(&g.busy);
}

/* Without the flag: leave a chain to its next holder. */
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

static apr_uint32_t take_sample(share_t *of)
{
    apr_uint32_t i = of->free;

    if (i) {
        of->free = g.samples[i].next;
        return i;
    }
    return of->count < of->end ? of->count++ : 0;
}

static void hang_on(pst_record_t *record, apr_uint32_t i, sample_t *made)
{
    made->next = record->samples;
    g.samples[i] = *made;
    record->samples = i;
    charge_live(made->site, made, 1);
}

static void add_sample(pst_record_t *record, apr_uint32_t site, apr_size_t size, int first)
{
    sample_t made = { .site = (apr_uint16_t)site, .first = (apr_byte_t)first, .is = PROFILE, .size = size };
    apr_uint32_t i = take_sample(&g.profile);

    made.weight = pst_site_weight(size, g.rate);
    charge_ever(site, &made);
    if (!i) {
        pst_add(&g.block->samples_lost, 1);
        return;
    }
    hang_on(record, i, &made);
}

/* The caller owns the pool and its chain: drop retired samples. */
static void prune(pst_record_t *record)
{
    apr_uint32_t *link = &record->samples;

    while (*link) {
        apr_uint32_t i = *link;

        if (g.samples[i].is == RETIRED) {
            *link = g.samples[i].next;
            free_sample(i);
        }
        else {
            link = &g.samples[i].next;
        }
    }
}

static apr_uint32_t account_slot(const pst_account_t *account)
{
    const pst_account_t *connection = account->above ? account->above : account;

    return connection->tag ? (connection->tag >> 16) + 1 : 0;
}

static void add_kept(pst_record_t *record, apr_uint32_t site, apr_uint64_t weight, int first)
{
    sample_t made = { .site = (apr_uint16_t)site, .first = (apr_byte_t)first, .is = KEPT, .weight = weight };
    apr_uint32_t i;

    if (g.retired > PST_CLOSE_SAMPLES / 4) {
        prune(record);
    }
    i = take_sample(&g.kept);
    if (i) {
        made.when = pst_close_now();
        made.slot = account_slot(record->account);
        hang_on(record, i, &made);
    }
}

/* What to sample of one growth. */
typedef struct {
    apr_size_t   size;
    int          first;
    int          due;           /* for the profile */
    apr_uint64_t close;         /* its weight as a sample of a close look, or 0 */
} wanted_t;

/* Inside. */
static void add_wanted(pst_record_t *record, apr_uint32_t site, const wanted_t *wanted)
{
    if (wanted->due) {
        add_sample(record, site, wanted->size, wanted->first);
    }
    if (wanted->close) {
        add_kept(record, site, wanted->close, wanted->first);
    }
}

/* The next growth instead. */
static void do_without(const wanted_t *wanted)
{
    if (wanted->due) {
        pst_site_left = 0;
    }
}

static void unwind(pst_unwound_t *stack, apr_uintptr_t base)
{
    pst_unwind_take(stack, base);
    if (stack->top > known_top) {
        known_top = stack->top;
    }
}

/* A stack that matches no trace. */
static __attribute__((noinline)) void sample_new(pst_record_t *record, const wanted_t *wanted, apr_uintptr_t base,
                                                 apr_uintptr_t own)
{
    const charged_t to = { record->of_class, record->account->scope };
    pst_unwound_t stack;
    apr_uint32_t site;

    unwind(&stack, base);
    pst_unwind_name(&stack, g.board, pst_object_find);
    if (!enter_sampling()) {
        do_without(wanted);
        return;
    }
    site = find_written(stack.frames, stack.frame_count, to.scope, to.of_class);
    add_trace(&stack, own, &to, site);
    add_wanted(record, site, wanted);
    leave_sampling();
}

/* @param base frame address of the function that the wrapper called; own: where it returns to */
static void sample(pst_record_t *record, const wanted_t *wanted, apr_uintptr_t base, apr_uintptr_t own)
{
    const charged_t to = { record->of_class, record->account->scope };
    int site;

    if (!enter_sampling()) {
        do_without(wanted);
        return;
    }
    site = find_trace(base, own, &to);
    if (site >= 0) {
        add_wanted(record, (apr_uint32_t)site, wanted);
    }
    leave_sampling();
    if (site < 0) {
        sample_new(record, wanted, base, own);
    }
}

__attribute__((noinline, noclone)) void pst_site_sample(pst_record_t *record, apr_size_t size, int first)
{
    apr_uintptr_t base = (apr_uintptr_t)__builtin_frame_address(0);
    apr_uintptr_t own = (apr_uintptr_t)__builtin_return_address(0);
    wanted_t wanted = { .size = size, .first = first };

    if (pst_child_muted()) {
        pst_site_left = APR_INT64_MAX;
        return;
    }
    wanted.due = pst_site_left < 0 && is_due(size);
    wanted.close = pst_close_scopes >> record->account->scope & 1 ? is_close(record, size, first) : 0;
    if (wanted.due || wanted.close) {
        sample(record, &wanted, base, own);
    }
}

__attribute__((noinline, noclone)) void pst_site_took(pst_record_t *record, apr_size_t size)
{
    apr_uintptr_t base = (apr_uintptr_t)__builtin_frame_address(0);
    apr_uintptr_t own = (apr_uintptr_t)__builtin_return_address(0);
    wanted_t wanted = { .size = size };
    apr_uint32_t rate = pst_close_rate();
    static __thread int drawn __attribute__((tls_model("initial-exec")));
    int fresh = !drawn;

    drawn = 1;
    pst_site_close = pst_site_draw(rate);
    if (fresh || !record || pst_child_muted() || !(pst_close_scopes >> record->account->scope & 1)) {
        return;
    }
    wanted.close = pst_close_took(record, size, rate);
    if (wanted.close) {
        sample(record, &wanted, base, own);
    }
}

__attribute__((noinline)) int pst_site_caller(pst_shared_frame_t *frames)
{
    pst_unwound_t stack;

    if (!g.board) {
        return 0;
    }
    pst_unwind_take(&stack, (apr_uintptr_t)__builtin_frame_address(0));
    pst_unwind_name(&stack, g.board, pst_object_find);
    memcpy(frames, stack.frames, stack.frame_count * sizeof(*frames));
    return (int)stack.frame_count;
}

unsigned pst_site_of(pst_shared_frame_t blamed, pst_shared_frame_t *frames)
{
    const site_t *found = NULL;
    apr_uint32_t i;

    if (!enter_sampling()) {
        return 0;
    }
    for (i = 1; i < g.site_count; i++) {
        if (g.sites[i].blamed == blamed && (!found || g.sites[i].live_samples > found->live_samples)) {
            found = &g.sites[i];
        }
    }
    if (found) {
        memcpy(frames, found->frames, sizeof(found->frames));
    }
    i = found ? found->depth : 0;
    leave_sampling();
    return i;
}

int pst_site_holds_most(unsigned scope, apr_uint32_t object)
{
    apr_uint64_t all = 0, own = 0;

    if (!enter_sampling()) {
        return 0;
    }
    for (apr_uint32_t i = 1; i < g.site_count; i++) {
        apr_uint64_t live = g.sites[i].scope == scope ? pst_load(&g.sites[i].row->site_live_bytes) : 0;

        all += live;
        own += PST_FRAME_MODULE(g.sites[i].blamed) == object ? live : 0;
    }
    leave_sampling();
    return own > all - own;
}

/* -- what is kept --------------------------------------------------------- */

static pst_site_of_t what(const site_t *site)
{
    return (pst_site_of_t){ site->turn, site->scope, site->of_class, site == g.sites ? 0 : site->blamed };
}

int pst_site_kept(pst_site_kept_t *samples, pst_site_of_t *sites)
{
    apr_uint32_t i;
    int count = 0;

    if (!enter_sampling()) {
        return -1;
    }
    for (i = 0; i < PST_SITE_COUNT; i++) {
        sites[i] = what(&g.sites[i]);
    }
    for (i = g.kept.first; i < g.kept.count; i++) {
        const sample_t *sample = &g.samples[i];

        if (sample->is == KEPT) {
            samples[count++] = (pst_site_kept_t){ i, sample->when, sample->slot, sample->site, sample->weight };
        }
    }
    leave_sampling();
    return count;
}

apr_uint32_t pst_site_live(int outside, pst_site_of_t *sites, pst_site_sum_t *sums)
{
    apr_uint32_t count;

    if (!enter_sampling()) {
        return 0;
    }
    count = g.site_count;
    for (apr_uint32_t i = 0; i < count; i++) {
        const site_t *site = &g.sites[i];
        int counts = i && (site->scope >= PST_SCOPE_COUNT) == outside;

        sites[i] = what(site);
        sums[i].bytes = counts ? pst_load(&site->row->site_live_bytes) : 0;
        sums[i].samples = counts ? pst_load(&site->row->site_live_samples) : 0;
    }
    leave_sampling();
    return count;
}

void pst_site_thin(const pst_site_kept_t *samples, int count, apr_uint32_t until)
{
    int i;

    if (!enter_sampling()) {
        return;
    }
    for (i = 0; i < count; i++) {
        sample_t *sample = &g.samples[samples[i].at];

        if (sample->is != KEPT || sample->when != samples[i].when || sample->when >= until) {
            continue;
        }
        if (!dice) {
            shake();
        }
        if (pst_dice_roll(&dice) >> 63) {
            sample->is = RETIRED;
            g.retired++;
        }
        else {
            sample->weight *= 2;
        }
    }
    leave_sampling();
}

void pst_site_publish_kept(const pst_site_of_t *sites, const pst_site_sum_t *sums)
{
    apr_uint32_t i;

    if (!enter_sampling()) {
        return;
    }
    for (i = 0; i < g.site_count; i++) {
        site_t *site = &g.sites[i];

        if (site->turn == sites[i].turn && pst_load(&site->row->site_kept_bytes) != sums[i].bytes) {
            pst_store(&site->row->site_kept_bytes, sums[i].bytes);
            pst_store(&site->row->site_kept_samples, sums[i].samples);
        }
    }
    leave_sampling();
}

void pst_site_release(pst_record_t *record, int all)
{
    apr_uint32_t i = record->samples, next, kept = 0, gone = 0;

    record->samples = 0;
    if (pst_child_muted()) {
        return;
    }
    for (; i; i = next) {               /* the chain belongs to the pool */
        apr_uint32_t *to = g.samples[i].first && !all ? &kept : &gone;

        next = g.samples[i].next;
        g.samples[i].next = *to;
        *to = i;
    }
    record->samples = kept;
    if (gone && enter_sampling()) {
        free_chain(gone);
        leave_sampling();
    }
    else if (gone) {
        leave_chain(gone);
    }
}

static void move_sample(sample_t *sample, apr_uint32_t to)
{
    apr_uint32_t from = sample->site;

    sample->site = (apr_uint16_t)to;
    charge_live(from, sample, -1);
    charge_live(to, sample, 1);
    if (sample->is == PROFILE) {
        charge_ever(to, sample);
        leave_ever(from, sample);
    }
}

void pst_site_moved(pst_record_t *record)
{
    apr_uint32_t i, scope = record->account->scope, slot = account_slot(record->account);

    if (pst_child_muted() || !enter_sampling()) {
        return;                         /* they stay where they are charged */
    }
    for (i = record->samples; i; i = g.samples[i].next) {
        sample_t *sample = &g.samples[i];
        const site_t from = g.sites[sample->site];
        apr_uint32_t to;

        if (sample->is != PROFILE) {
            sample->slot = slot;
        }
        if (!sample->site || (from.scope == scope && from.of_class == record->of_class)) {
            continue;
        }
        to = find_written(from.frames, from.depth, scope, record->of_class);
        move_sample(sample, to);
    }
    leave_sampling();
}

/* -- memory outside of pools ------------------------------------------------ */

static int charge_trace(apr_uintptr_t base, apr_uintptr_t own, const charged_t *to, const sample_t *sample)
{
    int site;

    if (!enter_sampling()) {
        return -1;
    }
    site = find_trace(base, own, to);
    if (site >= 0) {
        charge_ever((apr_uint32_t)site, sample);
        charge_live((apr_uint32_t)site, sample, 1);
    }
    leave_sampling();
    return site;
}

static __attribute__((noinline)) int charge_new(apr_uintptr_t base, apr_uintptr_t own, const charged_t *to,
                                                const sample_t *sample)
{
    pst_unwound_t stack;
    apr_uint32_t site;

    unwind(&stack, base);
    pst_unwind_name(&stack, g.board, pst_object_known);
    if (!enter_sampling()) {
        return -1;
    }
    site = find_written(stack.frames, stack.frame_count, to->scope, 0);
    add_trace(&stack, own, to, site);
    charge_ever(site, sample);
    charge_live(site, sample, 1);
    leave_sampling();
    return (int)site;
}

__attribute__((noinline, noclone)) int pst_site_charge(apr_uint32_t scope, apr_uint64_t size, apr_uint64_t weight,
                                                        apr_uintptr_t caller)
{
    apr_uintptr_t base = (apr_uintptr_t)__builtin_frame_address(0);
    const charged_t to = { 0, scope };
    const sample_t sample = { .is = PROFILE, .size = size, .weight = weight };
    int site = charge_trace(base, caller, &to, &sample);

    return site >= 0 ? site : charge_new(base, caller, &to, &sample);
}

int pst_site_forget_stacks(void)
{
    if (!enter_sampling()) {
        return 0;
    }
    forget_traces();
    leave_sampling();
    return 1;
}

void pst_site_change(apr_uint32_t site, int samples, apr_int64_t size, apr_int64_t weight)
{
    if (site < PST_SITE_COUNT && !pst_child_muted()) {
        change_live(&g.sites[site], samples, size, weight);
    }
}
