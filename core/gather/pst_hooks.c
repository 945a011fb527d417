/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_hooks.h.
 */
#include "pst_hooks.h"
#include "pst_wrap.h"

#include <string.h>

#define HOOKS_MOST 128

static struct {
    pst_got_entry_t entries[HOOKS_MOST];
    apr_size_t      count;
} g[PST_HOOKS_TABLES];

/* Everything in the list, for any APR. */
enum {
#define PST_HOOK(table, when, function, name, returns, arguments) + 1
#define PST_HOOK_ALSO(table, when, symbol, name) + 1
    hooks_listed = 0
#include "pst_hooks.def"
};
_Static_assert(hooks_listed <= HOOKS_MOST, "the tables have room for all hooks");

void pst_hooks_add(pst_hooks_e table, const char *symbol, void *wrapper, void *real)
{
    if (g[table].count == HOOKS_MOST) {
        return;
    }
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
        pst_hooks_add(PST_HOOKS_##table, symbol, (void *)pst_wrap_##name, (void *)pst_real.name); \
    }
#define PST_HOOK(table, when, function, name, returns, arguments) PST_HOOK_ALSO(table, when, #function, name)
#include "pst_hooks.def"
}

static void lay(pst_hooks_e table, int on)
{
    for (apr_size_t i = 0; i < g[table].count; i++) {
        pst_got_entry_t entry = g[table].entries[i];
        apr_size_t k = 0;

        while (k < g[PST_HOOKS_NOW].count && strcmp(g[PST_HOOKS_NOW].entries[k].name, entry.name) != 0) {
            k++;
        }
        if (k == g[PST_HOOKS_NOW].count) {
            entry.wrapper = on ? entry.wrapper : entry.real;
            g[PST_HOOKS_NOW].entries[g[PST_HOOKS_NOW].count++] = entry;
        }
        else if (on) {
            g[PST_HOOKS_NOW].entries[k].wrapper = entry.wrapper;
        }
    }
}

void pst_hooks_choose(unsigned which)
{
    g[PST_HOOKS_NOW] = g[PST_HOOKS_CALLS];
    lay(PST_HOOKS_GUARD, which >> PST_HOOKS_GUARD & 1);
    lay(PST_HOOKS_CHECK, which >> PST_HOOKS_CHECK & 1);
    lay(PST_HOOKS_BLOCKS, which >> PST_HOOKS_BLOCKS & 1);
    lay(PST_HOOKS_CLOSE, which >> PST_HOOKS_CLOSE & 1);
    lay(PST_HOOKS_FENCE, which >> PST_HOOKS_FENCE & 1);
}

apr_status_t pst_hooks_patch(pst_hooks_e table, pst_got_job_t job, apr_size_t *stores)
{
    job.entries = g[table].entries;
    job.count = g[table].count;
    return pst_got_patch(&job, stores);
}
