/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor: findings in plain words, with the figures behind them and what to do.  The reading side:
 * from a snapshot, the histories and the generations; it gathers nothing and changes nothing.
 * docs/doctor.md has each finding; every threshold is in pst_doctor_thresholds.h.
 *
 * No finding without evidence, and none on a record too short to judge by.
 */
#ifndef PST_DOCTOR_H
#define PST_DOCTOR_H

#include "pst_snapshot_figures.h"

typedef enum {
    PST_SEVERITY_INFO = 0,      /**< worth knowing; nothing gets worse */
    PST_SEVERITY_WARNING,       /**< memory is wasted, or lost, or figures are missing */
    PST_SEVERITY_CRITICAL,      /**< if nothing is done, memory will run out */
    PST_SEVERITY_COUNT
} pst_severity_e;

/** A figure behind a finding, for programs. */
typedef struct pst_finding_figure_t {
    const char *key;            /**< unit at its end: _bytes, _seconds, _bytes_per_minute ... */
    double      value;          /**< whole; below 0 where something shrank */
} pst_finding_figure_t;

#define PST_FINDING_FIGURES 16

typedef struct pst_finding_t {
    const char    *id;          /**< stable: "growing-process" */
    pst_severity_e severity;
    apr_uint32_t   pid;         /**< the child it is about; 0: the server as a whole */
    apr_uint64_t   connection;  /**< its connection; 0: none */
    const char    *tag;         /**< the class's; NULL: it is about no class */
    const char    *what;        /**< one sentence: what is wrong */
    const char    *evidence;    /**< the figures, in words */
    const char    *advice;      /**< what to do: directive and value, or whom to write to */
    const char    *blamed;      /**< the module that holds most of what stayed, or httpd's program; NULL: not known */
    const char    *site;        /**< its code; NULL: not known */
    apr_uint64_t   more;        /**< others like it that are not listed */
    unsigned       figure_count;
    pst_finding_figure_t figures[PST_FINDING_FIGURES];
} pst_finding_t;

#define PST_FINDINGS_MOST 64

typedef struct pst_findings_t {
    unsigned count;
    pst_finding_t findings[PST_FINDINGS_MOST];  /**< most severe first, then in the order of the manual */
    apr_uint32_t children;      /**< that were examined */
    apr_uint64_t record;        /**< microseconds: the longest record that there was to judge by; 0: no histories */
    int          young;         /**< that is too short for most findings */
    int          begun;         /**< something grows, for too short a time, or by too little, to be a finding yet */
    double       begun_by;      /**< bytes: the most that any such gained */
    const char  *waits;         /**< what that is, and what it waits for */
} pst_findings_t;

/**
 * Examine the server, whatever the snapshot's filter had it show: of a snapshot of one child (filter.pid) all the
 * others are read anew, without rows. Any process, takes no lock but the loader's (for the names of functions), never
 * waits. Reads some histories: a child's once, at most, for each kind of finding.
 * @param snapshot findings is set in it: views print them from there
 * @param pool     what the findings' texts are of
 * @return APR_SUCCESS, or APR_EINCOMPLETE if the board is not intact any more
 */
apr_status_t pst_doctor_take(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** "info", "warning", "critical"; "?" if out of range. */
const char *pst_severity_word(unsigned severity);

/**
 * The smallest power of two, 64K at least, that holds the peak of so many thousandths of finished requests.
 * @return bytes; 0 if there are too few requests to tell
 */
apr_uint64_t pst_doctor_covers(const pst_sizes_row_t *sizes, unsigned permille);

#endif /* PST_DOCTOR_H */
