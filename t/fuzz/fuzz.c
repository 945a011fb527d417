/* SPDX-License-Identifier: Apache-2.0
 *
 * The fuzzer: each face, and each subcommand, over boards to which blows were dealt (fuzz_board.h).  A finding is a
 * crash, what a sanitizer sees, a loop without end, or an answer that is not what it says it is: JSON that is none,
 * bytes that steer a terminal, text of a board that became markup.
 *
 * FUZZ_FACE names the face, FUZZ_BOARDS the folder with the boards.  t/fuzz/run runs them all.
 */
#include "fuzz_board.h"
#include "fuzz_memory.h"
#include "poolstat.h"
#include "poolstat_text.h"
#include "poolstat_top.h"
#include "pst_accept.h"
#include "pst_args.h"
#include "pst_doctor.h"
#include "pst_history.h"
#include "pst_view_doctor.h"
#include "pst_view_history.h"
#include "pst_view_metrics.h"
#include "pst_view_page.h"
#include "pst_view_profile.h"
#include "pst_view_status.h"
#include "pst_view_tree.h"
#include "sink.h"
#include "wellformed.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <ncurses.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const commands[] = { "", "json", "text", "metrics", "history", "doctor" };
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static pst_emit_t emit;
static apr_pool_t *pool;        /* of this input */

static void finding(const char *what)
{
    fprintf(stderr, "fuzz: finding: %s\n%.*s\n", what, (int)(out_len < 65536 ? out_len : 65536), out ? out : "");
    abort();
}

/* ---- what every answer keeps ---- */

static void check_text(void)
{
    unsigned char before = 0;

    if (!out) {
        return;
    }
    if (strlen(out) != out_len) {
        finding("a NUL in an answer");
    }
    if (!is_utf8(out)) {
        finding("no UTF-8");
    }
    for (const unsigned char *c = (const unsigned char *)out; *c; before = *c++) {
        if ((*c < 0x20 && *c != '\n') || *c == 0x7f || (before == 0xc2 && *c < 0xa0)) {
            finding("a control character");
        }
    }
}

/* name, labels between braces, a number, and nothing else: as Prometheus reads it */
static int is_sample(const char *line, const char *line_end)
{
    const char *at = line + strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    int quoted = 0;

    if (at == line) {
        return 0;
    }
    if (*at == '{') {
        for (at++; at < line_end && (quoted || *at != '}'); at++) {
            if (quoted && *at == '\\') {
                at++;
            }
            else if (*at == '"') {
                quoted = !quoted;
            }
        }
        if (*at++ != '}') {
            return 0;
        }
    }
    return *at == ' ' && at + 1 < line_end && at + 1 + strspn(at + 1, "0123456789.") == line_end;
}

static void check_samples(void)
{
    for (const char *line = out; line && *line; ) {
        const char *line_end = strchr(line, '\n');

        if (!line_end || (*line != '#' && !is_sample(line, line_end))) {
            finding("a line that is no sample");
        }
        line = line_end + 1;
    }
}

static void check(pst_emit_e to)
{
    pst_emit_flush(&emit);
    check_text();
    if (to == PST_EMIT_JSON && out_len && !is_json(out)) {
        finding("no JSON");
    }
    if (to == PST_EMIT_HTML && out_len && (!is_markup(out) || strstr(out, "<zz"))) {
        finding("text became markup");
    }
    if (to == PST_EMIT_METRICS || to == PST_EMIT_OPENMETRICS) {
        check_samples();
    }
}

/* ---- the faces that httpd serves ---- */

static void begin(pst_emit_e to)
{
    out_len = 0;
    if (out) {
        *out = '\0';
    }
    pst_emit_init(&emit, to, sink, NULL);
}

