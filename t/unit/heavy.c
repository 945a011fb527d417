/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: what was requested. Paths are folded; counts are exact while there is a row for each; over skewed streams no
 * row claims more than is true, none less than its bounds allow, and what took most has a row; threads lose nothing;
 * tables of children that are gone are kept, over more paths than there are rows; lies spoil figures and nothing
 * else.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_fold.h"
#include "pst_heavy.h"
#include "pst_novel.h"
#include "pst_snapshot_urls.h"
#include "pst_url_kept.h"

#include <math.h>
#include <pthread.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static pst_snapshot_t snap;
static pst_filter_t all = { .kind = -1 };

/* ---- folding ---- */

static void folded(const char *path, const char *expected)
{
    char to[PST_URL_LEN], what[256];

    memset(to, 'x', sizeof(to));
    pst_fold(to, sizeof(to), path);
    apr_snprintf(what, sizeof(what), "\"%.60s\" is \"%s\"", path, expected);
    is_text(to, expected, what);
    for (apr_size_t i = strlen(to); i < sizeof(to); i++) {
        if (to[i]) {
            ok(0, "and zeros follow");
            return;
        }
    }
}

static void folds(void)
{
    static char deep[8192], digits[8192];
    char small[16];

    folded("", "");
    folded("/", "/");
    folded("/index.html", "/index.html");
    folded("/a?b=c", "/a");
    folded("/a;jsessionid=0123/b;c?d", "/a/b");
    folded("//a///b", "/a/b");
    folded("/7", "/{n}");
    folded("/v2/user/123/post-45.html", "/v2/user/{n}/post-{n}.html");
    folded("/2024-05-01/x", "/{n}-{n}-{n}/x");
    folded("/IMG_1234.JPG", "/IMG_{n}.JPG");
    folded("/song.mp3", "/song.mp3");
    folded("/h264/utf8", "/h{n}/utf8");
    folded("/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "/{id}");
    folded("/6BA7B8109DAD11D180B4.png", "/{id}.png");
    folded("/deadbeef", "/deadbeef");
    folded("/facade01", "/{id}");
    folded("/watch/dQw4w9WgXcQ", "/watch/{id}");
    folded("/t/eyJhbGciOiJIUzI1NiJ9.x", "/t/{id}.x");
    folded("/My-Great-Post-2024-Edition", "/My-Great-Post-{n}-Edition");
    folded("/getUserAccountSettingsPage", "/getUserAccountSettingsPage");
    folded("/{n}", "/{n}");
    folded("*", "*");
    folded("/\xc3\xa4\xc3\xb6/\xff\xfe\x01\x1f", "/\xc3\xa4\xc3\xb6/\xff\xfe\x01\x1f");
    memset(deep, 'a', sizeof(deep) - 1);
    memset(digits, '7', sizeof(digits) - 1);
    folded(digits, "{n}");
    pst_fold(small, sizeof(small), deep);
    is_text(small, "aaaaaaaaaaaa...", "what is too long says so");
    deep[15] = '\0';
    pst_fold(small, sizeof(small), deep);
    is_text(small, "aaaaaaaaaaaaaaa", "what fits to the byte does not");
}

/* ---- requests ---- */

static void fresh(void)
{
    memset((char *)block + board.url_at, 0, PST_URL_COUNT * sizeof(pst_shared_url_t));
    block->requests_unnamed = 0;
    pst_heavy_start(&board, block);
}

static void open_connection(pst_account_t *connection)
{
    const pst_connection_info_t info = { PST_KIND_CLIENT, "192.0.2.1", "http/1.1", "a.example", NULL, NOW };

    pst_account_open_connection(connection, pool, &info);
}

static void ask(pst_account_t *request, const char *host, const char *path)
{
    pst_heavy_asked(request, host, path, pst_novel_hash(host, 0, path ? path : ""));
}

static void finish(pst_account_t *connection, const char *host, const char *path, apr_uint64_t peak)
{
    pst_account_t request;

    pst_account_open_request(&request, pool, connection, 1);
    pst_account_came(&request);
    pst_account_describe(connection, 0, "GET", NULL, NULL, "h");
    ask(&request, host, path);
    request.usage->peak_bytes = peak;
    pst_heavy_count(&request);
    pst_account_close(&request, &request);
}

static const pst_urls_t *take(void)
{
    apr_pool_clear(pool);
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    return &snap.urls;
}

static const pst_shared_url_t *row_of(const pst_urls_t *urls, const char *path)
{
    static const pst_shared_url_t none;

    for (apr_uint32_t i = 1; i < urls->count; i++) {
        if (!strcmp(urls->urls[i].path, path)) {
            return &urls->urls[i];
        }
    }
    return &none;
}

static void exact(pst_account_t *connection)
{
    const pst_shared_url_t *row;
    const pst_urls_t *urls;
    pst_account_t request;

    fresh();
    for (unsigned i = 0; i < 7; i++) {
        finish(connection, "a.example", i & 1 ? "/u/17" : "/u/18", 8192 * (i + 1));
    }
    finish(connection, "b.example", "/u/17", 8192);
    finish(connection, "b.example", NULL, 16384);
    urls = take();
    is_number(urls->count, 4, "a row of all, three others");
    is_number(urls->urls[0].requests, 9, "all of them");
    row = row_of(urls, "/u/{n}");
    is_number(row->requests, 7, "numbers are folded");
    is_text(row->vhost, "a.example", "hosts are not");
    is_text(row->handler, "h", "its handler");
    is_number(row->bytes, 28 * 8192, "sum");
    is_number(row->largest, 7 * 8192, "largest");
    is_number(pst_url_figure(&snap, row, PST_M_url_mean_bytes), 4 * 8192, "mean");
    is_number(row->missed_requests + row->missed_bytes, 0, "nothing can be missing");
    is_number(row_of(urls, "-")->requests, 1, "one that is not to be shown");
    is_number(urls->vhost_count, 2, "by vhost");
    is_number(urls->vhosts[0].requests, 7, "what took most first");
    is_number(urls->handlers[0].requests, 9, "by handler");
    ok(pst_url_figure(&snap, row, PST_M_url_script_mean_bytes) == UINT64_MAX, "no script: not known");

    pst_account_open_request(&request, pool, connection, 1);
    pst_heavy_count(&request);
    pst_account_came(&request);
    pst_account_ours(&request);
    pst_heavy_count(&request);
    pst_account_close(&request, &request);
    is_number(take()->urls[0].requests, 9, "neither one that never came, nor one of ours");
    pst_account_open_request(&request, pool, connection, 1);
    pst_account_came(&request);
    pst_heavy_count(&request);
    pst_account_close(&request, &request);
    is_number(row_of(take(), "")->requests, 1, "one that could not be read");
}

static void more(pst_account_t *connection)
{
    const pst_shared_url_t *row;
    pst_account_t one, two;

    fresh();
    pst_account_open_request(&one, pool, connection, 1);
    pst_account_came(&one);
    ask(&one, "a.example", "/one");
    pst_heavy_serve(connection);
    pst_heavy_sampled(500000);
    pst_heavy_sampled(24288);
    pst_account_open_request(&two, pool, connection, 2);
    pst_account_came(&two);
    ask(&two, "a.example", "/two");
    pst_heavy_sampled(1000000);
    pst_heavy_serve(NULL);
    pst_heavy_sampled(7);
    pst_heavy_script(&one, 2000000);
    pst_heavy_count(&one);
    pst_account_close(&one, &one);
    pst_heavy_count(&two);
    pst_account_close(&two, &two);
    row = row_of(take(), "/one");
    is_number(row->sampled_bytes, 524288, "samples are charged to the request that ran");
    is_number(row->script_requests, 1, "a script said");
    is_number(row->script_bytes, 2000000, "what it used");
    is_number(row->script_largest, 2000000, "at most");
    is_number(row_of(&snap.urls, "/two")->sampled_bytes, 1000000, "also of one that the next overtook");
    pst_heavy_serve(connection);
    pst_account_close(connection, connection);
    pst_heavy_sampled(9);
    open_connection(connection);
    finish(connection, "a.example", "/three", 8192);
    is_number(row_of(take(), "/three")->sampled_bytes, 0, "nothing of the connection before");
    pst_heavy_serve(NULL);
}

/* ---- streams ---- */

#define PATHS 4000

static apr_uint64_t truth_requests[PATHS], truth_bytes[PATHS];

static unsigned rnd(void)
{
    static apr_uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x >> 11);
}

