/* SPDX-License-Identifier: Apache-2.0
 *
 * The command against boards that somebody spoiled: thousands of them, read by every subcommand.
 * None crashes it, none hangs it, and it prints nothing that controls a terminal.
 *
 *     build/unit/command [SEED [BOARDS]]
 */
#include "poolstat.h"
#include "apart.h"
#include "poolstat_foreign.h"
#include "poolstat_look.h"
#include "poolstat_top.h"
#include "pst_guard.h"
#include "pst_history.h"
#include "pst_view_profile.h"
#include "board_double.h"
#include "tap.h"

#include <apr_time.h>
#include <fcntl.h>
#include <ncurses.h>
#include <signal.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#define CHILDREN 3
#define SLOTS    6

static const char *const commands[] = { "", "json", "text", "metrics", "profile", "history", "doctor" };
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define IS(which, word) (!strcmp(commands[which], word))

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

static char path[512];
static char *whole;             /* a good board's bytes */
static size_t size, head;
static uint32_t pids[CHILDREN];

static void spice_child(pst_board_t *board, pst_shared_child_t *child, apr_uint32_t nth)
{
    pst_shared_class_t *class = pst_board_class(board, child, 1);
    pst_shared_site_t *site = pst_board_site(board, child, 1);
    pst_shared_large_t *large = pst_board_large(board, child, 0);
    pst_shared_sizes_t *sizes = pst_board_sizes(board, child, PST_SIZES_HANDLERS);

    class->in_use = 1;
    class->class_pools_created = 7;
    class->class_reserved_bytes = 65536;
    class->creator = PST_FRAME(1, 4096);
    strcpy(class->tag, "transaction");
    site->in_use = 1;
    site->depth = 3;
    site->of_class = 1;
    site->frames[0] = site->frames[1] = site->frames[2] = PST_FRAME(1, 8192);
    site->site_live_bytes = site->site_ever_bytes = 1 << 20;
    site->site_live_samples = site->site_ever_samples = 2;
    large->in_use = 1;
    large->peak_bytes = 1 << 22;
    strcpy(large->line, "GET /large HTTP/1.1");
    sizes->named = 1;
    sizes->requests[3] = 5;
    child->profile_rate = 524288;
    child->held_bytes = 1 << 21;
    child->child_reserved_bytes = 1 << 20;
    pst_history_start(board, child);
    for (int i = 0; i < 40; i++) {
        pst_history_beat(board, child, NOW + (apr_uint64_t)i * 1000000);
    }
    for (apr_uint32_t s = 0; s + 1 < SLOTS; s++) {
        add_connection(board, child, s, 20000 * (nth + 1), (int)(s % 3), "unit.example");
    }
}

/* Make a good board, and keep its bytes. */
static void make_whole(apr_pool_t *pool)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Unit)", .module = "mod_poolstat/unit", .mpm = "event",
                                      .interval = 1, .history = 60 };
    const char *dir = NULL;
    pst_board_t board;

    apr_temp_dir_get(&dir, pool);
    snprintf(path, sizeof(path), "%s/poolstat-command-%ld.board", dir ? dir : ".", (long)getpid());
    if (pst_board_create(&board, path, CHILDREN, SLOTS, &about, pool) != APR_SUCCESS) {
        printf("Bail out! no board at %s\n", path);
        exit(1);
    }
    pst_board_module_add(&board, 4711, "mod_unit.so", PST_CODE_MODULE);
    for (apr_uint32_t i = 0; i < CHILDREN; i++) {
        pids[i] = 100000 + i;
        spice_child(&board, add_child(&board, pids[i]), i);
    }
    release_blocks(&board, pids[CHILDREN - 1]);
    size = board.size;
    head = board.header_size;
    whole = malloc(size);
    memcpy(whole, board.base, size);
    pst_board_close(&board);
}

static void write_board(const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, length, 0) != (ssize_t)length) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
    close(fd);
}

/* A number that has broken a program before. */
static uint64_t nasty(void)
{
    static const uint64_t numbers[] = {
        0, 1, 2, 7, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000u, 0xffffffffu, 0x7fffffffffffffffu,
        0x8000000000000000u, 0xffffffffffffffffu, 0x100000000u, 0x1b5b324a1b5b324au
    };
    unsigned i = below(sizeof(numbers) / sizeof(numbers[0]) + 1);

    return i < sizeof(numbers) / sizeof(numbers[0]) ? numbers[i] : (uint64_t)below(0x7fffffff) << 32 | below(0x7fffffff);
}

