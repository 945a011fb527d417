/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_heavy.h.
 *
 * Place in the flow: wrappers -> accounts -> HEAVY -> board.
 *
 * Concurrency: a thread that finds a row by its unfolded path adds to it by atomics, without a flag; it announces
 * that, and no row is reassigned meanwhile. Everything else is done under a flag that nobody waits for (pst_flag.h).
 * A thread that cannot get the flag, or a row it needs, leaves its observation in a bounded list, which the next one
 * works off; if that is full, it counts as unnamed. Decisions use private data; the board is only added to.
 */
#include "pst_heavy.h"
#include "pst_flag.h"
#include "pst_fold.h"
#include "pst_text.h"

#include <apr_time.h>
#include <string.h>
#include <unistd.h>

#define ROWS   (PST_URL_COUNT - 1)
#define RECENT 1024u            /* unfolded paths, and the rows that count them */
#define MIX    UINT64_C(0x9e3779b97f4a7c15)

/* One request. */
typedef struct seen_t {
    apr_uint64_t peak, sampled, script;
    int scripted;
} seen_t;

/* The same with its names. */
typedef struct named_t {
    char vhost[PST_VHOST_LEN], path[PST_URL_LEN], handler[PST_HANDLER_LEN];
    apr_uint64_t key;
} named_t;

enum { FREE, WRITING, POSTED };

static struct {
    pst_shared_child_t *block;
    pst_shared_url_t *rows;             /* on the board; row 0 is for requests without a row */
    int busy;                           /* the flag */
    apr_uint32_t adding;                /* atomic: threads working on a row */
    apr_uint32_t waiting;               /* atomic: approximate number of entries in posted */
    apr_uint64_t seed;
    apr_uint32_t count;
    apr_uint64_t missed_bytes, missed_requests; /* the most that anything without a row can have */
    apr_uint64_t keys[ROWS + 1];        /* atomic; 0: unused at the moment */
    uint64_t most[ROWS + 1];            /* atomic: bytes that it can have taken, counted and missed */
    apr_byte_t handled[ROWS + 1];       /* its handler is known */
    struct {
        apr_uint64_t mixed;             /* asked ^ key: a half written entry matches no key */
        apr_uint32_t row;
    } recent[RECENT];
    struct {
        int state;                      /* atomic */
        named_t named;
        seen_t seen;
    } posted[PST_HEAVY_WAITING];
} g;

__thread apr_uint32_t pst_heavy_serves __attribute__((tls_model("initial-exec"), visibility("hidden")));

void pst_heavy_start(const pst_board_t *board, pst_shared_child_t *block)
{
    memset(&g, 0, sizeof(g));
    g.block = block;
    g.rows = pst_board_url(board, block, 0);
    g.rows->in_use = 1;
    g.seed = ((apr_uint64_t)apr_time_now() ^ (apr_uint64_t)(apr_uintptr_t)&board ^ (apr_uint64_t)getpid() << 40) * MIX;
}

/* -- names ------------------------------------------------------------------ */

