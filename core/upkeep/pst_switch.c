/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's side of switching its heap profile.  See pst_switch.h.
 *
 * Any process that has the board mapped may write there: a request is only a wish, and bounded here.
 */
#include "pst_switch.h"
#include "pst_profile.h"

static struct {
    pst_shared_child_t *block;      /* NULL: requests are not allowed */
    apr_uint64_t        heard;
} g;

static int is_taken(apr_uint64_t rate)
{
    return !rate || (rate >= PST_HEAP_RATE_LEAST && rate <= PST_HEAP_RATE_MOST);
}

apr_uint64_t pst_switch_start(const pst_board_t *board, pst_shared_child_t *block, int obeys, apr_uint64_t configured)
{
    apr_uint64_t asked = pst_load(&pst_board_header(board)->heap_asked), rate = asked & PST_HEAP_ASKED_RATE;

    g.block = obeys ? block : NULL;
    g.heard = pst_load(&block->heap_asked);
    return obeys && asked - rate == PST_HEAP_ASKED_OF(block->generation) && is_taken(rate) ? rate : configured;
}

void pst_switch_beat(void)
{
    apr_uint64_t asked, rate;

    if (!g.block) {
        return;
    }
    asked = pst_load(&g.block->heap_asked);
    rate = asked & PST_HEAP_ASKED_RATE;
    if (asked == g.heard) {
        return;
    }
    g.heard = asked;
    if (is_taken(rate)) {
        pst_profile_switch(rate);
    }
    __atomic_store_n(&g.block->heap_answered, asked, __ATOMIC_RELEASE);
}
