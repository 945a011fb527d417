/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept: see the header.
 *
 * Place in the flow: call sites -> KEPT -> board.
 *
 * One thread: the child's watchdog.
 */
#include "pst_kept.h"
#include "pst_blame.h"
#include "pst_close.h"
#include "pst_figure.h"
#include "pst_site.h"

#include <math.h>
#include <string.h>

/* Memory counts as remaining after this many seconds; after half of them if the look is not much longer. */
#define STAYS       10.0
/* The time span judged is the shortest of LOOK, twice LOOK and so on with this many samples. */
#define LOOK        40.0
#define PLENTY      48u
/* A named holder stays named while it holds this much of what remains. */
#define STILL       (1.0 / 3)
/* Parts judged separately: connections, requests, classes. Any beyond are judged by their scope. */
#define POLLS       1024u

typedef struct {
    double since;               /* seconds, from pst_close_since() */
    apr_uint64_t since_time;
    double stays;               /* seconds after which memory counts as kept, as last judged */
    apr_uint32_t named;         /* object that was named last, or 0 */
    pst_shared_frame_t place;   /* of it, or of the candidate */
    pst_shared_who_t who;       /* as named; site 0: nobody is */
} scope_t;

/* A part of a scope: who holds more than half, if anybody does. */
typedef struct {
    apr_uint32_t key;           /* 0: free */
    apr_uint32_t object;        /* candidate for the majority; 0: nobody */
    pst_shared_frame_t site;    /* and at which place */
    double lead, site_lead;
    double mass, own;           /* of all, of object */
    double squares;             /* of all: for the effective number of samples */
    apr_uint32_t samples, own_samples;
} poll_t;

/* A site's part of what remained: in the older half of the time span judged, and in the younger. */
typedef struct {
    double mass[2];
    double squares;             /* of both: for the effective number of samples */
    apr_uint32_t samples[2];
} halves_t;

typedef struct {
    apr_uint32_t object;
    pst_shared_frame_t site;    /* that holds most of it */
    double site_mass, mass;
    double samples;
    double all, squares;        /* of both halves */
} holder_t;

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    scope_t scopes[PST_SCOPE_COUNT];
    int count;
    pst_site_kept_t samples[PST_CLOSE_SAMPLES];
    pst_site_of_t sites[PST_SITE_COUNT];
    pst_site_sum_t sums[PST_SITE_COUNT];
    halves_t halves[PST_SITE_COUNT];
    holder_t holders[PST_SITE_COUNT];
    unsigned holder_count;
    poll_t polls[POLLS];
    int polled;                 /* polls is not empty */
} g;

void pst_kept_start(const pst_board_t *board, pst_shared_child_t *block)
{
    g.board = board;
    g.block = block;
    memset(g.scopes, 0, sizeof(g.scopes));
    g.polled = 0;
}

/* A continuing leak is sampled for ever: half of the older half of the samples is enough. */
static void thin_samples(void)
{
    apr_uint32_t oldest = APR_UINT32_MAX, newest = 0;

    if (g.count <= (int)PST_CLOSE_SAMPLES / 2) {
        return;
    }
    for (int i = 0; i < g.count; i++) {
        oldest = g.samples[i].when < oldest ? g.samples[i].when : oldest;
        newest = g.samples[i].when > newest ? g.samples[i].when : newest;
    }
    pst_site_thin(g.samples, g.count, oldest + (newest - oldest) / 2 + 1);
}

/* -- judging -------------------------------------------------------------- */

/* httpd's own growth is attributed to the program's object, which is not a module. */
static apr_uint32_t site_object(const pst_site_of_t *site)
{
    return PST_FRAME_MODULE(site->blamed);
}

static double age_of(const pst_site_kept_t *sample, double now)
{
    return now - sample->when;
}

/* For one scope, in seconds: samples taken between `from` and `to` ago are judged. */
typedef struct {
    double from, middle, to;
} span_t;

static int is_of_scope(const pst_site_kept_t *sample, unsigned scope)
{
    return g.sites[sample->site].scope == scope && sample->when + 1.0 > g.scopes[scope].since;
}

