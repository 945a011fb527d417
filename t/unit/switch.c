/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the heap profile switched through the board: who the child obeys, within which bounds, and what a later child
 * starts with.
 */
#include "tap.h"
#include "apart.h"
#include "child_double.h"
#include "pst_array.h"
#include "pst_profile.h"
#include "pst_switch.h"
#include "pst_ask.h"

#include <string.h>

#define CONFIGURED 16384

static apr_uint64_t rate_now(void)
{
    return pst_load(&block->heap_profile_rate);
}

static void ask(apr_uint64_t value)
{
    static apr_uint64_t serial = 100;

    pst_store(&block->heap_asked, ++serial << PST_HEAP_ASKED_BITS | value);
    pst_switch_beat();
}

static void obeys(void)
{
    pst_asked_t asked;

    is_number(pst_switch_start(&board, block, 0, CONFIGURED), CONFIGURED, "begins as configured");
    pst_profile_switch(CONFIGURED);
    ok(pst_ask(&asked, PST_ASK_HEAP, &board, -1, 0, 0, base) == APR_SUCCESS && asked.count == 0 && asked.deaf == 1,
       "nobody is asked who would not listen");
    ask(0);
    is_number(rate_now(), CONFIGURED, "who must not obey does not, whatever is written on the board");
    is_number(pst_load(&block->heap_answered), 0, "and does not answer");

    pst_switch_start(&board, block, 1, CONFIGURED);
    block->obeys = 1;
    ok(pst_ask(&asked, PST_ASK_HEAP, &board, -1, 0, 65536, base) == APR_SUCCESS && asked.count == 1, "who must is asked");
    is_number(pst_ask_look(&asked, &board), 1, "it has not heard yet");
    pst_switch_beat();
    is_number(pst_ask_look(&asked, &board), 0, "it hears");
    ok(asked.done == 1 && asked.rows[0].state == PST_ASKED_DONE && rate_now() == 65536, "and does so");
    ok(pst_ask(&asked, PST_ASK_HEAP, &board, -1, 1, 0, base) == APR_SUCCESS && asked.count == 0, "another one is not there");
}

static void within_bounds(void)
{
    const apr_uint64_t bad[] = { 1, PST_HEAP_RATE_LEAST - 1, PST_HEAP_RATE_MOST + 1, PST_HEAP_ASKED_RATE };
    pst_asked_t asked;

    for (unsigned i = 0; i < PST_ITEMS(bad); i++) {
        ask(bad[i]);
        is_number(rate_now(), 65536, "a rate out of bounds is not taken");
        ok(pst_load(&block->heap_answered) == pst_load(&block->heap_asked), "but heard");
    }
    pst_ask(&asked, PST_ASK_HEAP, &board, -1, 0, 1, base);
    pst_switch_beat();
    pst_ask_look(&asked, &board);
    ok(asked.rows[0].state == PST_ASKED_CANNOT && asked.rows[0].value == 65536, "who asks is told what it is");
    ask(PST_HEAP_RATE_LEAST);
    is_number(rate_now(), PST_HEAP_RATE_LEAST, "the least is");
    ask(PST_HEAP_RATE_MOST);
    is_number(rate_now(), PST_HEAP_RATE_MOST, "the most is");
    ask(0);
    is_number(rate_now(), 0, "and off");
}

static void later_ones(void)
{
    pst_asked_t asked;
    uint64_t *all = &pst_board_header(&board)->heap_asked;

    pst_ask(&asked, PST_ASK_HEAP, &board, -1, block->owner, 8192, base);
    pst_store(all, 0);
    is_number(pst_switch_start(&board, block, 1, CONFIGURED), CONFIGURED, "one child was asked: a later one begins as configured");
    pst_ask(&asked, PST_ASK_HEAP, &board, -1, 0, 8192, base);
    is_number(pst_switch_start(&board, block, 1, CONFIGURED), 8192, "all were asked: a later one begins so");
    is_number(pst_switch_start(&board, block, 0, CONFIGURED), CONFIGURED, "but where it must not obey");
    block->generation++;
    is_number(pst_switch_start(&board, block, 1, CONFIGURED), CONFIGURED, "one of the next generation does not");
    block->generation--;
    pst_store(all, PST_HEAP_ASKED_OF(block->generation) | 1);
    is_number(pst_switch_start(&board, block, 1, CONFIGURED), CONFIGURED, "nor at a rate out of bounds");
    pst_store(all, PST_HEAP_ASKED_OF(block->generation));
    is_number(pst_switch_start(&board, block, 1, CONFIGURED), 0, "off is a rate");
}

static void as_text(void)
{
    const struct { const char *text; int good; apr_uint64_t rate;
    } all[] = { { "Off", 1, 0 }, { "off", 1, 0 }, { "4096", 1, 4096 }, { "4K", 1, 4096 }, { "64k", 1, 65536 },
                { "1M", 1, 1 << 20 }, { "1024G", 1, (apr_uint64_t)1 << 40 }, { "1025G", 0, 0 }, { "4095", 0, 0 }, { "3K", 0, 0 },
                { "0", 0, 0 }, { "", 0, 0 }, { "K", 0, 0 }, { "-1", 0, 0 }, { "64KB", 0, 0 }, { "64 K", 0, 0 },
                { "99999999999999999999", 0, 0 }, { "9999999999999G", 0, 0 }, { "on", 0, 0 } };

    for (unsigned i = 0; i < PST_ITEMS(all); i++) {
        apr_uint64_t rate;
        int good = pst_ask_rate(&rate, all[i].text);

        ok(good == all[i].good && (!good || rate == all[i].rate), all[i].text);
    }
}

int main(void)
{
    apr_initialize();
    if (!ok(start_child(), "instrumented")) {
        return done();
    }
    pst_instrument_classes(base, &board, block, 65536);
    pst_profile_start(block);
    obeys();
    within_bounds();
    later_ones();
    as_text();
    return done();
}
