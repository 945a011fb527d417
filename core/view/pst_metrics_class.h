/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes as a time series can name them: by text that stays the same across scrapes and children,
 * each name once.
 */
#ifndef PST_METRICS_CLASS_H
#define PST_METRICS_CLASS_H

#include "pst_emit.h"
#include "pst_snapshot.h"

#define PST_METRICS_CLASS_LEN (PST_MODULE_LEN + PST_FUNCTION_LEN + 2)

typedef struct pst_metrics_class_t {
    char name[PST_METRICS_CLASS_LEN];
    pst_class_row_t sum;            /**< of those with this name and tag */
    pst_labels_t labels;            /**< for the caller that prints it; not filled in here */
} pst_metrics_class_t;

typedef struct pst_metrics_classes_t {
    pst_metrics_class_t *rows;      /**< by name and tag; of pool */
    apr_uint32_t count;             /**< PST_METRICS_CLASSES at most */
} pst_metrics_classes_t;

/**
 * Name classes and join those with the same name: "mod_x.so function" where the child knew the function, else
 * "mod_x.so+0x1f2a"; "unknown" for pools whose creator was not seen, "other" for those that found no row, or no
 * room here.  Bytes that are not printable ASCII become '?', so that names that differ here also differ in print.
 * Functions come from the board: unlike what this process could look up, they are the same in whichever process
 * answers.
 */
void pst_metrics_classes(pst_metrics_classes_t *to, const pst_snapshot_t *snapshot,
                         const pst_class_row_t *classes, apr_uint32_t count, apr_pool_t *pool);

#endif /* PST_METRICS_CLASS_H */
