/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures as text for people, and the digits that every face needs.  Pure: no
 * allocation, no locale, any thread.  Each call writes at most PST_FORMAT_LEN
 * bytes, NUL included, and returns its buffer.
 */
#ifndef PST_FORMAT_H
#define PST_FORMAT_H

#include <apr.h>

#define PST_FORMAT_LEN 40

/** What stands for PST_UNKNOWN. */
#define PST_FORMAT_UNKNOWN "-"

/** Digits alone: "1048576". @return their number; a NUL follows them, and nothing is written after it */
apr_size_t pst_format_digits(char *to, apr_uint64_t value);

/** Digits in groups of three: "1,048,576". */
char *pst_format_count(char *to, apr_uint64_t value);
/** The same. @return bytes before the NUL */
apr_size_t pst_format_put_count(char *to, apr_uint64_t value);

/** A size for people, three to four digits: "0 B", "512 B", "8.0 KiB", "1.3 MiB", "234 GiB". */
char *pst_format_size(char *to, apr_uint64_t bytes);
/** The same. @return bytes before the NUL */
apr_size_t pst_format_put_size(char *to, apr_uint64_t bytes);

/** A time span for people, two units at most: "0.3 s", "12 s", "3 min 05 s", "2 h 10 min", "5 d 3 h". */
char *pst_format_age(char *to, apr_uint64_t usec);

/** A time span that may be short: "0 s", "740 us", "4.1 ms", "620 ms", then as pst_format_age(). */
char *pst_format_span(char *to, apr_uint64_t usec);

/** A moment in UTC: "2025-01-31 23:59:07 UTC"; "never" for 0 and for what is not a date. */
char *pst_format_time(char *to, apr_uint64_t usec);

/** Seconds with a fixed number of decimals, 3 or 6: "12.345". @return bytes before the NUL */
apr_size_t pst_format_seconds(char *to, apr_uint64_t usec, int decimals);

#endif /* PST_FORMAT_H */
