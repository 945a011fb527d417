/* SPDX-License-Identifier: Apache-2.0
 *
 * Mappings that are not nodes: see the header.
 *
 * A hash of fixed windows: an address lives anywhere in the WINDOW entries from
 * its hash on and every look-up checks them all, so removals need no tombstones.
 */
#include "pst_maps.h"

#include <stddef.h>
#include <stdint.h>

#define SIZE   8192u     /* mapped files alive at once in one child */
#define WINDOW 32u

static const void *table[SIZE + WINDOW];
static unsigned count;      /* atomic: while it is 0, as nearly always, the table is not even touched */

static const void **mapping_window(const void *at)
{
    return &table[((uint64_t)(uintptr_t)at >> 12) * 0x9e3779b97f4a7c15u >> (64 - 13)];
}

static int swap(const void *at, const void *from, const void *to)
{
    const void **entry = mapping_window(at);
    unsigned i;

    for (i = 0; i < WINDOW; i++) {
        const void *seen = __atomic_load_n(&entry[i], __ATOMIC_RELAXED);

        if (seen == from
            && __atomic_compare_exchange_n(&entry[i], &seen, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return 1;
        }
    }
    return 0;
}

int pst_maps_add(const void *at)
{
    int added;

    __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED); /* first: a thread that looks for it must not see a count of 0 */
    added = swap(at, NULL, at);
    if (!added) {
        __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    }
    return added;
}

int pst_maps_remove(const void *at)
{
    int removed = __atomic_load_n(&count, __ATOMIC_RELAXED) && swap(at, at, NULL);

    if (removed) {
        __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    }
    return removed;
}
