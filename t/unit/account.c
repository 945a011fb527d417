/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: slots and their tags: given, refused, given back; what is late for a connection that is
 * gone; threads that open and close concurrently. The unit "instrument" tests charges by pools.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_account.h"

#include <pthread.h>
#include <sched.h>

#define SLOTS 70        /* more than a word of bits, and not a whole number of words */

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;

static void open_one(pst_account_t *account, const char *client)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, client, "http/1.1", "www.example.org", NULL, NOW };

    pst_account_open_connection(account, pool, &info);
}

static void close_one(pst_account_t *account)
{
    pst_account_close(account, account);
}

static void slots(void)
{
    static pst_account_t accounts[SLOTS], more[3];
    static char taken[SLOTS];
    unsigned twice = 0;
    tally_t wrong = { 0, 0 };
    pst_shared_slot_t copy, *slot;

    for (int i = 0; i < SLOTS; i++) {
        open_one(&accounts[i], "192.0.2.1");
        slot = accounts[i].slot;
        if (!slot || slot < pst_board_slot(&board, block, 0) || slot > pst_board_slot(&board, block, SLOTS - 1)
            || taken[slot - pst_board_slot(&board, block, 0)]++) {
            twice++;
        }
        tally(&wrong, accounts[i].id != (apr_uint64_t)i + 1 || accounts[i].usage != &slot->usage
              || !accounts[i].tag, (unsigned)i);
        tally(&wrong, !pst_slot_copy(&copy, slot) || !copy.in_use || copy.id != (uint64_t)i + 1 || copy.opened != NOW
                 || strcmp(copy.client, "192.0.2.1") || strcmp(copy.protocol, "http/1.1"), (unsigned)i);
    }
    is_number(twice, 0, "each connection gets a slot of its own, all are used");
    none_wrong(&wrong, "and stands there as it was told");
    for (int i = 0; i < 3; i++) {
        open_one(&more[i], "192.0.2.2");
    }
    ok(!more[0].slot && !more[2].slot && more[0].usage == &block->unslotted && !more[0].tag,
       "then there are none left");
    is_number(block->unslotted_connections, 3, "who found none is counted");
    is_number(block->unslotted_opened, 3, "for good, too");
    is_number(block->connections_open, SLOTS + 3, "and is among the open ones");
    is_number(block->connections_opened, SLOTS + 3, "and among those ever opened");
    close_one(&more[1]);
    is_number(block->unslotted_connections, 2, "one of them ends");
    slot = accounts[33].slot;
    close_one(&accounts[33]);
    ok(pst_slot_copy(&copy, slot) && !copy.in_use, "a slot is given back");
    pst_store(&slot->usage.reserved_bytes, 99);
    pst_store(&slot->bucket_bytes, 99);
    pst_store(&slot->requests, 99);
    open_one(&accounts[33], "192.0.2.3");
    ok(accounts[33].slot == slot, "and taken again");
    ok(pst_slot_copy(&copy, slot) && copy.in_use && copy.id == SLOTS + 4 && !copy.usage.reserved_bytes
       && !copy.bucket_bytes && !copy.requests && !strcmp(copy.client, "192.0.2.3"),
       "with nothing left of the one before");
    for (int i = 0; i < SLOTS; i++) {
        close_one(&accounts[i]);
    }
    close_one(&more[0]);
    close_one(&more[2]);
    ok(!block->connections_open && !block->unslotted_connections, "all closed: none open");
    is_number(block->unslotted_opened, 3, "what counts events stays");
}

static void tags(void)
{
    pst_account_t first, second;
    tally_t wrong = { 0, 0 };

    open_one(&first, "a");
    pst_account_buckets(first.tag, 8192);
    is_number(first.slot->bucket_bytes, 8192, "bucket nodes are charged to the connection of the tag");
    is_number(block->child_bucket_bytes, 8192, "and to the child");
    close_one(&first);
    open_one(&second, "b");
    ok(second.slot == first.slot && second.tag != first.tag, "the next in the slot has another tag");
    pst_account_buckets(second.tag, 20480);
    pst_account_buckets(first.tag, 4096);
    pst_account_buckets(first.tag, -12288);
    is_number(second.slot->bucket_bytes, 20480, "what comes late for the one before is not charged to it");
    is_number(block->child_bucket_bytes, 20480, "but to the child");
    pst_account_buckets(0, 4096);
    pst_account_buckets(0xffffffff, 4096);
    pst_account_buckets((apr_uint32_t)SLOTS << 16 | 1, -8192);
    ok(second.slot->bucket_bytes == 20480 && block->child_bucket_bytes == 20480,
       "tags of no slot reach the child alone");
    close_one(&second);
    pst_account_buckets(second.tag, -20480);
    for (unsigned round = 0; round < 100000; round++) {
        apr_uint32_t before = second.tag;

        open_one(&second, "c");
        tally(&wrong, !second.tag || second.tag == before, round);
        pst_account_buckets(second.tag, 1);
        tally(&wrong, second.slot->bucket_bytes != 1, round);
        pst_account_buckets(before, -1);
        tally(&wrong, second.slot->bucket_bytes != 1, round);
        close_one(&second);
        pst_account_buckets(second.tag, 1);
        tally(&wrong, second.slot->bucket_bytes != 1, round);
        pst_account_buckets(second.tag, -1);
    }
    none_wrong(&wrong, "100,000 turns in one slot: none is charged for another");
    is_number(block->child_bucket_bytes, 0, "and the books are even");
}

