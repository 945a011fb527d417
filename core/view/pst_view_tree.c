/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON and text.  See pst_view_tree.h.  pst_metric.c has which figures each thing has; this file
 * has only how things nest, and what is not a figure.
 * Keys are part of the schema: add freely, rename never.
 */
#include "pst_view_tree.h"
#include "pst_machine.h"
#include "pst_view_doctor.h"
#include "pst_view_generations.h"
#include "pst_view_holders.h"
#include "pst_checks.h"
#include "pst_view_misuses.h"
#include "pst_view_losses.h"
#include "pst_view_relatives.h"
#include "pst_view_segments.h"
#include "pst_view_urls.h"
#include "pst_view_largest.h"
#include "pst_view_release.h"
#include "pst_history.h"
#include "pst_trend.h"
#include "pst_snapshot_figures.h"
#include "pst_place.h"
#include "pst_view_parts.h"
#include "pst_view_who.h"

/* Are all children shown instrumented in full (and is there one)? */
static int all_instrumented(const pst_snapshot_t *snapshot)
{
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        if (snapshot->children[i].head.level != PST_LEVEL_FULL) {
            return 0;
        }
    }
    return snapshot->child_count > 0;
}

apr_uint64_t pst_view_age(const pst_snapshot_t *snapshot, apr_uint64_t since)
{
    return since && since < snapshot->taken ? snapshot->taken - since : 0;
}

static void print_tree_server(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_object(emit, "server");
    pst_emit_text(emit, "version", snapshot->about.server);
    pst_emit_text(emit, "module", snapshot->about.module);
    pst_emit_text(emit, "mpm", snapshot->about.mpm);
    pst_emit_number(emit, "parent_pid", snapshot->about.parent);
    pst_emit_seconds(emit, "started", snapshot->about.created, 6);
    pst_emit_seconds(emit, "time", snapshot->taken, 6);
    if (snapshot->server_gone) {
        pst_emit_flag(emit, "gone", 1);
    }
    pst_emit_flag(emit, "instrumented", all_instrumented(snapshot));
    pst_emit_number(emit, "homeless_children", snapshot->about.homeless);
    if (snapshot->nonce) {
        pst_emit_text(emit, "release_nonce", snapshot->nonce);
    }
    pst_emit_text(emit, "history_by", pst_history_by_word(snapshot->about.history_by));
    pst_emit_number(emit, "interval_seconds", snapshot->about.interval);
    pst_emit_text(emit, "memory_limit_of", pst_memory_word(snapshot->about.memory_kind));
#define PST_METRIC_SERVER(...) \
    pst_emit_figure(emit, PST_FIELD_WORD(__VA_ARGS__), PST_M(__VA_ARGS__), snapshot->about.PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    pst_emit_end(emit);
}

static void print_place(pst_emit_t *emit, const pst_place_t *place)
{
    char text[PST_PLACE_LEN];

    pst_emit_text(emit, "place", pst_place_text(text, place));
    pst_emit_text(emit, "module", place->module);
    pst_emit_number(emit, "offset", place->offset);
    if (place->function) {
        pst_emit_text(emit, "function", place->function);
    }
    else {
        pst_emit_null(emit, "function");
    }
    if (place->file) {
        pst_emit_text(emit, "file", place->file);
        pst_emit_number(emit, "line", place->line);
    }
    else {
        pst_emit_null(emit, "file");
        pst_emit_null(emit, "line");
    }
    if (place->replaced) {
        pst_emit_text(emit, "note", "the object's file was replaced since it was loaded");
    }
}

/* The fields of every verdict; the caller opens and closes its object. */
static void print_tree_verdict(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                               const pst_shared_verdict_t *verdict)
{
    pst_who_t who;

    pst_emit_text(emit, "state", pst_trend_word(verdict->state));
    if (verdict->state == PST_TREND_STEADY || verdict->state == PST_TREND_LITTLE) {
        return;
    }
    pst_emit_signed(emit, "bytes_per_minute", verdict->per_minute);
    if (verdict->per_request > 0) {
        pst_emit_decimal(emit, "bytes_per_request", verdict->per_request);
    }
    else {
        pst_emit_null(emit, "bytes_per_request");
    }
    pst_emit_decimal(emit, "r2", verdict->fit / 1000.0);
    if (verdict->since) {
        pst_emit_seconds(emit, "since", verdict->since, 3);
    }
    else {
        pst_emit_null(emit, "since");
    }
    pst_emit_signed(emit, "gained_bytes", verdict->gained);
    pst_emit_decimal(emit, "lasted_seconds", verdict->lasted / 1000.0);
    pst_view_who(emit, pst_who_of_verdict(&who, snapshot, child, verdict) ? &who : NULL);
}

/* A class is identified by its tag and its creator; "other" is those that found no row. */
static void print_tree_class(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                             const pst_class_row_t *class, apr_uint32_t nth)
{
    pst_emit_element(emit, nth);
    pst_emit_text(emit, "tag", class->row.tag);
    pst_emit_flag(emit, "other", class->index == 0);
    if (class->row.creator) {
        pst_place_t place;

        pst_place_of(&place, snapshot, class->row.creator);
        if (!place.function && class->row.function[0]) {
            place.function = class->row.function;
        }
        print_place(emit, &place);
    }
    else {
        pst_emit_null(emit, "place");
        pst_emit_null(emit, "module");
        pst_emit_null(emit, "offset");
        pst_emit_null(emit, "function");
    }
    for (unsigned i = 0; i < pst_class_metrics.count; i++) {
        pst_metric_e metric = pst_class_metrics.metrics[i];

        pst_emit_figure(emit, pst_metric_short_key(metric), metric, pst_class_figure(class, metric));
    }
    pst_emit_object(emit, "verdict");
    print_tree_verdict(emit, snapshot, child, &class->row.verdict);
    pst_emit_end(emit);
    pst_emit_end(emit);
}

static void print_tree_classes(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                               const pst_class_row_t *classes, apr_uint32_t count)
{
    pst_emit_array(emit, "classes", "Class");
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        print_tree_class(emit, snapshot, child, &classes[i], i + 1);
    }
    pst_emit_end(emit);
}

