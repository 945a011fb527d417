/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: sampled blocks by their address: what was added is taken once, with its data; the filter never says no to a
 * block that is there, and says no again when it is gone; windows that fill up; all dropped, each reported once.
 */
#include "tap.h"
#include "pst_block.h"

#include <string.h>

#define MANY 30000u     /* more than there is room for */

static const void *address(apr_uintptr_t i)
{
    return (const void *)(0x550000000000 + i * 48);
}

static unsigned filtered(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < PST_BLOCK_FILTER; i++) {
        sum += pst_block_filter[i];
    }
    return sum;
}

static void one(void)
{
    pst_block_t block = { .site = 5, .size = 100, .weight = 700 }, got = { 0, 0, 0 };

    ok(!pst_block_maybe(address(1)) && !pst_block_take(address(1), &got), "nothing is there");
    is_number((unsigned)pst_block_add(address(1), &block), 1, "added");
    ok(pst_block_maybe(address(1)), "it may be one");
    ok(!pst_block_take(address(2), &got), "another is none");
    ok(pst_block_take(address(1), &got) && got.site == 5 && got.size == 100 && got.weight == 700, "taken as it was");
    ok(!pst_block_maybe(address(1)) && !pst_block_take(address(1), &got), "once");
}

static apr_uint64_t dropped, dropped_bytes;

static void note(const pst_block_t *block)
{
    dropped++;
    dropped_bytes += block->size;
}

static void many(void)
{
    static char there[MANY];
    tally_t wrong = { 0, 0 };
    unsigned added = 0, left = 0, again = 0;
    apr_uint64_t bytes = 0;

    for (unsigned i = 0; i < MANY; i++) {
        pst_block_t block = { .site = i % 100, .size = i, .weight = 2ull * i };

        there[i] = (char)pst_block_add(address(i), &block);
        added += (unsigned)there[i];
    }
    ok(added > PST_BLOCK_COUNT * 9 / 10 && added <= PST_BLOCK_COUNT + 16, "nearly as many as there is room for");
    is_number(filtered(), added, "who finds no room leaves nothing in the filter");
    for (unsigned i = 0; i < MANY; i += 2) {
        pst_block_t got = { 0, 0, 0 };

        tally(&wrong, there[i] && !pst_block_maybe(address(i)), i);
        tally(&wrong, pst_block_take(address(i), &got) != there[i], i);
        tally(&wrong, there[i] && (got.site != i % 100 || got.size != i || got.weight != 2ull * i), i);
    }
    none_wrong(&wrong, "every other one is taken, if it was there, as it was");
    for (unsigned i = 1; i < MANY; i += 2) {
        left += (unsigned)there[i];
        bytes += there[i] ? i : 0;
        tally(&wrong, there[i] && !pst_block_maybe(address(i)), i);
    }
    none_wrong(&wrong, "the others are there still");
    is_number(filtered(), left, "as many as the filter knows");
    pst_block_drop_all(note);
    is_number(dropped, left, "all are dropped, each told of once");
    is_number(dropped_bytes, bytes, "with what it was");
    is_number(filtered(), 0, "and the filter is empty");
    pst_block_drop_all(note);
    is_number(dropped, left, "nothing is dropped twice");
    for (unsigned i = 0; i < MANY; i++) {
        const pst_block_t block = { 1, 1, 1 };

        again += (unsigned)pst_block_add(address(i), &block);
    }
    is_number(again, added, "and the room is there again");
}

int main(void)
{
    one();
    many();
    return done();
}
