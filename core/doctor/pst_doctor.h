/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor: findings in plain words, with the figures behind them and what to do.  The reading side:
 * from a snapshot, the histories and the generations; it gathers and changes nothing.
 * docs/doctor.md has each finding; every threshold is in pst_doctor_thresholds.h.
 *
 * There is no finding without evidence, and none from a record too short to judge by.
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
    const char    *tag;         /**< the tag of its class; NULL: it is not about a class */
    const char    *what;        /**< one sentence: what is wrong */
    const char    *evidence;    /**< the figures, in words */
    const char    *advice;      /**< what to do: directive and value, or who to write to */
    const char    *blamed;      /**< the module that holds most of what stayed, or the httpd program; NULL: not known */
    const char    *site;        /**< its code; NULL: not known */
    apr_uint64_t   more;        /**< others like it that are not listed */
    unsigned       figure_count;
    pst_finding_figure_t figures[PST_FINDING_FIGURES];
} pst_finding_t;

#define PST_FINDINGS_MOST 64

typedef struct pst_findings_t {
    unsigned count;
    pst_finding_t findings[PST_FINDINGS_MOST];  /**< most severe first, then in the order of the manual */
    apr_uint32_t children;      /**< examined */
    apr_uint64_t record;        /**< microseconds: the longest record available; 0: no histories */
    int          young;         /**< the record is too short for most findings */
    int          begun;         /**< something grows, but not long enough or not by enough to be a finding yet */
    double       begun_by;      /**< bytes: the most that any of these gained */
    const char  *waits;         /**< what it is, and what is missing for a finding */
} pst_findings_t;

/**
 * Examine the whole server, whatever the snapshot's filter: if the snapshot is of one child (filter.pid), all others
 * are read as well, without rows. Any process, takes no lock but the loader's (for the names of functions), never
 * waits. Reads some histories: a child's once, at most, for each kind of finding.
 * @param snapshot its `findings` is set: views print them from there
 * @param pool     for the findings' texts
 * @return APR_SUCCESS, or APR_EINCOMPLETE if the board is no longer intact
 */
apr_status_t pst_doctor_take(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** "info", "warning", "critical"; "?" if out of range. */
const char *pst_severity_word(unsigned severity);

/**
 * The smallest power of two, at least 64K, that covers the peaks of that many thousandths of finished requests.
 * @return bytes; 0 if there are too few requests to tell
 */
apr_uint64_t pst_doctor_covers(const pst_sizes_row_t *sizes, unsigned permille);

#endif /* PST_DOCTOR_H */