/* For a child's site; for sites of all children the doctor reports it. */
static void print_tree_site_verdict(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                                    const pst_site_row_t *site)
{
    if (!child || site->row.verdict.state != PST_TREND_GROWING) {
        pst_emit_null(emit, "verdict");
        return;
    }
    pst_emit_object(emit, "verdict");
    print_tree_verdict(emit, snapshot, child, &site->row.verdict);
    pst_emit_end(emit);
}

static void print_tree_site(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                            const pst_site_row_t *site, apr_uint32_t nth)
{
    pst_emit_element(emit, nth);
    pst_emit_flag(emit, "other", site->index == 0);
    pst_emit_text(emit, "scope", pst_scope_word(site->row.scope));
    if (site->of_class) {
        pst_emit_text(emit, "tag", site->of_class->row.tag);
    }
    else {
        pst_emit_null(emit, "tag");
    }
    for (unsigned i = 0; i < pst_site_metrics.count; i++) {
        pst_metric_e metric = pst_site_metrics.metrics[i];

        pst_emit_figure(emit, pst_metric_short_key(metric), metric, pst_site_figure(site, metric));
    }
    pst_view_who_of_site(emit, snapshot, site);
    print_tree_site_verdict(emit, snapshot, child, site);
    pst_emit_array(emit, "frames", "Frame");
    for (unsigned i = 0; i < site->row.depth; i++) {
        pst_place_t place;

        pst_place_of(&place, snapshot, site->row.frames[i]);
        pst_emit_element(emit, i + 1);
        print_place(emit, &place);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

/* Stacks are too long for lines of text. */
static void print_tree_sites(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                             const pst_site_row_t *sites, apr_uint32_t count)
{
    if (emit->to == PST_EMIT_TEXT) {
        return;
    }
    pst_emit_array(emit, "sites", "Site");
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        print_tree_site(emit, snapshot, child, &sites[i], i + 1);
    }
    pst_emit_end(emit);
}

static void print_tree_total(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_object(emit, "total");
    for (unsigned i = 0; i < pst_total_metrics.count; i++) {
        pst_metric_e metric = pst_total_metrics.metrics[i];

        pst_emit_figure(emit, pst_metric_short_key(metric), metric, pst_total_figure(&snapshot->total, metric));
    }
    print_tree_classes(emit, snapshot, NULL, snapshot->classes, snapshot->class_count);
    print_tree_sites(emit, snapshot, NULL, snapshot->sites, snapshot->site_count);
    pst_view_large_rows(emit, snapshot->large, snapshot->large_count);
    pst_view_sizes(emit, &snapshot->sizes);
    pst_emit_end(emit);
}

static void print_tree_usage(pst_emit_t *emit, const char *key, unsigned level, const pst_shared_usage_t *usage)
{
    pst_emit_object(emit, key);
    for (unsigned i = 0; i < pst_usage_metrics.count; i++) {
        pst_metric_e metric = pst_usage_metrics.metrics[i];

        pst_emit_figure(emit, pst_metrics[metric].key, metric,
                        pst_level_tells(level, metric) ? pst_usage_figure(usage, metric) : PST_UNKNOWN);
    }
    pst_emit_end(emit);
}

/* Most connections are too young for one. */
static void print_connection_verdict(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                                     const pst_shared_verdict_t *verdict)
{
    if (verdict->state == PST_TREND_LITTLE) {
        pst_emit_null(emit, "verdict");
        return;
    }
    pst_emit_object(emit, "verdict");
    if (verdict->state != PST_TREND_STEADY) {
        pst_emit_text(emit, "scope", verdict->scope == PST_SCOPE_REQUEST ? "request" : "connection");
    }
    print_tree_verdict(emit, snapshot, child, verdict);
    pst_emit_end(emit);
}

static void print_part(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child, const char *part,
                       const pst_shared_verdict_t *verdict)
{
    pst_emit_object(emit, part);
    print_tree_verdict(emit, snapshot, child, verdict);
    pst_emit_end(emit);
}

static void print_child_verdict(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    if (!snapshot->about.history_by) {
        pst_emit_null(emit, "verdict");
        return;
    }
    pst_emit_object(emit, "verdict");
    print_part(emit, snapshot, child, "process", &child->head.verdict);
    print_part(emit, snapshot, child, "heap", &child->head.heap_verdict);
    print_part(emit, snapshot, child, "mapped", &child->head.mapped_verdict);
    print_part(emit, snapshot, child, "stack", &child->head.stack_verdict);
    print_part(emit, snapshot, child, "connections", &child->head.sum_verdicts[PST_SCOPE_CONNECTION]);
    print_part(emit, snapshot, child, "requests", &child->head.sum_verdicts[PST_SCOPE_REQUEST]);
    pst_emit_end(emit);
    pst_view_blame(emit, snapshot, child);
}

static void print_request(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_row_t *row)
{
    const pst_shared_slot_t *slot = &row->slot;

    if (!slot->has_request) {
        pst_emit_null(emit, "request");
        return;
    }
    pst_emit_object(emit, "request");
    pst_emit_text(emit, "line", slot->line);
    pst_emit_text(emit, "handler", slot->handler);
    pst_emit_flag(emit, "own", slot->has_request == PST_REQUEST_OWN);
    pst_emit_seconds(emit, "age_seconds", pst_view_age(snapshot, slot->request_started), 3);
    for (unsigned i = 0; i < pst_usage_metrics.count; i++) {
        pst_metric_e metric = pst_usage_metrics.metrics[i];

        pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_request_figure(row, metric));
    }
    pst_emit_end(emit);
}

