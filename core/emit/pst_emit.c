/* SPDX-License-Identifier: Apache-2.0
 *
 * The emitter.  See pst_emit.h.  One emitter belongs to one thread.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "pst_emit.h"
#include "pst_array.h"
#include "pst_figure.h"
#include "pst_format.h"

/* What cannot stay as it is, for each back end: one table each, so that a check is one load per byte. NUL, which
 * ends a text, is a CONTROL. */
enum { CONTROL = 1, HIGH, MARK };

#define EVERYWHERE [0 ... 0x1f] = CONTROL, [0x7f] = CONTROL, [0x80 ... 0xff] = HIGH
static const unsigned char classes[][256] = {
    [PST_EMIT_JSON] = { EVERYWHERE, ['"'] = MARK, ['\\'] = MARK },
    [PST_EMIT_TEXT] = { EVERYWHERE, ['\\'] = MARK },
    [PST_EMIT_HTML] = { EVERYWHERE, ['"'] = MARK, ['&'] = MARK, ['<'] = MARK, ['>'] = MARK, ['\''] = MARK },
    [PST_EMIT_METRICS] = { EVERYWHERE, ['"'] = MARK, ['\\'] = MARK },
    [PST_EMIT_OPENMETRICS] = { EVERYWHERE, ['"'] = MARK, ['\\'] = MARK }
};

#define REPLACEMENT "\xef\xbf\xbd"      /* U+FFFD */

