/* SPDX-License-Identifier: Apache-2.0
 *
 * See fuzz_board.h.
 */
#include "fuzz_board.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <stddef.h>
#include <unistd.h>

typedef enum {
    HEADER, DESCRIPTOR, CHILD, SLOT, KEPT, HISTORY, FINE, COARSE, ANYWHERE,
#define PST_TABLE(place, name, ...) TABLE_##name,
#include "pst_board_tables.def"
    PLACES
} fuzz_place_e;

typedef enum {
    SET_64, SET_32, SET_16, SET_8, ADD, FILL, REPEAT, COPY_NEXT, CLEAR, NASTY_64, NASTY_32, NASTY_TEXT, FIELDS_64, HOWS
} fuzz_how_e;

#define BOARDS 64

static struct {
    struct live_t {
        uint8_t *bytes;         /* as the server left it */
        uint8_t *copy;          /* in the heap, of exactly the board's size: blows are dealt to it */
        int fd;                 /* the same bytes in a file */
        char path[64];
        size_t size;
        apr_uint64_t time;
        pst_board_t geometry;
    } boards[BOARDS];
    unsigned count;
    /* of this input */
    const struct live_t *of;
    struct { size_t at, length; } touched[2 * FUZZ_BLOWS];
    unsigned touched_count;
    const fuzz_input_t *input;  /* whose racing blows are still to come */
    unsigned ticks;
} g;

void fuzz_input(fuzz_input_t *input, const uint8_t *data, size_t size)
{
    size_t head = size < sizeof(input->head) ? size : sizeof(input->head);

    memset(input, 0, sizeof(*input));
    if (head) {
        memcpy(&input->head, data, head);
    }
    for (size_t at = head; at + sizeof(fuzz_blow_t) <= size && input->count < FUZZ_BLOWS; at += sizeof(fuzz_blow_t)) {
        memcpy(&input->blows[input->count++], data + at, sizeof(fuzz_blow_t));
    }
}

/* ---- the boards ---- */

static void end(const char *what, const char *name)
{
    fprintf(stderr, "fuzz: %s %s\n", what, name);
    exit(1);
}

/* What small servers do not come to in a minute: misuses, and children that ended while they were large. */
static void plant(const struct live_t *live)
{
    const pst_board_t *b = &live->geometry;
    pst_shared_child_t *child = (void *)(live->bytes + b->header_size);
    pst_shared_misuse_t *misuses = (void *)((char *)child + b->misuse_at);
    pst_shared_loss_t *losses = (void *)(live->bytes + b->loss_at);

    child->misuse_rows = PST_MISUSE_ROWS / 2;
    for (unsigned i = 0; i < PST_MISUSE_ROWS / 2; i++) {
        pst_shared_misuse_t *m = &misuses[i];

        *m = (pst_shared_misuse_t){ .in_use = 1, .kind = (uint16_t)(i % PST_MISUSE_COUNT), .times = i + 1, .last = live->time,
                                    .first = live->time - 5000000, .offset = 8 * i, .size = 8192, .age = 1000 * i,
                                    .of_class = i, .what = "pool", .tag = "request", .by = { 1, "GET /by HTTP/1.1" },
                                    .of = { 2, "GET /of HTTP/1.1" } };
        for (unsigned k = 0; k < PST_MISUSE_STACKS; k++) {
            m->stacks[k] = (pst_shared_stack_t){ .thread = 100 + k, .depth = 3,
                                                 .frames = { PST_FRAME(1 + k, 0x1000), PST_FRAME(2, 0x2000), PST_FRAME(3, 0x3000) } };
        }
        child->misuses[m->kind] += m->times;
    }
    for (unsigned i = 0; i < PST_LOSS_COUNT / 2; i++) {
        losses[i] = (pst_shared_loss_t){ .pid = 1000 + i, .generation = i, .signal = 9, .signal_how = (uint16_t)(i % PST_SIGNAL_COUNT),
                                         .number = i + 1, .started = live->time - 9000000, .ended = live->time - 1000000,
                                         .books_time = live->time - 2000000, .rss_bytes = 300000000, .own_bytes = 290000000,
                                         .before_bytes = 3000000, .before_time = live->time - 8000000,
                                         .parts = { 1000000, 2000000, 200000000 }, .oom_known = 1, .oom_kills = i, .oom = i % 2,
                                         .who = { .site = PST_FRAME(2, 0x2000), .share = 900, .samples = 90 },
                                         .requests = { { 200000000, 5000000, PST_LOSS_REQUEST_SERVED, 0, "vhost", "GET /large HTTP/1.1" } } };
    }
}

