/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: see the header.
 *
 * Place in the flow: gather -> ACCOUNTS -> board.
 *
 * What is private and what is shared: which slots are free, whose turn a slot is and where everything is stored is
 * kept here, in this process; the board is written and added to, never read to decide. So another child that
 * scribbles over the board spoils figures, not this process.
 */
#include "pst_account.h"
#include "pst_figure.h"
#include "pst_text.h"
#include "pst_largest.h"
#include "pst_crossing.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORD_BITS 64u

static struct {
    const pst_board_t  *board;
    apr_uint32_t        slot_count;
    apr_uint64_t       *taken;      /* a bit per slot, bits beyond the last are always set */
    apr_uint32_t        words;
    apr_uint32_t        hint;       /* where a free slot was last seen */
    apr_uint16_t       *turns;      /* how often a slot was taken: makes its bucket tag */
    apr_uint64_t       *sampled;    /* per slot: for the request that it shows; pst_account_sampled() */
    apr_uint64_t        serial;
    uint64_t            at_rest;    /* reserved by the child when its first connection is opened */
    pst_account_t       process;
    pst_shared_child_t *shared;     /* the child's block while counting is separate from it */
} g;

static apr_status_t start_slots(apr_uint32_t slot_count)
{
    apr_uint32_t i;

    g.slot_count = slot_count;
    g.words = (slot_count + WORD_BITS - 1) / WORD_BITS;
    g.taken = calloc(g.words, sizeof(*g.taken));
    g.turns = calloc(slot_count, sizeof(*g.turns));
    g.sampled = calloc(slot_count, sizeof(*g.sampled));
    if (!g.taken || !g.turns || !g.sampled) {
        return APR_ENOMEM;
    }
    for (i = slot_count; i < g.words * WORD_BITS; i++) {
        g.taken[i / WORD_BITS] |= (apr_uint64_t)1 << (i % WORD_BITS);
    }
    return APR_SUCCESS;
}

apr_status_t pst_account_start(const pst_board_t *board, pst_shared_child_t *block)
{
    if (!block && !(block = calloc(1, board->child_size))) {
        return APR_ENOMEM;
    }
    pst_child_start(block);
    g.board = board;
    g.at_rest = 0;
    g.process.usage = &block->process;
    g.process.scope = PST_SCOPE_PROCESS;
    pst_largest_start(board, block);
    return start_slots(board->slot_count);
}

void pst_account_apart(void)
{
    static pst_shared_child_t alone;

    memset(&alone, 0, sizeof(alone));
    g.shared = pst_child.block;
    pst_child.block = &alone;
    g.process.usage = &alone.process;
}

void pst_account_together(void)
{
    const pst_shared_child_t *from = pst_child.block;
    pst_shared_child_t *to = g.shared;

#define PST_METRIC_CHILD(...) pst_add(&to->PST_FIELD(__VA_ARGS__), (apr_int64_t)from->PST_FIELD(__VA_ARGS__));
#define PST_METRIC_USAGE(...) \
    pst_add(&to->process.PST_FIELD(__VA_ARGS__), (apr_int64_t)from->process.PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    pst_child.block = to;
    g.process.usage = &to->process;
}

pst_account_t *pst_account_process(void)
{
    return &g.process;
}

apr_uint64_t pst_account_at_rest(void)
{
    apr_uint64_t at_rest = pst_load(&g.at_rest);

    return at_rest ? at_rest : pst_child_reserved();
}

static apr_uint64_t coarse_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    return (apr_uint64_t)ts.tv_sec * 1000000 + (apr_uint64_t)ts.tv_nsec / 1000;
}

