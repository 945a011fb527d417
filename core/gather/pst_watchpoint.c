/* SPDX-License-Identifier: Apache-2.0
 *
 * Watchpoints: see the header.
 *
 * Concurrency: a watchpoint is a row of a small table.  Its word holds a state and a turn, and changes by
 * compare-and-swap alone: set -> met -> filled by the thread that collides, or set -> free by its setter. The setter
 * waits a bounded time for the other thread's stack, and otherwise leaves the row to it. No wait is unbounded.
 */
#include "pst_watchpoint.h"
#include "pst_clock.h"
#include "pst_dice.h"
#include "pst_misuse.h"
#include "pst_object.h"
#include "pst_record.h"
#include "pst_site.h"
#include "pst_wrap.h"

#include <sched.h>
#include <string.h>

#define WATCHES     8
#define WANTED      1u          /* of pst_watchpoint_armed */
#define EACH_SET    2u

/* A watchpoint stays for about this many microseconds, between half of it and one and a half. */
#define WAIT        20u
/* A thread spends at most one part in this many of its time waiting. */
#define SHARE       20u
/* How long to wait for the colliding thread, microseconds. */
#define PATIENCE    2000u
/* Minimum time between two reports, microseconds: a frequent misuse must not cost a stack each time. */
#define TOLD_EVERY  10000u
/* If rarer than one in this many, turns are not counted by each operation. */
#define COUNTED     64u
/* Operations that one tick stands for. */
#define A_TICK      40u

enum { FREE = 0, TAKEN, SET, MET, FILLED, ALONE, STATES = 8 };

typedef struct {
    apr_uint32_t  word;         /* turn * STATES + state (atomic) */
    pst_watch_e   what;
    void         *object;
    const void   *owner;        /* of which thread */
    pst_misuse_stack_t came;
} watch_t;

static struct {
    watch_t       watches[WATCHES];
    apr_uint32_t  one_in;       /* atomic */
    apr_uint32_t  threads;      /* seen so far (atomic) */
    apr_uint64_t  told;         /* ticks (atomic) */
    const char *const *except;  /* atomic */
} g;

apr_uint32_t pst_watchpoint_armed;

static __thread struct {
    int          known;         /* counted in g.threads */
    int          busy;          /* in here */
    apr_uint32_t left;          /* operations, or ticks, until the next */
    apr_uint64_t dice;
    apr_uint64_t resting;       /* ticks: no watchpoint before */
    pst_serving_t serves;
} me __attribute__((tls_model("initial-exec")));

void pst_watchpoint_switch(apr_uint32_t one_in)
{
    __atomic_store_n(&g.one_in, one_in, __ATOMIC_RELAXED);
    if (one_in && one_in < COUNTED) {
        __atomic_or_fetch(&pst_watchpoint_armed, WANTED, __ATOMIC_RELAXED);
    }
    else {
        __atomic_and_fetch(&pst_watchpoint_armed, ~WANTED, __ATOMIC_RELAXED);
    }
}

void pst_watchpoint_except(const char *const *names)
{
    __atomic_store_n(&g.except, names, __ATOMIC_RELEASE);
}

/* One in n on average. */
static apr_uint32_t watch_draw(apr_uint32_t n)
{
    return n > 1 ? pst_dice_below(&me.dice, 2 * n - 1) : 0;
}

void pst_watchpoint_tick(void)
{
    apr_uint32_t one_in = __atomic_load_n(&g.one_in, __ATOMIC_RELAXED);

    if (one_in < COUNTED || me.left--) {
        return;
    }
    me.left = watch_draw(one_in / A_TICK);
    __atomic_or_fetch(&pst_watchpoint_armed, WANTED, __ATOMIC_RELAXED);
}

/* Whose turn is it? */
static int watch_due(void)
{
    apr_uint32_t one_in = __atomic_load_n(&g.one_in, __ATOMIC_RELAXED);

    if (!one_in || (one_in < COUNTED && me.left--)) {
        return 0;
    }
    if (one_in < COUNTED) {
        me.left = watch_draw(one_in);
        return 1;
    }
    return (__atomic_fetch_and(&pst_watchpoint_armed, ~WANTED, __ATOMIC_RELAXED) & WANTED) != 0;
}

/* -- reports --------------------------------------------------------------- */

static int is_named(const char *name, apr_size_t length)
{
    const char *const *each = __atomic_load_n(&g.except, __ATOMIC_ACQUIRE);

    for (; each && *each; each++) {
        if (strncmp(*each, name, length) == 0 && !(*each)[length]) {
            return 1;
        }
    }
    return 0;
}