static void filter_of(pst_filter_t *filter, const fuzz_head_t *head)
{
    memset(filter, 0, sizeof(*filter));
    filter->sort = (pst_sort_e)(head->sort % PST_SORT_COUNT);
    filter->kind = head->kind % 4 - 1;
    filter->pid = head->child ? fuzz_board_child(head->child) : 0;
    filter->gone = head->flags & 1;
    filter->vhost = head->flags & 2 ? "www.example" : NULL;
}

static int take(pst_snapshot_t *snapshot, const pst_board_t *board, const fuzz_head_t *head)
{
    pst_filter_t filter;

    filter_of(&filter, head);
    return pst_snapshot_take(snapshot, board, &filter, fuzz_board_time(), pool) == APR_SUCCESS
           && pst_doctor_take(snapshot, board, pool) == APR_SUCCESS;
}

static void face_tree(const pst_board_t *board, const fuzz_head_t *head, pst_emit_e to)
{
    pst_snapshot_t snapshot;
    pst_window_t window = { 0 };

    if (!take(&snapshot, board, head)) {
        return;
    }
    if (to == PST_EMIT_TEXT) {
        pst_snapshot_window(&snapshot, snapshot.sort, head->from, 1 + head->rows, &window, pool);
    }
    snapshot.nonce = head->flags & 4 ? "nonce" : NULL;
    begin(to);
    pst_view_tree(&emit, &snapshot, to == PST_EMIT_TEXT);
    check(to);
}

static void face_json(const pst_board_t *board, const fuzz_head_t *head)
{
    face_tree(board, head, PST_EMIT_JSON);
}

static void face_text(const pst_board_t *board, const fuzz_head_t *head)
{
    face_tree(board, head, PST_EMIT_TEXT);
}

static void face_page(const pst_board_t *board, const fuzz_head_t *head)
{
    static pst_snapshot_t snapshot;
    static pst_charts_t charts;
    pst_window_t window = { 0 };
    pst_args_t args = { 0 };
    const pst_page_t page = { &snapshot, &window, &args, "./pool-status/", pool, &charts };

    args.rows = 1 + head->rows;
    args.from = head->from;
    args.children_from = head->flags >> 5;
    args.refresh = head->flags & 8 ? 1 : 0;
    filter_of(&args.filter, head);
    if (!take(&snapshot, board, head)) {
        return;
    }
    pst_snapshot_window(&snapshot, args.filter.sort, args.from, args.rows, &window, pool);
    pst_charts_take(&charts, board, &snapshot, args.children_from, pool);
    snapshot.nonce = head->flags & 4 ? "nonce" : NULL;
    begin(PST_EMIT_HTML);
    pst_view_page(&emit, &page);
    check(PST_EMIT_HTML);
}

static void face_metrics(const pst_board_t *board, const fuzz_head_t *head)
{
    pst_emit_e to = head->flags & 16 ? PST_EMIT_OPENMETRICS : PST_EMIT_METRICS;
    pst_filter_t filter = { .kind = -1, .no_rows = 1 };
    pst_snapshot_t snapshot;

    if (pst_snapshot_take(&snapshot, board, &filter, fuzz_board_time(), pool) == APR_SUCCESS
        && pst_doctor_take(&snapshot, board, pool) == APR_SUCCESS) {
        begin(to);
        pst_view_metrics(&emit, &snapshot, (pst_classes_e)(head->kind % 3), pool);
        check(to);
    }
}

static void face_profile(const pst_board_t *board, const fuzz_head_t *head)
{
    pst_snapshot_t snapshot;

    if (take(&snapshot, board, head)) {
        begin(PST_EMIT_TEXT);
        pst_view_profile(&emit, &snapshot, PST_PROFILE_ALL);
        check(PST_EMIT_TEXT);
    }
}

