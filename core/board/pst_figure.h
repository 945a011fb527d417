/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and peaks of figures on the board, any of which may be nonsense: a process scribbled, or two counting threads
 * took one below 0 for a moment. A checked figure is at most INT64_MAX, and so are the results here.
 *
 * Called by: any
 */
#ifndef PST_FIGURE_H
#define PST_FIGURE_H

#include "pst_board.h"

/**
 * The result of an accessor for an unknown figure; no figure can have this value.  Views print a
 * dash, JSON null, the metrics face no sample.
 */
#define PST_UNKNOWN UINT64_MAX

/** The known value of a figure: unknown counts as 0 in sums and bars. */
static inline apr_uint64_t pst_known(apr_uint64_t figure)
{
    return figure == PST_UNKNOWN ? 0 : figure;
}

/** Check a figure that was read. @return it, or 0 if it is negative */
static inline apr_uint64_t pst_sane(apr_uint64_t figure)
{
    return figure > (apr_uint64_t)INT64_MAX ? 0 : figure;
}

/** The same for one on the board. */
static inline apr_uint64_t pst_load_sane(const uint64_t *at)
{
    return pst_sane(pst_load(at));
}

/** The sum of two checked figures, or the largest that fits. */
static inline apr_uint64_t pst_plus(apr_uint64_t a, apr_uint64_t b)
{
    return a > (apr_uint64_t)INT64_MAX - b ? (apr_uint64_t)INT64_MAX : a + b;
}

/** a - b, or 0 if b is larger. */
static inline apr_uint64_t pst_minus(apr_uint64_t a, apr_uint64_t b)
{
    return a > b ? a - b : 0;
}

/**
 * Raise a peak on the board to value if that is more.  Any thread, any process: the tries are bounded, because
 * others may scribble there meanwhile.
 * @return 1 if value is a new peak
 */
int pst_raise(uint64_t *peak, apr_uint64_t value);

#endif /* PST_FIGURE_H */
