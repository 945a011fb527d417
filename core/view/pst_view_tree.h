/* SPDX-License-Identifier: Apache-2.0
 *
 * The faces for programs: one tree of one snapshot, printed as JSON or as
 * "Key: value" lines by the emitter's back end of that name.  Because it is one
 * tree, both say the same.
 */
#ifndef PST_VIEW_TREE_H
#define PST_VIEW_TREE_H

#include "pst_emit.h"
#include "pst_snapshot.h"

#define PST_JSON_SCHEMA 1

/**
 * Print it.  Any process.
 * @param emit a JSON or TEXT emitter
 * @param listed_only connections are only those that pst_snapshot_window() chose; else all
 * @return APR_SUCCESS, or what the sink said so far. @note the caller flushes what is still buffered
 */
apr_status_t pst_view_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot, int listed_only);

/** Age, at the moment of the snapshot, of something that began at `since`; 0 if that is not before the snapshot. */
apr_uint64_t pst_view_age(const pst_snapshot_t *snapshot, apr_uint64_t since);

#endif /* PST_VIEW_TREE_H */