static span_t span_of(unsigned which, double now)
{
    double looked = now - g.scopes[which].since;
    span_t span = { fmin(STAYS, fmax(looked / 2, STAYS / 2)), 0, LOOK };
    unsigned count = 0;

    while (span.to < looked && count < PLENTY) {
        count = 0;
        for (int i = 0; i < g.count; i++) {
            double age = age_of(&g.samples[i], now);

            count += is_of_scope(&g.samples[i], which) && age >= span.from && age < span.to;
        }
        span.to *= count < PLENTY ? 2 : 1;
    }
    span.to = fmin(span.to, looked + 1);
    span.middle = (span.from + span.to) / 2;
    return span;
}

/* A poll of a part; made if there is room and make is set. */
static poll_t *find_poll(unsigned part, apr_uint32_t which, int make)
{
    apr_uint32_t key = (part + 1) << 24 | which, i = key * 0x9e3779b1u >> 16;

    for (unsigned tries = 0; tries < 16; tries++, i++) {
        poll_t *poll = &g.polls[i % POLLS];

        if (poll->key == key) {
            return poll;
        }
        if (!poll->key) {
            if (!make) {
                return NULL;
            }
            poll->key = key;
            return poll;
        }
    }
    return NULL;
}

/* Majority vote by weight: a holder of more than half is left at the end, and so is its place. */
static void vote(poll_t *poll, const pst_site_kept_t *sample)
{
    const pst_site_of_t *site = &g.sites[sample->site];
    apr_uint32_t object = site_object(site);
    double weight = (double)sample->weight;

    if (poll->object != object && poll->lead < weight) {
        poll->object = object;
        poll->lead = weight - poll->lead;
        poll->site = site->blamed;
        poll->site_lead = poll->lead;
        return;
    }
    poll->lead += poll->object == object ? weight : -weight;
    if (poll->object == object) {
        if (poll->site != site->blamed && poll->site_lead < weight) {
            poll->site = site->blamed;
            poll->site_lead = weight - poll->site_lead;
        }
        else {
            poll->site_lead += poll->site == site->blamed ? weight : -weight;
        }
    }
}

static void count_vote(poll_t *poll, const pst_site_kept_t *sample)
{
    int own = poll->object == site_object(&g.sites[sample->site]);

    poll->mass += (double)sample->weight;
    poll->squares += (double)sample->weight * (double)sample->weight;
    poll->samples++;
    poll->own += own ? (double)sample->weight : 0;
    poll->own_samples += (apr_uint32_t)own;
}

static void poll_parts(const pst_site_kept_t *sample, unsigned scope, void (*fn)(poll_t *, const pst_site_kept_t *))
{
    poll_t *of_class = find_poll(PST_KEPT_CLASS, g.sites[sample->site].of_class, 1);
    poll_t *of_slot = sample->slot ? find_poll(PST_KEPT_SLOT + scope, sample->slot - 1, 1) : NULL;

    if (of_class) {
        fn(of_class, sample);
    }
    if (of_slot) {
        fn(of_slot, sample);
    }
}

/* All parts of a scope, by what remained. */
static void poll_scope(unsigned which, double now, void (*fn)(poll_t *, const pst_site_kept_t *))
{
    for (int i = 0; i < g.count; i++) {
        if (is_of_scope(&g.samples[i], which) && age_of(&g.samples[i], now) >= g.scopes[which].stays) {
            poll_parts(&g.samples[i], which, fn);
        }
    }
    g.polled = 1;
}

/* -- a scope as a whole ---------------------------------------------------- */

/* What remained by site: all of it, and the part in the time span judged. */
static void add_halves(unsigned which, const span_t *span, double now)
{
    memset(g.halves, 0, sizeof(g.halves));
    for (int i = 0; i < g.count; i++) {
        const pst_site_kept_t *sample = &g.samples[i];
        double age = age_of(sample, now), weight = (double)sample->weight;
        halves_t *halves = &g.halves[sample->site];
        int half = age < span->middle;

        if (!is_of_scope(sample, which) || age < span->from) {
            continue;
        }
        g.sums[sample->site].bytes += sample->weight;
        g.sums[sample->site].samples++;
        if (age < span->to) {
            halves->mass[half] += weight;
            halves->samples[half]++;
            halves->squares += weight * weight;
        }
    }
}

