/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets: see the header.
 *
 * Concurrency: a bucket and its allocator belong to one thread at a time.
 */
#include "pst_buckets.h"
#include "pst_child.h"
#include "pst_lent.h"
#include "pst_misuse.h"
#include "pst_withheld.h"

#include <apr_strings.h>

/* Of a brigade, at most. */
#define BUCKETS_MOST 4096
/* Blocks of an allocator's free list examined when one seems to be freed twice. */
#define FREE_MOST    100000
/* Blocks for which the freeing code is known. */
#define FREED        1024u

static int on;

static struct {
    const void *block;          /* relaxed atomics: reported, not relied on */
    const void *caller;
} freed[FREED];

static __thread const apr_bucket *told __attribute__((tls_model("initial-exec")));

void pst_buckets_switch(int wanted)
{
    __atomic_store_n(&on, wanted, __ATOMIC_RELAXED);
}

/* -- double frees ---------------------------------------------------------- */

static int is_given_back(const pst_apr_bucket_head_t *head)
{
    const pst_apr_bucket_head_t *each = pst_apr_bucket_alloc(head->alloc)->freelist;

    for (int i = 0; each && i < FREE_MOST; i++, each = each->next) {
        if (each == head) {
            return 1;
        }
    }
    return 0;
}

static APR_INLINE unsigned bucket_row(const void *block)
{
    return (unsigned)(((apr_uint64_t)(apr_uintptr_t)block * 0x9e3779b97f4a7c15u) >> 32) % FREED;
}

static __attribute__((noinline)) void tell_twice(const void *block)
{
    pst_misuse_stack_t here, before = { .depth = 1 };
    pst_misuse_party_t by;
    unsigned row = bucket_row(block);
    pst_misuse_t misuse = { .kind = PST_MISUSE_BUCKET_TWICE, .what = "bucket", .by = &by, .stacks = { &here } };

    if (__atomic_load_n(&freed[row].block, __ATOMIC_RELAXED) == block) {
        before.ip[0] = (apr_uintptr_t)__atomic_load_n(&freed[row].caller, __ATOMIC_RELAXED);
        misuse.stacks[1] = &before;
    }
    pst_misuse_stack(&here);
    pst_misuse_party_now(&by);
    pst_misuse_tell(&misuse);
}

int pst_buckets_freed(void *block, const void *caller)
{
    unsigned row = bucket_row(block);
    pst_apr_bucket_head_t *head = pst_buckets_head(block);

    if (pst_child_muted()) {
        return 1;
    }
    pst_lent_forget(block);
    if ((apr_uintptr_t)head->memnode & PST_BUCKETS_FREE) {
        int withheld = pst_withheld_has(block);

        if (withheld || is_given_back(head)) {
            tell_twice(block);
        }
        if (withheld) {
            return 0;
        }
    }
    __atomic_store_n(&freed[row].block, block, __ATOMIC_RELAXED);
    __atomic_store_n(&freed[row].caller, caller, __ATOMIC_RELAXED);
    head->memnode = (apr_memnode_t *)((apr_uintptr_t)head->memnode | PST_BUCKETS_FREE);
    return 1;
}

/* -- passed on ------------------------------------------------------------- */

static __attribute__((noinline)) void tell_foreign(const apr_bucket *e, const pst_buckets_pass_t *pass)
{
    pst_misuse_stack_t here;
    pst_misuse_party_t by;
    pst_misuse_t misuse = { .kind = PST_MISUSE_FOREIGN_BUCKET, .tag = pass->by, .by = &by, .stacks = { &here } };
    char what[40];

    apr_snprintf(what, sizeof(what), "%s bucket", e->type->name);
    misuse.what = what;
    pst_misuse_stack(&here);
    pst_misuse_party_now(&by);
    pst_misuse_tell(&misuse);
}

void pst_buckets_passed(apr_bucket_brigade *bb, const pst_buckets_pass_t *pass)
{
    apr_bucket *e = APR_BRIGADE_FIRST(bb);

    if (!__atomic_load_n(&on, __ATOMIC_RELAXED) || pst_child_muted()) {
        return;
    }
    for (int i = 0; i < BUCKETS_MOST && e != APR_BRIGADE_SENTINEL(bb); i++, e = APR_BUCKET_NEXT(e)) {
        if (e->list != bb->bucket_alloc || (pass->allocator && e->list != pass->allocator)) {
            if (told != e) {            /* at the filter of ours above */
                tell_foreign(e, pass);
            }
            told = e;
            return;
        }
        if (pst_lent_look(e, pass->request)) {
            pst_lent_tell(e);
        }
    }
}
