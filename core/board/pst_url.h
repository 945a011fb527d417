/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of what was asked for, added up: those of several children, whose rows are not the same.
 *
 * A table of the k that took most (Space-Saving) says of each row what is certain, and what can have been missed at
 * most.  So does a sum of such tables: what has a row in one and none in another may have had there as much as
 * anything without a row.  Of a sum that is cut again all of this stays true.
 *
 * Knows nothing of the board but its layout: the parent adds up what it keeps, readers what they show.
 *
 * Called by: any
 */
#ifndef PST_URL_H
#define PST_URL_H

#include "pst_board.h"

/** A sum of tables. Row 0 is for what has none, as on the board. */
typedef struct pst_url_sum_t {
    pst_shared_url_t *rows;
    apr_uint32_t      count;    /**< rows, row 0 among them */
    apr_uint32_t      keep;     /**< rows that a table that was added leaves, at most */
    apr_uint32_t      room;     /**< rows that there is room for: keep, and those of one table */
    apr_uint16_t     *slots;    /**< where a row is found by its hash; 0: nowhere */
    apr_uint32_t      mask;     /**< of hashes */
} pst_url_sum_t;

/** Rows and slots that a sum needs which keeps so many. */
#define PST_URL_ROOM(keep, table) ((keep) + (table))
#define PST_URL_SLOTS(keep, table) pst_url_slots(PST_URL_ROOM(keep, table))
apr_uint32_t pst_url_slots(apr_uint32_t rows);

/** An empty sum in this memory: room rows, and slots, pst_url_slots(room) of them. */
void pst_url_start(pst_url_sum_t *sum, pst_shared_url_t *rows, apr_uint32_t keep, apr_uint32_t room,
                   apr_uint16_t *slots);

/** A copy of a row of the board, checked: texts end, and are zeros up to their ends; figures are none that no process
 *  can have. @return 0 if it says nothing */
int pst_url_take(pst_shared_url_t *to, const pst_shared_url_t *from);

/**
 * Add a table: rows as pst_url_take() made them, row 0 first.  The rows that took least go.
 * @param count  of rows, 1 at least; no more than the sum has room for beyond what it keeps
 */
void pst_url_add(pst_url_sum_t *sum, const pst_shared_url_t *rows, apr_uint32_t count);

/** What a row took, as far as it is certain: by this the largest are chosen. */
apr_uint64_t pst_url_took(const pst_shared_url_t *row);

/** Row 0 becomes that of all requests; nothing can be added any more. */
void pst_url_total(pst_url_sum_t *sum);

/** Largest first. */
void pst_url_sort(pst_url_sum_t *sum);

#endif /* PST_URL_H */
