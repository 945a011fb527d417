/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the doctor's parts: for pst_doctor*.c alone.
 */
#ifndef PST_DOCTOR_PARTS_H
#define PST_DOCTOR_PARTS_H

#include "pst_doctor.h"
#include "pst_doctor_thresholds.h"
#include "pst_history.h"
#include "pst_snapshot.h"

/** One examination. */
typedef struct pst_doctor_t {
    const pst_snapshot_t *snapshot;
    const pst_board_t *board;
    pst_findings_t *findings;
    apr_pool_t *pool;
    pst_history_t history;      /**< of the child read last */
    int has_room;               /**< `history` has room for points */
    apr_uint32_t history_of;    /**< pid; 0: none yet */
    struct apr_hash_t *sums;    /**< pst_doctor_sums.c: by pid, what is reported as a sum; NULL: not computed yet */
} pst_doctor_t;

/** The largest of many, largest first; and how many there were. */
typedef struct pst_top_t {
    const void *item[PST_DOCTOR_LISTED];
    double weight[PST_DOCTOR_LISTED];
    unsigned kept;
    apr_uint64_t count;
} pst_top_t;

void pst_top_add(pst_top_t *top, double weight, const void *item);

/** Add a finding, about the server as a whole unless changed later. @return a spare one that nobody reads, if there
 *  are too many */
pst_finding_t *pst_doctor_find(pst_doctor_t *doctor, const char *id, pst_severity_e severity);

/** Add a figure to a finding. */
void pst_doctor_figure(pst_finding_t *finding, const char *key, double value);

/** Texts, of the doctor's pool. */
const char *pst_doctor_size(const pst_doctor_t *doctor, double bytes);
const char *pst_doctor_age(const pst_doctor_t *doctor, apr_uint64_t usec);
const char *pst_doctor_say(const pst_doctor_t *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The child's fine points. @return 0 if there are none */
int pst_doctor_history(pst_doctor_t *doctor, const pst_child_row_t *child);

/** How long a figure of a child has been what it is. */
typedef struct pst_stretch_t {
    apr_uint64_t lasted;        /**< microseconds up to the last point; over all points, if it was never less */
    apr_uint32_t points;
    apr_uint64_t floor;         /**< its lowest value in that time */
    int enough;                 /**< that is long enough to judge */
} pst_stretch_t;

typedef apr_uint64_t (*pst_of_point_fn)(const pst_history_point_t *point);

/** How long has it been at least that? */
void pst_doctor_stretch(pst_stretch_t *stretch, pst_doctor_t *doctor, const pst_child_row_t *child, pst_of_point_fn of,
                        apr_uint64_t least);

/** pst_doctor_misuse.c */
void pst_doctor_misuses(pst_doctor_t *doctor);
/** pst_doctor_growth.c */
void pst_doctor_growing(pst_doctor_t *doctor);
/** pst_doctor_sums.c */
void pst_doctor_sums(pst_doctor_t *doctor);
/** Is that connection, or its request, reported together with all similar ones? After pst_doctor_sums(). */
int pst_doctor_is_in_sum(const pst_doctor_t *doctor, const pst_row_t *row);
/** pst_doctor_sites.c; after classes */
void pst_doctor_sites(pst_doctor_t *doctor);
/** pst_doctor_children.c */
void pst_doctor_processes(pst_doctor_t *doctor);
void pst_doctor_heaps(pst_doctor_t *doctor);
/** pst_doctor_generations.c */
void pst_doctor_generations(pst_doctor_t *doctor);
/** pst_doctor_losses.c */
void pst_doctor_losses(pst_doctor_t *doctor);
/** pst_doctor_kept.c */
void pst_doctor_kept(pst_doctor_t *doctor);
/** pst_doctor_surge.c */
void pst_doctor_surges(pst_doctor_t *doctor);
/** pst_doctor_relatives.c */
void pst_doctor_relatives(pst_doctor_t *doctor);
/** pst_doctor_server.c */
void pst_doctor_server(pst_doctor_t *doctor);

#endif /* PST_DOCTOR_PARTS_H */
