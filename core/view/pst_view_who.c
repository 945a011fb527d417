/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is to blame.  See pst_view_who.h.
 */
#include "pst_view_who.h"
#include "pst_metric.h"

static void print_who_text(pst_emit_t *emit, const char *key, const char *text)
{
    if (text) {
        pst_emit_text(emit, key, text);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_code(pst_emit_t *emit, const pst_who_t *who)
{
    char place[PST_PLACE_LEN];

    print_who_text(emit, "site", who ? pst_place_text(place, &who->of) : NULL);
    print_who_text(emit, "blamed", who ? who->of.module : NULL);
    print_who_text(emit, "by", who ? who->by : NULL);
    print_who_text(emit, "through", who ? who->through : NULL);
    print_who_text(emit, "hook", who ? who->hook : NULL);
}

static void print_share(pst_emit_t *emit, const pst_who_t *who)
{
    if (who && who->share) {
        pst_emit_decimal(emit, "share_percent", who->share / 10.0);
        pst_emit_number(emit, "samples", who->samples);
    }
    else {
        pst_emit_null(emit, "share_percent");
        pst_emit_null(emit, "samples");
    }
}

void pst_view_who(pst_emit_t *emit, const pst_who_t *who)
{
    print_code(emit, who);
    print_share(emit, who);
}

void pst_view_who_of_site(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_site_row_t *site)
{
    pst_who_t who;

    print_code(emit, pst_who_of_site(&who, snapshot, site) ? &who : NULL);
}

static void print_scope(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_blame_t *blame = &child->head.blame[scope];
    apr_uint64_t nth = 0;
    pst_who_t who;

    pst_emit_object(emit, pst_scope_word(scope));
    pst_emit_seconds(emit, "since", blame->since, 3);
    pst_emit_flag(emit, "known", blame->known != 0);
    pst_emit_number(emit, "samples", blame->samples);
    pst_emit_number(emit, "kept_bytes", blame->bytes);
    pst_emit_array(emit, "who", "Who");
    for (unsigned i = 0; i < PST_WHO_COUNT; i++) {
        const pst_shared_who_t *one = &blame->who[i];

        if (pst_who_of_frame(&who, snapshot, child, one->site, one->share, one->samples)) {
            pst_emit_element(emit, ++nth);
            pst_view_who(emit, &who);
            pst_emit_end(emit);
        }
    }
    pst_emit_end(emit);
    pst_emit_end(emit);
}

void pst_view_blame(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    pst_emit_object(emit, "blame");
    for (unsigned scope = 0; scope < PST_SCOPE_OF_SITES; scope++) {
        if (child->head.blame[scope].since) {
            print_scope(emit, snapshot, child, scope);
        }
    }
    pst_emit_end(emit);
}
