/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_root.h.  Walks are bounded: what they leave out makes slack less fresh, but no sum wrong.
 */
#include "pst_root.h"
#include "pst_allocator.h"
#include "pst_instrument.h"
#include "pst_heavy.h"
#include "pst_largest.h"
#include "pst_novel.h"
#include "pst_site.h"
#include "pst_wrap.h"

/* Pools and nodes examined when an account is opened or sampled: enough for what httpd has there, a bound for the
 * rest. */
#define WALK_POOLS 64
#define WALK_NODES 4096

typedef struct {
    pst_account_t *from, *to;
} transfer_t;

/* A pool that already belongs to another account (a stream's) stays there, with everything below it. */
static int transfer(void *baton, apr_pool_t *pool)
{
    const transfer_t *t = baton;
    pst_record_t *record = pst_record_find(pool);

    if (!record || record->account != t->from) {
        return 0;
    }
    pst_wrap_compare(record, pool);
    pst_account_move(t->from, t->to, (apr_int64_t)record->reserved, (apr_int64_t)record->published, 1);
    record->account = t->to;
    pst_novel_given_back(record, 0);
    if (record->samples) {
        pst_site_moved(record);
    }
    t->to->below += pool != t->to->root;
    return 1;
}

/* Without redirected calls a cleanup reports the end of a pool. */
static const char root_key[] = "mod_poolstat account";

static apr_status_t on_root_end(void *data)
{
    pst_account_t *account = data;

    if (account->scope == PST_SCOPE_REQUEST) {
        pst_heavy_count(account);
        if (pst_largest_count(account)) {
            pst_heavy_name(account);
            if (pst_largest_beats(account)) {
                pst_largest_keep(account);      /* as of the last walk */
            }
        }
    }
    pst_account_close(account, account);
    return APR_SUCCESS;
}

/* A request after it was logged, which is when it is known to be one: cleanups registered last run first. */
static void end_with(pst_account_t *account, apr_pool_t *pool)
{
    if (account->scope == PST_SCOPE_REQUEST) {
        apr_pool_cleanup_register(pool, account, on_root_end, apr_pool_cleanup_null);
    }
    else {
        apr_pool_pre_cleanup_register(pool, account, on_root_end);
    }
}

void pst_root_open(pst_account_t *account, apr_pool_t *pool, apr_bucket_alloc_t *buckets)
{
    pst_record_t *record = pst_instrumented.calls ? pst_wrap_record(pool) : NULL;
    apr_size_t budget = WALK_POOLS;
    transfer_t t;

    if (!record) {
        if (account->scope == PST_SCOPE_CONNECTION) {
            apr_pool_userdata_setn(account, root_key, NULL, pool);
        }
        end_with(account, pool);
        return;
    }
    t.from = record->account;
    t.to = account;
    pst_apr_walk(pool, transfer, &t, &budget);
    if (t.from->below) {
        t.from->below--;                /* pool itself, counted when it was made */
    }
    record->rooted = account;
    account->record = record;
    if (buckets && pst_instrumented.buckets && account->tag) {
        pst_wrap_buckets_take(buckets, account->tag);
    }
}

int pst_root_is(apr_pool_t *pool)
{
    const pst_record_t *record = pst_instrumented.calls ? pst_record_find(pool) : NULL;
    void *account = NULL;

    if (!record) {
        apr_pool_userdata_get(&account, root_key, pool);
    }
    return record ? record->rooted != NULL : account != NULL;
}

/* -- sampling -------------------------------------------------------------- */

typedef struct {
    const pst_account_t *account;
    apr_int64_t          slack;
} sampling_t;

static int sample_pool(void *baton, apr_pool_t *pool)
{
    sampling_t *sampling = baton;
    pst_record_t *record = pst_record_find(pool);

    if (!record || record->account != sampling->account) {
        return 0;
    }
    pst_wrap_compare(record, pool);
    sampling->slack += pst_wrap_publish(record, pool);
    return 1;
}

static int list_pool(void *baton, apr_pool_t *pool)
{
    apr_size_t budget = WALK_NODES;

    pst_apr_add_pool(baton, pool, &budget);
    return 1;
}

/*
 * PST_LEVEL_HOOKS: a request's pools are walked; a connection is its own pool and
 * its request's.  Other pools below a connection are left out: with HTTP/2 they
 * belong to other threads.
 */
static void sample_by_walking(pst_account_t *connection)
{
    pst_account_t *request = connection->current;
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = WALK_POOLS;

    if (request) {
        pst_apr_walk(request->root, list_pool, &figures, &budget);
        pst_account_set(request, figures.pools, figures.reserved, figures.slack);
    }
    list_pool(&figures, connection->root);
    if (connection->slot) {
        pst_account_set(connection, figures.pools, figures.reserved, figures.slack);
    }
}

/* The change in slack of an account's own pools. */
static apr_int64_t sample_pools(const pst_account_t *account, int deep)
{
    sampling_t sampling = { account, 0 };
    apr_size_t budget = WALK_POOLS;

    if (deep && account->below) {
        pst_apr_walk(account->root, sample_pool, &sampling, &budget);
        return sampling.slack;
    }
    pst_wrap_compare(account->record, account->root);
    return pst_wrap_publish(account->record, account->root);
}

static apr_uint64_t retained_by(const pst_account_t *connection)
{
    const pst_record_t *record = connection->record;
    apr_uint64_t retained;

    if (record) {
        pst_allocator_use(record, connection->root);
    }
    retained = pst_apr_retained(pst_apr_pool(connection->root)->allocator, 1, WALK_NODES);
    if (record) {
        pst_allocator_note(record, retained);
    }
    return retained;
}

void pst_root_sample(pst_account_t *connection, int deep)
{
    pst_account_t *request = connection->current;

    if (!pst_instrumented.mirror || pst_child_muted()) {
        return;
    }
    if (connection->slot) {
        pst_store(&connection->slot->retained_bytes, retained_by(connection));
    }
    if (!connection->record) {
        sample_by_walking(connection);
        return;
    }
    pst_account_slack(connection, sample_pools(connection, deep), request,
                      request && request->record ? sample_pools(request, deep) : 0);
}

void pst_root_sample_request(pst_account_t *connection)
{
    pst_account_t *request = connection->current;

    if (request && request->record) {
        pst_account_slack(connection, 0, request, pst_wrap_publish(request->record, request->root));
    }
    else if (!connection->record && pst_instrumented.mirror) {
        sample_by_walking(connection);
    }
}

void pst_root_read(pst_account_t *account)
{
    apr_size_t budget = WALK_POOLS;
    pst_apr_figures_t figures = { 0 };

    if (!pst_instrumented.mirror || pst_child_muted()) {
        return;
    }
    if (account->scope == PST_SCOPE_CONNECTION) {
        pst_root_sample(account, 1);
    }
    else if (account->record) {
        pst_account_slack(account->above, 0, account, sample_pools(account, 1));
    }
    else {
        pst_apr_walk(account->root, list_pool, &figures, &budget);
        pst_account_set(account, figures.pools, figures.reserved, figures.slack);
    }
}

pst_level_e pst_root_level(const pst_account_t *account)
{
    if (account->record) {
        return PST_LEVEL_FULL;
    }
    return pst_instrumented.mirror ? PST_LEVEL_HOOKS : PST_LEVEL_PUBLIC;
}
