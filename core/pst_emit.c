/* SPDX-License-Identifier: Apache-2.0
 *
 * The emitter.  See pst_emit.h.  One emitter belongs to one thread.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "pst_emit.h"
#include "pst_format.h"

/* Classes of bytes: the first two need care everywhere, the others in one back end. */
enum { CONTROL = 1, HIGH = 2, IN_JSON = 4, IN_TEXT = 8, IN_HTML = 16 };

static const unsigned char classes[256] = {
    [0 ... 0x1f] = CONTROL, [0x7f] = CONTROL, [0x80 ... 0xff] = HIGH,
    ['"'] = IN_JSON | IN_HTML, ['\\'] = IN_JSON | IN_TEXT,
    ['&'] = IN_HTML, ['<'] = IN_HTML, ['>'] = IN_HTML, ['\''] = IN_HTML
};

#define REPLACEMENT "\xef\xbf\xbd"      /* U+FFFD */

void pst_emit_init(pst_emit_t *emit, pst_emit_e to, pst_sink_fn sink, void *baton)
{
    static const unsigned char of[] = { [PST_EMIT_JSON] = IN_JSON, [PST_EMIT_TEXT] = IN_TEXT,
                                        [PST_EMIT_HTML] = IN_HTML };

    memset(emit, 0, offsetof(pst_emit_t, buffer));
    emit->to = to;
    emit->mask = CONTROL | HIGH | of[to];
    emit->sink = sink;
    emit->baton = baton;
    emit->fresh = 1;
}

apr_status_t pst_emit_flush(pst_emit_t *emit)
{
    apr_size_t len = emit->used;

    emit->used = 0;
    if (len && emit->status == APR_SUCCESS) {
        emit->status = emit->sink(emit->baton, emit->buffer, len);
    }
    return emit->status;
}

/* The rare case: more than there is room for. */
static void put_across(pst_emit_t *emit, const char *data, apr_size_t len)
{
    while (len > PST_EMIT_BUFFER - emit->used) {
        apr_size_t part = PST_EMIT_BUFFER - emit->used;

        memcpy(emit->buffer + emit->used, data, part);
        emit->used += part;
        data += part;
        len -= part;
        if (pst_emit_flush(emit) != APR_SUCCESS) {
            return;
        }
    }
    memcpy(emit->buffer + emit->used, data, len);
    emit->used += len;
}

static inline void put(pst_emit_t *emit, const char *data, apr_size_t len)
{
    if (len > PST_EMIT_BUFFER - emit->used) {
        put_across(emit, data, len);
        return;
    }
    memcpy(emit->buffer + emit->used, data, len);
    emit->used += len;
}

static void put_string(pst_emit_t *emit, const char *text)
{
    put(emit, text, strlen(text));
}

static inline void put_char(pst_emit_t *emit, char c)
{
    if (emit->used == PST_EMIT_BUFFER) {
        pst_emit_flush(emit);
    }
    emit->buffer[emit->used++] = c;
}

static void put_digits(pst_emit_t *emit, apr_uint64_t value)
{
    char digits[PST_FORMAT_LEN];
    apr_size_t len = pst_format_digits(digits, value);

    put(emit, digits, len);
}

