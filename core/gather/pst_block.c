/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled blocks: see the header.
 *
 * A hash of fixed windows: an address lives anywhere in the WINDOW entries from its hash on and every look-up checks
 * them all, so removals need no tombstones. Addresses are stored apart from their data: a look-up reads two cache
 * lines.
 */
#include "pst_block.h"

#define WINDOW 16u
#define TAKEN  ((apr_uintptr_t)1)   /* an entry being filled or emptied: no address */

apr_uint16_t pst_block_filter[PST_BLOCK_FILTER];

static apr_uintptr_t addresses[PST_BLOCK_COUNT + WINDOW];
static pst_block_t blocks[PST_BLOCK_COUNT + WINDOW];
static int is_used; /* atomic: there has been a block. Memory never written is not even read */

static apr_uint32_t block_window(const void *at)
{
    return (apr_uint32_t)(((apr_uint64_t)(apr_uintptr_t)at >> 4) * 0x9e3779b97f4a7c15u >> 45) % PST_BLOCK_COUNT;
}

static void filter(const void *at, int sign)
{
    __atomic_add_fetch(pst_block_filter_of(at), (apr_uint16_t)sign, __ATOMIC_RELAXED);
}

/* @return the entry, turned from one word to the other by this thread; or -1 */
static long turn(const void *at, apr_uintptr_t from, apr_uintptr_t to)
{
    apr_uint32_t i = block_window(at), end = i + WINDOW;

    for (; i < end; i++) {
        apr_uintptr_t seen = __atomic_load_n(&addresses[i], __ATOMIC_RELAXED);

        if (seen == from
            && __atomic_compare_exchange_n(&addresses[i], &seen, to, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return (long)i;
        }
    }
    return -1;
}

int pst_block_add(const void *at, const pst_block_t *block)
{
    long i = turn(at, 0, TAKEN);

    if (i < 0) {
        return 0;
    }
    __atomic_store_n(&is_used, 1, __ATOMIC_RELAXED);
    blocks[i] = *block;
    __atomic_store_n(&addresses[i], (apr_uintptr_t)at, __ATOMIC_RELEASE);
    filter(at, 1);
    return 1;
}

int pst_block_take(const void *at, pst_block_t *block)
{
    /* NULL may be freed, too, and marks an empty entry */
    long i = (apr_uintptr_t)at > TAKEN ? turn(at, (apr_uintptr_t)at, TAKEN) : -1;

    if (i < 0) {
        return 0;
    }
    *block = blocks[i];
    filter(at, -1);
    __atomic_store_n(&addresses[i], 0, __ATOMIC_RELEASE);
    return 1;
}

void pst_block_drop_all(void (*gone)(const pst_block_t *block))
{
    apr_uint32_t count = __atomic_load_n(&is_used, __ATOMIC_RELAXED) ? PST_BLOCK_COUNT + WINDOW : 0;

    for (apr_uint32_t i = 0; i < count; i++) {
        apr_uintptr_t at = __atomic_load_n(&addresses[i], __ATOMIC_RELAXED);
        pst_block_t block;

        if (at > TAKEN && pst_block_take((const void *)at, &block)) {
            gone(&block);
        }
    }
}
