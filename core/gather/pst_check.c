/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_check.h.
 */
#include "pst_check.h"
#include "pst_guarding.h"
#include "pst_linger.h"
#include "pst_misuse.h"
#include "pst_range.h"
#include "pst_use.h"
#include "pst_withheld.h"

#include <string.h>

pst_checks_t pst_check_now;

/* All checks. */
static pst_check_switch_fn *const checks[] = { pst_guarding_switch, pst_use_switch, NULL };

static struct {
    pst_shared_child_t *block;
    apr_uint32_t done;          /* requests seen; the board's copy can be changed by others */
    int obeys;
    const pst_shared_header_t *header;
    apr_uint64_t as_configured;
    int settled;                /* it has looked for what all children were asked after it could be asked itself */
    unsigned tries;             /* to switch to what was asked last */
    int in_the_way;             /* what the last switch met may be gone soon */
} g;

/* A thread that is just being made, by whichever module, has all signals blocked. Who asks waits for three beats. */
#define TRIES_MOST 3

/* Do as much as possible, whatever fails. */
static apr_status_t switch_to(const pst_checks_t *wanted)
{
    apr_status_t rv = APR_SUCCESS, failed;
    int all = 1;

    for (unsigned i = 0; checks[i]; i++) {
        failed = checks[i](wanted);
        rv = rv == APR_SUCCESS ? failed : rv;
        all &= failed == APR_SUCCESS;
    }
    __atomic_store_n(&pst_check_now.guard, wanted->guard, __ATOMIC_RELAXED);
    __atomic_store_n(&pst_check_now.kinds, wanted->kinds, __ATOMIC_RELAXED);
    __atomic_store_n(&pst_check_now.threads, wanted->threads, __ATOMIC_RELAXED);
    __atomic_store_n(&pst_check_now.buckets, wanted->buckets, __ATOMIC_RELAXED);
    __atomic_store_n(&pst_check_now.fence, wanted->fence, __ATOMIC_RELAXED);
    pst_store(&g.block->checks, all ? pst_checks_pack(wanted) : 0);
    g.in_the_way = rv == APR_EBUSY || APR_STATUS_IS_EAGAIN(rv);
    return rv;
}

/* @return 0: what is in the way may be gone at the next beat */
static int switch_or_wait(const pst_checks_t *wanted)
{
    switch_to(wanted);
    g.tries = g.in_the_way ? g.tries + 1 : TRIES_MOST;
    if (g.tries < TRIES_MOST) {
        return 0;
    }
    g.tries = 0;
    return 1;
}

/* What all children of this generation were asked to check; else what is configured. */
static apr_uint64_t asked_of_all(void)
{
    pst_checks_t wanted;

    if (!g.obeys || pst_load(&g.header->check_asked) != (apr_uint64_t)g.block->generation + 1) {
        return g.as_configured;
    }
    pst_checks_unpack(&wanted, pst_load(&g.header->check_wanted));
    return pst_checks_pack(&wanted);
}

apr_status_t pst_check_start(const pst_board_t *board, pst_shared_child_t *block, const pst_checks_t *wanted,
                             int obeys)
{
    pst_checks_t first;

    g.block = block;
    g.obeys = obeys;
    g.done = 0;
    g.header = pst_board_header(board);
    g.as_configured = pst_checks_pack(wanted);
    g.settled = 0;
    g.tries = 0;
    g.in_the_way = 0;
    memset(&pst_check_now, 0, sizeof(pst_check_now));
    pst_misuse_start(board, block);
    pst_checks_unpack(&first, asked_of_all());
    return pst_checks_pack(&first) ? switch_to(&first) : APR_SUCCESS;
}

/* Somebody may have asked all children after this one had looked and before it was ready; or something was in the way
 * when it began. */
static void settle(void)
{
    apr_uint64_t of_all;
    pst_checks_t wanted;

    if (g.settled) {
        return;
    }
    of_all = asked_of_all();
    pst_checks_unpack(&wanted, of_all);
    g.settled = (of_all == pst_checks_pack(&pst_check_now) && !g.in_the_way) || switch_or_wait(&wanted);
}

static void publish_checks(void)
{
    pst_store(&g.block->guarded_nodes, pst_range_runs());
    pst_store(&g.block->quarantine_bytes, pst_range_quarantine());
    pst_store(&g.block->lingering_bytes, pst_linger_bytes());
    pst_store(&g.block->withheld_bytes, pst_withheld_bytes());
}

void pst_check_beat(void)
{
    apr_uint32_t asked;
    pst_checks_t wanted;

    if (!g.block || pst_child_muted()) {
        return;
    }
    pst_guarding_beat();
    publish_checks();
    settle();
    asked = __atomic_load_n(&g.block->check_asked, __ATOMIC_ACQUIRE);
    if (g.obeys && asked != g.done) {
        g.settled = 1;
        pst_checks_unpack(&wanted, pst_load(&g.block->check_wanted));
        if (switch_or_wait(&wanted)) {
            g.done = asked;
            __atomic_store_n(&g.block->check_done, asked, __ATOMIC_RELEASE);
        }
    }
}