/* Is the innermost module of this stack one of the named ones? */
static int is_by_named(const pst_misuse_stack_t *stack)
{
    for (apr_uint32_t i = 0; i < stack->depth; i++) {
        const pst_object_t *object = pst_object_known((const void *)(stack->ip[i] - 1));

        if (object && object->kind == PST_CODE_MODULE) {
            return is_named(object->name, strlen(object->name));
        }
    }
    return 0;
}

/* A pool that the administrator named, or that a module named uses. */
static int is_excepted(const void *object, pst_watch_e what, const pst_misuse_stack_t *one,
                       const pst_misuse_stack_t *two)
{
    const char *tag = what == PST_WATCH_POOL ? ((const pst_apr_pool_t *)object)->tag : NULL;

    if (!__atomic_load_n(&g.except, __ATOMIC_RELAXED)) {
        return 0;
    }
    return (tag && is_named(tag, strlen(tag)))
           || is_by_named(one) || (two && is_by_named(two));
}

/* May something be reported now? */
static int may_tell(void)
{
    apr_uint64_t now = pst_ticks(), last = __atomic_load_n(&g.told, __ATOMIC_RELAXED);

    return (!last || pst_ticks_usec((apr_int64_t)(now - last)) >= TOLD_EVERY)
           && __atomic_compare_exchange_n(&g.told, &last, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static const char *const names[PST_WATCH_KINDS] = { "pool", "allocator", "bucket allocator" };

static void tell_two(watch_t *watch, const pst_misuse_stack_t *mine, const pst_misuse_stack_t *other)
{
    pst_misuse_t misuse = { .kind = PST_MISUSE_TWO_THREADS, .what = names[watch->what], .stacks = { mine, other } };
    pst_misuse_party_t by, of;
    const pst_record_t *record;

    if (watch->what == PST_WATCH_POOL) {
        record = pst_record_find(watch->object);
        misuse.tag = ((const pst_apr_pool_t *)watch->object)->tag;
        misuse.of_class = record ? record->of_class : 0;
        pst_misuse_party_of(&of, record ? record->account : NULL);
        misuse.of = &of;
    }
    pst_misuse_party_now(&by);
    misuse.by = &by;
    pst_misuse_tell(&misuse);
}

/* -- two meet -------------------------------------------------------------- */

static int watch_change(watch_t *watch, apr_uint32_t word, apr_uint32_t to)
{
    apr_uint32_t expected = word;

    return __atomic_compare_exchange_n(&watch->word, &expected, word - word % STATES + to, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static void give_back(watch_t *watch, apr_uint32_t word)
{
    __atomic_store_n(&watch->word, (word - word % STATES) + STATES + FREE, __ATOMIC_RELEASE);
}

/* Another thread is about to use this very object. */
static __attribute__((noinline)) void watch_met(watch_t *watch, apr_uint32_t word)
{
    pst_misuse_stack(&watch->came);
    if (!watch_change(watch, word, FILLED)) {
        give_back(watch, word);         /* it did not wait */
    }
}

static void watch_meet(const void *object)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        watch_t *watch = &g.watches[i];
        apr_uint32_t word = __atomic_load_n(&watch->word, __ATOMIC_ACQUIRE);

        if (word % STATES == SET && __atomic_load_n(&watch->object, __ATOMIC_RELAXED) == object
            && __atomic_load_n(&watch->owner, __ATOMIC_RELAXED) != &me && watch_change(watch, word, MET)) {
            watch_met(watch, word - word % STATES + MET);
        }
    }
}

/* Nothing else is done meanwhile; others may run here. */
static void watch_wait(apr_uint64_t usec)
{
    apr_uint64_t start = pst_ticks();

    sched_yield();
    while (pst_ticks_usec((apr_int64_t)(pst_ticks() - start)) < usec) {
        for (int i = 0; i < 16; i++) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#else
            __asm__ volatile("" ::: "memory");
#endif
        }
    }
}

/* Another thread came. It supplies its own stack. */
static __attribute__((noinline)) void tell_met(watch_t *watch, apr_uint32_t set)
{
    apr_uint32_t base = set - set % STATES;
    apr_uint64_t start = pst_ticks();
    pst_misuse_stack_t mine;

    pst_misuse_stack(&mine);
    while (__atomic_load_n(&watch->word, __ATOMIC_ACQUIRE) != base + FILLED
           && pst_ticks_usec((apr_int64_t)(pst_ticks() - start)) < PATIENCE) {
        sched_yield();
    }
    if (watch_change(watch, base + MET, ALONE)) {
        if (may_tell() && !is_excepted(watch->object, watch->what, &mine, NULL)) {
            tell_two(watch, &mine, NULL);
        }
        return;                         /* the other thread releases it */
    }
    if (may_tell() && !is_excepted(watch->object, watch->what, &mine, &watch->came)) {
        tell_two(watch, &mine, &watch->came);
    }
    give_back(watch, base + FILLED);
}

static watch_t *watch_take(apr_uint32_t *word)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        *word = __atomic_load_n(&g.watches[i].word, __ATOMIC_RELAXED);
        if (*word % STATES == FREE && watch_change(&g.watches[i], *word, TAKEN)) {
            *word += TAKEN;
            return &g.watches[i];
        }
    }
    return NULL;
}

