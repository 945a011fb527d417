/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: freed blocks of bucket allocators that are withheld.  Whoever writes to one is found, once; what is in it
 * stays; each goes back once; nothing is kept beyond the end of its allocator.
 */
#include "tap.h"
#include "child_double.h"
#include "pst_misuse.h"
#include "pst_withheld.h"

#define WAYS   8u           /* of one allocator */
#define ONE_IN 512u
#define FREES  (200 * ONE_IN)

static apr_bucket_alloc_t *list;

static apr_uint64_t told(void)
{
    return pst_load(&block->misuses[PST_MISUSE_BUCKET_WRITTEN]);
}

/* Free blocks until one is withheld. @return it */
static char *withhold(void)
{
    for (;;) {
        char *at = apr_bucket_alloc(40, list), *back;

        memset(at, 'b', APR_BUCKET_ALLOC_SIZE);
        back = pst_withheld_swap(at);
        if (back != at) {
            if (back) {
                apr_bucket_free(back);
            }
            return at;
        }
        apr_bucket_free(at);
    }
}

static void off(void)
{
    tally_t wrong = { 0, 0 };
    char *at = apr_bucket_alloc(40, list);

    for (unsigned i = 0; i < 10 * ONE_IN; i++) {
        tally(&wrong, pst_withheld_swap(at) != at, i);
    }
    none_wrong(&wrong, "off: each block goes back");
    apr_bucket_free(at);
    is_number(pst_withheld_bytes(), 0, "nothing is withheld");
}

static void rate(void)
{
    unsigned held = 0, back = 0;

    for (unsigned i = 0; i < FREES; i++) {
        char *at = apr_bucket_alloc(40, list), *now = pst_withheld_swap(at);

        held += now != at;
        back += now && now != at;
        if (now) {
            apr_bucket_free(now);
        }
    }
    ok(held > FREES / ONE_IN / 2 && held < FREES / ONE_IN * 2, "about one in 512 is withheld");
    is_number(held - back, WAYS, "eight at a time: each other one goes back");
    is_number(pst_withheld_bytes(), WAYS * PST_APR_SMALL_BUCKET, "so many bytes");
    is_number(told(), 0, "nothing was written");
}

static void written(void)
{
    const pst_shared_misuse_t *row = pst_board_misuse(&board, block, 0);
    char *at = withhold();
    tally_t wrong = { 0, 0 };

    for (unsigned i = 0; i < APR_BUCKET_ALLOC_SIZE; i++) {
        tally(&wrong, at[i] != 'b', i);
    }
    none_wrong(&wrong, "what is in a withheld block stays");
    ok(pst_withheld_has(at), "it is known to be withheld");
    at[17] = 'w';
    is_number(told(), 0, "written to: not known yet");
    withhold();
    is_number(told(), 1, "told when the next one is withheld");
    is_number(row->offset, 17, "which byte");
    ok(row->stacks[0].depth > 0, "who freed it");
    for (unsigned i = 0; i < 2 * WAYS; i++) {
        withhold();
    }
    is_number(told(), 1, "once");
    ok(!pst_withheld_has(at) || pst_withheld_bytes() == WAYS * PST_APR_SMALL_BUCKET, "it goes back after eight others");
}

/* One block of a new bucket allocator is withheld, and then written to. */
static char *write_to_new(apr_pool_t **pool)
{
    char *at;

    apr_pool_create(pool, base);
    list = apr_bucket_alloc_create(*pool);
    at = withhold();
    at[0] = 'w';
    return at;
}

static void end(void)
{
    apr_pool_t *pool;
    char *at = write_to_new(&pool);

    pst_withheld_end(pst_apr_bucket_alloc(list)->blocks);
    is_number(told(), 2, "the end of its allocator tells, too");
    is_number(pst_withheld_bytes(), WAYS * PST_APR_SMALL_BUCKET, "and gives back what was withheld of it");
    ok(!pst_withheld_has(at), "forgotten");
    apr_pool_destroy(pool);
}

static void forget(void)
{
    apr_pool_t *pool;
    char *at = write_to_new(&pool);

    pst_withheld_switch(0);
    is_number(pst_withheld_bytes(), 0, "off: nothing counts as withheld");
    pst_withheld_switch(1);
    ok(!pst_withheld_has(at), "on again: what was withheld before is forgotten");
    withhold();
    pst_withheld_end(pst_apr_bucket_alloc(list)->blocks);
    is_number(told(), 2, "and not looked at: somebody else may have written there meanwhile");
    apr_pool_destroy(pool);
}

int main(void)
{
    apr_initialize();
    if (!start_child()) {
        printf("ok %d - # SKIP pools are not instrumented here\n", ++tap_count);
        return done();
    }
    pst_misuse_start(&board, block);
    list = apr_bucket_alloc_create(base);
    off();
    ok(pst_withheld_switch(1), "switched on");
    rate();
    written();
    end();
    forget();
    return done();
}
