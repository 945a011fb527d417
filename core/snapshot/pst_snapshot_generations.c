/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations as readers see them: a checked copy with means, and how a figure changed from one to
 * the next.  See pst_snapshot_generations.h.
 */
#include "pst_snapshot_generations.h"
#include "pst_figure.h"
#include "pst_snapshot_figures.h"

#include <stdlib.h>
#include <string.h>

static int by_generation_number(const void *one, const void *two)
{
    const pst_generation_row_t *a = one, *b = two;

    return (a->row.number > b->row.number) - (a->row.number < b->row.number);
}

static void load_maker(pst_shared_maker_t *to, const pst_shared_maker_t *from)
{
    *to = *from;
    to->name[sizeof(to->name) - 1] = '\0';
    to->bytes = pst_sane(to->bytes);
}

static void load_makers(pst_shared_generation_t *to, const pst_shared_generation_t *from)
{
    for (unsigned i = 0; i < PST_MAKER_COUNT; i++) {
        load_maker(&to->shared[i], &from->shared[i]);
        load_maker(&to->lasting[i], &from->lasting[i]);
        load_maker(&to->heap[i], &from->heap[i]);
    }
}

static apr_uint64_t mean(apr_uint64_t sum, apr_uint64_t count)
{
    return count ? sum / count : 0;
}

void pst_snapshot_generations(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    pst_generation_row_t *rows = apr_pcalloc(pool, PST_GENERATION_COUNT * sizeof(*rows));

    for (apr_uint32_t i = 0; i < PST_GENERATION_COUNT; i++) {
        const pst_shared_generation_t *from = pst_board_generation(board, i);
        pst_generation_row_t *to = &rows[snapshot->generation_count];
        pst_shared_generation_t *row = &to->row;
        apr_uint64_t measured;

        row->in_use = __atomic_load_n(&from->in_use, __ATOMIC_ACQUIRE);
        row->number = __atomic_load_n(&from->number, __ATOMIC_RELAXED);
        if (row->in_use != 1 || row->number % PST_GENERATION_COUNT != i) {
            continue;
        }
        load_makers(row, from);
#define PST_METRIC_GENERATION(...) row->PST_FIELD(__VA_ARGS__) = pst_load_sane(&from->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
        to->process_start_mean = mean(row->generation_process_start_sum_bytes, row->generation_children);
        to->private_start_mean = mean(row->generation_private_start_sum_bytes, row->generation_children);
        to->rss_start_mean = mean(row->generation_rss_start_sum_bytes, row->generation_children);
        measured = row->generation_children_measured;
        to->process_end_mean = mean(row->generation_process_end_sum_bytes, measured);
        to->private_end_mean = mean(row->generation_private_end_sum_bytes, measured);
        to->rss_end_mean = mean(row->generation_rss_end_sum_bytes, measured);
        snapshot->generation_count++;
    }
    qsort(rows, snapshot->generation_count, sizeof(*rows), by_generation_number);
    snapshot->generations = rows;
}

unsigned pst_generation_growth(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric,
                               unsigned most)
{
    apr_uint64_t after = 0;
    unsigned count = 0;

    memset(growth, 0, sizeof(*growth));
    for (apr_uint32_t i = snapshot->generation_count; i-- > 0 && count < most; ) {
        const pst_generation_row_t *row = &snapshot->generations[i];
        apr_uint64_t value = pst_generation_figure(row, metric);
        int gap = count && snapshot->generations[i + 1].row.number != row->row.number + 1;

        if (!value || gap || (row->row.number == 0 && count > 1)) {
            break;
        }
        if (count) {
            apr_int64_t step = (apr_int64_t)after - (apr_int64_t)value;

            growth->least = count == 1 || step < growth->least ? step : growth->least;
            growth->most = count == 1 || step > growth->most ? step : growth->most;
        }
        else {
            growth->last = value;
        }
        growth->first = after = value;
        count++;
    }
    growth->steps = count ? count - 1 : 0;
    growth->each = growth->steps ? ((double)growth->last - (double)growth->first) / growth->steps : 0;
    return growth->steps;
}