/* Somewhere in a text that the command prints. */
static size_t place_of_text(void)
{
    static const size_t fields[] = {
        offsetof(pst_shared_slot_t, client), offsetof(pst_shared_slot_t, vhost), offsetof(pst_shared_slot_t, handler),
        offsetof(pst_shared_slot_t, line), offsetof(pst_shared_slot_t, protocol)
    };
    const pst_shared_header_t *header = (const void *)whole;

    return header->header_size + (size_t)below(CHILDREN) * header->child_size + header->child_head
           + below(SLOTS) * sizeof(pst_shared_slot_t) + fields[below(sizeof(fields) / sizeof(fields[0]))] + below(6);
}

/* @return how long the spoiled board is */
static size_t spoil(char *bytes)
{
    static const char *const texts[] = { "\033[2J\033]0;x\007", "\xc2\x9b" "31m", "\r\n\b\x7f", "\xe2\x80\xae", "\xff\xfe", "%s%n%d" };
    unsigned how = below(8), times = 1 + below(40);
    size_t length = size;

    memcpy(bytes, whole, size);
    for (unsigned i = 0; i < times; i++) {
        /* half of the changes hit the header, whose numbers control the reader */
        size_t at = below(2) ? below((uint32_t)head) : below((uint32_t)size);
        uint64_t number = nasty();

        switch (how) {
        case 0:
            bytes[at] = (char)below(256);
            break;
        case 1:
            memcpy(bytes + at / 8 * 8, &number, 8);
            break;
        case 2:
            memcpy(bytes + at / 4 * 4, &number, 4);
            break;
        case 3:                 /* only what follows the header */
            at = head + below((uint32_t)(size - head - 8));
            memcpy(bytes + at / 8 * 8, &number, 8);
            break;
        case 4: {
            const char *text = texts[below(sizeof(texts) / sizeof(texts[0]))];

            memcpy(bytes + place_of_text(), text, strlen(text));
            break;
        }
        case 5:
            at = head + at % (size - head);
            memset(bytes + at, (int)below(256), size - at < 4096 ? size - at : below(4096));
            break;
        case 6:
            length = below((uint32_t)size);
            break;
        default:                /* another version, whose numbers may be anything */
            ((pst_shared_header_t *)(void *)bytes)->version = PST_BOARD_VERSION + 1 + below(3);
            memcpy(bytes + 12 + 4 * (size_t)below(12), &number, 4);
            break;
        }
    }
    return length;
}

/* What a command printed, from a file in place of stdout. @return bytes that control a terminal */
static unsigned steering(int fd)
{
    static char text[1 << 16];
    off_t at = 0;
    ssize_t length;
    unsigned found = 0;
    int before = 0;

    while ((length = pread(fd, text, sizeof(text), at)) > 0) {
        for (ssize_t i = 0; i < length; i++) {
            unsigned char c = (unsigned char)text[i];

            found += (c < 0x20 && c != '\n') || c == 0x7f || (before == 0xc2 && c >= 0x80 && c < 0xa0);
            before = c;
        }
        at += length;
    }
    return found;
}

static unsigned steered, strange;
static int keep_out;            /* keep the output in out_path */
static char out_path[600];

