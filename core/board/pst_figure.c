/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_figure.h.
 */
#include "pst_figure.h"

#define RAISE_TRIES 4

int pst_raise(uint64_t *peak, apr_uint64_t value)
{
    apr_uint64_t seen = pst_load(peak);

    for (int tries = 0; tries < RAISE_TRIES && value > seen; tries++) {
        if (__atomic_compare_exchange_n(peak, &seen, value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return 1;
        }
    }
    return 0;
}
