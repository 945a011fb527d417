/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the emitter's three back ends, and what arbitrary bytes become in each.
 */
#include <stdlib.h>
#include "tap.h"
#include "pst_emit.h"
#include "pst_figure.h"
#include "pst_web.h"

static char out[1 << 20];
static size_t out_len, sink_calls, sink_largest;
static int sink_fails;
static pst_emit_t emit;

static apr_status_t sink(void *baton, const char *data, apr_size_t len)
{
    (void)baton;
    sink_calls++;
    sink_largest = len > sink_largest ? len : sink_largest;
    if (sink_fails) {
        return APR_EGENERAL;
    }
    memcpy(out + out_len, data, len);
    out_len += len;
    out[out_len] = '\0';
    return APR_SUCCESS;
}

static void begin(pst_emit_e to)
{
    out_len = sink_calls = sink_largest = 0;
    out[0] = '\0';
    pst_emit_init(&emit, to, sink, NULL);
}

static void printed(const char *expected, const char *what)
{
    pst_emit_flush(&emit);
    is_text(out, expected, what);
}

static void json(void)
{
    begin(PST_EMIT_JSON);
    pst_emit_object(&emit, NULL);
    pst_emit_number(&emit, "n", 0);
    pst_emit_object(&emit, "empty");
    pst_emit_end(&emit);
    pst_emit_array(&emit, "list", "One");
    pst_emit_element(&emit, 7);
    pst_emit_flag(&emit, "yes", 1);
    pst_emit_null(&emit, "nothing");
    pst_emit_end(&emit);
    pst_emit_element(&emit, 8);
    pst_emit_seconds(&emit, "age", 1500000, 3);
    pst_emit_end(&emit);
    pst_emit_end(&emit);
    pst_emit_figure(&emit, "reserved_bytes", PST_M_reserved_bytes, 8192);
    pst_emit_figure(&emit, "peak_time", PST_M_child_peak_time, 1500000);
    pst_emit_end(&emit);
    printed("{\"n\":0,\"empty\":{},\"list\":[{\"yes\":true,\"nothing\":null},{\"age\":1.500}],"
            "\"reserved_bytes\":8192,\"peak_time\":1.500000}\n", "JSON nests and puts its commas");
}

static void text(void)
{
    begin(PST_EMIT_TEXT);
    pst_emit_object(&emit, NULL);
    pst_emit_number(&emit, "schema", 1);
    pst_emit_object(&emit, "total");
    pst_emit_figure(&emit, "reserved_bytes", PST_M_reserved_bytes, 8192);
    pst_emit_end(&emit);
    pst_emit_array(&emit, "children", "Child");
    pst_emit_element(&emit, 4711);
    pst_emit_object(&emit, "process");
    pst_emit_figure(&emit, "pools", PST_M_pools, 3);
    pst_emit_end(&emit);
    pst_emit_null(&emit, "request");
    pst_emit_text(&emit, "level", "full");
    pst_emit_end(&emit);
    pst_emit_end(&emit);
    pst_emit_flag(&emit, "last", 0);
    pst_emit_end(&emit);
    printed("Schema: 1\nTotalReservedBytes: 8192\nChild.4711.ProcessPools: 3\nChild.4711.Level: full\nLast: false\n",
            "TEXT names a line by what it is in");
}

static void one_text(pst_emit_e to, const char *in, const char *expected, const char *what)
{
    static const pst_gap_t gap = { 0, PST_GAP_OTHER, "t" };
    static const pst_piece_t piece = { PST_PIECE_PAD, 0, &gap, 1 };
    const pst_field_t field = { "t", in, 0 };

    begin(to);
    if (to == PST_EMIT_HTML) {
        pst_emit_piece(&emit, &piece, &field, 1);
    }
    else if (to == PST_EMIT_TEXT) {
        pst_emit_sentence(&emit, in);
    }
    else {
        pst_emit_text(&emit, NULL, in);
    }
    printed(expected, what);
}

#define BAD "\xef\xbf\xbd"

