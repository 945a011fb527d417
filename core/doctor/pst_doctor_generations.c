/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on generations: what each reload leaves behind.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_snapshot_generations.h"

#include <string.h>

/* Whether it climbs: over as many of the last reloads as each added that much. @return 0: fewer than steps did */
static int climbs_for(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric,
                      apr_int64_t least, unsigned steps)
{
    pst_generation_growth_t more;

    if (pst_generation_growth(growth, snapshot, metric, steps + 1) < steps || growth->least < least) {
        return 0;
    }
    while (pst_generation_growth(&more, snapshot, metric, steps + 2) > steps && more.least >= least) {
        *growth = more;
        steps++;
    }
    return 1;
}

static int climbs(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric,
                  apr_int64_t least)
{
    return climbs_for(growth, snapshot, metric, least, PST_DOCTOR_RELOADS);
}

/* -- who ---------------------------------------------------------------------- */

typedef const pst_shared_maker_t *(*makers_fn)(const pst_generation_row_t *generation);

static const pst_shared_maker_t *shared_of(const pst_generation_row_t *generation)
{
    return generation->row.shared;
}

static const pst_shared_maker_t *lasting_of(const pst_generation_row_t *generation)
{
    return generation->row.lasting;
}

static const pst_shared_maker_t *heap_of(const pst_generation_row_t *generation)
{
    return generation->row.heap;
}

/* What a module took over the last reloads, and in how many of them. */
static double taken_by(const pst_snapshot_t *snapshot, unsigned reloads, makers_fn of, const char *name, unsigned *in)
{
    double sum = 0;

    *in = 0;
    for (apr_uint32_t i = snapshot->generation_count; i-- > 0 && reloads > 0; reloads--) {
        const pst_shared_maker_t *makers = of(&snapshot->generations[i]);

        for (unsigned m = 0; m < PST_MAKER_COUNT; m++) {
            if (strcmp(makers[m].name, name) == 0) {
                sum += (double)makers[m].bytes;
                *in += 1;
            }
        }
    }
    return sum;
}

/* The module that took most of what stayed, in each of the reloads. @return NULL: nobody took more than half */
static const char *maker_of(const pst_snapshot_t *snapshot, const pst_generation_growth_t *growth, makers_fn of,
                            double *share)
{
    double gained = (double)growth->last - (double)growth->first, taken;
    const pst_shared_maker_t *last = snapshot->generation_count
                                         ? of(&snapshot->generations[snapshot->generation_count - 1]) : NULL;
    unsigned in;

    for (unsigned m = 0; last && m < PST_MAKER_COUNT && last[m].name[0]; m++) {
        taken = taken_by(snapshot, growth->steps, of, last[m].name, &in);
        if (in == growth->steps && gained > 0 && taken * 2 > gained) {
            *share = taken < gained ? taken / gained : 1;
            return last[m].name;
        }
    }
    return NULL;
}

/* Modules that each time took at least as much as stayed; they may have given it back. */
static const char *asked_as_much(const pst_doctor_t *doctor, const pst_generation_growth_t *growth, makers_fn of)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    const pst_shared_maker_t *last = of(&snapshot->generations[snapshot->generation_count - 1]);
    const char *list = NULL;
    unsigned in;

    for (unsigned m = 0; m < PST_MAKER_COUNT && last[m].name[0]; m++) {
        double taken = taken_by(snapshot, growth->steps, of, last[m].name, &in);

        if (in == growth->steps && taken / growth->steps >= growth->each / 2) {
            list = pst_doctor_say(doctor, "%s%s%s (%s)", list ? list : "", list ? ", " : "", last[m].name,
                                  pst_doctor_size(doctor, taken / growth->steps));
        }
    }
    return list;
}

/* Who to write to. */
static const char *author(pst_doctor_t *doctor, pst_finding_t *finding, const char *name, double share)
{
    finding->blamed = name;
    pst_doctor_figure(finding, "share_percent", (double)(int)(share * 1000) / 10.0);
    return pst_doctor_say(
        doctor, "It is %s, as it is configured (its hook post_config): %d %% of what stayed. Write to its author.",
        name, (int)(share * 100 + 0.5));
}

/* Segments that outlive the configuration they were made for. The module that was seen to make them is evidence: fewer
 * reloads are enough then. */
