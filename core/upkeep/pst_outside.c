/* SPDX-License-Identifier: Apache-2.0
 *
 * Who holds growing memory outside pools.  See pst_outside.h.
 *
 * Sums of live bytes are kept per object to blame (pst_blame.h), each as a short series. For a growing part those
 * count that hold more now than when it started to grow: one is named when it almost certainly has more than half of
 * their gain; it stays named until another one is, or until it has less than a third. What the profile has not seen
 * is attributed to nobody: if it saw much less than the growth of the part, nobody is named.
 *
 * One thread: the child's watchdog.
 */
#include "pst_outside.h"
#include "pst_blame.h"
#include "pst_figure.h"
#include "pst_profile.h"
#include "pst_series.h"
#include "pst_site.h"

#include <string.h>

#define SCOPES  (PST_SCOPE_OF_SITES - PST_SCOPE_COUNT)
#define HOLDERS 96u
#define POINTS  32u             /* of a series */
#define STILL   (1.0 / 3)
#define SEEN    0.25            /* share of the part's growth that the profile must have seen */
#define CLOSER  120             /* seconds of closer sampling while something grows and nobody is named */

typedef struct {
    apr_uint32_t scope, object; /* object 0: free */
    pst_shared_frame_t site;    /* the site that holds most of it */
    apr_uint64_t site_bytes;
    pst_trend_point_t now;      /* size: bytes held; requests: samples; times from g.looked on */
    pst_series_t series;
    pst_trend_point_t points[POINTS];
} holder_t;

static struct {
    apr_uint64_t looked;        /* time of the first look: what was held then was not gained */
    apr_uint64_t since;         /* when the profile was switched on: nothing is known from before */
    apr_uint32_t named[SCOPES]; /* objects; 0: nobody */
    apr_uint64_t closer_since;  /* 0: everything that grows has a name */
    unsigned used;              /* number of holders used: later ones were never touched */
    holder_t holders[HOLDERS];
    pst_site_of_t sites[PST_SITE_COUNT];
    pst_site_sum_t sums[PST_SITE_COUNT];
} g;

/* -- what everybody holds --------------------------------------------------- */

static holder_t *outside_holder(apr_uint32_t scope, apr_uint32_t object)
{
    holder_t *spare = NULL;

    for (unsigned i = 0; i < g.used; i++) {
        holder_t *holder = &g.holders[i];

        if (holder->object == object && holder->scope == scope) {
            return holder;
        }
        spare = !spare && !holder->object ? holder : spare;
    }
    spare = !spare && g.used < HOLDERS ? &g.holders[g.used++] : spare;
    if (spare) {
        memset(spare, 0, sizeof(*spare));
        spare->scope = scope;
        spare->object = object;
        pst_series_begin(&spare->series, g.looked);
    }
    return spare;
}

/* @param sites  their number */
static void sum_up(apr_uint32_t sites)
{
    for (unsigned i = 0; i < g.used; i++) {
        g.holders[i].now = (pst_trend_point_t){ 0, 0, 0 };
        g.holders[i].site_bytes = 0;
    }
    for (apr_uint32_t i = 0; i < sites; i++) {
        apr_uint32_t object = PST_FRAME_MODULE(g.sites[i].blamed);
        holder_t *holder = g.sums[i].bytes && object ? outside_holder(g.sites[i].scope, object) : NULL;

        if (!holder) {
            continue;
        }
        holder->now.size += (double)g.sums[i].bytes;
        holder->now.requests += (double)g.sums[i].samples;
        if (g.sums[i].bytes > holder->site_bytes) {
            holder->site_bytes = g.sums[i].bytes;
            holder->site = g.sites[i].blamed;
        }
    }
}

static void add_holder_points(apr_uint64_t now)
{
    for (unsigned i = 0; i < g.used; i++) {
        holder_t *holder = &g.holders[i];

        if (holder->object) {
            holder->now.time = pst_series_seconds(&holder->series, now);
            pst_series_add(&holder->series, holder->points, POINTS, &holder->now, PST_SERIES_FIRST);
        }
    }
}

