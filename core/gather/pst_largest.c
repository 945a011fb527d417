/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of finished requests: see the header.
 *
 * Place in the flow: wrappers -> accounts -> LARGEST -> board.
 *
 * Concurrency: counts are relaxed atomics.  The list of the largest and new rows of the
 * histograms take a flag that nobody waits for (pst_flag.h).  Most requests are no larger than
 * the smallest of the list, or than a request for the same path that was one of the list: they pay some compares.
 *
 * Decisions use private data; the board is written, and only the figures and texts of the request itself are read
 * from it, untrusted.
 */
#include "pst_largest.h"
#include "pst_flag.h"
#include "pst_fold.h"
#include "pst_text.h"

#include <apr_time.h>
#include <string.h>

#define WORDS (PST_VHOST_LEN / sizeof(apr_uint64_t))
#define NAMED (PST_SIZES_EACH - 1)      /* rows with a name; the last is for all others */
#define KNOWN 256u                      /* unfolded paths with the largest peak of their URL */
#define MIX   UINT64_C(0x9e3779b97f4a7c15)

/* Names are padded with zeros and compared as words. */
typedef struct {
    apr_uint64_t words[WORDS];
} name_t;

typedef struct {
    apr_uint32_t first;                 /* row on the board */
    apr_uint32_t count;                 /* rows that have a name; these never change */
    name_t names[NAMED];
} group_t;

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    pst_shared_sizes_t *sizes;          /* row 0 */
    apr_uint64_t least;                 /* peaks up to this are not kept */
    apr_uint32_t kept;
    apr_uint64_t peaks[PST_LARGE_COUNT];
    apr_uint64_t groups[PST_LARGE_COUNT];
    struct {
        apr_uint64_t mixed;             /* path ^ peak: a half written entry matches no path */
        apr_uint64_t peak;              /* its group was kept with this: no smaller one is ever kept */
    } known[KNOWN];
    group_t handlers, vhosts;
    int busy;                           /* the flag: pst_flag.h */
} g;

void pst_largest_start(const pst_board_t *board, pst_shared_child_t *block)
{
    memset(&g, 0, sizeof(g));
    g.board = board;
    g.block = block;
    g.sizes = pst_board_sizes(board, block, 0);
    g.handlers.first = PST_SIZES_HANDLERS;
    g.vhosts.first = PST_SIZES_VHOSTS;
}

/* ---- histograms ---- */

static APR_INLINE int same(const name_t *name, const char *text, unsigned words)
{
    apr_uint64_t differs = 0, word;

    for (unsigned i = 0; i < words; i++) {
        memcpy(&word, text + i * sizeof(word), sizeof(word));
        differs |= name->words[i] ^ word;
    }
    return !differs;
}

static void write_name(pst_shared_sizes_t *row, const name_t *name)
{
    pst_seq_begin(&row->seq);
    memcpy(row->name, name, sizeof(row->name));
    row->name[sizeof(row->name) - 1] = '\0';
    row->named = 1;
    pst_seq_end(&row->seq);
}

/* The row of a name, made if there is room. @return row on the board */
static __attribute__((noinline)) apr_byte_t find_name(group_t *group, const name_t *name)
{
    apr_uint32_t i, count = __atomic_load_n(&group->count, __ATOMIC_ACQUIRE);

    for (i = 0; i < count && memcmp(&group->names[i], name, sizeof(*name)); i++) { }
    if (i == count && count < NAMED && pst_flag_take(&g.busy)) {
        for (count = group->count; i < count && memcmp(&group->names[i], name, sizeof(*name)); i++) { }
        if (i == count && count < NAMED) {
            group->names[i] = *name;
            write_name(&g.sizes[group->first + i], name);
            __atomic_store_n(&group->count, ++count, __ATOMIC_RELEASE);
        }
        pst_flag_give(&g.busy);
    }
    return (apr_byte_t)(group->first + (i < count ? i : NAMED));
}

static __attribute__((noinline)) apr_byte_t find_handler(const char *text)
{
    name_t name = { { 0 } };

    memcpy(&name, text, PST_HANDLER_LEN);
    return find_name(&g.handlers, &name);
}

/* last is 0 when there was none, and then i is large. */
apr_byte_t pst_largest_handler(apr_byte_t last, const char text[PST_HANDLER_LEN])
{
    apr_uint32_t i = (apr_uint32_t)last - PST_SIZES_HANDLERS;

    return i < NAMED && same(&g.handlers.names[i], text, PST_HANDLER_LEN / sizeof(apr_uint64_t)) ? last
                                                                                                 : find_handler(text);
}

static __attribute__((noinline)) apr_byte_t find_vhost(pst_account_t *connection)
{
    name_t name = { { 0 } };
    const char *text = connection->slot->vhost;
    apr_byte_t row;

    memcpy(&name, text, strnlen(text, PST_VHOST_LEN - 1));
    row = find_name(&g.vhosts, &name);
    if (row < PST_SIZES_VHOSTS + NAMED || __atomic_load_n(&g.vhosts.count, __ATOMIC_RELAXED) == NAMED) {
        connection->vhost_row = row;
    }
    return row;
}

static __attribute__((noinline)) apr_byte_t no_handler(void)
{
    static const name_t none;

    return find_name(&g.handlers, &none);
}

static APR_INLINE unsigned size_bucket(apr_uint64_t peak)
{
    unsigned bucket = peak <= PST_SIZES_LEAST ? 0
                    : (unsigned)(64 - __builtin_clzll(peak - 1) - __builtin_ctz(PST_SIZES_LEAST));

    return bucket < PST_SIZES_BUCKETS ? bucket : PST_SIZES_BUCKETS - 1;
}

