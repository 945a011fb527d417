/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines about the server above a table, in `poolstat` and in `poolstat top`.
 */
#ifndef POOLSTAT_HEADS_H
#define POOLSTAT_HEADS_H

#include "poolstat_colour.h"
#include "poolstat_look.h"
#include "poolstat_text.h"
#include "pst_doctor.h"

/** Who: httpd, its MPM, its parent, since when. Escaped. @return to */
char *poolstat_head_server(char *to, apr_size_t size, const pst_snapshot_t *snapshot, const poolstat_board_t *board);

/* In these, POOLSTAT_TIE joins words that belong together: print them line by line, by poolstat_line(). */

/** How much: held and what it is made of. @return to */
char *poolstat_head_sums(char *to, apr_size_t size, const pst_snapshot_t *snapshot);

/** How many. @return to */
char *poolstat_head_counts(char *to, apr_size_t size, const pst_snapshot_t *snapshot);

/** Processes that are not children: how many of each role, and how much memory of their own. @return to, or NULL */
char *poolstat_head_relatives(char *to, apr_size_t size, const pst_snapshot_t *snapshot);

/** How many findings, at least one, and how bad the worst is. @param more where to read about them @return to */
char *poolstat_head_findings(char *to, apr_size_t size, const pst_findings_t *findings, const char *more);

/** How a finding of this severity stands out. */
poolstat_mark_e poolstat_mark_of(pst_severity_e severity);

#endif /* POOLSTAT_HEADS_H */
