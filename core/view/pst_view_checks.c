/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_checks.h.  The markup is in web/checks.html.
 */
#include "pst_view_checks.h"
#include "pst_piece.h"
#include "pst_web.h"

#include <apr_strings.h>

/* ---- what came of it ---- */

apr_status_t pst_view_checking(pst_emit_t *emit, const pst_checking_asked_t *asked)
{
    char text[PST_CHECKS_TEXT];

    pst_emit_object(emit, NULL);
    pst_emit_object(emit, "check");
    pst_emit_text(emit, "wanted", pst_checks_text(text, &asked->wanted));
    pst_emit_number(emit, "asked", asked->count);
    pst_emit_number(emit, "done", asked->done);
    pst_emit_number(emit, "pending", asked->pending);
    pst_emit_number(emit, "deaf", asked->deaf);
    pst_emit_end(emit);
    pst_emit_array(emit, "children", "Child");
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_checking_row_t *row = &asked->rows[i];

        pst_emit_element(emit, row->pid);
        pst_emit_number(emit, "pid", row->pid);
        pst_emit_text(emit, "state", pst_checking_word(row->state));
        if (row->state == PST_CHECKING_DONE || row->state == PST_CHECKING_CANNOT) {
            pst_emit_text(emit, "checks", pst_checks_text(text, &row->checks));
        }
        else {
            pst_emit_null(emit, "checks");
        }
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}

apr_status_t pst_view_checking_page(pst_emit_t *emit, const pst_checking_asked_t *asked)
{
    char text[PST_CHECKS_TEXT];

    PIECE(emit, &pst_web_checks_asked, NUMBER("done", asked->done), NUMBER("asked", asked->count),
          TEXT("wanted", pst_checks_text(text, &asked->wanted)));
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_checking_row_t *row = &asked->rows[i];
        int is_known = row->state == PST_CHECKING_DONE || row->state == PST_CHECKING_CANNOT;

        PIECE(emit, &pst_web_checks_row, NUMBER("pid", row->pid), TEXT("state", pst_checking_word(row->state)),
              TEXT("checks", is_known ? pst_checks_text(text, &row->checks) : "\xe2\x80\x93"));
    }
    pst_emit_piece(emit, &pst_web_checks_asked_end, NULL, 0);
    return emit->status;
}

/* ---- on the page ---- */

/* "guard 1/1000 in 4 of 4 children", from the first child that checks anything. @return NULL: none does */
static const char *say_checks(const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    char text[PST_CHECKS_TEXT];
    apr_uint64_t first = 0;
    apr_uint32_t same = 0, others = 0;
    pst_checks_t checks;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        apr_uint64_t on = snapshot->children[i].head.checks;

        first = first ? first : on;
        same += on && on == first;
        others += on && on != first;
    }
    if (!first) {
        return NULL;
    }
    pst_checks_unpack(&checks, first);
    return apr_psprintf(page->pool, "%s in %u of %u children%s.", pst_checks_text(text, &checks), (unsigned)same,
                        (unsigned)snapshot->child_count, others ? ", others in some" : "");
}

void pst_view_checks(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    const char *say = say_checks(page);

    if (!snapshot->child_count || (!say && !snapshot->nonce)) {
        return;
    }
    PIECE(emit, &pst_web_checks, TEXT("say", say ? say : "Nothing is checked."));
    if (snapshot->nonce) {
        PIECE(emit, &pst_web_checks_form, TEXT("base", page->base), TEXT("nonce", snapshot->nonce));
    }
    pst_emit_piece(emit, &pst_web_checks_end, NULL, 0);
}
