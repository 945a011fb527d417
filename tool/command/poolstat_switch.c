/* SPDX-License-Identifier: Apache-2.0
 *
 * profile --heap, doctor --check: switch the heap profile, or the checks, of all children or of one, while the server
 * runs.
 *
 * The board is never mapped for writing, because that is how a server is recognised: a word in each child's block is
 * written through the file. The child sees it within a second, and decides whether it complies.
 */
#include "poolstat.h"
#include "poolstat_look.h"
#include "poolstat_text.h"
#include "pst_ask.h"
#include "pst_emit.h"
#include "pst_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT 4000000        /* us; children look once a second */
#define POLL 20000

/* Open the mapped file for writing. @return the descriptor, or -1 after a message */
static int open_for_writing(const poolstat_board_t *board)
{
    char way[64], name[POOLSTAT_TEXT];
    struct stat about;
    int fd;

    poolstat_text(name, sizeof(name), board->path);
    if (fstat(board->board.fd, &about) != 0 || !poolstat_is_ours(&about)) {
        poolstat_say("the board %s is another user's: nothing is written to it", name);
        return -1;
    }
    snprintf(way, sizeof(way), "/proc/self/fd/%d", board->board.fd);
    fd = open(way, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        poolstat_say("the board %s cannot be written to: %s", name, strerror(errno));
    }
    return fd;
}

static void print_rate(const pst_asked_row_t *row)
{
    char rate[PST_FORMAT_LEN];

    if (pst_asked_is_known(row) && row->value) {
        pst_format_size(rate, row->value);
    }
    else {
        snprintf(rate, sizeof(rate), "%s", pst_asked_is_known(row) ? "off" : "-");
    }
    printf("child %u: %s, a sample each: %s\n", (unsigned)row->pid, pst_asked_word(row->state), rate);
}

static void print_checks(const pst_asked_row_t *row)
{
    char text[PST_CHECKS_TEXT];

    printf("child %u: %s, checks: %s\n", (unsigned)row->pid, pst_asked_word(row->state),
           pst_asked_is_known(row) ? pst_checks_packed_text(text, row->value) : "-");
}

static int switch_and_print(const poolstat_board_t *board, pst_ask_e what, apr_uint64_t value, int fd, apr_pool_t *pool)
{
    pst_asked_t asked;
    apr_time_t until = apr_time_now() + WAIT;
    apr_status_t rv = pst_ask(&asked, what, &board->board, fd, board->child, value, pool);

    if (rv != APR_SUCCESS) {
        poolstat_say("the board could not be written to: %s", strerror(rv));
        return POOLSTAT_FAILED;
    }
    if (!asked.count) {
        poolstat_say(asked.deaf ? "no child listens: PoolStatControl is Off there" : "there is no such child");
        return POOLSTAT_NONE;
    }
    while (pst_ask_look(&asked, &board->board) && apr_time_now() < until) {
        usleep(POLL);
    }
    for (apr_uint32_t i = 0; i < asked.count; i++) {
        (what == PST_ASK_HEAP ? print_rate : print_checks)(&asked.rows[i]);
    }
    return asked.done == asked.count ? POOLSTAT_OK : POOLSTAT_FAILED;
}

static int switch_by(poolstat_options_t *options, pst_ask_e what, apr_uint64_t value)
{
    poolstat_board_t board;
    apr_pool_t *pool;
    int status, fd;

    apr_pool_create(&pool, NULL);
    status = poolstat_open(&board, options, 0, pool);
    if (status < 0 && board.is_gone) {
        status = POOLSTAT_NONE;
    }
    if (status < 0) {
        fd = open_for_writing(&board);
        status = fd < 0 ? POOLSTAT_NONE : switch_and_print(&board, what, value, fd, pool);
        if (fd >= 0) {
            close(fd);
        }
    }
    poolstat_close(&board);
    apr_pool_destroy(pool);
    return status;
}

int poolstat_switch(poolstat_options_t *options)
{
    return switch_by(options, PST_ASK_HEAP, options->rate);
}

int poolstat_switch_checks(poolstat_options_t *options)
{
    return switch_by(options, PST_ASK_CHECKS, pst_checks_pack(&options->checks));
}
