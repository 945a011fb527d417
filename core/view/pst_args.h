/* SPDX-License-Identifier: Apache-2.0
 *
 * The arguments of a face, from a query string that anyone may have written.
 * APR only.
 */
#ifndef PST_ARGS_H
#define PST_ARGS_H

#include "pst_snapshot.h"

typedef enum {
    PST_FACE_PAGE,
    PST_FACE_JSON,
    PST_FACE_HISTORY,
    PST_FACE_PROFILE,
    PST_FACE_METRICS,
    PST_FACE_RELEASE,
    PST_FACE_HEAP,
    PST_FACE_CHECK
} pst_face_e;

#define PST_ARGS_ROWS      100      /**< connections on a page by default */
#define PST_ARGS_ROWS_MAX  1000
#define PST_ARGS_REFRESH_MAX 3600

/** Defaults: everything, largest first, the first PST_ARGS_ROWS rows. */
typedef struct pst_args_t {
    int as_text;                /**< ?auto */
    apr_uint32_t refresh;       /**< seconds, 1 to 3600; 0 = not asked for */
    pst_filter_t filter;        /**< sort, pid, kind, vhost */
    pst_metric_show_e level;    /**< figures up to this level; PST_SHOW_INFO: the usual columns */
    apr_uint32_t rows;          /**< connections, and children, on one page: 1 to 1000 */
    apr_uint32_t from;          /**< connections to skip, in the requested order */
    apr_uint32_t children_from; /**< the same for children */
    int classes;                /**< metrics: pst_classes_e */
    int of;                     /**< profile: pst_profile_of_e */
    const char *nonce;          /**< release, heap: as given; NULL: not given */
    const char *check;          /**< check: as given; NULL: not given */
    int has_rate;               /**< heap: rate was given */
    apr_uint64_t rate;          /**< heap: bytes between samples; 0: off */
    apr_uint64_t since;         /**< history: only points after this time; 0: all */
} pst_args_t;

/**
 * Parse a query string: name=value pairs joined by '&', %XX and '+' decoded.
 *
 *   page, JSON   sort=, pid=, kind=, vhost=
 *   page alone   auto (no value), refresh=, rows=, from=, children_from=, level=
 *   history      pid=, since=
 *   release      pid=, nonce=
 *   heap         pid=, nonce=, rate=
 *   check        pid=, nonce=, check=
 *   metrics      classes=
 *   profile      pid=, of=
 *
 * An empty value counts as not given: a form with empty fields sends such values.  A name that is unknown, or unknown
 * to this face, given twice, or a value that is out of range or not decodable, is an error.
 *
 * @param args  filled in, also on error (with what was understood)
 * @param query NULL or empty for none
 * @return NULL, or one sentence of pool that names the argument. @note it holds the
 *         client's bytes (cut to a few): escape it
 */
const char *pst_args_parse(pst_args_t *args, const char *query, pst_face_e face, apr_pool_t *pool);

/**
 * The query string, "?" in front, that asks for the same again; "?" alone for all defaults.
 * ?auto is left out: it is for links between pages. Percent-encoded, of pool.
 */
const char *pst_args_query(const pst_args_t *args, apr_pool_t *pool);

/** The same for one child, from its first row on. */
const char *pst_args_pid_query(const pst_args_t *args, apr_uint32_t pid, apr_pool_t *pool);

/** The word for a sort order, as ?sort= takes it; "?" if out of range. */
const char *pst_sort_word(unsigned sort);

#endif /* PST_ARGS_H */