static void load(const char *path)
{
    struct live_t *live = &g.boards[g.count];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0 || pst_board_open_file(&live->geometry, fd) != APR_SUCCESS) {
        end("no board of this version:", path);
    }
    live->size = live->geometry.size;
    live->bytes = malloc(live->size);
    live->fd = memfd_create("poolstat.board", MFD_CLOEXEC);
    snprintf(live->path, sizeof(live->path), "/proc/%ld/fd/%d", (long)getpid(), live->fd);
    if (!live->bytes || live->fd < 0 || posix_memalign((void **)&live->copy, 64, live->size) != 0
        || pwrite(live->fd, live->geometry.base, live->size, 0) != (ssize_t)live->size) {
        end("no memory for", path);
    }
    memcpy(live->bytes, live->geometry.base, live->size);
    live->time = (apr_uint64_t)about.st_mtime * 1000000;
    if (g.count % 2) {
        plant(live);
    }
    memcpy(live->copy, live->bytes, live->size);
    if (pwrite(live->fd, live->bytes, live->size, 0) != (ssize_t)live->size) {
        end("no memory for", path);
    }
    pst_board_close(&live->geometry);
    g.count++;
}

static int by_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void fuzz_boards_load(const char *folder)
{
    struct dirent **entries = NULL;
    int count = folder ? scandir(folder, &entries, by_name, alphasort) : 0;
    char path[4096];

    for (int i = 0; i < count && g.count < BOARDS; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        load(path);
        free(entries[i]);
    }
    free(entries);
    if (!g.count) {
        end("no board in FUZZ_BOARDS", folder ? folder : "");
    }
}

const char *fuzz_board_path(void)
{
    return g.of->path;
}

apr_uint64_t fuzz_board_time(void)
{
    return g.of->time;
}

apr_uint32_t fuzz_board_child(unsigned n)
{
    const pst_board_t *geometry = &g.of->geometry;
    size_t at = geometry->header_size + (size_t)(n % geometry->child_count) * geometry->child_size;

    return ((const pst_shared_child_t *)(const void *)(g.of->bytes + at))->pid;
}

/* ---- blows ---- */

typedef struct place_t {
    size_t at, size, step;
    unsigned rows;
} place_t;

