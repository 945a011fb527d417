/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_losses.h.  The markup is in web/losses.html.
 */
#include "pst_view_losses.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_snapshot_losses.h"
#include "pst_view_who.h"
#include "pst_web.h"

#include <apr_strings.h>

#define UNKNOWN "—"

/* ---- the page ---- */

static const char *signal_text(const pst_shared_loss_t *loss, apr_pool_t *pool)
{
    const char *word = pst_signal_word(loss->signal);

    if (!loss->signal) {
        return UNKNOWN;
    }
    return word ? word : apr_psprintf(pool, "%u", loss->signal);
}

static void print_requests(pst_emit_t *emit, const pst_shared_loss_t *loss)
{
    for (unsigned i = 0; i < PST_LOSS_REQUESTS && loss->requests[i].state; i++) {
        const pst_shared_loss_request_t *request = &loss->requests[i];
        char size[PST_FORMAT_LEN], took[PST_FORMAT_LEN];

        PIECE(emit, &pst_web_loss_request, TEXT("vhost", request->vhost), TEXT("line", request->line),
              TEXT("size", pst_format_size(size, request->reserved_bytes)),
              TEXT("took", pst_format_span(took, request->duration)),
              TEXT("finished", request->state == PST_LOSS_REQUEST_FINISHED ? ", finished before" : ""));
    }
}

static void print_losses_row(pst_emit_t *emit, const pst_page_t *page, const pst_shared_loss_t *loss)
{
    char time[PST_FORMAT_LEN], ago[PST_FORMAT_LEN], age[PST_FORMAT_LEN], own[PST_FORMAT_LEN], rss[PST_FORMAT_LEN],
        size[PST_FORMAT_LEN], text[PST_WHO_LEN];
    apr_uint64_t taken = page->snapshot->taken;
    pst_part_e part = pst_loss_part(loss);
    pst_who_t who;
    int known = pst_loss_who(&who, page->snapshot, loss);
    const char *oom = loss->oom ? "yes" : "no";

    PIECE(emit, &pst_web_loss_open, NUMBER("pid", loss->pid), TEXT("time", pst_format_time(time, loss->ended)),
          TEXT("ago", pst_format_age(ago, taken > loss->ended ? taken - loss->ended : 0)),
          TEXT("age", pst_format_age(age, loss->ended > loss->started ? loss->ended - loss->started : 0)),
          TEXT("signal", signal_text(loss, page->pool)), TEXT("how", pst_signal_how_word(loss->signal_how)),
          TEXT("oom", loss->oom_known ? oom : UNKNOWN),
          TEXT("own", pst_format_size(own, loss->own_bytes)),
          TEXT("rss", loss->books_time ? pst_format_size(rss, loss->rss_bytes) : UNKNOWN),
          TEXT("part", pst_part_word(part)), TEXT("size", pst_format_size(size, loss->parts[part])),
          TEXT("who", known ? pst_who_text(text, &who) : UNKNOWN));
    print_requests(emit, loss);
    pst_emit_piece(emit, &pst_web_loss_close, NULL, 0);
}

void pst_view_losses(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;

    if (!snapshot->loss_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_losses, NULL, 0);
    for (apr_uint32_t i = 0; i < snapshot->loss_count && emit->status == APR_SUCCESS; i++) {
        print_losses_row(emit, page, &snapshot->losses[i]);
    }
    pst_emit_piece(emit, &pst_web_losses_end, NULL, 0);
}

/* ---- programs ---- */

static void print_number_if(pst_emit_t *emit, const char *key, int known, apr_uint64_t value)
{
    if (known) {
        pst_emit_number(emit, key, value);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_seconds_if(pst_emit_t *emit, const char *key, apr_uint64_t time)
{
    if (time) {
        pst_emit_seconds(emit, key, time, 3);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_losses_end(pst_emit_t *emit, const pst_shared_loss_t *loss)
{
    const char *word = pst_signal_word(loss->signal);

    print_number_if(emit, "signal", loss->signal != 0, loss->signal);
    if (loss->signal && word) {
        pst_emit_text(emit, "signal_name", word);
    }
    else {
        pst_emit_null(emit, "signal_name");
    }
    pst_emit_text(emit, "signal_known_by", pst_signal_how_word(loss->signal_how));
    if (loss->oom_known) {
        pst_emit_flag(emit, "oom_killed", loss->oom != 0);
    }
    else {
        pst_emit_null(emit, "oom_killed");
    }
    print_number_if(emit, "oom_kills", loss->oom_known != 0, loss->oom_kills);
}

static void print_sizes(pst_emit_t *emit, const pst_shared_loss_t *loss)
{
    pst_emit_number(emit, "own_bytes", loss->own_bytes);
    print_number_if(emit, "rss_bytes", loss->books_time != 0, loss->rss_bytes);
    print_seconds_if(emit, "books_time", loss->books_time);
    print_number_if(emit, "rss_before_bytes", loss->before_time != 0, loss->before_bytes);
    print_seconds_if(emit, "rss_before_time", loss->before_time);
    pst_emit_text(emit, "largest_part", pst_part_word(pst_loss_part(loss)));
    pst_emit_object(emit, "parts");
    for (unsigned part = 0; part < PST_PART_COUNT; part++) {
        pst_emit_number(emit, pst_part_word(part), loss->parts[part]);
    }
    pst_emit_end(emit);
}

static void print_loss(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_loss_t *loss)
{
    pst_who_t who;

    pst_emit_number(emit, "pid", loss->pid);
    pst_emit_number(emit, "generation", loss->generation);
    print_seconds_if(emit, "started", loss->started);
    print_seconds_if(emit, "ended", loss->ended);
    print_losses_end(emit, loss);
    print_sizes(emit, loss);
    pst_view_who(emit, pst_loss_who(&who, snapshot, loss) ? &who : NULL);
    pst_emit_array(emit, "requests", "Request");
    for (unsigned i = 0; i < PST_LOSS_REQUESTS && loss->requests[i].state; i++) {
        const pst_shared_loss_request_t *request = &loss->requests[i];

        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "vhost", request->vhost);
        pst_emit_text(emit, "line", request->line);
        pst_emit_flag(emit, "finished", request->state == PST_LOSS_REQUEST_FINISHED);
        pst_emit_number(emit, "reserved_bytes", request->reserved_bytes);
        pst_emit_seconds(emit, "duration_seconds", request->duration, 6);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

void pst_view_losses_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_array(emit, "losses", "Loss");
    for (apr_uint32_t i = 0; i < snapshot->loss_count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, snapshot->losses[i].number);
        print_loss(emit, snapshot, &snapshot->losses[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}
