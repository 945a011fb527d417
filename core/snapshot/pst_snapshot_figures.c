/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of the things in a snapshot.  See pst_snapshot_figures.h.  Pure.
 */
#include "pst_snapshot_figures.h"
#include "pst_array.h"
#include "pst_figure.h"
#include "pst_trend.h"

/* The figures of pst_total_t: those that can be added up over children. */
#define TOTAL_FIGURES(X) \
    X(children, children) \
    X(connections_open, connections) \
    X(pools, pools) \
    X(reserved_bytes, reserved_bytes) \
    X(used_bytes, used_bytes) \
    X(slack_bytes, slack_bytes) \
    X(growths, growths) \
    X(process_reserved_bytes, process_reserved_bytes) \
    X(connections_reserved_bytes, connections_reserved_bytes) \
    X(requests_reserved_bytes, requests_reserved_bytes) \
    X(child_bucket_bytes, bucket_bytes) \
    X(child_retained_bytes, retained_bytes) \
    X(held_bytes, held_bytes) \
    X(child_peak_bytes, peak_bytes) \
    X(pools_created, pools_created) \
    X(pools_destroyed, pools_destroyed) \
    X(connections_opened, connections_opened) \
    X(requests_finished, requests_finished) \
    X(unslotted_connections, unslotted_connections) \
    X(pss_bytes, pss_bytes) \
    X(private_dirty_bytes, private_dirty_bytes) \
    X(heap_in_use_bytes, heap_in_use_bytes) \
    X(heap_free_bytes, heap_free_bytes)

static const pst_metric_e total_list[] = {
#define TOTAL_METRIC(metric, member) PST_M_##metric,
    TOTAL_FIGURES(TOTAL_METRIC)
};
const pst_metric_list_t pst_total_metrics = { total_list, PST_ITEMS(total_list) };

int pst_level_tells(unsigned level, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_held_bytes: case PST_M_child_retained_bytes: case PST_M_child_bucket_bytes: case PST_M_bucket_bytes:
    case PST_M_growths: case PST_M_child_reserved_bytes: case PST_M_child_peak_bytes: case PST_M_child_peak_time:
    case PST_M_pools_created: case PST_M_pools_destroyed: case PST_M_pools_cleared: case PST_M_unattributed_bytes:
    case PST_M_unexplained_bytes: case PST_M_not_resident_bytes:
    case PST_M_unbalanced_bytes: case PST_M_overbooked_bytes: case PST_M_balance_time:
    case PST_M_allocators: case PST_M_allocators_kept_bytes:
        return level == PST_LEVEL_FULL;
    case PST_M_pools: case PST_M_reserved_bytes: case PST_M_used_bytes: case PST_M_slack_bytes: case PST_M_peak_bytes:
    case PST_M_process_reserved_bytes: case PST_M_connections_reserved_bytes: case PST_M_requests_reserved_bytes:
    case PST_M_retained_bytes: case PST_M_requests_peak_bytes:
        return level != PST_LEVEL_PUBLIC;
    default:
        return 1;
    }
}

/* Was it taken at all? */
static int books_tell(const pst_shared_books_t *books, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_rss_bytes: case PST_M_pss_bytes: case PST_M_private_dirty_bytes: case PST_M_swap_bytes:
        return books->books_time != 0;
    case PST_M_heap_in_use_bytes: case PST_M_heap_free_bytes:
        return books->heap_time != 0;
    case PST_M_file_bytes:
    case PST_M_shmem_bytes:
    case PST_M_stack_bytes:
    case PST_M_data_bytes:
    case PST_M_other_bytes:
    case PST_M_board_bytes:
        return books->maps_time != 0;
    case PST_M_heap_arenas:
        return books->heap_arenas != 0;
    case PST_M_unexplained_bytes: case PST_M_not_resident_bytes:
        return books->books_time && books->maps_time;
    default:
        return 1;
    }
}

static apr_uint64_t used_of(const pst_shared_usage_t *usage)
{
    return pst_minus(usage->reserved_bytes, usage->slack_bytes);
}

apr_uint64_t pst_usage_figure(const pst_shared_usage_t *usage, pst_metric_e metric)
{
    switch (metric) {
#define PST_METRIC_USAGE(...) case PST_M(__VA_ARGS__): return usage->PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    case PST_M_used_bytes: return used_of(usage);
    default: return 0;
    }
}

apr_uint64_t pst_request_figure(const pst_row_t *row, pst_metric_e metric)
{
    return pst_level_tells(row->level, metric) ? pst_usage_figure(&row->slot.request, metric) : PST_UNKNOWN;
}

apr_uint64_t pst_row_figure(const pst_row_t *row, pst_metric_e metric)
{
    if (!pst_level_tells(row->level, metric)) {
        return PST_UNKNOWN;
    }
    switch (metric) {
#define PST_METRIC_USAGE(...) case PST_M(__VA_ARGS__): return row->slot.usage.PST_FIELD(__VA_ARGS__);
#define PST_METRIC_CONNECTION(...) case PST_M(__VA_ARGS__): return row->slot.PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    case PST_M_used_bytes: return row->used_bytes;
    default: return 0;
    }
}

