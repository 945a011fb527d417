/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of addresses, each with a number: open addressing, grows, never shrinks.
 * Command only.
 */
#ifndef PST_ADDRESSES_H
#define PST_ADDRESSES_H

#include <apr.h>
#include <stdint.h>

typedef struct pst_addresses_t {
    struct { uintptr_t at; uint32_t number; } *slots;   /**< 0: free */
    apr_size_t size, count;
} pst_addresses_t;

#define PST_NO_NUMBER UINT32_MAX

/** The number of an address, or PST_NO_NUMBER. */
uint32_t pst_addresses_get(const pst_addresses_t *set, uintptr_t at);

/** Add an address other than 0, or give it another number. @return 0 if there is no memory */
int pst_addresses_set(pst_addresses_t *set, uintptr_t at, uint32_t number);

void pst_addresses_free(pst_addresses_t *set);

#endif /* PST_ADDRESSES_H */
