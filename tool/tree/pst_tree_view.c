/* SPDX-License-Identifier: Apache-2.0
 *
 * A forest, printed: see the header.
 */
#include "pst_tree_view.h"
#include "pst_format.h"

#include <apr_strings.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE        1024
#define MOST_INDENT 40      /* deeper levels are not indented further */
#define LISTED      64      /* most resources of a pool listed one by one for people */

/* -- what is shown --------------------------------------------------------- */

#define SHOWN 1     /* something in it is requested */
#define ASKED 2     /* it is requested itself: with all that belongs to it */

/* A byte per pool: is it listed? Sizes are judged first, then tags; all pools around a match are listed. */
static char *choose_pools(const pst_tree_view_t *view)
{
    const pst_forest_t *forest = view->forest;
    char *shown = calloc((size_t)forest->pool_count + 1, 1);
    uint32_t i, k;

    for (i = 0; shown && i < forest->count; i++) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        if (view->match && fnmatch(view->match, pool->tag, 0) != 0) {
            continue;
        }
        if (pool->all.reserved < view->min) {
            continue;
        }
        for (k = pool->parent; k != PST_NONE && !shown[k]; k = forest->pools[k].parent) {
            shown[k] = SHOWN;
        }
        shown[forest->order[i]] = ASKED;
    }
    return shown;
}

static const char *flags_text(unsigned flags)
{
    if (flags & PST_POOL_CHANGED) {
        return "changed while read";
    }
    if (flags & PST_POOL_TORN) {
        return "leads to where no pool lies";
    }
    return flags & PST_POOL_CUT ? "too long, cut" : "";
}

/* -- for people ------------------------------------------------------------- */

static void print_count(char *to, size_t size, apr_uint64_t value)
{
    char text[PST_FORMAT_LEN];

    snprintf(to, size, "%14s", pst_format_count(text, value));
}

/* "1,234,567" three times, a count, then the text, indented. @param alike how many of them */
static void print_pool(const pst_tree_view_t *view, pst_emit_t *emit, const pst_tree_pool_t *pool, unsigned alike)
{
    char line[LINE], all[PST_FORMAT_LEN], reserved[PST_FORMAT_LEN], used[PST_FORMAT_LEN], below[64] = "";
    int indent = 2 * (int)(pool->depth < MOST_INDENT ? pool->depth : MOST_INDENT);
    pst_origin_t origin;

    pst_origin_of(view->origins, pool, &origin);
    print_count(all, sizeof(all), pool->all.reserved * alike);
    print_count(reserved, sizeof(reserved), pool->own.reserved);
    print_count(used, sizeof(used), pool->own.used);
    if (alike > 1) {
        snprintf(below, sizeof(below), ", %u alike", alike);
    }
    else if (pool->all.pools > 1) {
        snprintf(below, sizeof(below), ", %" APR_UINT64_T_FMT " below", (apr_uint64_t)pool->all.pools - 1);
    }
    snprintf(line, sizeof(line), "%s%s%s%7" APR_UINT64_T_FMT "  %*s%s%s%s%s%s%s%s%s%s", all, reserved, used,
             (apr_uint64_t)pool->own.nodes, indent, "", pool->tagged ? pool->tag : "(no tag)",
             pool->parent == PST_NONE && pool->at != view->forest->roots[0] ? ", unmanaged" : "",
             *origin.serves ? ", for " : "", origin.serves, below, *origin.creator ? ", made by " : "", origin.creator,
             pool->flags ? ": " : "", flags_text(pool->flags));
    pst_emit_sentence(emit, line);
}

static void print_resource(pst_emit_t *emit, const pst_tree_pool_t *pool, const pst_resource_name_t *name,
                           unsigned count)
{
    int indent = 2 * (int)(pool->depth < MOST_INDENT ? pool->depth : MOST_INDENT);
    char line[LINE], times[32] = "";

    if (count > 1) {
        snprintf(times, sizeof(times), " x %u", count);
    }
    snprintf(line, sizeof(line), "%51s%*s- %s%s%s%s (%s)", "", indent, "", name->word, times, *name->detail ? " " : "",
             name->detail, name->function);
    pst_emit_sentence(emit, line);
}

