/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_look.h.
 */
#include "poolstat_look.h"
#include "poolstat_process.h"
#include "poolstat_say.h"
#include "pst_doctor.h"
#include "pst_holders.h"
#include "pst_place.h"

#include <apr_strings.h>
#include <apr_time.h>

/* How long a look waits for names and lines of code not looked up yet. */
#define RESOLVE_MS 5000

/*
 * The state as the kernel gives it; 0: there is no such process. A process that we do not know in a container
 * was started after the search of its processes, or was gone by then.
 */
static char process_state(const poolstat_board_t *board, apr_uint32_t named, apr_uint64_t started)
{
    apr_uint32_t pid = poolstat_pid_here(board, named);
    char state = 0;

    if (pid) {
        state = poolstat_process_state(pid);
        return !state && board->is_unsure ? '?' : state;
    }
    return board->looked && started < (apr_uint64_t)board->looked ? 0 : '?';
}

/* Is there no such process, though nobody noted its end? */
static int is_lost(const poolstat_board_t *board, apr_uint32_t named, apr_uint64_t started)
{
    return board->is_gone || !process_state(board, named, started);
}

const char *poolstat_state(const poolstat_board_t *board, const pst_shared_child_t *head)
{
    if (head->ended_how || is_lost(board, head->owner, head->started)) {
        return pst_history_end_word(head->ended_how ? head->ended_how : PST_END_GONE);
    }
    switch (process_state(board, head->owner, head->started)) {
    case 'T': case 't': return "stopped";
    case 'Z': return "zombie";
    default: return "";
    }
}

static void mark_foreign(pst_snapshot_t *snapshot, const poolstat_board_t *board)
{
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        pst_child_row_t *child = &snapshot->children[i];

        if (!child->head.ended_how && is_lost(board, child->head.owner, child->head.started)) {
            child->head.ended_how = PST_END_GONE;
            child->head.ended = pst_history_last_sign(&board->board, child->block, snapshot->taken);
        }
    }
}

apr_status_t poolstat_whole(const poolstat_board_t *board)
{
    struct stat about;

    return pst_board_intact(&board->board) && fstat(board->board.fd, &about) == 0
           && (apr_uint64_t)about.st_size >= board->board.size ? APR_SUCCESS : APR_EINCOMPLETE;
}

apr_status_t poolstat_look(pst_snapshot_t *snapshot, const poolstat_board_t *board, const pst_filter_t *filter,
                           apr_pool_t *pool)
{
    apr_uint64_t now = board->as_of ? board->as_of : (apr_uint64_t)apr_time_now();
    apr_status_t rv;

    if (!pst_board_intact(&board->board)) {
        return APR_EINCOMPLETE;
    }
    if (pst_board_is_hollow(&board->board)) {
        return POOLSTAT_HOLLOW;
    }
    rv = pst_snapshot_take(snapshot, &board->board, filter, now, pool);
    if (rv == APR_SUCCESS && board->objects) {
        pst_place_resolve(snapshot, RESOLVE_MS, pool);
    }
    if (rv == APR_SUCCESS) {
        pst_holders_take(snapshot, pool);
    }
    if (rv == APR_SUCCESS) {
        snapshot->server_gone = board->is_gone;
        if (snapshot->gone) {
            mark_foreign(snapshot, board);
        }
        rv = poolstat_whole(board);     /* what was cut off while we read appears as zeros */
    }
    return rv;
}

apr_status_t poolstat_examine(pst_snapshot_t *snapshot, const poolstat_board_t *board, apr_pool_t *pool)
{
    apr_status_t rv = pst_doctor_take(snapshot, &board->board, pool);

    return rv == APR_SUCCESS ? poolstat_whole(board) : rv;
}

void poolstat_correct(void *baton, pst_history_about_t *about)
{
    const poolstat_board_t *board = baton;

    if (about->alive && is_lost(board, about->pid, about->started)) {
        about->alive = 0;
        about->ended_how = PST_END_GONE;
        about->ended = pst_history_last_sign(&board->board, about->index, (apr_uint64_t)apr_time_now());
    }
}

int poolstat_read_failed(apr_status_t rv)
{
    char why[128];

    if (rv == APR_EINCOMPLETE) {
        poolstat_say("the board was damaged while it was read");
        return POOLSTAT_DAMAGED;
    }
    if (rv == POOLSTAT_HOLLOW) {
        poolstat_say("the board's file is all but empty, though it names many children: no server left it like that");
        return POOLSTAT_DAMAGED;
    }
    poolstat_say("the board could not be read: %s", apr_strerror(rv, why, sizeof(why)));
    return POOLSTAT_FAILED;
}
