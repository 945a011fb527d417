/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_guarded.h.
 */
#include "pst_guarded.h"
#include "pst_clock.h"
#include "pst_dice.h"
#include "pst_linger.h"
#include "pst_record.h"
#include "pst_wrap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRIES    3072u    /* pools that are, or were, guarded: 0 is none */
#define ALLOCATORS 1024u

/* Bytes of ended memory that stay closed, and the maximum time. */
#define QUARANTINE ((apr_size_t)4 << 20)
#define SECONDS    60u

/* One in this many small blocks of a bucket allocator whose allocator is ours gets a node of its own. */
#define OWN_NODE   8u

/* Where the block starts in it. */
#define BLOCK_AT   (APR_MEMNODE_T_SIZE + PST_APR_BUCKET_HEAD)

typedef struct {
    pst_apr_allocator_t ours;
    apr_allocator_t    *theirs;     /* the allocator requested for the pool; NULL: none */
    apr_uint32_t        users;      /* atomic: pools, alive or not; 0: free */
    apr_uint32_t        owner;      /* the first of them */
} slot_t;

static struct {
    pst_guarded_t *entries;
    slot_t        *slots;
    apr_uint32_t   next_entry, next_slot;   /* atomic: where to look first */
    apr_uint32_t   one_in, kinds;           /* atomic */
    pst_real_t     real;                    /* what was there before */
} g;

/* This thread allocates for a guarded pool, or ends one. */
static __thread apr_uint32_t guarding __attribute__((tls_model("initial-exec")));
static __thread apr_uint32_t ending __attribute__((tls_model("initial-exec")));
static __thread int freeing __attribute__((tls_model("initial-exec")));     /* a node of one of our allocators */
static __thread apr_uint64_t dice __attribute__((tls_model("initial-exec")));

__thread int pst_guarded_frees_block __attribute__((tls_model("initial-exec")));
apr_uint32_t pst_guarded_stands;

static apr_uint64_t monotonic(void)
{
    return pst_clock_usec(CLOCK_MONOTONIC);
}

/* -- entries ----------------------------------------------------------------- */

/* The entry for the owner of a page; NULL: none. */
static const pst_guarded_t *guarded_of(apr_uint32_t owner)
{
    return owner && owner < ENTRIES && g.entries ? &g.entries[owner] : NULL;
}

