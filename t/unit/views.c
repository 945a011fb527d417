/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the faces of one snapshot.  They show the same figures; a client's bytes
 * stay text in each of them; JSON stays JSON and everything stays UTF-8,
 * whatever lies on the board.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_format.h"
#include "pst_view_page.h"
#include "sink.h"
#include "wellformed.h"
#include "pst_view_tree.h"

static apr_pool_t *pool;
static pst_board_t board;

static const char *face(pst_emit_e to, const char *query)
{
    static pst_emit_t emit;
    pst_snapshot_t snapshot;
    pst_window_t window;
    pst_args_t args;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    out_len = 0;
    pst_args_parse(&args, query, PST_FACE_PAGE, p);
    pst_snapshot_take(&snapshot, &board, &args.filter, NOW, p);
    pst_snapshot_window(&snapshot, args.filter.sort, args.from, args.rows, &window, p);
    pst_emit_init(&emit, to, sink, NULL);
    if (to == PST_EMIT_HTML) {
        const pst_page_t page = { &snapshot, &window, &args, "./pool-status/", p, NULL };

        pst_view_page(&emit, &page);
    }
    else {
        pst_view_tree(&emit, &snapshot, to == PST_EMIT_TEXT);
    }
    pst_emit_flush(&emit);
    apr_pool_destroy(p);
    return out;
}

static unsigned times(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what))) {
        n++;
        text += strlen(what);
    }
    return n;
}

/* Two files besides the page, and no script in it. */
static int scripts_are_ours(void)
{
    return times(out, "<script") == 2 && times(out, "<script src=\"./pool-status/") == 2
           && times(out, "\" defer></script>") == 2;
}

static void agree(void)
{
    pst_shared_child_t *child = add_child(&board, 4711);
    pst_shared_slot_t *slot;

    slot = add_connection(&board, child, 3, 1234567, PST_KIND_CLIENT, "www.example.org");
    slot->usage.peak_bytes = 7654321;
    slot->request.reserved_bytes = 333333;
    add_connection(&board, child, 4, 22222, PST_KIND_BACKEND, "")->has_request = 0;
    child->held_bytes = 99999999;

    ok(is_json(face(PST_EMIT_JSON, "")), "JSON");
    ok(strstr(out, "{\"schema\":1,\"server\":{\"version\":\"Apache/2.4.0 (Unit)\"") == out, "begins with its schema");
    ok(strstr(out, "\"id\":4,\"master\":null,\"kind\":\"client\",\"state\":\"handler\"") != NULL, "JSON: a connection");
    ok(strstr(out, "\"age_seconds\":4.000,") != NULL, "JSON: its age");
    ok(strstr(out, "\"reserved_bytes\":1234567,") && strstr(out, "\"peak_bytes\":7654321,")
       && strstr(out, "\"held_bytes\":99999999,") && strstr(out, "\"reserved_bytes\":333333,"), "JSON: the figures");
    ok(strstr(out, "\"request\":null") != NULL, "JSON: no request is null");
    ok(strstr(face(PST_EMIT_TEXT, "auto"), "\nChild.4711.Connection.4.ReservedBytes: 1234567\n") != NULL
       && strstr(out, "\nChild.4711.Connection.4.PeakBytes: 7654321\n") && strstr(out, "\nTotalHeldBytes: 99999999\n")
       && strstr(out, "\nChild.4711.Connection.4.RequestReservedBytes: 333333\n"), "text: the same figures");
    ok(strstr(face(PST_EMIT_HTML, ""), "title=\"1,234,567 bytes\"") && strstr(out, "title=\"7,654,321 bytes\"")
       && strstr(out, "title=\"99,999,999 bytes\"") && strstr(out, "title=\"333,333 bytes\""), "page: the same figures");
    ok(is_markup(out), "page: markup");
    ok(!strstr(out, "{{") && !strstr(out, " style="),
       "page: all names filled in, no style attribute");
    ok(scripts_are_ours(), "page: no script but files of its own place");
    is_number(times(out, "<th") - times(out, "<thead"), times(out, "</th>"), "page: cells are closed");
    is_number(times(out, "<tr>") + times(out, "<tr class"), times(out, "</tr>"), "page: rows are closed");
    ok(strstr(out, "href=\"./pool-status/style.css\"") != NULL, "page: links lead to its own place");
}

