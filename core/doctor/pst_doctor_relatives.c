/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on processes that are not children of the MPM.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_metric.h"
#include "pst_trend.h"

static const char *const who[PST_ROLE_COUNT] = {
    [PST_ROLE_OTHER] = "A process of the server",
    [PST_ROLE_WSGI] = "A daemon of mod_wsgi",
    [PST_ROLE_CGID] = "The daemon of mod_cgid",
    [PST_ROLE_FCGID] = "An application of mod_fcgid",
    [PST_ROLE_PASSENGER] = "A process of Passenger",
    [PST_ROLE_LOGGER] = "A piped logger",
    [PST_ROLE_CGI] = "A CGI program"
};

static const char *const advice[PST_ROLE_COUNT] = {
    [PST_ROLE_OTHER] = "No pool and no child has this memory: it is the program's own. Write to its author, with the "
                       "figures.",
    [PST_ROLE_WSGI] = "The application keeps it: Python's tracemalloc names the line. Until it is fixed, "
                      "maximum-requests= or restart-interval= of WSGIDaemonProcess replaces the daemon.",
    [PST_ROLE_CGID] = "It only starts programs and should not grow: write to httpd's developers, with the figures.",
    [PST_ROLE_FCGID] = "The application keeps it. Until it is fixed, FcgidMaxRequestsPerProcess or "
                       "FcgidProcessLifeTime replaces the process.",
    [PST_ROLE_PASSENGER] = "The application, or Passenger, keeps it. PassengerMaxRequests replaces an application's "
                           "process.",
    [PST_ROLE_LOGGER] = "The program that CustomLog or ErrorLog names keeps it: write to its author, with the figures. "
                        "Restarting httpd restarts it.",
    [PST_ROLE_CGI] = "The program keeps it, and gives it back as it ends. RLimitMEM bounds it."
};

static void tell_relative(pst_doctor_t *doctor, const pst_shared_relative_t *relative, apr_uint64_t more)
{
    double minutes = relative->gained / relative->per_minute;
    apr_uint64_t lasted = minutes < 1e9 ? (apr_uint64_t)(minutes * 6e7) : 0;
    pst_finding_t *finding = pst_doctor_find(doctor, "process-grows", PST_SEVERITY_WARNING);

    finding->more = more;
    finding->what = pst_doctor_say(doctor, "%s grows: process %u (%s), by %s a minute.", who[relative->role],
                                   (unsigned)relative->pid, relative->command,
                                   pst_doctor_size(doctor, relative->per_minute));
    finding->evidence = pst_doctor_say(
        doctor,
        "It has %s of its own, %s resident; %s of it came evenly within %s. It is not a child of "
        "the MPM.",
        pst_doctor_size(doctor, (double)relative->own_bytes), pst_doctor_size(doctor, (double)relative->rss_bytes),
        pst_doctor_size(doctor, relative->gained), pst_doctor_age(doctor, lasted));
    finding->advice = advice[relative->role];
    pst_doctor_figure(finding, "process", relative->pid);
    pst_doctor_figure(finding, "rss_bytes", (double)relative->rss_bytes);
    pst_doctor_figure(finding, "private_bytes", (double)relative->own_bytes);
    pst_doctor_figure(finding, "gained_bytes", relative->gained);
    pst_doctor_figure(finding, "bytes_per_minute", relative->per_minute);
    pst_doctor_figure(finding, "seconds", (double)(lasted / 1000000));
}

void pst_doctor_relatives(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    pst_top_t top = { .kept = 0 };

    for (apr_uint32_t i = 0; i < snapshot->relative_count; i++) {
        const pst_shared_relative_t *relative = &snapshot->relatives[i];

        if (relative->state == PST_TREND_GROWING && relative->gained >= PST_DOCTOR_PROCESS_GROWN
            && relative->per_minute > 0) {
            pst_top_add(&top, relative->gained, relative);
        }
    }
    for (unsigned i = 0; i < top.kept; i++) {
        tell_relative(doctor, top.item[i], i + 1 == top.kept ? top.count - top.kept : 0);
    }
}
