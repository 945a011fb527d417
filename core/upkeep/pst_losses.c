/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_losses.h.
 *
 * The block is hostile: its contents are copied as figures, texts are cut, loops are bounded by what this process
 * knows. A row may have been torn in the middle of a change: then it is skipped.
 */
#include "pst_losses.h"
#include "pst_blame.h"
#include "pst_figure.h"
#include "pst_history.h"
#include "pst_text.h"

#include <string.h>

#define SLOTS_MOST 4096u        /* connections that are examined */
#define HOLDERS    32u          /* objects among which the largest part is divided */
#define SEEN       4u           /* call sites must have seen one in this many bytes of that part */
#define MOST       (APR_UINT64_C(1) << 47) /* bytes that no process has */
#define SIGNAL_KILL 9u

/* -- the OOM killer ----------------------------------------------------------- */

void pst_oom_watch(pst_oom_watch_t *watch, pst_oom_e kind, apr_uint64_t kills)
{
    int goes_on = watch->kind == kind && kills >= watch->seen;

    watch->before = goes_on ? watch->seen : kills;
    watch->told_before = goes_on ? watch->told : 0;
    watch->seen = kills;
    watch->told = 0;
    watch->kind = kind;
}

/* Each kill is attributed to one child. */
static void tell_oom(pst_shared_loss_t *loss, const pst_loss_how_t *how, pst_oom_watch_t *watch)
{
    apr_uint64_t kills;

    if (how->kind == PST_OOM_UNKNOWN || how->kind != watch->kind) {
        return;
    }
    kills = pst_minus(how->kills, watch->before);
    loss->oom_known = 1;
    loss->oom_whole = how->kind == PST_OOM_MACHINE;
    loss->oom_kills = (uint32_t)(kills < APR_UINT32_MAX ? kills : APR_UINT32_MAX);
    if (kills > watch->told_before + watch->told && (!how->signal || how->signal == SIGNAL_KILL)) {
        loss->oom = 1;
        watch->told++;
    }
}

/* -- what it had -------------------------------------------------------------- */

static apr_uint64_t bytes_at(const uint64_t *at)
{
    apr_uint64_t bytes = pst_load(at);

    return bytes < MOST ? bytes : 0;
}

static void add_request(pst_shared_loss_t *loss, const pst_shared_loss_request_t *request)
{
    unsigned at = PST_LOSS_REQUESTS;

    while (at && (!loss->requests[at - 1].state || loss->requests[at - 1].reserved_bytes < request->reserved_bytes)) {
        at--;
    }
    if (at < PST_LOSS_REQUESTS) {
        memmove(&loss->requests[at + 1], &loss->requests[at],
                (PST_LOSS_REQUESTS - 1 - at) * sizeof(loss->requests[0]));
        loss->requests[at] = *request;
    }
}

static void take_slots(pst_shared_loss_t *loss, const pst_board_t *board, pst_shared_child_t *child)
{
    apr_uint32_t count = board->slot_count < SLOTS_MOST ? board->slot_count : SLOTS_MOST;

    for (apr_uint32_t s = 0; s < count; s++) {
        pst_shared_slot_t slot;
        pst_shared_loss_request_t request = { .state = PST_LOSS_REQUEST_SERVED };

        pst_slot_copy(&slot, pst_board_slot(board, child, s));
        if (!slot.in_use) {
            continue;
        }
        request.reserved_bytes = bytes_at(&slot.request.reserved_bytes);
        loss->parts[PST_PART_REQUESTS] += request.reserved_bytes;
        loss->parts[PST_PART_CONNECTIONS] += pst_minus(bytes_at(&slot.usage.reserved_bytes), request.reserved_bytes);
        if (slot.has_request) {
            request.duration = pst_minus(loss->ended, slot.request_started);
            pst_cut(request.vhost, sizeof(request.vhost), slot.vhost);
            pst_cut(request.line, sizeof(request.line), slot.line);
            add_request(loss, &request);
        }
    }
}

static void take_finished(pst_shared_loss_t *loss, const pst_board_t *board, pst_shared_child_t *child)
{
    for (apr_uint32_t i = 0; i < PST_LARGE_COUNT; i++) {
        pst_shared_large_t large;
        pst_shared_loss_request_t request = { .state = PST_LOSS_REQUEST_FINISHED };

        if (!pst_seq_copy(&large, pst_board_large(board, child, i), sizeof(large)) || large.in_use != 1) {
            continue;
        }
        large.vhost[sizeof(large.vhost) - 1] = large.line[sizeof(large.line) - 1] = '\0';
        request.reserved_bytes = bytes_at(&large.peak_bytes);
        request.duration = pst_sane(large.duration);
        pst_cut(request.vhost, sizeof(request.vhost), large.vhost);
        pst_cut(request.line, sizeof(request.line), large.line);
        add_request(loss, &request);
    }
}

