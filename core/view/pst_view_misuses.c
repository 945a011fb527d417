/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_misuses.h.  The markup is in web/misuses.html.
 */
#include "pst_view_misuses.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_place.h"
#include "pst_snapshot_misuses.h"
#include "pst_web.h"

#include <apr_strings.h>

#define PAGE_MISUSES 32u

/* ---- the page ---- */

static void print_stack(pst_emit_t *emit, const pst_page_t *page, const char *word, const pst_shared_stack_t *stack)
{
    char text[PST_PLACE_LEN];
    pst_place_t place;

    if (!stack->depth) {
        return;
    }
    PIECE(emit, &pst_web_misuse_stack, TEXT("word", word), NUMBER("thread", stack->thread));
    for (unsigned i = 0; i < stack->depth; i++) {
        pst_place_of(&place, page->snapshot, stack->frames[i]);
        PIECE(emit, &pst_web_misuse_frame, TEXT("place", pst_place_text(text, &place)));
    }
    pst_emit_piece(emit, &pst_web_misuse_stack_end, NULL, 0);
}

static const char *party(const char *whose, const pst_shared_party_t *party, apr_pool_t *pool)
{
    return party->connection ? apr_psprintf(pool, "%s connection %" APR_UINT64_T_FMT, whose, party->connection)
                             : apr_psprintf(pool, "%s no connection that is known", whose);
}

static void print_misuses_row(pst_emit_t *emit, const pst_page_t *page, const pst_misuse_row_t *misuse)
{
    const pst_shared_misuse_t *row = &misuse->row;

    PIECE(emit, &pst_web_misuse_open, TEXT("kind", pst_misuse_word(row->kind)),
          TEXT("what", row->what[0] ? row->what : "pool"), TEXT("tag", row->tag), NUMBER("times", row->times),
          NUMBER("pid", misuse->pid), TEXT("gone", misuse->lives ? "" : "(gone)"),
          TEXT("by", party("By", &row->by, page->pool)), TEXT("by_line", row->by.line),
          TEXT("of", party("The memory was that of", &row->of, page->pool)), TEXT("of_line", row->of.line));
    for (unsigned i = 0; i < PST_MISUSE_STACKS; i++) {
        print_stack(emit, page, pst_misuse_stack_word(row->kind, i), &row->stacks[i]);
    }
    pst_emit_piece(emit, &pst_web_misuse_close, NULL, 0);
}

void pst_view_misuses(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;

    if (!snapshot->misuse_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_misuses, NULL, 0);
    for (apr_uint32_t i = 0; i < snapshot->misuse_count && i < PAGE_MISUSES && emit->status == APR_SUCCESS; i++) {
        print_misuses_row(emit, page, &snapshot->misuses[i]);
    }
    pst_emit_piece(emit, &pst_web_misuses_end, NULL, 0);
}

/* ---- programs ---- */

static void print_text(pst_emit_t *emit, const char *key, const char *text)
{
    if (text[0]) {
        pst_emit_text(emit, key, text);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_number(pst_emit_t *emit, const char *key, apr_uint64_t value)
{
    if (value) {
        pst_emit_number(emit, key, value);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_party(pst_emit_t *emit, const char *key, const pst_shared_party_t *party)
{
    pst_emit_object(emit, key);
    print_number(emit, "connection", party->connection);
    print_text(emit, "line", party->line);
    pst_emit_end(emit);
}

static void tree_stack(pst_emit_t *emit, const pst_snapshot_t *snapshot, const char *word,
                       const pst_shared_stack_t *stack)
{
    char text[PST_PLACE_LEN];
    pst_place_t place;

    pst_emit_text(emit, "of", word);
    print_number(emit, "thread", stack->thread);
    pst_emit_array(emit, "frames", "Frame");
    for (unsigned i = 0; i < stack->depth; i++) {
        pst_place_of(&place, snapshot, stack->frames[i]);
        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "module", place.module);
        print_text(emit, "function", place.function ? place.function : "");
        pst_emit_number(emit, "offset", place.offset);
        pst_emit_text(emit, "place", pst_place_text(text, &place));
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

static void print_misuse(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_misuse_row_t *misuse)
{
    const pst_shared_misuse_t *row = &misuse->row;

    pst_emit_text(emit, "kind", pst_misuse_word(row->kind));
    pst_emit_number(emit, "pid", misuse->pid);
    pst_emit_flag(emit, "lives", misuse->lives);
    pst_emit_number(emit, "times", row->times);
    pst_emit_seconds(emit, "first", row->first, 3);
    pst_emit_seconds(emit, "last", row->last, 3);
    print_text(emit, "what", row->what);
    print_text(emit, "tag", row->tag);
    pst_emit_number(emit, "offset_bytes", row->offset);
    print_number(emit, "size_bytes", row->size);
    if (row->age) {
        pst_emit_seconds(emit, "age_seconds", row->age, 6);
    }
    else {
        pst_emit_null(emit, "age_seconds");
    }
    print_party(emit, "by", &row->by);
    print_party(emit, "of", &row->of);
    pst_emit_array(emit, "stacks", "Stack");
    for (unsigned i = 0; i < PST_MISUSE_STACKS; i++) {
        if (pst_misuse_stack_word(row->kind, i)[0]) {
            pst_emit_element(emit, i + 1);
            tree_stack(emit, snapshot, pst_misuse_stack_word(row->kind, i), &row->stacks[i]);
            pst_emit_end(emit);
        }
    }
    pst_emit_end(emit);
}

void pst_view_misuses_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_array(emit, "misuses", "Misuse");
    for (apr_uint32_t i = 0; i < snapshot->misuse_count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        print_misuse(emit, snapshot, &snapshot->misuses[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}