/* @return its number, with one reference; 0: none is free */
static apr_uint32_t take_guarded(void)
{
    apr_uint32_t at = __atomic_fetch_add(&g.next_entry, 1, __ATOMIC_RELAXED);

    for (unsigned tries = 0; tries < 256; tries++, at++) {
        pst_guarded_t *entry = &g.entries[at % ENTRIES];
        apr_uint32_t nobody = 0;

        if (at % ENTRIES
            && __atomic_compare_exchange_n(&entry->refs, &nobody, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            entry->ended = 0;
            entry->allocator = 0;
            entry->of_class = 0;
            entry->tag[0] = '\0';
            entry->made.depth = entry->end.depth = 0;
            entry->of.connection = 0;
            entry->of.line[0] = '\0';
            return at % ENTRIES;
        }
    }
    return 0;
}

static void hold_entry(apr_uint32_t owner)
{
    __atomic_add_fetch(&g.entries[owner].refs, 1, __ATOMIC_RELAXED);
}

static void drop_entry(apr_uint32_t owner)
{
    pst_guarded_t *entry = &g.entries[owner];
    apr_uint32_t slot = entry->allocator;

    if (owner && __atomic_sub_fetch(&entry->refs, 1, __ATOMIC_ACQ_REL) == 0 && slot) {
        __atomic_sub_fetch(&g.slots[slot].users, 1, __ATOMIC_ACQ_REL);
    }
}

static void use_slot(apr_uint32_t owner, apr_uint32_t slot)
{
    __atomic_add_fetch(&g.slots[slot].users, 1, __ATOMIC_RELAXED);
    g.entries[owner].allocator = slot;
}

/* pst_range_freed_fn */
static void freed(apr_uint32_t owner, int was_counted, apr_size_t size)
{
    drop_entry(owner);
    if (was_counted) {
        pst_account_held(-(apr_int64_t)size);
    }
}

static apr_uint32_t page_owner(const void *at)
{
    pst_range_page_t page;

    pst_range_look(&page, at);
    return page.owner;
}

int pst_guarded_is_dead(const apr_pool_t *pool)
{
    pst_range_page_t page;

    if (!pst_range_has(pool)) {
        return 0;
    }
    pst_range_look(&page, pool);
    return page.is == PST_RANGE_ENDED || page.is == PST_RANGE_OPENED;
}

/* Another entry with the same origin. @return 0: there is none */
static apr_uint32_t another(apr_uint32_t owner)
{
    apr_uint32_t other = owner ? take_guarded() : 0;

    if (other) {
        g.entries[other].made = g.entries[owner].made;
        g.entries[other].of_class = g.entries[owner].of_class;
        memcpy(g.entries[other].tag, g.entries[owner].tag, PST_TAG_LEN);
        if (g.entries[owner].allocator) {
            use_slot(other, g.entries[owner].allocator);
        }
    }
    return other;
}

/* -- allocators ---------------------------------------------------------------- */

/* The number of one of ours; 0: it is not ours. */
static apr_uint32_t slot_of(const apr_allocator_t *allocator)
{
    apr_uintptr_t at = (apr_uintptr_t)allocator - (apr_uintptr_t)g.slots;

    return at < ALLOCATORS * sizeof(slot_t) ? (apr_uint32_t)(at / sizeof(slot_t)) : 0;
}

static apr_allocator_t *ours(apr_uint32_t slot)
{
    return (apr_allocator_t *)(void *)&g.slots[slot].ours;
}

/* @param like the allocator whose mutex and owner it copies */
static apr_uint32_t take_slot(const apr_allocator_t *like, apr_allocator_t *theirs)
{
    apr_uint32_t at = __atomic_fetch_add(&g.next_slot, 1, __ATOMIC_RELAXED);

    for (unsigned tries = 0; tries < 256; tries++, at++) {
        slot_t *slot = &g.slots[at % ALLOCATORS];
        apr_uint32_t nobody = 0;

        if (at % ALLOCATORS
            && __atomic_compare_exchange_n(&slot->users, &nobody, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            memset(&slot->ours, 0, sizeof(slot->ours));
            g.real.allocator_max_free_set(ours(at % ALLOCATORS), 1);
#if APR_HAS_THREADS
            slot->ours.mutex = ((const pst_apr_allocator_t *)(const void *)like)->mutex;
#endif
            slot->ours.owner = theirs ? NULL : ((const pst_apr_allocator_t *)(const void *)like)->owner;
            slot->theirs = theirs;
            return at % ALLOCATORS;
        }
    }
    return 0;
}

static slot_t *slot_with(const apr_allocator_t *theirs)
{
    for (apr_uint32_t i = 1; g.slots && i < ALLOCATORS; i++) {
        if (g.slots[i].theirs == theirs && __atomic_load_n(&g.slots[i].users, __ATOMIC_RELAXED)) {
            return &g.slots[i];
        }
    }
    return NULL;
}

void pst_guarded_mutex(apr_allocator_t *theirs, void *mutex)
{
    slot_t *slot = slot_with(theirs);

    if (slot) {
#if APR_HAS_THREADS
        slot->ours.mutex = mutex;
#endif
    }
}

void pst_guarded_owner(apr_allocator_t *theirs)
{
    slot_t *slot = slot_with(theirs);

    if (slot) {
        slot->ours.owner = NULL;
    }
}

/* -- which --------------------------------------------------------------------- */

static int by_chance(apr_uint32_t one_in)
{
    return one_in <= 1 ? (int)one_in : pst_dice_below(&dice, one_in) == 0;
}

int pst_guarded_draws_node(const apr_allocator_t *allocator)
{
    return slot_of(allocator) && by_chance(OWN_NODE);
}

static apr_uint32_t guard_kind_of(apr_pool_t *parent, const apr_allocator_t *allocator)
{
    const pst_record_t *above = pst_record_find(parent);
    const pst_account_t *account = above ? above->account : NULL;

    if (!account) {
        return 0;
    }
    if (!allocator) {
        return above->rooted && above->rooted->scope == PST_SCOPE_CONNECTION ? PST_GUARD_REQUEST : 0;
    }
    switch (account->scope) {
    case PST_SCOPE_PROCESS: return PST_GUARD_CONNECTION;
    case PST_SCOPE_CONNECTION: return PST_GUARD_SECONDARY;
    default: return 0;
    }
}

static int is_to_be_guarded(apr_pool_t *parent, const apr_allocator_t *allocator)
{
    apr_uint32_t one_in = __atomic_load_n(&g.one_in, __ATOMIC_RELAXED);
    apr_uint32_t kinds = __atomic_load_n(&g.kinds, __ATOMIC_RELAXED);

    /* roll the dice first: cheaper than determining the pool's kind, and just as fair */
    return one_in && by_chance(one_in) && parent && !pst_child_muted()
           && (guard_kind_of(parent, allocator) | PST_GUARD_ALL) & kinds;
}

/* -- what stands behind pst_real ------------------------------------------------ */

static void name_entry(apr_uint32_t owner, apr_pool_t *pool)
{
    const char *tag = pst_apr_pool(pool)->tag;
    apr_size_t i = 0;

    for (; tag && i + 1 < PST_TAG_LEN && tag[i]; i++) {
        g.entries[owner].tag[i] = tag[i];
    }
    g.entries[owner].tag[i] = '\0';
}

static __attribute__((noinline)) apr_status_t make_below(apr_pool_t **pool, apr_pool_t *parent,
                                                         apr_abortfunc_t abort_fn)
{
    apr_uint32_t owner = another(page_owner(parent));
    apr_status_t rv;

    if (!owner) {                   /* its nodes come from the system, as usual */
        return g.real.pool_create_ex(pool, parent, abort_fn, NULL);
    }
    pst_misuse_stack(&g.entries[owner].made);
    g.entries[owner].tag[0] = '\0';
    guarding = owner;
    rv = g.real.pool_create_ex(pool, parent, abort_fn, NULL);
    guarding = 0;
    if (rv != APR_SUCCESS || !pst_range_has(*pool)) {
        drop_entry(owner);          /* the pool is an ordinary one, or there is none */
    }
    return rv;
}

static __attribute__((noinline)) apr_status_t make_chosen(apr_pool_t **pool, apr_pool_t *parent,
                                                          apr_abortfunc_t abort_fn, apr_allocator_t *allocator)
{
    apr_uint32_t owner = take_guarded(), slot = owner ? take_slot(allocator ? allocator
                                                                : pst_apr_pool(parent)->allocator, allocator) : 0;
    apr_status_t rv;

    if (slot) {
        g.entries[owner].allocator = slot;
        g.slots[slot].owner = owner;
        pst_misuse_stack(&g.entries[owner].made);
        guarding = owner;
        rv = g.real.pool_create_ex(pool, parent, abort_fn, ours(slot));
        guarding = 0;
        if (rv == APR_SUCCESS && pst_range_has(*pool)) {
            return rv;
        }
        if (rv == APR_SUCCESS) {
            g.real.pool_destroy(*pool);
        }
    }
    if (owner) {
        drop_entry(owner);
    }
    return g.real.pool_create_ex(pool, parent, abort_fn, allocator);
}

static apr_status_t guard_create(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                 apr_allocator_t *allocator)
{
    if (!allocator && parent && pst_range_has(parent)) {
        return make_below(pool, parent, abort_fn);
    }
    return is_to_be_guarded(parent, allocator) ? make_chosen(pool, parent, abort_fn, allocator)
                                        : g.real.pool_create_ex(pool, parent, abort_fn, allocator);
}

/* Fill it up, except for its own data: whatever is allocated later is in nodes that a clear releases. */
static void fill_up(apr_pool_t *pool)
{
    apr_memnode_t *self = pst_apr_pool(pool)->self;

    self->first_avail = self->endp;
}

/* A guarded pool was made and has its record: from now on nothing is allocated next to it. */
static void seal_guarded(apr_pool_t *pool)
{
    pst_record_t *record = pst_range_has(pool) ? pst_record_find(pool) : NULL;

    if (record && pst_apr_pool(pool)->active == pst_apr_pool(pool)->self) {
        fill_up(pool);
        pst_account_charge(record->account, 0, pst_wrap_publish(record, pool), 0);
    }
}

/* The account is still in the pool; so is the record's content, though it may have been dropped. */
static void note_end(apr_uint32_t owner, apr_pool_t *pool, pst_misuse_e kind)
{
    const pst_record_t *record = pst_record_inside(pool);
    pst_guarded_t *entry = &g.entries[owner];

    entry->of_class = record->of_class;
    name_entry(owner, pool);
    pst_misuse_party_of(&entry->of, record->rooted ? record->rooted : record->account);
    entry->ended_at = monotonic();
    entry->ended = (apr_byte_t)(kind + 1);
}

static __attribute__((noinline)) void end_pool(apr_pool_t *pool)
{
    apr_uint32_t owner = page_owner(pool), slot = slot_of(pst_apr_pool(pool)->allocator), outer = ending;
    apr_allocator_t *theirs = slot && g.slots[slot].owner == owner ? g.slots[slot].theirs : NULL;

    pst_misuse_stack(&g.entries[owner].end);
    note_end(owner, pool, PST_MISUSE_USE_AFTER_DESTROY);
    ending = owner;
    g.real.pool_destroy(pool);
    ending = outer;
    if (theirs) {
        g.slots[slot].theirs = NULL;
        if (apr_allocator_owner_get(theirs) == pool) {
            apr_allocator_mutex_set(theirs, NULL);
            pst_wrap_allocator_destroy(theirs);
        }
    }
    drop_entry(owner);
}

/* A pool that is not guarded but below one that is has its allocator, too. */
static void end_unguarded(apr_pool_t *pool, void (*real)(apr_pool_t *))
{
    int outer = freeing;

    freeing = slot_of(pst_apr_pool(pool)->allocator) != 0;
    real(pool);
    freeing = outer;
}

static void guard_destroy(apr_pool_t *pool)
{
    if (pst_range_has(pool) && page_owner(pool)) {
        end_pool(pool);
    }
    else {
        end_unguarded(pool, g.real.pool_destroy);
    }
}

/* What was allocated ends, with what is known so far; the pool continues as a new one. */
static __attribute__((noinline)) void clear_pool(apr_pool_t *pool)
{
    apr_uint32_t owner = page_owner(pool), next = another(owner), slot = slot_of(pst_apr_pool(pool)->allocator);
    apr_uint32_t outer = ending;    /* a cleanup of another pool destroys this one */

    pst_misuse_stack(&g.entries[owner].end);
    note_end(owner, pool, PST_MISUSE_USE_AFTER_CLEAR);
    ending = owner;
    g.real.pool_clear(pool);
    ending = outer;
    fill_up(pool);
    if (!next) {
        g.entries[owner].ended = 0;
        return;
    }
    if (slot && g.slots[slot].owner == owner) {
        g.slots[slot].owner = next;
    }
    pst_range_give(pst_apr_pool(pool)->self, next);
    hold_entry(next);
    drop_entry(owner);              /* that of the node */
    drop_entry(owner);              /* that of the pool */
}

static void guard_clear(apr_pool_t *pool)
{
    if (pst_range_has(pool) && page_owner(pool)) {
        clear_pool(pool);
    }
    else {
        end_unguarded(pool, g.real.pool_clear);
    }
}

/* The nodes of a pool that was destroyed are no ring any more. Without the guard its first node has room, and whoever
 * takes from it gets away with it; here that is full. Its active node becomes a ring of its own. */
static void mend_ring(apr_pool_t *pool)
{
    apr_memnode_t *active = pst_apr_pool(pool)->active;

    active->next = active;
    active->ref = &active->next;
}

/* Nodes that this thread takes now are this pool's. */
static APR_INLINE void guard_for(apr_pool_t *pool)
{
    pst_range_page_t page;

    guarding = 0;
    if (PST_UNLIKELY(pst_range_has(pool))) {
        pst_range_look(&page, pool);
        guarding = page.owner;
        if (page.is == PST_RANGE_ENDED || page.is == PST_RANGE_OPENED) {
            mend_ring(pool);
        }
    }
}

static void *guard_palloc(apr_pool_t *pool, apr_size_t size)
{
    void *m;

    guard_for(pool);
    m = g.real.palloc(pool, size);
    guarding = 0;
    return m;
}

static char *guard_pvsprintf(apr_pool_t *pool, const char *format, va_list ap)
{
    char *m;

    guard_for(pool);
    m = g.real.pvsprintf(pool, format, ap);
    guarding = 0;
    return m;
}

/* Nodes in no pool from one of our allocators: those of bucket allocators. */
static apr_uint32_t owner_of_allocator(const apr_allocator_t *allocator)
{
    apr_uint32_t slot = slot_of(allocator);

    return slot ? g.slots[slot].owner : 0;
}

static apr_memnode_t *guard_allocator_alloc(apr_allocator_t *allocator, apr_size_t size)
{
    apr_memnode_t *node;

    guarding = owner_of_allocator(allocator);
    node = g.real.allocator_alloc(allocator, size);
    guarding = 0;
    return node;
}

static void *guard_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    void *m;

    guarding = owner_of_allocator(pst_apr_bucket_alloc(list)->allocator);
    m = g.real.bucket_alloc(size, list);
    guarding = 0;
    return m;
}

static void guard_allocator_free(apr_allocator_t *allocator, apr_memnode_t *node)
{
    freeing = slot_of(allocator) != 0;
    g.real.allocator_free(allocator, node);
    freeing = 0;
}

static void guard_max_free(apr_allocator_t *allocator, apr_size_t size)
{
    if (!slot_of(allocator)) {
        g.real.allocator_max_free_set(allocator, size);
    }
}

/* Memory for a pool that has already ended has no owner from the start: it is in quarantine, not held. */
static void *guard_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    apr_uint32_t owner = guarding;
    void *m = owner && fd == -1 && !pst_child_muted() ? pst_range_take(size, owner) : NULL;

    if (!m) {
        return g.real.mmap(at, size, protection, flags, fd, offset);
    }
    hold_entry(owner);
    if (g.entries[owner].ended == PST_MISUSE_USE_AFTER_DESTROY + 1) {
        pst_range_leave(m, 0);
        pst_account_held(-(apr_int64_t)size);   /* pst_wrap_mmap() counts it */
    }
    return m;
}

