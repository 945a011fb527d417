/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the doctor's parts.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_format.h"

#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

void pst_top_add(pst_top_t *top, double weight, const void *item)
{
    unsigned at = top->kept;

    top->count++;
    while (at && top->weight[at - 1] < weight) {
        at--;
    }
    if (at == PST_DOCTOR_LISTED) {
        return;
    }
    top->kept += top->kept < PST_DOCTOR_LISTED;
    memmove(&top->item[at + 1], &top->item[at], (top->kept - at - 1) * sizeof(top->item[0]));
    memmove(&top->weight[at + 1], &top->weight[at], (top->kept - at - 1) * sizeof(top->weight[0]));
    top->item[at] = item;
    top->weight[at] = weight;
}

pst_finding_t *pst_doctor_find(pst_doctor_t *doctor, const char *id, pst_severity_e severity)
{
    pst_findings_t *findings = doctor->findings;
    pst_finding_t *finding = &findings->findings[findings->count];

    if (findings->count == PST_FINDINGS_MOST) {
        finding = apr_palloc(doctor->pool, sizeof(*finding));
    }
    else {
        findings->count++;
    }
    memset(finding, 0, sizeof(*finding));
    finding->id = id;
    finding->severity = severity;
    finding->what = finding->evidence = finding->advice = "";
    return finding;
}

void pst_doctor_figure(pst_finding_t *finding, const char *key, double value)
{
    if (finding->figure_count < PST_FINDING_FIGURES) {
        finding->figures[finding->figure_count++] = (pst_finding_figure_t){ key, value };
    }
}

/* ---- texts ---- */

const char *pst_doctor_size(const pst_doctor_t *doctor, double bytes)
{
    char text[PST_FORMAT_LEN];

    bytes = bytes < 0 ? -bytes : bytes;
    return apr_pstrdup(doctor->pool, pst_format_size(text, bytes < 9e18 ? (apr_uint64_t)(bytes + 0.5) : INT64_MAX));
}

const char *pst_doctor_age(const pst_doctor_t *doctor, apr_uint64_t usec)
{
    char text[PST_FORMAT_LEN];

    return apr_pstrdup(doctor->pool, pst_format_age(text, usec));
}

const char *pst_doctor_say(const pst_doctor_t *doctor, const char *format, ...)
{
    va_list args;
    const char *text;

    va_start(args, format);
    text = apr_pvsprintf(doctor->pool, format, args);
    va_end(args);
    return text;
}

/* ---- histories ---- */

int pst_doctor_history(pst_doctor_t *doctor, const pst_child_row_t *child)
{
    pst_history_t *history = &doctor->history;

    if (!doctor->board->history_size || !child->head.owner) {
        return 0;
    }
    if (!doctor->has_room) {
        pst_history_room(history, doctor->board, doctor->pool);
        doctor->has_room = 1;
    }
    if (doctor->history_of != child->head.owner) {
        doctor->history_of = child->head.owner;
        if (!pst_history_find(&history->about, doctor->board, child->head.owner)
            || !pst_history_read(history, doctor->board)) {
            history->fine_count = 0;
        }
    }
    return history->fine_count > 0;
}

void pst_doctor_stretch(pst_stretch_t *stretch, pst_doctor_t *doctor, const pst_child_row_t *child, pst_of_point_fn of,
                        apr_uint64_t least)
{
    const pst_history_point_t *points;
    apr_uint32_t count, i;

    memset(stretch, 0, sizeof(*stretch));
    if (!pst_doctor_history(doctor, child)) {
        return;
    }
    points = doctor->history.fine;
    count = doctor->history.fine_count;
    for (i = count; i-- > 0 && of(&points[i]) >= least; ) {
        stretch->floor = !stretch->points || of(&points[i]) < stretch->floor ? of(&points[i]) : stretch->floor;
        stretch->points++;
    }
    if (stretch->points) {
        apr_uint64_t first = points[count - stretch->points].time, last = points[count - 1].time;

        stretch->lasted = last > first ? last - first : 0;
    }
    stretch->enough = stretch->points >= PST_DOCTOR_RECORD_POINTS
                      && stretch->lasted >= (apr_uint64_t)(PST_DOCTOR_RECORD_SECONDS - 1) * 1000000;
}