/* Only letters, so that nothing is folded. */
static const char *path_of(unsigned n)
{
    static char path[16];

    path[0] = '/';
    for (int i = 1; i < 6; i++, n /= 20) {
        path[i] = (char)('g' + n % 20);
    }
    path[6] = '\0';
    return path;
}

static unsigned number_of(const char *path)
{
    unsigned n = 0;

    for (int i = 5; i > 0; i--) {
        n = n * 20 + (unsigned)(path[i] - 'g');
    }
    return n;
}

/* By Zipf's law with this exponent; the least frequent come first, so that those that matter find no room. */
static void stream(pst_account_t *connection, double exponent, unsigned requests, unsigned heaviest)
{
    static double sums[PATHS];

    for (unsigned i = 0; i < PATHS; i++) {
        sums[i] = (i ? sums[i - 1] : 0) + pow(i + 1, -exponent);
    }
    for (unsigned i = 0; i < requests; i++) {
        double at = (double)(rnd() % 1000000) / 1e6 * sums[PATHS - 1];
        unsigned from = 0, to = PATHS - 1;
        apr_uint64_t peak;

        while (from < to) {
            unsigned middle = (from + to) / 2;

            from = sums[middle] < at ? middle + 1 : from;
            to = sums[middle] < at ? to : middle;
        }
        from = i < PATHS ? PATHS - 1 - i : from;
        peak = 8192 * (1 + rnd() % 8) + (from < heaviest ? 200000 : 0);
        truth_requests[from]++;
        truth_bytes[from] += peak;
        finish(connection, "a.example", path_of(from), peak);
    }
}