/* How many bytes at s are one valid UTF-8 character of more than one byte; 0 if none (RFC 3629). */
static apr_size_t utf8_at(const unsigned char *s, apr_size_t left)
{
    apr_size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned char low = 0x80, high = 0xbf;

    if (s[0] < 0xc2 || s[0] > 0xf4 || left < need) {
        return 0;
    }
    switch (s[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;      /* surrogates */
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (apr_size_t i = 2; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return need;
}

/* Characters that would turn what a person reads around them: C1 controls, and those that set direction. */
static int misleads(const unsigned char *s, apr_size_t len)
{
    if (len == 2) {
        return s[0] == 0xc2 && s[1] < 0xa0;
    }
    if (len != 3 || s[0] != 0xe2) {
        return 0;
    }
    if (s[1] == 0x80) {
        return s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae);
    }
    return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
}

static void put_high(pst_emit_t *emit, const unsigned char *s, apr_size_t len)
{
    if (!len || (emit->to != PST_EMIT_JSON && misleads(s, len))) {
        put(emit, REPLACEMENT, 3);
    }
    else {
        put(emit, (const char *)s, len);
    }
}

/* A control character: JSON keeps it, people see that it was there. */
static void put_control(pst_emit_t *emit, unsigned char c)
{
    char out[8];

    switch (emit->to) {
    case PST_EMIT_JSON:
        snprintf(out, sizeof(out), "\\u%04x", c);
        break;
    case PST_EMIT_TEXT:
        snprintf(out, sizeof(out), "\\x%02x", c);
        break;
    default:
        /* control pictures: U+2400 and on, U+2421 for DEL */
        memcpy(out, "\xe2\x90\x80", 4);
        out[2] = (char)(0x80 + (c == 0x7f ? 0x21 : c));
        break;
    }
    put_string(emit, out);
}

static void put_mark(pst_emit_t *emit, unsigned char c)
{
    if (emit->to != PST_EMIT_HTML) {
        put_char(emit, '\\');
        put_char(emit, (char)c);
        return;
    }
    switch (c) {
    case '&': put_string(emit, "&amp;"); break;
    case '<': put_string(emit, "&lt;"); break;
    case '>': put_string(emit, "&gt;"); break;
    case '"': put_string(emit, "&quot;"); break;
    default: put_string(emit, "&#39;"); break;
    }
}

static void put_escaped(pst_emit_t *emit, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char *end = s + strlen(text);

    while (s < end) {
        const unsigned char *run = s;
        apr_size_t len = 1;

        while (s < end && !(classes[*s] & emit->mask)) {
            s++;
        }
        put(emit, (const char *)run, (apr_size_t)(s - run));
        if (s == end) {
            return;
        }
        if (classes[*s] & HIGH) {
            len = utf8_at(s, (apr_size_t)(end - s));
            put_high(emit, s, len);
        }
        else if (classes[*s] & CONTROL) {
            put_control(emit, *s);
        }
        else {
            put_mark(emit, *s);
        }
        s += len ? len : 1;
    }
}

/* reserved_bytes becomes ReservedBytes. */
static apr_size_t camel(char *to, apr_size_t room, const char *key)
{
    apr_size_t n = 0;
    int up = 1;

    for (; *key && n < room; key++) {
        if (*key == '_') {
            up = 1;
            continue;
        }
        to[n++] = up && *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
        up = 0;
    }
    return n;
}

/* Whatever comes before a value: in JSON a comma and the key, in TEXT the line's key. */
static void begin_value(pst_emit_t *emit, const char *key)
{
    if (emit->to == PST_EMIT_TEXT) {
        char line_key[64];
        apr_size_t len = camel(line_key, sizeof(line_key), key);

        put(emit, emit->prefix, emit->prefix_len);
        put(emit, line_key, len);
        put(emit, ": ", 2);
        return;
    }
    if (!emit->fresh) {
        put_char(emit, ',');
    }
    emit->fresh = 0;
    if (key) {
        put_char(emit, '"');
        put_string(emit, key);
        put(emit, "\":", 2);
    }
}

static void end_value(pst_emit_t *emit)
{
    if (emit->to == PST_EMIT_TEXT) {
        put_char(emit, '\n');
    }
}

/* Enter a level; too deep is a mistake of ours that must not write beyond the arrays. */
static void enter(pst_emit_t *emit, const char *key, char opener, char closer)
{
    if (emit->to == PST_EMIT_JSON) {
        begin_value(emit, key);
        put_char(emit, opener);
        emit->fresh = 1;
    }
    if (emit->depth < PST_EMIT_DEPTH) {
        emit->closer[emit->depth] = closer;
        emit->prefix_was[emit->depth] = emit->prefix_len;
        emit->one[emit->depth] = NULL;
    }
    emit->depth++;
}

void pst_emit_object(pst_emit_t *emit, const char *key)
{
    enter(emit, key, '{', '}');
    if (key && emit->to == PST_EMIT_TEXT) {
        emit->prefix_len += camel(emit->prefix + emit->prefix_len, PST_EMIT_PREFIX - emit->prefix_len, key);
    }
}

void pst_emit_array(pst_emit_t *emit, const char *key, const char *one)
{
    enter(emit, key, '[', ']');
    if (emit->depth <= PST_EMIT_DEPTH) {
        emit->one[emit->depth - 1] = one;
    }
}

void pst_emit_element(pst_emit_t *emit, apr_uint64_t id)
{
    const char *one = emit->depth && emit->depth <= PST_EMIT_DEPTH ? emit->one[emit->depth - 1] : NULL;
    char digits[PST_FORMAT_LEN];
    int n;

    enter(emit, NULL, '{', '}');
    if (emit->to != PST_EMIT_TEXT) {
        return;
    }
    pst_format_digits(digits, id);
    n = snprintf(emit->prefix + emit->prefix_len, PST_EMIT_PREFIX - emit->prefix_len, "%s.%s.",
                 one ? one : "", digits);
    if (n > 0 && (apr_size_t)n < PST_EMIT_PREFIX - emit->prefix_len) {
        emit->prefix_len += (apr_size_t)n;
    }
}

void pst_emit_end(pst_emit_t *emit)
{
    if (!emit->depth || --emit->depth >= PST_EMIT_DEPTH) {
        return;
    }
    if (emit->to == PST_EMIT_JSON) {
        put_char(emit, emit->closer[emit->depth]);
        if (!emit->depth) {
            put_char(emit, '\n');
        }
        emit->fresh = 0;
    }
    emit->prefix_len = emit->prefix_was[emit->depth];
}

void pst_emit_text(pst_emit_t *emit, const char *key, const char *text)
{
    begin_value(emit, key);
    if (emit->to == PST_EMIT_JSON) {
        put_char(emit, '"');
        put_escaped(emit, text);
        put_char(emit, '"');
    }
    else {
        put_escaped(emit, text);
    }
    end_value(emit);
}

void pst_emit_number(pst_emit_t *emit, const char *key, apr_uint64_t value)
{
    begin_value(emit, key);
    put_digits(emit, value);
    end_value(emit);
}

void pst_emit_flag(pst_emit_t *emit, const char *key, int flag)
{
    begin_value(emit, key);
    put_string(emit, flag ? "true" : "false");
    end_value(emit);
}

void pst_emit_seconds(pst_emit_t *emit, const char *key, apr_uint64_t usec, int decimals)
{
    char seconds[PST_FORMAT_LEN];
    apr_size_t len = pst_format_seconds(seconds, usec, decimals);

    begin_value(emit, key);
    put(emit, seconds, len);
    end_value(emit);
}

void pst_emit_signed(pst_emit_t *emit, const char *key, double value)
{
    int good = value > -4e18 && value < 4e18;
    double whole = value < 0 ? -value + 0.5 : value + 0.5;

    begin_value(emit, key);
    if (good && value <= -0.5) {
        put_char(emit, '-');
    }
    put_digits(emit, good ? (apr_uint64_t)whole : 0);
    end_value(emit);
}

void pst_emit_decimal(pst_emit_t *emit, const char *key, double value)
{
    pst_emit_seconds(emit, key, value > 0 && value < 4e12 ? (apr_uint64_t)(value * 1e6 + 500) : 0, 3);
}

void pst_emit_null(pst_emit_t *emit, const char *key)
{
    if (emit->to == PST_EMIT_JSON) {
        begin_value(emit, key);
        put(emit, "null", 4);
    }
}

/* A figure for people, and exactly, with its unit. */
static void figure_texts(const pst_metric_t *metric, apr_uint64_t value, char *people, char *exact)
{
    static const char *const units[][2] = {
        [PST_BYTES] = { "bytes", "byte" }, [PST_POOLS] = { "pools", "pool" }, [PST_NODES] = { "nodes", "node" },
        [PST_CONNECTIONS] = { "connections", "connection" }, [PST_REQUESTS] = { "requests", "request" },
        [PST_EVENTS] = { "times", "time" }, [PST_USEC] = { "", "" }, [PST_CHILDREN] = { "children", "child" },
        [PST_SPAN] = { "", "" }, [PST_SAMPLES] = { "samples", "sample" }
    };
    char count[PST_FORMAT_LEN];

    if (metric->unit == PST_USEC) {
        pst_format_time(people, value);
        pst_format_time(exact, value);
        return;
    }
    if (metric->unit == PST_SPAN) {
        pst_format_span(people, value);
        pst_format_count(count, value);
        snprintf(exact, 2 * PST_FORMAT_LEN, "%s microseconds", count);
        return;
    }
    pst_format_count(count, value);
    snprintf(exact, 2 * PST_FORMAT_LEN, "%s %s", count, units[metric->unit][value == 1]);
    if (metric->unit == PST_BYTES) {
        pst_format_size(people, value);
    }
    else {
        memcpy(people, count, sizeof(count));
    }
}

void pst_emit_figure(pst_emit_t *emit, const char *key, pst_metric_e which, apr_uint64_t value)
{
    const pst_metric_t *metric = &pst_metrics[which];
    char people[PST_FORMAT_LEN], exact[2 * PST_FORMAT_LEN];

    if (emit->to != PST_EMIT_HTML) {
        if (metric->kind == PST_TIME || metric->unit == PST_SPAN) {
            pst_emit_seconds(emit, key, value, 6);
        }
        else {
            pst_emit_number(emit, key, value);
        }
        return;
    }
    if (!emit->cell) {
        return;
    }
    figure_texts(metric, value, people, exact);
    {
        const pst_field_t fields[] = {
            { "key", key, 0 }, { "label", metric->label, 0 }, { "help", metric->help, 0 },
            { "value", people, 0 }, { "exact", exact, 0 }, { "zero", value ? "" : " zero", 0 },
            { "share", NULL, emit->share }
        };

        pst_emit_piece(emit, emit->cell, fields, sizeof(fields) / sizeof(fields[0]));
    }
}

void pst_emit_cell(pst_emit_t *emit, const pst_piece_t *cell)
{
    emit->cell = cell;
}

void pst_emit_share(pst_emit_t *emit, unsigned share)
{
    emit->share = share;
}

void pst_emit_heading(pst_emit_t *emit, const pst_piece_t *piece, pst_metric_e metric, const char *href)
{
    const pst_field_t fields[] = {
        { "label", pst_metrics[metric].label, 0 }, { "help", pst_metrics[metric].help, 0 }, { "href", href, 0 }
    };

    pst_emit_piece(emit, piece, fields, sizeof(fields) / sizeof(fields[0]));
}

static void put_field(pst_emit_t *emit, const char *name, apr_size_t len, const pst_field_t *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strncmp(fields[i].name, name, len) && !fields[i].name[len]) {
            if (fields[i].text) {
                put_escaped(emit, fields[i].text);
            }
            else {
                put_digits(emit, fields[i].value);
            }
            return;
        }
    }
}

void pst_emit_piece(pst_emit_t *emit, const pst_piece_t *piece, const pst_field_t *fields, unsigned count)
{
    const char *at = piece->text, *end = piece->text + piece->len;

    for (;;) {
        const char *open = strstr(at, "{{");
        const char *close = open ? strstr(open, "}}") : NULL;

        if (!close) {
            put(emit, at, (apr_size_t)(end - at));
            return;
        }
        put(emit, at, (apr_size_t)(open - at));
        put_field(emit, open + 2, (apr_size_t)(close - open - 2), fields, count);
        at = close + 2;
    }
}

void pst_emit_sentence(pst_emit_t *emit, const char *sentence)
{
    put_escaped(emit, sentence);
    put_char(emit, '\n');
}
