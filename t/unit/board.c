/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the board's protocol.  What is made, what is refused; claims that race;
 * a writer and readers that race; writers that die in mid-write; lies in every field.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_history.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static apr_pool_t *pool;
static char path[256], other[300];
static const pst_board_about_t about = { "Apache/2.4.0 (Unit)", "mod_poolstat/unit", "event", 1, 50 };

static apr_status_t create(pst_board_t *board, apr_uint32_t children, apr_uint32_t slots)
{
    return pst_board_create(board, path, children, slots, &about, pool);
}

static apr_off_t file_size(const char *name)
{
    struct stat st;

    return lstat(name, &st) == 0 ? st.st_size : -1;
}

/* ---- making ------------------------------------------------------------- */

static void refused_geometry(apr_uint32_t children, apr_uint32_t slots)
{
    pst_board_t board;

    unlink(path);
    is_number((unsigned)create(&board, children, slots), APR_EINVAL,
              apr_psprintf(pool, "%u blocks of %u slots are refused", children, slots));
    ok(file_size(path) == -1 && board.fd == -1 && !board.base, "and nothing is left of the attempt");
}

static void places(pst_board_t *board)
{
    char *end = (char *)board->base + board->size;
    int aligned = 1, apart_from = 1;

    for (apr_uint32_t i = 0; i < board->child_count; i++) {
        pst_shared_child_t *child = pst_board_child(board, i);
        char *next = (char *)child + board->child_size;

        aligned &= ((char *)child - (char *)board->base) % PST_BOARD_ALIGN == 0;
        apart_from &= (char *)pst_board_slot(board, child, 0) >= (char *)(child + 1)
                      && (char *)(pst_board_slot(board, child, board->slot_count - 1) + 1) <= next;
    }
    ok(aligned, "blocks begin on pages");
    ok(apart_from, "slots lie behind their block's head and before the next block");
    ok((char *)pst_board_history(board, 0) == (char *)board->base + board->history_at
       && (char *)pst_board_history(board, board->child_count - 1) + board->history_size == end
       && board->history_at >= board->header_size + (apr_uint64_t)board->child_size * board->child_count
       && board->history_at % PST_BOARD_ALIGN == 0, "histories lie behind all blocks and fill the rest");
    ok((char *)pst_board_child(board, 0) == (char *)board->base + board->header_size
       && board->header_size >= sizeof(pst_shared_header_t), "block 0 lies behind the header");
}

/* A consistent header with more blocks than anybody has: its reader would loop over gigabytes. */
static void too_large(void)
{
    const pst_board_about_t plain = { .server = "s", .module = "m", .mpm = "event", .interval = 1 };
    pst_shared_header_t *header;
    pst_board_t board, again;

    is_number((unsigned)pst_board_create(&board, path, 1000, 4000, &plain, pool), APR_SUCCESS, "a large board");
    header = pst_board_header(&board);
    header->child_count = 4000;
    header->history_at = board.header_size + (apr_uint64_t)board.child_size * 4000;
    is_number((unsigned)ftruncate(board.fd, (off_t)header->history_at), 0, "is made four times as large");
    is_number((unsigned)open_board(&again, path), APR_EMISMATCH, "and is none then");
    pst_board_close(&board);
    unlink(path);
}