static holder_t *kept_holder(apr_uint32_t object)
{
    unsigned i;

    for (i = 0; i < g.holder_count; i++) {
        if (g.holders[i].object == object) {
            return &g.holders[i];
        }
    }
    g.holders[g.holder_count] = (holder_t){ .object = object };
    return &g.holders[g.holder_count++];
}

/*
 * By module.  Growth is in both halves: memory taken for a while and released is only in the younger one, what filled
 * up once only in the older.
 */
static void add_holders(pst_shared_frame_t kept_place)
{
    halves_t of[PST_SITE_COUNT];

    memset(of, 0, sizeof(of));
    g.holder_count = 0;
    for (unsigned i = 0; i < PST_SITE_COUNT; i++) {
        const halves_t *halves = &g.halves[i];
        double mass = halves->mass[0] + halves->mass[1];
        holder_t *holder;

        if (mass <= 0) {
            continue;
        }
        holder = kept_holder(site_object(&g.sites[i]));
        for (int half = 0; half < 2; half++) {
            of[holder - g.holders].mass[half] += halves->mass[half];
            of[holder - g.holders].samples[half] += halves->samples[half];
        }
        holder->all += mass;
        holder->squares += halves->squares;
        /* of two places that hold about the same, keep the one reported before */
        mass *= g.sites[i].blamed == kept_place ? 2 : 1;
        if (mass > holder->site_mass) {
            holder->site_mass = mass;
            holder->site = g.sites[i].blamed;
        }
    }
    for (unsigned i = 0; i < g.holder_count; i++) {
        g.holders[i].mass = 2 * fmin(of[i].mass[0], of[i].mass[1]);
        g.holders[i].samples = 2 * fmin(of[i].samples[0], of[i].samples[1]);
    }
}

static void sort_holders(void)
{
    for (unsigned i = 1; i < g.holder_count; i++) {
        holder_t holder = g.holders[i];
        unsigned at = i;

        for (; at > 0 && g.holders[at - 1].mass < holder.mass; at--) {
            g.holders[at] = g.holders[at - 1];
        }
        g.holders[at] = holder;
    }
}

static pst_shared_who_t kept_who(const holder_t *holder, double mass)
{
    pst_shared_who_t who = { .site = holder->site };

    who.share = mass > 0 ? (uint16_t)(1000 * holder->mass / mass + 0.5) : 0;
    who.samples = (uint16_t)fmin(holder->samples, 65535);
    return who;
}

/* Name the certain majority holder, and keep it while it holds a large part. @return -1: nobody is */
static int choose_holder(scope_t *scope, double mass, double worth)
{
    int before = -1;

    for (unsigned i = 0; i < g.holder_count; i++) {
        const holder_t *holder = &g.holders[i];
        double share = mass > 0 ? holder->mass / mass : 0;

        if (holder->site && pst_blame_is_sure(share, worth)) {
            return (int)i;
        }
        if (scope->named && holder->object == scope->named && share >= STILL) {
            before = (int)i;
        }
    }
    return before;
}

static void publish_blame(unsigned which, int named, double mass, double samples)
{
    pst_shared_blame_t *blame = &g.block->blame[which];
    unsigned n = 0;

    pst_seq_begin(&blame->seq);
    memset(blame->who, 0, sizeof(blame->who));
    blame->known = named >= 0;
    blame->since = g.scopes[which].since_time;
    blame->samples = (uint64_t)samples;
    blame->bytes = (uint64_t)mass;
    if (named >= 0) {
        blame->who[n++] = kept_who(&g.holders[named], mass);
    }
    for (unsigned i = 0; i < g.holder_count && n < PST_WHO_COUNT; i++) {
        if ((int)i != named && g.holders[i].mass > 0) {
            blame->who[n++] = kept_who(&g.holders[i], mass);
        }
    }
    pst_seq_end(&blame->seq);
}

