/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_hooks.h.
 */
#include "pst_hooks.h"
#include "pst_wrap.h"

#include <string.h>

#define HOOKS_MOST 56

static struct {
    pst_got_entry_t entries[HOOKS_MOST];
    apr_size_t      count;
} g[PST_HOOKS_TABLES];

/* What the list has, for any APR. */
enum {
#define PST_HOOK(table, when, function, name, returns, arguments) + 1
#define PST_HOOK_ALSO(table, when, symbol, name) + 1
    hooks_listed = 0
#include "pst_hooks.def"
};
_Static_assert(hooks_listed <= HOOKS_MOST, "the tables have room for all hooks");

static void hook_add(pst_hooks_e table, const char *symbol, void *wrapper, void *real)
{
    g[table].entries[g[table].count++] = (pst_got_entry_t){
        .name = symbol, .wrapper = wrapper, .real = real,
        .only_in = table == PST_HOOKS_MMAP || table == PST_HOOKS_MALLOC ? (const void *)pst_real.palloc : NULL
    };
}

void pst_hooks_prepare(const pst_apr_facts_t *facts)
{
    enum { ALWAYS, PLAIN, SPACED, BUCKETS };
    const int holds[] = { [ALWAYS] = 1, [PLAIN] = facts->plain, [SPACED] = !facts->plain, [BUCKETS] = facts->buckets };

    pst_real_find();
    memset(g, 0, sizeof(g));
#define PST_HOOK_ALSO(table, when, symbol, name) \
    if (holds[when]) { \
        hook_add(PST_HOOKS_##table, symbol, (void *)pst_wrap_##name, (void *)pst_real.name); \
    }
#define PST_HOOK(table, when, function, name, returns, arguments) PST_HOOK_ALSO(table, when, #function, name)
#include "pst_hooks.def"
}

apr_status_t pst_hooks_patch(pst_hooks_e table, pst_got_job_t job, apr_size_t *stores)
{
    job.entries = g[table].entries;
    job.count = g[table].count;
    return pst_got_patch(&job, stores);
}
