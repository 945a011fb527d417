/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_fold.h.  One pass over as much as fits; bytes are looked up in a table, independent of the locale.
 */
#include "pst_fold.h"

#include <string.h>

#define DIGIT  1u
#define HEX    2u       /* a letter that is a hexadecimal digit */
#define SMALL  4u
#define LARGE  8u
#define DASH  16u       /* belongs to a word, says nothing about it */
#define LETTER (SMALL | LARGE)

static const unsigned char kinds[256] = {
    ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT, ['5'] = DIGIT, ['6'] = DIGIT,
    ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
    ['a'] = SMALL | HEX, ['b'] = SMALL | HEX, ['c'] = SMALL | HEX, ['d'] = SMALL | HEX, ['e'] = SMALL | HEX,
    ['f'] = SMALL | HEX, ['g'] = SMALL, ['h'] = SMALL, ['i'] = SMALL, ['j'] = SMALL, ['k'] = SMALL, ['l'] = SMALL,
    ['m'] = SMALL, ['n'] = SMALL, ['o'] = SMALL, ['p'] = SMALL, ['q'] = SMALL, ['r'] = SMALL, ['s'] = SMALL,
    ['t'] = SMALL, ['u'] = SMALL, ['v'] = SMALL, ['w'] = SMALL, ['x'] = SMALL, ['y'] = SMALL, ['z'] = SMALL,
    ['A'] = LARGE | HEX, ['B'] = LARGE | HEX, ['C'] = LARGE | HEX, ['D'] = LARGE | HEX, ['E'] = LARGE | HEX,
    ['F'] = LARGE | HEX, ['G'] = LARGE, ['H'] = LARGE, ['I'] = LARGE, ['J'] = LARGE, ['K'] = LARGE, ['L'] = LARGE,
    ['M'] = LARGE, ['N'] = LARGE, ['O'] = LARGE, ['P'] = LARGE, ['Q'] = LARGE, ['R'] = LARGE, ['S'] = LARGE,
    ['T'] = LARGE, ['U'] = LARGE, ['V'] = LARGE, ['W'] = LARGE, ['X'] = LARGE, ['Y'] = LARGE, ['Z'] = LARGE,
    ['-'] = DASH, ['_'] = DASH
};

static unsigned byte_kind(char byte)
{
    return kinds[(unsigned char)byte];
}

/* -- output ----------------------------------------------------------------- */

typedef struct out_t {
    char *to;
    apr_size_t room, used;      /* one byte of room is for the NUL */
    int cut;
} out_t;

static void put_folded(out_t *out, const char *text, apr_size_t length)
{
    apr_size_t left = out->room - 1 - out->used;

    out->cut |= length > left;
    length = length > left ? left : length;
    memcpy(out->to + out->used, text, length);
    out->used += length;
}

static void end_fold(out_t *out)
{
    if (out->cut) {
        memcpy(out->to + out->room - 4, "...", 3);
        out->used = out->room - 1;
    }
    memset(out->to + out->used, 0, out->room - out->used);
}

/* -- words ------------------------------------------------------------------ */

/* Statistics of a word. */
typedef struct word_t {
    apr_size_t length, digits, letters, hex;
    apr_size_t meets;           /* a digit next to a letter */
    apr_size_t rises;           /* a capital after a small letter */
} word_t;

static void look_at(word_t *word, const char *text)
{
    unsigned before = 0, kind;

    memset(word, 0, sizeof(*word));
    for (; (kind = byte_kind(text[word->length])) != 0; before = kind, word->length++) {
        word->digits += (kind & DIGIT) != 0;
        word->letters += (kind & LETTER) != 0;
        word->hex += (kind & HEX) != 0;
        word->meets += (kind & DIGIT && before & LETTER) || (kind & LETTER && before & DIGIT);
        word->rises += kind & LARGE && before & SMALL;
    }
}

static int is_id(const word_t *word)
{
    if (!word->digits || !word->letters) {
        return 0;
    }
    return (word->hex == word->letters && word->digits + word->letters >= 8) || (word->length >= 10 && word->meets >= 3)
           || (word->length >= 16 && word->meets >= 2 && word->meets + word->rises >= 4);
}

static apr_size_t digits_at(const char *text)
{
    apr_size_t count = 0;

    while (byte_kind(text[count]) & DIGIT) {
        count++;
    }
    return count;
}

static void put_numbers(out_t *out, const char *text, apr_size_t length)
{
    apr_size_t at = 0;

    while (at < length && !out->cut) {
        apr_size_t digits = digits_at(text + at);

        if (digits > 1 || (digits && digits == length)) {
            put_folded(out, "{n}", 3);
        }
        else {
            digits = 1;
            put_folded(out, text + at, 1);
        }
        at += digits;
    }
}

static const char *fold_word(out_t *out, const char *text)
{
    word_t word;

    look_at(&word, text);
    if (is_id(&word)) {
        put_folded(out, "{id}", 4);
    }
    else {
        put_numbers(out, text, word.length);
    }
    return text + word.length;
}

void pst_fold(char *to, apr_size_t room, const char *path)
{
    out_t out = { .to = to, .room = room };

    while (*path && *path != '?' && !out.cut) {
        if (*path == ';') {
            path += strcspn(path, "/?");
        }
        else if (byte_kind(*path)) {
            path = fold_word(&out, path);
        }
        else if (*path == '/' && path[1] == '/') {
            path++;
        }
        else {
            put_folded(&out, path++, 1);
        }
    }
    end_fold(&out);
}
