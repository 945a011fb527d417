/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_snapshot_misuses.h.
 */
#include "pst_snapshot_misuses.h"
#include "pst_figure.h"
#include "pst_snapshot_check.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[PST_MISUSE_COUNT] = {
#define PST_MISUSE(NAME, word, ...) word,
#include "poolstat_misuse.def"
};

static const char *const stack_words[PST_MISUSE_COUNT][PST_MISUSE_STACKS] = {
#define PST_MISUSE(NAME, word, severity, first, second, third, ...) { first, second, third },
#include "poolstat_misuse.def"
};

const char *pst_misuse_word(unsigned kind)
{
    return kind < PST_MISUSE_COUNT ? words[kind] : "?";
}

const char *pst_misuse_stack_word(unsigned kind, unsigned stack)
{
    return kind < PST_MISUSE_COUNT && stack < PST_MISUSE_STACKS ? stack_words[kind][stack] : "";
}

int pst_misuse_same(const pst_misuse_row_t *one, const pst_misuse_row_t *two)
{
    const pst_shared_stack_t *a = &one->row.stacks[0], *b = &two->row.stacks[0];
    apr_size_t most = 3 * sizeof(a->frames[0]), size = a->depth * sizeof(a->frames[0]);

    return one->row.kind == two->row.kind && a->depth == b->depth
           && !memcmp(a->frames, b->frames, size < most ? size : most);
}

static void check_party(pst_shared_party_t *party)
{
    party->connection = pst_sane(party->connection);
    party->line[sizeof(party->line) - 1] = '\0';
}

/* @return 0 if it is empty or not valid */
static int take_misuse(pst_misuse_row_t *to, const pst_shared_misuse_t *from)
{
    pst_shared_misuse_t *row = &to->row;

    if (!pst_seq_copy(row, from, sizeof(*row)) || row->in_use != 1 || row->kind >= PST_MISUSE_COUNT) {
        return 0;
    }
    row->times = pst_sane(row->times);
    row->last = pst_sane(row->last);
    row->first = pst_sane(row->first);
    row->offset = pst_sane(row->offset);
    row->size = pst_sane(row->size);
    row->age = pst_sane(row->age);
    row->what[sizeof(row->what) - 1] = '\0';
    row->tag[sizeof(row->tag) - 1] = '\0';
    check_party(&row->by);
    check_party(&row->of);
    for (unsigned i = 0; i < PST_MISUSE_STACKS; i++) {
        row->stacks[i].depth = row->stacks[i].depth < PST_SITE_FRAMES ? row->stacks[i].depth : PST_SITE_FRAMES;
    }
    return 1;
}

/* Latest first. */
static int by_last(const void *one, const void *two)
{
    const pst_misuse_row_t *a = one, *b = two;

    return (a->row.last < b->row.last) - (a->row.last > b->row.last);
}

static apr_uint32_t rows_of(const pst_shared_child_t *block)
{
    apr_uint32_t rows = __atomic_load_n(&block->ready, __ATOMIC_ACQUIRE)
                            ? __atomic_load_n(&block->misuse_rows, __ATOMIC_ACQUIRE) : 0;

    return rows < PST_MISUSE_ROWS ? rows : PST_MISUSE_ROWS;
}

static void take_block(pst_snapshot_t *snapshot, const pst_board_t *board, apr_uint32_t block, apr_uint32_t room)
{
    pst_shared_child_t *from = pst_board_child(board, block);
    apr_uint32_t pid = pst_snapshot_whose(from, 1), first = snapshot->misuse_count;
    int lives = pst_snapshot_whose(from, 0) != 0;

    for (apr_uint32_t i = 0; i < rows_of(from) && snapshot->misuse_count < room; i++) {
        pst_misuse_row_t *to = &snapshot->misuses[snapshot->misuse_count];

        if (take_misuse(to, pst_board_misuse(board, from, i))) {
            to->pid = pid;
            to->ended = lives ? 0 : pst_load_sane(&from->ended);
            to->lives = lives;
            snapshot->misuse_count++;
        }
    }
    if (!pid || pst_snapshot_whose(from, 1) != pid) {
        snapshot->misuse_count = first;
    }
}

void pst_snapshot_misuses(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    apr_uint32_t claimed = pst_board_claimed(board);
    apr_size_t room = 0;

    for (apr_uint32_t i = 0; i < claimed; i++) {
        room += rows_of(pst_board_child(board, i));
    }
    room = room < PST_MISUSES_MOST ? room : PST_MISUSES_MOST;
    snapshot->misuses = apr_palloc(pool, (room + 1) * sizeof(*snapshot->misuses));
    for (apr_uint32_t i = 0; i < claimed && room; i++) {
        take_block(snapshot, board, i, (apr_uint32_t)room);
    }
    qsort(snapshot->misuses, snapshot->misuse_count, sizeof(*snapshot->misuses), by_last);
}