static void making(void)
{
    static const char treasure[] = "treasure";
    char back[sizeof(treasure)] = "";
    pst_board_t board;
    struct stat st;
    int fd;

    too_large();
    refused_geometry(0, 1);
    refused_geometry(1, 0);
    refused_geometry(65537, 1);
    refused_geometry(1, 65537);
    refused_geometry(0xffffffff, 0xffffffff);
    refused_geometry(65536, 65536);
    refused_geometry(4000, 4000);
    is_number((unsigned)create(&board, 40002, 104), APR_SUCCESS, "what the largest httpd has is not: ServerLimit 20000, twice, of 104 slots");
    pst_board_close(&board);
    unlink(path);
    fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ok(fd >= 0 && write(fd, treasure, sizeof(treasure)) > 0 && close(fd) == 0 && symlink(other, path) == 0,
       "a link lies where the board shall be");
    is_number((unsigned)create(&board, 3, 5), APR_SUCCESS, "made");
    ok(lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600, "a file for its owner alone");
    fd = open(other, O_RDONLY);
    ok(fd >= 0 && read(fd, back, sizeof(back)) > 0 && !strcmp(back, treasure), "the link was not followed");
    close(fd);
    unlink(other);
    is_number((unsigned long long)file_size(path), board.size, "as long as the board");
    ok(file_size(apr_psprintf(pool, "%s.%ld.new", path, (long)getpid())) == -1, "no other file is left");
    places(&board);
    ok(pst_board_intact(&board), "intact");
    is_text(pst_board_header(&board)->server, about.server, "it says whose it is");
    is_number(pst_board_header(&board)->parent, (unsigned)getpid(), "and who made it");
    pst_board_close(&board);
    ok(!board.base && board.fd == -1, "closed");
    pst_board_close(&board);
    is_number((unsigned)pst_board_create(&board, "/nowhere/at/all/board", 1, 1, &about, pool), ENOENT,
              "no folder: the system's error");
}

/* ---- opening ------------------------------------------------------------ */

static char *image;
static apr_size_t image_size;

static void put(const void *bytes, apr_size_t size)
{
    int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || (size && write(fd, bytes, size) != (ssize_t)size) || close(fd) != 0) {
        printf("Bail out! cannot write %s\n", other);
        exit(1);
    }
}

static apr_status_t opened(const void *bytes, apr_size_t size)
{
    pst_board_t board;
    apr_status_t rv;

    put(bytes, size);
    rv = open_board(&board, other);
    if (rv != APR_SUCCESS && (board.base || board.fd != -1)) {
        return -1;
    }
    pst_board_close(&board);
    return rv;
}

static int read_histories(const pst_board_t *board)
{
    pst_history_t history;

    pst_history_room(&history, board, pool);
    for (apr_uint32_t i = 0; i < board->child_count; i++) {
        if (pst_history_about(&history.about, board, i)) {
            pst_history_read(&history, board);
        }
    }
    return 1;
}

/* Read all of a board whose file holds these bytes. @return 0 refused, 1 read, 2 beyond the file */
static int look_at_all(void *size)
{
    pst_shared_slot_t slot;
    pst_board_t board;

    if (open_board(&board, other) != APR_SUCCESS) {
        return 0;
    }
    if (board.size > *(apr_size_t *)size) {
        return 2;
    }
    for (apr_uint32_t i = 0; i < board.child_count; i++) {
        pst_shared_child_t *child = pst_board_child(&board, i);

        for (apr_uint32_t s = 0; s < board.slot_count; s++) {
            const pst_shared_slot_t *at = pst_board_slot(&board, child, s);

            if ((const char *)(at + 1) > (char *)child + board.child_size) {
                return 2;
            }
            pst_slot_copy(&slot, at);
        }
    }
#define END_OF(name, rows) ((apr_size_t)board.name##_at + (rows) * sizeof(pst_shared_##name##_t))
#define ROOM_HEADER board.header_size
#define ROOM_BLOCK  board.child_size
#define PST_TABLE(place, name, size, count, rows) if (END_OF(name, rows) > ROOM_##place) { return 2; }
#include "pst_board_tables.def"
    return read_histories(&board) ? 1 : 3;
}

/* The padding of a history has room for another number; everything else follows from the rest. */
static int may_open(const pst_shared_header_t *was, const pst_shared_header_t *now)
{
    pst_shared_header_t same = *now;

    same.interval = was->interval;
    same.fine_count = was->fine_count;
    return !memcmp(&same, was, sizeof(same)) && now->fine_count && now->interval >= 1 && now->interval <= 3600
           && PST_ALIGN_UP(PST_HISTORY_HEAD + ((apr_uint64_t)now->fine_count + now->coarse_count + 2)
                                                  * sizeof(pst_shared_point_t), PST_BOARD_ALIGN) == was->history_size;
}

