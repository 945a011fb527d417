/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts on growth in words.  See pst_doctor_verdict.h.
 */
#include "pst_doctor_verdict.h"
#include "pst_place.h"
#include "pst_trend.h"

#include <math.h>

apr_uint64_t pst_doctor_lasted(const pst_shared_verdict_t *verdict)
{
    return (apr_uint64_t)verdict->lasted * 1000;
}

int pst_doctor_long_enough(const pst_doctor_t *doctor, apr_uint64_t usec, apr_uint64_t seconds)
{
    return usec >= seconds * 1000000 && usec / 1000000 >= seconds * doctor->board->interval;
}

int pst_doctor_grown(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, double least,
                     apr_uint64_t seconds)
{
    return verdict->state == PST_TREND_GROWING && pst_doctor_long_enough(doctor, pst_doctor_lasted(verdict), seconds)
           && (double)verdict->gained >= least;
}

/* Of several, the one that gained most is reported. */
void pst_doctor_waits(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, const char *what, double least,
                      apr_uint64_t seconds)
{
    pst_findings_t *findings = doctor->findings;
    const char *gained;

    if (verdict->state != PST_TREND_GROWING || (findings->begun && (double)verdict->gained <= findings->begun_by)) {
        return;
    }
    findings->begun = 1;
    findings->begun_by = (double)verdict->gained;
    gained = pst_doctor_size(doctor, (double)verdict->gained);
    if ((double)verdict->gained < least) {
        findings->waits =
            pst_doctor_say(doctor, "%s grew by %s in %s; below %s it is not a finding", what, gained,
                           pst_doctor_age(doctor, pst_doctor_lasted(verdict)), pst_doctor_size(doctor, least));
    }
    else if (!pst_doctor_long_enough(doctor, pst_doctor_lasted(verdict), seconds)) {
        findings->waits = pst_doctor_say(doctor, "%s grew by %s in %s; it is a finding if that lasts for %s", what,
                                         gained, pst_doctor_age(doctor, pst_doctor_lasted(verdict)),
                                         pst_doctor_age(doctor, seconds * doctor->board->interval * 1000000));
    }
    else {
        findings->waits = pst_doctor_say(doctor, "%s grew by %s in %s; which code it comes from is not known yet", what,
                                         gained, pst_doctor_age(doctor, pst_doctor_lasted(verdict)));
    }
}

/* How far the rate may be extrapolated: minutes. */
static double foreseen(const pst_shared_verdict_t *verdict)
{
    double minutes = (double)pst_doctor_lasted(verdict) / 60e6 * PST_DOCTOR_FORESEES;

    return minutes < 1440 ? minutes : 1440;
}

pst_severity_e pst_doctor_severity(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, int returns)
{
    double limit = (double)doctor->snapshot->about.memory_limit_bytes;
    double more = (double)verdict->per_minute * foreseen(verdict);

    if (returns && !pst_doctor_long_enough(doctor, pst_doctor_lasted(verdict), PST_DOCTOR_LONG_SECONDS)) {
        return PST_SEVERITY_WARNING;
    }
    return limit > 0 && more >= limit * PST_DOCTOR_CRITICAL / 100 ? PST_SEVERITY_CRITICAL : PST_SEVERITY_WARNING;
}

const char *pst_doctor_rate(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict)
{
    const char *text = pst_doctor_say(doctor, "%s a minute", pst_doctor_size(doctor, (double)verdict->per_minute));

    return verdict->per_request > 0 ? pst_doctor_say(doctor, "%s, %s a request", text,
                                                     pst_doctor_size(doctor, (double)verdict->per_request)) : text;
}

const char *pst_doctor_since(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict)
{
    double minutes = foreseen(verdict);

    return pst_doctor_say(
        doctor, "It grew by %s, evenly, in %s (r\xc2\xb2 %.2f); if that goes on, it is %s more in %s.",
        pst_doctor_size(doctor, (double)verdict->gained), pst_doctor_age(doctor, pst_doctor_lasted(verdict)),
        verdict->fit / 1000.0, pst_doctor_size(doctor, (double)verdict->per_minute * minutes),
        minutes < 1440 ? pst_doctor_age(doctor, (apr_uint64_t)(minutes * 60e6)) : "a day");
}

void pst_doctor_rate_figures(pst_finding_t *finding, const pst_shared_verdict_t *verdict)
{
    pst_doctor_figure(finding, "bytes_per_minute", (double)verdict->per_minute);
    pst_doctor_figure(finding, "bytes_per_request", (double)verdict->per_request);
    pst_doctor_figure(finding, "gained_bytes", (double)verdict->gained);
    pst_doctor_figure(finding, "growing_seconds", (double)pst_doctor_lasted(verdict) / 1e6);
}

double pst_doctor_weight(const pst_shared_verdict_t *verdict, float most)
{
    return verdict->gained > 1 && verdict->gained <= most ? round(log2((double)verdict->gained / (double)most)) : -64;
}

void pst_doctor_note_more(pst_doctor_t *doctor, const pst_top_t *top)
{
    if (top->count > top->kept && doctor->findings->count) {
        doctor->findings->findings[doctor->findings->count - 1].more = top->count - top->kept;
    }
}

const pst_class_row_t *pst_doctor_growing_class(const pst_child_row_t *child)
{
    const pst_class_row_t *found = NULL;

    for (apr_uint32_t c = 0; c < child->class_count; c++) {
        const pst_class_row_t *class = &child->classes[c];

        if (class->index && (class->row.creator || class->row.verdict.site)
            && class->row.verdict.state == PST_TREND_GROWING
            && (!found || class->row.verdict.per_minute > found->row.verdict.per_minute)) {
            found = class;
        }
    }
    return found;
}

/* The most connections that the child had at once between two moments. */
static apr_uint64_t most_connections(const pst_history_t *history, apr_uint64_t from, apr_uint64_t to)
{
    apr_uint64_t most = 0;

    for (apr_uint32_t i = history->fine_count; i-- > 0 && history->fine[i].time >= from; ) {
        if (history->fine[i].time <= to && history->fine[i].connections_open > most) {
            most = history->fine[i].connections_open;
        }
    }
    return most;
}

void pst_doctor_connections(const pst_doctor_t *doctor, apr_uint64_t since, apr_uint64_t *was, apr_uint64_t *now)
{
    const pst_history_t *history = &doctor->history;
    apr_uint64_t last = history->fine[history->fine_count - 1].time;
    apr_uint64_t quarter = last > since ? (last - since) / 4 : 0;

    *was = most_connections(history, since, since + quarter);
    *now = most_connections(history, last - quarter, last);
}
