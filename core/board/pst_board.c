/* SPDX-License-Identifier: Apache-2.0
 *
 * The board's life: made by the parent, claimed by children, read by anyone.
 *
 * Place in the flow: gather -> BOARD -> snapshot -> view.
 *
 * Concurrency: a block belongs to the child whose pid is in owner; a slot's
 * texts belong to the thread that serves its connection.  Readers take no lock:
 * they copy a slot and check whether its change counter moved meanwhile, a bounded number of times. A writer that
 * dies in mid-write leaves an odd counter and harms nobody.
 */
#include "pst_board.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <string.h>

/* How often a reader retries copying a slot that changes meanwhile. A writer's change takes some 50 ns, less than a
 * copy: if all tries fail, the writer has died, sleeps in the middle of a change, or never pauses. Then there are no
 * texts. */
#define COPY_TRIES 8

int pst_board_intact(const pst_board_t *board)
{
    const pst_shared_header_t *header = board->base;

    return memcmp(header->magic, PST_BOARD_MAGIC, sizeof(header->magic)) == 0
           && header->version == PST_BOARD_VERSION && header->header_size == board->header_size
           && header->child_size == board->child_size && header->child_count == board->child_count
           && header->slot_count == board->slot_count && header->history_size == board->history_size
           && header->fine_count == board->fine_count;
}

pst_shared_header_t *pst_board_header(const pst_board_t *board)
{
    return board->base;
}

apr_uint32_t pst_board_claimed(const pst_board_t *board)
{
    apr_uint32_t claimed = __atomic_load_n(&pst_board_header(board)->claimed, __ATOMIC_ACQUIRE);

    return claimed < board->child_count ? claimed : board->child_count;
}

pst_shared_child_t *pst_board_child(const pst_board_t *board, apr_uint32_t i)
{
    return (pst_shared_child_t *)((char *)board->base + board->header_size + (apr_size_t)i * board->child_size);
}

pst_shared_slot_t *pst_board_slot(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t s)
{
    (void)board;
    return (pst_shared_slot_t *)((char *)child + PST_CHILD_HEAD) + s;
}

pst_shared_class_t *pst_board_class(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_class_t *)(void *)((char *)child + board->class_at) + i;
}

pst_shared_site_t *pst_board_site(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_site_t *)(void *)((char *)child + board->site_at) + i;
}

pst_shared_large_t *pst_board_large(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_large_t *)(void *)((char *)child + board->large_at) + i;
}

pst_shared_sizes_t *pst_board_sizes(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_sizes_t *)(void *)((char *)child + board->sizes_at) + i;
}

pst_shared_misuse_t *pst_board_misuse(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_misuse_t *)(void *)((char *)child + board->misuse_at) + i;
}

pst_shared_url_t *pst_board_url(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i)
{
    return (pst_shared_url_t *)(void *)((char *)child + board->url_at) + i;
}

pst_shared_urls_t *pst_board_urls(const pst_board_t *board)
{
    return (pst_shared_urls_t *)(void *)((char *)board->base + board->urls_at);
}

pst_shared_module_t *pst_board_module(const pst_board_t *board, apr_uint32_t i)
{
    return (pst_shared_module_t *)(void *)((char *)board->base + board->module_at) + i;
}

pst_shared_generation_t *pst_board_generation(const pst_board_t *board, apr_uint32_t number)
{
    return (pst_shared_generation_t *)(void *)((char *)board->base + board->generation_at)
           + number % PST_GENERATION_COUNT;
}

pst_shared_relative_t *pst_board_relative(const pst_board_t *board, apr_uint32_t i)
{
    return (pst_shared_relative_t *)(void *)((char *)board->base + board->relative_at) + i;
}

pst_shared_loss_t *pst_board_loss(const pst_board_t *board, apr_uint32_t i)
{
    return (pst_shared_loss_t *)(void *)((char *)board->base + board->loss_at) + i;
}

pst_shared_segment_t *pst_board_segment(const pst_board_t *board, apr_uint32_t i)
{
    return (pst_shared_segment_t *)(void *)((char *)board->base + board->segment_at) + i;
}