/* Things with details are listed one by one unless there are too many; the others are counted. */
static void print_resources(const pst_tree_view_t *view, pst_emit_t *emit, const pst_tree_pool_t *pool)
{
    struct { pst_resource_name_t name; unsigned count; } kinds[LISTED];
    unsigned kind_count = 0, listed = 0, more = 0, k;
    pst_resource_name_t name;
    uint32_t i;

    for (i = 0; i < pool->resource_count; i++) {
        pst_resource_name(view->resources, pool, &pool->resources[i], &name);
        if (*name.detail && listed++ < LISTED) {
            print_resource(emit, pool, &name, 1);
            continue;
        }
        for (k = 0; k < kind_count && strcmp(kinds[k].name.function, name.function) != 0; k++) {
        }
        if (k < kind_count) {
            kinds[k].count++;
        }
        else if (kind_count < LISTED) {
            name.detail[0] = '\0';
            kinds[kind_count].name = name;
            kinds[kind_count++].count = 1;
        }
        else {
            more++;
        }
    }
    for (k = 0; k < kind_count; k++) {
        print_resource(emit, pool, &kinds[k].name, kinds[k].count);
    }
    if (more) {
        name = (pst_resource_name_t){ .word = "more", .function = "of other functions" };
        print_resource(emit, pool, &name, more);
    }
}

/* What is below a pool and not listed. */
static void print_hidden(const pst_tree_view_t *view, pst_emit_t *emit, const pst_tree_pool_t *pool, const char *shown)
{
    int indent = 2 * (int)(pool->depth < MOST_INDENT ? pool->depth + 1 : MOST_INDENT);
    apr_uint64_t pools = 0, reserved = 0;
    char line[LINE], sum[PST_FORMAT_LEN];
    uint32_t k;

    for (k = pool->child; k != PST_NONE; k = view->forest->pools[k].sibling) {
        if (!shown[k]) {
            pools += view->forest->pools[k].all.pools;
            reserved += view->forest->pools[k].all.reserved;
        }
    }
    if (pools) {
        print_count(sum, sizeof(sum), reserved);
        snprintf(line, sizeof(line), "%s%37s%*s(%" APR_UINT64_T_FMT " pool%s not listed)", sum, "", indent, "", pools,
                 pools == 1 ? "" : "s");
        pst_emit_sentence(emit, line);
    }
}

/* A line of the sums: what the command found and, where there is a board, what the process counted. */
static void print_sum(pst_emit_t *emit, const char *what, apr_uint64_t found, int counts, apr_uint64_t counted)
{
    char line[LINE], sum[PST_FORMAT_LEN], board[PST_FORMAT_LEN] = "";

    print_count(sum, sizeof(sum), found);
    if (counts) {
        print_count(board, sizeof(board), counted);
    }
    snprintf(line, sizeof(line), "%s%14s  %s", sum, board, what);
    pst_emit_sentence(emit, line);
}

static int is_bare(const pst_tree_pool_t *pool)
{
    return pool->child == PST_NONE && !pool->resource_count && !pool->flags
           && !(pool->has_record && pool->record.rooted);
}

/* How many pools from this one on, in order, are siblings that differ only in their place. */
static unsigned count_alike(const pst_forest_t *forest, uint32_t i)
{
    const pst_tree_pool_t *pool = &forest->pools[forest->order[i]], *next;
    unsigned count = 1;

    for (; is_bare(pool) && i + count < forest->count; count++) {
        next = &forest->pools[forest->order[i + count]];
        if (!is_bare(next) || next->parent != pool->parent || strcmp(next->tag, pool->tag) != 0
            || next->tagged != pool->tagged || next->own.reserved != pool->own.reserved
            || next->own.used != pool->own.used || next->own.nodes != pool->own.nodes
            || next->has_record != pool->has_record
            || (pool->has_record && next->record.of_class != pool->record.of_class)) {
            break;
        }
    }
    return count;
}

