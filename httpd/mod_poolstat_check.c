/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatCheck: what was found, in the error log.
 *
 * Place in the flow: checks -> pst_misuse -> HERE -> the error log.
 *
 * Concurrency: the child's watchdog thread logs, never the thread that was caught, which may hold any lock. The rest
 * is logged when the child ends; what a crash leaves is on the board.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_brigades.h"
#include "pst_check.h"
#include "pst_misuse.h"
#include "pst_runtime.h"
#include "pst_snapshot_misuses.h"
#include "pst_who.h"

#include <apr_strings.h>
#include <http_core.h>

APLOG_USE_MODULE(poolstat);

#define TEXT_LEN 512
#define A_MINUTE 10
#define MINUTE   60000000u

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    server_rec *server;
    apr_uint64_t minute;        /* when it began */
    unsigned told;              /* lines logged in it */
    apr_uint64_t counted;       /* misuses that were logged, or had no row */
} g;

/* -- what is logged ------------------------------------------------------------ */

/* "mod_x.so x_handler (mod_x.c:12)" */
static const char *whose(char *to, const pst_shared_module_t *modules, const pst_shared_stack_t *stack)
{
    char text[PST_WHO_LEN];
    pst_place_t place;
    pst_who_t who;

    if (!stack->depth) {
        return "code not known";
    }
    if (pst_who_of_stack(&who, modules, stack->frames, stack->depth)) {
        pst_who_text(text, &who);
    }
    else {
        pst_place_in(&place, modules, stack->frames[0]);
        pst_place_text(text, &place);
    }
    apr_snprintf(to, TEXT_LEN, "%s", text);
    return to;
}

/* The client's line comes last, so that it cannot fake anything after it. */
static void log_misuse(const pst_shared_misuse_t *row)
{
    pst_shared_module_t modules[PST_MODULE_COUNT];
    char text[PST_MISUSE_STACKS][TEXT_LEN], stacks[PST_MISUSE_STACKS * TEXT_LEN] = "";
    apr_size_t n = 0;

    memcpy(modules, pst_board_module(g.board, 0), sizeof(modules));
    for (unsigned i = 0; i < PST_MODULE_COUNT; i++) {
        modules[i].name[PST_MODULE_LEN - 1] = '\0';
    }
    for (unsigned i = 0; i < PST_MISUSE_STACKS && n < sizeof(stacks) - 1; i++) {
        const char *word = pst_misuse_stack_word(row->kind, i);

        if (word[0]) {
            apr_snprintf(stacks + n, sizeof(stacks) - n, "%s%s by %s", n ? "; " : "", word,
                         whose(text[i], modules, &row->stacks[i]));
            n += strlen(stacks + n);
        }
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                 "PST0028: misuse, %s, of a %s%s%s%s: %s; at byte %" APR_UINT64_T_FMT
                 ", by connection %" APR_UINT64_T_FMT ", of connection %" APR_UINT64_T_FMT "%s%s",
                 pst_misuse_word(row->kind), row->what, row->tag[0] ? " (" : "", row->tag, row->tag[0] ? ")" : "",
                 stacks, row->offset, row->by.connection, row->of.connection, row->of.line[0] ? ": " : "",
                 row->of.line);
}

static apr_uint64_t sum(void)
{
    apr_uint64_t found = 0;

    for (unsigned kind = 0; kind < PST_MISUSE_COUNT; kind++) {
        found += pst_load(&g.block->misuses[kind]);
    }
    return found;
}

/* Each place once, and a limited number of lines per minute. */
static void tell_new(void)
{
    pst_shared_misuse_t row;
    int i;

    while (g.told < A_MINUTE && (i = pst_misuse_next()) >= 0) {
        g.told++;
        if (pst_seq_copy(&row, pst_board_misuse(g.board, g.block, (apr_uint32_t)i), sizeof(row))
            && row.kind < PST_MISUSE_COUNT) {
            row.what[sizeof(row.what) - 1] = row.tag[sizeof(row.tag) - 1] = row.of.line[sizeof(row.of.line) - 1] = '\0';
            for (unsigned s = 0; s < PST_MISUSE_STACKS; s++) {
                row.stacks[s].depth = row.stacks[s].depth < PST_SITE_FRAMES ? row.stacks[s].depth : PST_SITE_FRAMES;
            }
            log_misuse(&row);
        }
    }
}

void pst_check_log_beat(apr_uint64_t now)
{
    apr_uint64_t found;

    if (!g.server) {
        return;
    }
    pst_check_beat();
    if (now - g.minute >= MINUTE) {
        found = sum();
        if (found > g.counted + g.told) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                         "PST0029: %" APR_UINT64_T_FMT " misuses more since, at the places told before or at others; a "
                         "child tells %d places a minute.", found - g.counted - g.told, A_MINUTE);
        }
        g.counted = found;
        g.minute = now;
        g.told = 0;
    }
    tell_new();
}

/* The child ends. A forked copy of it may get here too. */
static apr_status_t log_rest(void *unused)
{
    (void)unused;
    if (!pst_child_muted()) {
        g.told = 0;
        tell_new();
    }
    return APR_SUCCESS;
}

void pst_check_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s)
{
    const pst_config_t *config = pst_config_get(s);
    apr_status_t rv;

    if (pst_board_index(board, block) < 0 || !pst_serves_registered()) {
        return;
    }
    if (block->level != PST_LEVEL_FULL) {
        if (pst_checks_pack(&config->checks)) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "PST0030: PoolStatCheck checks nothing in this child: its "
                         "pools are not instrumented.");
        }
        return;
    }
    g.board = board;
    g.block = block;
    g.server = s;
    apr_pool_cleanup_register(pchild, NULL, log_rest, apr_pool_cleanup_null);
    pst_brigades_child_init(config->except);
    rv = pst_check_start(board, block, &config->checks, config->control);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0031: not all of what PoolStatCheck names can be checked in "
                     "this child. All else works.");
    }
}
