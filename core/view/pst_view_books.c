/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of each child.  See pst_view_books.h.  The markup is in web/books.html.
 *
 * A bar shows what explains a child's memory, piece by piece, and what is unexplained; a mark shows
 * where RSS and swap end.  The law (close_child() in pst_snapshot.c) makes the two sides meet.
 */
#include "pst_view_books.h"
#include "pst_figure.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_view_parts.h"
#include "pst_view_tree.h"
#include "pst_web.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"

#include <apr_strings.h>

/* What a bar consists of, from left to right: APR's, the heap's, the rest. */
static const pst_metric_e pieces[] = {
    PST_M_process_reserved_bytes, PST_M_connections_reserved_bytes, PST_M_requests_reserved_bytes,
    PST_M_child_bucket_bytes, PST_M_child_retained_bytes, PST_M_heap_in_use_bytes, PST_M_heap_free_bytes,
    PST_M_file_bytes, PST_M_shmem_bytes, PST_M_stack_bytes, PST_M_data_bytes, PST_M_other_bytes, PST_M_unexplained_bytes
};

static const pst_metric_e columns[] = {
    PST_M_rss_bytes, PST_M_pss_bytes, PST_M_private_dirty_bytes, PST_M_swap_bytes, PST_M_held_bytes,
    PST_M_heap_in_use_bytes, PST_M_heap_free_bytes, PST_M_heap_arenas, PST_M_file_bytes, PST_M_shmem_bytes,
    PST_M_stack_bytes, PST_M_data_bytes, PST_M_other_bytes, PST_M_unexplained_bytes, PST_M_not_resident_bytes
};

/* A group of figures is called old after OLD intervals, PSS is called estimated after ESTIMATED. */
#define OLD       90
#define ESTIMATED 3

/* Sixteenths, so that the sum of all pieces cannot wrap: each is at most INT64_MAX. */
static apr_uint64_t piece_of(const pst_child_row_t *child, unsigned i)
{
    return pst_known(pst_child_figure(child, pieces[i])) / 16;
}

static apr_uint64_t there(const pst_child_row_t *child)
{
    return child->head.books.rss_bytes / 16 + child->head.books.swap_bytes / 16;
}

static apr_uint64_t length(const pst_child_row_t *child)
{
    apr_uint64_t sum = 0, least = there(child);

    for (unsigned i = 0; i < PST_ITEMS(pieces); i++) {
        sum += piece_of(child, i);
    }
    return sum > least ? sum : least;
}

static const char *count_text(const pst_page_t *page, apr_uint64_t value)
{
    char text[PST_FORMAT_LEN];

    return apr_pstrdup(page->pool, pst_format_count(text, value));
}

static void print_bar(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child, apr_uint64_t whole)
{
    apr_uint64_t sum = 0, is_there = child->head.books.rss_bytes + child->head.books.swap_bytes;
    char size[PST_FORMAT_LEN];
    unsigned x = 0;

    for (unsigned i = 0; i < PST_ITEMS(pieces); i++) {
        apr_uint64_t value = pst_child_figure(child, pieces[i]);
        unsigned end;

        sum += piece_of(child, i);
        end = pst_permille(sum, whole);
        if (end > x) {
            PIECE(emit, &pst_web_books_segment, TEXT("key", pst_metrics[pieces[i]].key), NUMBER("x", x),
                  NUMBER("width", end - x), TEXT("label", pst_metrics[pieces[i]].label),
                  TEXT("value", pst_format_size(size, value)), TEXT("exact", count_text(page, value)));
        }
        x = end;
    }
    x = pst_permille(there(child), whole);
    PIECE(emit, &pst_web_books_mark, NUMBER("x", x > 995 ? 995 : x), TEXT("value", pst_format_size(size, is_there)),
          TEXT("exact", count_text(page, is_there)));
}

/* "PSS and private dirty 0.4 s ago, cost 580 us; heap 0.4 s ago, cost 18 us; mappings 33 s ago, cost 1.8 ms; put off 3
 * times" */
static const char *when_text(const pst_page_t *page, const pst_shared_books_t *books)
{
    const struct { const char *name; apr_uint64_t time, cost;
    } groups[] = { { "PSS and private dirty", books->books_time, books->books_cost },
                   { "heap", books->heap_time, books->heap_cost },
                   { "mappings", books->maps_time, books->maps_cost } };
    const char *text = "";
    char age[PST_FORMAT_LEN], cost[PST_FORMAT_LEN];

    for (unsigned i = 0; i < PST_ITEMS(groups); i++) {
        text = groups[i].time
             ? apr_psprintf(page->pool, "%s%s %s ago, cost %s; ", text, groups[i].name,
                            pst_format_age(age, pst_view_age(page->snapshot, groups[i].time)),
                            pst_format_span(cost, groups[i].cost))
             : apr_pstrcat(page->pool, text, groups[i].name, " not taken; ", NULL);
    }
    return apr_psprintf(page->pool, "%sput off %s times", text, count_text(page, books->books_put_off));
}

