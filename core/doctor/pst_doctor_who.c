/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on who: whom to write to, or that nobody knows yet.  See pst_doctor_verdict.h.
 *
 * Right, or silent: a module is named only where a verdict names it; else those are shown that hold something, as what
 * they are.
 */
#include "pst_doctor_verdict.h"
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

const char *pst_doctor_author(pst_doctor_t *doctor, pst_finding_t *finding, const pst_child_row_t *child,
                              const pst_shared_verdict_t *verdict, int scope)
{
    char text[PST_WHO_LEN];
    const char *share;
    pst_who_t who;

    if (!pst_who_of_verdict(&who, doctor->snapshot, child, verdict)) {
        return not_known(doctor, child, scope);
    }
    share = who.share ? pst_doctor_say(doctor, "Of what stayed, %u %% is held by", who.share / 10) : "It is held by";
    finding->blamed = who.of.module;
    finding->site = apr_pstrdup(doctor->pool, pst_who_text(text, &who));
    pst_doctor_figure(finding, "share_percent", who.share / 10.0);
    pst_doctor_figure(finding, "samples", who.samples);
    if (who.is_httpd) {
        return pst_doctor_say(doctor, "%s httpd itself, %s: no module is on its stack.", share, finding->site);
    }
    return pst_doctor_say(doctor, "%s %s: write to the author of %s.", share, finding->site, finding->blamed);
}

const char *pst_doctor_code(const pst_doctor_t *doctor, const pst_child_row_t *child,
                            const pst_shared_verdict_t *verdict)
{
    char text[PST_WHO_LEN];
    pst_who_t who;

    return pst_who_of_verdict(&who, doctor->snapshot, child, verdict)
               ? pst_doctor_say(doctor, " The code behind it is %s.", pst_who_text(text, &who)) : "";
}
