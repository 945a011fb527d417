/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_withheld.h.
 */
#include "pst_withheld.h"
#include "pst_child.h"
#include "pst_clock.h"
#include "pst_dice.h"
#include "pst_misuse.h"

#include <string.h>
#include <sys/mman.h>

/* Bucket allocators of which blocks are withheld, and how many of each. */
#define SETS 256u
#define WAYS 8u

/* One in this many small blocks is withheld. */
#define ONE_IN 512u

/* Nodes of a bucket allocator that ends. */
#define NODES_MOST 4096

#define SMALL (PST_APR_SMALL_BUCKET - PST_APR_BUCKET_HEAD)

/* A key is the address of a bucket allocator and a turn: what was withheld before the last switch is forgotten. */
#define TURN_SHIFT 48

typedef struct {
    unsigned char     *block;   /* NULL: the row is free */
    unsigned char      copy[SMALL];
    apr_uint64_t       at;      /* when it was freed */
    pst_misuse_party_t by;      /* by whom */
    pst_misuse_stack_t freed;
} row_t;

typedef struct {
    apr_uint64_t key;           /* atomic; 0: free */
    unsigned     next;          /* the oldest row */
    row_t        rows[WAYS];
} set_t;

static struct {
    set_t       *sets;          /* atomic */
    apr_uint64_t turn;          /* atomic; 0: off */
    apr_uint64_t turns;         /* the switch's */
    apr_size_t   bytes;         /* atomic */
} g;

apr_uint32_t pst_withheld_sets;

static __thread struct {
    apr_uint32_t left;          /* frees until the next */
    apr_uint64_t dice;
} me __attribute__((tls_model("initial-exec")));

int pst_withheld_switch(int on)
{
    void *sets = g.sets;

    if (on && !sets) {
        sets = mmap(NULL, SETS * sizeof(set_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
        if (sets == MAP_FAILED) {
            return 0;
        }
        __atomic_store_n(&g.sets, sets, __ATOMIC_RELEASE);
    }
    if (on != (__atomic_load_n(&g.turn, __ATOMIC_RELAXED) != 0)) {
        g.turns = g.turns % 0xffff + (on != 0);
        __atomic_store_n(&g.turn, on ? g.turns : 0, __ATOMIC_RELEASE);
    }
    return 1;
}

/* -- sets ------------------------------------------------------------------ */

static set_t *place_of_list(const void *list)
{
    set_t *sets = __atomic_load_n(&g.sets, __ATOMIC_ACQUIRE);
    unsigned at = (unsigned)(((apr_uint64_t)(apr_uintptr_t)list * 0x9e3779b97f4a7c15u) >> 40) % SETS;

    return sets ? &sets[at] : NULL;
}

/* @return 0: nothing is withheld now */
static apr_uint64_t key_of_list(const void *list)
{
    apr_uint64_t turn = __atomic_load_n(&g.turn, __ATOMIC_ACQUIRE), at = (apr_uint64_t)(apr_uintptr_t)list;

    return turn && !(at >> TURN_SHIFT) ? at | turn << TURN_SHIFT : 0;
}

/* The set of this bucket allocator. @return NULL: it has none */
static set_t *set_of(const void *list)
{
    set_t *set = place_of_list(list);
    apr_uint64_t key = key_of_list(list);

    return set && key && __atomic_load_n(&set->key, __ATOMIC_ACQUIRE) == key ? set : NULL;
}

static void forget_rows(set_t *set)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (set->rows[i].block) {
            set->rows[i].block = NULL;
            __atomic_sub_fetch(&g.bytes, PST_APR_SMALL_BUCKET, __ATOMIC_RELAXED);
        }
    }
    set->next = 0;
}

