/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_snapshot_losses.h.
 */
#include "pst_snapshot_losses.h"
#include "pst_array.h"
#include "pst_figure.h"

#include <signal.h>
#include <stdlib.h>

static const char *const parts[PST_PART_COUNT] = {
    [PST_PART_PROCESS] = "process", [PST_PART_CONNECTIONS] = "connections", [PST_PART_REQUESTS] = "requests",
    [PST_PART_RETAINED] = "retained", [PST_PART_HEAP] = "heap_in_use", [PST_PART_HEAP_FREE] = "heap_free",
    [PST_PART_MAPPED] = "mapped", [PST_PART_STACKS] = "stacks"
};

const char *pst_part_word(unsigned part)
{
    return part < PST_PART_COUNT ? parts[part] : "?";
}

const char *pst_signal_word(unsigned signal)
{
    static const struct { int number; const char *word; } words[] = {
        { SIGKILL, "SIGKILL" }, { SIGSEGV, "SIGSEGV" }, { SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" },
        { SIGILL, "SIGILL" }, { SIGFPE, "SIGFPE" }, { SIGTRAP, "SIGTRAP" }, { SIGSYS, "SIGSYS" },
        { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGXCPU, "SIGXCPU" }, { SIGXFSZ, "SIGXFSZ" },
        { SIGQUIT, "SIGQUIT" }, { SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" },
        { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" }
    };

    for (unsigned i = 0; i < PST_ITEMS(words); i++) {
        if ((unsigned)words[i].number == signal) {
            return words[i].word;
        }
    }
    return NULL;
}

const char *pst_signal_how_word(unsigned how)
{
    static const char *const words[PST_SIGNAL_COUNT] = { "unknown", "logged", "silent" };

    return words[how < PST_SIGNAL_COUNT ? how : PST_SIGNAL_UNKNOWN];
}

pst_part_e pst_loss_part(const pst_shared_loss_t *loss)
{
    unsigned largest = 0;

    for (unsigned part = 1; part < PST_PART_COUNT; part++) {
        largest = loss->parts[part] > loss->parts[largest] ? part : largest;
    }
    return (pst_part_e)largest;
}

int pst_loss_who(pst_who_t *who, const pst_snapshot_t *snapshot, const pst_shared_loss_t *loss)
{
    return pst_who_of_frame(who, snapshot, NULL, loss->who.site, loss->who.share, loss->who.samples);
}

static int take_loss(pst_shared_loss_t *to, const pst_shared_loss_t *from)
{
    if (!pst_seq_copy(to, from, sizeof(*to)) || !to->pid) {
        return 0;
    }
    to->signal_how = to->signal_how < PST_SIGNAL_COUNT ? to->signal_how : PST_SIGNAL_UNKNOWN;
    to->number = pst_sane(to->number);
    to->started = pst_sane(to->started);
    to->ended = pst_sane(to->ended);
    to->books_time = pst_sane(to->books_time);
    to->rss_bytes = pst_sane(to->rss_bytes);
    to->own_bytes = pst_sane(to->own_bytes);
    to->before_bytes = pst_sane(to->before_bytes);
    to->before_time = pst_sane(to->before_time);
    for (unsigned part = 0; part < PST_PART_COUNT; part++) {
        to->parts[part] = pst_sane(to->parts[part]);
    }
    to->oom_known = to->oom_known == 1;
    to->oom = to->oom_known && to->oom == 1;
    for (unsigned i = 0; i < PST_LOSS_REQUESTS; i++) {
        pst_shared_loss_request_t *request = &to->requests[i];

        request->state = request->state < PST_LOSS_REQUEST_COUNT ? request->state : PST_LOSS_REQUEST_NONE;
        request->reserved_bytes = pst_sane(request->reserved_bytes);
        request->duration = pst_sane(request->duration);
        request->vhost[sizeof(request->vhost) - 1] = request->line[sizeof(request->line) - 1] = '\0';
    }
    return 1;
}

/* The last one first. */
static int by_end(const void *one, const void *two)
{
    const pst_shared_loss_t *a = one, *b = two;

    return a->ended != b->ended ? (a->ended < b->ended) - (a->ended > b->ended)
                                : (a->number < b->number) - (a->number > b->number);
}

void pst_snapshot_losses(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    snapshot->losses = apr_pcalloc(pool, PST_LOSS_COUNT * sizeof(*snapshot->losses));
    for (apr_uint32_t i = 0; i < PST_LOSS_COUNT; i++) {
        snapshot->loss_count += (apr_uint32_t)take_loss(&snapshot->losses[snapshot->loss_count],
                                                        pst_board_loss(board, i));
    }
    qsort(snapshot->losses, snapshot->loss_count, sizeof(*snapshot->losses), by_end);
}
