/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the board's parts are: computed from the numbers of children and slots, told in the header, and compared with
 * it by whoever opens a board.  A reader computes the layout itself and takes nothing but these numbers from a file.
 *
 * Concurrency: none.  The parent fills in the header before anybody else can see it; a reader checks a copy.
 */
#include "pst_board_parts.h"
#include "pst_array.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Bounds on the geometry: above any httpd (ServerLimit 20000, twice, has 40002 blocks), low enough to multiply
 * without overflow, and for a reader to scan in a second or two: to the reader it is just a number in a file. */
#define MAX_CHILDREN   65536u
#define MAX_SLOTS      65536u
#define MAX_BOARD_SIZE ((apr_uint64_t)1 << 36)

static const pst_shared_descriptor_t descriptors[] = {
#define DESCRIBE(at, offset, ...) \
    { PST_FIELD_WORD(__VA_ARGS__), PST_PROM(__VA_ARGS__), PST_KIND(__VA_ARGS__), PST_UNIT(__VA_ARGS__), at, \
      PST_SHOW(__VA_ARGS__), offset },
#define IN(type, member) offsetof(pst_shared_##type##_t, member)
#define PST_METRIC_USAGE(...) DESCRIBE(PST_AT_USAGE, IN(usage, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CONNECTION(...) DESCRIBE(PST_AT_CONNECTION, IN(slot, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CHILD(...) DESCRIBE(PST_AT_CHILD, IN(child, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_BOOKS(...) DESCRIBE(PST_AT_CHILD, IN(child, books.PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_CLASS(...) DESCRIBE(PST_AT_CLASS, IN(class, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_SITE(...) DESCRIBE(PST_AT_SITE, IN(site, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_SERVER(...) DESCRIBE(PST_AT_SERVER, IN(header, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#define PST_METRIC_GENERATION(...) DESCRIBE(PST_AT_GENERATION, IN(generation, PST_FIELD(__VA_ARGS__)), __VA_ARGS__)
#include "poolstat_metrics.def"
};

#define DESCRIPTOR_COUNT ((apr_uint32_t)PST_ITEMS(descriptors))

/* Histories follow all blocks, so that unused ones cost nothing: pst_history_start() allocates their room. */
static apr_uint64_t history_size(apr_uint32_t fine, apr_uint32_t coarse)
{
    return PST_ALIGN_UP(PST_HISTORY_HEAD + ((apr_uint64_t)fine + 1 + coarse + 1) * sizeof(pst_shared_point_t),
                        PST_BOARD_ALIGN);
}

/* -- tables ------------------------------------------------------------------ */

/* Tables start on cache lines. */
#define TABLE_ALIGN 64

#define DESCRIPTORS_AT PST_ALIGN_UP(sizeof(pst_shared_header_t), TABLE_ALIGN)

typedef enum { HEADER, BLOCK } table_place_e;