/* -- gainers ---------------------------------------------------------------- */

/* What it held then. A later holder held nothing, unless that time was before the first look. */
static pst_trend_point_t held_at(const holder_t *holder, apr_uint64_t time)
{
    pst_trend_point_t found = { 0, 0, 0 };
    double at = pst_series_seconds(&holder->series, time);

    for (unsigned i = 0; i < holder->series.count && (holder->points[i].time <= at || holder->points[i].time <= 0);
         i++) {
        found = holder->points[i];
    }
    return found;
}

static void outside_who(pst_shared_who_t *who, const holder_t *holder, double share, apr_uint64_t samples)
{
    who->site = holder->site;
    who->share = (uint16_t)(share * 1000 + 0.5);
    who->samples = (uint16_t)(samples < APR_UINT16_MAX ? samples : APR_UINT16_MAX);
}

typedef struct {
    const holder_t *of[PST_WHO_COUNT];
    double gained[PST_WHO_COUNT];
    apr_uint64_t samples[PST_WHO_COUNT];
    double all;                 /* by all gainers */
    apr_uint64_t all_samples;
} gainers_t;

/* The first few, largest first. */
static void rank(gainers_t *gainers, const holder_t *holder, double gained, apr_uint64_t samples)
{
    unsigned at = PST_WHO_COUNT;

    while (at > 0 && (!gainers->of[at - 1] || gainers->gained[at - 1] < gained)) {
        at--;
    }
    for (unsigned i = PST_WHO_COUNT - 1; i > at; i--) {
        gainers->of[i] = gainers->of[i - 1];
        gainers->gained[i] = gainers->gained[i - 1];
        gainers->samples[i] = gainers->samples[i - 1];
    }
    if (at < PST_WHO_COUNT) {
        gainers->of[at] = holder;
        gainers->gained[at] = gained;
        gainers->samples[at] = samples;
    }
    gainers->all += gained;
    gainers->all_samples += samples;
}

static void find_gainers(gainers_t *gainers, apr_uint32_t scope, apr_uint64_t since)
{
    memset(gainers, 0, sizeof(*gainers));
    for (unsigned i = 0; i < g.used; i++) {
        const holder_t *holder = &g.holders[i];
        pst_trend_point_t then;

        if (!holder->object || holder->scope != scope) {
            continue;
        }
        then = held_at(holder, since);
        if (holder->now.size > then.size) {
            rank(gainers, holder, holder->now.size - then.size,
                 holder->now.requests > then.requests ? (apr_uint64_t)(holder->now.requests - then.requests) : 0);
        }
    }
}

/* @return which of the gainers is named; -1: nobody */
static int name(const gainers_t *gainers, apr_uint32_t *named, double grown)
{
    if (gainers->all < SEEN * grown || gainers->all <= 0) {
        *named = 0;
        return -1;
    }
    if (gainers->of[0] && pst_blame_is_sure(gainers->gained[0] / gainers->all, (double)gainers->all_samples)) {
        *named = gainers->of[0]->object;
        return 0;
    }
    for (int i = 0; i < PST_WHO_COUNT && gainers->of[i]; i++) {
        if (gainers->of[i]->object == *named && gainers->gained[i] >= STILL * gainers->all) {
            return i;
        }
    }
    *named = 0;
    return -1;
}

static void publish_holders(pst_shared_blame_t *blame, const gainers_t *gainers, int named, apr_uint64_t since)
{
    unsigned n = 0;

    pst_seq_begin(&blame->seq);
    memset(blame->who, 0, sizeof(blame->who));
    blame->known = named >= 0;
    blame->since = since;
    blame->samples = gainers->all_samples;
    blame->bytes = (uint64_t)gainers->all;
    if (named >= 0) {
        outside_who(&blame->who[n++], gainers->of[named], gainers->gained[named] / gainers->all,
                    gainers->samples[named]);
    }
    for (int i = 0; i < PST_WHO_COUNT && gainers->of[i] && n < PST_WHO_COUNT; i++) {
        if (i != named) {
            outside_who(&blame->who[n++], gainers->of[i], gainers->gained[i] / gainers->all, gainers->samples[i]);
        }
    }
    pst_seq_end(&blame->seq);
}