static int wrong_answers(pst_shared_header_t *header, const pst_shared_header_t *was)
{
    apr_status_t rv;

    if (memcmp(header, was, sizeof(*was)) == 0) {
        return 0;
    }
    rv = opened(image, image_size);
    if (may_open(was, header) ? rv != APR_SUCCESS || apart(look_at_all, &image_size) != 1
                              : rv != APR_EMISMATCH && rv != APR_EINCOMPLETE) {
        printf("# status %d for a header with %u %u %u %u %u %u %u, %u %u %u %u\n", rv, header->version,
               header->header_size, header->child_size, header->child_count, header->child_head, header->slot_size,
               header->slot_count, header->history_size, header->fine_count, header->coarse_count, header->interval);
        return 1;
    }
    return 0;
}

static void lies(void)
{
    static const struct { const char *name; apr_size_t at; } fields[] = {
#define FIELD(name) { #name, offsetof(pst_shared_header_t, name) }
        FIELD(magic), FIELD(version), FIELD(header_size), FIELD(child_size), FIELD(child_count), FIELD(child_head),
        FIELD(slot_size), FIELD(slot_count), FIELD(history_at), FIELD(history_size), FIELD(point_size),
        FIELD(fine_count), FIELD(coarse_count), FIELD(interval),
#define NO_FIELD { NULL, 0 }
#define PST_TABLE(place, name, size, count, rows) FIELD(name##_at), size, count,
#include "pst_board_tables.def"
    };
    static const apr_uint32_t values[] = { 0, 1, 4095, 4096, 65535, 65536, 65537, 0x7fffffff, 0x80000000, 0xffffffff };
    pst_shared_header_t was, *header = (pst_shared_header_t *)(void *)image;
    tally_t wrong;

    memcpy(&was, header, sizeof(was));
    for (unsigned f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
        if (!fields[f].name) {
            continue;
        }
        uint32_t *field = (uint32_t *)(void *)(image + fields[f].at), right = *field;

        wrong = (tally_t){ 0, 0 };
        for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            *field = values[v];
            tally(&wrong, wrong_answers(header, &was), v);
            *field = right + values[v];
            tally(&wrong, wrong_answers(header, &was), v);
            *field = right - values[v];
            tally(&wrong, wrong_answers(header, &was), v);
        }
        *field = right;
        none_wrong(&wrong, apr_psprintf(pool, "a header that lies in %s is refused, or harmless", fields[f].name));
    }
    header->child_count = was.child_count + 1;
    header->history_at += header->child_size;
    is_number((unsigned)opened(image, image_size), APR_EINCOMPLETE, "more blocks than the file holds");
    *header = was;
    header->child_count = 65536;
    header->history_at = header->header_size + (apr_uint64_t)65536 * header->child_size;
    is_number((unsigned)opened(image, image_size), APR_EINCOMPLETE, "many more");
    *header = was;
    header->version++;
    is_number((unsigned)opened(image, image_size), APR_EMISMATCH, "another version");
    header->version--;
    header->descriptor_at = header->descriptor_count = header->parent = 0xffffffff;
    memset(header->server, 0xff, sizeof(header->server) + sizeof(header->module) + sizeof(header->mpm));
    put(image, image_size);
    is_number((unsigned)apart(look_at_all, &image_size), 1, "what is no geometry may be anything");
    *header = was;
}

/* One of the header's numbers that describe the geometry. */
static unsigned any_number(void)
{
    return rand() % 2 ? 3 + (unsigned)rand() % 6
                      : offsetof(pst_shared_header_t, history_at) / sizeof(uint32_t) + (unsigned)rand() % 7;
}

