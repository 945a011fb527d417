/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on generations: what each reload leaves behind.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_snapshot_generations.h"

/* Over as many of the last reloads as each added that much. @return 0: they are too few */
static int climbs(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric,
                  apr_int64_t least)
{
    pst_generation_growth_t more;
    unsigned steps = PST_DOCTOR_RELOADS;

    if (pst_generation_growth(growth, snapshot, metric, steps + 1) < steps || growth->least < least) {
        return 0;
    }
    while (pst_generation_growth(&more, snapshot, metric, steps + 2) > steps && more.least >= least) {
        *growth = more;
        steps++;
    }
    return 1;
}

/* Segments that outlive the configuration they were made for. */
static void find_shared(pst_doctor_t *doctor)
{
    pst_generation_growth_t shared;
    pst_finding_t *finding;

    if (!climbs(&shared, doctor->snapshot, PST_M_generation_parent_shmem_bytes, PST_DOCTOR_RELOAD_SHMEM)) {
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
        "(s->process->pool), and never destroys it. Which one cannot be seen from outside: leave modules out one at a "
        "time, and write to its author. A restart by stop and start gives the memory back.";
    pst_doctor_figure(finding, "reloads", shared.steps);
    pst_doctor_figure(finding, "shared_bytes_per_reload", shared.each);
    pst_doctor_figure(finding, "shared_bytes", (double)shared.last);
}

/* A configuration that gets longer with each reload explains what else gets longer. */
void pst_doctor_generations(pst_doctor_t *doctor)
{
    pst_generation_growth_t config, pools, own;
    pst_finding_t *finding;
    int in_pools = climbs(&pools, doctor->snapshot, PST_M_generation_parent_bytes, PST_DOCTOR_RELOAD_POOLS);
    int outside = climbs(&own, doctor->snapshot, PST_M_generation_parent_private_bytes, PST_DOCTOR_RELOAD_PRIVATE);
    unsigned steps = outside && (!in_pools || own.steps < pools.steps) ? own.steps : pools.steps;
    const char *where = ", in pools";

    find_shared(doctor);
    if (!in_pools && !outside) {
        return;
    }
    pst_generation_growth(&config, doctor->snapshot, PST_M_generation_config_bytes, steps + 1);
    pst_generation_growth(&pools, doctor->snapshot, PST_M_generation_parent_bytes, steps + 1);
    pst_generation_growth(&own, doctor->snapshot, PST_M_generation_parent_private_bytes, steps + 1);
    in_pools = in_pools && config.each * 2 < pools.each;
    outside = outside && config.each * 2 < own.each && (!in_pools || pools.each * 2 < own.each);
    if (!in_pools && !outside) {
        return;
    }
    if (outside) {
        where = in_pools ? ", in pools and outside of them" : ", outside of pools";
    }
    finding = pst_doctor_find(doctor, "grows-by-generation", PST_SEVERITY_WARNING);
    finding->what =
        pst_doctor_say(doctor,
                       "Each reload of the configuration leaves %s behind in the parent%s, and in every "
                       "child after it.",
                       pst_doctor_size(doctor, outside ? own.each : pools.each),
                       where);
    finding->evidence =
        pst_doctor_say(doctor,
                       "Over the last %u reloads the parent's pools went from %s to %s (the "
                       "configuration's from %s to %s), its own resident memory from %s to %s.",
                       steps, pst_doctor_size(doctor, (double)pools.first), pst_doctor_size(doctor, (double)pools.last),
                       pst_doctor_size(doctor, (double)config.first), pst_doctor_size(doctor, (double)config.last),
                       pst_doctor_size(doctor, (double)own.first), pst_doctor_size(doctor, (double)own.last));
    finding->advice =
        in_pools
            ? "A module allocates from a pool that outlives the configuration (s->process->pool, or none as parent) "
              "each time it is configured. Leave modules out one at a time to find it, and write to its author. A "
              "restart by stop and start gives the memory back, a graceful one never does."
            : "A module, or a library that it brings along, calls malloc each time it is configured and never "
              "frees it. Leave modules out one at a time to find it, and write to its author. A restart by stop and "
              "start gives the memory back, a graceful one never does.";
    pst_doctor_figure(finding, "reloads", steps);
    pst_doctor_figure(finding, "parent_bytes_per_reload", pools.each);
    pst_doctor_figure(finding, "config_bytes_per_reload", config.each);
    pst_doctor_figure(finding, "parent_private_bytes_per_reload", own.each);
    pst_doctor_figure(finding, "parent_bytes", (double)pools.last);
    pst_doctor_figure(finding, "parent_private_bytes", (double)own.last);
}