/* A node freed on its own while its pool exists ends right here. */
static apr_uint32_t end_alone(apr_uint32_t owner)
{
    apr_uint32_t other = g.entries[owner].ended ? 0 : another(owner);

    if (other) {
        pst_misuse_stack(&g.entries[other].end);
        g.entries[other].of = g.entries[owner].of;
        if (pst_guarded_frees_block) {
            pst_misuse_party_now(&g.entries[other].of);
        }
        g.entries[other].ended_at = monotonic();
        g.entries[other].ended = 1 + (pst_guarded_frees_block ? PST_MISUSE_BUCKET_FREED : PST_MISUSE_USE_AFTER_DESTROY);
    }
    return other;
}

static int guard_munmap(void *at, size_t size)
{
    pst_range_page_t page;
    apr_uint32_t owner, to;

    /* A node for which the range had no room. APR's allocators would have kept it, and stale pointers into it would
     * have been harmless: our allocators keep nothing, so it lingers here. */
    if (!pst_range_has(at)) {
        return ending || freeing ? pst_linger(at, size) : g.real.munmap(at, size);
    }
    pst_range_look(&page, at);
    if (page.is != PST_RANGE_LIVE) {    /* freed again: that was reported when its node was touched */
        errno = EINVAL;
        return -1;
    }
    owner = page.owner;
    to = ending ? ending : end_alone(owner);
    if (to && to != owner) {
        if (ending) {
            hold_entry(to);             /* one that ended alone has its own */
        }
        pst_range_close(at, size, to, 0);
        drop_entry(owner);
    }
    else {
        pst_range_close(at, size, 0, 0);
    }
    return 0;
}