/* The effective number of samples of equal weight: of what grows, not of what filled up once. */
static double worth_of(double samples)
{
    double all = 0, squares = 0;

    for (unsigned i = 0; i < g.holder_count; i++) {
        if (g.holders[i].mass > 0) {
            all += g.holders[i].all;
            squares += g.holders[i].squares;
        }
    }
    return squares > 0 ? fmin(samples, all * all / squares) : 0;
}

static void judge_scope(unsigned which, double now)
{
    scope_t *scope = &g.scopes[which];
    span_t span = span_of(which, now);
    double mass = 0, samples = 0;
    int named;

    add_halves(which, &span, now);
    add_holders(scope->place);
    sort_holders();
    for (unsigned i = 0; i < g.holder_count; i++) {
        mass += g.holders[i].mass;
        samples += g.holders[i].samples;
    }
    scope->stays = span.from;
    if (samples < PST_BLAME_LEAST && scope->named) {
        return;                         /* too few to say anything else */
    }
    named = choose_holder(scope, mass, worth_of(samples));
    scope->named = named >= 0 ? g.holders[named].object : 0;
    scope->place = named >= 0 ? g.holders[named].site : 0;
    memset(&scope->who, 0, sizeof(scope->who));
    if (named >= 0) {
        scope->who = kept_who(&g.holders[named], mass);
    }
    publish_blame(which, named, mass, samples);
}

/* Parts that are in several scopes (classes) are judged once. */
static void judge_parts(double now)
{
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        if (pst_close_scopes >> scope & 1) {
            poll_scope(scope, now, vote);
        }
    }
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        if (pst_close_scopes >> scope & 1) {
            poll_scope(scope, now, count_vote);
        }
    }
}

static void forget_scope(unsigned which)
{
    pst_shared_blame_t *blame = &g.block->blame[which];

    if (blame->since) {
        pst_seq_begin(&blame->seq);
        memset((char *)blame + sizeof(blame->seq), 0, sizeof(*blame) - sizeof(blame->seq));
        pst_seq_end(&blame->seq);
    }
    g.scopes[which].named = 0;
    memset(&g.scopes[which].who, 0, sizeof(g.scopes[which].who));
}

void pst_kept_judge(apr_uint64_t time)
{
    double now = pst_close_beat(time);

    if (!g.block || (!pst_close_scopes && !g.polled)) {
        return;
    }
    g.count = pst_site_kept(g.samples, g.sites);
    if (g.count < 0) {
        g.count = 0;
        return;                         /* the last judgement stands */
    }
    pst_close_adapt(g.count);
    memset(g.sums, 0, sizeof(g.sums));
    if (g.polled) {
        memset(g.polls, 0, sizeof(g.polls));
        g.polled = 0;
    }
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        if (pst_close_scopes >> scope & 1) {
            g.scopes[scope].since = pst_close_since(scope, &g.scopes[scope].since_time);
            judge_scope(scope, now);
        }
        else {
            forget_scope(scope);
        }
    }
    judge_parts(now);
    pst_site_publish_kept(g.sites, g.sums);
    thin_samples();
}

int pst_kept_who(pst_shared_who_t *who, unsigned part, apr_uint32_t which)
{
    apr_uint32_t before = PST_FRAME_MODULE(who->site);
    const poll_t *poll;
    double share;

    if (part == PST_KEPT_SCOPE) {
        *who = g.scopes[which].who;
        return who->site != 0;
    }
    poll = find_poll(part, which, 0);
    share = poll && poll->mass > 0 ? poll->own / poll->mass : 0;
    if (!poll || !poll->site
        || !(pst_blame_is_sure(share, poll->mass * poll->mass / poll->squares)
             || (before == poll->object && before && share >= STILL))) {
        return 0;
    }
    *who = (pst_shared_who_t){ .site = poll->site, .share = (uint16_t)(1000 * share + 0.5),
                               .samples = (uint16_t)(poll->own_samples < 65535 ? poll->own_samples : 65535) };
    return 1;
}