static void noise(void)
{
    pst_shared_header_t was;
    tally_t wrong = { 0, 0 };
    char *bytes = malloc(image_size);

    memcpy(&was, image, sizeof(was));
    srand(7);
    for (int round = 0; round < 200; round++) {
        apr_size_t size = (apr_size_t)rand() % image_size;

        for (apr_size_t i = 0; i < size; i++) {
            bytes[i] = (char)rand();
        }
        tally(&wrong, opened(bytes, size) != APR_EMISMATCH, (unsigned)round);
    }
    none_wrong(&wrong, "random files are no boards");
    memcpy(bytes, image, image_size);
    wrong = (tally_t){ 0, 0 };
    for (int round = 0; round < 300; round++) {
        uint32_t *header = (uint32_t *)(void *)bytes;

        memcpy(bytes, &was, sizeof(was));
        header[any_number()] = (uint32_t)rand() >> rand() % 31;
        header[any_number()] += (uint32_t)(rand() % 5) - 2;
        header[any_number()] += (uint32_t)(rand() % 5) - 2;
        put(bytes, image_size);
        tally(&wrong, apart(look_at_all, &image_size) > 1, (unsigned)round);
    }
    none_wrong(&wrong, "whatever is opened lies in its file");
    free(bytes);
}

static int open_fifo(void *unused)
{
    pst_board_t board;

    (void)unused;
    alarm(3);
    return open_board(&board, other) == APR_SUCCESS ? 1 : 0;
}

static int write_to_opened(void *unused)
{
    pst_board_t board;

    (void)unused;
    signal(SIGSEGV, SIG_DFL);
    if (open_board(&board, path) == APR_SUCCESS) {
        pst_board_header(&board)->parent = 1;
    }
    return 0;
}

static void opening(void)
{
    pst_board_t board, reader;
    static const apr_size_t none[] = { 0, 1, 7, 8, 9, 40, sizeof(pst_shared_header_t) - 1 };
    tally_t wrong = { 0, 0 };
    unsigned i;

    create(&board, 3, 5);
    image_size = board.size;
    image = malloc(image_size);
    memcpy(image, board.base, image_size);
    is_number((unsigned)open_board(&reader, path), APR_SUCCESS, "opened");
    ok(reader.size == board.size && reader.child_count == 3 && reader.slot_count == 5
       && reader.child_size == board.child_size && reader.header_size == board.header_size, "as it was made");
    pst_board_child(&board, 2)->held_bytes = 12345;
    is_number(pst_board_child(&reader, 2)->held_bytes, 12345, "a reader sees what is written");
    pst_board_close(&reader);
    is_number((unsigned)-apart(write_to_opened, NULL), SIGSEGV, "and cannot write itself");
    is_number((unsigned)open_board(&reader, "/nowhere/at/all/board"), ENOENT, "no file");
    is_number((unsigned)open_board(&reader, "/"), APR_EMISMATCH, "a folder");
    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        tally(&wrong, opened(image, none[i]) != APR_EMISMATCH, i);
    }
    none_wrong(&wrong, "less than a header is no board");
    is_number((unsigned)opened(image, sizeof(pst_shared_header_t)), APR_EINCOMPLETE, "a header alone");
    is_number((unsigned)opened(image, image_size - 1), APR_EINCOMPLETE, "a byte is missing");
    is_number((unsigned)opened(image, image_size), APR_SUCCESS, "all of it");
    lies();
    noise();
    unlink(other);
    ok(mkfifo(other, 0600) == 0 && apart(open_fifo, NULL) == 0, "a pipe is no board, and does not hold the reader up");
    unlink(other);
    free(image);
    pst_board_close(&board);
}

