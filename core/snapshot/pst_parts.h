/* SPDX-License-Identifier: Apache-2.0
 *
 * What a part of a child's books consists of, by samples: the heap, or mappings, by the modules that hold most of it.
 */
#ifndef PST_PARTS_H
#define PST_PARTS_H

#include "pst_who.h"

typedef enum { PST_PART_HEAP = 0, PST_PART_OTHER, PST_PART_COUNT } pst_part_e;

#define PST_PART_ROWS 6     /**< modules told apart; the others are one */

/** What one module holds of it. */
typedef struct pst_part_row_t {
    pst_who_t    who;           /**< its largest call site */
    apr_uint64_t site_bytes;    /**< of that call site */
    apr_uint64_t live_bytes, samples;
} pst_part_row_t;

typedef struct pst_part_t {
    apr_uint64_t   bytes;       /**< by the books */
    apr_uint64_t   live_bytes;  /**< by samples, of everybody; more than bytes where what is mapped was not touched */
    apr_uint64_t   others_bytes; /**< of these, those that are in no row */
    apr_uint64_t   unknown_bytes; /**< bytes that no sample accounts for */
    apr_uint32_t   count;
    pst_part_row_t rows[PST_PART_ROWS]; /**< most bytes first */
} pst_part_t;

/** The word for it, as JSON has it. */
const char *pst_part_word(pst_part_e which);

/** @return 0 if nothing is known: the heap profile is off, or the books were not taken yet */
int pst_part_take(pst_part_t *part, const pst_snapshot_t *snapshot, const pst_child_row_t *child, pst_part_e which);

#endif /* PST_PARTS_H */