/* A child that dies between the two stores costs an entry. */
apr_uint32_t pst_board_module_add(const pst_board_t *board, apr_uint64_t id, const char *name, pst_code_e kind)
{
    apr_uint32_t i;

    for (i = 1; i < PST_MODULE_COUNT; i++) {
        pst_shared_module_t *module = pst_board_module(board, i);
        apr_uint32_t state = __atomic_load_n(&module->state, __ATOMIC_ACQUIRE);

        if (state == 2 && module->id == id) {
            if (__atomic_load_n(&module->kind, __ATOMIC_RELAXED) < (apr_uint32_t)kind) {
                __atomic_store_n(&module->kind, (apr_uint32_t)kind, __ATOMIC_RELAXED);
            }
            return i;
        }
        if (state == 0 && __atomic_compare_exchange_n(&module->state, &state, 1, 0, __ATOMIC_ACQ_REL,
                                                      __ATOMIC_RELAXED)) {
            module->id = id;
            module->kind = (apr_uint32_t)kind;
            apr_cpystrn(module->name, name, sizeof(module->name));
            __atomic_store_n(&module->state, 2, __ATOMIC_RELEASE);
            return i;
        }
    }
    return 0;
}

int pst_board_index(const pst_board_t *board, const pst_shared_child_t *child)
{
    apr_size_t first = (apr_size_t)board->base + board->header_size, at = (apr_size_t)child;

    if (at < first || at - first >= (apr_size_t)board->child_size * board->child_count) {
        return -1;
    }
    return (int)((at - first) / board->child_size);
}

pst_shared_history_t *pst_board_history(const pst_board_t *board, apr_uint32_t i)
{
    return board->history_size ? (void *)((char *)board->base + board->history_at
                                          + (apr_size_t)i * board->history_size) : NULL;
}

/* The free block that was released longest ago, never used (0) first; NULL if none is free. */
static pst_shared_child_t *longest_free(const pst_board_t *board)
{
    pst_shared_child_t *best = NULL;
    apr_uint64_t best_ended = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && (!best || best_ended); i++) {
        pst_shared_child_t *child = pst_board_child(board, i);
        apr_uint64_t ended = pst_load(&child->ended);

        if (__atomic_load_n(&child->owner, __ATOMIC_RELAXED) == 0 && (!best || ended < best_ended)) {
            best = child;
            best_ended = ended;
        }
    }
    return best;
}

/* Others may be faster: then look again. Each of them leaves one free block fewer. */
#define CLAIM_TRIES 64

