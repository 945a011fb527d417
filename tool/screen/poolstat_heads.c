/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_heads.h.
 */
#include "poolstat_heads.h"
#include "pst_array.h"
#include "pst_format.h"
#include "pst_view_tree.h"
#include "pst_snapshot_figures.h"
#include "pst_snapshot_relatives.h"

#include <apr_strings.h>
#include <string.h>

char *poolstat_head_server(char *to, apr_size_t size, const pst_snapshot_t *snapshot, const poolstat_board_t *board)
{
    char age[PST_FORMAT_LEN], server[POOLSTAT_TEXT], module[POOLSTAT_TEXT], mpm[POOLSTAT_TEXT];
    const pst_shared_header_t *about = &snapshot->about;

    apr_snprintf(to, size, "%s, %s, %s; parent %u%s, %s %s", poolstat_text(server, sizeof(server), about->server),
                 poolstat_text(mpm, sizeof(mpm), about->mpm), poolstat_text(module, sizeof(module), about->module),
                 (unsigned)about->parent, board->parent || board->is_unsure ? "" : " (gone)",
                 board->is_gone ? "was up" : "up", pst_format_age(age, pst_view_age(snapshot, about->created)));
    poolstat_tie(strrchr(to, ',') + 2);     /* "up 1 min 19 s" */
    return to;
}

/* "+ In requests 1.2 MiB", tied together. @return its length */
static apr_size_t put_item(char *to, apr_size_t size, const char *before, pst_metric_e metric, const char *value)
{
    apr_snprintf(to, size, "%s%s %s", before, pst_metrics[metric].label, value);
    return *to == ' ' ? 1 + poolstat_tie(to + 1) : poolstat_tie(to);
}

char *poolstat_head_sums(char *to, apr_size_t size, const pst_snapshot_t *snapshot)
{
    static const pst_metric_e parts[] = {
        PST_M_process_reserved_bytes, PST_M_connections_reserved_bytes, PST_M_requests_reserved_bytes,
        PST_M_child_bucket_bytes, PST_M_child_retained_bytes
    };
    char text[PST_FORMAT_LEN];
    apr_size_t n = put_item(to, size, "", PST_M_held_bytes,
                            pst_format_size(text, pst_total_figure(&snapshot->total, PST_M_held_bytes)));

    for (unsigned i = 0; i < PST_ITEMS(parts); i++) {
        n += put_item(to + n, size - n, i ? " + " : " = ", parts[i],
                      pst_format_size(text, pst_total_figure(&snapshot->total, parts[i])));
    }
    return to;
}

char *poolstat_head_counts(char *to, apr_size_t size, const pst_snapshot_t *snapshot)
{
    static const pst_metric_e counts[] = {
        PST_M_children, PST_M_connections_open, PST_M_requests_finished, PST_M_pools, PST_M_unslotted_connections
    };
    char text[PST_FORMAT_LEN];
    apr_size_t n = 0;

    for (unsigned i = 0; i < PST_ITEMS(counts); i++) {
        n += (apr_size_t)apr_snprintf(to + n, size - n, "%s", i ? ", " : "");
        n += put_item(to + n, size - n, "", counts[i],
                      pst_format_count(text, pst_total_figure(&snapshot->total, counts[i])));
    }
    return to;
}

/* "Other processes 3: wsgi 2 with 212 MiB, logger 1 with 1.1 MiB" */
char *poolstat_head_relatives(char *to, apr_size_t size, const pst_snapshot_t *snapshot)
{
    char text[PST_FORMAT_LEN];
    const char *between = ":";
    apr_size_t n;

    if (!snapshot->relative_count) {
        return NULL;
    }
    n = put_item(to, size, "", PST_M_relatives, pst_format_count(text, snapshot->relative_count));
    for (unsigned role = PST_ROLE_COUNT; role-- > 0; ) {
        apr_uint64_t count = pst_relatives_figure(snapshot, role, PST_M_relatives);
        apr_size_t from = n + strlen(between) + 1;

        if (!count || count == PST_UNKNOWN) {
            continue;
        }
        n += (apr_size_t)apr_snprintf(
            to + n, size - n, "%s %s %" APR_UINT64_T_FMT " with %s", between, pst_role_word(role), count,
            pst_format_size(text, pst_relatives_figure(snapshot, role, PST_M_relative_private_bytes)));
        if (from < size) {
            poolstat_tie(to + from);
        }
        between = ",";
    }
    return to;
}

char *poolstat_head_findings(char *to, apr_size_t size, const pst_findings_t *findings, const char *more)
{
    apr_snprintf(to, size, "Findings: %u, the worst: %s; %s", findings->count,
                 pst_severity_word(findings->findings[0].severity), more);
    return to;
}

poolstat_mark_e poolstat_mark_of(pst_severity_e severity)
{
    switch (severity) {
    case PST_SEVERITY_CRITICAL: return POOLSTAT_BAD;
    case PST_SEVERITY_WARNING:  return POOLSTAT_MARKED;
    default:                    return POOLSTAT_PLAIN;
    }
}
