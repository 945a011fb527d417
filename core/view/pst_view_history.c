/* SPDX-License-Identifier: Apache-2.0
 *
 * Histories as JSON.  See pst_view_history.h.  Figures go by the names of the
 * metric table; buckets, held and retained are null if the child could not count them, books until they are taken.
 */
#include "pst_view_history.h"
#include "pst_view_tree.h"

static void print_about(pst_emit_t *emit, const pst_history_about_t *about)
{
    pst_emit_number(emit, "pid", about->pid);
    pst_emit_number(emit, "generation", about->generation);
    pst_emit_flag(emit, "alive", about->alive);
    pst_emit_seconds(emit, "started", about->started, 3);
    if (about->alive) {
        pst_emit_null(emit, "ended");
        pst_emit_null(emit, "ended_how");
    }
    else {
        pst_emit_seconds(emit, "ended", about->ended, 3);
        pst_emit_text(emit, "ended_how", pst_history_end_word(about->ended_how));
    }
}

static void print_history_board(pst_emit_t *emit, const pst_board_t *board)
{
    pst_emit_number(emit, "interval_seconds", board->interval);
    pst_emit_text(emit, "history_by", pst_history_by_word(__atomic_load_n(&pst_board_header(board)->history_by,
                                                                          __ATOMIC_RELAXED)));
}

static void print_history_figure(pst_emit_t *emit, pst_metric_e metric, apr_uint64_t value)
{
    pst_emit_figure(emit, pst_metric_short_key(metric), metric, value);
}

/* 0 means: not taken yet, or not available. */
static void print_taken(pst_emit_t *emit, int taken, pst_metric_e metric, apr_uint64_t value)
{
    if (taken) {
        print_history_figure(emit, metric, value);
    }
    else {
        pst_emit_null(emit, pst_metric_short_key(metric));
    }
}

static void print_books(pst_emit_t *emit, const pst_history_point_t *p)
{
    int sum = p->rss != 0, heap = p->heap_in_use != 0, maps = p->file != 0;

    print_taken(emit, sum, PST_M_rss_bytes, p->rss);
    print_taken(emit, sum, PST_M_pss_bytes, p->pss);
    print_taken(emit, sum, PST_M_private_dirty_bytes, p->private_dirty);
    print_taken(emit, sum, PST_M_swap_bytes, p->swap);
    print_taken(emit, heap, PST_M_heap_in_use_bytes, p->heap_in_use);
    print_taken(emit, heap, PST_M_heap_free_bytes, p->heap_free);
    print_taken(emit, p->heap_arenas != 0, PST_M_heap_arenas, p->heap_arenas);
    print_taken(emit, maps, PST_M_file_bytes, p->file);
    print_taken(emit, maps, PST_M_shmem_bytes, p->shmem);
    print_taken(emit, maps, PST_M_stack_bytes, p->stacks);
    print_taken(emit, maps, PST_M_data_bytes, p->data);
    print_taken(emit, maps, PST_M_other_bytes, p->other);
    print_taken(emit, sum && maps, PST_M_unexplained_bytes, p->unexplained);
    print_taken(emit, sum && maps, PST_M_not_resident_bytes, p->not_resident);
}

static void print_points(pst_emit_t *emit, const char *key, const pst_history_point_t *points, apr_uint32_t count,
                         int full)
{
    pst_emit_array(emit, key, "Point");
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        const pst_history_point_t *p = &points[i];

        pst_emit_element(emit, i);
        pst_emit_seconds(emit, "time", p->time, 3);
        print_history_figure(emit, PST_M_process_reserved_bytes, p->process);
        print_history_figure(emit, PST_M_connections_reserved_bytes, p->connections);
        print_history_figure(emit, PST_M_requests_reserved_bytes, p->requests);
        if (full) {
            print_history_figure(emit, PST_M_child_bucket_bytes, p->buckets);
            print_history_figure(emit, PST_M_child_retained_bytes, p->retained);
            print_history_figure(emit, PST_M_held_bytes, p->held);
        }
        else {
            pst_emit_null(emit, pst_metric_short_key(PST_M_child_bucket_bytes));
            pst_emit_null(emit, pst_metric_short_key(PST_M_child_retained_bytes));
            pst_emit_null(emit, pst_metric_short_key(PST_M_held_bytes));
        }
        print_history_figure(emit, PST_M_child_peak_bytes, p->peak);
        print_history_figure(emit, PST_M_connections_open, p->connections_open);
        print_history_figure(emit, PST_M_requests_finished, p->requests_finished);
        print_history_figure(emit, PST_M_slack_bytes, p->slack);
        pst_emit_number(emit, "process_pools", p->process_pools);
        print_books(emit, p);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

apr_status_t pst_view_history(pst_emit_t *emit, const pst_history_t *history, const pst_board_t *board)
{
    int full = history->about.level == PST_LEVEL_FULL;

    pst_emit_object(emit, NULL);
    pst_emit_number(emit, "schema", PST_JSON_SCHEMA);
    print_about(emit, &history->about);
    print_history_board(emit, board);
    print_points(emit, "fine", history->fine, history->fine_count, full);
    print_points(emit, "coarse", history->coarse, history->coarse_count, full);
    pst_emit_end(emit);
    return emit->status;
}

apr_status_t pst_view_histories(pst_emit_t *emit, const pst_board_t *board, pst_view_correct_fn correct, void *baton)
{
    pst_history_about_t about;

    pst_emit_object(emit, NULL);
    pst_emit_number(emit, "schema", PST_JSON_SCHEMA);
    print_history_board(emit, board);
    pst_emit_array(emit, "histories", "History");
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && emit->status == APR_SUCCESS; i++) {
        if (pst_history_about(&about, board, i)) {
            if (correct) {
                correct(baton, &about);
            }
            pst_emit_element(emit, about.pid);
            print_about(emit, &about);
            pst_emit_number(emit, "points", about.points);
            pst_emit_end(emit);
        }
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}
