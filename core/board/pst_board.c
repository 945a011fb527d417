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
#include "pst_array.h"
#include "pst_board_parts.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Bounds on the geometry: above any httpd (ServerLimit 20000, twice, has 40002 blocks), low enough to multiply
 * without overflow, and for a reader to scan in a second or two: to the reader it is just a number in a file. */
#define MAX_CHILDREN   65536u
#define MAX_SLOTS      65536u
#define MAX_BOARD_SIZE ((apr_uint64_t)1 << 36)

/* How often a reader retries copying a slot that changes meanwhile. A writer's change takes some 50 ns, less than a
 * copy: if all tries fail, the writer has died, sleeps in the middle of a change, or never pauses. Then there are no
 * texts. */
#define COPY_TRIES 8

static const pst_shared_descriptor_t descriptors[] = {
#define DESCRIBE(at, offset, ...) \
    { PST_FIELD_WORD(__VA_ARGS__), PST_PROM(__VA_ARGS__), PST_KIND(__VA_ARGS__), PST_UNIT(__VA_ARGS__), at, \
      PST_SHOW(__VA_ARGS__), offset },
#define IN(type, member) offsetof(pst_shared_##type##_t, member)
#define PST_METRIC_USAGE(...) DESCRIBE(PST_AT_USAGE, IN(usage, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CONNECTION(...) DESCRIBE(PST_AT_CONNECTION, IN(slot, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CHILD(...) DESCRIBE(PST_AT_CHILD, IN(child, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_BOOKS(...) DESCRIBE(PST_AT_CHILD, IN(child, books.PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CLASS(...) DESCRIBE(PST_AT_CLASS, IN(class, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_SITE(...) DESCRIBE(PST_AT_SITE, IN(site, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_SERVER(...) DESCRIBE(PST_AT_SERVER, IN(header, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_GENERATION(...) DESCRIBE(PST_AT_GENERATION, IN(generation, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#include "poolstat_metrics.def"
};

#define DESCRIPTOR_COUNT ((apr_uint32_t)PST_ITEMS(descriptors))

/* Histories follow all blocks, so that unused ones cost nothing: pst_history_start() allocates their room. */
static apr_uint64_t history_size(apr_uint32_t fine, apr_uint32_t coarse)
{
    return PST_ALIGN_UP(PST_HISTORY_HEAD + ((apr_uint64_t)fine + 1 + coarse + 1) * sizeof(pst_shared_point_t),
                        PST_BOARD_ALIGN);
}