/* -- on and off -------------------------------------------------------------------- */

static void put_behind(void)
{
    g.real = pst_real;
#define PUT(member, function) __atomic_store_n(&pst_real.member, (function), __ATOMIC_RELEASE)
    PUT(munmap, guard_munmap);
    PUT(mmap, guard_mmap);
    PUT(pool_destroy, guard_destroy);
    PUT(pool_clear, guard_clear);
    PUT(palloc, guard_palloc);
    PUT(pvsprintf, guard_pvsprintf);
    PUT(allocator_alloc, guard_allocator_alloc);
    PUT(bucket_alloc, guard_bucket_alloc);
    PUT(allocator_free, guard_allocator_free);
    PUT(allocator_max_free_set, guard_max_free);
    PUT(pool_create_ex, guard_create);
    pst_wrap_sealed = seal_guarded;
#undef PUT
    __atomic_store_n(&pst_guarded_stands, 1, __ATOMIC_RELEASE);
}

static apr_status_t make_tables(void)
{
    if (pst_guarded_stands) {
        return APR_SUCCESS;
    }
    g.entries = mmap(NULL, ENTRIES * sizeof(*g.entries), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g.slots = mmap(NULL, ALLOCATORS * sizeof(*g.slots), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((void *)g.entries == MAP_FAILED || (void *)g.slots == MAP_FAILED) {
        g.entries = NULL;
        g.slots = NULL;
        return APR_ENOMEM;
    }
    if (pst_range_reserve(freed) != APR_SUCCESS) {
        return APR_ENOMEM;
    }
    pst_range_limit(QUARANTINE);
    put_behind();
    return APR_SUCCESS;
}

apr_status_t pst_guarded_start(const pst_checks_t *wanted)
{
    apr_status_t rv = make_tables();

    if (rv == APR_SUCCESS) {
        __atomic_store_n(&g.kinds, wanted->kinds, __ATOMIC_RELAXED);
        __atomic_store_n(&g.one_in, wanted->guard, __ATOMIC_RELAXED);
    }
    return rv;
}

void pst_guarded_stop(void)
{
    __atomic_store_n(&g.one_in, 0, __ATOMIC_RELAXED);
}

void pst_guarded_sweep(void)
{
    apr_uint64_t second = monotonic() / 1000000;

    pst_linger_beat();
    pst_range_sweep(second > SECONDS ? (apr_uint32_t)(second - SECONDS) : 0);
}

/* -- reports ------------------------------------------------------------------------- */

void pst_guarded_describe(pst_misuse_t *misuse, const pst_range_page_t *page, const void *at)
{
    const pst_guarded_t *entry = page->is == PST_RANGE_FREE ? NULL : guarded_of(page->owner);
    apr_uint64_t now = monotonic();

    misuse->what = "pool";
    misuse->offset = (apr_uint64_t)((apr_uintptr_t)at - page->run);
    misuse->size = page->size;
    if (!entry) {
        misuse->offset = misuse->size = 0;
        return;
    }
    misuse->tag = entry->tag;
    misuse->of_class = entry->of_class;
    misuse->of = &entry->of;
    misuse->stacks[2] = &entry->made;
    if (entry->ended) {
        misuse->stacks[1] = &entry->end;
        misuse->age = now > entry->ended_at ? now - entry->ended_at : 1;
        if (entry->ended == PST_MISUSE_BUCKET_FREED + 1) {
            misuse->what = "bucket";
            misuse->offset -= misuse->offset < BLOCK_AT ? misuse->offset : BLOCK_AT;
        }
        if (misuse->kind == PST_MISUSE_USE_AFTER_DESTROY) {
            misuse->kind = (pst_misuse_e)(entry->ended - 1);
        }
    }
}
