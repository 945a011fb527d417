/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: what grows and the charts on the page: peaks and floors survive thinning, drawings stay in
 * their frame whatever the figures are, the list is short and the fastest comes first.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_account.h"
#include "pst_chart.h"
#include "pst_history.h"
#include "pst_trend.h"
#include "pst_view_page.h"
#include "sink.h"

#define SECOND APR_UINT64_C(1000000)

static apr_pool_t *pool;
static pst_board_t board;

static const char *page_of(const char *query)
{
    static pst_emit_t emit;
    static pst_charts_t charts;
    pst_snapshot_t snapshot;
    pst_window_t window;
    pst_args_t args;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    out_len = 0;
    pst_args_parse(&args, query, PST_FACE_PAGE, p);
    pst_snapshot_take(&snapshot, &board, &args.filter, NOW, p);
    pst_snapshot_window(&snapshot, args.filter.sort, args.from, args.rows, &window, p);
    pst_charts_take(&charts, &board, &snapshot, args.children_from, p);
    pst_emit_init(&emit, PST_EMIT_HTML, sink, NULL);
    {
        const pst_page_t page = { &snapshot, &window, &args, "./pool-status/", p, &charts };

        pst_view_page(&emit, &page);
    }
    pst_emit_flush(&emit);
    apr_pool_destroy(p);
    return out;
}

static unsigned times(const char *text, const char *what)
{
    unsigned n = 0;

    for (text = strstr(text, what); text; text = strstr(text + 1, what)) {
        n++;
    }
    return n;
}

static void thinning(void)
{
    static pst_history_point_t points[1000];
    apr_uint32_t count, floors = 0, peaks = 0, order = 0;

    for (unsigned i = 0; i < 1000; i++) {
        points[i] = (pst_history_point_t){ .time = i, .process = 8192 + (i % 7) * 4096 };
    }
    is_number(pst_chart_thin(points, 100, 50), 100, "few points stay");
    count = pst_chart_thin(points, 1000, 75);
    is_number(count, 150, "many become two a column");
    for (unsigned i = 0; i < count; i++) {
        floors += points[i].process == 8192;
        peaks += points[i].process == 8192 + 6 * 4096;
        order += i && points[i].time < points[i - 1].time;
    }
    is_number(floors, 75, "each column's floor");
    is_number(peaks, 75, "and its peak");
    is_number(order, 0, "in the order of time");
}

/* Two files besides the page, no other. */
static int scripts_are_ours(const char *html)
{
    return times(html, "<script") == 2 && times(html, "<script src=\"./pool-status/") == 2;
}

/* All numbers of all points attributes: x to 1000, y to 200. */
static int in_frame(const char *html)
{
    unsigned numbers = 0;

    for (const char *at = strstr(html, " points=\""); at; at = strstr(at + 1, " points=\"")) {
        const char *c = at + 9;

        for (unsigned n = 0; *c && *c != '"'; n++, numbers++) {
            char *end;
            unsigned long value = strtoul(c, &end, 10);

            if (end == c || value > (n % 2 ? 200 : 1000) || (*end != ',' && *end != ' ' && *end != '"')) {
                printf("# at %.30s\n", c);
                return 0;
            }
            c = end + (*end != '"');
        }
    }
    return numbers > 0;
}

static void record(pst_shared_child_t *child, apr_uint64_t from, unsigned n)
{
    pst_history_start(&board, child);
    for (unsigned i = 0; i < n; i++) {
        child->process.reserved_bytes = 81920 + i * 8192;
        child->child_reserved_bytes = child->process.reserved_bytes;
        child->held_bytes = child->process.reserved_bytes + 40960;
        pst_history_beat(&board, child, from + i * SECOND);
    }
}

static void charts(void)
{
    const char *html = page_of("");

    ok(!strstr(html, "class=\"suspects\"") && !strstr(html, "class=\"card"), "an empty board has neither");
    for (unsigned i = 0; i < 20; i++) {
        record(add_child(&board, 100 + i), NOW - 60 * SECOND, i == 7 ? 1 : 40);
    }
    html = page_of("");
    is_number(times(html, "<figure class=\"card\">"), PST_CHARTS, "so many charts and no more");
    is_number(times(html, "<polygon"), PST_CHARTS * 4, "four areas each");
    is_number(times(html, "<polyline"), PST_CHARTS, "and a line");
    ok(in_frame(html), "inside of their frames");
    ok(!strstr(html, "polyline class=\"k-rss_bytes\""), "no line of what was not taken");
    {
        pst_shared_child_t *child = pst_board_child(&board, 3);

        child->books.rss_bytes = 400 * 4096;
        child->books.pss_bytes = 200 * 4096;
        child->books.heap_in_use_bytes = 100 * 4096;
        child->books.heap_free_bytes = 50 * 4096;
        child->held_bytes = 100 * 4096;
        child->process.reserved_bytes = child->child_reserved_bytes = 90 * 4096;
        pst_history_beat(&board, child, NOW - 20 * SECOND);
    }
    html = page_of("pid=103");
    is_number(times(html, "<polyline class=\"k-"), 5, "then five lines: RSS, PSS, held, the heap's two");
    ok(strstr(html, "RSS 1.6 MiB, held 400 KiB now</span>") != NULL, "and what the last point says");
    ok(strstr(html, "<polyline class=\"k-rss_bytes\" vector-effect=\"non-scaling-stroke\" points=\"0,200 975,200 1000,0\"/>") != NULL,
       "a line rises to the top of the scale");
    ok(strstr(html, "<polyline class=\"k-pss_bytes\" vector-effect=\"non-scaling-stroke\" points=\"0,200 975,200 1000,100\"/>") != NULL,
       "and another to the middle");
    ok(in_frame(html), "inside of their frames");
    ok(!strstr(html, "style=") && scripts_are_ours(html), "without inline style or script");
    html = page_of("pid=107");
    is_number(times(html, "<figure class=\"card"), 0, "one point is no chart");
    html = page_of("pid=108");
    is_number(times(html, "<figure class=\"card"), 1, "one child, one chart");
    ok(strstr(html, "class=\"cards alone\"") != NULL, "a large one");
    ok(strstr(html, "<time>23:58:07</time> <span>39 s</span> <time>23:58:46</time>") != NULL, "with its times");
}

