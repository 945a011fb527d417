/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile.  See pst_view_heap.h; the markup is in web/heap.html.
 */
#include "pst_view_heap.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_web.h"

#include <apr_strings.h>

static const char *profile_rate_text(char *to, apr_uint64_t rate)
{
    return rate ? pst_format_size(to, rate) : "Off";
}

/* ---- what came of it ---- */

apr_status_t pst_view_switched(pst_emit_t *emit, const pst_switch_asked_t *asked)
{
    pst_emit_object(emit, NULL);
    pst_emit_object(emit, "heap_profile");
    pst_emit_number(emit, "wanted_bytes", asked->rate);
    pst_emit_number(emit, "asked", asked->count);
    pst_emit_number(emit, "done", asked->done);
    pst_emit_number(emit, "pending", asked->pending);
    pst_emit_number(emit, "deaf", asked->deaf);
    pst_emit_end(emit);
    pst_emit_array(emit, "children", "Child");
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_switch_row_t *row = &asked->rows[i];

        pst_emit_element(emit, row->pid);
        pst_emit_number(emit, "pid", row->pid);
        pst_emit_text(emit, "state", pst_switch_word(row->state));
        if (row->state == PST_SWITCH_DONE || row->state == PST_SWITCH_CANNOT) {
            pst_emit_number(emit, "heap_profile_rate_bytes", row->rate);
        }
        else {
            pst_emit_null(emit, "heap_profile_rate_bytes");
        }
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}

apr_status_t pst_view_switched_page(pst_emit_t *emit, const pst_switch_asked_t *asked)
{
    char rate[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_heap_asked, NUMBER("done", asked->done), NUMBER("asked", asked->count),
          TEXT("rate", profile_rate_text(rate, asked->rate)));
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_switch_row_t *row = &asked->rows[i];
        int is_known = row->state == PST_SWITCH_DONE || row->state == PST_SWITCH_CANNOT;

        PIECE(emit, &pst_web_heap_row, NUMBER("pid", row->pid), TEXT("state", pst_switch_word(row->state)),
              TEXT("rate", is_known ? profile_rate_text(rate, row->rate) : "\xe2\x80\x93"));
    }
    pst_emit_piece(emit, &pst_web_heap_asked_end, NULL, 0);
    return emit->status;
}

/* ---- on the page ---- */

/* "On in 2 of 4 children, ..." Allocations from before are not known, so the start time is part of it. */
static const char *say_profiles(const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    const pst_shared_child_t *last = NULL;
    char rate[PST_FORMAT_LEN], time[PST_FORMAT_LEN];
    apr_uint32_t on = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->heap_profile_rate) {
            on++;
            last = !last || head->heap_profile_since > last->heap_profile_since ? head : last;
        }
    }
    if (!last) {
        return "Off in all children: who holds their heaps, mappings and stacks is not known.";
    }
    return apr_psprintf(page->pool,
                        "On in %u of %u children; since %s in child %u, the last that began, with one sample each %s. "
                        "What a child took before is in no call site.",
                        (unsigned)on, (unsigned)snapshot->child_count, pst_format_time(time, last->heap_profile_since),
                        (unsigned)last->owner, pst_format_size(rate, last->heap_profile_rate));
}

static void print_switch_form(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t from = page->args->children_from;
    char rate[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_heap_form, TEXT("base", page->base), TEXT("nonce", snapshot->nonce));
    for (apr_uint32_t i = from; i < snapshot->child_count && i - from < page->args->rows; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->obeys) {
            PIECE(emit, &pst_web_heap_child, NUMBER("pid", head->owner),
                  TEXT("rate", profile_rate_text(rate, head->heap_profile_rate)));
        }
    }
    pst_emit_piece(emit, &pst_web_heap_form_end, NULL, 0);
}

void pst_view_heap(pst_emit_t *emit, const pst_page_t *page)
{
    if (!page->snapshot->child_count) {
        return;
    }
    PIECE(emit, &pst_web_heap, TEXT("say", say_profiles(page)));
    if (page->snapshot->nonce) {
        print_switch_form(emit, page);
    }
    pst_emit_piece(emit, &pst_web_heap_end, NULL, 0);
}