/* @param path  as it was asked for, and the handler */
static APR_INLINE int is_known(apr_uint64_t path, apr_uint64_t peak)
{
    apr_uint64_t known = __atomic_load_n(&g.known[path % KNOWN].peak, __ATOMIC_RELAXED);

    return peak <= known && (__atomic_load_n(&g.known[path % KNOWN].mixed, __ATOMIC_RELAXED) ^ known) == path;
}

int pst_largest_count(pst_account_t *request)
{
    pst_account_t *connection = request->above;
    apr_uint64_t peak = request->slot && connection->told && !request->ours ? pst_load(&request->usage->peak_bytes) : 0;
    unsigned bucket, handler, vhost;

    if (pst_child_muted() || !peak) {
        return 0;
    }
    request->sized = 1;
    bucket = size_bucket(peak);
    handler = connection->handled ? connection->handler_row : no_handler();
    vhost = connection->vhost_row ? connection->vhost_row : find_vhost(connection);
    pst_add(&g.block->requests_peak_bytes, peak);
    pst_add(&g.sizes[PST_SIZES_ALL].requests[bucket], 1);
    pst_add(&g.sizes[handler].requests[bucket], 1);
    pst_add(&g.sizes[vhost].requests[bucket], 1);
    if (peak <= __atomic_load_n(&g.least, __ATOMIC_RELAXED) || is_known(request->asked + handler, peak)) {
        return 0;
    }
    request->handler_row = (apr_byte_t)handler;
    return 1;
}

/* ---- the largest ---- */

static void copy_text(char *to, apr_size_t size, const char *from)
{
    memcpy(to, from, size - 1);
    to[size - 1] = '\0';
}

static void write_large_row(pst_shared_large_t *row, const pst_account_t *request, apr_uint64_t peak)
{
    const pst_shared_slot_t *slot = request->slot;
    const pst_shared_usage_t *usage = request->usage;
    apr_uint64_t now = (apr_uint64_t)apr_time_now(), started = slot->request_started;
    apr_uint64_t reserved = pst_load(&usage->reserved_bytes), slack = pst_load(&usage->slack_bytes);

    pst_seq_begin(&row->seq);
    row->reserved_bytes = reserved;
    row->used_bytes = reserved > slack ? reserved - slack : 0;
    row->peak_bytes = peak;
    row->duration = started && started < now ? now - started : 0;
    row->finished = now;
    copy_text(row->line, sizeof(row->line), slot->line);
    pst_cut(row->vhost, sizeof(row->vhost), request->host ? request->host : slot->vhost);
    pst_cut(row->handler, sizeof(row->handler), request->above->handled ? slot->handler : "");
    pst_fold(row->path, sizeof(row->path), request->path ? request->path : "");
    row->in_use = 1;
    pst_seq_end(&row->seq);
}

/* The row of the smallest, or a free one; with the flag. */
static unsigned smallest(void)
{
    unsigned found = 0;

    if (g.kept < PST_LARGE_COUNT) {
        return g.kept;
    }
    for (unsigned i = 1; i < PST_LARGE_COUNT; i++) {
        found = g.peaks[i] < g.peaks[found] ? i : found;
    }
    return found;
}

static apr_uint64_t group_of(const pst_account_t *request)
{
    const pst_shared_slot_t *slot = request->slot;
    apr_uint64_t hash = request->url, word;

    for (apr_size_t i = 0; request->above->handled && i < sizeof(slot->handler); i += sizeof(word)) {
        memcpy(&word, slot->handler + i, sizeof(word));
        hash = (hash ^ word) * MIX;
        hash ^= hash >> 29;
    }
    return hash;
}

/* The row of its group, or else that of the smallest, or a free one; with the flag. */
static unsigned row_of_group(apr_uint64_t group)
{
    for (unsigned i = 0; i < g.kept; i++) {
        if (g.groups[i] == group) {
            return i;
        }
    }
    return smallest();
}

/* With the flag. */
static void know(const pst_account_t *request, apr_uint64_t peak)
{
    apr_uint64_t path = request->asked + request->handler_row;

    __atomic_store_n(&g.known[path % KNOWN].mixed, path ^ peak, __ATOMIC_RELAXED);
    __atomic_store_n(&g.known[path % KNOWN].peak, peak, __ATOMIC_RELAXED);
}

int pst_largest_beats(const pst_account_t *request)
{
    apr_uint64_t peak = pst_load(&request->usage->peak_bytes);
    unsigned row;
    int beats;

    if (!pst_flag_take(&g.busy)) {
        pst_add(&g.block->largest_missed, 1);
        return 0;
    }
    row = row_of_group(group_of(request));
    beats = peak > g.peaks[row];
    if (!beats) {
        know(request, g.peaks[row]);
    }
    pst_flag_give(&g.busy);
    return beats;
}

void pst_largest_keep(const pst_account_t *request)
{
    apr_uint64_t peak = pst_load(&request->usage->peak_bytes), group = group_of(request);
    unsigned row;

    if (!pst_flag_take(&g.busy)) {
        pst_add(&g.block->largest_missed, 1);
        return;
    }
    row = row_of_group(group);
    if (peak > g.peaks[row]) {
        g.peaks[row] = peak;
        g.groups[row] = group;
        g.kept += row == g.kept;
        write_large_row(pst_board_large(g.board, g.block, row), request, peak);
        know(request, peak);
        if (g.kept == PST_LARGE_COUNT) {
            __atomic_store_n(&g.least, g.peaks[smallest()], __ATOMIC_RELAXED);
        }
    }
    pst_flag_give(&g.busy);
}
