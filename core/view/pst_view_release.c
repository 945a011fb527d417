/* SPDX-License-Identifier: Apache-2.0
 *
 * Release.  See pst_view_release.h.
 */
#include <apr_strings.h>
#include "pst_view_release.h"
#include "pst_format.h"
#include "pst_heap.h"
#include "pst_piece.h"
#include "pst_web.h"

static void print_kept(pst_emit_t *emit, const pst_shared_limits_t *limits, apr_uint64_t peak, apr_uint64_t sum)
{
    pst_emit_number(emit, "peak_bytes", peak);
    pst_emit_number(emit, "mean_bytes", limits->samples ? sum / limits->samples : 0);
}

void pst_view_limits(pst_emit_t *emit, const pst_child_row_t *child)
{
    const pst_shared_limits_t *limits = &child->head.limits;

    pst_emit_object(emit, "max_free");
    pst_emit_number(emit, "samples", limits->samples);
    print_kept(emit, limits, limits->real_peak, limits->real_sum);
    pst_emit_array(emit, "limits", "Limit");
    for (apr_uint32_t i = 0; i < PST_LIMIT_COUNT; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_number(emit, "limit_bytes", (apr_uint64_t)PST_LIMIT_LEAST << i);
        pst_emit_number(emit, "bytes", limits->kept[i]);
        print_kept(emit, limits, limits->peak[i], limits->sum[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

/* ---- the outcome of a release ---- */

static void print_release_sizes(pst_emit_t *emit, apr_uint64_t allocators, apr_uint64_t heap, apr_uint64_t before,
                                apr_uint64_t after)
{
    pst_emit_number(emit, "allocators_bytes", allocators);
    pst_emit_number(emit, "heap_bytes", heap);
    pst_emit_number(emit, "rss_before_bytes", before);
    pst_emit_number(emit, "rss_after_bytes", after);
    pst_emit_signed(emit, "rss_fell_bytes", (double)before - (double)after);
}

#define MIMALLOC_GIVES "mimalloc gives back only what the threads that freed it ask for."

/* Why a heap was asked for nothing, or NULL. */
static const char *heap_note(apr_uint32_t kind)
{
    if (pst_heap_gives(kind)) {
        return NULL;
    }
    return kind == PST_HEAP_MIMALLOC ? "Nothing was asked of the heap: " MIMALLOC_GIVES
                                     : "Nothing was asked of the heap: the allocator behind malloc is not known.";
}

static const char *note_of(const pst_release_asked_t *asked)
{
    const char *note = NULL;

    for (apr_uint32_t i = 0; i < asked->count && !note; i++) {
        note = asked->rows[i].state == PST_RELEASE_DONE ? heap_note(asked->rows[i].heap_kind) : NULL;
    }
    return note;
}

static void print_release_row(pst_emit_t *emit, const pst_release_row_t *row)
{
    pst_emit_element(emit, row->pid);
    pst_emit_number(emit, "pid", row->pid);
    pst_emit_text(emit, "state", pst_release_word(row->state));
    if (row->state == PST_RELEASE_DONE) {
        pst_emit_number(emit, "emptied", row->emptied);
        pst_emit_number(emit, "busy", row->busy);
        print_release_sizes(emit, row->allocators_bytes, row->heap_bytes, row->rss_before, row->rss_after);
        pst_emit_text(emit, "heap", pst_heap_word(row->heap_kind));
        pst_emit_flag(emit, "heap_gives_back", pst_heap_gives(row->heap_kind));
        pst_emit_seconds(emit, "took_seconds", row->took, 6);
    }
    pst_emit_end(emit);
}

apr_status_t pst_view_released(pst_emit_t *emit, const pst_release_asked_t *asked)
{
    const char *note = note_of(asked);

    pst_emit_object(emit, NULL);
    pst_emit_object(emit, "release");
    pst_emit_number(emit, "asked", asked->count);
    pst_emit_number(emit, "done", asked->count - asked->pending - asked->gone);
    pst_emit_number(emit, "pending", asked->pending);
    pst_emit_number(emit, "gone", asked->gone);
    print_release_sizes(emit, asked->allocators_bytes, asked->heap_bytes, asked->rss_before, asked->rss_after);
    if (note) {
        pst_emit_text(emit, "note", note);
    }
    pst_emit_end(emit);
    pst_emit_array(emit, "children", "Child");
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        print_release_row(emit, &asked->rows[i]);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}

typedef struct {
    apr_uint64_t emptied, busy, allocators, heap, before, after, took;
} outcome_t;

/* The cells that both tables have. */
static void print_outcome(pst_emit_t *emit, const outcome_t *o, const char *when)
{
    char allocators[PST_FORMAT_LEN], heap[PST_FORMAT_LEN], before[PST_FORMAT_LEN], after[PST_FORMAT_LEN],
         took[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_release_outcome, TEXT("allocators", pst_format_size(allocators, o->allocators)),
          NUMBER("emptied", o->emptied), NUMBER("busy", o->busy), TEXT("heap", pst_format_size(heap, o->heap)),
          TEXT("before", pst_format_size(before, o->before)), TEXT("after", pst_format_size(after, o->after)),
          TEXT("took", pst_format_span(took, o->took)), TEXT("when", when));
}

apr_status_t pst_view_released_page(pst_emit_t *emit, const pst_release_asked_t *asked)
{
    const char *note = note_of(asked);
    char allocators[PST_FORMAT_LEN], heap[PST_FORMAT_LEN], before[PST_FORMAT_LEN], after[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_answer, TEXT("title", "released"), TEXT("heading", "Memory released"),
          NUMBER("done", asked->count - asked->pending - asked->gone), NUMBER("asked", asked->count));
    PIECE(emit, &pst_web_released, TEXT("allocators", pst_format_size(allocators, asked->allocators_bytes)),
          TEXT("heap", pst_format_size(heap, asked->heap_bytes)),
          TEXT("before", pst_format_size(before, asked->rss_before)),
          TEXT("after", pst_format_size(after, asked->rss_after)));
    if (note) {
        PIECE(emit, &pst_web_release_note, TEXT("note", note));
    }
    pst_emit_piece(emit, &pst_web_release_table, NULL, 0);
    pst_emit_piece(emit, &pst_web_release_heads, NULL, 0);
    pst_emit_piece(emit, &pst_web_release_body, NULL, 0);
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_release_row_t *row = &asked->rows[i];
        const outcome_t o = { row->emptied, row->busy, row->allocators_bytes, row->heap_bytes, row->rss_before,
                              row->rss_after, row->took };

        if (row->state == PST_RELEASE_DONE) {
            PIECE(emit, &pst_web_release_row, NUMBER("pid", row->pid));
            print_outcome(emit, &o, "now");
            pst_emit_piece(emit, &pst_web_release_row_end, NULL, 0);
        }
        else {
            PIECE(emit, row->state == PST_RELEASE_GONE ? &pst_web_release_gone : &pst_web_release_pending,
                  NUMBER("pid", row->pid));
        }
    }
    pst_emit_piece(emit, &pst_web_release_end, NULL, 0);
    pst_emit_piece(emit, &pst_web_released_end, NULL, 0);
    pst_emit_piece(emit, &pst_web_answer_end, NULL, 0);
    return emit->status;
}

/* ---- on the page ---- */

/* What it keeps, the outcome of the last release, and a button for the next, which belongs to the form above. */
static void print_release_child(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_child_t *head)
{
    const outcome_t o = { head->released_emptied, head->released_busy, head->released_allocators_bytes,
                          head->released_heap_bytes, head->released_rss_before_bytes, head->released_rss_after_bytes,
                          head->released_seconds };
    char kept[PST_FORMAT_LEN], heap[PST_FORMAT_LEN], age[PST_FORMAT_LEN], when[PST_FORMAT_LEN + 8];

    PIECE(emit, &pst_web_release_child, NUMBER("pid", head->owner), NUMBER("allocators", head->allocators),
          TEXT("kept", pst_format_size(kept, head->allocators_kept_bytes)),
          TEXT("heap", head->books.heap_time ? pst_format_size(heap, head->books.heap_free_bytes) : ""));
    if (head->releases) {
        pst_format_age(age, snapshot->taken > head->released_time ? snapshot->taken - head->released_time : 0);
        apr_snprintf(when, sizeof(when), "%s ago", age);
        print_outcome(emit, &o, when);
    }
    else {
        pst_emit_piece(emit, &pst_web_release_never, NULL, 0);
    }
    if (snapshot->nonce) {
        PIECE(emit, &pst_web_release_ask, NUMBER("pid", head->owner));
    }
    pst_emit_piece(emit, &pst_web_release_row_end, NULL, 0);
}

/* The children of this page's window. */
static void print_release_children(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t from = page->args->children_from, i;

    pst_emit_piece(emit, &pst_web_release_children, NULL, 0);
    pst_emit_piece(emit, &pst_web_release_heads, NULL, 0);
    if (snapshot->nonce) {
        pst_emit_piece(emit, &pst_web_release_head_ask, NULL, 0);
    }
    pst_emit_piece(emit, &pst_web_release_body, NULL, 0);
    for (i = from; i < snapshot->child_count && i - from < page->args->rows && emit->status == APR_SUCCESS; i++) {
        print_release_child(emit, snapshot, &snapshot->children[i].head);
    }
    pst_emit_piece(emit, &pst_web_release_end, NULL, 0);
}

void pst_view_release(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint64_t kept = 0, allocators = 0, unasked = 0, releases = 0;
    char size[PST_FORMAT_LEN], given[PST_FORMAT_LEN], can[PST_FORMAT_LEN], limit[PST_FORMAT_LEN];

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        kept += head->allocators_kept_bytes;
        allocators += head->allocators;
        unasked += head->release_allocators_bytes;
        releases += head->releases;
    }
    if (!snapshot->nonce && !unasked && !releases) {
        return;
    }
    PIECE(emit, &pst_web_release, TEXT("kept", pst_format_size(size, kept)), NUMBER("allocators", allocators),
          TEXT("given", pst_format_size(given, unasked)),
          TEXT("limit", snapshot->child_count && snapshot->children[0].head.max_free_bytes
                            ? pst_format_size(limit, snapshot->children[0].head.max_free_bytes)
                            : "all"),
          TEXT("can", snapshot->child_count
                          ? pst_format_size(can, allocators * snapshot->children[0].head.max_free_bytes)
                          : ""));
    if (snapshot->child_count && snapshot->children[0].head.books.heap_kind == PST_HEAP_MIMALLOC) {
        PIECE(emit, &pst_web_release_note, TEXT("note", "The heap stays as it is: " MIMALLOC_GIVES));
    }
    if (snapshot->nonce) {
        PIECE(emit, &pst_web_release_form, TEXT("base", page->base), TEXT("nonce", snapshot->nonce));
        if (page->args->filter.pid) {
            PIECE(emit, &pst_web_release_form_pid, NUMBER("pid", page->args->filter.pid));
        }
        else {
            pst_emit_piece(emit, &pst_web_release_form_all, NULL, 0);
        }
    }
    print_release_children(emit, page);
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}