/* The lowest RSS on record, and the last time it was that low. */
static void take_record(pst_shared_loss_t *loss, const pst_board_t *board, pst_shared_child_t *child)
{
    pst_shared_history_t *history = pst_board_history(board, (apr_uint32_t)pst_board_index(board, child));
    const pst_shared_point_t *points;
    apr_uint64_t written = history ? pst_load(&history->fine_written) : 0, last, ring = board->fine_count + 1;

    if (!written || __atomic_load_n(&history->pid, __ATOMIC_RELAXED) != loss->pid) {
        return;
    }
    points = (const void *)((const char *)history + PST_HISTORY_HEAD);
    last = pst_load(&history->last);
    for (apr_uint64_t i = 0, count = written < board->fine_count ? written : board->fine_count; i < count; i++) {
        const pst_shared_point_t *point = &points[(written - 1 - i) % ring];
        apr_uint64_t rss = (apr_uint64_t)__atomic_load_n(&point->rss, __ATOMIC_RELAXED) * PST_HISTORY_PAGE;
        apr_uint32_t age = (apr_uint32_t)(last / 1000) - __atomic_load_n(&point->time, __ATOMIC_RELAXED);

        if (rss && (!loss->before_time || rss < loss->before_bytes)) {
            loss->before_bytes = rss;
            loss->before_time = pst_minus(last, (apr_uint64_t)age * 1000);
        }
    }
}

static void take_books(pst_shared_loss_t *loss, const pst_shared_child_t *child)
{
    const pst_shared_books_t *books = &child->books;
    apr_uint64_t held = bytes_at(&child->held_bytes);
    apr_uint64_t not_own = bytes_at(&books->file_bytes) + bytes_at(&books->shmem_bytes);

    loss->books_time = pst_sane(pst_load(&books->books_time));
    loss->rss_bytes = bytes_at(&books->rss_bytes);
    loss->own_bytes = pst_minus(loss->rss_bytes, not_own) + bytes_at(&books->swap_bytes);
    loss->parts[PST_PART_PROCESS] = bytes_at(&child->process.reserved_bytes);
    loss->parts[PST_PART_RETAINED] = pst_minus(held, bytes_at(&child->child_reserved_bytes)
                                                         + bytes_at(&child->child_bucket_bytes));
    loss->parts[PST_PART_HEAP] = bytes_at(&books->heap_in_use_bytes);
    loss->parts[PST_PART_HEAP_FREE] = bytes_at(&books->heap_free_bytes);
    loss->parts[PST_PART_MAPPED] = bytes_at(&books->other_bytes);
    loss->parts[PST_PART_STACKS] = bytes_at(&books->stack_bytes);
}

/* -- who is to blame ---------------------------------------------------------- */

static pst_part_e part_of_scope(apr_uint32_t scope)
{
    switch (scope) {
    case PST_SCOPE_PROCESS:    return PST_PART_PROCESS;
    case PST_SCOPE_CONNECTION: return PST_PART_CONNECTIONS;
    case PST_SCOPE_REQUEST:    return PST_PART_REQUESTS;
    case PST_SCOPE_HEAP:       return PST_PART_HEAP;
    case PST_SCOPE_MAPPED:     return PST_PART_MAPPED;
    case PST_SCOPE_STACK:      return PST_PART_STACKS;
    default: return PST_PART_COUNT;
    }
}

/* How much of a part an object to blame holds; its site holds most of that. */
typedef struct holder_t {
    apr_uint32_t object;
    apr_uint64_t bytes, samples, site_bytes;
    pst_shared_frame_t site;
} holder_t;

typedef struct holders_t {
    apr_uint64_t seen[PST_PART_COUNT];
    holder_t     of[PST_PART_COUNT][HOLDERS];
} holders_t;

static holders_t holders;       /* for one child: too large for a stack */

static void add_loss_site(const pst_board_t *board, const pst_shared_site_t *site)
{
    pst_part_e part = part_of_scope(site->scope);
    apr_uint64_t bytes = bytes_at(&site->site_live_bytes);
    pst_shared_frame_t frame;
    pst_blame_t blame;

    if (part == PST_PART_COUNT || !bytes) {
        return;
    }
    holders.seen[part] += bytes;
    if (!pst_blame(&blame, site->frames, site->depth, pst_blame_kind_on_board, board)) {
        return;
    }
    frame = site->frames[blame.of];
    for (unsigned i = 0; i < HOLDERS; i++) {
        holder_t *holder = &holders.of[part][i];

        if (holder->object && holder->object != PST_FRAME_MODULE(frame)) {
            continue;
        }
        holder->object = PST_FRAME_MODULE(frame);
        holder->bytes += bytes;
        holder->samples += bytes_at(&site->site_live_samples);
        if (bytes > holder->site_bytes) {
            holder->site_bytes = bytes;
            holder->site = frame;
        }
        return;
    }
}

/* Name the holder of more than half of the largest part if enough of it was seen; else name nobody. */
static void name_holder(pst_shared_loss_t *loss, pst_part_e part)
{
    const holder_t *best = NULL;

    for (unsigned i = 0; i < HOLDERS; i++) {
        const holder_t *holder = &holders.of[part][i];

        best = holder->object && (!best || holder->bytes > best->bytes) ? holder : best;
    }
    if (best && best->bytes > holders.seen[part] / 2 && holders.seen[part] >= loss->parts[part] / SEEN) {
        loss->who.site = best->site;
        loss->who.share = (uint16_t)(best->bytes * 1000 / holders.seen[part]);
        loss->who.samples = (uint16_t)(best->samples < UINT16_MAX ? best->samples : UINT16_MAX);
    }
}

