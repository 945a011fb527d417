/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_foreign.h.
 *
 * Every version of the board begins alike (docs/board.md): the header up to parent, the descriptors,
 * and the first five fields of a child's block.  The file is read, not mapped, so that nothing that
 * happens to it can kill us; each read is checked, every number bounded.
 */
#include "poolstat_foreign.h"
#include "poolstat_say.h"
#include "pst_format.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BLOCKS      65536u
#define MAX_DESCRIPTORS 1024u
#define MAX_LINES       100000u     /* of figures: nobody reads a larger table */

/* The part of the header that all versions share. */
#define SHARED_HEADER (offsetof(pst_shared_header_t, parent) + sizeof(apr_uint32_t))

static int read_board_at(int fd, void *to, apr_size_t size, apr_uint64_t at)
{
    return at <= (apr_uint64_t)INT64_MAX && pread(fd, to, size, (off_t)at) == (ssize_t)size;
}

static int bad(const char *what)
{
    poolstat_say("the board is of another version, and its %s make no sense", what);
    return POOLSTAT_DAMAGED;
}

/* @return whether it is a figure of a child's head, and was printed */
static int print_foreign_figure(const char *block, apr_uint32_t head, const pst_shared_descriptor_t *d)
{
    char name[POOLSTAT_TEXT], text[PST_FORMAT_LEN], raw[PST_METRIC_NAME_LEN + 1];
    apr_uint64_t value;

    if (d->at != PST_AT_CHILD || d->offset > head - sizeof(value)) {
        return 0;
    }
    memcpy(raw, d->name, PST_METRIC_NAME_LEN);
    raw[PST_METRIC_NAME_LEN] = '\0';
    memcpy(&value, block + d->offset, sizeof(value));
    if (d->kind == PST_TIME) {
        pst_format_time(text, value);
    }
    else if (d->unit == PST_BYTES) {
        pst_format_size(text, value);
    }
    else {
        pst_format_count(text, value);
    }
    printf("  %-32s %s\n", poolstat_text(name, sizeof(name), raw), text);
    return 1;
}

static int print_foreign_children(int fd, const pst_shared_header_t *header, const pst_shared_descriptor_t *descriptors,
                                  char *block)
{
    apr_uint32_t shown = 0, lines = 0;

    for (apr_uint32_t i = 0; i < header->child_count && !ferror(stdout); i++) {
        apr_uint32_t first[5];      /* owner, generation, level, ready, pid */

        if (!read_board_at(fd, block, header->child_head, header->header_size + (apr_uint64_t)i * header->child_size)) {
            return bad("blocks");
        }
        memcpy(first, block, sizeof(first));
        if (!first[0] || !first[3]) {
            continue;
        }
        if (lines > MAX_LINES) {
            printf("\nThe board names more than %u figures: the rest is not shown.\n", MAX_LINES);
            break;
        }
        printf("%sChild %u, generation %u\n", shown++ ? "\n" : "", (unsigned)first[0], (unsigned)first[1]);
        for (apr_uint32_t d = 0; d < header->descriptor_count; d++) {
            lines += (apr_uint32_t)print_foreign_figure(block, header->child_head, &descriptors[d]);
        }
    }
    if (!shown && !ferror(stdout)) {
        puts("No children.");
    }
    return ferror(stdout) ? POOLSTAT_FAILED : POOLSTAT_OK;
}

static int print_foreign(int fd)
{
    pst_shared_header_t header;
    pst_shared_descriptor_t *descriptors = NULL;
    char *block = NULL;
    int status = POOLSTAT_FAILED;

    memset(&header, 0, sizeof(header));
    if (!read_board_at(fd, &header, SHARED_HEADER, 0) || !header.child_count || header.child_count > MAX_BLOCKS
        || header.child_head < sizeof(apr_uint32_t) * 8 || header.child_head > 1u << 20
        || header.child_head > header.child_size || !header.descriptor_count
        || header.descriptor_count > MAX_DESCRIPTORS) {
        return bad("sizes");
    }
    poolstat_say("the board is of version %u, this command reads version %d: only the figures that it "
            "describes itself are shown", (unsigned)header.version, PST_BOARD_VERSION);
    descriptors = calloc(header.descriptor_count, sizeof(*descriptors));
    block = calloc(1, header.child_head);
    if (descriptors && block) {
        status = read_board_at(fd, descriptors, header.descriptor_count * sizeof(*descriptors), header.descriptor_at)
                     ? print_foreign_children(fd, &header, descriptors, block) : bad("descriptors");
    }
    free(descriptors);
    free(block);
    return status;
}

int poolstat_foreign(const poolstat_board_t *board)
{
    return print_foreign(board->foreign);
}

int poolstat_with_board(poolstat_options_t *options,
                        int (*print)(const poolstat_board_t *, poolstat_options_t *, apr_pool_t *))
{
    poolstat_board_t board;
    apr_pool_t *pool;
    int status;

    apr_pool_create(&pool, NULL);
    status = poolstat_open(&board, options, 1, pool);
    if (status < 0) {
        status = board.is_foreign ? poolstat_foreign(&board) : print(&board, options, pool);
    }
    poolstat_close(&board);
    apr_pool_destroy(pool);
    return status;
}