/* Run a subcommand with stdout and stderr in a file. @return its status */
static int run(unsigned which, const char *more, const char *value)
{
    const char *argv[] = { commands[which], "--file", path, more, value, NULL };
    int out, saved_out, saved_err, status;

    snprintf(out_path, sizeof(out_path), "%s.out", path);
    fflush(stdout);
    fflush(stderr);
    saved_out = dup(1);
    saved_err = dup(2);
    out = open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    status = poolstat_run(more ? value ? 5 : 4 : 3, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    clearerr(stdout);
    steered += steering(out);
    close(out);
    if (!keep_out) {
        unlink(out_path);
    }
    strange += status < 0 || status > POOLSTAT_FAILED;
    return status;
}

static apr_status_t to_nowhere(void *baton, const char *data, apr_size_t length)
{
    (void)baton;
    (void)data;
    (void)length;
    return APR_SUCCESS;
}

/* The command makes no profile of a board whose server is gone; this does what it would do. */
static void view_profile(void)
{
    static pst_emit_t emit;
    pst_filter_t filter = { .kind = -1, .gone = 1 };
    pst_snapshot_t snapshot;
    pst_board_t board;
    apr_pool_t *pool;

    apr_pool_create(&pool, NULL);
    if (open_board(&board, path) == APR_SUCCESS) {
        pst_guard_set(&board);
        if (pst_snapshot_take(&snapshot, &board, &filter, NOW, pool) == APR_SUCCESS) {
            pst_emit_init(&emit, PST_EMIT_TEXT, to_nowhere, NULL);
            pst_view_profile(&emit, &snapshot, PST_PROFILE_ALL);
            pst_emit_flush(&emit);
        }
        pst_guard_unset();
        pst_board_close(&board);
    }
    apr_pool_destroy(pool);
}

static SCREEN *screen;

/* The three screens of top, and the texts over them, at any size. */
static void draw_top(void)
{
    static top_t top;
    poolstat_options_t options = { .command = "top", .file = path, .filter = { .kind = -1 }, .interval = 1000000 };
    int status;

    memset(&top, 0, sizeof(top));
    top.utf8 = (int)below(2);
    poolstat_say_to(top.message, sizeof(top.message));
    apr_pool_create(&top.drawing, NULL);
    status = poolstat_session_open(&top.session, &options);
    if (status < 0 && poolstat_session_examine(&top.session) < 0) {
        const pst_snapshot_t *snapshot = &top.session.snapshot;

        resizeterm(1 + (int)below(60), 1 + (int)below(200));
        for (int i = TOP_CHILDREN; i <= TOP_CONNECTION; i++) {
            top.screen = (top_screen_e)i;
            if (snapshot->child_count) {
                const pst_child_row_t *child = &snapshot->children[below(snapshot->child_count)];

                top.pid = child->head.owner;
                top.started = child->head.started;
                top.id = child->shown ? snapshot->rows[child->first]->slot.id : 0;
            }
            top_draw(&top);
        }
        for (int i = TOP_HELP; i <= TOP_FINDINGS; i++) {
            top.text = (top_text_e)i;
            top.page = 1 + below(3);
            top_draw(&top);
        }
    }
    poolstat_session_close(&top.session);
    apr_pool_destroy(top.drawing);
    poolstat_say_to(NULL, 0);
}

static void test_spoiled(unsigned boards)
{
    char *bytes = malloc(size);
    unsigned statuses[POOLSTAT_FAILED + 1] = { 0 };

    for (unsigned i = 0; i < boards; i++) {
        unsigned which = i % (COMMANDS + 1);
        int with_pid;

        write_board(bytes, spoil(bytes));
        alarm(30);              /* an endless loop is a failure, too */
        if (which == COMMANDS) {
            draw_top();
            continue;
        }
        if (IS(which, "profile")) {
            view_profile();
        }
        with_pid = IS(which, "history") && below(4);
        statuses[run(which, with_pid ? "--pid" : NULL, with_pid ? "100000" : NULL) & 7]++;
    }
    alarm(0);
    free(bytes);
    printf("# statuses:");
    for (unsigned i = 0; i <= POOLSTAT_FAILED; i++) {
        printf(" %u: %u", i, statuses[i]);
    }
    printf("\n");
    ok(statuses[POOLSTAT_OK] + statuses[POOLSTAT_FOUND] > boards / 8, "many spoiled boards were read");
    ok(statuses[POOLSTAT_DAMAGED] > boards / 50, "many were refused");
    is_number(strange, 0, "each ended with a status that the manual has");
    is_number(steered, 0, "nothing that steers a terminal came out");
}

/* Another process keeps cutting the file and restoring it. */
static void test_cut_under(unsigned times)
{
    pid_t cutter, parent;
    int status = 0;
    unsigned fine = 0;

    write_board(whole, size);
    parent = getpid();
    cutter = fork();
    if (cutter == 0) {
        while (getppid() == parent) {
            int fd = open(path, O_WRONLY);

            if (ftruncate(fd, below(2) ? 0 : below((uint32_t)size)) == 0) {
                usleep(below(300));
            }
            write_board(whole, size);
            close(fd);
            usleep(below(20000));     /* time for reading it */
        }
        _exit(0);
    }
    /* on a loaded machine it may take longer until one read meets an intact file */
    for (unsigned i = 0; i < times || (!fine && i < 50 * times); i++) {
        alarm(30);
        if (i % 4 == 3) {
            draw_top();
            continue;
        }
        fine += run(below(COMMANDS), NULL, NULL) <= POOLSTAT_FOUND;
    }
    alarm(0);
    kill(cutter, SIGKILL);
    waitpid(cutter, &status, 0);
    printf("# %u of %u were read\n", fine, times);
    ok(fine > 0, "boards that are cut while they are read are survived");
    is_number(steered, 0, "and print nothing strange");
    write_board(whole, size);
}

/* ---- cut at any moment of a read ---- */

static off_t cut_to;

static void cut_now(int signal)
{
    (void)signal;
    if (truncate(path, cut_to) == 0) {
        alarm(30);
    }
}

/* Everything that a run printed; the figures of a dead server's board are the same each time. */
static size_t printed(unsigned which, const char *pid, char *to, size_t room, int *status, double *took)
{
    apr_time_t began = apr_time_now();
    int fd;
    ssize_t length;

    keep_out = 1;
    *status = run(which, pid ? "--pid" : NULL, pid);
    keep_out = 0;
    *took = (double)(apr_time_now() - began);
    fd = open(out_path, O_RDONLY);
    length = read(fd, to, room);
    close(fd);
    unlink(out_path);
    return length > 0 ? (size_t)length : 0;
}

/* A run that ends well prints the same as for the whole board: no figure comes from a part that was gone when it was
 * read. */
static void test_cut_once(unsigned times)
{
    static char right[1 << 20], now[1 << 20];
    unsigned refused = 0, fine = 0;
    tally_t wrong = { 0, 0 };
    const size_t block = (size - head) / (CHILDREN + 1);

    signal(SIGALRM, cut_now);
    for (unsigned i = 0; i < times; i++) {
        unsigned which = i % COMMANDS;
        const char *pid = i / COMMANDS % 2 ? "100000" : NULL;
        struct itimerval when = { { 0, 0 }, { 0, 0 } };
        int status, before;
        double took;
        size_t length, is;

        write_board(whole, size);
        length = printed(which, pid, right, sizeof(right), &before, &took);
        cut_to = (off_t)(head + below((uint32_t)(size - head - block)));
        /* late rather than early: the board is read after the search of all processes */
        when.it_value.tv_usec = ((long)took - (long)below(((uint32_t)took >> below(6)) + 1)) % 999999 + 1;
        setitimer(ITIMER_REAL, &when, NULL);
        is = printed(which, pid, now, sizeof(now), &status, &took);
        alarm(0);
        if (status <= POOLSTAT_FOUND) {
            tally(&wrong, status != before || is != length || memcmp(right, now, is) != 0, i);
            fine++;
        }
        refused += status == POOLSTAT_DAMAGED;
    }
    signal(SIGALRM, SIG_DFL);
    printf("# cut once: %u ended well, %u were refused\n", fine, refused);
    none_wrong(&wrong, "no figure is of a board that was cut when it was read");
    ok(fine && refused, "of boards that were cut at any moment");
    write_board(whole, size);
}

/* The same at one moment that matters: heads of children are there, what they hold is not. */
static int cut_before_look(void *unused)
{
    poolstat_options_t options = { .command = "", .file = path, .filter = { .kind = -1 } };
    static poolstat_board_t board;
    static pst_snapshot_t snapshot;
    apr_pool_t *pool;

    (void)unused;
    apr_pool_create(&pool, NULL);
    poolstat_say_to(out_path, sizeof(out_path));
    if (poolstat_open(&board, &options, 0, pool) >= 0
        || truncate(path, (off_t)(head + 2 * ((const pst_shared_header_t *)(void *)whole)->child_size + 4096)) != 0) {
        return 100;
    }
    return poolstat_look(&snapshot, &board, &options.filter, pool) == APR_EINCOMPLETE ? 0 : 1;
}

/* The board is taken away from under its name, then cut: what is still mapped must not kill us, whatever happened to
 * the name. */
static int renamed_and_cut(void *replaced)
{
    poolstat_options_t options = { .command = "watch", .file = path, .filter = { .kind = -1 } };
    static poolstat_session_t session;
    char away[600];
    int status, fd;

    snprintf(away, sizeof(away), "%s.away", path);
    poolstat_say_to(away + 300, 100);
    if (poolstat_session_open(&session, &options) >= 0 || poolstat_session_look(&session) >= 0 || rename(path, away) != 0) {
        return 100;
    }
    if (replaced) {             /* by something that is not a board */
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0 || write(fd, "no board", 8) != 8) {
            return 101;
        }
        close(fd);
    }
    if (poolstat_session_look(&session) >= 0) {
        return 102;             /* the old one is intact and is still shown */
    }
    if (truncate(away, 5000) != 0) {
        return 103;
    }
    status = poolstat_session_look(&session);
    unlink(away);
    return status;
}

