/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_checks.h.
 */
#include "pst_checks.h"
#include "pst_array.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *word;
    pst_guard_e kind;
} kinds[] = {
    { "request", PST_GUARD_REQUEST }, { "connection", PST_GUARD_CONNECTION }, { "secondary", PST_GUARD_SECONDARY },
    { "all", PST_GUARD_ALL }
};

#define KINDS PST_ITEMS(kinds)

static apr_uint32_t kind_of(const char *word)
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (strcasecmp(word, kinds[i].word) == 0) {
            return kinds[i].kind;
        }
    }
    return 0;
}

/* "1/1000" @return N; 0: it is something else */
static apr_uint32_t one_in(const char *word)
{
    apr_uint32_t n = 0;

    if (!word || strncmp(word, "1/", 2) != 0 || !word[2]) {
        return 0;
    }
    for (word += 2; *word; word++) {
        if (*word < '0' || *word > '9' || n > PST_CHECKS_MOST / 10) {
            return 0;
        }
        n = n * 10 + (apr_uint32_t)(*word - '0');
    }
    return n <= PST_CHECKS_MOST ? n : 0;
}

static int no_rate(const char *what, const char *word, char *error)
{
    snprintf(error, PST_CHECKS_ERROR,
             "PoolStatCheck %s'%.40s', but must have 1/N after %s, N from 1 to %u, such as 1/1000: one in so many %s.",
             word ? "has " : "ends in ", word ? word : what, what, PST_CHECKS_MOST,
             strcmp(what, "guard") == 0 ? "pools" : "operations");
    return 0;
}

int pst_checks_parse(pst_checks_t *checks, int count, const char *const *words, char *error)
{
    memset(checks, 0, sizeof(*checks));
    if (count == 1 && strcasecmp(words[0], "Off") == 0) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        const char *word = words[i], *next = i + 1 < count ? words[i + 1] : NULL;
        int is_guard = strcasecmp(word, "guard") == 0;

        if (is_guard || strcasecmp(word, "threads") == 0) {
            apr_uint32_t n = one_in(next);

            if (!n) {
                return no_rate(is_guard ? "guard" : "threads", next, error);
            }
            *(is_guard ? &checks->guard : &checks->threads) = n;
            for (i++; is_guard && i + 1 < count && kind_of(words[i + 1]); i++) {
                checks->kinds |= kind_of(words[i + 1]);
            }
        }
        else if (strcasecmp(word, "buckets") == 0) {
            checks->buckets = 1;
        }
        else if (strcasecmp(word, "fence") == 0) {
            checks->fence = 1;
        }
        else {
            snprintf(error, PST_CHECKS_ERROR,
                     "PoolStatCheck has '%.40s', but takes Off, or some of: guard 1/N [request] [connection] "
                     "[secondary] [all], threads 1/N, buckets, fence.", word);
            return 0;
        }
    }
    if (count == 0 || (checks->fence && !checks->guard)) {
        snprintf(error, PST_CHECKS_ERROR, "%s",
                 count ? "PoolStatCheck has 'fence' without guard 1/N: it is for guarded pools."
                       : "PoolStatCheck takes Off, or what is checked.");
        return 0;
    }
    checks->kinds = checks->guard && !checks->kinds ? PST_GUARD_REQUEST : checks->kinds;
    return 1;
}

char *pst_checks_text(char *to, const pst_checks_t *checks)
{
    size_t n = 0;

    to[0] = '\0';
    if (checks->guard) {
        n += (size_t)snprintf(to, PST_CHECKS_TEXT, "guard 1/%u", (unsigned)checks->guard);
        for (unsigned i = 0; i < KINDS; i++) {
            if (checks->kinds & kinds[i].kind) {
                n += (size_t)snprintf(to + n, PST_CHECKS_TEXT - n, " %s", kinds[i].word);
            }
        }
    }
    if (checks->threads) {
        n += (size_t)snprintf(to + n, PST_CHECKS_TEXT - n, "%sthreads 1/%u", n ? " " : "", (unsigned)checks->threads);
    }
    if (checks->buckets) {
        n += (size_t)snprintf(to + n, PST_CHECKS_TEXT - n, "%sbuckets", n ? " " : "");
    }
    if (checks->fence) {
        n += (size_t)snprintf(to + n, PST_CHECKS_TEXT - n, "%sfence", n ? " " : "");
    }
    if (!n) {
        snprintf(to, PST_CHECKS_TEXT, "Off");
    }
    return to;
}

apr_uint64_t pst_checks_pack(const pst_checks_t *checks)
{
    return (apr_uint64_t)(checks->guard & PST_CHECKS_MOST) | (apr_uint64_t)(checks->threads & PST_CHECKS_MOST) << 24
           | (apr_uint64_t)(checks->kinds & 15) << 48 | (apr_uint64_t)(checks->buckets != 0) << 52
           | (apr_uint64_t)(checks->fence != 0) << 53;
}

void pst_checks_unpack(pst_checks_t *checks, apr_uint64_t packed)
{
    checks->guard = (apr_uint32_t)packed & PST_CHECKS_MOST;
    checks->threads = (apr_uint32_t)(packed >> 24) & PST_CHECKS_MOST;
    checks->kinds = checks->guard ? (apr_uint32_t)(packed >> 48) & 15 : 0;
    checks->kinds = checks->guard && !checks->kinds ? PST_GUARD_REQUEST : checks->kinds;
    checks->buckets = (int)(packed >> 52 & 1);
    checks->fence = checks->guard && (packed >> 53 & 1);
}

const char *pst_checks_packed_text(char *to, apr_uint64_t packed)
{
    pst_checks_t checks;

    pst_checks_unpack(&checks, packed);
    return pst_checks_text(to, &checks);
}
