/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: crossings of limits: once per object, exact, above and not at the limit; no more per minute
 * than allowed, the others counted; completed by what the slot says later; threads that cross while
 * another one takes crossings out.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_crossing.h"

#include <apr_time.h>
#include <pthread.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static unsigned ended;

static void on_end(void)
{
    ended++;
}

static void start(apr_uint64_t connection, apr_uint64_t request, apr_uint64_t child)
{
    const apr_uint64_t limits[PST_WARN_COUNT] = { 0, connection, request, child };

    ended = 0;
    pst_crossing_start(limits, on_end);
}

static void open_both(pst_account_t *connection, pst_account_t *request)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, "192.0.2.1", "http/1.1", "www.example.org", NULL, NOW };

    pst_account_open_connection(connection, pool, &info);
    pst_account_open_request(request, pool, connection, NOW);
}

static void close_both(pst_account_t *connection, pst_account_t *request)
{
    pst_account_charge(request, -(apr_int64_t)pst_load(&request->usage->reserved_bytes), 0, 0);
    pst_account_close(request, request);
    pst_account_charge(connection, -(apr_int64_t)pst_load(&connection->usage->reserved_bytes), 0, 0);
    pst_account_close(connection, connection);
}

static unsigned count(void)
{
    pst_crossing_t crossing;
    unsigned n = 0;

    while (pst_crossing_take(&crossing)) {
        n++;
    }
    return n;
}

static void once_and_exact(void)
{
    pst_account_t connection, request;
    pst_crossing_t c;

    start(300000, 100000, 0);
    open_both(&connection, &request);
    pst_account_charge(&request, 100000, 0, 1);
    ok(!pst_crossing_take(&c), "at its limit is not above it");
    pst_account_charge_growth(&request, 8192, 0, 8192);
    pst_account_charge_growth(&request, 8192, 0, 8192);
    ok(pst_crossing_take(&c) && c.what == PST_WARN_REQUEST, "a request crosses");
    ok(c.reserved == 108192 && c.limit == 100000, "with what it had then");
    ok(c.has_slot && c.slot.id == connection.id && c.slot.usage.reserved_bytes == 108192
       && c.slot.request.reserved_bytes == 108192, "and what its connection had");
    ok(!pst_crossing_take(&c), "once");
    pst_account_charge(&request, -100000, 0, 0);
    pst_account_charge(&request, 150000, 0, 0);
    ok(!pst_crossing_take(&c), "not again when it comes back");
    pst_account_charge(&connection, 200000, 0, 0);
    ok(pst_crossing_take(&c) && c.what == PST_WARN_CONNECTION && c.reserved == 366384, "its connection, requests included");
    ok(!pst_crossing_take(&c), "once");
    is_number(ended, 0, "nothing has ended");
    close_both(&connection, &request);
    is_number(ended, 2, "both ends are told");
    open_both(&connection, &request);
    pst_account_charge(&request, 100001, 0, 1);
    is_number(count(), 1, "the next request in the same slot crosses for itself");
    close_both(&connection, &request);
    is_number(ended, 3, "and ends");
}

static void both_at_once(void)
{
    pst_account_t connection, request;

    start(1000, 1000, 1000);
    open_both(&connection, &request);
    pst_account_charge(&request, 500000, 0, 1);
    is_number(count(), 3, "request, connection and child by one growth");
    close_both(&connection, &request);
    pst_account_charge(pst_account_process(), 900000, 0, 1);
    is_number(count(), 0, "the child crosses once");
    pst_account_charge(pst_account_process(), -900000, 0, -1);

    start(0, 0, pst_load(&block->child_peak_bytes));
    pst_account_charge(pst_account_process(), (apr_int64_t)pst_load(&block->child_peak_bytes) + 1, 0, 1);
    {
        pst_crossing_t c;

        ok(pst_crossing_take(&c) && c.what == PST_WARN_CHILD && !c.has_slot && c.reserved == c.child, "by the process: no connection");
    }
    pst_account_charge(pst_account_process(), -(apr_int64_t)pst_load(&block->child_reserved_bytes), 0, -1);

    start(0, 0, 0);
    open_both(&connection, &request);
    pst_account_charge(&request, 50000000, 0, 1);
    is_number(count(), 0, "no limits, no crossings");
    close_both(&connection, &request);
    is_number(ended, 0, "no ends");
}