/* The first block that was never claimed. The mark may be anything: an owned block stays with its owner. */
static pst_shared_child_t *take_new(const pst_board_t *board, apr_uint32_t pid)
{
    uint32_t *mark = &pst_board_header(board)->claimed;

    for (int i = 0; i < CLAIM_TRIES; i++) {
        apr_uint32_t next = __atomic_load_n(mark, __ATOMIC_RELAXED), nobody = 0;

        if (next >= board->child_count
            || pst_board_room(board, board->header_size + (apr_uint64_t)next * board->child_size, board->child_size)
                   != APR_SUCCESS) {
            return NULL;
        }
        if (__atomic_compare_exchange_n(mark, &next, next + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
            && __atomic_compare_exchange_n(&pst_board_child(board, next)->owner, &nobody, pid, 0, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED)) {
            return pst_board_child(board, next);
        }
    }
    return NULL;
}

static pst_shared_child_t *take_free(const pst_board_t *board, apr_uint32_t pid)
{
    for (int i = 0; i < CLAIM_TRIES; i++) {
        pst_shared_child_t *child = longest_free(board);
        apr_uint32_t nobody = 0;

        if (!child || __atomic_compare_exchange_n(&child->owner, &nobody, pid, 0, __ATOMIC_ACQ_REL,
                                                  __ATOMIC_RELAXED)) {
            return child;
        }
    }
    return NULL;
}

pst_shared_child_t *pst_board_claim_unseen(const pst_board_t *board, apr_uint32_t pid, apr_uint32_t generation)
{
    pst_shared_child_t *child = take_new(board, pid);

    child = child ? child : take_free(board, pid);
    if (!child) {
        pst_add(&pst_board_header(board)->homeless, 1);
        return NULL;
    }
    __atomic_store_n(&child->ready, 0, __ATOMIC_RELEASE);
    memset((char *)child + sizeof(child->owner), 0, board->child_size - sizeof(child->owner));
    child->generation = generation;
    child->started = (apr_uint64_t)apr_time_now();
    child->pid = pid;
    return child;
}

void pst_board_show(pst_shared_child_t *child)
{
    __atomic_store_n(&child->ready, 1, __ATOMIC_RELEASE);
}

void pst_board_farewell(pst_shared_child_t *child)
{
    __atomic_store_n(&child->ended_how, (apr_uint32_t)PST_END_ORDERLY, __ATOMIC_RELAXED);
}

int pst_board_release_block(pst_shared_child_t *child, apr_uint32_t pid)
{
    apr_uint32_t owner = pid;

    if (pid == 0 || __atomic_load_n(&child->owner, __ATOMIC_RELAXED) != pid) {
        return 0;
    }
    if (__atomic_load_n(&child->ended_how, __ATOMIC_RELAXED) != PST_END_ORDERLY) {
        __atomic_store_n(&child->ended_how, (apr_uint32_t)PST_END_ABRUPT, __ATOMIC_RELAXED);
    }
    pst_store(&child->ended, (apr_uint64_t)apr_time_now());
    return __atomic_compare_exchange_n(&child->owner, &owner, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void pst_seq_begin(uint32_t *seq)
{
    /* Odd whatever it was: a counter left odd by a writer that died, or by a
     * hostile child, must not reverse the meaning. */
    __atomic_store_n(seq, (__atomic_load_n(seq, __ATOMIC_RELAXED) + 1) | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void pst_seq_end(uint32_t *seq)
{
    __atomic_store_n(seq, (__atomic_load_n(seq, __ATOMIC_RELAXED) | 1) + 1, __ATOMIC_RELEASE);
}

int pst_seq_copy(void *to, const void *from, apr_size_t size)
{
    const uint32_t *seq = from;
    int try, good = 0;

    for (try = 0; try < COPY_TRIES && !good; try++) {
        apr_uint32_t before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);

        memcpy(to, from, size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        good = !(before & 1) && before == __atomic_load_n(seq, __ATOMIC_RELAXED);
    }
    return good;
}

void pst_slot_begin(pst_shared_slot_t *slot)
{
    pst_seq_begin(&slot->seq);
}

void pst_slot_end(pst_shared_slot_t *slot)
{
    pst_seq_end(&slot->seq);
}

/* What a copy must satisfy before anyone prints or indexes with it. */
static void disarm(pst_shared_slot_t *slot, int texts_good)
{
    if (!texts_good) {
        slot->client[0] = slot->protocol[0] = slot->vhost[0] = slot->handler[0] = slot->line[0] = '\0';
    }
    slot->client[sizeof(slot->client) - 1] = '\0';
    slot->protocol[sizeof(slot->protocol) - 1] = '\0';
    slot->vhost[sizeof(slot->vhost) - 1] = '\0';
    slot->handler[sizeof(slot->handler) - 1] = '\0';
    slot->line[sizeof(slot->line) - 1] = '\0';
    slot->in_use = slot->in_use == 1;
    slot->has_request = slot->has_request < PST_REQUEST_COUNT ? slot->has_request : PST_REQUEST_NONE;
    if (slot->kind >= PST_KIND_COUNT) {
        slot->kind = 0;
    }
    if (slot->state >= PST_STATE_COUNT) {
        slot->state = 0;
    }
}

int pst_slot_copy(pst_shared_slot_t *to, const pst_shared_slot_t *from)
{
    int good = pst_seq_copy(to, from, sizeof(*to));

    disarm(to, good);
    return good;
}