/* @return reserved now if that is a new peak, else 0 */
static APR_INLINE apr_uint64_t apply(pst_shared_usage_t *usage, apr_int64_t reserved, apr_int64_t slack,
                                     apr_int64_t pools)
{
    apr_uint64_t now;

    if (pools) {
        pst_add(&usage->pools, pools);
    }
    if (slack) {
        pst_add(&usage->slack_bytes, slack);
    }
    if (reserved) {
        now = pst_add(&usage->reserved_bytes, reserved);
        if (reserved > 0 && now > pst_load(&usage->peak_bytes)) {
            pst_raise(&usage->peak_bytes, now);
            return now;
        }
    }
    return 0;
}

/* A bit for each limit that is exceeded; a limit is crossed at a peak or not at all. */
static APR_INLINE unsigned apply_to(const pst_account_t *account, apr_int64_t reserved, apr_int64_t slack,
                                    apr_int64_t pools)
{
    apr_uint64_t peak = apply(account->usage, reserved, slack, pools);

    return peak && __builtin_expect(peak > pst_crossing_limits[account->scope], 0) ? 1u << account->scope : 0;
}

static APR_INLINE unsigned apply_all(const pst_account_t *account, apr_int64_t reserved, apr_int64_t slack,
                                     apr_int64_t pools)
{
    unsigned exceeded = 0;

    do {
        if (account->usage) {
            exceeded |= apply_to(account, reserved, slack, pools);
        }
        account = account->above;
    } while (account);
    return exceeded;
}

/* Call once all figures are correct. */
static __attribute__((noinline)) void note_exceeded(pst_account_t *account, unsigned exceeded,
                                                    const pst_crossing_by_t *by)
{
    pst_account_t *each;

    for (each = account; each; each = each->above) {
        if (exceeded & 1u << each->scope && each->usage) {
            pst_crossing_note((pst_warn_e)each->scope, each, pst_load(&each->usage->reserved_bytes), by);
        }
    }
    if (exceeded & 1u << PST_WARN_CHILD) {
        pst_crossing_note(PST_WARN_CHILD, account, pst_child_reserved(), by);
    }
}

static __attribute__((noinline)) unsigned note_child_peak(apr_uint64_t reserved)
{
    if (pst_raise(&pst_child.block->child_peak_bytes, reserved)) {
        pst_store(&pst_child.block->child_peak_time, coarse_now());
    }
    return (unsigned)(reserved > pst_crossing_limits[PST_WARN_CHILD]) << PST_WARN_CHILD;
}

static APR_INLINE void charge_account(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack,
                                      apr_int64_t pools, apr_uint64_t held)
{
    unsigned exceeded;
    apr_uint64_t now;

    if (pst_child.muted) {
        return;
    }
    exceeded = apply_all(account, reserved, slack, pools);
    if (reserved) {
        now = pst_add(&pst_child.reserved, reserved);
        pst_add(&pst_child.block->child_reserved_bytes, reserved);
        if (reserved > 0 && now > pst_load(&pst_child.block->child_peak_bytes)) {
            exceeded |= note_child_peak(now);
        }
    }
    if (__builtin_expect(exceeded, 0)) {
        const pst_crossing_by_t by = { held, reserved > 0 ? (apr_uint64_t)reserved : 0 };

        note_exceeded(account, exceeded, &by);
    }
}

void pst_account_charge(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_int64_t pools)
{
    charge_account(account, reserved, slack, pools, reserved > 0 ? (apr_uint64_t)reserved : 0);
}

void pst_account_charge_growth(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_uint64_t held)
{
    pst_account_t *each;

    for (each = account; each && !pst_child.muted; each = each->above) {
        if (each->usage) {
            pst_add(&each->usage->growths, 1);
        }
    }
    charge_account(account, reserved, slack, 0, held);
}

void pst_account_slack(pst_account_t *connection, apr_int64_t own, pst_account_t *request,
                       apr_int64_t requests)
{
    if (pst_child.muted) {
        return;
    }
    if (requests && request->usage) {
        pst_add(&request->usage->slack_bytes, requests);
    }
    if (own + requests) {
        pst_add(&connection->usage->slack_bytes, own + requests);
    }
}

