/* SPDX-License-Identifier: Apache-2.0
 *
 * What is reported about growth, from look to look: a verdict that comes and goes within seconds helps nobody.
 *
 * Growth is reported when two looks in a row find it, and no longer when several in a row do not. Its start is not
 * moved at once either: a line through a few more points may begin elsewhere.
 *
 * One thread: the history's writer.
 *
 * Called by: watchdog, parent
 */
#ifndef PST_HOLD_H
#define PST_HOLD_H

#include "pst_board.h"
#include "pst_trend.h"

/** A verdict, its times in microseconds since the epoch. */
typedef struct pst_told_t {
    pst_trend_e  state;
    double       per_minute, per_request, fit, gained, level;
    apr_uint64_t since, until;
} pst_told_t;

/** What was reported before; zeros: nothing. */
typedef struct pst_hold_t {
    pst_told_t   said;
    apr_uint32_t found;         /**< looks in a row that found it growing */
    apr_uint32_t missed;        /**< looks in a row that did not */
    apr_uint32_t later;         /**< looks in a row that found a later start than reported */
} pst_hold_t;

/** Convert the times of a verdict whose points' times are relative to begin. */
void pst_told_from(pst_told_t *told, const pst_trend_t *trend, apr_uint64_t begin);

/** A look found this now; it is replaced by what is to be reported. */
void pst_hold(pst_hold_t *hold, pst_told_t *told, apr_uint64_t now);

/** For a class or the heap. */
#define PST_OF_NO_SCOPE (-1)

/**
 * Publish on the board. The site stays for as long as it grows and after that has ended; pst_suspicion.c sets it.
 * @param slot  its slot, or NULL
 * @param scope pst_scope_e: what grows; or PST_OF_NO_SCOPE
 */
void pst_told_publish(pst_shared_verdict_t *to, const pst_told_t *told, const pst_shared_slot_t *slot, int scope);

#endif /* PST_HOLD_H */