static void requests(void)
{
    pst_account_t connection, first, second, unslotted[SLOTS];
    pst_shared_slot_t copy;
    char *longest = apr_palloc(pool, 5000);

    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    open_one(&connection, longest);
    pst_slot_copy(&copy, connection.slot);
    is_number(strlen(copy.client), PST_CLIENT_LEN - 1, "a text too long is cut");
    ok(!copy.has_request && !copy.line[0], "no request yet");
    pst_account_describe(&connection, 0, NULL, NULL, "h2", NULL);
    pst_account_open_request(&first, pool, &connection, NOW + 1);
    pst_account_came(&first);
    pst_account_describe(&connection, NOW + 2, "GET /one HTTP/1.1", "v.example", NULL, "one");
    pst_account_state(&connection, PST_STATE_HANDLER);
    ok(pst_slot_copy(&copy, connection.slot) && copy.has_request && copy.request_started == NOW + 2
       && !strcmp(copy.line, "GET /one HTTP/1.1") && !strcmp(copy.vhost, "v.example") && !strcmp(copy.protocol, "h2")
       && !strcmp(copy.handler, "one") && copy.state == PST_STATE_HANDLER, "the slot shows its request");
    pst_account_open_request(&second, pool, &connection, NOW + 3);
    pst_account_came(&second);
    pst_account_describe(&connection, 0, "GET /two", NULL, NULL, NULL);
    ok(connection.current == &second && first.usage == &first.own && !first.slot && second.usage == &connection.slot->request,
       "the next request takes its place");
    close_one(&first);
    ok(pst_slot_copy(&copy, connection.slot) && copy.has_request && !strcmp(copy.line, "GET /two")
       && !copy.handler[0] && copy.requests == 1, "and stays when the one before is done, which is counted");
    close_one(&second);
    ok(pst_slot_copy(&copy, connection.slot) && !copy.has_request && !copy.line[0] && copy.requests == 2
       && !connection.current, "after it there is none");
    is_number(block->requests_finished, 2, "both are counted");
    pst_account_open_request(&first, pool, &connection, NOW + 4);
    close_one(&first);
    is_number(block->requests_finished, 2, "one that never came is not");
    is_number(block->requests_unsized, 2, "nor is it one without a size");
    is_number(connection.slot->requests, 2, "nor one of its connection");
    close_one(&connection);
    for (int i = 0; i < SLOTS; i++) {
        open_one(&unslotted[i], "full");
    }
    open_one(&connection, "no slot");
    pst_account_open_request(&first, pool, &connection, NOW);
    pst_account_came(&first);
    pst_account_describe(&connection, NOW, "GET /", "v", "p", "h");
    pst_account_state(&connection, PST_STATE_CLOSING);
    ok(first.usage == &first.own && first.above == &connection, "a request without a slot is its connection's");
    close_one(&first);
    close_one(&connection);
    is_number(block->requests_finished, 3, "and counted");
    for (int i = 0; i < SLOTS; i++) {
        close_one(&unslotted[i]);
    }
    is_number(block->connections_open, 0, "none open");
}

static void streams(void)
{
    pst_connection_info_t info = { PST_KIND_SECONDARY, "c", "h2", "v", NULL, NOW };
    pst_account_t primary, stream, request;

    open_one(&primary, "c");
    info.master = &primary;
    pst_account_open_connection(&stream, pool, &info);
    ok(stream.slot->kind == PST_KIND_SECONDARY && stream.slot->master == primary.id, "a stream names who carries it");
    pst_account_open_request(&request, pool, &stream, NOW);
    pst_account_came(&request);
    close_one(&request);
    ok(stream.slot->requests == 1 && primary.slot->requests == 1, "its request counts for both");
    close_one(&stream);
    close_one(&primary);
}

/* ---- threads ------------------------------------------------------------ */

#define THREADS 8

static void *busy(void *seed)
{
    unsigned at = (unsigned)(apr_uintptr_t)seed;
    pst_account_t connections[32], request;

    for (int round = 0; round < 2000; round++) {
        int count = rand_r(&at) % 32;

        for (int i = 0; i < count; i++) {
            open_one(&connections[i], "busy");
            pst_account_buckets(connections[i].tag, 8192);
        }
        sched_yield();
        for (int i = 0; i < count; i++) {
            pst_account_open_request(&request, pool, &connections[i], NOW);
            pst_account_came(&request);
            pst_account_describe(&connections[i], 0, "GET /", NULL, NULL, "h");
            close_one(&request);
            if (i % 2) {
                pst_account_buckets(connections[i].tag, -8192);
                close_one(&connections[i]);
            }
            else {
                close_one(&connections[i]);
                pst_account_buckets(connections[i].tag, -8192);
            }
        }
    }
    return NULL;
}

