/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of tables of requested URLs: those of several children, whose rows differ.
 *
 * A table of the k that took most (Space-Saving) gives for each row what is certain and the most that can have been
 * missed. So does a sum of such tables: what has a row in one and none in another may have had as much there as
 * anything without a row. All of this still holds for a sum that is cut again.
 *
 * Knows nothing about the board except its layout: the parent adds up what it keeps, readers what they show.
 *
 * Called by: any
 */
#ifndef PST_URL_H
#define PST_URL_H

#include "pst_board.h"

/** A sum of tables. Row 0 is for everything without a row, as on the board. */
typedef struct pst_url_sum_t {
    pst_shared_url_t *rows;
    apr_uint32_t      count;    /**< rows, including row 0 */
    apr_uint32_t      keep;     /**< maximum number of rows left after adding a table */
    apr_uint32_t      room;     /**< capacity in rows: keep, plus those of one table */
    apr_uint16_t     *slots;    /**< index of a row by its hash; 0: none */
    apr_uint32_t      mask;     /**< of hashes */
} pst_url_sum_t;

/** Rows and slots needed by a sum that keeps this many. */
#define PST_URL_ROOM(keep, table) ((keep) + (table))
#define PST_URL_SLOTS(keep, table) pst_url_slots(PST_URL_ROOM(keep, table))
apr_uint32_t pst_url_slots(apr_uint32_t rows);

/** An empty sum in this memory: room rows, and slots, pst_url_slots(room) of them. */
void pst_url_start(pst_url_sum_t *sum, pst_shared_url_t *rows, apr_uint32_t keep, apr_uint32_t room,
                   apr_uint16_t *slots);

/** A checked copy of a row of the board: texts are terminated and padded with zeros; no figure exceeds what a process
 *  can have. @return 0 if the row is empty */
int pst_url_take(pst_shared_url_t *to, const pst_shared_url_t *from);

/**
 * Add a table: rows made by pst_url_take(), row 0 first. The rows that took least are dropped.
 * @param count  of rows, at least 1; no more than the sum has room for beyond what it keeps
 */
void pst_url_add(pst_url_sum_t *sum, const pst_shared_url_t *rows, apr_uint32_t count);

/** What a row took for certain: the largest are chosen by this. */
apr_uint64_t pst_url_took(const pst_shared_url_t *row);

/** Make row 0 the total of all requests; nothing can be added afterwards. */
void pst_url_total(pst_url_sum_t *sum);

/** Sort, largest first. */
void pst_url_sort(pst_url_sum_t *sum);

#endif /* PST_URL_H */