/* @return the number of wrong rows, and of paths that took more than their share and have no row */
static unsigned wrong(const pst_urls_t *urls, apr_uint64_t *worst)
{
    static unsigned char listed[PATHS];
    const pst_shared_url_t *total = &urls->urls[0];
    apr_uint64_t requests = 0, bytes = 0;
    unsigned wrong = 0;

    memset(listed, 0, sizeof(listed));
    *worst = 0;
    for (apr_uint32_t i = 1; i < urls->count; i++) {
        const pst_shared_url_t *row = &urls->urls[i];
        unsigned n = number_of(row->path);

        wrong += row->requests > truth_requests[n] || row->bytes > truth_bytes[n];
        wrong += row->requests + row->missed_requests < truth_requests[n];
        wrong += row->bytes + row->missed_bytes < truth_bytes[n];
        wrong += listed[n]++;
        *worst = row->missed_bytes > *worst ? row->missed_bytes : *worst;
    }
    for (unsigned n = 0; n < PATHS; n++) {
        requests += truth_requests[n];
        bytes += truth_bytes[n];
        wrong += !listed[n] && (truth_bytes[n] > total->missed_bytes || truth_requests[n] > total->missed_requests);
    }
    return wrong + (total->requests != requests) + (total->bytes != bytes);
}

static void forget_truth(void)
{
    memset(truth_requests, 0, sizeof(truth_requests));
    memset(truth_bytes, 0, sizeof(truth_bytes));
}

static void streams(pst_account_t *connection)
{
    static const double exponents[] = { 0, 0.7, 1.0, 1.3, 2.0 };

    for (unsigned i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
        const pst_urls_t *urls;
        apr_uint64_t worst;
        char what[128];

        fresh();
        forget_truth();
        stream(connection, exponents[i], 60000, 10);
        urls = take();
        apr_snprintf(what, sizeof(what), "skew %.1f: no row says more than is true, or less than it may", exponents[i]);
        is_number(wrong(urls, &worst), 0, what);
        ok(worst <= urls->urls[0].bytes / (PST_URL_COUNT - 1), "missed at most: that part of all which Space-Saving promises");
        if (exponents[i] >= 1) {
            unsigned first = 0;

            for (apr_uint32_t k = 1; k <= 5; k++) {
                first += number_of(urls->urls[k].path) < 6;
            }
            is_number(first, 5, "and what took most comes first");
        }
    }
    is_number(block->requests_unnamed, 0, "none was left out");
}

/* ---- children that are gone ---- */