static place_t place_of(const fuzz_blow_t *blow)
{
    const pst_board_t *b = &g.of->geometry;
    const size_t block = b->header_size + (size_t)(blow->block % b->child_count) * b->child_size;
    const size_t history = b->history_at + (size_t)(blow->block % b->child_count) * b->history_size;
    const size_t fine = history + PST_HISTORY_HEAD, point = sizeof(pst_shared_point_t);

    switch (blow->place % PLACES) {
    case HEADER: return (place_t){ 0, sizeof(pst_shared_header_t), 0, 1 };
    case DESCRIPTOR: return (place_t){ PST_ALIGN_UP(sizeof(pst_shared_header_t), 64), sizeof(pst_shared_descriptor_t),
                                       sizeof(pst_shared_descriptor_t), 100 };
#define FROM_HEADER 0
#define FROM_BLOCK  block
#define PST_TABLE(from, name, size, count, rows) \
    case TABLE_##name: return (place_t){ FROM_##from + b->name##_at, sizeof(pst_shared_##name##_t), \
                                         sizeof(pst_shared_##name##_t), rows };
#include "pst_board_tables.def"
    case SLOT: return (place_t){ block + PST_CHILD_HEAD, sizeof(pst_shared_slot_t), sizeof(pst_shared_slot_t), b->slot_count };
    case KEPT: return (place_t){ b->urls_at + offsetof(pst_shared_urls_t, rows), sizeof(pst_shared_url_t), sizeof(pst_shared_url_t),
                                 PST_URL_KEPT_COUNT };
    case ANYWHERE: return (place_t){ 0, g.of->size, 0, 1 };
    case HISTORY: if (b->history_size) { return (place_t){ history, sizeof(pst_shared_history_t), 0, 1 }; } break;
    case FINE: if (b->history_size) { return (place_t){ fine, point, point, b->fine_count + 1 }; } break;
    case COARSE: if (b->history_size) { return (place_t){ fine + (b->fine_count + 1) * point, point, point, b->coarse_count + 1 }; } break;
    default: break;
    }
    return (place_t){ block, sizeof(pst_shared_child_t), 0, 1 };
}

static void put(size_t at, const void *bytes, size_t length)
{
    if (at >= g.of->size || g.touched_count == sizeof(g.touched) / sizeof(g.touched[0])) {
        return;
    }
    length = length < g.of->size - at ? length : g.of->size - at;
    memmove(g.of->copy + at, bytes, length);
    g.touched[g.touched_count].at = at;
    g.touched[g.touched_count++].length = length;
    if (pwrite(g.of->fd, g.of->copy + at, length, (off_t)at) != (ssize_t)length) {
        end("cannot write", "a board");
    }
}

/* Numbers and texts that have broken programs before. */
static const uint64_t numbers[] = {
    0, 1, 2, 3, 7, 255, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000u, 0xffffffffu, 0x7fffffffffffffffu,
    0x8000000000000000u, 0xffffffffffffffffu, 0x100000000u, 0x7ffffffffffff000u, 0xffff000000000000u, 1u << 22
};
static const char *const texts[] = {
    "\033[2J\033]0;x\007", "\xc2\x9b\x33\x31m", "\r\n\b\x7f", "\xe2\x80\xae", "\xff\xfe", "%s%n%d", "<zz>\"'&<zz>", "{{value}}",
    "\xf0\x9f\x98", "\xe2\x80\x8b\xe2\x81\xa0", "\xf3\xa0\x81\x81", "\\\"\\u0000", "</script><zz>"
};

static void strike(const fuzz_blow_t *blow)
{
    const place_t place = place_of(blow);
    size_t at = place.at + place.step * (blow->row % place.rows), size = place.step ? place.step : place.size;
    /* offsets are of 64 KB at most: a whole board is reached by its blocks */
    size_t to = at + (blow->place % PLACES == ANYWHERE ? ((size_t)blow->row << 16 | blow->offset) % size : blow->offset % size);
    size_t left = place.at + size > g.of->size ? 0 : size, length = blow->length & 0xfff;
    uint8_t bytes[4096];
    uint64_t number = blow->value;

    switch ((blow->how & 0x3f) % HOWS) {
    case SET_64: put(to / 8 * 8, &number, 8); break;
    case SET_32: put(to / 4 * 4, &number, 4); break;
    case SET_16: put(to / 2 * 2, &number, 2); break;
    case SET_8: put(to, &number, 1); break;
    case ADD:
        memcpy(&number, g.of->copy + to / 8 * 8 % (g.of->size - 7), 8);
        number += blow->value;
        put(to / 8 * 8, &number, 8);
        break;
    case FILL:
        memset(bytes, (int)(number & 0xff), sizeof(bytes));
        put(to, bytes, length);
        break;
    case REPEAT:
        for (size_t i = 0; i < sizeof(bytes); i += 8) {
            memcpy(bytes + i, &number, 8);
        }
        put(to, bytes, length);
        break;
    case COPY_NEXT:
        left = left < sizeof(bytes) ? left : sizeof(bytes);
        if (at + size + left <= g.of->size) {
            put(at, g.of->copy + at + size, left);
        }
        break;
    case CLEAR:
        memset(bytes, 0, sizeof(bytes));
        put(at, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
        break;
    case NASTY_64: put(to / 8 * 8, &numbers[number % (sizeof(numbers) / sizeof(numbers[0]))], 8); break;
    case NASTY_32: put(to / 4 * 4, &numbers[number % (sizeof(numbers) / sizeof(numbers[0]))], 4); break;
    case NASTY_TEXT: {
        const char *text = texts[number % (sizeof(texts) / sizeof(texts[0]))];

        put(to, text, strlen(text) + (number >> 63));
        break;
    }
    default:                    /* many figures of a struct at once */
        for (size_t i = 0; i < sizeof(bytes); i += 8) {
            memcpy(bytes + i, &numbers[(number + i * (1 + (number >> 32) % 7)) % (sizeof(numbers) / sizeof(numbers[0]))], 8);
        }
        put(to / 8 * 8, bytes, length);
        break;
    }
}

apr_status_t fuzz_board_open(pst_board_t *board, const fuzz_input_t *input)
{
    apr_status_t rv;

    g.of = &g.boards[input->head.board % g.count];
    g.input = NULL;
    for (unsigned i = 0; i < input->count; i++) {
        if (!(input->blows[i].how & (FUZZ_LATE | FUZZ_RACING))) {
            strike(&input->blows[i]);
        }
    }
    rv = pst_board_open_file(board, dup(g.of->fd));
    if (rv == APR_SUCCESS) {
        munmap(board->base, board->size);
        board->base = g.of->copy;
        if (board->size != g.of->size) {
            end("a board that grew was opened:", g.of->path);
        }
    }
    return rv;
}

void fuzz_board_late(const fuzz_input_t *input)
{
    for (unsigned i = 0; i < input->count; i++) {
        if ((input->blows[i].how & (FUZZ_LATE | FUZZ_RACING)) == FUZZ_LATE) {
            strike(&input->blows[i]);
        }
    }
    g.ticks = 0;
    g.input = input;
}

void fuzz_board_tick(void)
{
    if (!g.input) {
        return;
    }
    for (unsigned i = 0; i < g.input->count; i++) {
        const fuzz_blow_t *blow = &g.input->blows[i];

        if ((blow->how & FUZZ_RACING) && blow->length >> 12 == g.ticks) {
            strike(blow);
        }
    }
    g.ticks++;
}

void fuzz_board_close(pst_board_t *board)
{
    g.input = NULL;
    while (g.touched_count) {
        size_t at = g.touched[--g.touched_count].at, length = g.touched[g.touched_count].length;

        memcpy(g.of->copy + at, g.of->bytes + at, length);
        if (pwrite(g.of->fd, g.of->copy + at, length, (off_t)at) != (ssize_t)length) {
            end("cannot write", "a board");
        }
    }
    if (board && board->base) {
        board->base = NULL;
        close(board->fd);
        board->fd = -1;
    }
}
