/* SPDX-License-Identifier: Apache-2.0
 *
 * What grows, and charts.  See pst_view_growth.h.  The markup is in web/page.html.
 *
 * A chart's areas are cumulative and painted from the highest to the lowest, so that each only
 * needs its upper edge.
 */
#include "pst_view_growth.h"
#include "pst_format.h"
#include "pst_who.h"
#include "pst_trend.h"
#include "pst_view_parts.h"
#include "pst_view_tree.h"
#include "pst_piece.h"
#include "pst_web.h"
#include "pst_array.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define SUSPECTS 10

/* The drawing's own units; style.css says how large they are. */
#define WIDTH  1000
#define HEIGHT 200

static const char *rate_text(double bytes, apr_pool_t *pool)
{
    char size[PST_FORMAT_LEN];

    bytes = bytes < 0 ? -bytes : bytes;
    return apr_pstrdup(pool, pst_format_size(size, bytes < 9e18 ? (apr_uint64_t)(bytes + 0.5) : INT64_MAX));
}

/* "60.2 KiB a minute, 105 bytes a request, for 3 min 05 s" */
static const char *growth_text(const pst_page_t *page, const pst_shared_verdict_t *verdict)
{
    const char *text = apr_pstrcat(page->pool, rate_text(verdict->per_minute, page->pool), " a minute", NULL);
    char age[PST_FORMAT_LEN];

    if (verdict->per_request > 0) {
        text = apr_psprintf(page->pool, verdict->per_request < 10 ? "%s, %.1f bytes a request"
                                                                  : "%s, %.0f bytes a request",
                            text, (double)verdict->per_request);
    }
    pst_format_age(age, pst_view_age(page->snapshot, verdict->since));
    return apr_pstrcat(page->pool, text, ", for ", age, NULL);
}

/* ---- suspects ---- */

typedef struct suspect_t {
    const pst_shared_verdict_t *verdict;
    const pst_child_row_t *child;
    const pst_row_t *row;           /* NULL: a part of the child */
    const char *part;               /* of it: "Process scope" */
} suspect_t;

typedef struct suspects_t {
    suspect_t worst[SUSPECTS];      /* the fastest first */
    unsigned kept;
    apr_uint64_t count;
} suspects_t;

static void add_suspect(suspects_t *suspects, const pst_shared_verdict_t *verdict, const pst_child_row_t *child,
                        const pst_row_t *row, const char *part)
{
    unsigned at = suspects->kept;

    if (verdict->state != PST_TREND_GROWING) {
        return;
    }
    suspects->count++;
    while (at && suspects->worst[at - 1].verdict->per_minute < verdict->per_minute) {
        at--;
    }
    if (at == SUSPECTS) {
        return;
    }
    suspects->kept += suspects->kept < SUSPECTS;
    memmove(&suspects->worst[at + 1], &suspects->worst[at], (suspects->kept - at - 1) * sizeof(suspects->worst[0]));
    suspects->worst[at] = (suspect_t){ verdict, child, row, part };
}

static void print_suspect(pst_emit_t *emit, const pst_page_t *page, const suspect_t *suspect)
{
    const char *href = pst_args_pid_query(page->args, suspect->child->head.owner, page->pool);
    const char *growth = growth_text(page, suspect->verdict);
    const char *fit = apr_psprintf(page->pool, "%.2f", suspect->verdict->fit / 1000.0);
    const pst_row_t *row = suspect->row;
    const char *site = "who is not known yet";
    char text[PST_WHO_LEN];
    pst_who_t who;

    if (pst_who_of_verdict(&who, page->snapshot, suspect->child, suspect->verdict)) {
        site = apr_psprintf(page->pool, "%s, %u %% of what stayed", pst_who_text(text, &who), who.share / 10);
    }

    if (!row) {
        PIECE(emit, &pst_web_suspect_process, TEXT("href", href), NUMBER("pid", suspect->child->head.owner),
              TEXT("part", suspect->part), TEXT("growth", growth), TEXT("fit", fit), TEXT("site", site));
        return;
    }
    PIECE(emit, suspect->verdict->scope == PST_SCOPE_REQUEST ? &pst_web_suspect_request : &pst_web_suspect_connection,
          TEXT("href", href), NUMBER("pid", row->pid), NUMBER("id", row->slot.id),
          TEXT("kind", pst_kind_word(row->slot.kind)), TEXT("client", row->slot.client),
          TEXT("vhost", row->slot.vhost), TEXT("growth", growth), TEXT("fit", fit), TEXT("site", site),
          TEXT("line", row->slot.has_request ? row->slot.line : "no request now"));
}