apr_status_t pst_board_shape(pst_board_t *board, apr_uint32_t child_count, apr_uint32_t slot_count, apr_uint32_t fine,
                             apr_uint32_t interval)
{
    apr_uint64_t child_size, size;

    if (child_count == 0 || child_count > MAX_CHILDREN || slot_count == 0 || slot_count > MAX_SLOTS
        || (apr_uint64_t)child_count * slot_count > PST_SLOTS_MOST || fine > PST_HISTORY_MOST
        || (fine && (interval < 1 || interval > 3600))) {
        return APR_EINVAL;
    }
    board->fine_count = fine;
    board->coarse_count = fine ? PST_HISTORY_COARSE : 0;
    board->interval = interval;
    board->history_size = fine ? (apr_uint32_t)history_size(fine, PST_HISTORY_COARSE) : 0;
    child_size = PST_CHILD_HEAD + (apr_uint64_t)slot_count * sizeof(pst_shared_slot_t);
    board->class_at = (apr_uint32_t)PST_ALIGN_UP(child_size, 64);
    board->site_at = (apr_uint32_t)PST_ALIGN_UP(board->class_at + PST_CLASS_COUNT * sizeof(pst_shared_class_t), 64);
    board->large_at = (apr_uint32_t)PST_ALIGN_UP(board->site_at + PST_SITE_COUNT * sizeof(pst_shared_site_t), 64);
    board->sizes_at = (apr_uint32_t)PST_ALIGN_UP(board->large_at + PST_LARGE_COUNT * sizeof(pst_shared_large_t), 64);
    board->misuse_at = (apr_uint32_t)PST_ALIGN_UP(board->sizes_at + PST_SIZES_COUNT * sizeof(pst_shared_sizes_t), 64);
    board->url_at = (apr_uint32_t)PST_ALIGN_UP(board->misuse_at + PST_MISUSE_ROWS * sizeof(pst_shared_misuse_t), 64);
    child_size = PST_ALIGN_UP(board->url_at + PST_URL_COUNT * sizeof(pst_shared_url_t), PST_BOARD_ALIGN);
    board->module_at = (apr_uint32_t)PST_ALIGN_UP(PST_ALIGN_UP(sizeof(pst_shared_header_t), 64)
                                                  + sizeof(descriptors), 64);
    board->generation_at = (apr_uint32_t)PST_ALIGN_UP(board->module_at
                                                      + PST_MODULE_COUNT * sizeof(pst_shared_module_t), 64);
    board->relative_at = (apr_uint32_t)PST_ALIGN_UP(board->generation_at
                                                    + PST_GENERATION_COUNT * sizeof(pst_shared_generation_t), 64);
    board->loss_at = (apr_uint32_t)PST_ALIGN_UP(board->relative_at
                                                + PST_RELATIVE_COUNT * sizeof(pst_shared_relative_t), 64);
    board->urls_at = (apr_uint32_t)PST_ALIGN_UP(board->loss_at + PST_LOSS_COUNT * sizeof(pst_shared_loss_t), 64);
    board->segment_at = (apr_uint32_t)PST_ALIGN_UP(board->urls_at + sizeof(pst_shared_urls_t), 64);
    board->header_size = (apr_uint32_t)PST_ALIGN_UP(board->segment_at
                                                    + PST_SEGMENT_COUNT * sizeof(pst_shared_segment_t),
                                                    PST_BOARD_ALIGN);
    board->history_at = board->header_size + child_size * child_count;
    size = board->history_at + (apr_uint64_t)board->history_size * child_count;
    if (size > MAX_BOARD_SIZE) {
        return APR_EINVAL;
    }
    board->child_size = (apr_uint32_t)child_size;
    board->child_count = child_count;
    board->slot_count = slot_count;
    board->size = (apr_size_t)size;
    return APR_SUCCESS;
}

void pst_board_fill_header(pst_shared_header_t *header, const pst_board_t *board, const pst_board_about_t *about)
{
    header->version = PST_BOARD_VERSION;
    header->header_size = board->header_size;
    header->child_size = board->child_size;
    header->child_count = board->child_count;
    header->child_head = PST_CHILD_HEAD;
    header->slot_size = sizeof(pst_shared_slot_t);
    header->slot_count = board->slot_count;
    header->descriptor_at = PST_ALIGN_UP(sizeof(pst_shared_header_t), 64);
    header->descriptor_count = DESCRIPTOR_COUNT;
    header->module_at = board->module_at;
    header->module_count = PST_MODULE_COUNT;
    header->generation_at = board->generation_at;
    header->generation_size = sizeof(pst_shared_generation_t);
    header->generation_count = PST_GENERATION_COUNT;
    header->relative_at = board->relative_at;
    header->relative_size = sizeof(pst_shared_relative_t);
    header->relative_count = PST_RELATIVE_COUNT;
    header->segment_at = board->segment_at;
    header->segment_size = sizeof(pst_shared_segment_t);
    header->segment_count = PST_SEGMENT_COUNT;
    header->loss_at = board->loss_at;
    header->loss_size = sizeof(pst_shared_loss_t);
    header->loss_count = PST_LOSS_COUNT;
    header->class_at = board->class_at;
    header->class_size = sizeof(pst_shared_class_t);
    header->class_count = PST_CLASS_COUNT;
    header->site_at = board->site_at;
    header->site_size = sizeof(pst_shared_site_t);
    header->site_count = PST_SITE_COUNT;
    header->large_at = board->large_at;
    header->large_size = sizeof(pst_shared_large_t);
    header->large_count = PST_LARGE_COUNT;
    header->sizes_at = board->sizes_at;
    header->sizes_size = sizeof(pst_shared_sizes_t);
    header->sizes_count = PST_SIZES_COUNT;
    header->misuse_at = board->misuse_at;
    header->misuse_size = sizeof(pst_shared_misuse_t);
    header->misuse_count = PST_MISUSE_ROWS;
    header->url_at = board->url_at;
    header->url_size = sizeof(pst_shared_url_t);
    header->url_count = PST_URL_COUNT;
    header->urls_at = board->urls_at;
    header->urls_size = sizeof(pst_shared_urls_t);
    header->parent = (apr_uint32_t)getpid();
    header->created = (apr_uint64_t)apr_time_now();
    header->history_at = board->history_at;
    header->history_size = board->history_size;
    header->point_size = sizeof(pst_shared_point_t);
    header->fine_count = board->fine_count;
    header->coarse_count = board->coarse_count;
    header->interval = board->interval;
    apr_cpystrn(header->server, about->server, sizeof(header->server));
    apr_cpystrn(header->module, about->module, sizeof(header->module));
    apr_cpystrn(header->mpm, about->mpm, sizeof(header->mpm));
    memcpy((char *)header + header->descriptor_at, descriptors, sizeof(descriptors));
    memcpy(header->magic, PST_BOARD_MAGIC, sizeof(header->magic));
}

