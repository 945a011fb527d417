/* SPDX-License-Identifier: Apache-2.0
 *
 * Is what a face wrote JSON, UTF-8, markup?  For units and for the fuzzer, which check whole faces.
 */
#ifndef PST_WELLFORMED_H
#define PST_WELLFORMED_H

#include <stdlib.h>
#include <string.h>

/* ---- a JSON checker: enough of RFC 8259 to refuse what is not JSON ---- */

static inline const char *json_value(const char *s, int depth);

static inline const char *json_string(const char *s)
{
    for (s++; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20) {
            return NULL;
        }
        if (*s == '\\') {
            s++;
            if (*s == 'u') {
                if (strspn(s + 1, "0123456789abcdefABCDEF") < 4) {
                    return NULL;
                }
                s += 4;
            }
            else if (!*s || !strchr("\"\\/bfnrt", *s)) {
                return NULL;
            }
        }
    }
    return s + 1;
}

static inline const char *json_many(const char *s, char closer, int depth)
{
    if (*++s == closer) {
        return s + 1;
    }
    for (;;) {
        if (closer == '}') {
            s = *s == '"' ? json_string(s) : NULL;
            if (!s || *s++ != ':') {
                return NULL;
            }
        }
        s = json_value(s, depth + 1);
        if (!s) {
            return NULL;
        }
        if (*s == closer) {
            return s + 1;
        }
        if (*s++ != ',') {
            return NULL;
        }
    }
}

static inline const char *json_value(const char *s, int depth)
{
    char *end;

    if (depth > 20) {
        return NULL;
    }
    switch (*s) {
    case '{': return json_many(s, '}', depth);
    case '[': return json_many(s, ']', depth);
    case '"': return json_string(s);
    case 't': return strncmp(s, "true", 4) ? NULL : s + 4;
    case 'f': return strncmp(s, "false", 5) ? NULL : s + 5;
    case 'n': return strncmp(s, "null", 4) ? NULL : s + 4;
    default:
        s += *s == '-';
        if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9')) {
            return NULL;
        }
        strtod(s, &end);
        return end;
    }
}

static inline int is_json(const char *s)
{
    const char *end = json_value(s, 0);

    return end && !strcmp(end, "\n");
}

static inline int is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        int more = *s < 0x80 ? 0 : *s >= 0xc2 && *s < 0xe0 ? 1 : *s >= 0xe0 && *s < 0xf0 ? 2
                 : *s >= 0xf0 && *s < 0xf5 ? 3 : -1;

        if (more < 0) {
            return 0;
        }
        for (s++; more--; s++) {
            if ((*s & 0xc0) != 0x80) {
                return 0;
            }
        }
    }
    return 1;
}

/* Every tag is opened and closed as a piece of web/ writes it: quotes are even inside each. */
static inline int is_markup(const char *s)
{
    while ((s = strchr(s, '<'))) {
        int quotes = 0;

        for (s++; *s != '>' || quotes % 2; s++) {
            quotes += *s == '"';
            if (!*s || *s == '<') {
                return 0;
            }
        }
    }
    return 1;
}

#endif /* PST_WELLFORMED_H */