void pst_account_move(pst_account_t *from, pst_account_t *to, apr_int64_t reserved, apr_int64_t slack,
                      apr_int64_t pools)
{
    unsigned exceeded = 0;

    if (pst_child.muted) {
        return;
    }
    if (to->above == from) {            /* what moves stays within the connection */
        if (to->usage) {
            exceeded = apply_to(to, reserved, slack, pools);
        }
    }
    else {
        exceeded = apply_all(to, reserved, slack, pools);
        apply_all(from, -reserved, -slack, -pools);
    }
    if (__builtin_expect(exceeded, 0)) {
        const pst_crossing_by_t by = { (apr_uint64_t)reserved, 0 };

        note_exceeded(to, exceeded, &by);
    }
}

void pst_account_set(pst_account_t *account, apr_uint64_t pools, apr_uint64_t reserved, apr_uint64_t slack)
{
    if (pst_child.muted || !account->usage) {
        return;
    }
    pst_store(&account->usage->pools, pools);
    pst_store(&account->usage->reserved_bytes, reserved);
    pst_store(&account->usage->slack_bytes, slack);
    pst_raise(&account->usage->peak_bytes, reserved);
    if (reserved > pst_crossing_limits[account->scope]) {
        pst_crossing_note((pst_warn_e)account->scope, account, reserved, NULL);
    }
}