/* A line of pst_board_tables.def: offsets of its numbers, and what they must be. */
static const struct table_t {
    table_place_e place;
    apr_size_t at;                                      /* of NAME_at in pst_board_t */
    apr_size_t header_at, header_size, header_count;    /* in the header; 0: not said, the magic is there */
    apr_uint32_t size, rows;
} tables[] = {
#define FIELD(field) offsetof(pst_shared_header_t, field)
#define NO_FIELD    0
#define PST_TABLE(place, name, size, count, rows) \
    { place, offsetof(pst_board_t, name##_at), FIELD(name##_at), size, count, sizeof(pst_shared_##name##_t), rows },
#include "pst_board_tables.def"
};

static apr_uint32_t table_start(const pst_board_t *board, const struct table_t *table)
{
    return *(const apr_uint32_t *)(const void *)((const char *)board + table->at);
}

static void set_table_start(pst_board_t *board, const struct table_t *table, apr_uint64_t at)
{
    *(apr_uint32_t *)(void *)((char *)board + table->at) = (apr_uint32_t)at;
}

/* @param at  where the tables of this place may start. @return where they end */
static apr_uint64_t place_tables(pst_board_t *board, table_place_e place, apr_uint64_t at)
{
    for (unsigned i = 0; i < PST_ITEMS(tables); i++) {
        if (tables[i].place == place) {
            at = PST_ALIGN_UP(at, TABLE_ALIGN);
            set_table_start(board, &tables[i], at);
            at += (apr_uint64_t)tables[i].rows * tables[i].size;
        }
    }
    return at;
}

static void set_field(pst_shared_header_t *header, apr_size_t field, apr_uint32_t value)
{
    if (field) {
        memcpy((char *)header + field, &value, sizeof(value));
    }
}

static void describe_tables(pst_shared_header_t *header, const pst_board_t *board)
{
    for (unsigned i = 0; i < PST_ITEMS(tables); i++) {
        set_field(header, tables[i].header_at, table_start(board, &tables[i]));
        set_field(header, tables[i].header_size, tables[i].size);
        set_field(header, tables[i].header_count, tables[i].rows);
    }
}

static int field_is(const pst_shared_header_t *header, apr_size_t field, apr_uint32_t value)
{
    return !field || memcmp((const char *)header + field, &value, sizeof(value)) == 0;
}

static int fits_tables(const pst_shared_header_t *header, const pst_board_t *board)
{
    int right = 1;

    for (unsigned i = 0; i < PST_ITEMS(tables); i++) {
        right &= field_is(header, tables[i].header_at, table_start(board, &tables[i]))
                 && field_is(header, tables[i].header_size, tables[i].size)
                 && field_is(header, tables[i].header_count, tables[i].rows);
    }
    return right;
}

/* -- the whole --------------------------------------------------------------- */

apr_status_t pst_board_shape(pst_board_t *board, apr_uint32_t child_count, apr_uint32_t slot_count, apr_uint32_t fine,
                             apr_uint32_t interval)
{
    apr_uint64_t child_size, size;

    if (child_count == 0 || child_count > MAX_CHILDREN || slot_count == 0 || slot_count > MAX_SLOTS
        || (apr_uint64_t)child_count * slot_count > PST_SLOTS_MOST || fine > PST_HISTORY_MOST
        || (fine && (interval < 1 || interval > 3600))) {
        return APR_EINVAL;
    }
    board->fine_count = fine;
    board->coarse_count = fine ? PST_HISTORY_COARSE : 0;
    board->interval = interval;
    board->history_size = fine ? (apr_uint32_t)history_size(fine, PST_HISTORY_COARSE) : 0;
    child_size = PST_CHILD_HEAD + (apr_uint64_t)slot_count * sizeof(pst_shared_slot_t);
    child_size = PST_ALIGN_UP(place_tables(board, BLOCK, child_size), PST_BOARD_ALIGN);
    board->header_size = (apr_uint32_t)PST_ALIGN_UP(place_tables(board, HEADER, DESCRIPTORS_AT + sizeof(descriptors)),
                                                    PST_BOARD_ALIGN);
    board->history_at = board->header_size + child_size * child_count;
    size = board->history_at + (apr_uint64_t)board->history_size * child_count;
    if (size > MAX_BOARD_SIZE) {
        return APR_EINVAL;
    }
    board->child_size = (apr_uint32_t)child_size;
    board->child_count = child_count;
    board->slot_count = slot_count;
    board->size = (apr_size_t)size;
    return APR_SUCCESS;
}

void pst_board_fill_header(pst_shared_header_t *header, const pst_board_t *board, const pst_board_about_t *about)
{
    header->version = PST_BOARD_VERSION;
    header->header_size = board->header_size;
    header->child_size = board->child_size;
    header->child_count = board->child_count;
    header->child_head = PST_CHILD_HEAD;
    header->slot_size = sizeof(pst_shared_slot_t);
    header->slot_count = board->slot_count;
    header->descriptor_at = DESCRIPTORS_AT;
    header->descriptor_count = DESCRIPTOR_COUNT;
    describe_tables(header, board);
    header->parent = (apr_uint32_t)getpid();
    header->created = (apr_uint64_t)apr_time_now();
    header->history_at = board->history_at;
    header->history_size = board->history_size;
    header->point_size = sizeof(pst_shared_point_t);
    header->fine_count = board->fine_count;
    header->coarse_count = board->coarse_count;
    header->interval = board->interval;
    apr_cpystrn(header->server, about->server, sizeof(header->server));
    apr_cpystrn(header->module, about->module, sizeof(header->module));
    apr_cpystrn(header->mpm, about->mpm, sizeof(header->mpm));
    memcpy((char *)header + header->descriptor_at, descriptors, sizeof(descriptors));
    memcpy(header->magic, PST_BOARD_MAGIC, sizeof(header->magic));
}

apr_status_t pst_board_check_header(pst_board_t *board, const pst_shared_header_t *header, apr_uint64_t file_size)
{
    apr_status_t rv;

    if (memcmp(header->magic, PST_BOARD_MAGIC, sizeof(header->magic)) != 0
        || header->version != PST_BOARD_VERSION || header->slot_size != sizeof(pst_shared_slot_t)
        || header->child_head != PST_CHILD_HEAD) {
        return APR_EMISMATCH;
    }
    rv = pst_board_shape(board, header->child_count, header->slot_count, header->fine_count, header->interval);
    if (rv != APR_SUCCESS || header->header_size != board->header_size
        || header->child_size != board->child_size || header->history_at != board->history_at
        || header->history_size != board->history_size || header->point_size != sizeof(pst_shared_point_t)
        || header->coarse_count != board->coarse_count || !fits_tables(header, board)) {
        return APR_EMISMATCH;
    }
    return file_size >= board->size ? APR_SUCCESS : APR_EINCOMPLETE;
}