static void test_renamed(void)
{
    write_board(whole, size);
    is_number((unsigned)apart(renamed_and_cut, NULL), POOLSTAT_DAMAGED, "a board that loses its name and is cut then ends the looking in order");
    write_board(whole, size);
    is_number((unsigned)apart(renamed_and_cut, path), POOLSTAT_DAMAGED, "also where something else has its name");
    unlink(path);
    write_board(whole, size);
}

/* All users of this board are dead: its figures are as of the last sign of life, however late they are read. */
static void test_of_the_past(void)
{
    apr_uint64_t last = 0;
    poolstat_board_t board;
    poolstat_options_t options = { .command = "", .file = path, .filter = { .kind = -1 } };
    static pst_snapshot_t first, second;
    apr_pool_t *pool;
    char said[256];
    unsigned lost = 0;

    apr_pool_create(&pool, NULL);
    poolstat_say_to(said, sizeof(said));
    if (ok(poolstat_open(&board, &options, 0, pool) < 0 && board.is_gone, "the server is gone")) {
        for (apr_uint32_t i = 0; i < CHILDREN; i++) {
            apr_uint64_t sign = pst_history_last_sign(&board.board, i, (apr_uint64_t)apr_time_now());

            last = sign > last ? sign : last;
        }
        usleep(1000);
        is_number((unsigned)poolstat_look(&first, &board, &options.filter, pool), APR_SUCCESS, "looked at");
        poolstat_look(&second, &board, &options.filter, pool);
        ok(last && first.taken == last && second.taken == last && first.server_gone, "of the last sign, each time");
        for (apr_uint32_t i = 0; i < first.child_count; i++) {
            const pst_shared_child_t *child = &first.children[i].head;

            lost += child->ended_how == PST_END_GONE && child->ended && child->ended <= last;
        }
        is_number(lost, CHILDREN - 1, "who has no end on the board is gone since a last sign of its own");
    }
    poolstat_say_to(NULL, 0);
    poolstat_close(&board);
    apr_pool_destroy(pool);
}

