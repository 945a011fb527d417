/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_url_kept.h.  The board's sequence is odd while the copy is written and until the child's own rows no longer
 * count: a reader of both starts over then.
 */
#include "pst_url_kept.h"
#include "pst_array.h"
#include "pst_url.h"

#include <string.h>

#define ROOM PST_URL_ROOM(PST_URL_KEPT_COUNT, PST_URL_COUNT)

/* Only one thread of the parent gets here. Too large for a stack. */
static pst_shared_url_t sum_rows[ROOM], child_rows[PST_URL_COUNT];
static apr_uint16_t slots[2048];

static apr_uint32_t take_table(const pst_board_t *board, pst_shared_child_t *child)
{
    apr_uint32_t count = 1;

    if (!pst_url_take(&child_rows[0], pst_board_url(board, child, 0))) {
        return 0;
    }
    for (apr_uint32_t i = 1; i < PST_URL_COUNT; i++) {
        count += (apr_uint32_t)pst_url_take(&child_rows[count], pst_board_url(board, child, i));
    }
    return count;
}

static void add_table(pst_url_kept_t *kept, apr_uint32_t count)
{
    pst_url_sum_t sum;

    _Static_assert(PST_ITEMS(slots) >= 2 * ROOM, "slots for twice as many rows as there can be");
    pst_url_start(&sum, sum_rows, PST_URL_KEPT_COUNT, ROOM, slots);
    if (kept->count) {
        pst_url_add(&sum, kept->rows, kept->count);
    }
    pst_url_add(&sum, child_rows, count);
    kept->count = sum.count;
    memcpy(kept->rows, sum.rows, sum.count * sizeof(*sum.rows));
}

/* Between the two calls of the sequence. */
static void write_copy(const pst_url_kept_t *kept, pst_shared_urls_t *urls)
{
    memcpy(urls->rows, kept->rows, kept->count * sizeof(*kept->rows));
    for (apr_uint32_t i = kept->count; i < PST_URL_KEPT_COUNT; i++) {
        urls->rows[i].in_use = 0;
    }
}

void pst_url_kept_publish(const pst_url_kept_t *kept, const pst_board_t *board)
{
    pst_shared_urls_t *urls = pst_board_urls(board);

    pst_seq_begin(&urls->seq);
    write_copy(kept, urls);
    pst_seq_end(&urls->seq);
}

int pst_url_kept_release(pst_url_kept_t *kept, const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t pid)
{
    pst_shared_urls_t *urls = pst_board_urls(board);
    apr_uint32_t count;
    int freed;

    if (!kept || __atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) != pid) {
        return pst_board_release_block(child, pid);
    }
    count = take_table(board, child);
    if (count) {
        add_table(kept, count);
    }
    pst_seq_begin(&urls->seq);
    write_copy(kept, urls);
    freed = pst_board_release_block(child, pid);
    pst_seq_end(&urls->seq);
    return freed;
}
