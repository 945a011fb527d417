/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_checks.h.  The markup is in web/checks.html.
 */
#include "pst_view_checks.h"
#include "pst_checks.h"
#include "pst_figure.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_web.h"

#include <apr_strings.h>

/* " 12 guarded nodes; 96.0 KiB of what has ended is kept closed." */
static const char *say_kept(const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint64_t nodes = 0, closed = 0, withheld = 0;
    char text[2][PST_FORMAT_LEN];

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        nodes = pst_plus(nodes, head->guarded_nodes);
        closed = pst_plus(closed, pst_plus(head->quarantine_bytes, head->lingering_bytes));
        withheld = pst_plus(withheld, head->withheld_bytes);
    }
    if (!nodes && !closed && !withheld) {
        return "";
    }
    return apr_psprintf(page->pool, " %" APR_UINT64_T_FMT " guarded nodes; %s that have ended are kept from use, "
                        "and %s of freed buckets.",
                        nodes, pst_format_size(text[0], closed), pst_format_size(text[1], withheld));
}

/* "guard 1/1000 in 4 of 4 children", from the first child that checks anything. @return NULL: none does */
static const char *say_checks(const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    char text[PST_CHECKS_TEXT];
    apr_uint64_t first = 0;
    apr_uint32_t same = 0, others = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        apr_uint64_t on = snapshot->children[i].head.checks;

        first = first ? first : on;
        same += on && on == first;
        others += on && on != first;
    }
    if (!first) {
        return NULL;
    }
    return apr_psprintf(page->pool, "%s in %u of %u children%s.%s", pst_checks_packed_text(text, first), (unsigned)same,
                        (unsigned)snapshot->child_count, others ? ", others in some" : "", say_kept(page));
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