/* In UTF-8. @return a static text */
static const char *character(unsigned code)
{
    static char text[5];

    memset(text, 0, sizeof(text));
    if (code < 0x800) {
        text[0] = (char)(0xc0 | code >> 6);
        text[1] = (char)(0x80 | (code & 0x3f));
    }
    else if (code < 0x10000) {
        text[0] = (char)(0xe0 | code >> 12);
        text[1] = (char)(0x80 | (code >> 6 & 0x3f));
        text[2] = (char)(0x80 | (code & 0x3f));
    }
    else {
        text[0] = (char)(0xf0 | code >> 18);
        text[1] = (char)(0x80 | (code >> 12 & 0x3f));
        text[2] = (char)(0x80 | (code >> 6 & 0x3f));
        text[3] = (char)(0x80 | (code & 0x3f));
    }
    return text;
}

static int comes_out(unsigned code, const char *as)
{
    begin(PST_EMIT_TEXT);
    pst_emit_sentence(&emit, character(code));
    pst_emit_flush(&emit);
    return !strcmp(out, as);
}

/* Characters that nobody sees, or that change the text around them: both ends of each range, and the visible
 * neighbours. */
static void unseen(void)
{
    static const unsigned hidden[] = {
        0x80, 0x9f, 0xad, 0x34f, 0x600, 0x61c, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029,
        0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x2069, 0x206f, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xfff9, 0xffff, 0x1d173,
        0x1fffe, 0xe0001, 0xe0020, 0xe007f, 0xe0100, 0xe01ef, 0x10ffff
    };
    static const unsigned seen[] = { 0xa0, 0xac, 0xae, 0x34e, 0x200a, 0x2010, 0x2027, 0x202f, 0x205f, 0x2070, 0x3163,
                                     0xfdff, 0xfe10, 0xfffd, 0x1f600, 0x1fffd, 0xe1000 };
    tally_t wrong = { 0, 0 };

    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (!comes_out(hidden[i], BAD "\n")) {
            printf("# U+%04X passes\n", hidden[i]);
            tally(&wrong, 1, hidden[i]);
        }
    }
    for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        if (comes_out(seen[i], BAD "\n") && seen[i] != 0xfffd) {
            printf("# U+%04X does not pass\n", seen[i]);
            tally(&wrong, 1, seen[i]);
        }
    }
    none_wrong(&wrong, "characters that nobody sees are replaced, their neighbours stay");
}

