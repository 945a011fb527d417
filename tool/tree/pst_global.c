/* SPDX-License-Identifier: Apache-2.0
 *
 * The global pool of another process: see the header.
 *
 * libapr keeps it in a static variable that a stripped library does not name (global_pool in apr_pools.c).
 * httpd exports a variable that points to a pool below it, for modules. In any other program libapr's own
 * variables are searched for a pointer to a pool of that name.
 */
#include "pst_global.h"

#include <string.h>

#define WORDS 512       /* read at once: a page */
#define BYTES (1u << 20) /* of libapr's variables: it has a few hundred */

/* Above what httpd's ap_pglobal points to (server/main.c, 2.4.x). */
static uintptr_t by_httpd(pst_remote_t *remote, pst_symbols_t *symbols)
{
    const pst_loaded_t *program = pst_symbols_object(symbols, "");
    uintptr_t at, pool = 0;

    return program && pst_symbols_find(symbols, program, "ap_pglobal", &at) && at % sizeof(at) == 0
           && pst_remote_read(remote, at, &pool, sizeof(pool)) ? pst_forest_root_of(remote, pool) : 0;
}

static int is_global(pst_remote_t *remote, uintptr_t at)
{
    pst_pool_copy_t copy;
    char tag[32];

    return at % sizeof(at) == 0 && pst_remote_is_private(remote, at, sizeof(copy.pool))
           && pst_forest_is_pool(remote, at, &copy) && !copy.pool.parent
           && pst_remote_text(remote, (uintptr_t)copy.pool.tag, tag, sizeof(tag)) > 0
           && strcmp(tag, "apr_global_pool") == 0;
}

static uintptr_t among_words(pst_remote_t *remote, uintptr_t from, uintptr_t to)
{
    uintptr_t words[WORDS], count, i;

    for (; from < to; from += sizeof(words)) {
        count = (to - from < sizeof(words) ? to - from : sizeof(words)) / sizeof(words[0]);
        if (!pst_remote_read(remote, from, words, count * sizeof(words[0]))) {
            return 0;
        }
        for (i = 0; i < count; i++) {
            if (words[i] && is_global(remote, words[i])) {
                return words[i];
            }
        }
    }
    return 0;
}

/* Search libapr's writable memory: the part from its file, and the variables without a value, which follow and have no
 * file. */
static uintptr_t by_libapr(pst_remote_t *remote, const pst_loaded_t *apr)
{
    uintptr_t from[16], to[16], pool = 0;
    apr_size_t i, count = 0, k;

    for (i = 0; i < remote->range_count && count < 16; i++) {
        const pst_range_t *range = &remote->ranges[i], *before = i ? range - 1 : range;

        if (range->readable && range->writable && !range->shared && range->to - range->from <= BYTES
            && (strcmp(range->path, apr->path) == 0
                || (!range->inode && before->to == range->from && strcmp(before->path, apr->path) == 0))) {
            from[count] = range->from;
            to[count++] = range->to;
        }
    }
    for (k = 0; k < count && !pool; k++) {
        pool = among_words(remote, from[k], to[k]);
    }
    return pool;
}

uintptr_t pst_global_find(pst_remote_t *remote, pst_symbols_t *symbols, const char **why)
{
    const pst_loaded_t *apr = pst_symbols_object(symbols, "libapr-");
    uintptr_t at, pool;

    if (apr && pst_symbols_find(symbols, apr, "apr_pool_num_bytes", &at)) {
        *why = "its APR was built with pool debugging, its pools have no nodes";
        return 0;
    }
    pool = by_httpd(remote, symbols);
    if (!pool && apr) {
        pool = by_libapr(remote, apr);
    }
    *why = apr ? "it uses APR, but its global pool was not found"
               : "it does not use APR, or not as a shared library";
    if (pool) {
        *why = NULL;
    }
    return pool;
}
