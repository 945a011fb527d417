/* SPDX-License-Identifier: Apache-2.0
 *
 * The request since which mappings stay.  See pst_surge.h.
 *
 * One request is remembered: one that left more behind than remained of the previous one when it began. It is
 * forgotten when nearly all of that is gone. The peaks of the others are averaged, over the last eight or so.
 */
#include "pst_surge.h"
#include "pst_child.h"

#include <apr_time.h>
#include <string.h>

#define LEAST  ((apr_uint64_t)1024 * 1024)      /* bytes that are worth a note */
#define RECENT 8

static struct {
    pst_shared_child_t *block;      /* NULL: not alone */
    apr_int64_t  live;              /* atomic: bytes that samples stand for */
    apr_int64_t  peak;              /* atomic: since the request began */
    apr_uint64_t began_with;
    int          open;
    int          known;             /* there is one */
    apr_uint64_t base;              /* bytes, before it */
    apr_uint64_t left;              /* what it left and is still there, at most */
    apr_uint64_t usual, requests;
} g;

void pst_surge_start(pst_shared_child_t *block, int alone)
{
    g.block = alone ? block : NULL;
}

void pst_surge_mapped(apr_int64_t bytes)
{
    apr_int64_t live = __atomic_add_fetch(&g.live, bytes, __ATOMIC_RELAXED);

    if (live > __atomic_load_n(&g.peak, __ATOMIC_RELAXED)) {
        __atomic_store_n(&g.peak, live, __ATOMIC_RELAXED);      /* not atomic with the test: there is only one thread */
    }
}

static apr_uint64_t mapped_now(const apr_int64_t *bytes)
{
    apr_int64_t now = __atomic_load_n(bytes, __ATOMIC_RELAXED);

    return now > 0 ? (apr_uint64_t)now : 0;
}

void pst_surge_begin(void)
{
    if (!g.block) {
        return;
    }
    g.began_with = mapped_now(&g.live);
    __atomic_store_n(&g.peak, (apr_int64_t)g.began_with, __ATOMIC_RELAXED);
    g.open = 1;
}

static void note_surge(pst_shared_surge_t *surge, const pst_shared_slot_t *slot, apr_uint64_t took, apr_uint64_t left)
{
    memcpy(surge->line, slot->line, sizeof(surge->line));
    memcpy(surge->vhost, slot->vhost, sizeof(surge->vhost));
    memcpy(surge->handler, slot->handler, sizeof(surge->handler));
    surge->finished = (apr_uint64_t)apr_time_now();
    surge->took_bytes = took;
    g.base = g.began_with;
    g.left = left;
    g.known = 1;
}

static void count_usual(apr_uint64_t took)
{
    apr_uint64_t weight = g.requests < RECENT ? g.requests + 1 : RECENT;

    g.requests++;
    g.usual = took > g.usual ? g.usual + (took - g.usual) / weight : g.usual - (g.usual - took) / weight;
}

/* Of what it left. What requests after it left is theirs. */
static apr_uint64_t remains(apr_uint64_t now)
{
    apr_uint64_t more = now > g.base ? now - g.base : 0;

    return more < g.left ? more : g.left;
}

void pst_surge_end(const pst_shared_slot_t *slot)
{
    apr_uint64_t now = mapped_now(&g.live), peak = mapped_now(&g.peak), left, before;
    pst_shared_surge_t *surge;

    if (!g.block || !g.open || pst_child_muted()) {
        return;
    }
    g.open = 0;
    surge = &g.block->surge;
    left = now > g.began_with ? now - g.began_with : 0;
    before = g.known ? remains(g.began_with) : 0;
    pst_seq_begin(&surge->seq);
    if (slot && left >= LEAST && left > before) {
        note_surge(surge, slot, peak - g.began_with, left);
    }
    else {
        count_usual(peak > g.began_with ? peak - g.began_with : 0);
    }
    if (g.known && now <= g.base + LEAST / 2) {
        g.known = 0;
    }
    g.left = remains(now);
    surge->kept_bytes = g.known ? g.left : 0;
    surge->usual_bytes = g.usual;
    surge->requests = g.requests;
    pst_seq_end(&surge->seq);
}
