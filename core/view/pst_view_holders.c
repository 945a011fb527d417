/* SPDX-License-Identifier: Apache-2.0
 *
 * By module and by hook.  See pst_view_holders.h; the markup is in web/holders.html.
 */
#include "pst_view_holders.h"
#include "pst_format.h"
#include "pst_holders.h"
#include "pst_piece.h"
#include "pst_web.h"

static const char *holder_name(const pst_holder_t *holder)
{
    return holder->module ? holder->module : "not known";
}

/* ---- the page ---- */

/* Zero is a dash: what was not sampled need not be zero. */
static const char *size_or_dash(char *to, apr_uint64_t bytes)
{
    return bytes ? pst_format_size(to, bytes) : "\xe2\x80\x93";
}

static void print_module(pst_emit_t *emit, const pst_holder_t *holder)
{
    char live[PST_HELD_COUNT][PST_FORMAT_LEN], ever[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_holders_module, TEXT("module", holder_name(holder)),
          TEXT("pools", size_or_dash(live[PST_HELD_POOLS], holder->live[PST_HELD_POOLS])),
          TEXT("heap", size_or_dash(live[PST_HELD_HEAP], holder->live[PST_HELD_HEAP])),
          TEXT("mapped", size_or_dash(live[PST_HELD_MAPPED], holder->live[PST_HELD_MAPPED])),
          TEXT("stack", size_or_dash(live[PST_HELD_STACK], holder->live[PST_HELD_STACK])),
          TEXT("ever", size_or_dash(ever, holder->ever_all)), NUMBER("samples", holder->samples));
}

static void print_hook(pst_emit_t *emit, const pst_holder_t *holder)
{
    char live[PST_FORMAT_LEN], ever[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_holders_hook, TEXT("hook", holder->hook ? holder->hook : "outside of hooks"),
          TEXT("module", holder_name(holder)), TEXT("live", size_or_dash(live, holder->live_all)),
          TEXT("ever", size_or_dash(ever, holder->ever_all)), NUMBER("samples", holder->samples));
}

void pst_view_holders(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_holders_t *holders = page->snapshot->holders;

    if (!holders || !holders->module_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_holders, NULL, 0);
    for (apr_uint32_t i = 0; i < holders->module_count && i < PST_VIEW_MODULES; i++) {
        print_module(emit, &holders->modules[i]);
    }
    pst_emit_piece(emit, &pst_web_holders_hooks, NULL, 0);
    for (apr_uint32_t i = 0; i < holders->hook_count && i < PST_VIEW_HOOKS; i++) {
        print_hook(emit, &holders->hooks[i]);
    }
    pst_emit_piece(emit, &pst_web_holders_end, NULL, 0);
}

/* ---- programs ---- */

static void print_name(pst_emit_t *emit, const char *key, const char *name)
{
    if (name) {
        pst_emit_text(emit, key, name);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_bytes(pst_emit_t *emit, const char *key, const apr_uint64_t *bytes)
{
    pst_emit_object(emit, key);
    for (unsigned held = 0; held < PST_HELD_COUNT; held++) {
        pst_emit_number(emit, pst_held_word(held), bytes[held]);
    }
    pst_emit_end(emit);
}

static void print_all(pst_emit_t *emit, const pst_holder_t *holders, apr_uint32_t count, int hooks)
{
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        print_name(emit, "module", holders[i].module);
        if (hooks) {
            print_name(emit, "hook", holders[i].hook);
        }
        print_bytes(emit, "live_bytes", holders[i].live);
        print_bytes(emit, "ever_bytes", holders[i].ever);
        pst_emit_number(emit, "samples", holders[i].samples);
        pst_emit_end(emit);
    }
}

void pst_view_holders_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    const pst_holders_t *holders = snapshot->holders;

    pst_emit_array(emit, "modules", "Module");
    print_all(emit, holders ? holders->modules : NULL, holders ? holders->module_count : 0, 0);
    pst_emit_end(emit);
    pst_emit_array(emit, "hooks", "Hook");
    print_all(emit, holders ? holders->hooks : NULL, holders ? holders->hook_count : 0, 1);
    pst_emit_end(emit);
}
