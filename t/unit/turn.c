/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the turn to leave: one at a time, passed on when its holder is gone, whatever is in its
 * place; processes that race for it.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_turn.h"

#include <sys/wait.h>

#define ONE 100001u
#define TWO 100002u

static pst_board_t board;

static apr_uint32_t holder(void)
{
    return (apr_uint32_t)(pst_load(&pst_board_header(&board)->turn) >> 32);
}

static void one_at_a_time(void)
{
    is_number(holder(), 0, "nobody's at first");
    ok(pst_turn_take(&board, ONE, NOW), "taken");
    is_number(holder(), ONE, "held");
    ok(pst_turn_take(&board, ONE, NOW + 5000000), "who has it has it");
    ok(!pst_turn_take(&board, TWO, NOW), "nobody else gets it");
    pst_turn_give(&board, TWO);
    is_number(holder(), ONE, "nor can give it away");
    pst_turn_give(&board, ONE);
    is_number(holder(), 0, "its holder can");
    ok(pst_turn_take(&board, TWO, NOW), "then the next has it");
    release_blocks(&board, TWO);
    ok(pst_turn_take(&board, ONE, NOW), "also when its holder is gone");
    is_number(holder(), ONE, "it is");
    pst_turn_give(&board, ONE);
}

static void hostile(void)
{
    static const uint64_t values[] = { 1, 0xffffffff, (uint64_t)424242 << 32 | 7, ~(uint64_t)0, (uint64_t)1 << 63 };
    unsigned i, taken = 0;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        pst_board_header(&board)->turn = values[i];
        taken += (unsigned)pst_turn_take(&board, ONE, NOW);
        pst_turn_give(&board, ONE);
    }
    is_number(taken, i, "values that name no child of the board hold nobody up");
    pst_board_header(&board)->turn = (uint64_t)ONE << 32 | 1;
    pst_turn_give(&board, ONE);
    ok(pst_turn_take(&board, ONE, NOW), "a child that is named without knowing gives it back");
    pst_turn_give(&board, ONE);
}

#define RACERS 8
#define ROUNDS 2000

/* Takes the turn, increases a count that nobody else may touch meanwhile, gives it back. */
static void race(apr_uint32_t pid)
{
    uint64_t *inside = &pst_board_header(&board)->homeless;
    unsigned had;

    for (had = 0; had < ROUNDS;) {
        if (pst_turn_take(&board, pid, NOW + had)) {
            if (pst_add(inside, 1) != 1) {
                _exit(1);
            }
            pst_add(inside, -1);
            pst_turn_give(&board, pid);
            had++;
        }
        else {
            usleep(1);
        }
    }
    _exit(0);
}

static void racing(apr_pool_t *pool)
{
    int i, status, failed = 0;

    (void)pool;
    pst_store(&pst_board_header(&board)->homeless, 0);
    for (i = 0; i < RACERS; i++) {
        add_child(&board, 200000u + (apr_uint32_t)i);
        if (fork() == 0) {
            alarm(60);
            race(200000u + (apr_uint32_t)i);
        }
    }
    while (wait(&status) > 0) {
        failed += status != 0;
    }
    is_number(failed, 0, "eight processes: never two at once, none starves");
}

int main(void)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 16, 2, pool);
    add_child(&board, ONE);
    add_child(&board, TWO);
    one_at_a_time();
    hostile();
    fflush(stdout);
    racing(pool);
    return done();
}
