/* SPDX-License-Identifier: Apache-2.0
 *
 * Content negotiation.  See pst_accept.h.  One pass over the header; what is not a media range is
 * ignored.
 */
#include <string.h>
#include <strings.h>
#include "pst_accept.h"

/* How well a range names a form; the most specific range decides, whatever its q. */
typedef enum { NOT = 0, ANYTHING, ANY_OF_TYPE, BY_NAME, BY_VERSION } fit_e;

typedef struct form_t {
    const char *type, *subtype, *version;
    fit_e fit;
    unsigned q;                 /* thousandths */
} form_t;

typedef struct word_t {
    const char *text;
    size_t len;
} word_t;

typedef struct range_t {
    word_t type, subtype, version;
    unsigned q;
} range_t;

static int is(word_t word, const char *text)
{
    return word.len == strlen(text) && !strncasecmp(word.text, text, word.len);
}

static const char *blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* A token, or the contents of a quoted string (escapes in it match nothing we know). @return the position after it */
static const char *take_word(word_t *word, const char *s)
{
    if (*s == '"') {
        word->text = ++s;
        while (*s && *s != '"') {
            s += s[0] == '\\' && s[1] ? 2 : 1;
        }
        word->len = (size_t)(s - word->text);
        return s + (*s == '"');
    }
    word->text = s;
    word->len = strcspn(s, " \t,;=/\"");
    return s + word->len;
}

/* "0.75". @return 0 if it is not a q value */
static int take_q(unsigned *q, word_t word)
{
    unsigned scale = 100;

    if (!word.len || word.len > 5 || (word.text[0] != '0' && word.text[0] != '1')
        || (word.len > 1 && word.text[1] != '.')) {
        return 0;
    }
    *q = word.text[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < word.len; i++, scale /= 10) {
        if (word.text[i] < '0' || word.text[i] > '9') {
            return 0;
        }
        *q += (unsigned)(word.text[i] - '0') * scale;
    }
    return *q <= 1000;
}

/* One range up to the next comma. @param good 0 if it is not a range @return the comma, or the NUL */
static const char *take_range(range_t *range, int *good, const char *s)
{
    memset(range, 0, sizeof(*range));
    range->q = 1000;
    s = take_word(&range->type, blanks(s));
    *good = *s == '/' && range->type.len;
    s = take_word(&range->subtype, s + (*s == '/'));
    *good = *good && range->subtype.len;
    while (*(s = blanks(s)) == ';') {
        word_t name, value = { "", 0 };

        s = blanks(take_word(&name, blanks(s + 1)));
        if (*s == '=') {
            s = take_word(&value, blanks(s + 1));
        }
        if (is(name, "q")) {
            *good = take_q(&range->q, value) && *good;
        }
        else if (is(name, "version")) {
            range->version = value;
        }
    }
    *good = *good && (!*s || *s == ',');
    while (*s && *s != ',') {
        word_t rest;

        s = *s == '"' ? take_word(&rest, s) : s + 1;
    }
    return s;
}

static fit_e fit_range(const form_t *form, const range_t *range)
{
    if (is(range->type, "*")) {
        return is(range->subtype, "*") ? ANYTHING : NOT;
    }
    if (!is(range->type, form->type)) {
        return NOT;
    }
    if (is(range->subtype, "*")) {
        return ANY_OF_TYPE;
    }
    if (!is(range->subtype, form->subtype)) {
        return NOT;
    }
    if (!range->version.text) {
        return BY_NAME;
    }
    return is(range->version, form->version) ? BY_VERSION : NOT;
}

static void weigh_range(form_t *form, const range_t *range)
{
    fit_e how = fit_range(form, range);

    if (how > form->fit || (how == form->fit && how && range->q > form->q)) {
        form->fit = how;
        form->q = range->q;
    }
}

pst_emit_e pst_accept_metrics(const char *accept)
{
    form_t text = { "text", "plain", "0.0.4", NOT, 0 };
    form_t open = { "application", "openmetrics-text", "1.0.0", NOT, 0 };

    while (accept && *accept) {
        range_t range;
        int good;

        accept = take_range(&range, &good, accept);
        if (good) {
            weigh_range(&text, &range);
            weigh_range(&open, &range);
        }
        accept += *accept == ',';
    }
    if (open.q != text.q) {
        return open.q > text.q ? PST_EMIT_OPENMETRICS : PST_EMIT_METRICS;
    }
    return open.q && open.fit >= BY_NAME ? PST_EMIT_OPENMETRICS : PST_EMIT_METRICS;
}

const char *pst_accept_type(pst_emit_e format)
{
    return format == PST_EMIT_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                          : "text/plain; version=0.0.4; charset=utf-8";
}