static void lives(pst_account_t *connection)
{
    static pst_url_kept_t kept;
    apr_uint64_t worst, before;

    forget_truth();
    for (unsigned life = 0; life < 12; life++) {
        fresh();
        stream(connection, life % 2 ? 1.2 : 0.8, 6000, 10);
        __atomic_store_n(&block->owner, 4711, __ATOMIC_RELEASE);
        if (life == 11) {
            is_number(wrong(take(), &worst), 0, "eleven that are gone and one that lives, added up: true");
        }
        before = take()->urls[0].requests;
        ok(pst_url_kept_release(&kept, &board, block, 4711), "a child is gone");
        is_number(take()->urls[0].requests, before, "and what it was asked for stays, once");
    }
    is_number(wrong(take(), &worst), 0, "twelve lives: no row says more than is true, or less than it may");
    is_number(kept.count, PST_URL_KEPT_COUNT, "as many rows as there are");
    ok(!pst_url_kept_release(&kept, &board, block, 4711), "nobody's block is not added");
    is_number(take()->urls[0].requests, 12 * 6000, "nor counted");
    memset(pst_board_urls(&board), 0, sizeof(pst_shared_urls_t));
    is_number(take()->count, 1, "what the board lost");
    pst_url_kept_publish(&kept, &board);
    is_number(take()->urls[0].requests, 12 * 6000, "the parent still has");

    memset((char *)block + board.url_at, 0xff, PST_URL_COUNT * sizeof(pst_shared_url_t));
    for (unsigned i = 0; i < PST_URL_COUNT; i++) {
        pst_board_url(&board, block, i)->seq = 2;
    }
    __atomic_store_n(&block->owner, 4711, __ATOMIC_RELEASE);
    pst_url_kept_release(&kept, &board, block, 4711);
    is_number(take()->urls[0].requests, 12 * 6000, "a child that lies beyond all measure: no figure moves");
    for (unsigned i = 0; i < PST_URL_COUNT; i++) {
        pst_board_url(&board, block, i)->seq = 3;
    }
    __atomic_store_n(&block->owner, 4711, __ATOMIC_RELEASE);
    ok(pst_url_kept_release(&kept, &board, block, 4711), "one that died while it wrote is freed, too");
    memset(pst_board_urls(&board), 0, sizeof(pst_shared_urls_t));
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS  20000

static void *race(void *baton)
{
    pst_account_t connection;

    (void)baton;
    memset(&connection, 0, sizeof(connection));
    for (unsigned i = 0; i < ROUNDS; i++) {
        pst_account_t request;
        pst_shared_usage_t usage = { .peak_bytes = 8192 };

        memset(&request, 0, sizeof(request));
        request.above = &connection;
        request.usage = &usage;
        request.came = 1;
        ask(&request, "a.example", i % 3 ? "/a" : "/b");
        pst_heavy_count(&request);
    }
    return NULL;
}

static void *race_for_rows(void *baton)
{
    apr_uint64_t x = (apr_uint64_t)(apr_uintptr_t)baton * 7919;
    pst_account_t connection;

    memset(&connection, 0, sizeof(connection));
    for (unsigned i = 0; i < ROUNDS; i++) {
        pst_account_t request;
        pst_shared_usage_t usage = { .peak_bytes = 8192 };
        char path[8] = "/";

        x = x * 6364136223846793005u + 1442695040888963407u;
        path[1] = (char)('g' + (x >> 40) % 20);
        path[2] = (char)('g' + (x >> 50) % 20);
        memset(&request, 0, sizeof(request));
        request.above = &connection;
        request.usage = &usage;
        request.came = 1;
        ask(&request, "a.example", i % 4 ? path : "/hot");
        pst_heavy_count(&request);
    }
    return NULL;
}

static void threads_for_rows(void)
{
    pthread_t thread[THREADS];
    const pst_urls_t *urls;

    fresh();
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, race_for_rows, (void *)(apr_uintptr_t)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    race_for_rows((void *)77);
    urls = take();
    is_number(urls->urls[0].requests + block->requests_unnamed, (THREADS + 1) * ROUNDS, "more paths than rows: each is counted, or said not to be");
    is_number(urls->urls[0].bytes, urls->urls[0].requests * 8192, "with all it took");
    is_text(urls->urls[1].path, "/hot", "what took most comes first");
    ok(urls->urls[1].requests + urls->urls[1].missed_requests + block->requests_unnamed >= (THREADS + 1) * ROUNDS / 4,
       "and says no less than there was");
}

static void threads(void)
{
    pthread_t thread[THREADS];
    const pst_urls_t *urls;

    fresh();
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, race, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    race(NULL);                         /* and the next one processes what is waiting */
    urls = take();
    is_number(urls->urls[0].requests + block->requests_unnamed, (THREADS + 1) * ROUNDS, "threads: each request is counted, or said not to be");
    is_number(row_of(urls, "/a")->requests + row_of(urls, "/b")->requests, urls->urls[0].requests, "each in its row");
    is_number(urls->count, 3, "of which there is one for each path");
    ok(block->requests_unnamed * 1000 <= (THREADS + 1) * ROUNDS, "next to none is left out");
}

int main(void)
{
    pst_account_t connection;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, 8, pool);
    block = add_child(&board, 4711);
    pst_account_start(&board, block);
    pst_heavy_start(&board, block);
    open_connection(&connection);
    folds();
    exact(&connection);
    more(&connection);
    streams(&connection);
    threads();
    threads_for_rows();
    lives(&connection);
    return done();
}