static void find_shared(pst_doctor_t *doctor)
{
    pst_generation_growth_t shared;
    pst_finding_t *finding;
    const char *name;
    double share = 0;

    if (!climbs_for(&shared, doctor->snapshot, PST_M_generation_parent_shmem_bytes, PST_DOCTOR_RELOAD_SHMEM,
                    PST_DOCTOR_RELOADS_SEEN)) {
        return;
    }
    name = maker_of(doctor->snapshot, &shared, shared_of, &share);
    if (shared.steps < PST_DOCTOR_RELOADS && !name) {
        return;
    }
    finding = pst_doctor_find(doctor, "shared-by-generation", PST_SEVERITY_WARNING);
    finding->what = pst_doctor_say(doctor, "Each reload of the configuration leaves %s of shared memory behind.",
                                   pst_doctor_size(doctor, shared.each));
    finding->evidence = pst_doctor_say(doctor,
                                       "Over the last %u reloads the parent's shared memory went from %s to %s.",
                                       shared.steps, pst_doctor_size(doctor, (double)shared.first),
                                       pst_doctor_size(doctor, (double)shared.last));
    finding->advice =
        "A module makes a segment each time it is configured, from a pool that outlives the configuration "
        "(s->process->pool), and never destroys it.";
    finding->advice = pst_doctor_say(
        doctor, "%s %s Stopping and starting httpd frees the memory.", finding->advice,
        name ? author(doctor, finding, name, share)
             : "It is not known which: none did so while it was configured. Leave modules out one at a time, and write "
               "to its author.");
    pst_doctor_figure(finding, "reloads", shared.steps);
    pst_doctor_figure(finding, "shared_bytes_per_reload", shared.each);
    pst_doctor_figure(finding, "shared_bytes", (double)shared.last);
}

/* Children that end before their growth can be judged: each judged its life as it ended. */
static void find_lives(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    const pst_shared_generation_t *row = snapshot->generation_count
                                             ? &snapshot->generations[snapshot->generation_count - 1].row : NULL;
    pst_finding_t *finding;
    double each;

    if (!row || row->generation_lives_judged < PST_DOCTOR_LIVES
        || (double)row->generation_lives_rising < PST_DOCTOR_LIVES_RISING * (double)row->generation_lives_judged
        || !row->generation_lives_requests) {
        return;
    }
    each = (double)row->generation_lives_gained_bytes / (double)row->generation_lives_rising;
    finding = pst_doctor_find(doctor, "grows-within-lives", PST_SEVERITY_WARNING);
    finding->what = pst_doctor_say(doctor, "Children grow until they end: by %s of RSS each, on average.",
                                   pst_doctor_size(doctor, each));
    finding->evidence = pst_doctor_say(
        doctor, "%.0f of %.0f children of this generation that ended grew evenly over the %.0f requests that each "
                "served, by %s a request.",
        (double)row->generation_lives_rising, (double)row->generation_lives_judged,
        (double)row->generation_lives_requests / (double)row->generation_lives_rising,
        pst_doctor_size(doctor,
                        (double)row->generation_lives_gained_bytes / (double)row->generation_lives_requests));
    finding->advice = "MaxConnectionsPerChild ends them before they are large, and before anybody can say what grows. "
                      "Raise it until a child lives for two minutes: its growth is then judged, and its code named.";
    pst_doctor_figure(finding, "children", (double)row->generation_lives_judged);
    pst_doctor_figure(finding, "rising", (double)row->generation_lives_rising);
    pst_doctor_figure(finding, "gained_bytes_per_child", each);
    pst_doctor_figure(finding, "bytes_per_request",
                      (double)row->generation_lives_gained_bytes / (double)row->generation_lives_requests);
}

/* What grows in the parent: pools by their nodes, pools that a reload does not clear by the bytes used, and memory
 * outside of pools. */
typedef struct parent_t {
    pst_generation_growth_t config, pools, lasting, own;
    int in_pools, in_used, outside;
    unsigned steps;
} parent_t;

