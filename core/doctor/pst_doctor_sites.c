/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on call sites themselves: live memory of one place in a module's code grows, over all scopes and
 * children, although no scope and no class of pools was found to grow.  See pst_doctor_verdict.h.
 *
 * Not those of httpd and the MPM: others fill what they make.
 */
#include "pst_doctor_verdict.h"
#include "pst_trend.h"
#include "pst_who.h"

#include <apr_strings.h>
#include <string.h>

/* The same place in several children. */
typedef struct {
    pst_shared_frame_t place;
    const pst_child_row_t *worst;
    const pst_shared_verdict_t *verdict;    /* there */
    pst_who_t who;
    unsigned children;
    double gained, per_minute, live;
} growing_site_t;

typedef struct {
    growing_site_t of[PST_DOCTOR_LISTED];
    unsigned count;
} growing_sites_t;

static int class_is_told(const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    for (unsigned i = 0; i < doctor->findings->count; i++) {
        const pst_finding_t *finding = &doctor->findings->findings[i];

        if (finding->pid == child->head.owner && !strcmp(finding->id, "growing-class")) {
            return 1;
        }
    }
    return 0;
}

/* If there are more connections than before, a proportional increase is not growth. */
static int site_is_explained(pst_doctor_t *doctor, const pst_child_row_t *child, const pst_site_row_t *site)
{
    const pst_shared_verdict_t *verdict = &site->row.verdict;
    double live = (double)site->row.site_live_bytes, then = live - (double)verdict->gained;
    apr_uint64_t was, now;

    if (!pst_doctor_history(doctor, child)) {
        return 1;
    }
    pst_doctor_connections(doctor, verdict->since, &was, &now);
    return now > was && (!was || then <= 0 || live / then <= 1.5 * (double)now / (double)was);
}

static int site_grows(pst_doctor_t *doctor, const pst_child_row_t *child, const pst_site_row_t *site, pst_who_t *who)
{
    const pst_shared_verdict_t *verdict = &site->row.verdict;
    apr_uint32_t module = PST_FRAME_MODULE(verdict->site);

    return verdict->site && pst_doctor_grown(doctor, verdict, 0, PST_DOCTOR_LEAK_SECONDS)
           && pst_who_of_site(who, doctor->snapshot, site) && who->site == verdict->site
           && module < PST_MODULE_COUNT && doctor->snapshot->modules[module].kind == PST_CODE_MODULE
           && !site_is_explained(doctor, child, site);
}

static void add_growing_site(growing_sites_t *sites, const pst_child_row_t *child, const pst_site_row_t *site,
                             const pst_who_t *who)
{
    const pst_shared_verdict_t *verdict = &site->row.verdict;
    growing_site_t *of;
    unsigned i;

    for (i = 0; i < sites->count && sites->of[i].place != verdict->site; i++) {
    }
    if (i == PST_DOCTOR_LISTED) {
        return;
    }
    of = &sites->of[i];
    if (i == sites->count) {
        *of = (growing_site_t){ .place = verdict->site };
        sites->count++;
    }
    of->children++;
    of->gained += (double)verdict->gained;
    of->per_minute += (double)verdict->per_minute;
    of->live += (double)site->row.site_live_bytes;
    if (!of->worst || verdict->gained > of->verdict->gained) {
        of->worst = child;
        of->verdict = verdict;
        of->who = *who;
    }
}

static void find_growing_site(pst_doctor_t *doctor, const growing_site_t *of)
{
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-site", pst_doctor_severity(doctor, of->verdict, 1));
    char text[PST_WHO_LEN];

    finding->pid = of->worst->head.owner;
    finding->blamed = of->who.of.module;
    finding->site = apr_pstrdup(doctor->pool, pst_who_text(text, &of->who));
    finding->what = pst_doctor_say(doctor,
                                   "What was taken from pools at %s and is still there grows by %s a minute, in %u of "
                                   "%u children.",
                                   finding->site, pst_doctor_size(doctor, of->per_minute), of->children,
                                   (unsigned)doctor->snapshot->child_count);
    finding->evidence = pst_doctor_say(
        doctor, "%s%s It holds %s now, over all scopes; estimates by a sample of one growth in %s.",
        of->children > 1 ? pst_doctor_say(doctor, "The most in child %u: ", (unsigned)finding->pid) : "",
        pst_doctor_since(doctor, of->verdict), pst_doctor_size(doctor, of->live),
        pst_doctor_size(doctor, (double)of->worst->head.profile_rate));
    finding->advice = pst_doctor_say(doctor,
                                     "Write to the author of %s. No scope and no class of pools grows by itself: it is "
                                     "a little in each of many.",
                                     finding->blamed);
    pst_doctor_rate_figures(finding, of->verdict);
    pst_doctor_figure(finding, "children", of->children);
    pst_doctor_figure(finding, "samples", of->verdict->samples);
    pst_doctor_figure(finding, "live_bytes", of->live);
}

void pst_doctor_sites(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    growing_sites_t sites = { .count = 0 };

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];
        pst_who_t who;

        if (pst_doctor_said_otherwise(doctor, child) || class_is_told(doctor, child)) {
            continue;
        }
        for (apr_uint32_t s = 0; s < child->site_count; s++) {
            if (site_grows(doctor, child, &child->sites[s], &who)) {
                add_growing_site(&sites, child, &child->sites[s], &who);
            }
        }
    }
    for (unsigned i = 0; i < sites.count; i++) {
        if (sites.of[i].gained >= PST_DOCTOR_SITE_GROWN) {
            find_growing_site(doctor, &sites.of[i]);
        }
    }
}
