/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: mappings that are not nodes are known exactly as long as they exist, also when there are
 * more than the table has room for; and what cannot be unmapped stays what it is.
 */
#include "tap.h"
#include "pst_child.h"
#include "pst_maps.h"
#include "pst_wrap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MANY 60000

static const void *page(uintptr_t n)
{
    return (const void *)(uintptr_t)(0x7f0000000000u + ((uint64_t)n << 12));
}

static void few(void)
{
    tally_t wrong = { 0, 0 };

    is_number((unsigned)pst_maps_remove(page(1)), 0, "what was never added is not known");
    is_number((unsigned)pst_maps_add(page(1)), 1, "added");
    is_number((unsigned)pst_maps_remove(page(2)), 0, "another is not known");
    is_number((unsigned)pst_maps_remove(page(1)), 1, "it is");
    is_number((unsigned)pst_maps_remove(page(1)), 0, "once");
    for (uintptr_t n = 0; n < 4000; n++) {
        tally(&wrong, pst_maps_add(page(n * 3)) != 1, n);
    }
    for (uintptr_t n = 0; n < 12000; n++) {
        tally(&wrong, pst_maps_remove(page(n)) != (n % 3 == 0), n);
    }
    none_wrong(&wrong, "4,000 at once, and only those");
}

static void more_than_there_is_room_for(void)
{
    static char added[MANY];
    unsigned known = 0;
    tally_t wrong = { 0, 0 };

    for (uintptr_t n = 0; n < MANY; n++) {
        added[n] = (char)pst_maps_add(page(n * 7));
        known += (unsigned)added[n];
    }
    printf("# room for %u\n", known);
    ok(known > 4096 && known < MANY, "at some time there is no room");
    for (uintptr_t n = 0; n < MANY; n++) {
        tally(&wrong, pst_maps_remove(page(n * 7)) != added[n], n);
    }
    none_wrong(&wrong, "what found none is not known, all else is");
    for (uintptr_t n = 0; n < MANY; n++) {
        tally(&wrong, pst_maps_remove(page(n * 7)), n);
    }
    none_wrong(&wrong, "nothing is left");
    for (uintptr_t n = 0; n < 4000; n++) {
        tally(&wrong, pst_maps_add(page(n)) != 1 || pst_maps_remove(page(n)) != 1, n);
    }
    none_wrong(&wrong, "and the room is there again");
}

static void *add_and_remove(void *first)
{
    static tally_t of[4];
    uintptr_t base = (uintptr_t)first;
    tally_t *wrong = &of[base];

    for (uintptr_t round = 0; round < 200; round++) {
        for (uintptr_t n = 0; n < 300; n++) {
            tally(wrong, pst_maps_add(page(base + n * 4)) != 1, round * 300 + n);
        }
        for (uintptr_t n = 0; n < 300; n++) {
            tally(wrong, pst_maps_remove(page(base + n * 4)) != 1, round * 300 + n);
        }
    }
    return wrong;
}

static void many_threads(void)
{
    pthread_t threads[4];
    void *wrong;

    for (uintptr_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, add_and_remove, (void *)i);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &wrong);
        none_wrong(wrong, "one of four threads side by side finds its own");
    }
}

/* ---- the wrappers of what libapr maps ---- */

static int refuses;

static int sometimes(void *at, size_t size)
{
    if (refuses) {
        errno = ENOMEM;
        return -1;
    }
    return munmap(at, size);
}

/* What the kernel does not unmap is held as before, and what was known not to be a node still is. */
static void refused(void)
{
    static pst_shared_child_t child;
    const size_t size = 16 * 4096;
    FILE *file = tmpfile();
    void *node, *other;

    pst_real_find();
    pst_real.munmap = sometimes;
    pst_child_start(&child);
    if (!file || ftruncate(fileno(file), (off_t)size) != 0) {
        printf("Bail out! no temporary file\n");
        exit(1);
    }
    node = pst_wrap_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    other = pst_wrap_mmap(NULL, size, PROT_READ, MAP_SHARED, fileno(file), 0);
    is_number(child.held_bytes, size, "a node is held, a mapped file is not");
    refuses = 1;
    ok(pst_wrap_munmap(node, size) == -1 && errno == ENOMEM, "a node that cannot be unmapped");
    is_number(child.held_bytes, size, "is held as before");
    ok(pst_wrap_munmap(other, size) == -1 && errno == ENOMEM, "a file that cannot be unmapped");
    is_number(child.held_bytes, size, "changes nothing either");
    refuses = 0;
    ok(pst_wrap_munmap(other, size) == 0, "it goes later");
    is_number(child.held_bytes, size, "and was no node all the time");
    ok(pst_wrap_munmap(node, size) == 0, "the node goes");
    is_number(child.held_bytes, 0, "and is not held any more");
    fclose(file);
}

int main(void)
{
    few();
    more_than_there_is_room_for();
    many_threads();
    refused();
    return done();
}
