/* SPDX-License-Identifier: Apache-2.0
 *
 * Chance, good enough not to be in step with anything: xorshift64, its state a word of the caller's, usually one for
 * each thread.
 *
 * Called by: any
 */
#ifndef PST_DICE_H
#define PST_DICE_H

#include "pst_clock.h"

/** The next random number. @param dice its state, not 0; the result is not 0 either */
static APR_INLINE apr_uint64_t pst_dice_roll(apr_uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice;
}

/** A random number below that, not 0. @param dice its state; 0: not begun yet */
static APR_INLINE apr_uint32_t pst_dice_below(apr_uint64_t *dice, apr_uint32_t below)
{
    if (!*dice) {
        *dice = (pst_ticks() ^ (apr_uint64_t)(apr_uintptr_t)dice) * 0x9e3779b97f4a7c15u | 1;
    }
    return (apr_uint32_t)(pst_dice_roll(dice) >> 32) % below;
}

#endif /* PST_DICE_H */
