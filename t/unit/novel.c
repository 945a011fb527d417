/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: new, or again. Paths are distinguished, threads do not mix, and pages of pools are charged and given back to
 * the byte.
 */
#include "board_double.h"
#include "pst_novel.h"
#include "tap.h"

#include <pthread.h>

static pst_board_t board;
static pst_shared_child_t *child;

static unsigned new_of(const char *prefix, unsigned count)
{
    char path[64];
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        apr_snprintf(path, sizeof(path), "%s%u", prefix, i);
        found += pst_novel_serve(pst_novel_hash(&board, 0, path), NULL, NULL) == PST_NOVEL_NEW;
    }
    return found;
}

static void told(void)
{
    apr_uint64_t before = child->requests_new;
    unsigned found;

    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/path"), NULL, NULL), PST_NOVEL_NEW, "a path");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/path"), NULL, NULL), PST_NOVEL_AGAIN, "once more");
    is_number(pst_novel_serve(pst_novel_hash(&child, 0, "/a/path"), NULL, NULL), PST_NOVEL_NEW, "on another host");
    is_number(pst_novel_serve(pst_novel_hash(&board, 2, "/a/path"), NULL, NULL), PST_NOVEL_NEW, "by another method");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/pathx"), NULL, NULL), PST_NOVEL_NEW, "a longer one");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, ""), NULL, NULL), PST_NOVEL_NEW, "an empty one");
    is_number(child->requests_new - before, 5, "the new ones are counted");
    found = new_of("/repository/number/", 20000);
    ok(found >= 19800, "of 20,000 one in a hundred at most is taken for one served before");
    is_number(new_of("/repository/number/", 20000), 0, "none of them is new once more");
    new_of("/another/", 1000000);
    ok(new_of("/and/more/", 1000) < 100, "full, it takes nearly all for known");
}

static void *aside(void *data)
{
    *(pst_novel_e *)data = pst_novel_serve(pst_novel_hash(&board, 0, "/pages"), NULL, NULL);
    return NULL;
}

static void charged(void)
{
    pst_account_t connection = { .scope = PST_SCOPE_CONNECTION };
    pst_record_t record = { .account = pst_account_process() }, other = { .account = &connection };
    pst_novel_e there = PST_NOVEL_NONE;
    pthread_t thread;

    pst_novel_grown(&record, 8192);
    ok(!child->grown_new_bytes && !child->grown_again_bytes, "what grows while nothing is served is nobody's");
    pst_novel_serve(pst_novel_hash(&board, 0, "/pages"), NULL, NULL);
    pst_novel_grown(&record, 8192);
    pst_novel_grown(&record, 16384);
    is_number(child->grown_new_bytes, 24576, "while something new is");
    pthread_create(&thread, NULL, aside, &there);
    pthread_join(thread, NULL);
    is_number(there, PST_NOVEL_AGAIN, "another thread serves it again");
    pst_novel_grown(&other, 8192);
    pst_novel_grown(&record, 4096);
    ok(child->grown_new_bytes == 28672 && !child->grown_again_bytes, "and this one goes on; connections are left out");
    pst_novel_serve(pst_novel_hash(&board, 0, "/pages"), NULL, NULL);
    pst_novel_grown(&record, 40960);
    is_number(child->grown_again_bytes, 40960, "again");
    pst_novel_rest();
    pst_novel_grown(&record, 8192);
    ok(child->grown_new_bytes == 28672 && child->grown_again_bytes == 40960, "and no more once it is served");
    pst_novel_given_back(&record, 8192);
    ok(child->grown_new_bytes == 8192 && !child->grown_again_bytes, "a clear leaves the first node");
    pst_novel_given_back(&record, 0);
    ok(!child->grown_new_bytes && !child->grown_again_bytes, "an end nothing");
}

/* A connection keeps things of its own for what it is asked. */
static void of_connection(void)
{
    pst_account_t connection, other;
    pst_connection_info_t info = { .kind = PST_KIND_CLIENT, .client = "192.0.2.1", .protocol = "HTTP/1.1", .vhost = "" };
    pst_novel_asked_t asked = { { 0 } }, others = { { 0 } };
    pst_record_t record = { .account = &connection }, of_request = { .account = &other };
    apr_uint32_t slot;

    pst_account_open_connection(&connection, NULL, &info);
    slot = connection.tag >> 16;
    pst_novel_serve(pst_novel_hash(&board, 0, "/r1"), &connection, &asked);
    pst_novel_grown(&record, 8192);
    is_number(pst_account_newly(slot).bytes, 8192, "what a connection got with something new to it");
    is_number(pst_account_newly(slot).requests, 1, "by one request");
    pst_novel_serve(pst_novel_hash(&board, 0, "/r1"), &connection, &asked);
    pst_novel_grown(&record, 16384);
    is_number(pst_account_newly(slot).bytes, 8192, "not what came with the same again");
    pst_novel_serve(pst_novel_hash(&board, 0, "/r2"), &connection, &asked);
    other = connection;
    other.scope = PST_SCOPE_REQUEST;
    pst_novel_grown(&of_request, 40960);
    is_number(pst_account_newly(slot).bytes, 8192, "nor what is the request's");
    pst_novel_grown(&record, 16384);
    is_number(pst_account_newly(slot).bytes, 24576, "another new one");
    pst_account_open_connection(&other, NULL, &info);
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/r2"), &other, &others), PST_NOVEL_AGAIN, "to the child that is not new");
    is_number(pst_account_newly(other.tag >> 16).requests, 1, "to another connection it is");
    pst_novel_given_back(&record, 8192);
    is_number(pst_account_newly(slot).bytes, 8192, "a clear leaves the first node");
    pst_novel_given_back(&record, 0);
    is_number(pst_account_newly(slot).bytes, 0, "an end nothing");
    is_number(pst_account_newly(1000000).bytes, 0, "no slot has none");
    pst_novel_serve(pst_novel_hash(&board, 0, "/r3"), &connection, &asked);
    pst_novel_grown(&record, 16384);
    record.account = pst_account_process();
    pst_novel_given_back(&record, 8192);
    pst_novel_grown(&record, 4096);
    is_number(child->grown_new_bytes, 4096, "the process is not charged with what a connection's pool gives back as that ends");
    pst_novel_rest();
}

int main(void)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, 4, pool);
    child = add_child(&board, 100);
    pst_account_start(&board, child);
    charged();
    of_connection();
    told();
    pst_board_close(&board);
    apr_pool_destroy(pool);
    return done();
}
