/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_text.h.
 */
#define _XOPEN_SOURCE 700       /* wcwidth */
#include "poolstat_text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

apr_status_t poolstat_to_file(void *baton, const char *data, apr_size_t len)
{
    return fwrite(data, 1, len, baton) == len ? APR_SUCCESS : APR_EGENERAL;
}

/* One character. @param wide columns it takes, 1 before. @return its bytes; 0: it is not a character of this
 * locale, or not printable */
static apr_size_t next(const char *text, unsigned *wide)
{
    mbstate_t state;
    wchar_t c;
    size_t len;
    int width;

    if (text[0] >= 0x20 && text[0] < 0x7f) {
        *wide = 1;
        return 1;
    }
    memset(&state, 0, sizeof(state));
    len = mbrtowc(&c, text, strlen(text), &state);
    if (len == (size_t)-1 || len == (size_t)-2 || !len) {
        return 0;
    }
    width = wcwidth(c);
    if (width < 0) {
        return 0;               /* its substitute takes one column */
    }
    *wide = (unsigned)width;
    return len;
}

/* Bytes that are not a character of this locale: a whole UTF-8 sequence becomes one '?'. */
static apr_size_t skip(const char *text)
{
    apr_size_t len = 1;

    while ((text[len] & 0xc0) == 0x80) {
        len++;
    }
    return len;
}

/* The substitute for a character that the locale does not have: our own sentences have only one, the square of r. */
static char stand_in(const char *text)
{
    return text[0] == '\xc2' && text[1] == '\xb2' ? '2' : '?';
}

unsigned poolstat_columns(const char *text)
{
    unsigned columns = 0;

    while (*text) {
        unsigned wide = 1;
        apr_size_t len = next(text, &wide);

        text += len ? len : skip(text);
        columns += wide;
    }
    return columns;
}

apr_size_t poolstat_fit(char *to, apr_size_t size, const char *text, unsigned columns, int right)
{
    unsigned have = columns ? poolstat_columns(text) : 0, used = 0;
    apr_size_t n = 0;

    while (right && have < columns && n + 1 < size) {
        to[n++] = ' ';
        have++;
        used++;
    }
    while (*text) {
        unsigned wide = 1;
        apr_size_t len = next(text, &wide), take = len ? len : 1;

        if ((columns && used + wide > columns) || n + take >= size) {
            break;
        }
        if (len) {
            memcpy(to + n, text, len);
        }
        else {
            to[n] = stand_in(text);
        }
        n += take;
        text += len ? len : skip(text);
        used += wide;
    }
    while (used < columns && n + 1 < size) {
        to[n++] = ' ';
        used++;
    }
    to[n] = '\0';
    return n;
}

apr_size_t poolstat_tie(char *text)
{
    char *at = text;

    for (; *at; at++) {
        *at = *at == ' ' ? POOLSTAT_TIE : *at;
    }
    return (apr_size_t)(at - text);
}

/* May a line end at this blank? A number and its unit stay together. */
static int ends_line(const char *begin, const char *at)
{
    return *at == ' '
           && (at == begin || at[-1] < '0' || at[-1] > '9' || !strchr("BKMGTabcdefghijklmnopqrstuvwxyz", at[1]));
}

/* Write one character. @param wide the columns it takes @return bytes of the text */
static apr_size_t take_character(char *to, apr_size_t *n, const char *at, unsigned *wide, unsigned columns)
{
    apr_size_t len = *at == POOLSTAT_TIE ? 0 : next(at, wide);

    if (len && (!columns || *wide <= columns)) {
        memcpy(to + *n, at, len);
        *n += len;
        return len;
    }
    *wide = 1;
    if (*at == POOLSTAT_TIE) {
        to[(*n)++] = ' ';
    }
    else {
        to[(*n)++] = len ? '?' : stand_in(at);
    }
    return len ? len : skip(at);
}

char *poolstat_line(char *to, apr_size_t size, const char **text, unsigned columns)
{
    const char *begin = *text + strspn(*text, " "), *at = begin, *good = NULL, *poor = NULL;
    apr_size_t n = 0, good_n = 0, poor_n = 0;
    unsigned used = 0;

    while (*at && n + MB_LEN_MAX < size) {
        unsigned wide = 1;
        apr_size_t before = n, len;

        if (ends_line(begin, at)) {
            good = at;
            good_n = n;
        }
        if (*at == ' ' || *at == POOLSTAT_TIE) {
            poor = at;
            poor_n = n;
        }
        len = take_character(to, &n, at, &wide, columns);
        if (columns && used + wide > columns) {
            n = before;
            break;
        }
        used += wide;
        at += len;
    }
    if (*at && poor) {
        n = good ? good_n : poor_n;
        at = good ? good : poor;
    }
    *text = at + (*at == POOLSTAT_TIE) + strspn(at + (*at == POOLSTAT_TIE), " ");
    while (n && to[n - 1] == ' ') {
        n--;
    }
    to[n] = '\0';
    return *begin ? to : NULL;
}

void poolstat_print(const char *text, unsigned indent, unsigned columns)
{
    char line[4096];

    indent = columns && indent > columns / 2 ? 0 : indent;
    if (!poolstat_line(line, sizeof(line), &text, columns ? columns - indent : 0)) {
        putchar('\n');
        return;
    }
    do {
        printf("%*s%s\n", (int)indent, "", line);
    } while (poolstat_line(line, sizeof(line), &text, columns ? columns - indent : 0));
}

apr_status_t poolstat_to_lines(void *lines, const char *data, apr_size_t len)
{
    poolstat_lines_t *to = lines;
    apr_status_t rv = APR_SUCCESS;

    for (apr_size_t i = 0; i < len && rv == APR_SUCCESS; i++) {
        if (data[i] != '\n') {
            to->line[to->used++] = data[i];
        }
        if (data[i] == '\n' || to->used == sizeof(to->line) - 1) {
            to->line[to->used] = '\0';
            rv = to->each(to->baton, to->line);
            to->used = 0;
        }
    }
    return rv;
}

unsigned poolstat_terminal(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long n = columns ? strtol(columns, NULL, 10) : 0;

    if (n > 0 && n < 10000) {
        return (unsigned)n;
    }
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
