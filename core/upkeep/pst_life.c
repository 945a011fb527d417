/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_life.h.
 *
 * The history is on the board, where anybody may have written anything: a wrong point makes a wrong count, nothing
 * else.
 */
#include "pst_life.h"
#include "pst_figure.h"

#include <string.h>

#define GAINED ((apr_uint64_t)1 << 20)  /* bytes: less is no growth worth a name */

typedef struct moment_t {
    apr_uint64_t rss;
    apr_uint32_t requests;
} moment_t;

static moment_t moment_of(const pst_shared_point_t *point)
{
    moment_t moment = { (apr_uint64_t)__atomic_load_n(&point->rss, __ATOMIC_RELAXED) * PST_HISTORY_PAGE,
                        __atomic_load_n(&point->requests_finished, __ATOMIC_RELAXED) };

    return moment;
}

/* The first moment with a measured RSS, and that nearest to the half of its requests. @return 0: not known */
static int find_moments(const pst_shared_point_t *points, apr_uint64_t count, apr_uint32_t requests, moment_t *first,
                        moment_t *half)
{
    apr_uint32_t nearest = APR_UINT32_MAX;

    memset(first, 0, sizeof(*first));
    memset(half, 0, sizeof(*half));
    for (apr_uint64_t i = 0; i < count; i++) {
        moment_t moment = moment_of(&points[i]);
        apr_uint32_t off = moment.requests > requests / 2 ? moment.requests - requests / 2
                                                          : requests / 2 - moment.requests;

        if (!moment.rss) {
            continue;
        }
        if (!first->rss) {
            *first = moment;
        }
        if (off < nearest) {
            nearest = off;
            *half = moment;
        }
    }
    return first->rss && nearest <= requests / 4 && half->requests > first->requests && half->requests < requests;
}

void pst_life_judge(pst_life_t *life, const pst_board_t *board, const pst_shared_child_t *child, apr_uint64_t rss)
{
    apr_int64_t index = pst_board_index(board, child);
    pst_shared_history_t *history = index < 0 ? NULL : pst_board_history(board, (apr_uint32_t)index);
    apr_uint64_t count = history ? pst_load(&history->fine_written) : 0;
    apr_uint64_t requests = pst_load_sane(&child->requests_finished), before, after;
    moment_t first, half;

    memset(life, 0, sizeof(*life));
    if (count < PST_LIFE_POINTS || count > board->fine_count || requests < PST_LIFE_REQUESTS
        || requests > APR_INT32_MAX || __atomic_load_n(&history->pid, __ATOMIC_RELAXED) != child->owner
        || !find_moments((const void *)((const char *)history + PST_HISTORY_HEAD), count, (apr_uint32_t)requests,
                         &first, &half)) {
        return;
    }
    life->judged = 1;
    life->requests = requests;
    life->gained = pst_minus(rss, first.rss);
    before = pst_minus(half.rss, first.rss) / (half.requests - first.requests);
    after = pst_minus(rss, half.rss) / (requests - half.requests);
    life->rises = life->gained >= GAINED && after >= before / 2 && pst_minus(rss, half.rss) >= GAINED / 4;
}