static void *look(void *stop)
{
    static tally_t wrong;
    pst_shared_slot_t copy;

    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        for (apr_uint32_t s = 0; s < SLOTS; s++) {
            if (pst_slot_copy(&copy, pst_board_slot(&board, block, s)) && copy.in_use) {
                tally(&wrong, strcmp(copy.client, "busy") != 0 || copy.id == 0, s);
            }
        }
    }
    return &wrong;
}

static void many_threads(void)
{
    pthread_t threads[THREADS], looker;
    pst_account_t account;
    void *wrong;
    int stop = 0;
    unsigned in_use = 0, again = 0, finished;

    finished = (unsigned)block->requests_finished;
    pthread_create(&looker, NULL, look, &stop);
    for (apr_uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, busy, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(looker, &wrong);
    printf("# %u requests, %u connections found no slot\n", (unsigned)block->requests_finished - finished,
           (unsigned)block->unslotted_opened);
    is_number(block->connections_open, 0, "eight threads open and close: in the end none is open");
    is_number(block->unslotted_connections, 0, "none without a slot");
    is_number(block->child_bucket_bytes, 0, "no bucket bytes");
    none_wrong(wrong, "and whoever looked saw whole connections");
    ok(block->unslotted_opened > 1000, "some found no slot");
    for (apr_uint32_t s = 0; s < SLOTS; s++) {
        in_use += pst_board_slot(&board, block, s)->in_use;
    }
    is_number(in_use, 0, "no slot is in use");
    for (int i = 0; i < SLOTS; i++) {
        open_one(&account, "again");
        again += account.slot != NULL;
    }
    is_number(again, SLOTS, "and all can be taken");
}

/* ---- without a board, and muted ------------------------------------------ */

static int homeless(void *unused)
{
    pst_account_t account, request;

    (void)unused;
    if (pst_account_start(&board, NULL) != APR_SUCCESS || !pst_child_block()) {
        return 1;
    }
    open_one(&account, "nobody sees it");
    pst_account_open_request(&request, pool, &account, NOW);
    pst_account_came(&request);
    close_one(&request);
    return account.slot && pst_child_block()->requests_finished == 1 ? 0 : 2;
}

/* As in a process forked from a child: its copies of accounts end, the child's continue. */
static pst_account_t of_parent[2];

static int muted(void *unused)
{
    static const char *const what[] = { "open", "state", "describe", "buckets", "held", "close request", "close" };
    char *before = malloc(board.size);
    pst_account_t fresh;
    int wrong = 0;

    (void)unused;
    pst_child_mute();
    memcpy(before, board.base, board.size);
    for (int i = 0; i < 7; i++) {
        switch (i) {
        case 0: open_one(&fresh, "fresh"); break;
        case 1: pst_account_state(&of_parent[0], PST_STATE_CLOSING); break;
        case 2: pst_account_describe(&of_parent[0], 5, "line", "vhost", "protocol", "handler"); break;
        case 3: pst_account_buckets(of_parent[0].tag, 4096); break;
        case 4: pst_account_held(4096); break;
        case 5: close_one(&of_parent[1]); break;
        case 6: close_one(&of_parent[0]); close_one(&fresh); break;
        }
        if (memcmp(before, board.base, board.size)) {
            printf("# muted, and yet it writes: %s\n", what[i]);
            memcpy(before, board.base, board.size);
            wrong++;
        }
    }
    fflush(stdout);
    return pst_child_muted() ? wrong : 100;
}

static void forked(void)
{
    open_one(&of_parent[0], "open");
    pst_account_open_request(&of_parent[1], pool, &of_parent[0], NOW);
    pst_account_came(&of_parent[1]);
    is_number((unsigned)apart(muted, NULL), 0, "muted, nothing of it reaches the board");
    close_one(&of_parent[1]);
    close_one(&of_parent[0]);
}

int main(void)
{
    char *before;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, SLOTS, pool);
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    is_number((unsigned)pst_account_start(&board, block), APR_SUCCESS, "started");
    ok(pst_child_block() == block && pst_account_process()->usage == &block->process
       && pst_account_process()->scope == PST_SCOPE_PROCESS, "on its block");
    slots();
    tags();
    requests();
    streams();
    before = malloc(board.child_size);
    memcpy(before, pst_board_child(&board, 1), board.child_size);
    forked();
    is_number((unsigned)apart(homeless, NULL), 0, "without a block all works, unseen");
    many_threads();
    ok(!memcmp(before, pst_board_child(&board, 1), board.child_size), "the next child's block was never touched");
    free(before);
    pst_board_close(&board);
    apr_terminate();
    return done();
}
