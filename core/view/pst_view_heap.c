/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile.  See pst_view_heap.h; the markup is in web/heap.html.
 */
#include "pst_view_heap.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_view_asked.h"
#include "pst_web.h"

#include <apr_strings.h>

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
                  TEXT("rate", pst_view_rate_text(rate, head->heap_profile_rate)));
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
