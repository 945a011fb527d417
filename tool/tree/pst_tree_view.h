/* SPDX-License-Identifier: Apache-2.0
 *
 * A forest of another process's pools, printed: as a tree for people, as JSON for
 * programs.  Through the emitter, because everything in it is hostile text.  Command only.
 */
#ifndef PST_TREE_VIEW_H
#define PST_TREE_VIEW_H

#include "pst_emit.h"
#include "pst_holdings.h"
#include "pst_origin.h"
#include "pst_resource.h"

/** What is printed, and how much of it. */
typedef struct pst_tree_view_t {
    pst_forest_t    *forest;        /**< summed up */
    pst_resources_t *resources;
    pst_origins_t   *origins;
    const pst_holdings_t *holdings;
    const pst_search_t *search;
    const char      *program;       /**< path of what the process runs */
    const char      *match;         /**< a glob for tags, or NULL */
    apr_uint64_t     min;           /**< bytes of subtrees */
    apr_time_t       taken;         /**< how long reading took */
} pst_tree_view_t;

/** Print to an emitter of PST_EMIT_TEXT or PST_EMIT_JSON. @return APR_SUCCESS, APR_ENOMEM, or what the sink said */
apr_status_t pst_tree_view(const pst_tree_view_t *view, pst_emit_t *emit);

#endif /* PST_TREE_VIEW_H */
