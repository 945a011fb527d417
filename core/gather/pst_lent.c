/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_lent.h.
 *
 * Two tables of fixed size: buckets, each with the row and the turn of its pool; pools, each with a turn that goes up
 * when it ends.  Anything that finds no room is not checked.
 *
 * Concurrency: a row is claimed and released by compare-and-swap of its key. A bucket belongs to one thread at a
 * time, and so does a pool.
 */
#include "pst_lent.h"
#include "pst_record.h"

#include <apr_file_io.h>
#include <apr_mmap.h>
#include <apr_strings.h>

#define BUCKETS 4096u
#define OWNERS  512u
/* Rows that may hold a key. */
#define WINDOW  8u
/* Pools below a request's, and nodes of each, in which an address is looked for. */
#define POOLS   64
#define NODES   256

typedef struct {
    const void  *bucket;        /* key (atomic); NULL: free */
    const void  *data;          /* what it refers to */
    const apr_bucket_type_t *type;
    apr_uint32_t owner, turn;
} lent_t;

typedef struct {
    apr_pool_t  *pool;          /* key (atomic); NULL: free */
    apr_uint32_t turn;          /* atomic */
    apr_uint32_t of_class;
    const char  *tag;
    const void  *caller;        /* who ended the pool of the previous turn */
    pst_misuse_party_t of;
} owner_t;

static lent_t lent[BUCKETS];
static owner_t owners[OWNERS];

apr_uint32_t pst_lent_count;

static APR_INLINE apr_uint32_t first_row(const void *key, apr_uint32_t rows)
{
    return (apr_uint32_t)(((apr_uint64_t)(apr_uintptr_t)key * 0x9e3779b97f4a7c15u) >> 32) % (rows - WINDOW);
}

static lent_t *lent_find(const void *bucket)
{
    lent_t *row = lent + first_row(bucket, BUCKETS);

    for (unsigned i = 0; i < WINDOW; i++, row++) {
        if (__atomic_load_n(&row->bucket, __ATOMIC_ACQUIRE) == bucket) {
            return row;
        }
    }
    return NULL;
}

void pst_lent_drop(const void *block)
{
    lent_t *row = lent_find(block);

    if (row) {
        __atomic_store_n(&row->bucket, NULL, __ATOMIC_RELEASE);
        __atomic_sub_fetch(&pst_lent_count, 1, __ATOMIC_RELAXED);
    }
}

/* -- pools ----------------------------------------------------------------- */

static owner_t *owner_find(const apr_pool_t *pool)
{
    owner_t *row = owners + first_row(pool, OWNERS);

    for (unsigned i = 0; i < WINDOW; i++, row++) {
        if (__atomic_load_n(&row->pool, __ATOMIC_ACQUIRE) == pool) {
            return row;
        }
    }
    return NULL;
}

void pst_lent_end(apr_pool_t *pool, const void *caller)
{
    owner_t *row = owner_find(pool);

    if (row) {
        row->caller = caller;
        __atomic_add_fetch(&row->turn, 1, __ATOMIC_RELEASE);
        __atomic_store_n(&row->pool, NULL, __ATOMIC_RELEASE);
    }
}

