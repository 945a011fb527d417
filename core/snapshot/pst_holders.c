/* SPDX-License-Identifier: Apache-2.0
 *
 * By module and by hook: see the header.
 */
#include "pst_holders.h"
#include "pst_array.h"
#include "pst_figure.h"
#include "pst_who.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[PST_HELD_COUNT] = {
    [PST_HELD_POOLS] = "pools", [PST_HELD_HEAP] = "heap", [PST_HELD_MAPPED] = "mapped", [PST_HELD_STACK] = "stack"
};

const char *pst_held_word(unsigned held)
{
    return held < PST_HELD_COUNT ? words[held] : "?";
}

static pst_held_e held_of(apr_uint32_t scope)
{
    switch (scope) {
    case PST_SCOPE_HEAP:   return PST_HELD_HEAP;
    case PST_SCOPE_MAPPED: return PST_HELD_MAPPED;
    case PST_SCOPE_STACK:  return PST_HELD_STACK;
    default: return PST_HELD_POOLS;
    }
}

static int is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static pst_holder_t *find_holder(pst_holder_t *all, apr_uint32_t *count, const char *module, const char *hook)
{
    for (apr_uint32_t i = 0; i < *count; i++) {
        if (is_same_text(all[i].module, module) && is_same_text(all[i].hook, hook)) {
            return &all[i];
        }
    }
    all[*count] = (pst_holder_t){ .module = module, .hook = hook };
    return &all[(*count)++];
}

static void hold_site(pst_holder_t *to, const pst_site_row_t *site)
{
    pst_held_e held = held_of(site->row.scope);
    apr_uint64_t ever = pst_minus(site->row.site_ever_bytes, site->row.site_left_bytes);

    to->live[held] = pst_plus(to->live[held], site->row.site_live_bytes);
    to->ever[held] = pst_plus(to->ever[held], ever);
    to->live_all = pst_plus(to->live_all, site->row.site_live_bytes);
    to->ever_all = pst_plus(to->ever_all, ever);
    to->samples = pst_plus(to->samples, pst_minus(site->row.site_ever_samples, site->row.site_left_samples));
}

static int by_holder_live(const void *one, const void *two)
{
    const pst_holder_t *a = one, *b = two;

    return a->live_all != b->live_all ? (a->live_all < b->live_all) - (a->live_all > b->live_all)
                                      : (a->ever_all < b->ever_all) - (a->ever_all > b->ever_all);
}

static int by_ever(const void *one, const void *two)
{
    const pst_holder_t *a = one, *b = two;

    return (a->ever_all < b->ever_all) - (a->ever_all > b->ever_all);
}

void pst_holders_take(pst_snapshot_t *snapshot, apr_pool_t *pool)
{
    pst_holders_t *holders = apr_pcalloc(pool, sizeof(*holders));

    holders->modules = apr_palloc(pool, (snapshot->site_count + 1) * sizeof(*holders->modules));
    holders->hooks = apr_palloc(pool, (snapshot->site_count + 1) * sizeof(*holders->hooks));
    for (apr_uint32_t i = 0; i < snapshot->site_count; i++) {
        const pst_site_row_t *site = &snapshot->sites[i];
        const char *module = NULL, *hook = NULL;
        pst_who_t who;

        if (pst_who_of_site(&who, snapshot, site)) {
            module = who.of.module;
            hook = pst_who_hook(snapshot->modules, site->row.frames, site->row.depth);
        }
        hold_site(find_holder(holders->modules, &holders->module_count, module, NULL), site);
        if (module) {
            hold_site(find_holder(holders->hooks, &holders->hook_count, module, hook), site);
        }
    }
    qsort(holders->modules, holders->module_count, sizeof(*holders->modules), by_holder_live);
    qsort(holders->hooks, holders->hook_count, sizeof(*holders->hooks), by_ever);
    snapshot->holders = holders;
}