static apr_uint64_t mix_text(apr_uint64_t hash, const char *text, apr_size_t size)
{
    apr_uint64_t word;

    for (apr_size_t i = 0; i < size; i += sizeof(word)) {
        memcpy(&word, text + i, sizeof(word));
        hash = (hash ^ word) * MIX;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Texts are padded with zeros. */
static void name_request(named_t *named, const pst_account_t *request)
{
    memset(named, 0, sizeof(*named));
    pst_cut(named->vhost, sizeof(named->vhost), request->host);
    pst_fold(named->path, sizeof(named->path), request->path ? request->path : "");
    if (request->slot && request->above->handled) {
        pst_cut(named->handler, sizeof(named->handler), request->slot->handler);
    }
    named->key = mix_text(mix_text(g.seed, named->vhost, sizeof(named->vhost)), named->path, sizeof(named->path)) | 1;
}

/* -- figures ---------------------------------------------------------------- */

/* Other threads raise it as well, each a few times at most. Other processes may write to it for as long as they like:
 * no request waits for them. */
#define RAISES 64

static APR_INLINE void raise_to(uint64_t *figure, apr_uint64_t to)
{
    apr_uint64_t was = pst_load(figure);

    for (unsigned tries = RAISES; tries && to > was; tries--) {
        if (__atomic_compare_exchange_n(figure, &was, to, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return;
        }
    }
}

static __attribute__((noinline)) void add_outside(pst_shared_url_t *row, const seen_t *seen)
{
    pst_add(&row->sampled_bytes, (apr_int64_t)seen->sampled);
    if (seen->scripted) {
        pst_add(&row->script_requests, 1);
        pst_add(&row->script_bytes, (apr_int64_t)seen->script);
        raise_to(&row->script_largest, seen->script);
    }
}

static APR_INLINE void add_seen(apr_uint32_t i, const seen_t *seen)
{
    pst_shared_url_t *row = &g.rows[i];

    pst_add(&g.most[i], (apr_int64_t)(seen->peak + seen->sampled + seen->script));
    pst_add(&row->requests, 1);
    pst_add(&row->bytes, (apr_int64_t)seen->peak);
    raise_to(&row->largest, seen->peak);
    if (__builtin_expect(seen->sampled || seen->scripted, 0)) {
        add_outside(row, seen);
    }
}

/* -- rows, with the flag ---------------------------------------------------- */

/* The figures of a row that is given up are kept in row 0. */
static void give_row_up(apr_uint32_t i)
{
    const pst_shared_url_t *row = &g.rows[i];
    apr_uint64_t requests = pst_load(&row->requests), most = requests + row->missed_requests;

    g.missed_bytes = g.most[i] > g.missed_bytes ? g.most[i] : g.missed_bytes;
    g.missed_requests = most > g.missed_requests ? most : g.missed_requests;
    pst_store(&g.rows->missed_bytes, g.missed_bytes);
    pst_store(&g.rows->missed_requests, g.missed_requests);
    pst_add(&g.rows->requests, (apr_int64_t)requests);
    pst_add(&g.rows->bytes, (apr_int64_t)pst_load(&row->bytes));
    raise_to(&g.rows->largest, pst_load(&row->largest));
    pst_add(&g.rows->sampled_bytes, (apr_int64_t)pst_load(&row->sampled_bytes));
    pst_add(&g.rows->script_requests, (apr_int64_t)pst_load(&row->script_requests));
    pst_add(&g.rows->script_bytes, (apr_int64_t)pst_load(&row->script_bytes));
    raise_to(&g.rows->script_largest, pst_load(&row->script_largest));
}

/* Vacate the row that can have taken least, unless somebody may be adding to it. @return 0 then */
static apr_uint32_t vacate_row(void)
{
    apr_uint32_t least = 1;
    apr_uint64_t key;

    if (g.count < ROWS) {
        return ++g.count;
    }
    for (apr_uint32_t i = 2; i <= ROWS; i++) {
        least = g.most[i] < g.most[least] ? i : least;
    }
    key = __atomic_exchange_n(&g.keys[least], 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&g.adding, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&g.keys[least], key, __ATOMIC_RELEASE);
        return 0;
    }
    give_row_up(least);
    return least;
}

static void write_handler(pst_shared_url_t *row, apr_uint32_t i, const char *handler)
{
    memcpy(row->handler, handler, sizeof(row->handler));
    g.handled[i] = handler[0] != '\0';
}

static apr_uint32_t make_row(const named_t *named)
{
    apr_uint32_t i = vacate_row();
    pst_shared_url_t *row = &g.rows[i];

    if (!i) {
        return 0;
    }
    g.most[i] = g.missed_bytes;
    pst_seq_begin(&row->seq);
    memset((char *)row + sizeof(row->seq), 0, sizeof(*row) - sizeof(row->seq));
    memcpy(row->vhost, named->vhost, sizeof(row->vhost));
    memcpy(row->path, named->path, sizeof(row->path));
    write_handler(row, i, named->handler);
    row->missed_bytes = g.missed_bytes;
    row->missed_requests = g.missed_requests;
    row->in_use = 1;
    pst_seq_end(&row->seq);
    __atomic_store_n(&g.keys[i], named->key, __ATOMIC_RELEASE);
    return i;
}

/* @return 0: none is available now */
static apr_uint32_t row_of_named(const named_t *named)
{
    pst_shared_url_t *row;
    apr_uint32_t i;

    for (i = 1; i <= g.count && g.keys[i] != named->key; i++) { }
    if (i > g.count) {
        return make_row(named);
    }
    if (!g.handled[i] && named->handler[0]) {
        row = &g.rows[i];
        pst_seq_begin(&row->seq);
        write_handler(row, i, named->handler);
        pst_seq_end(&row->seq);
    }
    return i;
}

/* Work off the observations left by others. */
static void work_posts_off(void)
{
    for (apr_uint32_t i = 0; i < PST_HEAVY_WAITING && __atomic_load_n(&g.waiting, __ATOMIC_ACQUIRE); i++) {
        apr_uint32_t row;

        if (__atomic_load_n(&g.posted[i].state, __ATOMIC_ACQUIRE) != POSTED) {
            continue;
        }
        row = row_of_named(&g.posted[i].named);
        if (!row) {
            continue;
        }
        add_seen(row, &g.posted[i].seen);
        __atomic_store_n(&g.posted[i].state, FREE, __ATOMIC_RELEASE);
        __atomic_sub_fetch(&g.waiting, 1, __ATOMIC_RELEASE);
    }
}

/* -- counting --------------------------------------------------------------- */

static void post_seen(const named_t *named, const seen_t *seen)
{
    __atomic_add_fetch(&g.waiting, 1, __ATOMIC_RELEASE);
    for (apr_uint32_t i = 0; i < PST_HEAVY_WAITING; i++) {
        int free = FREE;

        if (__atomic_compare_exchange_n(&g.posted[i].state, &free, WRITING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            g.posted[i].named = *named;
            g.posted[i].seen = *seen;
            __atomic_store_n(&g.posted[i].state, POSTED, __ATOMIC_RELEASE);
            return;
        }
    }
    __atomic_sub_fetch(&g.waiting, 1, __ATOMIC_RELEASE);
    pst_add(&g.block->requests_unnamed, 1);
}

/* With the flag. */
static void remember(const pst_account_t *request, apr_uint32_t at, apr_uint32_t i)
{
    __atomic_store_n(&g.recent[at].mixed, request->asked ^ request->url, __ATOMIC_RELAXED);
    __atomic_store_n(&g.recent[at].row, i, __ATOMIC_RELAXED);
}

/* A path not requested recently, or whose row was reassigned or has no handler yet. */
static __attribute__((noinline)) void add_slowly(pst_account_t *request, const seen_t *seen, apr_uint32_t at)
{
    apr_uint32_t i = 0;
    named_t named;

    name_request(&named, request);
    request->url = named.key;
    if (pst_flag_take(&g.busy)) {
        work_posts_off();
        i = row_of_named(&named);
        if (i) {
            add_seen(i, seen);
            remember(request, at, i);
        }
        pst_flag_give(&g.busy);
    }
    if (!i) {
        post_seen(&named, seen);
    }
}

/* What it has to look up is not looked up again when it is counted. */
void pst_heavy_name(pst_account_t *request)
{
    apr_uint32_t at = (apr_uint32_t)request->asked % RECENT, i = __atomic_load_n(&g.recent[at].row, __ATOMIC_RELAXED);
    apr_uint64_t key = __atomic_load_n(&g.keys[i], __ATOMIC_RELAXED);
    named_t named;

    if (key && (__atomic_load_n(&g.recent[at].mixed, __ATOMIC_RELAXED) ^ key) == request->asked) {
        request->url = key;
        return;
    }
    name_request(&named, request);
    request->url = named.key;
    if (g.rows && request->came && !request->ours && !pst_child_muted() && pst_flag_take(&g.busy)) {
        i = row_of_named(&named);
        if (i) {
            remember(request, at, i);
        }
        pst_flag_give(&g.busy);
    }
}

static __attribute__((noinline)) void help_out(void)
{
    if (pst_flag_take(&g.busy)) {
        work_posts_off();
        pst_flag_give(&g.busy);
    }
}

/* @return 0 if it has to be looked up */
static APR_INLINE int add_quickly(pst_account_t *request, const seen_t *seen, apr_uint32_t at)
{
    apr_uint32_t i = __atomic_load_n(&g.recent[at].row, __ATOMIC_RELAXED);
    apr_uint64_t key;
    int found;

    if (!g.handled[i] && request->slot && request->above->handled) {
        return 0;
    }
    __atomic_add_fetch(&g.adding, 1, __ATOMIC_SEQ_CST);
    key = __atomic_load_n(&g.keys[i], __ATOMIC_SEQ_CST);
    found = key && (__atomic_load_n(&g.recent[at].mixed, __ATOMIC_RELAXED) ^ key) == request->asked;
    if (found) {
        add_seen(i, seen);
        request->url = key;
    }
    __atomic_sub_fetch(&g.adding, 1, __ATOMIC_RELEASE);
    return found;
}

void pst_heavy_count(pst_account_t *request)
{
    apr_uint32_t at = (apr_uint32_t)request->asked % RECENT;
    seen_t seen;

    if (!request->came || request->ours || !g.rows || pst_child_muted()) {
        return;
    }
    seen.peak = request->usage ? pst_load(&request->usage->peak_bytes) : 0;
    seen.sampled = pst_account_take_sampled(request);
    seen.script = request->script;
    seen.scripted = request->scripted;
    if (!add_quickly(request, &seen, at)) {
        add_slowly(request, &seen, at);
    }
    else if (__builtin_expect(__atomic_load_n(&g.waiting, __ATOMIC_RELAXED) != 0, 0)) {
        help_out();
    }
}
