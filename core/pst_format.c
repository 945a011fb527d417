/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures as text.  See pst_format.h.  Integer arithmetic only, so that no
 * value, however hostile, rounds into something longer than its buffer.
 */
#include <stdio.h>
#include <string.h>
#include <apr_time.h>
#include "pst_format.h"

#define USEC APR_INT64_C(1000000)

apr_size_t pst_format_digits(char *to, apr_uint64_t value)
{
    char digits[20];
    apr_size_t n = sizeof(digits), length;

    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    length = sizeof(digits) - n;
    memcpy(to, digits + n, length);
    to[length] = '\0';
    return length;
}

char *pst_format_count(char *to, apr_uint64_t value)
{
    char digits[PST_FORMAT_LEN];
    apr_size_t length = pst_format_digits(digits, value);
    char *out = to;

    for (apr_size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) {
            *out++ = ',';
        }
        *out++ = digits[i];
    }
    *out = '\0';
    return to;
}

char *pst_format_size(char *to, apr_uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    apr_uint64_t tenths;

    if (bytes < 1024) {
        snprintf(to, PST_FORMAT_LEN, "%u B", (unsigned)bytes);
        return to;
    }
    /* One unit below the one to show, so that a decimal is left and ten times it cannot overflow. */
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
        snprintf(to, PST_FORMAT_LEN, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), units[unit]);
    }
    else {
        snprintf(to, PST_FORMAT_LEN, "%u %s", (unsigned)((tenths + 5) / 10), units[unit]);
    }
    return to;
}

char *pst_format_age(char *to, apr_uint64_t usec)
{
    apr_uint64_t s = usec / USEC;
    unsigned long long days = s / 86400;

    if (s < 10) {
        snprintf(to, PST_FORMAT_LEN, "%u.%u s", (unsigned)s, (unsigned)(usec % USEC / (USEC / 10)));
    }
    else if (s < 60) {
        snprintf(to, PST_FORMAT_LEN, "%u s", (unsigned)s);
    }
    else if (s < 3600) {
        snprintf(to, PST_FORMAT_LEN, "%u min %02u s", (unsigned)(s / 60), (unsigned)(s % 60));
    }
    else if (s < 86400) {
        snprintf(to, PST_FORMAT_LEN, "%u h %02u min", (unsigned)(s / 3600), (unsigned)(s % 3600 / 60));
    }
    else {
        snprintf(to, PST_FORMAT_LEN, "%llu d %u h", days, (unsigned)(s % 86400 / 3600));
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