void pst_view_suspects(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    suspects_t suspects = { .kept = 0 };

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        add_suspect(&suspects, &child->head.verdict, child, NULL, "Process scope");
        add_suspect(&suspects, &child->head.heap_verdict, child, NULL, "Heap");
        add_suspect(&suspects, &child->head.mapped_verdict, child, NULL, "Mapped memory");
        add_suspect(&suspects, &child->head.stack_verdict, child, NULL, "Stacks of threads");
        for (apr_uint32_t r = 0; r < child->shown; r++) {
            add_suspect(&suspects, &snapshot->rows[child->first + r]->slot.verdict, child,
                        snapshot->rows[child->first + r], NULL);
        }
    }
    if (!suspects.kept) {
        return;
    }
    pst_emit_piece(emit, &pst_web_suspects, NULL, 0);
    for (unsigned i = 0; i < suspects.kept; i++) {
        print_suspect(emit, page, &suspects.worst[i]);
    }
    if (suspects.count > suspects.kept) {
        PIECE(emit, &pst_web_suspects_more, NUMBER("count", suspects.count - suspects.kept));
    }
    pst_emit_piece(emit, &pst_web_suspects_end, NULL, 0);
}

/* ---- charts ---- */

/* What is painted, in this order; each is the sum of this many scopes. */
static const struct {
    const char *key;
    unsigned scopes;
} areas[] = {
    { "child_bucket_bytes", 4 }, { "requests_reserved_bytes", 3 }, { "connections_reserved_bytes", 2 },
    { "process_reserved_bytes", 1 }
};

static apr_uint64_t stacked(const pst_history_point_t *point, unsigned scopes)
{
    return point->process + (scopes > 1 ? point->connections : 0) + (scopes > 2 ? point->requests : 0)
           + (scopes > 3 ? point->buckets : 0);
}

/* What an edge follows: this many scopes, stacked, or one figure of the child. */
typedef enum {
    OF_RETAINED = 0, OF_ALL_SCOPES = 4, OF_HELD, OF_RSS, OF_PSS, OF_HEAP_IN_USE, OF_HEAP_FREE
} edge_e;

/* The process compared with what APR holds: lines, the last of them on top. */
static const struct {
    const char *key;
    edge_e edge;
} lines[] = { { "rss_bytes", OF_RSS },
              { "pss_bytes", OF_PSS },
              { "held_bytes", OF_HELD },
              { "heap_in_use_bytes", OF_HEAP_IN_USE },
              { "heap_free_bytes", OF_HEAP_FREE } };

static apr_uint64_t height_of(const pst_history_point_t *point, unsigned edge)
{
    switch (edge) {
    case OF_RETAINED:    return point->retained;
    case OF_HELD:        return point->held;
    case OF_RSS:         return point->rss;
    case OF_PSS:         return point->pss;
    case OF_HEAP_IN_USE: return point->heap_in_use;
    case OF_HEAP_FREE:   return point->heap_free;
    default:             return stacked(point, edge);
    }
}

static unsigned x_of(const pst_history_point_t *points, apr_uint32_t count, apr_uint32_t i)
{
    apr_uint64_t first = points[0].time, last = points[count - 1].time, at = points[i].time;

    return at <= first || last <= first ? 0 : pst_scaled(at - first, last - first, WIDTH);
}

#define POINT_LEN 10    /* "1000,200 " */

static unsigned y_of(const pst_history_point_t *point, unsigned which, apr_uint64_t top)
{
    return HEIGHT - pst_scaled(height_of(point, which), top, HEIGHT);
}

/* An edge, as an SVG list of points. Points inside a level stretch are left out. */
static const char *edge(const pst_page_t *page, const pst_history_point_t *points, apr_uint32_t count, unsigned which,
                        apr_uint64_t top)
{
    char *text = apr_palloc(page->pool, (apr_size_t)count * POINT_LEN + 1), *to = text;
    unsigned before = 0, y = y_of(&points[0], which, top);

    for (apr_uint32_t i = 0; i < count; i++) {
        int last = i + 1 == count;
        unsigned after = last ? 0 : y_of(&points[i + 1], which, top);

        if (i && !last && y == before && y == after) {
            y = after;
            continue;
        }
        to += pst_format_digits(to, x_of(points, count, i));
        *to++ = ',';
        to += pst_format_digits(to, y);
        *to++ = last ? '\0' : ' ';
        before = y;
        y = after;
    }
    return text;
}

static void print_times(pst_emit_t *emit, const pst_history_point_t *points, apr_uint32_t count)
{
    char begin[PST_FORMAT_LEN], end[PST_FORMAT_LEN], age[PST_FORMAT_LEN];

    /* the hour of the time is enough: "2025-01-31 23:59:07 UTC" */
    pst_format_time(begin, points[0].time);
    pst_format_time(end, points[count - 1].time);
    pst_format_age(age, points[count - 1].time > points[0].time ? points[count - 1].time - points[0].time : 0);
    PIECE(emit, &pst_web_chart_end, TEXT("begin", strlen(begin) > 19 ? (begin[19] = '\0', begin + 11) : begin),
          TEXT("end", strlen(end) > 19 ? (end[19] = '\0', end + 11) : end), TEXT("span", age));
}