static void forget_blame(pst_shared_blame_t *blame)
{
    if (blame->since) {
        pst_seq_begin(&blame->seq);
        memset((char *)blame + sizeof(blame->seq), 0, sizeof(*blame) - sizeof(blame->seq));
        pst_seq_end(&blame->seq);
    }
}

/* How much of the growth can have been seen: the profile may have been switched on in the middle of it. */
static double known_part(apr_uint64_t since, apr_uint64_t known, apr_uint64_t now)
{
    return known > since && now > known ? (double)(now - known) / (double)(now - since) : 1;
}

/* @return 1 if it grows and nobody is named */
static int blame_part(pst_shared_child_t *child, pst_shared_verdict_t *verdict, apr_uint32_t scope, apr_uint64_t now)
{
    apr_uint64_t since = pst_load(&verdict->since);
    apr_uint32_t *named = &g.named[scope - PST_SCOPE_COUNT];
    apr_uint64_t known = since > g.since ? since : g.since;
    gainers_t gainers;
    int who;

    if (verdict->state != PST_TREND_GROWING) {
        if (verdict->state != PST_TREND_ENDED) {
            *named = 0;
            forget_blame(&child->blame[scope]);
        }
        return 0;
    }
    find_gainers(&gainers, scope, since);
    who = name(&gainers, named, (double)verdict->gained * known_part(since, known, now));
    publish_holders(&child->blame[scope], &gainers, who, known);
    verdict->share = child->blame[scope].known ? child->blame[scope].who[0].share : 0;
    verdict->samples = child->blame[scope].known ? child->blame[scope].who[0].samples : 0;
    pst_store(&verdict->site, who >= 0 ? gainers.of[who]->site : 0);
    return who < 0;
}

/* More samples name it sooner; but not for ever, in case it grows in ways that cannot be seen. */
static void look_closer(int is_nameless, apr_uint64_t now)
{
    if (!is_nameless) {
        g.closer_since = 0;
    }
    else if (!g.closer_since) {
        g.closer_since = now;
    }
    pst_profile_look_closer(is_nameless && now - g.closer_since < CLOSER * APR_UINT64_C(1000000));
}

/* The profile was switched: earlier holders are not known, or were sampled at another rate. */
static void begin_anew(pst_shared_child_t *child, apr_uint64_t since)
{
    g.since = since;
    g.looked = g.closer_since = 0;
    memset(g.named, 0, sizeof(g.named));
    memset(g.holders, 0, g.used * sizeof(g.holders[0]));
    g.used = 0;
    for (apr_uint32_t scope = PST_SCOPE_COUNT; scope < PST_SCOPE_OF_SITES; scope++) {
        forget_blame(&child->blame[scope]);
    }
    pst_store(&child->heap_verdict.site, 0);
    pst_store(&child->mapped_verdict.site, 0);
    pst_store(&child->stack_verdict.site, 0);
}

void pst_outside_beat(pst_shared_child_t *child, apr_uint64_t now)
{
    apr_uint64_t since = pst_profile_since();
    apr_uint32_t sites;
    int nameless;

    if (since != g.since) {
        begin_anew(child, since);
    }
    sites = since ? pst_site_live(1, g.sites, g.sums) : 0;
    if (!sites) {
        return;
    }
    g.looked = g.looked ? g.looked : now;
    sum_up(sites);
    add_holder_points(now);
    nameless = blame_part(child, &child->heap_verdict, PST_SCOPE_HEAP, now);
    nameless |= blame_part(child, &child->mapped_verdict, PST_SCOPE_MAPPED, now);
    nameless |= blame_part(child, &child->stack_verdict, PST_SCOPE_STACK, now);
    look_closer(nameless, now);
}
