/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures as text.  See pst_format.h.  Integer arithmetic only, so that no
 * value, however hostile, rounds into something longer than its buffer.  Digits by
 * hand where a page has them by the thousand: printf costs ten times as much.
 */
#include <stdio.h>
#include <string.h>
#include <apr_time.h>
#include "pst_format.h"
#include "pst_figure.h"

#define USEC APR_INT64_C(1000000)

/* Writes no byte beyond its NUL: it is called inside longer texts. */
apr_size_t pst_format_digits(char *to, apr_uint64_t value)
{
    apr_uint64_t limit = 10;
    apr_size_t length = 1;

    /* 10^19 is the largest power that fits; limit may wrap only when nobody looks at it again */
    for (; length < 20 && value >= limit; length++) {
        limit *= 10;
    }
    to[length] = '\0';
    for (apr_size_t n = length; n-- > 0; value /= 10) {
        to[n] = (char)('0' + value % 10);
    }
    return length;
}

static apr_size_t put_dash(char *to)
{
    to[0] = PST_FORMAT_UNKNOWN[0];
    to[1] = '\0';
    return 1;
}

/* Built from the last digit to the first, in a buffer with as much room after it as before, and copied
 * together with what follows it: a copy of constant length is two moves, not a call. */
#define MOST 26                 /* "18,446,744,073,709,551,615" */
_Static_assert(MOST < PST_FORMAT_LEN, "the copy fits");

apr_size_t pst_format_put_count(char *to, apr_uint64_t value)
{
    char place[2 * MOST], *end = place + MOST, *out = end;

    if (value == PST_UNKNOWN) {
        return put_dash(to);
    }
    for (; value >= 1000; value /= 1000) {
        unsigned group = (unsigned)(value % 1000);

        *--out = (char)('0' + group % 10);
        *--out = (char)('0' + group / 10 % 10);
        *--out = (char)('0' + group / 100);
        *--out = ',';
    }
    do {
        *--out = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(to, out, MOST);
    to[end - out] = '\0';
    return (apr_size_t)(end - out);
}

char *pst_format_count(char *to, apr_uint64_t value)
{
    pst_format_put_count(to, value);
    return to;
}

apr_size_t pst_format_put_size(char *to, apr_uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    unsigned unit = 0;
    apr_uint64_t tenths;
    apr_size_t n;

    if (bytes == PST_UNKNOWN) {
        return put_dash(to);
    }
    if (bytes < 1024) {
        n = pst_format_digits(to, bytes);
        to[n++] = ' ';
        to[n++] = 'B';
        to[n] = '\0';
        return n;
    }
    /* Stop one unit below the one to show, so that a decimal is left and ten times the value cannot overflow. */
    while (bytes >> 20 && unit < 5) {
        bytes = (bytes >> 10) + (bytes >> 9 & 1);
        unit++;
    }
    tenths = (bytes * 10 + 512) >> 10;
    /* 1023.5 and more would read as 1024: that is 1.0 of the next unit */
    if (tenths >= 10235 && unit < 5) {
        unit++;
        tenths = 10;
    }
    if (tenths < 1000) {
        n = pst_format_digits(to, tenths / 10);
        to[n++] = '.';
        to[n++] = (char)('0' + tenths % 10);
    }
    else {
        /* round once, do not round the tenths again: 891.47 is 891 */
        n = pst_format_digits(to, (bytes + 512) >> 10);
    }
    to[n++] = ' ';
    to[n++] = units[unit];
    to[n++] = 'i';
    to[n++] = 'B';
    to[n] = '\0';
    return n;
}

char *pst_format_size(char *to, apr_uint64_t bytes)
{
    pst_format_put_size(to, bytes);
    return to;
}

/* "3 min 05 s": a number and its unit, optionally with at least two digits. @return where the text ends */
static char *put_part(char *to, apr_uint64_t number, int two, const char *unit)
{
    if (two && number < 10) {
        *to++ = '0';
    }
    to += pst_format_digits(to, number);
    while (*unit) {
        *to++ = *unit++;
    }
    *to = '\0';
    return to;
}

char *pst_format_age(char *to, apr_uint64_t usec)
{
    apr_uint64_t s = usec / USEC;

    if (s < 10) {
        put_part(put_part(to, s, 0, "."), usec % USEC / (USEC / 10), 0, " s");
    }
    else if (s < 60) {
        put_part(to, s, 0, " s");
    }
    else if (s < 3600) {
        put_part(put_part(to, s / 60, 0, " min "), s % 60, 1, " s");
    }
    else if (s < 86400) {
        put_part(put_part(to, s / 3600, 0, " h "), s % 3600 / 60, 1, " min");
    }
    else {
        put_part(put_part(to, s / 86400, 0, " d "), s % 86400 / 3600, 0, " h");
    }
    return to;
}

char *pst_format_span(char *to, apr_uint64_t usec)
{
    if (usec >= USEC) {
        return pst_format_age(to, usec);
    }
    if (usec >= 10000 || !usec) {
        snprintf(to, PST_FORMAT_LEN, usec ? "%u ms" : "%u s", (unsigned)(usec / 1000));
    }
    else if (usec >= 1000) {
        snprintf(to, PST_FORMAT_LEN, "%u.%u ms", (unsigned)(usec / 1000), (unsigned)(usec % 1000 / 100));
    }
    else {
        snprintf(to, PST_FORMAT_LEN, "%u us", (unsigned)usec);
    }
    return to;
}

char *pst_format_time(char *to, apr_uint64_t usec)
{
    apr_time_exp_t t;

    /* year 9999 ends there: beyond it nothing on the board is a time */
    if (!usec || usec > (apr_uint64_t)253402300799 * USEC
        || apr_time_exp_gmt(&t, (apr_time_t)usec) != APR_SUCCESS) {
        snprintf(to, PST_FORMAT_LEN, "never");
        return to;
    }
    snprintf(to, PST_FORMAT_LEN, "%04u-%02u-%02u %02u:%02u:%02u UTC", (unsigned)(t.tm_year + 1900) % 10000,
             (unsigned)(t.tm_mon + 1) % 100, (unsigned)t.tm_mday % 100, (unsigned)t.tm_hour % 100,
             (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
    return to;
}

apr_size_t pst_format_seconds(char *to, apr_uint64_t usec, int decimals)
{
    apr_size_t n = pst_format_digits(to, usec / USEC);
    apr_uint64_t scale = USEC / 10;

    to[n++] = '.';
    for (usec %= USEC; decimals-- > 0 && scale; scale /= 10) {
        to[n++] = (char)('0' + usec / scale % 10);
    }
    to[n] = '\0';
    return n;
}
