/* SPDX-License-Identifier: Apache-2.0
 *
 * How a figure changed from generation to generation. The snapshot's copies of them are made by
 * pst_snapshot_generations(), declared in pst_snapshot.h.
 */
#ifndef PST_SNAPSHOT_GENERATIONS_H
#define PST_SNAPSHOT_GENERATIONS_H

#include "pst_metric.h"
#include "pst_snapshot.h"

/** How a figure went from generation to generation. */
typedef struct pst_generation_growth_t {
    unsigned steps;             /**< generations compared, minus one; 0: there is nothing to compare */
    apr_uint64_t first, last;   /**< the figure in the first and the last of them */
    apr_int64_t least, most;    /**< the least and the greatest step; below 0 where it shrank */
    double each;                /**< average bytes per step */
} pst_generation_growth_t;

/**
 * Reader: compare the last generations, at most `most` of them. The server's first is left out where there are
 * enough others: what it lacks (modules unloaded and loaded again) is not growth. The row ends at a generation
 * whose figure is not known (0).
 * @return growth->steps
 */
unsigned pst_generation_growth(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric,
                               unsigned most);

#endif /* PST_SNAPSHOT_GENERATIONS_H */