/* Unmanaged pools older than the child have no record. Those of its first threads may have been counted anyway: they
 * were if the count equals what was found. */
static uint64_t not_on_board(const pst_holdings_t *holdings, const pst_origin_child_t *child)
{
    return child && child->reserved == holdings->tree + holdings->unmanaged ? 0 : holdings->inherited;
}

static void print_holdings(const pst_tree_view_t *view, pst_emit_t *emit)
{
    const pst_holdings_t *holdings = view->holdings;
    pst_origin_child_t child = { 0 };
    int counts = pst_origins_child(view->origins, &child);

    pst_emit_sentence(emit, counts ? "         found  on the board" : "         found");
    print_sum(emit, "reserved by the tree of the global pool", holdings->tree, 0, 0);
    print_sum(emit, "reserved by unmanaged pools", holdings->unmanaged, 0, 0);
    print_sum(emit, "reserved by all pools", holdings->tree + holdings->unmanaged, counts, child.reserved);
    if (counts && not_on_board(holdings, &child)) {
        print_sum(emit, "of these, by unmanaged pools that came from the parent: not on the board", holdings->inherited,
                  0, 0);
    }
    print_sum(emit, "bucket nodes", holdings->buckets, counts, child.buckets);
    print_sum(emit, "retained by allocators", holdings->retained, counts, child.retained);
    print_sum(emit, "held by APR", holdings->held, counts, child.held);
    if (holdings->elsewhere) {
        print_sum(emit, "in what looks like nodes, but in none of these places", holdings->elsewhere, 0, 0);
    }
    if (holdings->guessed) {
        print_sum(emit, "of this, in what looks like bucket nodes: in use or free, malloc does not tell",
                  holdings->guessed, 0, 0);
    }
    if (view->search->swapped || view->search->cut) {
        pst_emit_sentence(emit, view->search->cut
                                    ? "Not all of its memory was searched: unmanaged pools may be missing."
                                    : "What is swapped out was not searched: unmanaged pools may be missing.");
    }
}

static void print_ending(const pst_tree_view_t *view, pst_emit_t *emit)
{
    const pst_forest_t *forest = view->forest;
    char line[LINE], span[PST_FORMAT_LEN];

    if (forest->remote->gone) {
        pst_emit_sentence(emit, "The process ended while it was read.");
    }
    else if (forest->changed) {
        snprintf(line, sizeof(line), "%u of these would not hold still and are marked; the others are of one moment.",
                 (unsigned)forest->changed);
        pst_emit_sentence(emit, line);
    }
    else if (view->holdings->guesses || view->holdings->moved) {
        pst_emit_sentence(emit, "The pools are of one moment: none changed while they were read.");
    }
    else {
        pst_emit_sentence(emit, "All of it is of one moment: nothing changed while it was read.");
    }
    if (view->holdings->guesses) {
        pst_emit_sentence(
            emit,
            "Its APR has nodes from malloc, which does not tell what of them is free: bucket nodes and unmanaged "
            "pools are a guess.");
    }
    else if (view->holdings->moved) {
        pst_emit_sentence(emit, "Nodes outside of pools came or went while they were looked for.");
    }
    if (forest->cut || forest->remote->late) {
        pst_emit_sentence(emit, "There is more than could be read: pools are missing here.");
    }
    if (!pst_resources_same_apr(view->resources)) {
        pst_emit_sentence(
            emit,
            "The process runs another build of APR than this command: functions that it does not export go without "
            "names.");
    }
    snprintf(line, sizeof(line), "Read in %s by %" APR_UINT64_T_FMT " calls.",
             pst_format_span(span, (apr_uint64_t)view->taken), (apr_uint64_t)forest->remote->calls);
    pst_emit_sentence(emit, line);
}