static set_t *claim_set(const void *list)
{
    set_t *set = place_of_list(list);
    apr_uint64_t key = key_of_list(list), there;

    if (!set || !key) {
        return NULL;
    }
    there = __atomic_load_n(&set->key, __ATOMIC_ACQUIRE);
    if (there == key) {
        return set;
    }
    if ((there && there >> TURN_SHIFT == key >> TURN_SHIFT)
        || !__atomic_compare_exchange_n(&set->key, &there, key, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return NULL;
    }
    if (!there) {
        __atomic_add_fetch(&pst_withheld_sets, 1, __ATOMIC_RELAXED);
    }
    forget_rows(set);
    return set;
}

/* -- whether something was written ------------------------------------------ */

static __attribute__((noinline)) void tell_written(const row_t *row)
{
    apr_uint64_t now = pst_clock_usec(CLOCK_MONOTONIC);
    pst_misuse_t misuse = { .kind = PST_MISUSE_BUCKET_WRITTEN, .what = "bucket", .size = SMALL, .by = &row->by,
                            .of = &row->by, .age = now > row->at ? now - row->at : 1, .stacks = { &row->freed } };

    while (misuse.offset < SMALL - 1 && row->block[misuse.offset] == row->copy[misuse.offset]) {
        misuse.offset++;
    }
    pst_misuse_tell(&misuse);
}

/* Each is told once. */
static void compare_row(row_t *row)
{
    if (row->block && memcmp(row->block, row->copy, SMALL) != 0) {
        tell_written(row);
        memcpy(row->copy, row->block, SMALL);
    }
}

static void compare_withheld(set_t *set)
{
    for (unsigned i = 0; i < WAYS; i++) {
        compare_row(&set->rows[i]);
    }
}

/* -- blocks ----------------------------------------------------------------- */

static __attribute__((noinline)) void *withhold(void *block)
{
    const pst_apr_bucket_head_t *head = (const void *)((char *)block - PST_APR_BUCKET_HEAD);
    set_t *set = claim_set(head->alloc);
    void *oldest;
    row_t *row;

    if (!set) {
        return block;
    }
    compare_withheld(set);
    row = &set->rows[set->next++ % WAYS];
    oldest = row->block;
    row->block = block;
    memcpy(row->copy, block, SMALL);
    row->at = pst_clock_usec(CLOCK_MONOTONIC);
    pst_misuse_party_now(&row->by);
    pst_misuse_stack(&row->freed);
    if (!oldest) {
        __atomic_add_fetch(&g.bytes, PST_APR_SMALL_BUCKET, __ATOMIC_RELAXED);
    }
    return oldest;
}

void *pst_withheld_swap(void *block)
{
    if (__builtin_expect(me.left-- != 0, 1) || pst_child_muted()) {
        return block;
    }
    me.left = pst_dice_below(&me.dice, 2 * ONE_IN - 1);
    return withhold(block);
}

int pst_withheld_has(void *block)
{
    const pst_apr_bucket_head_t *head = (const void *)((char *)block - PST_APR_BUCKET_HEAD);
    const set_t *set = set_of(head->alloc);

    for (unsigned i = 0; set && i < WAYS; i++) {
        if (set->rows[i].block == block) {
            return 1;
        }
    }
    return 0;
}

/* A bucket allocator is at the start of its oldest node, which is the last of the chain. */
void pst_withheld_ends(apr_memnode_t *chain)
{
    apr_memnode_t *last = chain;
    set_t *set;

    for (int i = 0; last && last->next && i < NODES_MOST; i++) {
        last = last->next;
    }
    set = last && !pst_child_muted() ? set_of((char *)last + APR_MEMNODE_T_SIZE) : NULL;
    if (set) {
        compare_withheld(set);
        forget_rows(set);
        __atomic_store_n(&set->key, 0, __ATOMIC_RELEASE);
        __atomic_sub_fetch(&pst_withheld_sets, 1, __ATOMIC_RELAXED);
    }
}

apr_size_t pst_withheld_bytes(void)
{
    return __atomic_load_n(&g.turn, __ATOMIC_RELAXED) ? __atomic_load_n(&g.bytes, __ATOMIC_RELAXED) : 0;
}
