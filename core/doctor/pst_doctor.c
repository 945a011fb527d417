/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor: the order of its parts.  See pst_doctor.h.
 *
 * The parts first look at all children by the figures in the snapshot, and then at the histories of
 * the few that stand out, which have to be copied: a face over hundreds of children stays cheap.
 */
#include "pst_doctor_parts.h"

/* Most severe first; a stable sort of a few. */
static void sort(pst_findings_t *findings)
{
    for (unsigned i = 1; i < findings->count; i++) {
        pst_finding_t finding = findings->findings[i];
        unsigned at = i;

        for (; at && findings->findings[at - 1].severity < finding.severity; at--) {
            findings->findings[at] = findings->findings[at - 1];
        }
        findings->findings[at] = finding;
    }
}

/* All children, even if the view shows only one: a median or a sum over a single child would mean something else. */
static apr_status_t take_all(const pst_snapshot_t **all, const pst_snapshot_t *snapshot, const pst_board_t *board,
                             apr_pool_t *pool)
{
    const pst_filter_t filter = { .kind = -1, .no_rows = 1, .gone = snapshot->gone };
    pst_snapshot_t *taken = apr_palloc(pool, sizeof(*taken));

    *all = taken;
    return pst_snapshot_take(taken, board, &filter, snapshot->taken, pool);
}

/* The longest record available to judge by. */
static void measure_record(const pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    pst_findings_t *findings = doctor->findings;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        apr_uint64_t started = snapshot->children[i].head.started;
        apr_uint64_t age = started < snapshot->taken ? snapshot->taken - started : 0;

        findings->record = doctor->board->history_size && age > findings->record ? age : findings->record;
    }
    findings->young = findings->record < (apr_uint64_t)PST_DOCTOR_RECORD_SECONDS * 1000000
                      || findings->record / 1000000 < (apr_uint64_t)PST_DOCTOR_RECORD_POINTS * doctor->board->interval;
}

apr_status_t pst_doctor_take(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    pst_findings_t *findings = apr_pcalloc(pool, sizeof(*findings));
    pst_doctor_t doctor = { .snapshot = snapshot, .board = board, .findings = findings, .pool = pool };
    apr_status_t rv = snapshot->pid ? take_all(&doctor.snapshot, snapshot, board, pool) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    pst_doctor_misuses(&doctor);
    pst_doctor_growing(&doctor);
    pst_doctor_kept(&doctor);
    pst_doctor_surges(&doctor);
    pst_doctor_losses(&doctor);
    pst_doctor_generations(&doctor);
    pst_doctor_relatives(&doctor);
    pst_doctor_server(&doctor);
    sort(findings);
    findings->children = doctor.snapshot->child_count;
    measure_record(&doctor);
    snapshot->findings = findings;
    return APR_SUCCESS;
}

const char *pst_severity_word(unsigned severity)
{
    static const char *const words[PST_SEVERITY_COUNT] = { "info", "warning", "critical" };

    return severity < PST_SEVERITY_COUNT ? words[severity] : "?";
}