apr_status_t pst_board_check_header(pst_board_t *board, const pst_shared_header_t *header, apr_uint64_t file_size)
{
    apr_status_t rv;

    if (memcmp(header->magic, PST_BOARD_MAGIC, sizeof(header->magic)) != 0
        || header->version != PST_BOARD_VERSION || header->slot_size != sizeof(pst_shared_slot_t)
        || header->child_head != PST_CHILD_HEAD || header->class_size != sizeof(pst_shared_class_t)
        || header->class_count != PST_CLASS_COUNT || header->site_size != sizeof(pst_shared_site_t)
        || header->site_count != PST_SITE_COUNT || header->large_size != sizeof(pst_shared_large_t)
        || header->large_count != PST_LARGE_COUNT || header->sizes_size != sizeof(pst_shared_sizes_t)
        || header->misuse_size != sizeof(pst_shared_misuse_t) || header->misuse_count != PST_MISUSE_ROWS
        || header->sizes_count != PST_SIZES_COUNT || header->module_count != PST_MODULE_COUNT
        || header->generation_size != sizeof(pst_shared_generation_t)
        || header->generation_count != PST_GENERATION_COUNT
        || header->relative_size != sizeof(pst_shared_relative_t) || header->relative_count != PST_RELATIVE_COUNT
        || header->loss_size != sizeof(pst_shared_loss_t) || header->loss_count != PST_LOSS_COUNT
        || header->url_size != sizeof(pst_shared_url_t) || header->url_count != PST_URL_COUNT
        || header->urls_size != sizeof(pst_shared_urls_t)
        || header->segment_size != sizeof(pst_shared_segment_t) || header->segment_count != PST_SEGMENT_COUNT) {
        return APR_EMISMATCH;
    }
    rv = pst_board_shape(board, header->child_count, header->slot_count, header->fine_count, header->interval);
    if (rv != APR_SUCCESS || header->header_size != board->header_size
        || header->child_size != board->child_size || header->history_at != board->history_at
        || header->history_size != board->history_size || header->point_size != sizeof(pst_shared_point_t)
        || header->coarse_count != board->coarse_count || header->class_at != board->class_at
        || header->site_at != board->site_at || header->large_at != board->large_at
        || header->sizes_at != board->sizes_at || header->misuse_at != board->misuse_at
        || header->module_at != board->module_at
        || header->generation_at != board->generation_at || header->relative_at != board->relative_at
        || header->loss_at != board->loss_at || header->url_at != board->url_at || header->urls_at != board->urls_at
        || header->segment_at != board->segment_at) {
        return APR_EMISMATCH;
    }
    return file_size >= board->size ? APR_SUCCESS : APR_EINCOMPLETE;
}

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

pst_shared_child_t *pst_board_claim(const pst_board_t *board, apr_uint32_t pid, apr_uint32_t generation)
{
    pst_shared_child_t *child = pst_board_claim_unseen(board, pid, generation);

    if (child) {
        pst_board_show(child);
    }
    return child;
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

int pst_board_release(const pst_board_t *board, apr_uint32_t pid)
{
    int freed = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        freed += pst_board_release_block(pst_board_child(board, i), pid);
    }
    return freed;
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