/* What was put off for so long that the reader must know, or NULL. */
static const char *old_text(const pst_page_t *page, const pst_shared_books_t *books)
{
    apr_uint64_t interval =
                     (apr_uint64_t)(page->snapshot->about.interval ? page->snapshot->about.interval : 1) * 1000000,
                 limit = OLD * interval, sum = pst_view_age(page->snapshot, books->books_time);
    apr_uint64_t heap = pst_view_age(page->snapshot, books->heap_time),
                 maps = pst_view_age(page->snapshot, books->maps_time);
    char age[PST_FORMAT_LEN];

    if (heap > limit && heap >= maps) {
        return apr_pstrcat(page->pool, "heap ", pst_format_age(age, heap), NULL);
    }
    if (maps > limit) {
        return apr_pstrcat(page->pool, "mappings ", pst_format_age(age, maps), NULL);
    }
    return sum > ESTIMATED * interval ? apr_pstrcat(page->pool, "PSS estimated, taken ", pst_format_age(age, sum), NULL)
                                      : NULL;
}

static const char *heap_text(const pst_shared_books_t *books)
{
    if (!books->heap_time) {
        return books->heap_kind ? "heap not asked" : "unknown heap";
    }
    return books->heap_tells == PST_HEAP_TELLS_SUM ? "mimalloc, in use and free as one"
                                                   : pst_heap_word(books->heap_kind);
}

static void print_books_child(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child,
                              apr_uint64_t whole)
{
    const pst_shared_books_t *books = &child->head.books;
    pst_args_t args = *page->args;
    const char *href, *old = old_text(page, books);
    char age[PST_FORMAT_LEN];

    args.filter.pid = child->head.owner;
    args.from = args.children_from = 0;
    href = pst_args_query(&args, page->pool);
    if (!books->books_time) {
        PIECE(emit, &pst_web_books_none, TEXT("href", href), NUMBER("pid", child->head.owner),
              NUMBER("columns", PST_ITEMS(columns) + 2));
        return;
    }
    PIECE(emit, &pst_web_books_open, TEXT("href", href), NUMBER("pid", child->head.owner),
          TEXT("heap", heap_text(books)));
    print_bar(emit, page, child, whole);
    pst_emit_piece(emit, &pst_web_books_figures, NULL, 0);
    pst_emit_cell(emit, &pst_web_cell);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_figure(emit, pst_metrics[columns[i]].key, columns[i], pst_child_figure(child, columns[i]));
    }
    pst_format_age(age, pst_view_age(page->snapshot, books->books_time));
    PIECE(emit, old ? &pst_web_books_close_old : &pst_web_books_close, TEXT("age", age), TEXT("old", old ? old : ""),
          TEXT("when", when_text(page, books)));
    pst_view_parts_row(emit, page, child, PST_ITEMS(columns) + 3);
}

void pst_view_books(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t from = page->args->children_from < snapshot->child_count ? page->args->children_from
                                                                          : snapshot->child_count;
    apr_uint32_t left = snapshot->child_count - from, count = left < page->args->rows ? left : page->args->rows;
    apr_uint64_t whole = 0, pss = 0;
    char size[PST_FORMAT_LEN];

    if (!count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_books, NULL, 0);
    pst_emit_cell(emit, &pst_web_books_key);
    for (unsigned i = 0; i < PST_ITEMS(pieces); i++) {
        pst_emit_figure(emit, pst_metrics[pieces[i]].key, pieces[i], 0);
    }
    pst_emit_piece(emit, &pst_web_books_table, NULL, 0);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, columns[i], "");
    }
    pst_emit_piece(emit, &pst_web_books_rows, NULL, 0);
    for (apr_uint32_t i = from; i < from + count; i++) {
        apr_uint64_t bar = length(&snapshot->children[i]), part = snapshot->children[i].head.books.pss_bytes;

        whole = bar > whole ? bar : whole;
        pss = pst_plus(pss, part);
    }
    for (apr_uint32_t i = from; i < from + count && emit->status == APR_SUCCESS; i++) {
        print_books_child(emit, page, &snapshot->children[i], whole);
    }
    PIECE(emit, &pst_web_books_end, NUMBER("children", count), TEXT("pss", pst_format_size(size, pss)));
}