/* Samples include what came after the books were measured. */
static void blame_sites(pst_shared_loss_t *loss, const pst_board_t *board, pst_shared_child_t *child)
{
    apr_uint64_t outside = 0, sum = bytes_at(&child->held_bytes);
    unsigned largest = 0;

    memset(&holders, 0, sizeof(holders));
    for (apr_uint32_t i = 0; i < PST_SITE_COUNT; i++) {
        pst_shared_site_t site;

        if (pst_seq_copy(&site, pst_board_site(board, child, i), sizeof(site)) && site.in_use == 1
            && site.depth <= PST_SITE_FRAMES) {
            add_loss_site(board, &site);
        }
    }
    for (unsigned part = PST_PART_HEAP; part < PST_PART_COUNT; part++) {
        loss->parts[part] = holders.seen[part] > loss->parts[part] ? holders.seen[part] : loss->parts[part];
        outside += part == PST_PART_HEAP_FREE ? 0 : holders.seen[part];
    }
    sum += outside;
    loss->own_bytes = sum > loss->own_bytes ? sum : loss->own_bytes;
    for (unsigned part = 1; part < PST_PART_COUNT; part++) {
        largest = loss->parts[part] > loss->parts[largest] ? part : largest;
    }
    name_holder(loss, (pst_part_e)largest);
}

/* -- on the board ------------------------------------------------------------- */

/* An unused row, else the oldest small one, else the oldest. Age is read from the rows, which may contain anything. */
static pst_shared_loss_t *row_for(const pst_board_t *board, const pst_shared_loss_t *loss)
{
    pst_shared_loss_t *best = pst_board_loss(board, (apr_uint32_t)(loss->number % PST_LOSS_COUNT));
    int best_large = 1;
    apr_uint64_t best_number = UINT64_MAX;

    for (apr_uint32_t i = 0; i < PST_LOSS_COUNT; i++) {
        pst_shared_loss_t *row = pst_board_loss(board, i);
        apr_uint64_t number = pst_load(&row->number);
        int large = pst_load(&row->own_bytes) >= PST_LOSS_LARGE || __atomic_load_n(&row->oom, __ATOMIC_RELAXED);

        if (!__atomic_load_n(&row->pid, __ATOMIC_RELAXED)) {
            return row;
        }
        if (large < best_large || (large == best_large && number < best_number)) {
            best = row;
            best_large = large;
            best_number = number;
        }
    }
    return best;
}

static void write_down(const pst_board_t *board, const pst_shared_loss_t *loss)
{
    pst_shared_header_t *header = pst_board_header(board);
    pst_shared_loss_t *row = row_for(board, loss);

    pst_seq_begin(&row->seq);
    memcpy((char *)row + sizeof(row->seq), (const char *)loss + sizeof(loss->seq), sizeof(*loss) - sizeof(loss->seq));
    pst_seq_end(&row->seq);
    pst_add(&header->children_lost_large, loss->own_bytes >= PST_LOSS_LARGE);
    pst_add(&header->children_lost_oom, loss->oom);
}

/* The block of a child that ended abruptly. */
static pst_shared_child_t *block_of(const pst_board_t *board, apr_uint32_t pid)
{
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); pid && i < count; i++) {
        pst_shared_child_t *child = pst_board_child(board, i);

        if (__atomic_load_n(&child->owner, __ATOMIC_RELAXED) == pid) {
            return __atomic_load_n(&child->ready, __ATOMIC_ACQUIRE)
                           && __atomic_load_n(&child->ended_how, __ATOMIC_RELAXED) != PST_END_ORDERLY
                       ? child : NULL;
        }
    }
    return NULL;
}

int pst_losses_is_one(const pst_board_t *board, apr_uint32_t pid)
{
    return block_of(board, pid) != NULL;
}

int pst_losses_add(const pst_board_t *board, apr_uint32_t pid, const pst_loss_how_t *how, pst_oom_watch_t *watch,
                   apr_uint64_t now)
{
    pst_shared_child_t *child = block_of(board, pid);
    pst_shared_loss_t loss = { .pid = pid, .ended = now, .signal = (uint16_t)how->signal,
                               .signal_how = (uint16_t)how->signal_how };

    if (!child) {
        return 0;
    }
    loss.number = pst_add(&pst_board_header(board)->children_lost, 1);
    loss.started = pst_sane(pst_load(&child->started));
    loss.generation = __atomic_load_n(&child->generation, __ATOMIC_RELAXED);
    tell_oom(&loss, how, watch);
    take_books(&loss, child);
    take_slots(&loss, board, child);
    if (!loss.requests[0].state) {
        take_finished(&loss, board, child);
    }
    take_record(&loss, board, child);
    blame_sites(&loss, board, child);
    write_down(board, &loss);
    return 1;
}