static void face_history(const pst_board_t *board, const fuzz_head_t *head)
{
    pst_history_t history;

    if (!board->history_size) {
        return;
    }
    pst_history_room(&history, board, pool);
    begin(PST_EMIT_JSON);
    pst_view_histories(&emit, board, NULL, NULL);
    check(PST_EMIT_JSON);
    if (pst_history_find(&history.about, board, fuzz_board_child(head->child)) && pst_history_read(&history, board)) {
        pst_history_leave_out(&history, head->flags & 1 ? fuzz_board_time() - 30 * (apr_uint64_t)1000000 : 0);
        begin(PST_EMIT_JSON);
        pst_view_history(&emit, &history, board);
        check(PST_EMIT_JSON);
    }
}

static void face_doctor(const pst_board_t *board, const fuzz_head_t *head)
{
    pst_snapshot_t snapshot;

    if (!take(&snapshot, board, head)) {
        return;
    }
    begin(PST_EMIT_TEXT);
    pst_view_doctor_text(&emit, &snapshot);
    check(PST_EMIT_TEXT);
    begin(PST_EMIT_JSON);
    pst_emit_object(&emit, NULL);
    pst_view_doctor_tree(&emit, &snapshot);
    pst_emit_end(&emit);
    check(PST_EMIT_JSON);
}

static void face_status(const pst_board_t *board, const fuzz_head_t *head)
{
    pst_status_e as = (pst_status_e)(head->kind % 3);
    pst_total_t total;

    memset(&total, 0, sizeof(total));
    if (pst_snapshot_heads(&total, board) == APR_SUCCESS) {
        begin(as == PST_STATUS_TEXT ? PST_EMIT_TEXT : PST_EMIT_HTML);
        pst_view_status(&emit, &total, as, head->flags & 1, "/pool-status");
        check(emit.to);
    }
}

/* ---- the command ---- */

/* Which processes there are is none of the board's doing, and looking through them all takes longer than all else. */
void __wrap_poolstat_servers_find(poolstat_servers_t *servers, apr_uint32_t only, apr_pool_t *of);
void __wrap_poolstat_servers_find(poolstat_servers_t *servers, apr_uint32_t only, apr_pool_t *of)
{
    (void)only;
    memset(servers, 0, sizeof(*servers));
    servers->pool = of;
}

static void printed(int fd)
{
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)length + 1);

    out_len = 0;
    if (pread(fd, text, (size_t)length, 0) == length) {
        sink(NULL, text, (size_t)length);
    }
    free(text);
    check_text();
}

/* With stdout and stderr in a file. */
static void face_command(const pst_board_t *board, const fuzz_head_t *head)
{
    static int to = -1, saved[2];
    const char *command = commands[head->command % COMMANDS];
    char pid[16];
    const char *argv[] = { command, "--file", fuzz_board_path(), "--pid", pid, NULL };
    int with_pid = head->child != 0, status;

    (void)board;
    if (to < 0) {
        to = memfd_create("out", MFD_CLOEXEC);
    }
    apr_snprintf(pid, sizeof(pid), "%u", (unsigned)fuzz_board_child(head->child));
    with_pid &= strcmp(pid, "0") != 0;
    fflush(stdout);
    fflush(stderr);
    for (int fd = 1; fd <= 2; fd++) {
        saved[fd - 1] = dup(fd);
        dup2(to, fd);
    }
    if (ftruncate(to, 0) != 0 || lseek(to, 0, SEEK_SET) != 0) {
        abort();
    }
    status = poolstat_run(with_pid ? 5 : 3, argv);
    fflush(stdout);
    fflush(stderr);
    for (int fd = 1; fd <= 2; fd++) {
        dup2(saved[fd - 1], fd);
        close(saved[fd - 1]);
    }
    if (status < 0 || status > POOLSTAT_FAILED) {
        finding("a status that the manual does not have");
    }
    printed(to);
    if (!strcmp(command, "json") && status == POOLSTAT_OK && !strchr(out, '{')) {
        finding("no JSON");
    }
}

