/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: a writer of a row that readers copy (pst_seq_copy) changes it between begin and end of its sequence and
 * nowhere else: connections, classes, the largest requests, names of histograms, call sites. Each store is examined:
 * a writer that is early or late by a single store is always found.
 */
#include "watched.h"
#include "tap.h"
#include "board_double.h"
#include "pst_account.h"
#include "pst_class.h"
#include "pst_largest.h"
#include "pst_site.h"

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;

static const char code[4096];           /* addresses in it are creators */

#define UNDER(type, first, last) { offsetof(type, first), offsetof(type, last) + sizeof(((type *)0)->last) }

enum { SLOTS, CLASSES, LARGE, SIZES, SITES, KINDS };

/* What is written outside the sequence is not covered: state, figures. */
static watched_t kinds[KINDS] = {
    [SLOTS] = { .name = "connections", .size = sizeof(pst_shared_slot_t), .seq = offsetof(pst_shared_slot_t, seq),
                .under = { UNDER(pst_shared_slot_t, in_use, kind),
                           UNDER(pst_shared_slot_t, has_request, request_started),
                           UNDER(pst_shared_slot_t, client, line) } },
    [CLASSES] = { .name = "classes", .size = sizeof(pst_shared_class_t), .seq = offsetof(pst_shared_class_t, seq),
                  .under = { UNDER(pst_shared_class_t, in_use, function) } },
    [LARGE] = { .name = "largest", .size = sizeof(pst_shared_large_t), .seq = offsetof(pst_shared_large_t, seq),
                .under = { UNDER(pst_shared_large_t, in_use, line) } },
    [SIZES] = { .name = "sizes", .size = sizeof(pst_shared_sizes_t), .seq = offsetof(pst_shared_sizes_t, seq),
                .under = { UNDER(pst_shared_sizes_t, named, name) } },
    [SITES] = { .name = "sites", .size = sizeof(pst_shared_site_t), .seq = offsetof(pst_shared_site_t, seq),
                .under = { UNDER(pst_shared_site_t, in_use, frames) } },
};

static void open_connection(pst_account_t *connection)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, "192.0.2.1", "http/1.1", "www.example.org", NULL, NOW };

    pst_account_open_connection(connection, pool, &info);
}

/* From its line to its end, kept as one of the largest. */
static void request(pst_account_t *connection, apr_uint64_t peak, const char *handler)
{
    pst_account_t request;

    pst_account_open_request(&request, pool, connection, NOW);
    pst_account_came(&request);
    pst_account_describe(connection, NOW + 1, "GET / HTTP/1.1", "other.example.org", "h2", handler);
    pst_account_charge(&request, (apr_int64_t)peak, 100, 1);
    if (pst_largest_count(&request) && pst_largest_beats(&request)) {
        pst_largest_keep(&request);
    }
    pst_account_charge(&request, -(apr_int64_t)peak, -100, -1);
    pst_account_close(&request, &request);
}

static void connections(void)
{
    pst_account_t connection, left;

    open_connection(&connection);
    request(&connection, 10000, "one");
    request(&connection, 300000, "two");
    pst_account_close(&connection, &connection);
    open_connection(&left);
    pst_account_gone();
}

static void classes(void)
{
    static pst_record_t records[3];

    for (int i = 0; i < 3; i++) {
        records[i].reserved = 8192;
        pst_class_born(&records[i], code + 100 * (i > 1));
        pst_class_tagged(&records[i], i ? "transaction" : "request");
    }
}

static void sites(void)
{
    pst_site_charge(PST_SCOPE_HEAP, 100, 100, (apr_uintptr_t)code);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, 8, pool);
    block = add_child(&board, (apr_uint32_t)getpid());
    pst_account_start(&board, block);
    pst_class_start(&board, block);
    pst_site_start(&board, block, 1);
    sites();                            /* what the first unwinding loads must not be watched */
    kinds[SLOTS].rows = (char *)pst_board_slot(&board, block, 0);
    kinds[SLOTS].count = board.slot_count;
    kinds[CLASSES].rows = (char *)pst_board_class(&board, block, 0);
    kinds[CLASSES].count = PST_CLASS_COUNT;
    kinds[LARGE].rows = (char *)pst_board_large(&board, block, 0);
    kinds[LARGE].count = PST_LARGE_COUNT;
    kinds[SIZES].rows = (char *)pst_board_sizes(&board, block, 0);
    kinds[SIZES].count = PST_SIZES_COUNT;
    kinds[SITES].rows = (char *)pst_board_site(&board, block, 0);
    kinds[SITES].count = PST_SITE_COUNT;
    watched_begin(block, board.child_size, kinds, KINDS);
    connections();
    classes();
    sites();
    watched_end();
    watched_say(&kinds[SLOTS], 40, "connections change under their counter alone");
    watched_say(&kinds[CLASSES], 10, "classes");
    watched_say(&kinds[LARGE], 10, "the largest requests");
    watched_say(&kinds[SIZES], 4, "names of histograms");
    watched_say(&kinds[SITES], 4, "call sites");
    is_number(kinds[SLOTS].seen ? pst_board_slot(&board, block, 0)->seq & 1 : 0, 0, "and each change has an end");
    pst_board_close(&board);
    return done();
}
