/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_asked.h.  The markup is in web/asked.html.
 */
#include "pst_view_asked.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_web.h"

#define TEXT_LEN (PST_CHECKS_TEXT > PST_FORMAT_LEN ? PST_CHECKS_TEXT : PST_FORMAT_LEN)

const char *pst_view_rate_text(char *to, apr_uint64_t rate)
{
    return rate ? pst_format_size(to, rate) : "Off";
}

static void emit_rate(pst_emit_t *emit, const char *key, apr_uint64_t rate)
{
    pst_emit_number(emit, key, rate);
}

static void emit_checks(pst_emit_t *emit, const char *key, apr_uint64_t packed)
{
    char text[TEXT_LEN];

    pst_emit_text(emit, key, pst_checks_packed_text(text, packed));
}

/* How each thing that is switched is named, for programs and for people. */
static const struct {
    const char *key, *wanted, *now;
    void (*emit_value)(pst_emit_t *emit, const char *key, apr_uint64_t value);
    const char *id, *title, *heading, *what, *column, *align;
    const char *(*text)(char *to, apr_uint64_t value);
} names[] = {
    [PST_ASK_HEAP] = { "heap_profile", "wanted_bytes", "heap_profile_rate_bytes", emit_rate,
                       "heap-profile", "heap profile switched", "Heap profile switched", "Heap profile",
                       "A sample each", "n", pst_view_rate_text },
    [PST_ASK_CHECKS] = { "check", "wanted", "checks", emit_checks,
                         "checks", "checks switched", "Checks switched", "Checks",
                         "Checks", "text", pst_checks_packed_text }
};

apr_status_t pst_view_asked(pst_emit_t *emit, const pst_asked_t *asked)
{
    pst_emit_object(emit, NULL);
    pst_emit_object(emit, names[asked->what].key);
    names[asked->what].emit_value(emit, names[asked->what].wanted, asked->value);
    pst_emit_number(emit, "asked", asked->count);
    pst_emit_number(emit, "done", asked->done);
    pst_emit_number(emit, "pending", asked->pending);
    pst_emit_number(emit, "deaf", asked->deaf);
    pst_emit_end(emit);
    pst_emit_array(emit, "children", "Child");
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_asked_row_t *row = &asked->rows[i];

        pst_emit_element(emit, row->pid);
        pst_emit_number(emit, "pid", row->pid);
        pst_emit_text(emit, "state", pst_asked_word(row->state));
        if (pst_asked_is_known(row)) {
            names[asked->what].emit_value(emit, names[asked->what].now, row->value);
        }
        else {
            pst_emit_null(emit, names[asked->what].now);
        }
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
    return emit->status;
}

apr_status_t pst_view_asked_page(pst_emit_t *emit, const pst_asked_t *asked)
{
    const char *column = names[asked->what].column, *align = names[asked->what].align;
    char text[TEXT_LEN];

    PIECE(emit, &pst_web_answer, TEXT("title", names[asked->what].title), TEXT("heading", names[asked->what].heading),
          NUMBER("done", asked->done), NUMBER("asked", asked->count));
    PIECE(emit, &pst_web_asked, TEXT("id", names[asked->what].id), TEXT("what", names[asked->what].what),
          TEXT("wanted", names[asked->what].text(text, asked->value)), TEXT("column", column), TEXT("align", align));
    for (apr_uint32_t i = 0; i < asked->count && emit->status == APR_SUCCESS; i++) {
        const pst_asked_row_t *row = &asked->rows[i];

        PIECE(emit, &pst_web_asked_row, NUMBER("pid", row->pid), TEXT("state", pst_asked_word(row->state)),
              TEXT("column", column), TEXT("align", align),
              TEXT("value",
                   pst_asked_is_known(row) ? names[asked->what].text(text, row->value) : "\xe2\x80\x93"));
    }
    pst_emit_piece(emit, &pst_web_asked_end, NULL, 0);
    pst_emit_piece(emit, &pst_web_answer_end, NULL, 0);
    return emit->status;
}