static void intact(void)
{
    pst_board_t board;
    pst_shared_header_t was, *header;
    uint32_t *fields;
    unsigned missed = 0;

    create(&board, 3, 5);
    header = pst_board_header(&board);
    fields = (uint32_t *)(void *)header;
    was = *header;
    for (unsigned i = 0; i < offsetof(pst_shared_header_t, interval) / sizeof(uint32_t); i++) {
        apr_size_t at = i * sizeof(uint32_t);

        if (at == offsetof(pst_shared_header_t, child_head) || at == offsetof(pst_shared_header_t, slot_size)
            || (at >= offsetof(pst_shared_header_t, descriptor_at) && at < offsetof(pst_shared_header_t, history_size))
            || at == offsetof(pst_shared_header_t, point_size) || at == offsetof(pst_shared_header_t, coarse_count)) {
            continue;       /* constants of the version, or not part of the geometry */
        }
        for (unsigned bit = 0; bit < 32; bit++) {
            fields[i] ^= 1u << bit;
            missed += pst_board_intact(&board) != 0;
            fields[i] ^= 1u << bit;
        }
    }
    is_number(missed, 0, "every bit of magic, version and geometry matters");
    memset(header, 0, sizeof(*header));
    ok(!pst_board_intact(&board), "zeros are not intact");
    *header = was;
    ok(pst_board_intact(&board), "put back, it is again");
    pst_board_close(&board);
}

/* ---- claims ------------------------------------------------------------- */

static void claims(void)
{
    pst_shared_child_t *child[3], *again;
    pst_board_t board;
    unsigned dirty = 0;

    create(&board, 3, 5);
    for (apr_uint32_t i = 0; i < 3; i++) {
        child[i] = claim_block(&board, 100 + i, 7);
    }
    ok(child[0] && child[1] && child[2] && child[0] != child[1] && child[1] != child[2] && child[0] != child[2],
       "three blocks for three");
    ok(child[0]->owner == 100 && child[0]->generation == 7 && child[0]->ready == 1 && child[0]->started,
       "the head is filled in");
    ok(!claim_block(&board, 103, 7) && pst_board_header(&board)->homeless == 1,
       "the fourth is homeless, and counted");
    is_number((unsigned)release_blocks(&board, 0), 0, "nobody's blocks are not released");
    is_number((unsigned)release_blocks(&board, 99), 0, "a stranger owns nothing");
    ok(child[0]->owner == 100 && child[1]->owner == 101 && child[2]->owner == 102, "all as it was");
    memset((char *)child[1] + sizeof(child[1]->owner), 0xff, board.child_size - sizeof(child[1]->owner));
    child[1]->ended_how = PST_END_NONE;
    is_number((unsigned)release_blocks(&board, 101), 1, "released by pid");
    ok(child[1]->ended_how == PST_END_ABRUPT && child[1]->ended, "who said nothing ended abruptly");
    ok(child[0]->owner == 100 && child[1]->owner == 0 && child[2]->owner == 102, "its own and no other");
    again = claim_block(&board, 200, 8);
    ok(again == child[1] && again->owner == 200 && again->generation == 8, "the free one is found");
    ok(again->pid == 200 && again->ended_how == PST_END_NONE && !again->ended, "its new owner lives");
    again->owner = again->generation = again->ready = again->pid = 0;
    again->started = 0;
    for (apr_size_t i = 0; i < board.child_size; i++) {
        dirty += ((const char *)again)[i] != 0;
    }
    is_number(dirty, 0, "nothing is left of the one before, slots included");
    pst_board_farewell(child[0]);
    release_blocks(&board, 100);
    ok(child[0]->ended_how == PST_END_ORDERLY && child[0]->ended && child[0]->pid == 100,
       "who said goodbye ended orderly, and is remembered");
    claim_block(&board, 102, 1);
    is_number((unsigned)release_blocks(&board, 102), 2, "all blocks of a pid go at once");
    pst_board_close(&board);
}

