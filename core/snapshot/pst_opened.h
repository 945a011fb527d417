/* SPDX-License-Identifier: Apache-2.0
 *
 * What a part of a child's books consists of, estimated from samples: the heap, or mappings, by the modules that hold
 * most of it.
 */
#ifndef PST_OPENED_H
#define PST_OPENED_H

#include "pst_who.h"

typedef enum { PST_OPENED_HEAP = 0, PST_OPENED_OTHER, PST_OPENED_COUNT } pst_opened_e;

#define PST_OPENED_ROWS 6     /**< modules listed; the others are added up in one */

/** What one module holds of it. */
typedef struct pst_opened_row_t {
    pst_who_t    who;           /**< its largest call site */
    apr_uint64_t site_bytes;    /**< of that call site */
    apr_uint64_t live_bytes, samples;
} pst_opened_row_t;

typedef struct pst_opened_t {
    apr_uint64_t   bytes;       /**< as the books have it */
    apr_uint64_t   live_bytes;  /**< by samples, of all modules; more than `bytes` where mapped pages were never
                                 * touched */
    apr_uint64_t   others_bytes; /**< of these, those that are in no row */
    apr_uint64_t   unknown_bytes; /**< bytes that no sample accounts for */
    apr_uint32_t   count;
    pst_opened_row_t rows[PST_OPENED_ROWS]; /**< most bytes first */
} pst_opened_t;

/** The word for it, as JSON has it. */
const char *pst_opened_word(pst_opened_e which);

/** @return 0 if nothing is known: the heap profile is off, or the books were not taken yet */
int pst_opened_take(pst_opened_t *part, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                    pst_opened_e which);

#endif /* PST_OPENED_H */
