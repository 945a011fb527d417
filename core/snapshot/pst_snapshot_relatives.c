/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_snapshot_relatives.h.
 */
#include "pst_snapshot_relatives.h"
#include "pst_figure.h"
#include "pst_trend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Largest first. */
static int by_own(const void *one, const void *two)
{
    const pst_shared_relative_t *a = one, *b = two;

    return (a->own_bytes < b->own_bytes) - (a->own_bytes > b->own_bytes);
}

static int take_relative(pst_shared_relative_t *to, const pst_shared_relative_t *from)
{
    if (!pst_seq_copy(to, from, sizeof(*to)) || !to->pid) {
        return 0;
    }
    to->role = to->role < PST_ROLE_COUNT ? to->role : PST_ROLE_OTHER;
    to->started = pst_sane(to->started);
    to->rss_bytes = pst_sane(to->rss_bytes);
    to->own_bytes = pst_sane(to->own_bytes);
    to->pss_bytes = pst_sane(to->pss_bytes);
    to->pss_time = pst_sane(to->pss_time);
    to->since = pst_sane(to->since);
    if (to->state >= PST_TREND_COUNT || !isfinite(to->gained) || !isfinite(to->per_minute)) {
        to->state = PST_TREND_LITTLE;
        to->gained = to->per_minute = 0;
    }
    to->command[sizeof(to->command) - 1] = '\0';
    return 1;
}

void pst_snapshot_relatives(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    pst_shared_header_t *about = &snapshot->about;

    snapshot->relatives = apr_pcalloc(pool, PST_RELATIVE_COUNT * sizeof(*snapshot->relatives));
    about->relatives_known = about->relatives_known <= PST_RELATIVES_HIDDEN ? about->relatives_known
                                                                            : PST_RELATIVES_NOT_YET;
    about->relatives_time = pst_sane(about->relatives_time);
    about->relatives_cut = about->relatives_cut == 1;
    for (apr_uint32_t i = 0; about->relatives_known == PST_RELATIVES_KNOWN && i < PST_RELATIVE_COUNT; i++) {
        snapshot->relative_count += (apr_uint32_t)take_relative(&snapshot->relatives[snapshot->relative_count],
                                                                pst_board_relative(board, i));
    }
    qsort(snapshot->relatives, snapshot->relative_count, sizeof(*snapshot->relatives), by_own);
}

apr_uint64_t pst_relative_figure(const pst_shared_relative_t *relative, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_relatives: return 1;
    case PST_M_relatives_growing: return relative->state == PST_TREND_GROWING;
    case PST_M_relative_rss_bytes: return relative->rss_bytes;
    case PST_M_relative_private_bytes: return relative->own_bytes;
    case PST_M_relative_pss_bytes: return relative->pss_time ? relative->pss_bytes : PST_UNKNOWN;
    default: return 0;
    }
}

apr_uint64_t pst_relatives_figure(const pst_snapshot_t *snapshot, unsigned role, pst_metric_e metric)
{
    apr_uint64_t sum = 0;

    if (snapshot->about.relatives_known != PST_RELATIVES_KNOWN) {
        return PST_UNKNOWN;
    }
    for (apr_uint32_t i = 0; i < snapshot->relative_count; i++) {
        const pst_shared_relative_t *relative = &snapshot->relatives[i];
        apr_uint64_t value;

        if (role != PST_ROLE_COUNT && relative->role != role) {
            continue;
        }
        value = pst_relative_figure(relative, metric);
        if (value == PST_UNKNOWN) {
            return PST_UNKNOWN;
        }
        sum = pst_plus(sum, value);
    }
    return sum;
}