/* A row takes kilobytes: their number is bounded, and this is reported. */
static void test_limit(void)
{
    static char text[1 << 16];
    int fd;
    ssize_t length;

    keep_out = 1;
    is_number((unsigned long long)run(0, "--limit", "1000000"), POOLSTAT_OK, "a table of as many as can be asked for");
    keep_out = 0;
    fd = open(out_path, O_RDONLY);
    length = read(fd, text, sizeof(text) - 1);
    text[length > 0 ? length : 0] = '\0';
    close(fd);
    unlink(out_path);
    ok(strstr(text, "10000 connections at most") != NULL, "says how many it shows");
}

/* Reading changes nothing: not a byte, not a time. */
static void test_untouched(void)
{
    struct stat before, after;
    char *bytes = malloc(size);
    int fd;

    stat(path, &before);
    for (unsigned i = 0; i < COMMANDS; i++) {
        int status = run(i, NULL, NULL), is_profile = IS(i, "profile");

        /* a profile needs a process that knows where its objects are: see hostile.c */
        if (!ok(is_profile ? status == POOLSTAT_NONE : status <= POOLSTAT_FOUND, commands[i][0] ? commands[i] : "the table")) {
            printf("# status %d\n", status);
        }
    }
    stat(path, &after);
    fd = open(path, O_RDONLY);
    ok(fd >= 0 && pread(fd, bytes, size, 0) == (ssize_t)size && !memcmp(bytes, whole, size)
       && before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec
       && before.st_blocks == after.st_blocks, "the board was only read");
    close(fd);
    free(bytes);
}

