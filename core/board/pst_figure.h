/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and peaks of figures that stand on the board, where any of them may be anything: a process scribbled, or two
 * threads that count took one below 0 for a moment.  What is checked is at most INT64_MAX, and so is what these make of
 * it.
 *
 * Called by: any
 */
#ifndef PST_FIGURE_H
#define PST_FIGURE_H

#include "pst_board.h"

/**
 * The state of a figure that nobody knows, which no figure can have as its value: an accessor's answer.  Views print a
 * dash, JSON null, the metrics face no sample.
 */
#define PST_UNKNOWN UINT64_MAX

/** What is known of a figure: nothing counts as 0 where sums and bars are made. */
static inline apr_uint64_t pst_known(apr_uint64_t figure)
{
    return figure == PST_UNKNOWN ? 0 : figure;
}

/** A figure as it was read. @return it, or 0 for one that is below 0 */
static inline apr_uint64_t pst_sane(apr_uint64_t figure)
{
    return figure > (apr_uint64_t)INT64_MAX ? 0 : figure;
}

/** The same of one that stands on the board. */
static inline apr_uint64_t pst_load_sane(const uint64_t *at)
{
    return pst_sane(pst_load(at));
}

/** The sum of two that are checked, or as much as there is room for. */
static inline apr_uint64_t pst_plus(apr_uint64_t a, apr_uint64_t b)
{
    return a > (apr_uint64_t)INT64_MAX - b ? (apr_uint64_t)INT64_MAX : a + b;
}

/** What b leaves of a: 0 if it is more. */
static inline apr_uint64_t pst_minus(apr_uint64_t a, apr_uint64_t b)
{
    return a > b ? a - b : 0;
}

/**
 * A peak on the board, raised to value if that is more.  Any thread, any process: the tries are bounded, because
 * others may scribble there meanwhile.
 * @return 1 if value is a new peak
 */
int pst_raise(uint64_t *peak, apr_uint64_t value);

#endif /* PST_FIGURE_H */
