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
        found += pst_novel_serve(pst_novel_hash(&board, 0, path)) == PST_NOVEL_NEW;
    }
    return found;
}

static void told(void)
{
    apr_uint64_t before = child->requests_new;
    unsigned found;

    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/path")), PST_NOVEL_NEW, "a path");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/path")), PST_NOVEL_AGAIN, "once more");
    is_number(pst_novel_serve(pst_novel_hash(&child, 0, "/a/path")), PST_NOVEL_NEW, "on another host");
    is_number(pst_novel_serve(pst_novel_hash(&board, 2, "/a/path")), PST_NOVEL_NEW, "by another method");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "/a/pathx")), PST_NOVEL_NEW, "a longer one");
    is_number(pst_novel_serve(pst_novel_hash(&board, 0, "")), PST_NOVEL_NEW, "an empty one");
    is_number(child->requests_new - before, 5, "the new ones are counted");
    found = new_of("/repository/number/", 20000);
    ok(found >= 19800, "of 20,000 one in a hundred at most is taken for one served before");
    is_number(new_of("/repository/number/", 20000), 0, "none of them is new once more");
    new_of("/another/", 1000000);
    ok(new_of("/and/more/", 1000) < 100, "full, it takes nearly all for known");
}

static void *aside(void *data)
{
    *(pst_novel_e *)data = pst_novel_serve(pst_novel_hash(&board, 0, "/pages"));
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
    pst_novel_serve(pst_novel_hash(&board, 0, "/pages"));
    pst_novel_grown(&record, 8192);
    pst_novel_grown(&record, 16384);
    is_number(child->grown_new_bytes, 24576, "while something new is");
    pthread_create(&thread, NULL, aside, &there);
    pthread_join(thread, NULL);
    is_number(there, PST_NOVEL_AGAIN, "another thread serves it again");
    pst_novel_grown(&other, 8192);
    pst_novel_grown(&record, 4096);
    ok(child->grown_new_bytes == 28672 && !child->grown_again_bytes, "and this one goes on; connections are left out");
    pst_novel_serve(pst_novel_hash(&board, 0, "/pages"));
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

int main(void)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, 4, pool);
    child = add_child(&board, 100);
    pst_account_start(&board, child);
    charged();
    told();
    pst_board_close(&board);
    apr_pool_destroy(pool);
    return done();
}
