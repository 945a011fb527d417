/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the books, opened.  See pst_view_parts.h; the markup is in web/parts.html.
 */
#include "pst_view_parts.h"
#include "pst_format.h"
#include "pst_opened.h"
#include "pst_piece.h"
#include "pst_web.h"

#include <apr_strings.h>

/* ", most of it mod_perl.so: 12.3 MiB" */
static const char *most_text(const pst_page_t *page, const pst_opened_t *part)
{
    char size[PST_FORMAT_LEN];

    if (!part->count) {
        return ", nobody known by samples";
    }
    return apr_psprintf(page->pool, ", most of it %s: %s", part->rows[0].who.of.module,
                        pst_format_size(size, part->rows[0].live_bytes));
}

static void print_part_row(pst_emit_t *emit, const pst_opened_row_t *row)
{
    char live[PST_FORMAT_LEN], of[PST_FORMAT_LEN], site[PST_WHO_LEN];

    PIECE(emit, &pst_web_parts_module, TEXT("module", row->who.of.module),
          TEXT("live", pst_format_size(live, row->live_bytes)), NUMBER("samples", row->samples),
          TEXT("of", pst_format_size(of, row->site_bytes)), TEXT("site", pst_who_text(site, &row->who)));
}

static void print_part_rest(pst_emit_t *emit, const char *what, apr_uint64_t bytes, const char *why)
{
    char size[PST_FORMAT_LEN];

    if (bytes) {
        PIECE(emit, &pst_web_parts_others, TEXT("what", what), TEXT("live", pst_format_size(size, bytes)),
              TEXT("why", why));
    }
}

static void print_opened_part(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child,
                              pst_opened_e which)
{
    char size[PST_FORMAT_LEN];
    pst_opened_t part;

    if (!pst_opened_take(&part, page->snapshot, child, which)) {
        return;
    }
    PIECE(emit, &pst_web_parts, TEXT("part", which == PST_OPENED_HEAP ? "Heap in use" : "Other"),
          NUMBER("pid", child->head.owner), TEXT("bytes", pst_format_size(size, part.bytes)),
          TEXT("most", most_text(page, &part)));
    for (apr_uint32_t i = 0; i < part.count; i++) {
        print_part_row(emit, &part.rows[i]);
    }
    print_part_rest(emit, "others", part.others_bytes, "other modules, and call sites that are nobody's");
    print_part_rest(emit, "not known", part.unknown_bytes,
                    "from before the heap profile began, too little to be sampled, or taken in ways that it does not "
                    "see");
    pst_emit_piece(emit, &pst_web_parts_end, NULL, 0);
}

void pst_view_parts(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child)
{
    print_opened_part(emit, page, child, PST_OPENED_HEAP);
    print_opened_part(emit, page, child, PST_OPENED_OTHER);
}

void pst_view_parts_row(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child, unsigned columns)
{
    if (!child->head.heap_profile_rate || !(child->head.books.heap_time || child->head.books.maps_time)) {
        return;
    }
    PIECE(emit, &pst_web_parts_row, NUMBER("columns", columns));
    pst_view_parts(emit, page, child);
    pst_emit_piece(emit, &pst_web_parts_row_end, NULL, 0);
}

/* ---- programs ---- */

static void print_part_tree(pst_emit_t *emit, const pst_opened_t *part)
{
    pst_emit_number(emit, "bytes", part->bytes);
    pst_emit_number(emit, "live_bytes", part->live_bytes);
    pst_emit_number(emit, "others_bytes", part->others_bytes);
    pst_emit_number(emit, "unknown_bytes", part->unknown_bytes);
    pst_emit_array(emit, "modules", "Module");
    for (apr_uint32_t i = 0; i < part->count && emit->status == APR_SUCCESS; i++) {
        char site[PST_WHO_LEN];

        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "module", part->rows[i].who.of.module);
        pst_emit_number(emit, "live_bytes", part->rows[i].live_bytes);
        pst_emit_number(emit, "samples", part->rows[i].samples);
        pst_emit_text(emit, "site", pst_who_text(site, &part->rows[i].who));
        pst_emit_number(emit, "site_bytes", part->rows[i].site_bytes);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

void pst_view_parts_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    pst_opened_t part;

    pst_emit_object(emit, "parts");
    for (unsigned which = 0; which < PST_OPENED_COUNT; which++) {
        const char *word = pst_opened_word((pst_opened_e)which);

        if (!pst_opened_take(&part, snapshot, child, (pst_opened_e)which)) {
            pst_emit_null(emit, word);
            continue;
        }
        pst_emit_object(emit, word);
        print_part_tree(emit, &part);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}
