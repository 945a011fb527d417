/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: figures as text, at their edges.
 */
#include "tap.h"
#include "pst_format.h"

static void size(apr_uint64_t bytes, const char *expected)
{
    char to[PST_FORMAT_LEN];

    is_text(pst_format_size(to, bytes), expected, "size");
}

static void age(apr_uint64_t usec, const char *expected)
{
    char to[PST_FORMAT_LEN];

    is_text(pst_format_age(to, usec), expected, "age");
}

static void moment(apr_uint64_t usec, const char *expected)
{
    char to[PST_FORMAT_LEN];

    is_text(pst_format_time(to, usec), expected, "time");
}

/* Around every power of ten, the same as libc. */
static void digits(void)
{
    apr_uint64_t power = 1;
    tally_t wrong = { 0, 0 };

    for (int n = 0; n < 20; n++, power *= 10) {
        for (int off = -1; off <= 1; off++) {
            apr_uint64_t value = power + (apr_uint64_t)off;
            char expected[40], plain[40], grouped[40], *out = plain;

            memset(plain, '#', sizeof(plain));
            snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
            tally(&wrong, pst_format_digits(plain, value) != strlen(expected)
                  || strcmp(plain, expected) != 0, (unsigned)n);
            tally(&wrong, plain[strlen(expected) + 1] != '#', (unsigned)n);
            tally(&wrong, pst_format_put_count(grouped, value) != strlen(grouped), (unsigned)n);
            tally(&wrong, strlen(grouped) != strlen(expected) + (strlen(expected) - 1) / 3, (unsigned)n);
            for (char *c = grouped; *c; c++) {
                if (*c != ',') {
                    tally(&wrong, *c != *out++, (unsigned)n);
                }
                else {
                    tally(&wrong, strlen(c) % 4 != 0, (unsigned)n);
                }
            }
        }
    }
    none_wrong(&wrong, "digits around the powers of ten");
}

int main(void)
{
    char span[PST_FORMAT_LEN];
    const apr_uint64_t s = 1000000, most = APR_UINT64_MAX - 1;
    char to[PST_FORMAT_LEN];

    digits();
    size(0, "0 B");
    size(1, "1 B");
    size(1023, "1023 B");
    size(1024, "1.0 KiB");
    size(8192, "8.0 KiB");
    size(102348, "99.9 KiB");
    size(102399, "100 KiB");
    size(912864, "891 KiB");            /* 891.47: neither 891.5 nor 892 */
    size(154618823, "147 MiB");         /* 147.456 */
    size(1047961, "1023 KiB");
    size(1048575, "1.0 MiB");
    size(1048576, "1.0 MiB");
    size(14ull << 30, "14.0 GiB");
    size(1ull << 60, "1.0 EiB");
    size(INT64_MAX, "8.0 EiB");
    size(most, "16.0 EiB");

    is_text(pst_format_span(span, 0), "0 s", "span");
    is_text(pst_format_span(span, 1), "1 us", "span");
    is_text(pst_format_span(span, 999), "999 us", "span");
    is_text(pst_format_span(span, 1000), "1.0 ms", "span");
    is_text(pst_format_span(span, 9999), "9.9 ms", "span");
    is_text(pst_format_span(span, 10000), "10 ms", "span");
    is_text(pst_format_span(span, 999999), "999 ms", "span");
    is_text(pst_format_span(span, 1000000), "1.0 s", "span");
    age(0, "0.0 s");
    age(999999, "0.9 s");
    age(9999999, "9.9 s");
    age(10 * s, "10 s");
    age(59 * s, "59 s");
    age(60 * s, "1 min 00 s");
    age(3599 * s, "59 min 59 s");
    age(3600 * s, "1 h 00 min");
    age(86399 * s, "23 h 59 min");
    age(86400 * s, "1 d 0 h");
    age(3605 * s, "1 h 00 min");
    age(605 * s, "10 min 05 s");
    age(most, "213503982 d 8 h");

    moment(0, "never");
    moment(most, "never");
    moment(INT64_MAX, "never");
    moment(s, "1970-01-01 00:00:01 UTC");
    moment(1738367947 * s, "2025-01-31 23:59:07 UTC");
    moment(253402300799 * s, "9999-12-31 23:59:59 UTC");

    is_text(pst_format_count(to, 0), "0", "count");
    is_text(pst_format_count(to, 999), "999", "count");
    is_text(pst_format_count(to, 1000), "1,000", "count");
    is_text(pst_format_count(to, 1048576), "1,048,576", "count");
    is_text(pst_format_count(to, most), "18,446,744,073,709,551,614", "count");
    is_text(pst_format_count(to, APR_UINT64_MAX), "-", "what is not known is a dash");
    is_text(pst_format_size(to, APR_UINT64_MAX), "-", "of bytes, too");
    is_number(pst_format_digits(to, most), 20, "digits of the largest");
    is_text(to, "18446744073709551614", "digits");
    pst_format_seconds(to, 12345678, 3);
    is_text(to, "12.345", "seconds with three decimals");
    is_number(pst_format_seconds(to, 12000001, 6), 9, "length of seconds");
    is_text(to, "12.000001", "seconds with six decimals");
    return done();
}
