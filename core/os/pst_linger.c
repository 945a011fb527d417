/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_linger.h.
 */
#include "pst_linger.h"

#include <sys/mman.h>

/* Blocks at most, and beats that each lingers if nothing else makes it go. */
#define ROUND 64u

#define BYTES_MOST ((apr_size_t)4 << 20)

/* A block in one word, so that one exchange puts and takes it: the beat in which it was put, the page it starts with,
 * its number of pages. */
#define PAGE_BITS  12
#define COUNT_BITS 12
#define COUNT_MOST ((apr_size_t)1 << COUNT_BITS)
#define BEAT_SHIFT 48
#define ADDRESS    (((apr_uint64_t)1 << BEAT_SHIFT) - COUNT_MOST)

static struct {
    apr_uint64_t blocks[ROUND];     /* atomic; 0: none */
    apr_uint32_t next;              /* atomic: where the next is put, over the oldest */
    apr_uint32_t beat;              /* atomic */
    apr_size_t   bytes;             /* atomic */
} g;

static void unmap_block(apr_uint64_t block)
{
    apr_size_t size = (apr_size_t)(block & (COUNT_MOST - 1)) << PAGE_BITS;

    if (block) {
        munmap((void *)(apr_uintptr_t)((block & ADDRESS) >> COUNT_BITS << PAGE_BITS), size);
        __atomic_sub_fetch(&g.bytes, size, __ATOMIC_RELAXED);
    }
}

static void let_oldest_go(void)
{
    apr_uint32_t next = __atomic_load_n(&g.next, __ATOMIC_RELAXED);
    apr_uint64_t block = 0;

    for (unsigned i = 0; i < ROUND && !block; i++) {
        block = __atomic_exchange_n(&g.blocks[(next + i) % ROUND], 0, __ATOMIC_ACQ_REL);
    }
    unmap_block(block);
}

int pst_linger(void *at, apr_size_t size)
{
    apr_uint64_t page = (apr_uint64_t)(apr_uintptr_t)at >> PAGE_BITS;
    apr_size_t pages = (size + (1u << PAGE_BITS) - 1) >> PAGE_BITS;
    apr_size_t bytes = pages << PAGE_BITS;
    apr_uint32_t next;

    if (bytes > BYTES_MOST || !pages || (apr_uintptr_t)at % (1u << PAGE_BITS) || page >> (BEAT_SHIFT - COUNT_BITS)) {
        return munmap(at, size);
    }
    __atomic_add_fetch(&g.bytes, bytes, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < ROUND && pst_linger_bytes() > BYTES_MOST; i++) {
        let_oldest_go();
    }
    next = __atomic_fetch_add(&g.next, 1, __ATOMIC_RELAXED);
    unmap_block(__atomic_exchange_n(&g.blocks[next % ROUND],
                                    (apr_uint64_t)__atomic_load_n(&g.beat, __ATOMIC_RELAXED) << BEAT_SHIFT
                                    | page << COUNT_BITS | pages, __ATOMIC_ACQ_REL));
    return 0;
}

void pst_linger_beat(void)
{
    apr_uint32_t beat = __atomic_add_fetch(&g.beat, 1, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < ROUND && pst_linger_bytes(); i++) {
        apr_uint64_t block = __atomic_load_n(&g.blocks[i], __ATOMIC_ACQUIRE);

        if (block && (apr_uint16_t)(beat - (apr_uint32_t)(block >> BEAT_SHIFT)) >= ROUND
            && __atomic_compare_exchange_n(&g.blocks[i], &block, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            unmap_block(block);
        }
    }
}

apr_size_t pst_linger_bytes(void)
{
    return __atomic_load_n(&g.bytes, __ATOMIC_RELAXED);
}
