/* SPDX-License-Identifier: Apache-2.0
 *
 * What was requested, and what it took: by URL, vhost and handler; for programs and on the page.
 */
#ifndef PST_VIEW_URLS_H
#define PST_VIEW_URLS_H

#include "pst_view_page.h"

/** Rows for programs, and on the page. */
#define PST_VIEW_URLS       100
#define PST_VIEW_URL_GROUPS 32
#define PST_PAGE_URLS       20
#define PST_PAGE_URL_GROUPS 8

/** The page's section; nothing where no request has finished. */
void pst_view_urls(pst_emit_t *emit, const pst_page_t *page);

/** JSON and TEXT: "urls". */
void pst_view_urls_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot);

#endif /* PST_VIEW_URLS_H */
