/* SPDX-License-Identifier: Apache-2.0
 *
 * TAP for units in C: checks print a line each, done() prints the plan and is
 * main()'s result.  Header only: a unit is one file.
 */
#ifndef PST_TAP_H
#define PST_TAP_H

#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

static inline int ok(int good, const char *what)
{
    tap_count++;
    tap_failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", tap_count, what);
    return good;
}

static inline int is_text(const char *got, const char *expected, const char *what)
{
    int good = got == expected || (got && expected && !strcmp(got, expected));

    ok(good, what);
    if (!good) {
        printf("#      got: %s\n# expected: %s\n", got ? got : "(null)", expected ? expected : "(null)");
    }
    return good;
}

static inline int is_number(unsigned long long got, unsigned long long expected, const char *what)
{
    ok(got == expected, what);
    if (got != expected) {
        printf("#      got: %llu\n# expected: %llu\n", got, expected);
    }
    return got == expected;
}

/* Many checks of one kind: how many were wrong, and which was the first (an index, a step). */
typedef struct {
    unsigned long long count, first;
} tally_t;

static inline int tally(tally_t *wrong, int is_wrong, unsigned long long which)
{
    if (is_wrong && !wrong->count++) {
        wrong->first = which;
    }
    return is_wrong;
}

static inline int none_wrong(const tally_t *wrong, const char *what)
{
    ok(!wrong->count, what);
    if (wrong->count) {
        printf("# wrong: %llu, the first at %llu\n", wrong->count, wrong->first);
    }
    return !wrong->count;
}

/* The whole unit: main()'s result. */
static inline int skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    return 0;
}

static inline int done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

#endif /* PST_TAP_H */
