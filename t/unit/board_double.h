/* SPDX-License-Identifier: Apache-2.0
 *
 * For units of readers: a real board in a file of the temporary directory, and
 * children and connections with known figures on it.
 */
#ifndef PST_BOARD_DOUBLE_H
#define PST_BOARD_DOUBLE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <apr_general.h>
#include <apr_file_io.h>
#include <apr_strings.h>
#include "pst_board.h"

#define NOW ((apr_uint64_t)1738367947 * 1000000)

static inline void make_board(pst_board_t *board, apr_uint32_t children, apr_uint32_t slots, apr_pool_t *pool)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Unit)", .module = "mod_poolstat/unit", .mpm = "event",
                                      .interval = 1, .history = 60 };
    const char *dir = NULL, *path;

    apr_temp_dir_get(&dir, pool);
    path = apr_psprintf(pool, "%s/poolstat-unit-%ld.board", dir ? dir : ".", (long)getpid());
    if (pst_board_create(board, path, children, slots, &about, pool) != APR_SUCCESS) {
        printf("Bail out! no board at %s\n", path);
        exit(1);
    }
    unlink(path);
}

/* A child's block, shown to readers. */
static inline pst_shared_child_t *claim_block(const pst_board_t *board, apr_uint32_t pid, apr_uint32_t generation)
{
    pst_shared_child_t *child = pst_board_claim_unseen(board, pid, generation);

    if (child) {
        pst_board_show(child);
    }
    return child;
}

/* The parent frees every block that pid owns. @return how many */
static inline int release_blocks(const pst_board_t *board, apr_uint32_t pid)
{
    int freed = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        freed += pst_board_release_block(pst_board_child(board, i), pid);
    }
    return freed;
}

/* As a command opens a board. */
static inline apr_status_t open_board(pst_board_t *board, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    memset(board, 0, sizeof(*board));
    board->fd = -1;
    return fd < 0 ? errno : pst_board_open_file(board, fd);
}

/* A child whose process scope has 10 pools, 80,000 bytes, 1,000 of them slack. */
static inline pst_shared_child_t *add_child(pst_board_t *board, apr_uint32_t pid)
{
    pst_shared_child_t *child = claim_block(board, pid, 1);

    child->level = PST_LEVEL_FULL;
    child->started = NOW - 60 * (apr_uint64_t)1000000;
    child->process.pools = 10;
    child->process.reserved_bytes = 80000;
    child->process.slack_bytes = 1000;
    return child;
}

/* A connection with 2 pools and `reserved` bytes, a quarter of them its request's, 100 slack. */
static inline pst_shared_slot_t *add_connection(pst_board_t *board, pst_shared_child_t *child, apr_uint32_t s,
                                                apr_uint64_t reserved, int kind, const char *vhost)
{
    pst_shared_slot_t *slot = pst_board_slot(board, child, s);

    pst_slot_begin(slot);
    slot->in_use = 1;
    slot->kind = (uint8_t)kind;
    slot->state = PST_STATE_HANDLER;
    slot->id = s + 1;
    slot->opened = NOW - (s + 1) * (apr_uint64_t)1000000;
    slot->usage.pools = 2;
    slot->usage.reserved_bytes = reserved;
    slot->usage.slack_bytes = 100;
    slot->usage.peak_bytes = reserved * 2;
    slot->has_request = 1;
    slot->request_started = NOW - 500000;
    slot->request.pools = 1;
    slot->request.reserved_bytes = reserved / 4;
    apr_snprintf(slot->client, sizeof(slot->client), "192.0.2.%u", (unsigned)(250 - s));
    apr_cpystrn(slot->vhost, vhost, sizeof(slot->vhost));
    apr_cpystrn(slot->line, "GET / HTTP/1.1", sizeof(slot->line));
    apr_cpystrn(slot->handler, "unit", sizeof(slot->handler));
    pst_slot_end(slot);
    child->connections_open++;
    return slot;
}

#endif /* PST_BOARD_DOUBLE_H */
