/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites themselves. See pst_site_growth.h.
 *
 * Place in the flow: samples of the profile -> series per place to blame -> verdicts of call sites on the board.
 *
 * A place is named by the common rule (pst_blame.h), once it has gained enough samples by its own code.
 *
 * One thread: the child's watchdog.
 */
#include "pst_site_growth.h"
#include "pst_blame.h"
#include "pst_hold.h"
#include "pst_series.h"
#include "pst_site.h"

#include <string.h>

#define PLACES 256u             /* a power of two, larger than the number of sites */
#define TRIES  16u
#define POINTS 32u              /* of a series */

typedef struct {
    pst_shared_frame_t place;   /* 0: free */
    apr_uint32_t row;           /* the call site that holds most of it */
    apr_uint64_t row_bytes;
    apr_uint64_t bytes, samples;
    pst_series_t series;
    pst_hold_t held;
    pst_trend_point_t points[POINTS];
} grower_t;

/* Unused ones cost no memory, and are not even read: `used` lists the others, unordered. */
static struct {
    unsigned used_count;
    apr_uint16_t used[PLACES];
    grower_t growers[PLACES];
    pst_site_of_t sites[PST_SITE_COUNT];
    pst_site_sum_t sums[PST_SITE_COUNT];
    apr_byte_t told[PST_SITE_COUNT];    /* that call site has a verdict; 2: set or confirmed in this beat */
} g;

/* The entry for a place: its own, a free one, or that of a place that no longer holds anything. */
static grower_t *grower_at(pst_shared_frame_t place, apr_uint64_t now)
{
    apr_uint32_t at = (apr_uint32_t)(place * 0x9e3779b97f4a7c15u >> 40);
    grower_t *spare = NULL;

    for (unsigned i = 0; i < TRIES; i++) {
        grower_t *grower = &g.growers[(at + i) % PLACES];

        if (grower->place == place) {
            return grower;
        }
        if (!spare && (!grower->place || !grower->bytes)) {
            spare = grower;
        }
        if (!grower->place) {
            break;
        }
    }
    if (spare) {
        if (!spare->place) {
            g.used[g.used_count++] = (apr_uint16_t)(spare - g.growers);
        }
        memset(spare, 0, sizeof(*spare));
        spare->place = place;
        pst_series_begin(&spare->series, now);
    }
    return spare;
}

static void add_up_places(apr_uint64_t now)
{
    for (unsigned i = 0; i < g.used_count; i++) {
        grower_t *grower = &g.growers[g.used[i]];

        grower->bytes = grower->samples = grower->row_bytes = 0;
    }
    for (apr_uint32_t i = 1; i < PST_SITE_COUNT; i++) {
        grower_t *grower = g.sums[i].bytes && g.sites[i].blamed ? grower_at(g.sites[i].blamed, now) : NULL;

        if (!grower) {
            continue;
        }
        grower->bytes += g.sums[i].bytes;
        grower->samples += g.sums[i].samples;
        if (g.sums[i].bytes > grower->row_bytes) {
            grower->row_bytes = g.sums[i].bytes;
            grower->row = i;
        }
    }
}

static void withdraw_site_verdicts(const pst_board_t *board, pst_shared_child_t *child)
{
    const pst_told_t nothing = { .state = PST_TREND_LITTLE };

    for (apr_uint32_t row = 1; row < PST_SITE_COUNT; row++) {
        if (g.told[row] == 1) {
            pst_told_publish(&pst_board_site(board, child, row)->verdict, &nothing, NULL, PST_OF_NO_SCOPE);
        }
        g.told[row] = g.told[row] == 2;
    }
}

/* Publish with the call site that holds most; by then it is decided whether its owner is known. */
static void publish_site_verdict(const pst_board_t *board, pst_shared_child_t *child, const grower_t *grower,
                                 const pst_told_t *told)
{
    pst_shared_verdict_t *verdict = &pst_board_site(board, child, grower->row)->verdict;
    double samples = told->gained * (double)grower->samples / (double)grower->bytes;

    pst_told_publish(verdict, told, NULL, PST_OF_NO_SCOPE);
    verdict->samples = (uint16_t)(samples < 65535 ? samples : 65535);
    pst_store(&verdict->site, samples >= PST_BLAME_LEAST ? grower->place : 0);
    g.told[grower->row] = 2;
}

/* Most places hold a constant amount: they need no fitted line. */
static int may_grow(const grower_t *grower)
{
    double least = (double)grower->bytes;

    for (unsigned i = 0; i < grower->series.count; i++) {
        least = grower->points[i].size < least ? grower->points[i].size : least;
    }
    return (double)grower->bytes - least >= PST_TREND_RISE;
}

static void judge_place(const pst_board_t *board, pst_shared_child_t *child, grower_t *grower, apr_uint64_t now)
{
    const pst_trend_point_t at = { pst_series_seconds(&grower->series, now), (double)grower->bytes,
                                   (double)pst_load(&child->requests_finished) };
    pst_trend_t trend = { .state = PST_TREND_STEADY };
    pst_told_t told;

    pst_series_add(&grower->series, grower->points, POINTS, &at, PST_SERIES_FLOOR);
    if (may_grow(grower)) {
        pst_series_judge(&trend, &grower->series, grower->points);
    }
    pst_told_from(&told, &trend, grower->series.begin);
    pst_hold(&grower->held, &told, now);
    if (grower->bytes && told.state == PST_TREND_GROWING) {
        publish_site_verdict(board, child, grower, &told);
    }
}

void pst_site_growth_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    if (!pst_load(&child->profile_rate) || !pst_site_live(0, g.sites, g.sums)) {
        return;
    }
    add_up_places(now);
    for (unsigned i = 0; i < g.used_count; i++) {
        judge_place(board, child, &g.growers[g.used[i]], now);
    }
    withdraw_site_verdicts(board, child);
}