static void print_people(const pst_tree_view_t *view, pst_emit_t *emit, const char *shown)
{
    const pst_forest_t *forest = view->forest;
    unsigned alike;
    char line[LINE];
    uint32_t i;

    snprintf(line, sizeof(line), "Process %d, %s", (int)forest->remote->pid, view->program);
    pst_emit_sentence(emit, line);
    pst_emit_sentence(emit, "       subtree      reserved          used  nodes  pool");
    for (i = 0; i < forest->count && emit->status == APR_SUCCESS; i += alike) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        alike = 1;
        if (shown[forest->order[i]]) {
            alike = count_alike(forest, i);     /* then all of them are shown: they have the same tag and size */
            print_pool(view, emit, pool, alike);
            if (shown[forest->order[i]] == ASKED) {
                print_resources(view, emit, pool);
            }
            print_hidden(view, emit, pool, shown);
        }
    }
    print_holdings(view, emit);
    print_ending(view, emit);
}

/* -- for programs ----------------------------------------------------------- */

static void put_address(pst_emit_t *emit, const char *key, uintptr_t at)
{
    char text[32];

    snprintf(text, sizeof(text), "0x%" APR_UINT64_T_HEX_FMT, (apr_uint64_t)at);
    pst_emit_text(emit, key, text);
}

static void put_tree_figure(pst_emit_t *emit, pst_metric_e metric, apr_uint64_t value)
{
    pst_emit_figure(emit, pst_metrics[metric].key, metric, value);
}

static void put_sum(pst_emit_t *emit, const pst_tree_sum_t *sum)
{
    put_tree_figure(emit, PST_M_reserved_bytes, sum->reserved);
    put_tree_figure(emit, PST_M_used_bytes, sum->used);
    pst_emit_number(emit, "nodes", sum->nodes);
}

static void put_resource(const pst_tree_view_t *view, pst_emit_t *emit, const pst_tree_pool_t *pool, uint32_t i)
{
    static const char *const kinds[] = { "cleanup", "pre-cleanup", "process" };
    const pst_tree_resource_t *resource = &pool->resources[i];
    pst_resource_name_t name;

    pst_resource_name(view->resources, pool, resource, &name);
    pst_emit_element(emit, i);
    pst_emit_text(emit, "kind", kinds[resource->kind]);
    pst_emit_text(emit, "what", name.word);
    pst_emit_text(emit, resource->kind == PST_RESOURCE_PROCESS ? "how" : "function", name.function);
    if (resource->kind == PST_RESOURCE_PROCESS) {
        pst_emit_number(emit, "pid", resource->pid > 0 ? (apr_uint64_t)resource->pid : 0);
    }
    else {
        pst_emit_text(emit, "object", name.object);
    }
    if (name.fd >= 0) {
        pst_emit_number(emit, "fd", (apr_uint64_t)name.fd);
    }
    if (name.bytes) {
        put_tree_figure(emit, PST_M_bucket_bytes, name.bytes);
    }
    if (*name.detail) {
        pst_emit_text(emit, "detail", name.detail);
    }
    put_address(emit, "data", resource->data);
    pst_emit_end(emit);
}