/* The last ones to die are remembered longest. */
static void order_of_claims(void)
{
    pst_shared_child_t *child[3];
    pst_board_t board;

    create(&board, 3, 1);
    for (apr_uint32_t i = 0; i < 3; i++) {
        child[i] = claim_block(&board, 100 + i, 1);
    }
    release_blocks(&board, 101);
    release_blocks(&board, 100);
    release_blocks(&board, 102);
    child[0]->ended = 2000;
    child[1]->ended = 1000;
    child[2]->ended = 3000;
    ok(claim_block(&board, 200, 1) == child[1] && claim_block(&board, 201, 1) == child[0]
       && claim_block(&board, 202, 1) == child[2], "the block that was left longest ago is claimed first");
    release_blocks(&board, 201);
    child[0]->ended = 5000;
    release_blocks(&board, 200);
    child[1]->ended = 0;
    ok(claim_block(&board, 203, 1) == child[1], "one never used before all others");
    for (apr_uint32_t i = 0; i < 3; i++) {
        is_number((unsigned)pst_board_index(&board, child[i]), i, "a block knows its place");
    }
    ok(pst_board_index(&board, (void *)&board) == -1 && pst_board_index(&board, board.base) == -1
       && pst_board_index(&board, (void *)((char *)board.base + board.history_at)) == -1, "what is no block has none");
    pst_board_close(&board);
}

#define CLAIMERS 6
#define BLOCKS 64

typedef struct {
    unsigned go, claimed, spoiled;
} race_t;

static pst_board_t raced;
static race_t *race;

static void claimer(apr_uint32_t me, int churn)
{
    pst_shared_child_t *child;

    while (!__atomic_load_n(&race->go, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    while (churn-- > 0) {
        while ((child = claim_block(&raced, me, 1))) {
            __atomic_add_fetch(&race->claimed, 1, __ATOMIC_RELAXED);
            if (pst_add(&child->held_bytes, me) != me || child->owner != me) {
                __atomic_add_fetch(&race->spoiled, 1, __ATOMIC_RELAXED);
            }
            if (churn && rand() % 4 == 0) {
                release_blocks(&raced, me);
            }
        }
        if (churn) {
            release_blocks(&raced, me);
        }
    }
}

static void run_claimers(int churn)
{
    pid_t pids[CLAIMERS];

    fflush(stdout);
    memset(race, 0, sizeof(*race));
    for (apr_uint32_t i = 0; i < CLAIMERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            alarm(APART_SECONDS);
            srand(i);
            claimer(1000 + i, churn);
            _exit(0);
        }
    }
    __atomic_store_n(&race->go, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CLAIMERS; i++) {
        race->spoiled += apart_wait(pids[i]) != 0;
    }
}

static void racing_claims(void)
{
    unsigned total = 0, spoiled = 0;

    race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    create(&raced, BLOCKS, 2);
    for (int round = 0; round < 20; round++) {
        run_claimers(1);
        total += race->claimed;
        spoiled += race->spoiled;
        for (apr_uint32_t i = 0; i < CLAIMERS; i++) {
            release_blocks(&raced, 1000 + i);
        }
    }
    is_number(total, 20 * BLOCKS, "processes race for blocks: each goes to one");
    is_number(spoiled, 0, "and stays its own");
    run_claimers(30);
    ok(race->claimed > BLOCKS && race->spoiled == 0, "so too while they claim and release");
    munmap(race, sizeof(*race));
    pst_board_close(&raced);
}

/* ---- a writer and readers ----------------------------------------------- */

/* Texts, and everything else under the change counter, are a function of one number. */
static void write_moment(pst_shared_slot_t *slot, apr_uint64_t n)
{
    int length = (int)(n % (PST_LINE_LEN - 30));

    pst_slot_begin(slot);
    slot->id = n;
    snprintf(slot->client, sizeof(slot->client), "%" APR_UINT64_T_FMT, n);
    snprintf(slot->protocol, sizeof(slot->protocol), "%" APR_UINT64_T_FMT, n);
    snprintf(slot->vhost, sizeof(slot->vhost), "%" APR_UINT64_T_FMT, n);
    snprintf(slot->handler, sizeof(slot->handler), "%" APR_UINT64_T_FMT, n);
    memset(slot->line, 'a' + (int)(n % 26), (size_t)length);
    snprintf(slot->line + length, sizeof(slot->line) - (size_t)length, "%" APR_UINT64_T_FMT, n);
    slot->opened = n;
    pst_slot_end(slot);
}

static int of_one_moment(const pst_shared_slot_t *slot)
{
    size_t length = slot->id % (PST_LINE_LEN - 30);
    char n[24];

    snprintf(n, sizeof(n), "%" APR_UINT64_T_FMT, (apr_uint64_t)slot->id);
    for (size_t i = 0; i < length; i++) {
        if (slot->line[i] != (char)('a' + (int)(slot->id % 26))) {
            return 0;
        }
    }
    return slot->opened == slot->id && !strcmp(slot->client, n) && !strcmp(slot->protocol, n) && !strcmp(slot->vhost, n)
           && !strcmp(slot->handler, n) && !strcmp(slot->line + length, n);
}

static int is_emptied(const pst_shared_slot_t *slot)
{
    return !slot->client[0] && !slot->protocol[0] && !slot->vhost[0] && !slot->handler[0] && !slot->line[0];
}

static pst_shared_slot_t *written;
static int stop;
static unsigned long writes, good, given_up, torn;

static void *writer(void *unused)
{
    unsigned long n = 1;

    (void)unused;
    for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++) {
        write_moment(written, n * 0x9e3779b97f4a7c15u >> 20);
        __atomic_store_n(&writes, n, __ATOMIC_RELAXED);
        if (n % 16 == 0) {
            for (volatile int pause = 0; pause < 2000; pause++) {
            }
        }
    }
    return NULL;
}