static int to_full_disk(void *unused)
{
    poolstat_options_t options = { .command = "", .file = path, .filter = { .kind = -1 } };
    static poolstat_board_t board;
    apr_pool_t *pool;

    (void)unused;
    apr_pool_create(&pool, NULL);
    poolstat_say_to(out_path, sizeof(out_path));
    if (poolstat_open(&board, &options, 1, pool) >= 0 || !board.is_foreign || !freopen("/dev/full", "w", stdout)) {
        return 100;
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    return poolstat_foreign(&board);
}

/* What a board of another version describes about itself is shown. */
static void test_other_version(void)
{
    char *bytes = malloc(size), events[4096] __attribute__((aligned(8)));
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    pst_shared_header_t *header = (void *)bytes;

    memcpy(bytes, whole, size);
    header->version = PST_BOARD_VERSION + 1;
    header->slot_size += 64;            /* as a newer one might */
    header->sizes_count = 0;
    write_board(bytes, size);
    inotify_add_watch(watch, path, IN_OPEN | IN_CLOSE);      /* consecutive opens alone would be reported as one */
    is_number((unsigned long long)run(0, NULL, NULL), POOLSTAT_OK, "a board of another version: the table");
    is_number((unsigned long long)read(watch, events, sizeof(events)), 2 * sizeof(struct inotify_event),
              "for which it is opened once: what lies at its name may be another file the second time");
    close(watch);
    is_number((unsigned long long)apart(to_full_disk, NULL), POOLSTAT_FAILED, "what cannot be written is told");
    is_number((unsigned long long)run(1, NULL, NULL), POOLSTAT_VERSION, "and a status of its own elsewhere");
    header->child_count = 70000;
    write_board(bytes, size);
    is_number((unsigned long long)run(0, NULL, NULL), POOLSTAT_DAMAGED, "one whose numbers make no sense");
    header->child_count = CHILDREN + 40;
    write_board(bytes, size);
    is_number((unsigned long long)run(0, NULL, NULL), POOLSTAT_DAMAGED, "one that is shorter than it says");
    free(bytes);
    write_board(whole, size);
}

/* Its header says that 4,000 blocks of 64 bytes each show a thousand figures, all in one place: 4 million lines. */
static void test_endless_version(void)
{
    enum { BLOCKS = 4000, FIGURES = 1000, BLOCK = 64 };
    apr_size_t begin_of_blocks = 4096 + FIGURES * sizeof(pst_shared_descriptor_t), length = begin_of_blocks + BLOCKS * BLOCK;
    char *bytes = calloc(1, length);
    pst_shared_header_t *header = (void *)bytes;
    pst_shared_descriptor_t *descriptors = (void *)(bytes + 4096);
    struct stat printed;

    memcpy(bytes, whole, sizeof(*header));
    header->version = PST_BOARD_VERSION + 1;
    header->header_size = (apr_uint32_t)begin_of_blocks;
    header->child_size = header->child_head = BLOCK;
    header->child_count = BLOCKS;
    header->descriptor_at = 4096;
    header->descriptor_count = FIGURES;
    for (unsigned i = 0; i < FIGURES; i++) {
        memcpy(descriptors[i].name, "figure", 7);
        descriptors[i].at = PST_AT_CHILD;
        descriptors[i].offset = 32;
    }
    memset(bytes + begin_of_blocks, 1, BLOCKS * BLOCK);
    write_board(bytes, length);
    keep_out = 1;
    is_number((unsigned long long)run(0, NULL, NULL), POOLSTAT_OK, "a board whose header describes figures without end");
    keep_out = 0;
    ok(!stat(out_path, &printed) && printed.st_size < 8 << 20, "is shown up to a bound");
    printf("# %lld bytes\n", (long long)printed.st_size);
    unlink(out_path);
    free(bytes);
    write_board(whole, size);
}

int main(int argc, const char *const *argv)
{
    unsigned boards = argc > 2 ? (unsigned)atoi(argv[2]) : 1200;
    FILE *nowhere = fopen("/dev/null", "r+");
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)apr_time_now();
    printf("# seed %llu\n", (unsigned long long)state);
    make_whole(pool);
    screen = nowhere ? newterm("xterm", nowhere, nowhere) : NULL;
    if (!screen) {
        screen = newterm("dumb", nowhere, nowhere);
    }
    ok(screen != NULL, "a terminal for top");
    test_untouched();
    test_limit();
    test_other_version();
    test_endless_version();
    test_of_the_past();
    test_renamed();
    is_number((unsigned)apart(cut_before_look, NULL), 0, "a board that is cut behind the heads of its children is not looked at");
    write_board(whole, size);
    test_cut_once(boards / 2);
    test_spoiled(boards);
    test_cut_under(boards / 6);
    endwin();
    unlink(path);
    return done();
}
