/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children to release memory, over the board.  See pst_release_ask.h.
 *
 * What is read back is input like everything else on the board: it is only shown.
 */
#include "pst_release_ask.h"
#include "pst_ask.h"
#include "pst_figure.h"
#include "pst_thread.h"

#include <string.h>

static void ask_child(pst_release_asked_t *asked, const pst_board_t *board, apr_uint32_t i, apr_uint32_t pid)
{
    pst_shared_child_t *child = pst_board_child(board, i);
    apr_uint32_t owner = pst_ask_whom(child, pid);
    pst_release_row_t *row = &asked->rows[asked->count];

    /* a child configured differently, before a reload, would not answer */
    if (!owner || !__atomic_load_n(&child->obeys, __ATOMIC_ACQUIRE)) {
        return;
    }
    memset(row, 0, sizeof(*row));
    row->pid = owner;
    row->block = i;
    row->serial = __atomic_add_fetch(&child->release_asked, 1, __ATOMIC_ACQ_REL);
    pst_thread_ring(&child->bell);
    asked->count++;
}

void pst_release_ask(pst_release_asked_t *asked, const pst_board_t *board, apr_uint32_t pid, apr_pool_t *pool)
{
    memset(asked, 0, sizeof(*asked));
    asked->rows = apr_palloc(pool, board->child_count * sizeof(*asked->rows));
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        ask_child(asked, board, i, pid);
    }
    asked->pending = asked->count;
}

static void look_at_release(pst_release_row_t *row, const pst_board_t *board)
{
    pst_shared_child_t *child = pst_board_child(board, row->block);
    apr_uint32_t done = __atomic_load_n(&child->release_done, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) != row->pid) {
        row->state = PST_RELEASE_GONE;
    }
    else if ((apr_int32_t)(done - row->serial) >= 0) {
        row->state = PST_RELEASE_DONE;
        row->heap_kind = __atomic_load_n(&child->books.heap_kind, __ATOMIC_RELAXED);
        row->allocators_bytes = pst_load_sane(&child->released_allocators_bytes);
        row->heap_bytes = pst_load_sane(&child->released_heap_bytes);
        row->emptied = pst_load_sane(&child->released_emptied);
        row->busy = pst_load_sane(&child->released_busy);
        row->rss_before = pst_load_sane(&child->released_rss_before_bytes);
        row->rss_after = pst_load_sane(&child->released_rss_after_bytes);
        row->took = pst_load_sane(&child->released_seconds);
    }
}

apr_uint32_t pst_release_look(pst_release_asked_t *asked, const pst_board_t *board)
{
    asked->pending = asked->gone = 0;
    asked->allocators_bytes = asked->heap_bytes = asked->rss_before = asked->rss_after = 0;
    for (apr_uint32_t i = 0; i < asked->count; i++) {
        pst_release_row_t *row = &asked->rows[i];

        if (row->state == PST_RELEASE_PENDING) {
            look_at_release(row, board);
        }
        asked->pending += row->state == PST_RELEASE_PENDING;
        asked->gone += row->state == PST_RELEASE_GONE;
        asked->allocators_bytes = pst_plus(asked->allocators_bytes, row->allocators_bytes);
        asked->heap_bytes = pst_plus(asked->heap_bytes, row->heap_bytes);
        asked->rss_before = pst_plus(asked->rss_before, row->rss_before);
        asked->rss_after = pst_plus(asked->rss_after, row->rss_after);
    }
    return asked->pending;
}

const char *pst_release_word(pst_release_e state)
{
    switch (state) {
    case PST_RELEASE_DONE: return "done";
    case PST_RELEASE_GONE: return "gone";
    default:               return "pending";
    }
}