static void put_pool(const pst_tree_view_t *view, pst_emit_t *emit, const pst_tree_pool_t *pool, uint32_t number,
                     int asked)
{
    pst_origin_t origin;
    uint32_t i;

    pst_origin_of(view->origins, pool, &origin);
    pst_emit_element(emit, number);
    put_address(emit, "at", pool->at);
    if (pool->parent == PST_NONE) {
        pst_emit_null(emit, "parent");
    }
    else {
        put_address(emit, "parent", view->forest->pools[pool->parent].at);
    }
    pst_emit_number(emit, "depth", pool->depth);
    if (pool->tagged) {
        pst_emit_text(emit, "tag", pool->tag);
    }
    else {
        pst_emit_null(emit, "tag");
    }
    if (pool->parent == PST_NONE) {
        pst_emit_flag(emit, "unmanaged", pool->at != view->forest->roots[0]);
    }
    if (*origin.creator) {
        pst_emit_text(emit, "creator", origin.creator);
    }
    if (*origin.serves) {
        pst_emit_text(emit, "serves", origin.serves);
    }
    put_sum(emit, &pool->own);
    pst_emit_object(emit, "subtree");
    put_tree_figure(emit, PST_M_pools, pool->all.pools);
    put_sum(emit, &pool->all);
    pst_emit_end(emit);
    if (pool->flags) {
        pst_emit_text(emit, "marked", flags_text(pool->flags));
    }
    pst_emit_flag(emit, "asked", asked);
    pst_emit_array(emit, "resources", "Resource");
    for (i = 0; asked && i < pool->resource_count; i++) {
        put_resource(view, emit, pool, i);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

/* What the command found, and what the process counted. */
static void put_holdings(const pst_tree_view_t *view, pst_emit_t *emit)
{
    const pst_holdings_t *holdings = view->holdings;
    pst_origin_child_t child;

    pst_emit_object(emit, "found");
    pst_emit_number(emit, "tree_bytes", holdings->tree);
    pst_emit_number(emit, "unmanaged_bytes", holdings->unmanaged);
    pst_emit_number(emit, "unmanaged_without_record_bytes",
                    not_on_board(holdings, pst_origins_child(view->origins, &child) ? &child : NULL));
    pst_emit_number(emit, "unmanaged_pools", holdings->unmanaged_pools);
    put_tree_figure(emit, PST_M_reserved_bytes, holdings->tree + holdings->unmanaged);
    put_tree_figure(emit, PST_M_bucket_bytes, holdings->buckets);
    put_tree_figure(emit, PST_M_retained_bytes, holdings->retained);
    put_tree_figure(emit, PST_M_held_bytes, holdings->held);
    pst_emit_number(emit, "elsewhere_bytes", holdings->elsewhere);
    pst_emit_number(emit, "elsewhere_nodes", holdings->elsewhere_nodes);
    pst_emit_number(emit, "guessed_bucket_bytes", holdings->guessed);
    pst_emit_flag(emit, "guessed", holdings->guesses);
    pst_emit_number(emit, "dead_nodes", view->search->dead);
    pst_emit_number(emit, "pages_searched", view->search->pages);
    pst_emit_number(emit, "pages_swapped", view->search->swapped);
    pst_emit_flag(emit, "search_cut", view->search->cut);
    pst_emit_end(emit);
    if (pst_origins_child(view->origins, &child)) {
        pst_emit_object(emit, "board");
        put_tree_figure(emit, PST_M_reserved_bytes, child.reserved);
        put_tree_figure(emit, PST_M_bucket_bytes, child.buckets);
        put_tree_figure(emit, PST_M_retained_bytes, child.retained);
        put_tree_figure(emit, PST_M_held_bytes, child.held);
        pst_emit_end(emit);
    }
}

static void print_programs(const pst_tree_view_t *view, pst_emit_t *emit, const char *shown)
{
    const pst_forest_t *forest = view->forest;
    uint32_t i;

    pst_emit_object(emit, NULL);
    pst_emit_number(emit, "pid", (apr_uint64_t)forest->remote->pid);
    pst_emit_text(emit, "program", view->program);
    pst_emit_flag(emit, "one_moment",
                  !forest->changed && !forest->remote->gone && !view->holdings->guesses && !view->holdings->moved);
    pst_emit_number(emit, "changed", forest->changed);
    pst_emit_flag(emit, "cut", forest->cut || forest->remote->late);
    pst_emit_flag(emit, "ended", forest->remote->gone);
    pst_emit_flag(emit, "same_apr", pst_resources_same_apr(view->resources));
    pst_emit_seconds(emit, "took_seconds", (apr_uint64_t)view->taken, 6);
    put_holdings(view, emit);
    pst_emit_array(emit, "pools", "Pool");
    for (i = 0; i < forest->count && emit->status == APR_SUCCESS; i++) {
        if (shown[forest->order[i]]) {
            put_pool(view, emit, &forest->pools[forest->order[i]], i, shown[forest->order[i]] == ASKED);
        }
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

apr_status_t pst_tree_view(const pst_tree_view_t *view, pst_emit_t *emit)
{
    char *shown = choose_pools(view);

    if (!shown) {
        return APR_ENOMEM;
    }
    if (emit->to == PST_EMIT_JSON) {
        print_programs(view, emit, shown);
    }
    else {
        print_people(view, emit, shown);
    }
    free(shown);
    return pst_emit_flush(emit);
}
