/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is to blame.  See pst_who.h.
 */
#include "pst_who.h"
#include "pst_blame.h"
#include "pst_trend.h"

#include <stdio.h>
#include <string.h>

#define HOOK "ap_run_"

static unsigned module_kind(const void *modules, apr_uint32_t module)
{
    const pst_shared_module_t *table = modules;
    unsigned kind = module && module < PST_MODULE_COUNT ? table[module].kind : PST_CODE_LIBRARY;

    return kind < PST_CODE_COUNT ? kind : PST_CODE_LIBRARY;
}

const char *pst_who_hook(const pst_shared_module_t *modules, const pst_shared_frame_t *frames, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        pst_place_t place;

        if (module_kind(modules, PST_FRAME_MODULE(frames[i])) != PST_CODE_HTTPD) {
            continue;
        }
        pst_place_in(&place, modules, frames[i]);
        if (place.function && !strncmp(place.function, HOOK, sizeof(HOOK) - 1)) {
            return place.function + sizeof(HOOK) - 1;
        }
    }
    return NULL;
}

int pst_who_of_stack(pst_who_t *who, const pst_shared_module_t *modules, const pst_shared_frame_t *frames,
                     unsigned depth)
{
    pst_blame_t blame;
    pst_place_t place;

    memset(who, 0, sizeof(*who));
    if (!pst_blame(&blame, frames, depth, module_kind, modules)) {
        return 0;
    }
    who->site = frames[blame.of];
    who->is_httpd = blame.is_httpd;
    pst_place_in(&who->of, modules, who->site);
    if (blame.by >= 0) {
        pst_place_in(&place, modules, frames[blame.by]);
        who->by = place.function;
    }
    if (blame.through >= 0) {
        pst_place_in(&place, modules, frames[blame.through]);
        who->through = place.module;
    }
    if (blame.is_httpd) {
        who->hook = pst_who_hook(modules, frames, depth);
    }
    return 1;
}

int pst_who_of_site(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_site_row_t *site)
{
    return site->index && pst_who_of_stack(who, snapshot->modules, site->row.frames, site->row.depth);
}

/* The call site behind a place: the one that keeps most, or else holds most. */
static const pst_site_row_t *find_behind(const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                                         pst_shared_frame_t at)
{
    const pst_site_row_t *found = NULL;

    for (apr_uint32_t i = 0; i < child->site_count; i++) {
        const pst_site_row_t *site = &child->sites[i];
        pst_blame_t blame;

        if (site->index && (!found || site->row.site_kept_bytes > found->row.site_kept_bytes)
            && pst_blame(&blame, site->row.frames, site->row.depth, module_kind, snapshot->modules)
            && site->row.frames[blame.of] == at) {
            found = site;
        }
    }
    return found;
}

int pst_who_of_frame(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                     pst_shared_frame_t site, unsigned share, unsigned samples)
{
    const pst_site_row_t *row = site && child ? find_behind(snapshot, child, site) : NULL;

    memset(who, 0, sizeof(*who));
    if (!site) {
        return 0;
    }
    if (!row || !pst_who_of_site(who, snapshot, row)) {
        pst_place_of(&who->of, snapshot, site);
        who->is_httpd = module_kind(snapshot->modules, PST_FRAME_MODULE(site)) == PST_CODE_HTTPD;
        who->site = site;
    }
    who->share = share <= 1000 ? share : 0;
    who->samples = samples;
    return 1;
}

int pst_who_of_verdict(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                       const pst_shared_verdict_t *verdict)
{
    return (verdict->state == PST_TREND_GROWING || verdict->state == PST_TREND_ENDED)
           && pst_who_of_frame(who, snapshot, child, verdict->site, verdict->share, verdict->samples);
}

char *pst_who_text(char *to, const pst_who_t *who)
{
    char place[PST_PLACE_LEN];

    snprintf(to, PST_WHO_LEN, "%s%s%s%s%s%s%s", pst_place_text(place, &who->of), who->by ? ", by " : "",
             who->by ? who->by : "", who->through ? ", through " : "", who->through ? who->through : "",
             who->hook ? ", in the hook " : "", who->hook ? who->hook : "");
    return to;
}
