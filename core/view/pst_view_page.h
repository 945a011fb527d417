/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: HTML of one snapshot, complete without scripts; web/chart.js adds a live chart.
 */
#ifndef PST_VIEW_PAGE_H
#define PST_VIEW_PAGE_H

#include "pst_args.h"
#include "pst_chart.h"
#include "pst_emit.h"
#include "pst_snapshot.h"

typedef struct pst_page_t {
    const pst_snapshot_t *snapshot;
    const pst_window_t *window;     /**< the connections to show; rows of snapshot */
    const pst_args_t *args;         /**< as parsed: links keep them */
    const char *base;               /**< relative URL, percent-encoded, of the folder of style.css,
                                         json and the like: "" or a last segment with its slash */
    apr_pool_t *pool;               /**< for links; as short-lived as the page */
    const pst_charts_t *charts;     /**< NULL: none */
} pst_page_t;

/**
 * Print it.
 * @param emit an HTML emitter
 * @return APR_SUCCESS, or what the sink said so far. @note the caller flushes what is still buffered
 */
apr_status_t pst_view_page(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_PAGE_H */