static void print_connection(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_row_t *row)
{
    const pst_shared_slot_t *slot = &row->slot;

    pst_emit_element(emit, slot->id);
    pst_emit_number(emit, "id", slot->id);
    if (slot->master) {
        pst_emit_number(emit, "master", slot->master);
    }
    else {
        pst_emit_null(emit, "master");
    }
    pst_emit_text(emit, "kind", pst_kind_word(slot->kind));
    pst_emit_text(emit, "state", pst_state_word(slot->state));
    pst_emit_text(emit, "client", slot->client);
    pst_emit_text(emit, "vhost", slot->vhost);
    pst_emit_text(emit, "protocol", slot->protocol);
    pst_emit_seconds(emit, "age_seconds", pst_view_age(snapshot, slot->opened), 3);
    for (unsigned i = 0; i < pst_row_metrics.count; i++) {
        pst_metric_e metric = pst_row_metrics.metrics[i];

        pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_row_figure(row, metric));
    }
    print_connection_verdict(emit, snapshot, &snapshot->children[row->child], &slot->verdict);
    print_request(emit, snapshot, row);
    pst_emit_end(emit);
}

/* For children that are gone and shown next to the others, which httpd's own faces never do. */
static void print_end(pst_emit_t *emit, const pst_shared_child_t *head)
{
    pst_emit_flag(emit, "alive", !head->ended_how);
    if (head->ended_how) {
        pst_emit_seconds(emit, "ended", head->ended, 3);
        pst_emit_text(emit, "ended_how", pst_history_end_word(head->ended_how));
    }
    else {
        pst_emit_null(emit, "ended");
        pst_emit_null(emit, "ended_how");
    }
}