static void face_top(const pst_board_t *board, const fuzz_head_t *head)
{
    static top_t top;
    poolstat_options_t options = { .command = "top", .file = fuzz_board_path(), .filter = { .kind = -1 }, .interval = 1000000 };

    (void)board;
    memset(&top, 0, sizeof(top));
    filter_of(&options.filter, head);
    options.gone = head->flags & 1;
    top.utf8 = head->flags >> 1 & 1;
    poolstat_say_to(top.message, sizeof(top.message));
    apr_pool_create(&top.drawing, NULL);
    if (poolstat_session_open(&top.session, &options) < 0 && poolstat_session_examine(&top.session) < 0) {
        const pst_snapshot_t *snapshot = &top.session.snapshot;

        resizeterm(1 + head->lines, 1 + head->columns);
        if (snapshot->child_count) {
            const pst_child_row_t *child = &snapshot->children[head->child % snapshot->child_count];

            top.pid = child->head.owner;
            top.started = child->head.started;
            top.id = child->shown ? snapshot->rows[child->first]->slot.id : 0;
        }
        top.screen = (top_screen_e)(head->command % 3);
        top_draw(&top);
        top.text = (top_text_e)(head->command / 3 % 3);
        top.page = 1 + head->rows % 8;
        top_draw(&top);
    }
    poolstat_session_close(&top.session);
    apr_pool_destroy(top.drawing);
    poolstat_say_to(NULL, 0);
}

/* ---- what clients write: the input is a text, no board has to do with it ---- */

static void face_args(const uint8_t *data, size_t size)
{
    char *query = apr_palloc(pool, size + 1);
    pst_args_t args, again;

    memcpy(query, data + (size > 0), size ? size - 1 : 0);
    query[size ? size - 1 : 0] = '\0';
    if (!pst_args_parse(&args, query, (pst_face_e)(size ? *data % (PST_FACE_RELEASE + 1) : 0), pool)) {
        const char *same = pst_args_query(&args, pool);

        if (pst_args_parse(&again, same + 1, PST_FACE_PAGE, pool) && size && *data % (PST_FACE_RELEASE + 1) == PST_FACE_PAGE) {
            finding("a link that is refused");
        }
    }
    pst_accept_metrics(query);
}

/* ---- the driver ---- */

static const struct face_t {
    const char *name;
    void (*fn)(const pst_board_t *board, const fuzz_head_t *head);
} faces[] = {
    { "json", face_json }, { "text", face_text }, { "page", face_page }, { "metrics", face_metrics },
    { "profile", face_profile }, { "history", face_history }, { "doctor", face_doctor }, { "status", face_status },
    { "command", face_command }, { "top", face_top }, { "args", NULL }
};
#define FACES (sizeof(faces) / sizeof(faces[0]))

static const struct face_t *face;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("FUZZ_FACE");

    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < FACES; i++) {
        if (name && !strcmp(faces[i].name, name)) {
            face = &faces[i];
        }
        else if (name && !strcmp(name, "list")) {
            puts(faces[i].name);
        }
    }
    if (!face) {
        exit(name && !strcmp(name, "list") ? 0 : 1);
    }
    apr_initialize();
    fuzz_boards_load(getenv("FUZZ_BOARDS"));
    if (face->fn == face_top) {
        FILE *nowhere = fopen("/dev/null", "r+");

        if (!newterm("xterm", nowhere, nowhere) && !newterm("dumb", nowhere, nowhere)) {
            fprintf(stderr, "fuzz: no terminal\n");
            exit(1);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input;
    pst_board_t board;
    apr_status_t rv;

    fuzz_memory_begin();
    apr_pool_create(&pool, NULL);
    if (!face->fn) {
        face_args(data, size);
    }
    else {
        fuzz_input(&input, data, size);
        rv = fuzz_board_open(&board, &input);
        if (rv == APR_SUCCESS || face->fn == face_command || face->fn == face_top) {
            fuzz_board_late(&input);
            face->fn(&board, &input.head);
        }
        fuzz_board_close(&board);
    }
    apr_pool_destroy(pool);
    fuzz_memory_end();
    return 0;
}
