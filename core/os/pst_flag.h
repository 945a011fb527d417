/* SPDX-License-Identifier: Apache-2.0
 *
 * A flag that one thread holds and nobody waits for: its holder may have been
 * preempted, or be the very thread whose signal handler asks (prefork's children end in
 * one).  A caller that cannot get it at once does without.
 *
 * Called by: any
 */
#ifndef PST_FLAG_H
#define PST_FLAG_H

#include <apr.h>

#define PST_FLAG_TRIES 200

/** Any thread, any context. @return 1 if the flag is held now; 0: do without it */
static APR_INLINE int pst_flag_take(int *flag)
{
    int i;

    for (i = 0; i < PST_FLAG_TRIES; i++) {
        if (!__atomic_load_n(flag, __ATOMIC_RELAXED) && !__atomic_exchange_n(flag, 1, __ATOMIC_ACQUIRE)) {
            return 1;
        }
    }
    return 0;
}

/** Release it. Holder only. */
static APR_INLINE void pst_flag_give(int *flag)
{
    __atomic_store_n(flag, 0, __ATOMIC_RELEASE);
}

#endif /* PST_FLAG_H */