static void completed(void)
{
    pst_account_t connection, request;
    pst_crossing_t c;

    start(0, 1000, 0);
    open_both(&connection, &request);
    pst_account_charge(&request, 5000, 0, 1);
    pst_account_describe(&connection, NOW, "GET /late HTTP/1.1", NULL, NULL, NULL);
    pst_account_describe(&connection, 0, NULL, NULL, NULL, "static");
    close_both(&connection, &request);
    ok(pst_crossing_take(&c) && !strcmp(c.slot.line, "GET /late HTTP/1.1") && !strcmp(c.slot.handler, "static"),
       "a line that comes after the crossing is told, also when the request is over");
    ok(c.slot.request.reserved_bytes == 5000, "the figures stay those of the crossing");
    open_both(&connection, &request);
    pst_account_charge(&request, 5000, 0, 1);
    close_both(&connection, &request);
    open_both(&connection, &request);
    pst_account_describe(&connection, NOW, "GET /other HTTP/1.1", NULL, NULL, NULL);
    ok(pst_crossing_take(&c) && !c.slot.line[0], "that of another connection in the slot is not");
    close_both(&connection, &request);
}

static void minute(void)
{
    pst_account_t connection, request;
    int i;

    start(0, 1000, 0);
    for (i = 0; i < 25; i++) {
        open_both(&connection, &request);
        pst_account_charge(&request, 5000, 0, 1);
        close_both(&connection, &request);
    }
    is_number(count(), PST_WARN_A_MINUTE, "so many in a minute");
    is_number(pst_crossing_minute((apr_uint64_t)apr_time_now()), 0, "the minute is not over");
    is_number(pst_crossing_minute((apr_uint64_t)apr_time_now() + 61 * APR_USEC_PER_SEC), 15, "then the others are counted");
    is_number(pst_crossing_untold(), 0, "once");
    for (i = 0; i < 11; i++) {
        open_both(&connection, &request);
        pst_account_charge(&request, 5000, 0, 1);
        close_both(&connection, &request);
    }
    is_number(count(), PST_WARN_A_MINUTE, "the next minute has as many");
    is_number(pst_crossing_untold(), 1, "and counts the rest");
}

#define THREADS 4
#define TOLD    200         /* crossings taken out while others are noted */

static int enough;
static apr_uint64_t crossed;

static void *cross(void *unused)
{
    pst_account_t connection, request;

    while (!__atomic_load_n(&enough, __ATOMIC_ACQUIRE)) {
        open_both(&connection, &request);
        pst_account_charge(&request, 5000, 0, 1);
        __atomic_add_fetch(&crossed, 1, __ATOMIC_RELAXED);
        pst_account_describe(&connection, NOW, "GET / HTTP/1.1", NULL, NULL, "x");
        close_both(&connection, &request);
    }
    return unused;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    apr_uint64_t now = (apr_uint64_t)apr_time_now(), untold = 0;
    pst_crossing_t c;
    unsigned told = 0, i;
    tally_t wrong = { 0, 0 };

    start(0, 1000, 0);
    for (i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, cross, NULL);
    }
    alarm(60);
    while (told < TOLD) {
        while (pst_crossing_take(&c)) {
            told++;
            tally(&wrong, c.what != PST_WARN_REQUEST || c.reserved != 5000 || c.limit != 1000, told);
        }
        untold += pst_crossing_minute(now += 61 * APR_USEC_PER_SEC);
    }
    __atomic_store_n(&enough, 1, __ATOMIC_RELEASE);
    for (i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    told += count();
    untold += pst_crossing_untold();
    ok(told + untold == crossed, "each crossing is told or counted");
    none_wrong(&wrong, "none is torn");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 1, 8, pool);
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    pst_account_start(&board, block);
    once_and_exact();
    both_at_once();
    completed();
    minute();
    threads();
    return done();
}
