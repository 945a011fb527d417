/* SPDX-License-Identifier: Apache-2.0
 *
 * Crossings: see the header.
 *
 * Place in the flow: accounts -> CROSSINGS -> the glue, which logs.
 *
 * Concurrency: an entry goes from free to writing to full to reading to free, each step by compare-and-swap or by its
 * current owner; nobody waits. If none is free the crossing counts as unreported.  There are more entries than
 * crossings allowed in a minute, so that happens only if nobody has taken any out for longer.
 */
#include "pst_crossing.h"
#include "pst_site.h"

#include <apr_time.h>
#include <string.h>

#define ENTRIES (2 * PST_WARN_A_MINUTE)

enum { FREE = 0, WRITING, FULL, READING };

typedef struct {
    apr_uint32_t             state;
    pst_crossing_t           crossing;
    const pst_shared_slot_t *slot;      /* on the board: it may have more details by now */
} entry_t;

apr_uint64_t pst_crossing_limits[PST_WARN_COUNT] = { PST_WARN_OFF, PST_WARN_OFF, PST_WARN_OFF, PST_WARN_OFF };

static struct {
    void       (*at_end)(void);
    apr_int32_t  allowed;               /* left in this minute; negative: this many were refused */
    apr_uint32_t full;                  /* approximate number of full entries; a hint */
    apr_uint64_t minute;                /* when it began */
    apr_uint64_t untold;
    apr_byte_t   child_crossed;
    entry_t      entries[ENTRIES];
} g;

void pst_crossing_start(const apr_uint64_t limits[PST_WARN_COUNT], void (*at_end)(void))
{
    int i;

    memset(&g, 0, sizeof(g));
    g.at_end = at_end;
    g.allowed = PST_WARN_A_MINUTE;
    g.minute = (apr_uint64_t)apr_time_now();
    for (i = PST_WARN_NONE + 1; i < PST_WARN_COUNT; i++) {
        pst_crossing_limits[i] = limits[i] ? limits[i] : PST_WARN_OFF;
    }
}

