/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap profile: see the header.
 *
 * Calls are redirected in the tables of all objects except: the one that malloc comes from (what it maps is the heap),
 * libc for mappings and threads, libapr (its mappings are the pools'), the loader, and this module.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_profile.h"
#include "pst_got.h"
#include "pst_hooks.h"
#include "pst_instrument.h"
#include "pst_object.h"
#include "pst_site.h"
#include "pst_wrap_heap.h"
#include "pst_array.h"

#include <apr_pools.h>
#include <apr_time.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>

#define LEFT_ALONE 7
#define CLOSER     16       /* times as often */

static struct {
    pst_shared_child_t *block;
    apr_uint64_t rate, since;
    apr_uint64_t loads;             /* of the loader when all slots were last known to be correct */
    apr_uint64_t known;             /* the same, when the list of objects was made */
    int          beats;             /* other threads run */
    int          closer;            /* samples are taken more often for now */
    int          is_left;           /* switched off, but some tables still redirect calls */
    const void  *not_heap[LEFT_ALONE + 1], *not_maps[LEFT_ALONE + 1];
} g;

/* Add an object in which calls are not redirected. */
static void refuse_symbol(const void **list, const void *address)
{
    apr_size_t i = 0;

    while (list[i]) {
        i++;
    }
    if (i < LEFT_ALONE) {
        list[i] = address;
    }
}

static void choose_objects(void)
{
    const void *libc = (const void *)gnu_get_libc_version, *libapr = (const void *)apr_pool_parent_get;
    const void *both[] = { &g, dlsym(RTLD_DEFAULT, "_r_debug") /* the loader */, NULL };

    if (pst_object_of((const void *)pst_real.heap_malloc) != pst_object_of(libc)) {
        both[2] = (const void *)pst_real.heap_malloc;
    }
    else {
        pst_wrap_heap_start(sizeof(size_t));    /* glibc's chunks have their size before them */
    }
    for (apr_size_t i = 0; i < PST_ITEMS(both); i++) {
        if (both[i]) {
            refuse_symbol(g.not_heap, both[i]);
            refuse_symbol(g.not_maps, both[i]);
        }
    }
    refuse_symbol(g.not_maps, libc);
    refuse_symbol(g.not_maps, libapr);
    if (pst_instrument_nodes_in_heap()) {
        refuse_symbol(g.not_heap, libapr);
    }
}

static apr_status_t patch_table(pst_hooks_e table, const pst_pages_t *pages, int flags, const void *const *not_in)
{
    apr_size_t stores;

    return pst_hooks_patch(table, (pst_got_job_t){ .pages = pages, .flags = flags, .not_in = not_in }, &stores);
}

static apr_status_t patch_heap(int flags)
{
    const pst_pages_t *pages = pst_instrument_pages();
    pst_pages_t own = { .at = NULL };
    apr_status_t rv, heap, maps;
    const char *why;

    if (!pages) {
        rv = pst_pages_take(&own, &why);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        pages = &own;
    }
    heap = patch_table(PST_HOOKS_HEAP, pages, flags, g.not_heap);
    maps = patch_table(PST_HOOKS_MAPS, pages, flags, g.not_maps);
    pst_pages_drop(&own);
    return heap != APR_SUCCESS ? heap : maps;
}

void pst_profile_start(pst_shared_child_t *block)
{
    g.block = block;
    choose_objects();
}

apr_status_t pst_profile_switch(apr_uint64_t rate)
{
    apr_uint64_t loads = pst_got_loads();
    apr_status_t rv;

    if (!g.block || rate == g.rate) {
        return APR_SUCCESS;
    }
    pst_wrap_heap_rate(rate);
    pst_object_refresh();
    rv = patch_heap((g.beats ? PST_GOT_LATE : 0) | (rate ? 0 : PST_GOT_BACK));
    if (rv != APR_SUCCESS && rv != APR_EAGAIN && rate) {
        pst_wrap_heap_rate(0);
        patch_heap((g.beats ? PST_GOT_LATE : 0) | PST_GOT_BACK);
        return rv;
    }
    g.loads = rv == APR_SUCCESS ? loads : 0;
    g.is_left = !rate && rv != APR_SUCCESS;
    g.rate = rate;
    g.closer = 0;
    g.since = rate ? (apr_uint64_t)apr_time_now() : 0;
    pst_store(&g.block->heap_profile_since, g.since);
    pst_store(&g.block->heap_profile_rate, rate);
    return APR_SUCCESS;
}

apr_uint64_t pst_profile_since(void)
{
    return g.since;
}

void pst_profile_look_closer(int closer)
{
    if (g.rate && closer != g.closer) {
        g.closer = closer;
        pst_wrap_heap_finer(closer && g.rate > CLOSER ? g.rate / CLOSER : g.rate);
    }
}

void pst_profile_beat(void)
{
    apr_uint64_t loads = pst_got_loads();

    g.beats = 1;
    if (loads != g.known) {             /* even with the profile off: stacks of pools go through objects as well */
        pst_object_refresh();
        g.known = pst_site_forget_stacks() ? loads : g.known;
    }
    if (g.is_left) {
        g.is_left = patch_heap(PST_GOT_LATE | PST_GOT_BACK) != APR_SUCCESS;
    }
    if (!g.rate || loads == g.loads) {
        return;
    }
    if (patch_heap(PST_GOT_LATE) == APR_SUCCESS) {
        g.loads = loads;
    }
}