static void watch_set(void *object, pst_watch_e what)
{
    apr_uint64_t start = pst_ticks(), usec = WAIT / 2 + pst_dice_below(&me.dice, WAIT);
    apr_uint32_t word;
    watch_t *watch;

    if (pst_ticks_usec((apr_int64_t)(me.resting - start)) || !(watch = watch_take(&word))) {
        return;
    }
    watch->what = what;
    __atomic_store_n(&watch->object, object, __ATOMIC_RELAXED);
    __atomic_store_n(&watch->owner, (const void *)&me, __ATOMIC_RELAXED);
    word = word - TAKEN + SET;
    __atomic_store_n(&watch->word, word, __ATOMIC_RELEASE);
    __atomic_add_fetch(&pst_watchpoint_armed, EACH_SET, __ATOMIC_RELAXED);
    watch_wait(usec);
    if (watch_change(watch, word, TAKEN)) {
        give_back(watch, word);
    }
    else {
        tell_met(watch, word);
    }
    __atomic_sub_fetch(&pst_watchpoint_armed, EACH_SET, __ATOMIC_RELAXED);
    me.resting = pst_ticks();
    me.resting += (me.resting - start) * (SHARE - 1);
}

/* -- wrong hands ----------------------------------------------------------- */

pst_serving_t pst_watchpoint_serves(const pst_account_t *account)
{
    pst_serving_t before = me.serves;

    me.serves = (pst_serving_t){ account ? account->id : 0, account && account->master ? account->master->id : 0,
                                 !account };
    return before;
}

void pst_watchpoint_opened(const pst_account_t *account)
{
    if (me.serves.opens) {
        pst_watchpoint_serves(account);
    }
}

void pst_watchpoint_served(pst_serving_t before)
{
    me.serves = before;
}

/*
 * A pool of a request or of a stream.  Connections' pools change hands: those of backends from one client to the
 * next, those of clients by the MPM. Streams' pools are used by their own thread, and by that of the connection that
 * carries the stream.
 */
static void watch_judge(apr_pool_t *pool)
{
    const pst_record_t *record = pst_record_find(pool);
    const pst_account_t *account = record ? record->account : NULL, *connection;
    pst_misuse_stack_t here;
    pst_misuse_party_t by, of;
    pst_misuse_t misuse = { .kind = PST_MISUSE_WRONG_HANDS, .what = names[PST_WATCH_POOL],
                            .tag = pst_apr_pool(pool)->tag, .by = &by, .of = &of, .stacks = { &here } };
    apr_uint64_t owner, master;

    if (!account || account->scope == PST_SCOPE_PROCESS || !me.serves.connection) {
        return;
    }
    connection = account->above ? account->above : account;
    owner = connection->id;
    master = connection->master ? connection->master->id : 0;
    if ((account == connection && !master) || owner == me.serves.connection || master == me.serves.connection
        || pst_apr_has_mutex(pst_apr_pool(pool)->allocator) || !may_tell()) {
        return;
    }
    pst_misuse_stack(&here);
    if (!is_excepted(pool, PST_WATCH_POOL, &here, NULL)) {
        misuse.of_class = record->of_class;
        pst_misuse_party_now(&by);
        pst_misuse_party_of(&of, account);
        pst_misuse_tell(&misuse);
    }
}

void pst_watchpoint_come(void *object, pst_watch_e what, int may_set)
{
    if (me.busy || pst_child_muted()) {
        return;
    }
    me.busy = 1;
    if (!me.known) {
        me.known = 1;
        __atomic_add_fetch(&g.threads, 1, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&pst_watchpoint_armed, __ATOMIC_RELAXED) >= EACH_SET) {
        watch_meet(object);
    }
    if (may_set && watch_due()) {
        if (what == PST_WATCH_POOL) {
            watch_judge(object);
        }
        if (__atomic_load_n(&g.threads, __ATOMIC_RELAXED) > 1) {
            watch_set(object, what);
        }
    }
    me.busy = 0;
}
