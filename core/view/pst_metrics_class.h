/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes as a time series can name them: by text that stays the same over
 * scrapes and children, each name once.
 */
#ifndef PST_METRICS_CLASS_H
#define PST_METRICS_CLASS_H

#include "pst_emit.h"
#include "pst_snapshot.h"

#define PST_METRICS_CLASS_LEN (PST_MODULE_LEN + PST_FUNCTION_LEN + 2)

typedef struct pst_metrics_class_t {
    char name[PST_METRICS_CLASS_LEN];
    pst_class_row_t sum;            /**< of those that bear the name and tag */
    pst_labels_t labels;            /**< for who prints it; not filled in here */
} pst_metrics_class_t;

typedef struct pst_metrics_classes_t {
    pst_metrics_class_t *rows;      /**< by name and tag; of pool */
    apr_uint32_t count;             /**< PST_METRICS_CLASSES at most */
} pst_metrics_classes_t;

/**
 * Name classes and join those of one name: "mod_x.so function" where the child knew the function, else
 * "mod_x.so+0x1f2a"; "unknown" for pools whose creator was not seen, "other" for those that found no row, or no
 * room here.  Bytes that are no printable ASCII become '?', so that what differs here also differs once printed.
 * The functions are those on the board: unlike what this process could look up, they are the same whoever answers.
 */
void pst_metrics_classes(pst_metrics_classes_t *to, const pst_snapshot_t *snapshot,
                         const pst_class_row_t *classes, apr_uint32_t count, apr_pool_t *pool);

#endif /* PST_METRICS_CLASS_H */