/* RSS, PSS and the heap next to held, on one scale. Points before they were first taken are left out. */
static void print_process(pst_emit_t *emit, const pst_page_t *page, const pst_history_point_t *points,
                          apr_uint32_t count, const char *what)
{
    const pst_history_point_t *last = &points[count - 1];
    char size[PST_FORMAT_LEN], rss[PST_FORMAT_LEN], held[PST_FORMAT_LEN], age[PST_FORMAT_LEN];
    apr_uint64_t top = 0;

    for (apr_uint32_t i = 0; i < count; i++) {
        for (unsigned l = 0; l < PST_ITEMS(lines); l++) {
            apr_uint64_t height = height_of(&points[i], lines[l].edge);

            top = height > top ? height : top;
        }
    }
    if (!last->rss) {
        return;
    }
    pst_format_age(age, last->time > points[0].time ? last->time - points[0].time : 0);
    PIECE(emit, &pst_web_chart_process, TEXT("top", pst_format_size(size, top)), TEXT("what", what), TEXT("span", age),
          TEXT("rss", pst_format_size(rss, last->rss)), TEXT("held", pst_format_size(held, last->held)));
    for (unsigned l = 0; l < PST_ITEMS(lines); l++) {
        PIECE(emit, &pst_web_chart_process_line, TEXT("key", lines[l].key),
              TEXT("points", edge(page, points, count, lines[l].edge, top)));
    }
    print_times(emit, points, count);
}

static void print_drawing(pst_emit_t *emit, const pst_page_t *page, const pst_history_point_t *points,
                          apr_uint32_t count, const char *what)
{
    apr_uint64_t top = 0, low = INT64_MAX;
    char size[PST_FORMAT_LEN], floor[PST_FORMAT_LEN], age[PST_FORMAT_LEN];

    for (apr_uint32_t i = 0; i < count; i++) {
        apr_uint64_t sum = stacked(&points[i], OF_ALL_SCOPES);

        low = sum < low ? sum : low;
        sum = points[i].retained > sum ? points[i].retained : sum;
        top = sum > top ? sum : top;
    }
    pst_format_age(age, points[count - 1].time > points[0].time ? points[count - 1].time - points[0].time : 0);
    PIECE(emit, &pst_web_chart, TEXT("top", pst_format_size(size, top)), TEXT("what", what), TEXT("span", age),
          TEXT("low", pst_format_size(floor, low)));
    for (unsigned a = 0; a < PST_ITEMS(areas); a++) {
        PIECE(emit, &pst_web_chart_area, TEXT("key", areas[a].key),
              TEXT("points", edge(page, points, count, areas[a].scopes, top)));
    }
    PIECE(emit, &pst_web_chart_line, TEXT("points", edge(page, points, count, OF_RETAINED, top)));
    print_times(emit, points, count);
}

static void print_chart(pst_emit_t *emit, const pst_page_t *page, const pst_chart_t *chart)
{
    const pst_child_row_t *child = &page->snapshot->children[chart->child];
    const pst_shared_verdict_t *verdict = &child->head.verdict;
    const char *word = pst_trend_word(verdict->state);

    if (verdict->state == PST_TREND_GROWING || verdict->state == PST_TREND_SHRINKING) {
        word = apr_pstrcat(page->pool, word, " by ", growth_text(page, verdict), NULL);
    }
    PIECE(emit, verdict->state == PST_TREND_GROWING ? &pst_web_card_growing : &pst_web_card,
          TEXT("href", pst_args_pid_query(page->args, child->head.owner, page->pool)), NUMBER("pid", child->head.owner),
          TEXT("verdict", word));
    print_drawing(emit, page, chart->points, chart->count, "The last");
    print_process(emit, page, chart->points, chart->count, "The last");
    if (chart->day_count) {
        print_drawing(emit, page, chart->day, chart->day_count, "A point a minute for");
        print_process(emit, page, chart->day, chart->day_count, "A point a minute for");
    }
    pst_view_parts(emit, page, child);
    PIECE(emit, &pst_web_card_end, TEXT("base", page->base), NUMBER("pid", child->head.owner));
}

static void print_gone(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_charts_t *charts = page->charts;
    char age[PST_FORMAT_LEN], lived[PST_FORMAT_LEN];

    pst_emit_piece(emit, &pst_web_gone, NULL, 0);
    for (unsigned i = 0; i < charts->gone_count; i++) {
        const pst_history_about_t *about = &charts->gone[i];

        pst_format_age(age, pst_view_age(page->snapshot, about->ended));
        pst_format_age(lived, about->ended > about->started ? about->ended - about->started : 0);
        PIECE(emit, &pst_web_gone_child, TEXT("base", page->base), NUMBER("pid", about->pid), TEXT("age", age),
              TEXT("lived", lived), TEXT("how", about->ended_how == PST_END_ORDERLY ? "in order" : "abruptly"));
    }
    pst_emit_piece(emit, &pst_web_gone_end, NULL, 0);
}

void pst_view_charts(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_charts_t *charts = page->charts;

    if (!charts || (!charts->count && !charts->gone_count)) {
        return;
    }
    PIECE(emit, &pst_web_charts, TEXT("alone", page->snapshot->child_count == 1 ? " alone" : ""));
    for (unsigned i = 0; i < charts->count && emit->status == APR_SUCCESS; i++) {
        print_chart(emit, page, &charts->charts[i]);
    }
    pst_emit_piece(emit, &pst_web_charts_end, NULL, 0);
    if (charts->gone_count) {
        print_gone(emit, page);
    }
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}