static void escaping(void)
{
    one_text(PST_EMIT_HTML, "<a href=\"x\">&'", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;", "HTML marks");
    one_text(PST_EMIT_HTML, "a\r\n\x7f", "a\xe2\x90\x8d\xe2\x90\x8a\xe2\x90\xa1", "HTML shows controls");
    one_text(PST_EMIT_HTML, "\xe2\x80\xae" "fdp.exe", BAD "fdp.exe", "HTML: nothing turns direction");
    one_text(PST_EMIT_HTML, "\xc2\x85\xc2\xa0", BAD "\xc2\xa0", "HTML: no C1 controls");
    one_text(PST_EMIT_TEXT, "a\xd8\x9c" "b\xef\xbb\xbf" "c", "a" BAD "b" BAD "c\n", "TEXT: no Arabic letter mark, no byte order mark");
    one_text(PST_EMIT_JSON, "\xd8\x9c\xef\xbb\xbf", "\"\\u061c\\ufeff\"", "JSON: both as numbers");
    one_text(PST_EMIT_TEXT, "\xd8\x9d\xef\xbb\xbe", "\xd8\x9d\xef\xbb\xbe\n", "but not their neighbours");
    one_text(PST_EMIT_JSON, "\"\\/\x01\n\x7f", "\"\\\"\\\\/\\u0001\\u000a\\u007f\"", "JSON marks and controls");
    one_text(PST_EMIT_JSON, "\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"", "JSON: a tag character as two numbers");
    unseen();
    one_text(PST_EMIT_JSON, "\xe2\x80\xae", "\"\\u202e\"", "JSON: the same text, but a terminal shows no harm");
    one_text(PST_EMIT_JSON, "\xc2\x9b\x7f", "\"\\u009b\\u007f\"", "JSON: no C1 control as it is");
    one_text(PST_EMIT_TEXT, "a\nServerVersion: x\\", "a\\x0aServerVersion: x\\\\\n", "TEXT: no line of a client's own");
    one_text(PST_EMIT_JSON, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
             "valid UTF-8 of two, three, four bytes");
    one_text(PST_EMIT_JSON, "\x80" "a\xff", "\"" BAD "a" BAD "\"", "stray bytes");
    one_text(PST_EMIT_JSON, "\xc3", "\"" BAD "\"", "cut after one of two");
    one_text(PST_EMIT_JSON, "\xe2\x82", "\"" BAD BAD "\"", "cut after two of three");
    one_text(PST_EMIT_JSON, "\xf0\x9f\x98\"", "\"" BAD BAD BAD "\\\"\"", "cut before a quote, which stays escaped");
    one_text(PST_EMIT_JSON, "\xc0\xaf", "\"" BAD BAD "\"", "overlong, two bytes");
    one_text(PST_EMIT_JSON, "\xe0\x80\xaf", "\"" BAD BAD BAD "\"", "overlong, three bytes");
    one_text(PST_EMIT_JSON, "\xed\xa0\x80", "\"" BAD BAD BAD "\"", "a surrogate");
    one_text(PST_EMIT_JSON, "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"", "beyond U+10FFFF");
}

static const char another_a[] = { 'a', '\0' };

static void html(void)
{
    static const pst_gap_t help_gaps[] = {
        { 0, PST_GAP_VALUE, "value" }, { 1, PST_GAP_SHARE, "share" }, { 2, PST_GAP_HELP, "help" }
    };
    static const pst_gap_t title_gaps[] = {
        { 11, PST_GAP_EXACT, "exact" }, { 20, PST_GAP_KEY, "key" }, { 20, PST_GAP_ZERO, "zero" },
        { 21, PST_GAP_OTHER, "other" }, { 22, PST_GAP_VALUE, "value" }
    };
    static const pst_gap_t odd_gaps[] = {
        { 0, PST_GAP_OTHER, "no" }, { 0, PST_GAP_OTHER, another_a }, { 0, PST_GAP_VALUE, "value" }
    };
    static const pst_piece_t helped = { "||" PST_PIECE_PAD, 2, help_gaps, 3 };
    static const pst_piece_t titled = { "<td title=\"\" class=\"\">" PST_PIECE_PAD, 22, title_gaps, 5 };
    static const pst_piece_t odd = { "{{" PST_PIECE_PAD, 2, odd_gaps, 3 };
    const pst_field_t fields[] = { { "a", NULL, 5 }, { "value", "<", 0 } };

    begin(PST_EMIT_HTML);
    pst_emit_figure(&emit, "pools", PST_M_pools, 3);
    printed("", "without a cell a figure prints nothing");
    pst_emit_cell(&emit, &helped);
    pst_emit_share(&emit, 17);
    pst_emit_figure(&emit, "pools", PST_M_pools, 1234);
    printed("1,234|17|Live APR pools charged to this scope.", "a figure fills its cell");
    begin(PST_EMIT_HTML);
    pst_emit_cell(&emit, &titled);
    pst_emit_figure(&emit, "reserved_bytes", PST_M_reserved_bytes, 0);
    pst_emit_figure(&emit, "pools", PST_M_pools, 1);
    pst_emit_figure(&emit, "peak_bytes", PST_M_peak_bytes, APR_UINT64_MAX - 1);
    pst_emit_figure(&emit, "held_bytes", PST_M_held_bytes, PST_UNKNOWN);
    printed("<td title=\"0 bytes\" class=\"reserved_bytes zero\">0 B<td title=\"1 pool\" class=\"pools\">1"
            "<td title=\"18,446,744,073,709,551,614 bytes\" class=\"peak_bytes\">16.0 EiB"
            "<td title=\"not known\" class=\"held_bytes\">-", "for people, and exact");
    begin(PST_EMIT_HTML);
    pst_emit_piece(&emit, &odd, fields, 2);
    printed("5&lt;{{", "a name without a field is empty; names are texts, wherever they lie; braces are text");
}

/* What web/embed.sh made of page.html: text and gaps, as the file has them. */
static void embedded(void)
{
    const pst_field_t fields[] = { { "x", NULL, 7 }, { "key", "k\"", 0 }, { "width", NULL, 12 } };
    const pst_piece_t *pieces[] = { &pst_web_top, &pst_web_cell_bar, &pst_web_row_open_master, &pst_web_bottom };
    tally_t wrong = { 0, 0 };

    begin(PST_EMIT_HTML);
    pst_emit_piece(&emit, &pst_web_segment, fields, 3);
    printed("<rect class=\"k-k&quot;\" x=\"7\" width=\"12\" height=\"10\"/>", "a piece of the page");
    begin(PST_EMIT_HTML);
    pst_emit_cell(&emit, &pst_web_cell);
    pst_emit_figure(&emit, "reserved_bytes", PST_M_reserved_bytes, 8192);
    pst_emit_figure(&emit, "pools", PST_M_pools, 0);
    printed("<td class=\"n\" data-label=\"Reserved\" title=\"8,192 bytes\">8.0 KiB</td>\n"
            "<td class=\"n zero\" data-label=\"Pools\" title=\"0 pools\">0</td>\n", "a cell of the page");
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        unsigned at = 0;

        for (unsigned g = 0; g < pieces[i]->gap_count; g++) {
            tally(&wrong, pieces[i]->gaps[g].at < at || pieces[i]->gaps[g].at > pieces[i]->len, i);
            at = pieces[i]->gaps[g].at;
        }
        tally(&wrong, strlen(pieces[i]->text) != pieces[i]->len || strstr(pieces[i]->text, "{{") != NULL, i);
    }
    none_wrong(&wrong, "gaps are in order and inside of their piece");
}

/* A figure arrives whole, wherever in the buffer it begins. */
static void buffer_end(void)
{
    static char filler[PST_EMIT_BUFFER];
    tally_t wrong = { 0, 0 };

    for (apr_size_t left = 0; left < 100; left++) {
        const pst_field_t fields[] = { { "href", filler, 0 }, { "label", "<", 0 } };

        memset(filler, 'x', sizeof(filler));
        filler[PST_EMIT_BUFFER - left - 1] = '\0';
        begin(PST_EMIT_HTML);
        pst_emit_piece(&emit, &pst_web_refresh_off, fields, 2);
        pst_emit_cell(&emit, &pst_web_cell);
        pst_emit_figure(&emit, "reserved_bytes", PST_M_reserved_bytes, APR_UINT64_MAX - 1);
        pst_emit_flush(&emit);
        tally(&wrong, !strstr(out, "x\">&lt;</a>\n<td class=\"n\" data-label=\"Reserved\" "
                              "title=\"18,446,744,073,709,551,614 bytes\">16.0 EiB</td>\n")
                 || sink_largest > PST_EMIT_BUFFER, left);
    }
    none_wrong(&wrong, "at any place of the buffer");
}

/* Text much larger than the buffer passes through it in pieces. */
static void streaming(void)
{
    static char large[200000];
    size_t expected = sizeof(large) - 1 + 2;

    memset(large, 'x', sizeof(large) - 1);
    begin(PST_EMIT_JSON);
    pst_emit_text(&emit, NULL, large);
    pst_emit_flush(&emit);
    is_number(out_len, expected, "all of a large text arrives");
    ok(sink_largest <= PST_EMIT_BUFFER && sink_calls == expected / PST_EMIT_BUFFER + 1, "in pieces of the buffer's size");
    for (size_t i = 0; i < sizeof(large) - 1; i++) {
        large[i] = "<\xff\n\"a"[i % 5];
    }
    begin(PST_EMIT_JSON);
    pst_emit_text(&emit, NULL, large);
    is_number(pst_emit_flush(&emit), APR_SUCCESS, "escapes cross the buffer's end");
    sink_fails = 1;
    begin(PST_EMIT_JSON);
    pst_emit_text(&emit, NULL, large);
    is_number(pst_emit_flush(&emit), APR_EGENERAL, "what the sink said comes back");
    is_number(sink_calls, 1, "and a sink that failed is left alone");
    sink_fails = 0;
}

/* A bug in a view must not become a write beyond the arrays. */
static void too_deep(void)
{
    begin(PST_EMIT_TEXT);
    for (int i = 0; i < 100; i++) {
        pst_emit_array(&emit, "a", "an_element_with_a_very_long_name_indeed");
        pst_emit_element(&emit, APR_UINT64_MAX);
        pst_emit_object(&emit, "an_object");
    }
    for (int i = 0; i < 400; i++) {
        pst_emit_end(&emit);
    }
    pst_emit_number(&emit, "after", 1);
    printed("After: 1\n", "too deep a nest, and too many ends, do no harm");
}

int main(void)
{
    json();
    text();
    escaping();
    html();
    embedded();
    buffer_end();
    streaming();
    too_deep();
    return done();
}