/* The row belongs to this thread until its pool ends: the pool has the same owner. */
static owner_t *lender_row(apr_pool_t *pool)
{
    owner_t *row = owner_find(pool), *first = owners + first_row(pool, OWNERS);
    const pst_record_t *record;
    apr_pool_t *none;

    for (unsigned i = 0; !row && i < WINDOW; i++) {
        none = NULL;
        if (__atomic_compare_exchange_n(&first[i].pool, &none, pool, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            record = pst_record_find(pool);
            row = first + i;
            row->tag = pst_apr_pool(pool)->tag;
            row->of_class = record ? record->of_class : 0;
            pst_misuse_party_of(&row->of, record ? record->account : NULL);
        }
    }
    return row;
}

/* -- what buckets refer to -------------------------------------------------- */

/* The pool, at or below this one, that has the address in its nodes. */
typedef struct {
    const char *at;
    apr_pool_t *found;
} search_t;

static int search_nodes(void *baton, apr_pool_t *pool)
{
    search_t *search = baton;
    const apr_memnode_t *self = pst_apr_pool(pool)->self, *node = self;

    for (int i = 0; node && i < NODES && !search->found; i++, node = node->next == self ? NULL : node->next) {
        if (search->at >= (const char *)node && search->at < node->endp) {
            search->found = pool;
        }
    }
    return !search->found;
}

/* @return the pool that owns what a bucket refers to, if it is that one or one below it; NULL: none, or another's */
static apr_pool_t *lender(const apr_bucket *e, apr_pool_t *request, const void **data)
{
    search_t search = { .at = *data };
    apr_size_t budget = POOLS;

    if (APR_BUCKET_IS_FILE(e)) {
        search.found = apr_file_pool_get((apr_file_t *)(apr_uintptr_t)*data);
        return apr_pool_is_ancestor(request, search.found) ? search.found : NULL;
    }
    pst_apr_walk(request, search_nodes, &search, &budget);
    return search.found;
}

/* The data it refers to that may be in a pool. Pool buckets get their own copy when the pool ends. */
static const void *reference(const apr_bucket *e)
{
    if (APR_BUCKET_IS_FILE(e)) {
        return ((const apr_bucket_file *)e->data)->fd;
    }
    return APR_BUCKET_IS_IMMORTAL(e) || APR_BUCKET_IS_TRANSIENT(e) ? (const char *)e->data + e->start : NULL;
}

static void lend(const apr_bucket *e, const void *data, apr_pool_t *pool)
{
    owner_t *owner = lender_row(pool);
    lent_t *row = lent + first_row(e, BUCKETS);
    const void *none;

    for (unsigned i = 0; owner && i < WINDOW; i++, row++) {
        none = NULL;
        if (__atomic_compare_exchange_n(&row->bucket, &none, (const void *)e, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            row->data = data;
            row->type = e->type;
            row->owner = (apr_uint32_t)(owner - owners);
            row->turn = __atomic_load_n(&owner->turn, __ATOMIC_RELAXED);
            __atomic_add_fetch(&pst_lent_count, 1, __ATOMIC_RELAXED);
            return;
        }
    }
}

static int is_same(const lent_t *row, const apr_bucket *e, const void *data)
{
    return row->type == e->type && row->data == data;
}

int pst_lent_look(apr_bucket *e, apr_pool_t *request)
{
    const void *data = reference(e);
    lent_t *row = __atomic_load_n(&pst_lent_count, __ATOMIC_RELAXED) ? lent_find(e) : NULL;
    apr_pool_t *pool;

    if (row && !(data && is_same(row, e, data))) {
        pst_lent_drop(e);               /* it was set aside or read */
        row = NULL;
    }
    if (row) {
        return __atomic_load_n(&owners[row->owner].turn, __ATOMIC_ACQUIRE) != row->turn;
    }
    if (data && request && (pool = lender(e, request, &data)) != NULL) {
        lend(e, data, pool);
    }
    return 0;
}

void pst_lent_tell(const apr_bucket *e)
{
    const lent_t *row = lent_find(e);
    const owner_t *owner = row ? &owners[row->owner] : NULL;
    pst_misuse_stack_t here, ender = { .depth = 1 };
    pst_misuse_party_t by;
    char what[PST_MISUSE_WHAT_LEN];
    pst_misuse_t misuse = { .kind = PST_MISUSE_BUCKET_OUTLIVES, .what = what, .by = &by, .stacks = { &here } };

    apr_snprintf(what, sizeof(what), "%s bucket", e->type->name);
    pst_misuse_stack(&here);
    pst_misuse_party_now(&by);
    if (owner && owner->turn == row->turn + 1) {    /* no other pool had the row since, or it has it now: not both */
        misuse.of_class = owner->of_class;
        misuse.tag = owner->tag;
        misuse.of = &owner->of;
        ender.ip[0] = (apr_uintptr_t)owner->caller;
        misuse.stacks[1] = owner->caller ? &ender : NULL;
    }
    pst_misuse_tell(&misuse);
    pst_lent_drop(e);
}