void pst_emit_init(pst_emit_t *emit, pst_emit_e to, pst_sink_fn sink, void *baton)
{
    memset(emit, 0, offsetof(pst_emit_t, buffer));
    emit->to = to;
    emit->classes = classes[to];
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
__attribute__((noinline)) static void put_across(pst_emit_t *emit, const char *data, apr_size_t len)
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

static inline void put_bytes(pst_emit_t *emit, const char *data, apr_size_t len)
{
    if (len > PST_EMIT_BUFFER - emit->used) {
        put_across(emit, data, len);
        return;
    }
    memcpy(emit->buffer + emit->used, data, len);
    emit->used += len;
}

/* The same for a text where SHORT bytes can be read from any of its bytes and from its end: a piece, see
 * PST_PIECE_PAD. */
enum { SHORT = sizeof(PST_PIECE_PAD) };

static inline void put_run(pst_emit_t *emit, const char *data, apr_size_t len)
{
    if (len > SHORT || emit->used > PST_EMIT_BUFFER - SHORT) {
        put_bytes(emit, data, len);
        return;
    }
    memcpy(emit->buffer + emit->used, data, SHORT);
    emit->used += len;
}

static void put_string(pst_emit_t *emit, const char *text)
{
    put_bytes(emit, text, strlen(text));
}

static inline void put_char(pst_emit_t *emit, char c)
{
    if (emit->used == PST_EMIT_BUFFER) {
        pst_emit_flush(emit);
    }
    emit->buffer[emit->used++] = c;
}

/* Where a figure's text can be written directly; the caller adds what it wrote to `used`. */
static inline char *room(pst_emit_t *emit)
{
    if (PST_EMIT_BUFFER - emit->used < PST_FORMAT_LEN) {
        pst_emit_flush(emit);
    }
    return emit->buffer + emit->used;
}

static void put_digits(pst_emit_t *emit, apr_uint64_t value)
{
    emit->used += pst_format_digits(room(emit), value);
}

/* How many bytes at s are one valid UTF-8 character of more than one byte; 0 if none (RFC 3629). The NUL is never
 * part of a character, so nothing is read beyond it. */
static apr_size_t utf8_at(const unsigned char *s)
{
    apr_size_t need = 2 + (s[0] >= 0xe0) + (s[0] >= 0xf0);
    unsigned char low = 0x80, high = 0xbf;

    if (s[0] < 0xc2 || s[0] > 0xf4) {
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

static unsigned decode_utf8(const unsigned char *s, apr_size_t len)
{
    unsigned code = s[0] & (0x7fu >> len);      /* its first byte begins with that many ones and a zero */

    for (apr_size_t i = 1; i < len; i++) {
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code;
}

/*
 * Characters that change how the text around them is read, or that nobody sees, in order: C1 controls, all of Unicode's
 * format characters (Cf: direction, zero width, tags), separators of lines, fillers, variation selectors, and what is
 * not a character (Unicode 15, DerivedGeneralCategory and Default_Ignorable_Code_Point).
 */
static const struct {
    unsigned first, last;
} misleading[] = {
    { 0x80, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x600, 0x605 }, { 0x61c, 0x61c }, { 0x6dd, 0x6dd },
    { 0x70f, 0x70f }, { 0x890, 0x891 }, { 0x8e2, 0x8e2 }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
    { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfdd0, 0xfdef },
    { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff },
    { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
    { 0xe0000, 0xe0fff }
};

static int misleads(unsigned code)
{
    unsigned i;

    for (i = 0; i < PST_ITEMS(misleading) - 1 && code > misleading[i].last; i++) { }
    return (code >= misleading[i].first && code <= misleading[i].last) || (code & 0xfffe) == 0xfffe;
}

/* The same text to a parser, but harmless in a terminal. */
static void put_number(pst_emit_t *emit, unsigned code)
{
    char out[16];

    if (code > 0xffff) {
        snprintf(out, sizeof(out), "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    }
    else {
        snprintf(out, sizeof(out), "\\u%04x", code);
    }
    put_string(emit, out);
}

static void put_high(pst_emit_t *emit, const unsigned char *s, apr_size_t len)
{
    unsigned code = len ? decode_utf8(s, len) : 0;

    if (len && !misleads(code)) {
        put_bytes(emit, (const char *)s, len);
    }
    else if (len && emit->to == PST_EMIT_JSON) {
        put_number(emit, code);
    }
    else {
        put_bytes(emit, REPLACEMENT, 3);
    }
}

/* A control character: JSON keeps it, people see a mark in its place. */
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

/* One byte or character that cannot stay as it is. @return its length */
__attribute__((noinline)) static apr_size_t put_special(pst_emit_t *emit, const unsigned char *s)
{
    if (emit->classes[*s] == HIGH) {
        apr_size_t len = utf8_at(s);

        put_high(emit, s, len);
        return len ? len : 1;
    }
    if (emit->classes[*s] == CONTROL) {
        put_control(emit, *s);
    }
    else {
        put_mark(emit, *s);
    }
    return 1;
}

/* Find the first byte that cannot stay as it is, or the NUL. Four at a time: most bytes of a page pass here. */
static const unsigned char *end_of_plain(const unsigned char *s, const unsigned char *class_of)
{
    for (;; s += 4) {
        if (class_of[s[0]]) {
            return s;
        }
        if (class_of[s[1]]) {
            return s + 1;
        }
        if (class_of[s[2]]) {
            return s + 2;
        }
        if (class_of[s[3]]) {
            return s + 3;
        }
    }
}

static void put_escaped(pst_emit_t *emit, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    for (;;) {
        const unsigned char *run = s;

        s = end_of_plain(s, emit->classes);
        if (s > run) {
            put_bytes(emit, (const char *)run, (apr_size_t)(s - run));
        }
        if (!*s) {
            return;
        }
        s += put_special(emit, s);
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

        put_bytes(emit, emit->prefix, emit->prefix_len);
        put_bytes(emit, line_key, len);
        put_bytes(emit, ": ", 2);
        return;
    }
    if (!emit->fresh) {
        put_char(emit, ',');
    }
    emit->fresh = 0;
    if (key) {
        put_char(emit, '"');
        put_string(emit, key);
        put_bytes(emit, "\":", 2);
    }
}

static void end_value(pst_emit_t *emit)
{
    if (emit->to == PST_EMIT_TEXT) {
        put_char(emit, '\n');
    }
}

/* Enter a level; too deep a level is our own bug, which must not write beyond the arrays. */
static void enter_level(pst_emit_t *emit, const char *key, char opener, char closer)
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
    enter_level(emit, key, '{', '}');
    if (key && emit->to == PST_EMIT_TEXT) {
        emit->prefix_len += camel(emit->prefix + emit->prefix_len, PST_EMIT_PREFIX - emit->prefix_len, key);
    }
}

void pst_emit_array(pst_emit_t *emit, const char *key, const char *one)
{
    enter_level(emit, key, '[', ']');
    if (emit->depth <= PST_EMIT_DEPTH) {
        emit->one[emit->depth - 1] = one;
    }
}

void pst_emit_element(pst_emit_t *emit, apr_uint64_t id)
{
    const char *one = emit->depth && emit->depth <= PST_EMIT_DEPTH ? emit->one[emit->depth - 1] : NULL;
    char digits[PST_FORMAT_LEN];
    int n;

    enter_level(emit, NULL, '{', '}');
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
    put_bytes(emit, seconds, len);
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
        put_bytes(emit, "null", 4);
    }
}

/* A figure for people. */
static void put_people(pst_emit_t *emit, const pst_metric_t *metric, apr_uint64_t value)
{
    char *to = room(emit);

    if (value == PST_UNKNOWN) {
        put_bytes(emit, PST_FORMAT_UNKNOWN, 1);
    }
    else if (metric->unit == PST_USEC) {
        emit->used += strlen(pst_format_time(to, value));
    }
    else if (metric->unit == PST_SPAN) {
        emit->used += strlen(pst_format_span(to, value));
    }
    else if (metric->unit == PST_BYTES) {
        emit->used += pst_format_put_size(to, value);
    }
    else {
        emit->used += pst_format_put_count(to, value);
    }
}

/* A figure exactly, with its unit. */
static void put_exact(pst_emit_t *emit, const pst_metric_t *metric, apr_uint64_t value)
{
#define UNIT(text) { text, sizeof(text) - 1 }
    static const struct { char text[SHORT]; apr_size_t len; } units[][2] = {
        [PST_BYTES] = { UNIT(" bytes"), UNIT(" byte") }, [PST_POOLS] = { UNIT(" pools"), UNIT(" pool") },
        [PST_NODES] = { UNIT(" nodes"), UNIT(" node") },
        [PST_CONNECTIONS] = { UNIT(" connections"), UNIT(" connection") },
        [PST_REQUESTS] = { UNIT(" requests"), UNIT(" request") }, [PST_EVENTS] = { UNIT(" times"), UNIT(" time") },
        [PST_CHILDREN] = { UNIT(" children"), UNIT(" child") },
        [PST_SPAN] = { UNIT(" microseconds"), UNIT(" microseconds") },
        [PST_SAMPLES] = { UNIT(" samples"), UNIT(" sample") },
        [PST_ARENAS] = { UNIT(" arenas"), UNIT(" arena") }, [PST_FLAG] = { UNIT(""), UNIT("") },
        [PST_VERDICTS] = { UNIT(" verdicts"), UNIT(" verdict") },
        [PST_PROCESSES] = { UNIT(" processes"), UNIT(" process") }
    };
#undef UNIT

    if (value == PST_UNKNOWN) {
        put_bytes(emit, "not known", 9);
        return;
    }
    if (metric->unit == PST_USEC) {
        put_people(emit, metric, value);
        return;
    }
    emit->used += pst_format_put_count(room(emit), value);
    put_run(emit, units[metric->unit][value == 1].text, units[metric->unit][value == 1].len);
}

/* The current cell, filled in. Our own text for numbers needs no escaping. */
static void put_cell(pst_emit_t *emit, const char *key, const pst_metric_t *metric, apr_uint64_t value)
{
    const pst_piece_t *cell = emit->cell;
    unsigned at = 0;

    for (unsigned i = 0; i < cell->gap_count; i++) {
        const pst_gap_t *gap = &cell->gaps[i];

        put_run(emit, cell->text + at, gap->at - at);
        at = gap->at;
        switch (gap->of_figure) {
        case PST_GAP_KEY: put_escaped(emit, key); break;
        case PST_GAP_LABEL: put_escaped(emit, metric->label); break;
        case PST_GAP_HELP: put_escaped(emit, metric->help); break;
        case PST_GAP_VALUE: put_people(emit, metric, value); break;
        case PST_GAP_EXACT: put_exact(emit, metric, value); break;
        case PST_GAP_ZERO:
            if (!value) {
                put_bytes(emit, " zero", 5);
            }
            break;
        case PST_GAP_SHARE: put_digits(emit, emit->share); break;
        default: break;
        }
    }
    put_run(emit, cell->text + at, cell->len - at);
}

static void put_unknown_value(pst_emit_t *emit, const char *key)
{
    if (emit->to == PST_EMIT_TEXT) {
        pst_emit_text(emit, key, PST_FORMAT_UNKNOWN);
    }
    else {
        pst_emit_null(emit, key);
    }
}

void pst_emit_figure(pst_emit_t *emit, const char *key, pst_metric_e which, apr_uint64_t value)
{
    const pst_metric_t *metric = &pst_metrics[which];

    if (value == PST_UNKNOWN && emit->to != PST_EMIT_HTML) {
        put_unknown_value(emit, key);
    }
    else if (emit->to == PST_EMIT_HTML) {
        if (emit->cell) {
            put_cell(emit, key, metric, value);
        }
    }
    else if (metric->kind == PST_TIME || metric->unit == PST_SPAN) {
        pst_emit_seconds(emit, key, value, 6);
    }
    else {
        pst_emit_number(emit, key, value);
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
        { "key", pst_metrics[metric].key, 0 }, { "label", pst_metrics[metric].label, 0 },
        { "help", pst_metrics[metric].help, 0 }, { "href", href, 0 }
    };

    pst_emit_piece(emit, piece, fields, PST_ITEMS(fields));
}

/* The linker merges equal literals, so comparing pointers is mostly enough; if not, the text decides. */
static const pst_field_t *find_field(const char *name, const pst_field_t *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fields[i].name == name) {
            return &fields[i];
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(fields[i].name, name)) {
            return &fields[i];
        }
    }
    return NULL;
}

void pst_emit_piece(pst_emit_t *emit, const pst_piece_t *piece, const pst_field_t *fields, unsigned count)
{
    unsigned at = 0;

    for (unsigned i = 0; i < piece->gap_count; i++) {
        const pst_gap_t *gap = &piece->gaps[i];
        const pst_field_t *field = find_field(gap->name, fields, count);

        put_run(emit, piece->text + at, gap->at - at);
        at = gap->at;
        if (field && field->text) {
            put_escaped(emit, field->text);
        }
        else if (field) {
            put_digits(emit, field->value);
        }
    }
    put_run(emit, piece->text + at, piece->len - at);
}

void pst_emit_raw(pst_emit_t *emit, const char *ours, apr_size_t len)
{
    put_bytes(emit, ours, len);
}

void pst_emit_escaped(pst_emit_t *emit, const char *text)
{
    put_escaped(emit, text);
}

void pst_emit_sentence(pst_emit_t *emit, const char *sentence)
{
    put_escaped(emit, sentence);
    put_char(emit, '\n');
}