/* Old figures are marked: PSS sooner than the rest, because it is next to a current RSS. */
static void ages(void)
{
    pst_shared_child_t *child = add_child(&board, 4713);

    child->books.rss_bytes = 7000000;
    child->books.pss_bytes = 5000000;
    child->books.books_time = child->books.heap_time = child->books.maps_time = NOW - 2000000;
    ok(!strstr(face(PST_EMIT_HTML, "pid=4713"), "PSS estimated"), "page: PSS of two seconds ago is one of now");
    child->books.books_time = NOW - 65000000;
    ok(strstr(face(PST_EMIT_HTML, "pid=4713"), "<span class=\"badge\">PSS estimated, taken ") != NULL, "page: then it is estimated, and marked");
    child->books.maps_time = NOW - 95000000;
    ok(strstr(face(PST_EMIT_HTML, "pid=4713"), "<span class=\"badge\">mappings ") != NULL, "page: mappings are old later, and matter more");
    child->books.heap_kind = PST_HEAP_MIMALLOC;
    child->releases = 1;
    ok(strstr(face(PST_EMIT_HTML, "pid=4713"), "The heap stays as it is: mimalloc") != NULL, "page: what a release cannot do");
    child->books.heap_kind = PST_HEAP_GLIBC;
    ok(!strstr(face(PST_EMIT_HTML, "pid=4713"), "The heap stays as it is"), "page: and what it can");
    __atomic_store_n(&child->owner, 0, __ATOMIC_RELEASE);
}

static void pages(void)
{
    pst_shared_child_t *child = add_child(&board, 5000);

    for (apr_uint32_t s = 0; s < 8; s++) {
        add_connection(&board, child, s, 1000000 * (s + 1), PST_KIND_CLIENT, "pages.example");
    }
    is_number(times(face(PST_EMIT_HTML, "rows=3&vhost=pages.example"), "<span class=\"id\">"), 3, "a page shows its rows");
    ok(strstr(out, "1 to 3 of 8") && strstr(out, "rows=3&amp;from=3\">next"), "and leads to the next");
    is_number(times(face(PST_EMIT_HTML, "rows=3&from=6&vhost=pages.example"), "<span class=\"id\">"), 2, "the last shows the rest");
    ok(strstr(out, "7 to 8 of 8") && strstr(out, "from=3\">previous") && !strstr(out, ">next"), "and leads back");
    is_number(times(face(PST_EMIT_TEXT, "auto&rows=3&pid=5000"), ".State: "), 3, "text shows the same window");
    ok(strstr(out, "Child.5000.Connection.8.") != NULL, "the largest of it");
    ok(strstr(face(PST_EMIT_HTML, "pid=1"), "No child of this pid") && strstr(out, "No connection matches"),
       "nothing to show is said");
}

static void hostile(void)
{
    static const char evil[] = "</td><script>alert(1)</script>\"'><img src=x onerror=y>{{line}}\r\nTotalPools: 0\r\n\xff\xc3";
    pst_shared_child_t *child = add_child(&board, 6000);
    pst_shared_slot_t *slot = add_connection(&board, child, 0, 50, PST_KIND_CLIENT, evil);

    apr_cpystrn(slot->line, evil, sizeof(slot->line));
    apr_cpystrn(slot->client, evil, sizeof(slot->client));
    apr_cpystrn(slot->handler, evil, sizeof(slot->handler));
    apr_cpystrn(slot->protocol, evil, sizeof(slot->protocol));
    apr_cpystrn(child->reason, evil, sizeof(child->reason));
    child->level = PST_LEVEL_HOOKS;
    face(PST_EMIT_HTML, "vhost=%3Cscript%3E%22'&pid=6000");
    ok(scripts_are_ours() && !strstr(out, "<img") && is_markup(out) && is_utf8(out),
       "page: neither the board nor the query gets out of its place");
    face(PST_EMIT_HTML, "pid=6000");
    ok(scripts_are_ours() && !strstr(out, "<img") && is_markup(out) && is_utf8(out), "page: nor a row");
    ok(strstr(out, "alert(1)") != NULL, "page: the text is there to be read");
    ok(is_json(face(PST_EMIT_JSON, "")) && is_utf8(out), "JSON stays JSON");
    ok(is_utf8(face(PST_EMIT_TEXT, "auto&pid=6000")) && times(out, "\nTotalPools: ") == 1,
       "text: a client adds no line");
}

static void noise(void)
{
    int good = 0;

    srand(2);
    for (int round = 0; round < 60; round++) {
        for (char *c = (char *)pst_board_child(&board, 0); c < (char *)board.base + board.size; c++) {
            *c = (char)rand();
        }
        for (apr_uint32_t i = 0; i < board.child_count; i++) {
            pst_board_child(&board, i)->ready = 1;
            for (apr_uint32_t s = 0; s < board.slot_count; s++) {
                pst_board_slot(&board, pst_board_child(&board, i), s)->seq &= ~1u;
            }
        }
        good += is_json(face(PST_EMIT_JSON, "")) && is_utf8(out) && is_utf8(face(PST_EMIT_TEXT, "auto"))
                && is_utf8(face(PST_EMIT_HTML, "")) && is_markup(out) && scripts_are_ours();
    }
    is_number((unsigned)good, 60, "random bytes on the board: every face keeps its form");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 8, pool);
    agree();
    ages();
    pages();
    hostile();
    noise();
    pst_board_close(&board);
    free(out);
    apr_terminate();
    return done();
}
