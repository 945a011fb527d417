/* SPDX-License-Identifier: Apache-2.0
 *
 * The turn to leave: see the header.
 *
 * One word: the holder's pid above, the second in which it took it below, so that no two turns look alike to a
 * compare-and-swap.
 */
#include "pst_turn.h"

#include <apr_time.h>

static uint64_t *word(const pst_board_t *board)
{
    return &pst_board_header(board)->turn;
}

static apr_uint32_t turn_pid(apr_uint64_t turn)
{
    return (apr_uint32_t)(turn >> 32);
}

/* The parent frees the blocks of children that have ended. */
static int owns_a_block(const pst_board_t *board, apr_uint32_t pid)
{
    apr_uint32_t i, count = pst_board_claimed(board);

    for (i = 0; i < count; i++) {
        if (__atomic_load_n(&pst_board_child(board, i)->owner, __ATOMIC_RELAXED) == pid) {
            return 1;
        }
    }
    return 0;
}

int pst_turn_take(const pst_board_t *board, apr_uint32_t pid, apr_uint64_t now)
{
    uint64_t seen = pst_load(word(board));
    uint64_t mine = (uint64_t)pid << 32 | (apr_uint32_t)(now / APR_USEC_PER_SEC);

    if (turn_pid(seen) == pid) {
        return 1;
    }
    if (turn_pid(seen) && owns_a_block(board, turn_pid(seen))) {
        return 0;
    }
    return __atomic_compare_exchange_n(word(board), &seen, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void pst_turn_give(const pst_board_t *board, apr_uint32_t pid)
{
    uint64_t seen = pst_load(word(board));

    if (turn_pid(seen) == pid) {
        __atomic_compare_exchange_n(word(board), &seen, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
}