static unsigned fewest(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* A configuration that grows with each reload explains other growth, but not growth of what outlives it. */
static int look_at_parent(parent_t *parent, const pst_snapshot_t *snapshot)
{
    unsigned steps = PST_GENERATION_COUNT;

    parent->in_pools = climbs(&parent->pools, snapshot, PST_M_generation_parent_bytes, PST_DOCTOR_RELOAD_POOLS);
    parent->in_used = climbs(&parent->lasting, snapshot, PST_M_generation_lasting_bytes, PST_DOCTOR_RELOAD_LASTING);
    parent->outside = climbs(&parent->own, snapshot, PST_M_generation_parent_private_bytes, PST_DOCTOR_RELOAD_PRIVATE);
    if (!parent->in_pools && !parent->in_used && !parent->outside) {
        return 0;
    }
    steps = parent->in_pools ? fewest(steps, parent->pools.steps) : steps;
    steps = parent->in_used ? fewest(steps, parent->lasting.steps) : steps;
    steps = parent->outside ? fewest(steps, parent->own.steps) : steps;
    parent->steps = steps;
    pst_generation_growth(&parent->config, snapshot, PST_M_generation_config_bytes, steps + 1);
    pst_generation_growth(&parent->pools, snapshot, PST_M_generation_parent_bytes, steps + 1);
    pst_generation_growth(&parent->lasting, snapshot, PST_M_generation_lasting_bytes, steps + 1);
    pst_generation_growth(&parent->own, snapshot, PST_M_generation_parent_private_bytes, steps + 1);
    parent->in_pools = parent->in_pools && parent->config.each * 2 < parent->pools.each;
    parent->outside = parent->outside && parent->config.each * 2 < parent->own.each
                      && ((!parent->in_pools && !parent->in_used) || parent->pools.each * 2 < parent->own.each);
    return parent->in_pools || parent->in_used || parent->outside;
}

static const char *advice_on(pst_doctor_t *doctor, pst_finding_t *finding, const parent_t *parent)
{
    const char *list, *name;
    double share = 0;

    if (parent->in_pools || parent->in_used) {
        name = maker_of(doctor->snapshot, &parent->lasting, lasting_of, &share);
        return pst_doctor_say(
            doctor, "A module allocates from a pool that outlives the configuration (s->process->pool, or none as "
                    "parent) each time it is configured. %s Stopping and starting httpd frees the memory; a "
                    "graceful restart never does.",
            name ? author(doctor, finding, name, share)
                 : "It is not known which: none did so in its hook post_config. Leave modules out one at a time, and "
                   "write to its author.");
    }
    list = asked_as_much(doctor, &parent->own, heap_of);
    return pst_doctor_say(
        doctor, "A module, or a library that it loads, calls malloc each time it is configured and never frees "
                "it. %s%s Leave modules out one at a time to find it, and write to its author. Stopping and starting "
                "httpd frees the memory; a graceful restart never does.",
        list ? "In post_config, as much or more, which may have been freed later, was asked for by " : "No module "
               "was seen to ask for as much in post_config.", list ? pst_doctor_say(doctor, "%s.", list) : "");
}

static const char *left_behind(const pst_doctor_t *doctor, const parent_t *parent)
{
    double in_pools = parent->in_pools ? parent->pools.each : parent->lasting.each;
    double bytes = parent->outside ? parent->own.each : in_pools;
    const char *where = !parent->outside ? ", in pools" : ", outside of pools";

    where = parent->outside && (parent->in_pools || parent->in_used) ? ", in pools and outside of them" : where;
    return pst_doctor_say(
        doctor, "Each reload of the configuration leaves %s behind in the parent%s, and in every child after it.",
        pst_doctor_size(doctor, bytes), where);
}

void pst_doctor_generations(pst_doctor_t *doctor)
{
    pst_finding_t *finding;
    parent_t parent;

    find_shared(doctor);
    find_lives(doctor);
    if (!look_at_parent(&parent, doctor->snapshot)) {
        return;
    }
    finding = pst_doctor_find(doctor, "grows-by-generation", PST_SEVERITY_WARNING);
    finding->what = left_behind(doctor, &parent);
    finding->evidence = pst_doctor_say(
        doctor, "Over the last %u reloads the parent's pools went from %s to %s (the configuration's from %s to %s; "
                "used of those that outlive it from %s to %s), its own resident memory from %s to %s.",
        parent.steps, pst_doctor_size(doctor, (double)parent.pools.first),
        pst_doctor_size(doctor, (double)parent.pools.last), pst_doctor_size(doctor, (double)parent.config.first),
        pst_doctor_size(doctor, (double)parent.config.last), pst_doctor_size(doctor, (double)parent.lasting.first),
        pst_doctor_size(doctor, (double)parent.lasting.last), pst_doctor_size(doctor, (double)parent.own.first),
        pst_doctor_size(doctor, (double)parent.own.last));
    finding->advice = advice_on(doctor, finding, &parent);
    pst_doctor_figure(finding, "reloads", parent.steps);
    pst_doctor_figure(finding, "parent_bytes_per_reload", parent.pools.each);
    pst_doctor_figure(finding, "config_bytes_per_reload", parent.config.each);
    pst_doctor_figure(finding, "lasting_bytes_per_reload", parent.lasting.each);
    pst_doctor_figure(finding, "parent_private_bytes_per_reload", parent.own.each);
    pst_doctor_figure(finding, "parent_bytes", (double)parent.pools.last);
    pst_doctor_figure(finding, "parent_private_bytes", (double)parent.own.last);
}
