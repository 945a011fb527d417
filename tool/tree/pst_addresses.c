/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of addresses: see the header.
 */
#include "pst_addresses.h"

#include <stdlib.h>

static apr_size_t address_place(const pst_addresses_t *set, uintptr_t at)
{
    apr_size_t i = (apr_size_t)((uint64_t)at * 0x9e3779b97f4a7c15u >> 16) & (set->size - 1);

    while (set->slots[i].at && set->slots[i].at != at) {
        i = (i + 1) & (set->size - 1);
    }
    return i;
}

uint32_t pst_addresses_get(const pst_addresses_t *set, uintptr_t at)
{
    apr_size_t i;

    if (!set->size || !at) {
        return PST_NO_NUMBER;
    }
    i = address_place(set, at);
    return set->slots[i].at ? set->slots[i].number : PST_NO_NUMBER;
}

static int grow(pst_addresses_t *set)
{
    pst_addresses_t larger = { .size = set->size ? set->size * 2 : 1024, .count = set->count };
    apr_size_t i;

    larger.slots = calloc(larger.size, sizeof(*larger.slots));
    if (!larger.slots) {
        return 0;
    }
    for (i = 0; i < set->size; i++) {
        if (set->slots[i].at) {
            larger.slots[address_place(&larger, set->slots[i].at)] = set->slots[i];
        }
    }
    free(set->slots);
    *set = larger;
    return 1;
}

int pst_addresses_set(pst_addresses_t *set, uintptr_t at, uint32_t number)
{
    apr_size_t i;

    if (!at || (set->count * 4 >= set->size * 3 && !grow(set))) {
        return 0;
    }
    i = address_place(set, at);
    set->count += set->slots[i].at ? 0 : 1;
    set->slots[i].at = at;
    set->slots[i].number = number;
    return 1;
}

void pst_addresses_free(pst_addresses_t *set)
{
    free(set->slots);
    set->slots = NULL;
    set->size = set->count = 0;
}