apr_uint64_t pst_child_figure(const pst_child_row_t *child, pst_metric_e metric)
{
    if (!pst_level_tells(child->head.level, metric) || !books_tell(&child->head.books, metric)
        || (!child->head.balance_time && (metric == PST_M_unbalanced_bytes || metric == PST_M_overbooked_bytes))) {
        return PST_UNKNOWN;
    }
    switch (metric) {
    case PST_M_pools: return child->pools;
    case PST_M_reserved_bytes: return child->reserved_bytes;
    case PST_M_used_bytes: return child->used_bytes;
    case PST_M_slack_bytes: return child->slack_bytes;
    case PST_M_growths: return child->growths;
    case PST_M_process_reserved_bytes: return child->head.process.reserved_bytes;
    case PST_M_connections_reserved_bytes: return child->connections_reserved_bytes;
    case PST_M_requests_reserved_bytes: return child->requests_reserved_bytes;
    case PST_M_child_retained_bytes: return child->retained_bytes;
    case PST_M_unexplained_bytes: return child->unexplained_bytes;
    case PST_M_not_resident_bytes: return child->not_resident_bytes;
    case PST_M_child_start_time: return child->head.started;
    case PST_M_child_generation: return child->head.generation;
    case PST_M_child_instrumented: return child->head.level == PST_LEVEL_FULL;
#define PST_METRIC_CHILD(...) case PST_M(__VA_ARGS__): return child->head.PST_FIELD(__VA_ARGS__);
#define PST_METRIC_BOOKS(...) case PST_M(__VA_ARGS__): return child->head.books.PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    default: return 0;
    }
}

apr_uint64_t pst_class_figure(const pst_class_row_t *class, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_class_pools: return class->pools;
    case PST_M_class_lifetime_mean_seconds: return class->lifetime_mean;
    case PST_M_class_growing: return class->row.verdict.state == PST_TREND_GROWING;
#define PST_METRIC_CLASS(...) case PST_M(__VA_ARGS__): return class->row.PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    default: return 0;
    }
}

apr_uint64_t pst_site_figure(const pst_site_row_t *site, pst_metric_e metric)
{
    switch (metric) {
#define PST_METRIC_SITE(...) case PST_M(__VA_ARGS__): return site->row.PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    default: return 0;
    }
}

apr_uint64_t pst_generation_figure(const pst_generation_row_t *generation, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_generation_process_start_mean_bytes: return generation->process_start_mean;
    case PST_M_generation_process_end_mean_bytes: return generation->process_end_mean;
    case PST_M_generation_private_start_mean_bytes: return generation->private_start_mean;
    case PST_M_generation_private_end_mean_bytes: return generation->private_end_mean;
    case PST_M_generation_rss_start_mean_bytes: return generation->rss_start_mean;
    case PST_M_generation_rss_end_mean_bytes: return generation->rss_end_mean;
#define PST_METRIC_GENERATION(...) case PST_M(__VA_ARGS__): return generation->row.PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    default: return 0;
    }
}

apr_uint64_t pst_kind_figure(const pst_kind_row_t *kind, unsigned scope, pst_metric_e metric)
{
    switch (metric) {
#define PST_METRIC_CONNECTION(...) case PST_M(__VA_ARGS__): return kind->PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    case PST_M_growing: return scope < PST_SCOPE_COUNT ? kind->growing[scope] : 0;
    default: return pst_usage_figure(scope == PST_SCOPE_REQUEST ? &kind->request : &kind->connection, metric);
    }
}

apr_uint64_t pst_server_figure(const pst_snapshot_t *snapshot, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_server: return 1;
    case PST_M_server_start_time: return snapshot->about.created;
    case PST_M_homeless_children: return snapshot->about.homeless;
    case PST_M_blocks: return snapshot->about.child_count;
    case PST_M_children: return snapshot->total.children;
#define PST_METRIC_SERVER(...) \
    case PST_M(__VA_ARGS__): return pst_sane(snapshot->about.PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    default: return 0;
    }
}

/* A sum with a part missing is not known. */
static int total_tells(const pst_total_t *total, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_pss_bytes: case PST_M_private_dirty_bytes:
        return total->weighed || !total->children;
    case PST_M_heap_in_use_bytes: case PST_M_heap_free_bytes:
        return total->asked || !total->children;
    default:
        return pst_level_tells(total->level, metric);
    }
}

apr_uint64_t pst_total_figure(const pst_total_t *total, pst_metric_e metric)
{
    if (!total_tells(total, metric)) {
        return PST_UNKNOWN;
    }
    switch (metric) {
#define TOTAL_CASE(metric, member) case PST_M_##metric: return total->member;
    TOTAL_FIGURES(TOTAL_CASE)
    default: return 0;
    }
}