static entry_t *step(apr_uint32_t from, apr_uint32_t to)
{
    int i;

    for (i = 0; i < ENTRIES; i++) {
        apr_uint32_t seen = from;

        if (__atomic_load_n(&g.entries[i].state, __ATOMIC_RELAXED) == from
            && __atomic_compare_exchange_n(&g.entries[i].state, &seen, to, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return &g.entries[i];
        }
    }
    return NULL;
}

static entry_t *claim_entry(void)
{
    entry_t *entry = NULL;

    if (__atomic_load_n(&g.allowed, __ATOMIC_RELAXED) > 0
        && __atomic_sub_fetch(&g.allowed, 1, __ATOMIC_RELAXED) >= 0) {
        entry = step(FREE, WRITING);
    }
    if (!entry) {
        __atomic_add_fetch(&g.untold, 1, __ATOMIC_RELAXED);
    }
    return entry;
}

static __attribute__((noinline)) void note(entry_t *entry, pst_warn_e what, const pst_shared_slot_t *slot,
                                           apr_uint64_t reserved, const pst_crossing_by_t *by)
{
    pst_crossing_t *crossing = &entry->crossing;

    crossing->what = what;
    crossing->when = (apr_uint64_t)apr_time_now();
    crossing->limit = pst_crossing_limits[what];
    crossing->reserved = reserved;
    crossing->child = pst_child_reserved();
    /* the grower of a pool that holds little of it may soon hold nothing */
    crossing->depth = by && by->held * 2 >= reserved ? (apr_uint32_t)pst_site_caller(crossing->frames) : 0;
    crossing->is_most = by && by->grown * 2 >= reserved;
    crossing->has_slot = slot != NULL;
    entry->slot = slot;
    if (slot) {
        pst_slot_copy(&crossing->slot, slot);
    }
    __atomic_store_n(&entry->state, FULL, __ATOMIC_RELEASE);
    __atomic_add_fetch(&g.full, 1, __ATOMIC_RELEASE);
}

/* Whether this object crosses for the first time; a connection without a slot is summed with others, and does not
 * count. */
static int is_first(pst_warn_e what, pst_account_t *account)
{
    if (what == PST_WARN_CHILD) {
        return !__atomic_exchange_n(&g.child_crossed, 1, __ATOMIC_RELAXED);
    }
    return account->slot && !account->crossed && !__atomic_exchange_n(&account->crossed, 1, __ATOMIC_RELAXED);
}

void pst_crossing_note(pst_warn_e what, pst_account_t *account, apr_uint64_t reserved, const pst_crossing_by_t *by)
{
    const pst_shared_slot_t *slot = account->slot;
    entry_t *entry;

    if (!slot && account->above) {
        slot = account->above->slot;
    }
    if (!pst_child_muted() && is_first(what, account)) {
        entry = claim_entry();
        if (entry) {
            note(entry, what, slot, reserved, by);
        }
    }
}

void pst_crossing_ended(void)
{
    if (g.at_end && !pst_child_muted()) {
        g.at_end();
    }
}

/* A crossing noted before its line was read, or its handler known, is reported with them if the slot still shows the
 * same request. */
static void complete(pst_crossing_t *crossing, const pst_shared_slot_t *slot)
{
    pst_shared_slot_t now;

    if ((!crossing->slot.line[0] || !crossing->slot.handler[0]) && pst_slot_copy(&now, slot) && now.in_use
        && now.id == crossing->slot.id && now.requests == crossing->slot.requests) {
        memcpy(crossing->slot.line, now.line, sizeof(now.line));
        memcpy(crossing->slot.handler, now.handler, sizeof(now.handler));
        memcpy(crossing->slot.vhost, now.vhost, sizeof(now.vhost));
        memcpy(crossing->slot.protocol, now.protocol, sizeof(now.protocol));
    }
}

void pst_crossing_described(const pst_shared_slot_t *slot)
{
    int i;

    for (i = 0; i < ENTRIES && __atomic_load_n(&g.full, __ATOMIC_ACQUIRE); i++) {
        entry_t *entry = &g.entries[i];
        apr_uint32_t seen = FULL;

        if (__atomic_compare_exchange_n(&entry->state, &seen, READING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            if (entry->slot == slot) {
                complete(&entry->crossing, slot);
            }
            __atomic_store_n(&entry->state, FULL, __ATOMIC_RELEASE);
        }
    }
}

int pst_crossing_take(pst_crossing_t *crossing)
{
    entry_t *entry = __atomic_load_n(&g.full, __ATOMIC_ACQUIRE) ? step(FULL, READING) : NULL;
    const pst_shared_slot_t *slot;

    if (!entry) {
        return 0;
    }
    __atomic_sub_fetch(&g.full, 1, __ATOMIC_RELAXED);
    *crossing = entry->crossing;
    slot = entry->slot;
    __atomic_store_n(&entry->state, FREE, __ATOMIC_RELEASE);
    crossing->at = NULL;
    if (slot) {
        complete(crossing, slot);
        crossing->at = pst_load(&slot->id) == crossing->slot.id && slot->in_use ? slot : NULL;
    }
    return 1;
}

apr_uint64_t pst_crossing_untold(void)
{
    return __atomic_load_n(&g.untold, __ATOMIC_RELAXED) ? __atomic_exchange_n(&g.untold, 0, __ATOMIC_RELAXED) : 0;
}

apr_uint64_t pst_crossing_minute(apr_uint64_t now)
{
    apr_uint64_t began = __atomic_load_n(&g.minute, __ATOMIC_RELAXED);

    if (now - began < 60 * APR_USEC_PER_SEC
        || !__atomic_compare_exchange_n(&g.minute, &began, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return 0;
    }
    __atomic_store_n(&g.allowed, PST_WARN_A_MINUTE, __ATOMIC_RELAXED);
    return pst_crossing_untold();
}