static void suspects(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 0);
    pst_shared_slot_t *slot = add_connection(&board, child, 0, 8192, PST_KIND_CLIENT, "a.example");
    const char *html, *first, *second;

    child->verdict = (pst_shared_verdict_t){ .state = PST_TREND_GROWING, .fit = 990, .since = NOW - 185 * SECOND,
                                             .per_minute = 61440, .per_request = 105.2f };
    slot->verdict = (pst_shared_verdict_t){ .of = (apr_uint32_t)slot->id, .state = PST_TREND_GROWING,
                                            .scope = PST_SCOPE_REQUEST, .fit = 1000, .since = NOW - SECOND,
                                            .per_minute = 1048576 };
    apr_cpystrn(slot->line, "GET /<script> HTTP/1.1", sizeof(slot->line));
    html = page_of("");
    first = strstr(html, "The request on connection #1 of <a href=\"?pid=100\">");
    second = strstr(html, "Process scope of <a href=\"?pid=100\">child 100</a>");
    ok(first && second && first < second, "the fastest first");
    ok(strstr(html, "+60.0 KiB a minute, 105 bytes a request, for 3 min 05 s</span>") != NULL, "rates, since when");
    ok(strstr(html, "GET /&lt;script&gt; HTTP/1.1") && scripts_are_ours(html), "a client's text stays text");
    slot->verdict.of++;
    ok(!strstr(page_of(""), "The request on connection"), "a verdict on the slot's last connection is none on this one");
    child->verdict.per_minute = __builtin_nanf("");
    ok(!strstr(page_of(""), "class=\"suspects\""), "a rate that is no number is none");
    child->verdict.per_minute = 3e38f;
    child->verdict.fit = 700;
    ok(strstr(page_of(""), "class=\"suspects\"") != NULL, "an absurd one is survived");
    for (unsigned i = 0; i < 20; i++) {
        pst_board_child(&board, i)->verdict = (pst_shared_verdict_t){ .state = PST_TREND_GROWING,
                                                                      .per_minute = 1000.0f * (float)(i + 1) };
    }
    html = page_of("");
    is_number(times(html, "<li><b>Process scope"), 10, "ten at most");
    ok(strstr(html, "and 10 more") != NULL, "and how many more");
    ok(strstr(html, "<figure class=\"card growing\">") != NULL, "their charts say so");
    for (unsigned i = 0; i < 20; i++) {
        pst_board_child(&board, i)->verdict.state = PST_TREND_STEADY;
    }
}

static void gone(void)
{
    const char *html, *last, *before;

    for (unsigned i = 0; i < 12; i++) {
        if (i == 11) {
            pst_board_farewell(pst_board_child(&board, i));
        }
        release_blocks(&board, 100 + i);
        pst_board_child(&board, i)->ended = NOW - (50 - i) * SECOND;
    }
    html = page_of("");
    is_number(times(html, "<li><a href=\"./pool-status/history?pid="), PST_CHART_GONE, "the last children gone are listed");
    last = strstr(html, "history?pid=111\">111</a> in order, 39 s ago");
    before = strstr(html, "history?pid=110\">110</a> abruptly, 40 s ago");
    ok(last && before && last < before, "the last one first, with how it ended");
}

static void noise(void)
{
    srand(2);
    for (int round = 0; round < 30; round++) {
        for (apr_uint32_t i = 0; i < board.child_count; i++) {
            pst_shared_child_t *child = pst_board_child(&board, i);
            unsigned char *ring = (unsigned char *)pst_board_history(&board, i);

            for (apr_uint32_t n = 0; n < board.history_size; n++) {
                ring[n] = (unsigned char)rand();
            }
            ((pst_shared_history_t *)ring)->pid = child->owner = child->pid = 500 + i;
            ((pst_shared_history_t *)ring)->started = child->started = NOW;
        }
        if (!in_frame(page_of(round % 2 ? "" : "pid=503"))) {
            ok(0, "random points are drawn inside of the frame");
            return;
        }
    }
    ok(1, "random points are drawn inside of the frame");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 24, 4, pool);
    thinning();
    charts();
    suspects();
    gone();
    noise();
    pst_board_close(&board);
    apr_terminate();
    return done();
}