/* Lowest free slot near the hint; -1 if all are taken. Looks at each word once. */
static apr_int32_t claim_slot(void)
{
    apr_uint32_t i, start = __atomic_load_n(&g.hint, __ATOMIC_RELAXED);

    for (i = 0; i < g.words; i++) {
        apr_uint32_t word = (start + i) % g.words;
        apr_uint64_t seen = __atomic_load_n(&g.taken[word], __ATOMIC_RELAXED);

        while (~seen) {
            apr_uint32_t bit = (apr_uint32_t)__builtin_ctzll(~seen);

            if (__atomic_compare_exchange_n(&g.taken[word], &seen, seen | ((apr_uint64_t)1 << bit), 1,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                __atomic_store_n(&g.hint, word, __ATOMIC_RELAXED);
                return (apr_int32_t)(word * WORD_BITS + bit);
            }
        }
    }
    return -1;
}

static void give_slot(apr_uint32_t index)
{
    __atomic_fetch_and(&g.taken[index / WORD_BITS], ~((apr_uint64_t)1 << (index % WORD_BITS)), __ATOMIC_RELEASE);
    __atomic_store_n(&g.hint, index / WORD_BITS, __ATOMIC_RELAXED);
}

/* A tag is the slot's number and its turn, so that nodes freed after the
 * connection ended are not charged to the next one in its slot. Never 0. */
static apr_uint32_t make_tag(apr_uint32_t index)
{
    apr_uint16_t turn = __atomic_add_fetch(&g.turns[index], 1, __ATOMIC_RELAXED);

    if (turn == 0) {
        turn = __atomic_add_fetch(&g.turns[index], 1, __ATOMIC_RELAXED);
    }
    return index << 16 | turn;
}

void pst_account_open_connection(pst_account_t *account, apr_pool_t *pool, const pst_connection_info_t *info)
{
    apr_int32_t index = pst_child.muted ? -1 : claim_slot();
    pst_shared_slot_t *slot;

    memset(account, 0, sizeof(*account));
    account->scope = PST_SCOPE_CONNECTION;
    account->root = pool;
    account->id = __atomic_add_fetch(&g.serial, 1, __ATOMIC_RELAXED);
    account->master = info->master;
    account->outgoing = info->kind == PST_KIND_BACKEND;
    if (account->id == 1) {
        pst_store(&g.at_rest, pst_child_reserved());
    }
    PST_COUNT(connections_opened, 1);
    PST_COUNT(connections_open, 1);
    if (index < 0) {
        account->usage = &pst_child.block->unslotted;
        PST_COUNT(unslotted_connections, 1);
        PST_COUNT(unslotted_opened, 1);
        return;
    }
    account->tag = make_tag((apr_uint32_t)index);
    account->slot = slot = pst_board_slot(g.board, pst_child.block, (apr_uint32_t)index);
    account->usage = &slot->usage;
    pst_slot_begin(slot);
    memset((char *)slot + offsetof(pst_shared_slot_t, in_use), 0,
           offsetof(pst_shared_slot_t, client) - offsetof(pst_shared_slot_t, in_use));
    slot->kind = (apr_byte_t)info->kind;
    slot->state = PST_STATE_READING;
    slot->id = account->id;
    slot->master = info->master ? info->master->id : 0;
    slot->opened = info->now;
    pst_cut(slot->client, sizeof(slot->client), info->client);
    pst_cut(slot->protocol, sizeof(slot->protocol), info->protocol);
    pst_cut(slot->vhost, sizeof(slot->vhost), info->vhost);
    slot->line[0] = slot->handler[0] = '\0';
    slot->in_use = 1;
    pst_slot_end(slot);
}

void pst_account_sampled(apr_uint32_t tag, apr_uint64_t bytes)
{
    apr_uint32_t index = tag >> 16;

    if (!pst_child.muted && index < g.slot_count
        && __atomic_load_n(&g.turns[index], __ATOMIC_RELAXED) == (apr_uint16_t)tag) {
        pst_add(&g.sampled[index], (apr_int64_t)bytes);
    }
}

apr_uint64_t pst_account_take_sampled(pst_account_t *request)
{
    apr_uint64_t *shown = request->slot ? &g.sampled[request->above->tag >> 16] : &request->sampled;

    return pst_load(shown) ? __atomic_exchange_n(shown, 0, __ATOMIC_RELAXED) : 0;
}

/* A request continues without the slot that showed it, with a copy of its figures. */
static void hide_request(pst_account_t *request, const pst_shared_slot_t *slot)
{
    request->sampled = pst_account_take_sampled(request);
#define PST_METRIC_USAGE(...) request->own.PST_FIELD(__VA_ARGS__) = pst_load(&slot->request.PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    request->usage = &request->own;
    request->slot = NULL;
}

/* The slot now shows another request. */
static void show_request(pst_account_t *connection, pst_account_t *request, apr_uint64_t now)
{
    pst_shared_slot_t *slot = connection->slot;

    if (connection->current) {
        hide_request(connection->current, slot);
    }
    connection->current = request;
    connection->told = connection->handled = 0;
    pst_slot_begin(slot);
    memset(&slot->request, 0, sizeof(slot->request));
    slot->line[0] = slot->handler[0] = '\0';
    slot->has_request = PST_REQUEST_NONE;
    slot->request_started = now;
    pst_slot_end(slot);
}

void pst_account_open_request(pst_account_t *account, apr_pool_t *pool, pst_account_t *connection,
                              apr_uint64_t now)
{
    memset(account, 0, sizeof(*account));
    account->scope = PST_SCOPE_REQUEST;
    connection->served = 1;
    account->root = pool;
    account->above = connection;
    account->usage = &account->own;
    if (connection->slot && !pst_child.muted) {
        account->slot = connection->slot;
        account->usage = &connection->slot->request;
        show_request(connection, account, now);
    }
}

void pst_account_ours(pst_account_t *request)
{
    request->ours = 1;
    if (request->slot && !pst_child.muted) {
        pst_slot_begin(request->slot);
        request->slot->has_request = PST_REQUEST_OWN;
        pst_slot_end(request->slot);
    }
}

/* A stream's request counts for its own connection and for the one that carries it. */
static void count_request(const pst_account_t *connection)
{
    for (; connection; connection = connection->master) {
        if (connection->slot && !pst_child.muted) {
            pst_add(&connection->slot->requests, 1);
        }
    }
}

static void close_request(pst_account_t *account, const pst_account_t *original)
{
    if (account->novel) {
        PST_COUNT(requests_new_open, -1);
    }
    if (account->came) {
        PST_COUNT(requests_finished, 1);
        count_request(account->above);
        if (account->ours) {
            PST_COUNT(requests_own, 1);
        }
        else if (!account->sized) {
            PST_COUNT(requests_unsized, 1);
        }
    }
    if (account->above->current == original) {
        account->above->current = NULL;     /* gone: do not touch */
        if (!pst_child.muted) {
            show_request(account->above, NULL, 0);
        }
    }
}

static void close_connection(const pst_account_t *account)
{
    PST_COUNT(connections_open, -1);
    if (!account->slot) {
        PST_COUNT(unslotted_connections, -1);
        return;
    }
    if (pst_child.muted) {
        return;
    }
    pst_slot_begin(account->slot);
    account->slot->in_use = 0;
    account->slot->has_request = 0;
    pst_slot_end(account->slot);
    __atomic_add_fetch(&g.turns[account->tag >> 16], 1, __ATOMIC_RELAXED);
    give_slot(account->tag >> 16);
}

void pst_account_close(pst_account_t *account, const pst_account_t *original)
{
    if (account->scope == PST_SCOPE_REQUEST) {
        close_request(account, original);
    }
    else if (account->scope == PST_SCOPE_CONNECTION) {
        close_connection(account);
    }
    if (account->crossed) {
        pst_crossing_ended();
    }
}

void pst_account_gone(void)
{
    for (apr_uint32_t i = 0; i < g.slot_count; i++) {
        pst_shared_slot_t *slot = pst_board_slot(g.board, pst_child.block, i);

        if (slot->in_use) {
            pst_slot_begin(slot);
            slot->in_use = slot->has_request = 0;
            pst_slot_end(slot);
        }
    }
    pst_store(&pst_child.block->connections_open, 0);
    pst_store(&pst_child.block->unslotted_connections, 0);
}

/* Compared as a whole with the previous request's: padded with zeros. */
static void set_handler(pst_account_t *connection, const char *handler)
{
    pst_shared_slot_t *slot = connection->slot;

    memset(slot->handler, 0, sizeof(slot->handler));
    pst_cut(slot->handler, sizeof(slot->handler), handler);
    connection->handler_row = pst_largest_handler(connection->handler_row, slot->handler);
    connection->handled = 1;
}

void pst_account_describe(pst_account_t *connection, apr_uint64_t started, const char *line, const char *vhost,
                          const char *protocol, const char *handler)
{
    pst_shared_slot_t *slot = connection->slot;

    if (!slot || pst_child.muted) {
        return;
    }
    pst_slot_begin(slot);
    if (started) {
        slot->request_started = started;
    }
    if (line) {
        pst_cut(slot->line, sizeof(slot->line), line);
        slot->has_request = PST_REQUEST_OTHERS;
        connection->told = 1;
    }
    if (vhost) {
        pst_cut(slot->vhost, sizeof(slot->vhost), vhost);
        connection->vhost_row = 0;
    }
    if (protocol) {
        pst_cut(slot->protocol, sizeof(slot->protocol), protocol);
    }
    if (handler) {
        set_handler(connection, handler);
    }
    pst_slot_end(slot);
    if (__builtin_expect(connection->crossed || (connection->current && connection->current->crossed), 0)) {
        pst_crossing_described(slot);
    }
}

void pst_account_buckets(apr_uint32_t tag, apr_int64_t bytes)
{
    apr_uint32_t index = tag >> 16;

    if (pst_child.muted) {
        return;
    }
    pst_add(&pst_child.block->child_bucket_bytes, bytes);
    if (tag && index < g.slot_count
        && __atomic_load_n(&g.turns[index], __ATOMIC_RELAXED) == (apr_uint16_t)tag) {
        pst_add(&pst_board_slot(g.board, pst_child.block, index)->bucket_bytes, bytes);
    }
}

void pst_account_held(apr_int64_t bytes)
{
    if (!pst_child.muted) {
        pst_add(&pst_child.block->held_bytes, bytes);
    }
}