static void *reader(void *unused)
{
    pst_shared_slot_t slot;

    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        if (pst_slot_copy(&slot, written)) {
            __atomic_add_fetch(&good, 1, __ATOMIC_RELAXED);
            __atomic_add_fetch(&torn, !of_one_moment(&slot), __ATOMIC_RELAXED);
        }
        else {
            __atomic_add_fetch(&given_up, 1, __ATOMIC_RELAXED);
            __atomic_add_fetch(&torn, !is_emptied(&slot), __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void racing_readers(pst_board_t *board)
{
    pthread_t threads[4];
    const struct timespec a_second = { 1, 0 };

    written = pst_board_slot(board, pst_board_child(board, 0), 0);
    write_moment(written, 1);
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, i ? reader : writer, NULL);
    }
    /* a second, and on a busy machine until each had a turn */
    for (int seconds = 0; seconds < 60 && (!seconds || __atomic_load_n(&writes, __ATOMIC_RELAXED) <= 1000
                                           || __atomic_load_n(&good, __ATOMIC_RELAXED) <= 1000); seconds++) {
        nanosleep(&a_second, NULL);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("# %lu writes, %lu good copies, %lu given up\n", writes, good, given_up);
    ok(writes > 1000 && good > 1000, "a writer and three readers were busy with one slot");
    is_number(torn, 0, "every copy called good is of one moment, every other has no texts");
}

static int die_writing(void *slot)
{
    pst_shared_slot_t *s = slot;

    pst_slot_begin(s);
    s->in_use = 1;
    pst_store(&s->usage.reserved_bytes, 123456);
    strcpy(s->line, "half a li");
    raise(SIGKILL);
    return 0;
}

static int write_for_ever(void *slot)
{
    for (apr_uint64_t n = 1; ; n++) {
        write_moment(slot, n);
    }
    return 0;
}

static void dying_writers(pst_board_t *board)
{
    pst_shared_slot_t *slot = pst_board_slot(board, pst_board_child(board, 0), 1), copy;
    tally_t wrong = { 0, 0 };
    unsigned halves = 0;

    write_moment(slot, 41);
    is_number((unsigned)-apart(die_writing, slot), SIGKILL, "a writer is killed in mid-write");
    is_number((unsigned)pst_slot_copy(&copy, slot), 0, "its texts are not called good");
    ok(is_emptied(&copy), "and not shown");
    ok(copy.in_use == 1 && copy.usage.reserved_bytes == 123456, "its figures are");
    pst_slot_begin(slot);
    ok(!pst_slot_copy(&copy, slot) && is_emptied(&copy), "while the next writer is at it, they are not good either");
    pst_slot_end(slot);
    write_moment(slot, 42);
    ok(pst_slot_copy(&copy, slot) == 1 && of_one_moment(&copy) && copy.id == 42, "the next writer heals the slot");
    for (int round = 0; round < 60; round++) {
        const struct timespec a_moment = { 0, 200000 + rand() % 1000000 };
        pid_t pid = fork();

        if (pid == 0) {
            _exit(write_for_ever(slot));
        }
        nanosleep(&a_moment, NULL);
        kill(pid, SIGKILL);
        apart_wait(pid);
        if (pst_slot_copy(&copy, slot)) {
            tally(&wrong, !of_one_moment(&copy), (unsigned)round);
        }
        else {
            halves++;
            tally(&wrong, !is_emptied(&copy), (unsigned)round);
        }
        write_moment(slot, 1000 + (apr_uint64_t)round);
        tally(&wrong, !pst_slot_copy(&copy, slot) || !of_one_moment(&copy) || copy.id != 1000 + (apr_uint64_t)round,
              (unsigned)round);
    }
    printf("# %u of 60 died in mid-write\n", halves);
    none_wrong(&wrong, "killed at any moment, they do no harm");
}

/* ---- lies in a slot ------------------------------------------------------ */

static void hostile(pst_board_t *board)
{
    pst_shared_slot_t *slot = pst_board_slot(board, pst_board_child(board, 0), 2), copy;
    tally_t wrong = { 0, 0 };

    memset(slot, 0xff, sizeof(*slot));
    ok(!pst_slot_copy(&copy, slot) && is_emptied(&copy), "all ones: no texts");
    slot->seq = 0xfffffffe;
    is_number((unsigned)pst_slot_copy(&copy, slot), 1, "an even counter is as good as any");
    ok(strlen(copy.client) == PST_CLIENT_LEN - 1 && strlen(copy.protocol) == PST_PROTOCOL_LEN - 1
       && strlen(copy.vhost) == PST_VHOST_LEN - 1 && strlen(copy.handler) == PST_HANDLER_LEN - 1
       && strlen(copy.line) == PST_LINE_LEN - 1, "every text ends within its field");
    write_moment(slot, 5);
    ok(slot->seq == 0 && pst_slot_copy(&copy, slot) == 1 && of_one_moment(&copy), "the counter may wrap");
    for (int value = 0; value < 256; value++) {
        slot->in_use = slot->kind = slot->state = slot->has_request = (uint8_t)value;
        pst_slot_copy(&copy, slot);
        tally(&wrong, copy.in_use != (value == 1) || copy.has_request != (value < PST_REQUEST_COUNT ? value : 0)
                 || copy.kind != (value < PST_KIND_COUNT ? value : 0)
                 || copy.state != (value < PST_STATE_COUNT ? value : 0), (unsigned)value);
    }
    none_wrong(&wrong, "flags are 0 or 1, kind, state and whose request are in range, whatever stands there");
}

int main(void)
{
    const char *dir = NULL;
    pst_board_t board;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    apr_temp_dir_get(&dir, pool);
    snprintf(path, sizeof(path), "%s/poolstat-unit-%ld.protocol", dir ? dir : ".", (long)getpid());
    snprintf(other, sizeof(other), "%s.other", path);
    making();
    opening();
    intact();
    claims();
    order_of_claims();
    racing_claims();
    create(&board, 1, 4);
    racing_readers(&board);
    dying_writers(&board);
    hostile(&board);
    pst_board_close(&board);
    unlink(path);
    apr_terminate();
    return done();
}
