/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: finished requests.  Buckets at their edges; rows by handler and vhost, and requests that
 * find none; what the list of the largest keeps: of each URL and handler the largest; threads that race; what the
 * snapshot makes of all that, and of lies.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_heavy.h"
#include "pst_largest.h"
#include "pst_snapshot.h"

#include <pthread.h>
#include <sched.h>

#define KIB ((apr_uint64_t)1024)

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static pst_snapshot_t snap;
static const pst_filter_t all = { .kind = -1 };

static void fresh(void)
{
    memset((char *)block + board.large_at, 0, board.child_size - board.large_at);
    block->requests_unsized = block->largest_missed = 0;
    pst_largest_start(&board, block);
}

static const pst_child_row_t *take(void)
{
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    return &snap.children[0];
}

static void open_connection(pst_account_t *connection, const char *vhost)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, "192.0.2.1", "http/1.1", vhost, NULL, NOW };

    pst_account_open_connection(connection, pool, &info);
}

static apr_uint64_t hash_text(const char *text)
{
    apr_uint64_t hash = 1;

    while (*text) {
        hash = (hash ^ (apr_byte_t)*text++) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

static unsigned looks;      /* how often the list was looked at */

/* A request with this peak, from its line, which is its path, to its end; handler may be NULL. */
static void finish(pst_account_t *connection, apr_uint64_t peak, const char *line, const char *handler)
{
    pst_account_t request;

    pst_account_open_request(&request, pool, connection, 1);
    pst_account_came(&request);
    if (line) {
        pst_account_describe(connection, 0, line, NULL, NULL, NULL);
        pst_heavy_asked(&request, NULL, line, hash_text(line));
    }
    if (handler) {
        pst_account_describe(connection, 0, NULL, NULL, NULL, handler);
    }
    if (request.usage) {
        request.usage->reserved_bytes = 8192;
        request.usage->slack_bytes = 192;
        request.usage->peak_bytes = peak;
    }
    if (pst_largest_count(&request)) {
        pst_heavy_name(&request);
        __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
        if (pst_largest_beats(&request)) {
            pst_largest_keep(&request);
        }
    }
    pst_account_close(&request, &request);
}

static apr_uint64_t in_bucket(unsigned bucket)
{
    return take()->sizes.all.row.requests[bucket];
}

static void buckets(pst_account_t *connection)
{
    fresh();
    finish(connection, 1, "GET", "h");
    finish(connection, 8 * KIB, "GET", "h");
    is_number(in_bucket(0), 2, "up to 8 KiB");
    for (unsigned i = 1; i < PST_SIZES_BUCKETS - 1; i++) {
        finish(connection, (4 * KIB << i) + 1, "GET", "h");
        finish(connection, 8 * KIB << i, "GET", "h");
        is_number(in_bucket(i), 2, "two at its ends in the next bucket");
        is_number(pst_sizes_up_to(i), 8 * KIB << i, "which says how far it reaches");
    }
    finish(connection, (512 * KIB * KIB) + 1, "GET", "h");
    finish(connection, (apr_uint64_t)1 << 40, "GET", "h");
    finish(connection, INT64_MAX, "GET", "h");
    is_number(in_bucket(PST_SIZES_BUCKETS - 1), 3, "all larger ones in the last");
    is_number(pst_sizes_up_to(PST_SIZES_BUCKETS - 1), 0, "which has no end");
    is_number(take()->sizes.all.requests, 2 * (PST_SIZES_BUCKETS - 1) + 3, "none is lost");
}

static void unsized(pst_account_t *connection)
{
    pst_account_t one, two;

    fresh();
    finish(connection, 0, "GET", NULL);
    finish(connection, 8192, NULL, NULL);
    is_number(block->requests_unsized, 2, "one whose bytes are not known, one that had no line");
    pst_account_open_request(&one, pool, connection, 1);
    pst_account_came(&one);
    pst_account_describe(connection, 0, "GET /one", NULL, NULL, NULL);
    connection->slot->request.peak_bytes = 100000;
    pst_account_open_request(&two, pool, connection, 2);
    pst_account_came(&two);
    pst_account_describe(connection, 0, "GET /two", NULL, NULL, NULL);
    connection->slot->request.peak_bytes = 200000;
    ok(!pst_largest_count(&one), "one that ends when the next has begun");
    ok(pst_largest_count(&two), "the next one");
    is_number(take()->sizes.all.requests, 1, "counts");
    pst_account_close(&one, &one);
    is_number(block->requests_unsized, 3, "the first is not taken for it");
    pst_account_close(&two, &two);
    is_number(block->requests_unsized, 3, "and the second has its size");
}

static void ours(pst_account_t *connection)
{
    apr_uint64_t own = block->requests_own;
    pst_account_t request;

    fresh();
    pst_account_open_request(&request, pool, connection, 1);
    pst_account_came(&request);
    pst_account_describe(connection, 0, "GET /pool-status", NULL, NULL, "pool-status");
    request.usage->peak_bytes = 1 << 30;
    ok(!take()->own_reserved_bytes, "a request that nobody said is ours");
    request.usage->reserved_bytes = 12345;
    pst_account_ours(&request);
    is_number(take()->own_reserved_bytes, 12345, "one that is: its bytes are told apart");
    is_number(snap.rows[0]->slot.has_request, PST_REQUEST_OWN, "and it is marked");
    ok(!pst_largest_count(&request), "it is none of the largest");
    pst_account_close(&request, &request);
    is_number(take()->sizes.all.requests, 0, "and in no histogram");
    is_number(block->requests_own - own, 1, "it has a count of its own");
    is_number(block->requests_unsized, 0, "and is not one without a size");
    is_number(take()->own_reserved_bytes, 0, "nothing of it stays");
    pst_account_open_request(&request, pool, connection, 1);
    pst_account_describe(connection, 0, "GET /else", NULL, NULL, "h");
    take();
    is_number(snap.rows[0]->slot.has_request, PST_REQUEST_OTHERS, "the next one is not marked by it");
    pst_account_close(&request, &request);
}

static apr_uint64_t of_name(const pst_sizes_row_t *rows, apr_uint32_t count, const char *name)
{
    for (apr_uint32_t i = 0; i < count; i++) {
        if (name ? !rows[i].other && !strcmp(rows[i].row.name, name) : rows[i].other) {
            return rows[i].requests;
        }
    }
    return 0;
}

static apr_uint64_t of_handler(const char *name)
{
    take();
    return of_name(snap.sizes.handlers, snap.sizes.handler_count, name);
}

static apr_uint64_t of_vhost(const char *name)
{
    take();
    return of_name(snap.sizes.vhosts, snap.sizes.vhost_count, name);
}

static void names(void)
{
    static const char *const handlers[] = { "cgi-script", "proxy-server", "a", "ab", "abc", "b", "c" };
    char name[80];
    pst_account_t connection, other;

    fresh();
    open_connection(&connection, "one.example");
    open_connection(&other, "two.example");
    finish(&connection, 8192, "GET", NULL);
    is_number(of_handler(""), 1, "no handler is one too");
    for (unsigned i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        finish(&connection, 8192, "GET", handlers[i]);
        finish(&connection, 8192, "GET", handlers[i]);
        finish(&other, 8192, "GET", handlers[i]);
        is_number(of_handler(handlers[i]), 3, handlers[i]);
    }
    finish(&connection, 8192, "GET", NULL);
    is_number(of_handler(""), 2, "none again: not that of the request before");
    finish(&connection, 8192, "GET", "late");
    finish(&connection, 8192, "GET", "later");
    finish(&connection, 8192, "GET", "ab");
    is_number(of_handler(NULL), 2, "others have a row of their own");
    is_number(of_handler("ab"), 4, "those before stay");
    is_number(of_vhost("one.example"), 19, "a vhost");
    is_number(of_vhost("two.example"), 7, "another");
    pst_account_describe(&connection, 0, NULL, "two.example", NULL, NULL);
    finish(&connection, 8192, "GET", "ab");
    is_number(of_vhost("two.example"), 8, "a connection that changes its vhost");
    for (unsigned i = 0; i < 20; i++) {
        apr_snprintf(name, sizeof(name), "%u.example", i);
        pst_account_describe(&connection, 0, NULL, name, NULL, NULL);
        finish(&connection, 8192, "GET", "ab");
    }
    is_number(of_vhost("5.example"), 1, "the eighth vhost has a row");
    is_number(of_vhost("6.example"), 0, "the ninth has none");
    is_number(of_vhost(NULL), 14, "but counts with the others");
    memset(name, 'v', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    fresh();
    open_connection(&other, name);
    memset(name, 'h', PST_HANDLER_LEN);
    finish(&other, 8192, "GET", name);
    finish(&other, 8192, "GET", name);
    is_number(take()->sizes.handler_count, 1, "names that are cut");
    is_number(strlen(take()->sizes.handlers[0].row.name), PST_HANDLER_LEN - 1, "as in slots");
    is_number(strlen(take()->sizes.vhosts[0].row.name), PST_VHOST_LEN - 1, "both");
    is_number(take()->sizes.vhosts[0].requests, 2, "are one");
}

/* A path of letters, which are not folded. */
static const char *path_of(char *to, unsigned i)
{
    to[0] = '/';
    to[1] = (char)('a' + i / 10);
    to[2] = (char)('a' + i % 10);
    to[3] = '\0';
    return to;
}

static void the_largest(pst_account_t *connection)
{
    char line[300];
    const pst_child_row_t *child;
    unsigned right = 0;

    fresh();
    for (unsigned i = 0; i < 100; i++) {
        finish(connection, 10000 + (i * 37) % 100, path_of(line, (i * 37) % 100), "h");
    }
    child = take();
    is_number(child->large_count, PST_LARGE_COUNT, "the list is full");
    for (unsigned i = 0; i < PST_LARGE_COUNT; i++) {
        path_of(line, 99 - i);
        right += child->large[i].row.peak_bytes == 10099 - i && !strcmp(child->large[i].row.line, line);
    }
    is_number(right, PST_LARGE_COUNT, "of the largest, in order");
    finish(connection, 10084, "/no", "h");
    ok(strcmp(take()->large[15].row.line, "/no"), "one as large as the smallest is not taken");
    finish(connection, 10085, "/yes", "h");
    is_text(take()->large[14].row.line, "/yes", "one byte more is; of equal ones the last comes first");
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    finish(connection, 20000, line, "h");
    child = take();
    is_number(strlen(child->large[0].row.line), PST_LINE_LEN - 1, "a line is cut");
    is_text(child->large[0].row.handler, "h", "handler");
    is_text(child->large[0].row.vhost, "one.example", "vhost");
    is_number(child->large[0].row.reserved_bytes, 8192, "reserved");
    is_number(child->large[0].row.used_bytes, 8000, "used");
    ok(child->large[0].row.finished > NOW && child->large[0].row.duration > 0, "when, and how long");
    is_number(child->large[0].pid, 101, "whose");
}

static const pst_large_row_t *with_path(const pst_large_row_t *rows, apr_uint32_t count, const char *path,
                                        const char *handler)
{
    for (apr_uint32_t i = 0; i < count; i++) {
        if (!strcmp(rows[i].row.path, path) && !strcmp(rows[i].row.handler, handler)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Ids are folded, so that a URL has one row: that of its largest. */
static void groups(pst_account_t *connection)
{
    const pst_large_row_t *large;
    const pst_child_row_t *child;
    char line[80];
    unsigned before;

    fresh();
    for (unsigned i = 0; i < 1000; i++) {
        apr_snprintf(line, sizeof(line), "/report/%u", 1000 + i);
        finish(connection, 100000 + (i * 37) % 1000, line, "h");
    }
    finish(connection, 50000, "/report/77", "other");
    finish(connection, 60000, "/static", "h");
    child = take();
    is_number(child->large_count, 3, "a row for each URL and handler");
    large = with_path(child->large, child->large_count, "/report/{n}", "h");
    is_number(large ? large->row.peak_bytes : 0, 100999, "the largest of many");
    is_text(large ? large->row.line : "", "/report/1027", "which it was");
    large = with_path(child->large, child->large_count, "/report/{n}", "other");
    is_number(large ? large->row.peak_bytes : 0, 50000, "by another handler, smaller");
    finish(connection, 50001, "/report/78", "other");
    large = with_path(take()->large, child->large_count, "/report/{n}", "other");
    is_number(large ? large->row.peak_bytes : 0, 50001, "a larger one takes its place");
    before = looks;
    for (unsigned i = 0; i < 100; i++) {
        finish(connection, 60000 - i, "/static", "h");
    }
    is_number(looks, before, "the same path again, not larger: nobody looks at the list");
    finish(connection, 60001, "/static", "h");
    is_number(looks, before + 1, "larger: it is looked at");
    for (unsigned i = 0; i < PST_LARGE_COUNT - 3; i++) {
        finish(connection, 200000 + i, path_of(line, i), "h");
    }
    is_number(take()->large_count, PST_LARGE_COUNT, "other URLs fill the list");
    ok(with_path(snap.large, snap.large_count, "/report/{n}", "other") != NULL, "none had to go");
    for (unsigned i = 0; i < 5; i++) {
        apr_snprintf(line, sizeof(line), "/again/%u", 10 + i);
        finish(connection, 300000 + i, line, "h");
    }
    ok(!with_path(take()->large, PST_LARGE_COUNT, "/report/{n}", "other"), "one more URL: the smallest went");
    ok(with_path(snap.large, snap.large_count, "/static", "h") != NULL, "and only that, though five came");
}

static void over_all(void)
{
    pst_shared_child_t *second = add_child(&board, 102);
    static const char *const paths[] = { "/second", "/ja", "/jd" };
    tally_t twice = { 0, 0 };

    for (unsigned i = 0; i < 3; i++) {
        pst_shared_large_t *row = pst_board_large(&board, second, i);

        row->in_use = 1;
        row->peak_bytes = i ? 10090 + i : 30000;
        row->finished = 1;
        apr_cpystrn(row->line, "GET /second", sizeof(row->line));
        apr_cpystrn(row->path, paths[i], sizeof(row->path));
        apr_cpystrn(row->vhost, "one.example", sizeof(row->vhost));
        apr_cpystrn(row->handler, "h", sizeof(row->handler));
    }
    pst_board_sizes(&board, second, PST_SIZES_ALL)->requests[2] = 5;
    pst_board_sizes(&board, second, PST_SIZES_HANDLERS)->named = 1;
    pst_board_sizes(&board, second, PST_SIZES_HANDLERS)->name[0] = 'h';
    pst_board_sizes(&board, second, PST_SIZES_HANDLERS)->requests[2] = 5;
    take();
    is_number(snap.large_count, PST_LARGE_COUNT, "over all children as many");
    is_text(snap.large[0].row.line, "GET /second", "the largest of all");
    is_number(snap.large[0].pid, 102, "of its child");
    for (apr_uint32_t i = 1; i < snap.large_count; i++) {
        tally(&twice, with_path(snap.large, i, snap.large[i].row.path, "h") != NULL, i);
    }
    none_wrong(&twice, "each URL once");
    is_number(with_path(snap.large, snap.large_count, "/ja", "h")->pid, 102, "a URL that two children have: the larger one");
    is_number(with_path(snap.large, snap.large_count, "/jd", "h")->pid, 101, "whichever was found first");
    is_number(of_handler("h"), 103 + 5, "histograms are added up by name");
    is_number(snap.sizes.all.row.requests[2], 5 + 1, "by bucket");
    release_blocks(&board, 102);
}

/* Rows, of one child and of all: their number is bounded, texts end, sums do not wrap. */
static void lies(void)
{
    pst_shared_child_t *liar = add_child(&board, 103);
    const pst_child_row_t *child = NULL;
    tally_t wrong = { 0, 0 };

    memset((char *)liar + board.large_at, 0xff, board.child_size - board.large_at);
    for (unsigned i = 0; i < PST_LARGE_COUNT; i++) {
        pst_board_large(&board, liar, i)->seq = i;
        pst_board_large(&board, liar, i)->peak_bytes = i % 2 ? UINT64_MAX : INT64_MAX;
    }
    for (unsigned i = 0; i < PST_SIZES_COUNT; i++) {
        pst_board_sizes(&board, liar, i)->seq = i;
        for (unsigned b = 0; b < PST_SIZES_BUCKETS; b++) {
            pst_board_sizes(&board, liar, i)->requests[b] = INT64_MAX;
        }
    }
    take();
    for (apr_uint32_t i = 0; i < snap.child_count; i++) {
        child = snap.children[i].head.owner == 103 ? &snap.children[i] : child;
    }
    is_number(child->large_count, PST_LARGE_COUNT, "all of the liar's");
    for (unsigned i = 0; i < PST_LARGE_COUNT; i++) {
        tally(&wrong, child->large[i].row.peak_bytes > INT64_MAX, i);
        tally(&wrong, strnlen(child->large[i].row.line, PST_LINE_LEN) >= PST_LINE_LEN, i);
        tally(&wrong, strnlen(child->large[i].row.vhost, PST_VHOST_LEN) >= PST_VHOST_LEN, i);
    }
    none_wrong(&wrong, "figures are sane, texts end");
    is_number(child->large[15].row.peak_bytes, 0, "what is too much is nothing");
    is_number(child->sizes.all.requests, INT64_MAX, "sums stop");
    is_number(snap.sizes.all.requests, INT64_MAX, "also those of all");
    release_blocks(&board, 103);
}

#define THREADS 4
#define ROUNDS  20000

static void *race(void *baton)
{
    pst_account_t connection;
    char name[16] = "x";
    apr_uint64_t seed = (apr_uint64_t)(apr_uintptr_t)baton;

    open_connection(&connection, "race.example");
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        name[1] = (char)('a' + (seed >> 40) % 24);
        finish(&connection, 8192 + (seed >> 44), name, name);
    }
    return NULL;
}

static void races(void)
{
    pthread_t threads[THREADS];
    const pst_child_row_t *child;
    apr_uint64_t handlers = 0, torn = 0;

    fresh();
    for (apr_uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, race, (void *)(i + 1));
    }
    for (unsigned n = 0; n < 200; n++) {
        child = take();
        for (apr_uint32_t i = 0; i < child->large_count; i++) {
            torn += strcmp(child->large[i].row.line, child->large[i].row.handler) != 0;
        }
        apr_pool_clear(pool);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    child = take();
    for (apr_uint32_t i = 0; i < child->sizes.handler_count; i++) {
        handlers += child->sizes.handlers[i].requests;
    }
    is_number(torn, 0, "rows are of one request while others write");
    is_number(child->sizes.all.requests, THREADS * ROUNDS, "threads: none is lost");
    is_number(handlers, THREADS * ROUNDS, "nor counted twice by handler");
    is_number(child->sizes.handler_count, PST_SIZES_EACH, "rows are bounded, and none is there twice");
    ok(child->large_count == PST_LARGE_COUNT && child->large[0].row.peak_bytes >= child->large[15].row.peak_bytes,
       "the list is full");
}

/* Two threads meet the same new names at the same moment. */
#define MEETINGS 20000

static unsigned arrived, left;

/* Not a barrier, which wakes threads one after the other. */
static void wait_until(const unsigned *counter, unsigned value)
{
    for (unsigned tries = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) < value; tries++) {
        if (tries > 2000) {
            sched_yield();
        }
    }
}

/* As many names as there are rows. */
static void name_all(void)
{
    char name[PST_HANDLER_LEN] = "";

    for (unsigned i = 0; i < PST_SIZES_EACH - 1; i++) {
        name[0] = (char)('a' + i);
        pst_largest_handler(0, name);
    }
}

static void *meet(void *baton)
{
    (void)baton;
    for (unsigned n = 1; n <= MEETINGS; n++) {
        wait_until(&arrived, n);
        name_all();
        __atomic_store_n(&left, n, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void meetings(void)
{
    unsigned named = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, meet, NULL);
    for (unsigned n = 1; n <= MEETINGS; n++) {
        fresh();
        __atomic_store_n(&arrived, n, __ATOMIC_RELEASE);
        name_all();
        wait_until(&left, n);
        name_all();                         /* those for which the flag was taken */
        for (unsigned i = 0; i < PST_SIZES_EACH; i++) {
            named += pst_board_sizes(&board, block, PST_SIZES_HANDLERS + i)->named;
        }
    }
    pthread_join(thread, NULL);
    is_number(named, MEETINGS * (PST_SIZES_EACH - 1), "two that meet the same names: each has a row, no row is lost");
}

static void muted(pst_account_t *connection)
{
    apr_uint64_t before = take()->sizes.all.requests;
    pst_account_t request;

    pst_account_open_request(&request, pool, connection, 1);
    pst_account_came(&request);
    pst_account_describe(connection, 0, "GET", NULL, NULL, "h");
    request.usage->peak_bytes = 1 << 30;
    pst_child_mute();
    ok(!pst_largest_count(&request), "in a forked process nothing is kept");
    is_number(take()->sizes.all.requests, before, "nor counted");
}

int main(void)
{
    pst_account_t connection;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 64, pool);
    block = add_child(&board, 101);
    pst_account_start(&board, block);
    open_connection(&connection, "one.example");
    buckets(&connection);
    unsized(&connection);
    ours(&connection);
    names();
    the_largest(&connection);
    over_all();
    groups(&connection);
    lies();
    races();
    meetings();
    muted(&connection);
    return done();
}