/* The request that left the mappings. */
static void print_surge(pst_emit_t *emit, const pst_shared_surge_t *surge)
{
    if (!surge->finished) {
        pst_emit_null(emit, "surge");
        return;
    }
    pst_emit_object(emit, "surge");
    pst_emit_text(emit, "line", surge->line);
    pst_emit_text(emit, "vhost", surge->vhost);
    pst_emit_text(emit, "handler", surge->handler);
    pst_emit_seconds(emit, "finished", surge->finished, 6);
    pst_emit_number(emit, "took_bytes", surge->took_bytes);
    pst_emit_number(emit, "kept_bytes", surge->kept_bytes);
    pst_emit_number(emit, "usual_bytes", surge->usual_bytes);
    pst_emit_number(emit, "usual_requests", surge->requests);
    pst_emit_end(emit);
}

static void print_tree_child(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                             int listed_only)
{
    char checks_on[PST_CHECKS_TEXT];
    pst_emit_element(emit, child->head.owner);
    pst_emit_number(emit, "pid", child->head.owner);
    pst_emit_number(emit, "block", child->block);
    pst_emit_number(emit, "generation", child->head.generation);
    if (snapshot->gone) {
        print_end(emit, &child->head);
    }
    pst_emit_flag(emit, "instrumented", child->head.level == PST_LEVEL_FULL);
    pst_emit_text(emit, "level", pst_level_word(child->head.level));
    pst_emit_text(emit, "reason", child->head.reason);
    pst_emit_seconds(emit, "age_seconds", pst_view_age(snapshot, child->head.started), 3);
    for (unsigned i = 0; i < pst_child_metrics.count; i++) {
        pst_metric_e metric = pst_child_metrics.metrics[i];

        pst_emit_figure(emit, pst_metric_short_key(metric), metric, pst_child_figure(child, metric));
    }
    pst_emit_text(emit, "heap", pst_heap_word(child->head.books.heap_kind));
    pst_emit_text(emit, "heap_tells", pst_heap_tells_word(child->head.books.heap_tells));
    pst_view_parts_tree(emit, snapshot, child);
    print_surge(emit, &child->head.surge);
    print_tree_usage(emit, "process", child->head.level, &child->head.process);
    print_tree_usage(emit, "unslotted", child->head.level, &child->head.unslotted);
    print_child_verdict(emit, snapshot, child);
    pst_view_limits(emit, child);
    pst_emit_number(emit, "profile_rate_bytes", child->head.profile_rate);
    pst_emit_number(emit, "heap_profile_rate_bytes", child->head.heap_profile_rate);
    pst_emit_text(emit, "checks", pst_checks_packed_text(checks_on, child->head.checks));
    pst_emit_seconds(emit, "heap_profile_since", child->head.heap_profile_since, 6);
    print_tree_classes(emit, snapshot, child, child->classes, child->class_count);
    print_tree_sites(emit, snapshot, child, child->sites, child->site_count);
    pst_view_large_rows(emit, child->large, child->large_count);
    pst_view_sizes(emit, &child->sizes);
    pst_emit_array(emit, "connections", "Connection");
    for (apr_uint32_t i = 0; i < child->shown && emit->status == APR_SUCCESS; i++) {
        const pst_row_t *row = snapshot->rows[child->first + i];

        if (row->listed || !listed_only) {
            print_connection(emit, snapshot, row);
        }
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

apr_status_t pst_view_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot, int listed_only)
{
    pst_emit_object(emit, NULL);
    pst_emit_number(emit, "schema", PST_JSON_SCHEMA);
    print_tree_server(emit, snapshot);
    print_tree_total(emit, snapshot);
    pst_view_doctor_tree(emit, snapshot);
    pst_view_holders_tree(emit, snapshot);
    pst_view_generations_tree(emit, snapshot);
    pst_view_relatives_tree(emit, snapshot);
    pst_view_misuses_tree(emit, snapshot);
    pst_view_losses_tree(emit, snapshot);
    pst_view_segments_tree(emit, snapshot);
    pst_view_urls_tree(emit, snapshot);
    pst_emit_array(emit, "children", "Child");
    for (apr_uint32_t i = 0; i < snapshot->child_count && emit->status == APR_SUCCESS; i++) {
        print_tree_child(emit, snapshot, &snapshot->children[i], listed_only);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}
