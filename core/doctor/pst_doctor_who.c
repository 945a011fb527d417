/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on owners: who to write to, or that nobody knows yet.  See pst_doctor_verdict.h.
 *
 * Right or silent: a module is named only if a verdict names it; otherwise those that hold something are listed, and
 * only as holders.
 */
#include "pst_doctor_verdict.h"
#include "pst_blame.h"
#include "pst_who.h"

#include <apr_strings.h>

/* "mod_x.so 52 %, mod_y.so 31 %" @return NULL if there is nobody */
static const char *candidates(const pst_doctor_t *doctor, const pst_child_row_t *child, const pst_shared_blame_t *blame)
{
    const char *list = NULL;

    for (unsigned i = 0; i < PST_WHO_COUNT; i++) {
        const pst_shared_who_t *one = &blame->who[i];
        pst_who_t who;

        if (pst_who_of_frame(&who, doctor->snapshot, child, one->site, one->share, one->samples) && one->share) {
            list = pst_doctor_say(doctor, "%s%s%s %u %%", list ? list : "", list ? ", " : "", who.of.module,
                                  one->share / 10u);
        }
    }
    return list;
}

static const char *not_known(const pst_doctor_t *doctor, const pst_child_row_t *child, int scope)
{
    const pst_shared_blame_t *blame = scope >= 0 && scope < PST_SCOPE_OF_SITES ? &child->head.blame[scope] : NULL;
    const char *list = blame && blame->since ? candidates(doctor, child, blame) : NULL;

    if (list && blame->samples >= PST_DOCTOR_SHARED) {
        return pst_doctor_say(doctor, "No one module holds most of what stayed, several do: %s.", list);
    }
    if (list) {
        return pst_doctor_say(
            doctor, "Who holds it is not known yet: %" APR_UINT64_T_FMT " samples that stayed are too few. So far: %s.",
            blame->samples, list);
    }
    return "Who holds it is not known yet: look again when it has grown some more.";
}

static const char *name_author(pst_doctor_t *doctor, pst_finding_t *finding, const pst_who_t *who)
{
    char text[PST_WHO_LEN];
    const char *share =
        who->share ? pst_doctor_say(doctor, "Of what stayed, %u %% is held by", who->share / 10) : "It is held by";

    finding->blamed = who->of.module;
    finding->site = apr_pstrdup(doctor->pool, pst_who_text(text, who));
    pst_doctor_figure(finding, "share_percent", who->share / 10.0);
    pst_doctor_figure(finding, "samples", who->samples);
    if (who->is_httpd) {
        return pst_doctor_say(doctor, "%s httpd itself, %s: no module is on its stack.", share, finding->site);
    }
    return pst_doctor_say(doctor, "%s %s: write to the author of %s.", share, finding->site, finding->blamed);
}

const char *pst_doctor_author(pst_doctor_t *doctor, pst_finding_t *finding, const pst_child_row_t *child,
                              const pst_shared_verdict_t *verdict, int scope)
{
    pst_who_t who;

    return pst_who_of_verdict(&who, doctor->snapshot, child, verdict) ? name_author(doctor, finding, &who)
                                                                      : not_known(doctor, child, scope);
}

/* ---- by many children together ---- */

typedef struct holder_t {
    apr_uint32_t module;
    pst_shared_frame_t site;        /* in the child in which it holds most */
    const pst_child_row_t *child;
    double bytes, most;
    unsigned samples;
} holder_t;

/* Further holders are only in the sums. */
#define HOLDERS 16

typedef struct held_t {
    holder_t of[HOLDERS];
    unsigned count;
    double bytes, samples;          /* over all of them */
} held_t;

static void add_holder_of_many(held_t *held, const pst_child_row_t *child, const pst_shared_who_t *who, double bytes)
{
    apr_uint32_t module = PST_FRAME_MODULE(who->site);
    unsigned i;

    for (i = 0; i < held->count && held->of[i].module != module; i++) {
    }
    if (!module || i == HOLDERS) {
        return;
    }
    held->count = i < held->count ? held->count : i + 1;
    held->of[i].module = module;
    held->of[i].bytes += bytes;
    held->of[i].samples += who->samples;
    if (bytes >= held->of[i].most) {
        held->of[i].most = bytes;
        held->of[i].site = who->site;
        held->of[i].child = child;
    }
}

static void add_held_by_child(held_t *held, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_blame_t *blame = &child->head.blame[scope];

    held->bytes += (double)blame->bytes;
    held->samples += (double)blame->samples;
    for (unsigned i = 0; i < PST_WHO_COUNT; i++) {
        add_holder_of_many(held, child, &blame->who[i], (double)blame->bytes * blame->who[i].share / 1000);
    }
}

static const char *holder_module(const pst_doctor_t *doctor, const holder_t *holder)
{
    pst_who_t who;

    return pst_who_of_frame(&who, doctor->snapshot, holder->child, holder->site, 0, 0) ? who.of.module : "nobody";
}

const char *pst_doctor_author_of_many(pst_doctor_t *doctor, pst_finding_t *finding, const unsigned *group_of,
                                      unsigned which, unsigned scope)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    held_t held = { .count = 0 };
    const holder_t *most;
    pst_who_t who;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        if (group_of[i] == which) {
            add_held_by_child(&held, &snapshot->children[i], scope);
        }
    }
    most = &held.of[0];
    for (unsigned i = 1; i < held.count; i++) {
        most = held.of[i].bytes > most->bytes ? &held.of[i] : most;
    }
    if (held.count && held.bytes > 0 && pst_blame_is_sure(most->bytes / held.bytes, held.samples)
        && pst_who_of_frame(&who, snapshot, most->child, most->site,
                            (unsigned)(1000 * most->bytes / held.bytes + 0.5), most->samples)) {
        return name_author(doctor, finding, &who);
    }
    if (held.count) {
        return pst_doctor_say(doctor,
                              "Who holds it is not known yet: of %.0f samples that stayed so far most are of %s.",
                              held.samples, holder_module(doctor, most));
    }
    return "Who holds it is not known yet: look again when it has grown some more.";
}


const char *pst_doctor_code(const pst_doctor_t *doctor, const pst_child_row_t *child,
                            const pst_shared_verdict_t *verdict)
{
    char text[PST_WHO_LEN];
    pst_who_t who;

    return pst_who_of_verdict(&who, doctor->snapshot, child, verdict)
               ? pst_doctor_say(doctor, " The code behind it is %s.", pst_who_text(text, &who)) : "";
}
