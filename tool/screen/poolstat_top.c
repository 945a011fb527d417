/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat top: the loop, the keys, and which child and connection they mean.
 *
 * What is selected is remembered by pid and serial, not by row: rows move.  The terminal is restored
 * on every way out; messages while the screen is up appear above its last line.
 */
#include "poolstat_top.h"
#include "pst_array.h"
#include "poolstat_chart.h"
#include "poolstat_text.h"
#include "pst_args.h"

#include <apr_time.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STEP 2                  /* + and - halve and double the interval */
#define INTERVAL_LEAST 100000
#define INTERVAL_MOST  3600000000u
#define UNREAD_MOST 3           /* somebody else may have read the key */

static volatile sig_atomic_t ended;

static void on_signal(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static const struct {
    int key;
    pst_sort_e sort;
} sort_keys[] = {
    { 'r', PST_SORT_RESERVED }, { 'u', PST_SORT_USED }, { 'p', PST_SORT_PEAK }, { 'o', PST_SORT_POOLS },
    { 'b', PST_SORT_BUCKETS }, { 't', PST_SORT_RETAINED }, { 'e', PST_SORT_REQUESTS }, { 'a', PST_SORT_AGE },
    { 'c', PST_SORT_CLIENT }, { 'i', PST_SORT_PID }
};

/* The rows moved: find the selected one again; if it is gone, stay on its row number. */
static void follow_selected(top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;
    const pst_child_row_t *child = top_child(top);
    unsigned count = top_count(top), *selected = &top->selected[top->screen == TOP_CHILD];

    if (top->screen == TOP_CHILDREN && child) {
        *selected = (unsigned)(child - snapshot->children);
    }
    for (unsigned i = 0; top->screen == TOP_CHILD && i < count; i++) {
        if (snapshot->rows[child->first + i]->slot.id == top->id) {
            *selected = i;
        }
    }
    if (*selected >= count) {
        *selected = count ? count - 1 : 0;
    }
}

/* Remember what is selected by its identity. */
static void note_selected(top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;

    if (top->screen == TOP_CHILDREN && top->selected[0] < snapshot->child_count) {
        const pst_child_row_t *child = &snapshot->children[top->selected[0]];

        top->pid = child->head.owner;
        top->started = child->head.started;
    }
    else if (top->screen == TOP_CHILD && top->selected[1] < top_count(top)) {
        top->id = snapshot->rows[top_child(top)->first + top->selected[1]]->slot.id;
    }
}

static void move_by(top_t *top, long rows)
{
    unsigned *selected = &top->selected[top->screen == TOP_CHILD];
    long to = (long)*selected + rows, count = top_count(top);

    to = to >= count ? count - 1 : to;
    *selected = to < 0 ? 0 : (unsigned)to;
    note_selected(top);
}

static void enter_screen(top_t *top)
{
    note_selected(top);
    if (top->screen == TOP_CHILDREN && top_child(top)) {
        top->screen = TOP_CHILD;
        top->selected[1] = top->first[1] = 0;
        note_selected(top);
    }
    else if (top->screen == TOP_CHILD && top_connection(top)) {
        top->screen = TOP_CONNECTION;
        top->seen_count = 0;
    }
}

static void leave_screen(top_t *top)
{
    if (top->screen != TOP_CHILDREN) {
        top->screen--;
    }
    follow_selected(top);
}

static void change_interval(top_t *top, int slower)
{
    apr_uint64_t interval = top->session.given.interval;

    interval = slower ? interval * STEP : interval / STEP;
    if (interval < INTERVAL_LEAST) {
        interval = INTERVAL_LEAST;
    }
    if (interval > INTERVAL_MOST) {
        interval = INTERVAL_MOST;
    }
    top->session.given.interval = top->session.options.interval = interval;
    snprintf(top->message, sizeof(top->message), "every %.1f s", (double)interval / 1e6);
}

/* @return the sort order that a key selects, or PST_SORT_COUNT */
static pst_sort_e sort_of(int key)
{
    for (unsigned i = 0; i < PST_ITEMS(sort_keys); i++) {
        if (sort_keys[i].key == key) {
            return sort_keys[i].sort;
        }
    }
    return PST_SORT_COUNT;
}

static void show_text(top_t *top, top_text_e text)
{
    top->text = text;
    top->page = 1;
}

/* @return 0: nothing that needs a new look; 1: look again; -1: quit */
static int take_key(top_t *top, int key)
{
    pst_sort_e sort = sort_of(key);

    top->message[0] = '\0';
    if (top->text && key != KEY_RESIZE) {
        top->text = top->page++ < top->pages ? top->text : TOP_NO_TEXT;
        return key == 'q' ? -1 : 0;
    }
    if (sort != PST_SORT_COUNT) {
        top->session.given.filter.sort = top->session.options.filter.sort = sort;
        snprintf(top->message, sizeof(top->message), "sorted by %s", pst_sort_word(sort));
        return 1;
    }
    switch (key) {
    case 'q': return -1;
    case KEY_UP: case 'k': move_by(top, -1); break;
    case KEY_DOWN: case 'j': move_by(top, 1); break;
    case KEY_PPAGE: move_by(top, -(long)top->rows); break;
    case KEY_NPAGE: move_by(top, (long)top->rows); break;
    case KEY_HOME: move_by(top, -(long)top_count(top)); break;
    case KEY_END: move_by(top, (long)top_count(top)); break;
    case KEY_ENTER: case '\r': case '\n': case KEY_RIGHT: enter_screen(top); break;
    case KEY_BACKSPACE: case 0x7f: case 8: case 27: case KEY_LEFT: leave_screen(top); break;
    case ' ': top->paused = !top->paused; return !top->paused;
    case '+': change_interval(top, 1); break;
    case '-': change_interval(top, 0); break;
    case '?': case 'h': show_text(top, TOP_HELP); break;
    case 'd': show_text(top, TOP_FINDINGS); break;
    default: break;
    }
    return 0;
}

static void remember_connection(top_t *top)
{
    const pst_row_t *row = top->screen == TOP_CONNECTION ? top_connection(top) : NULL;

    if (!row) {
        return;
    }
    if (top->seen_count == TOP_SEEN) {
        memmove(top->seen, top->seen + 1, (TOP_SEEN - 1) * sizeof(top->seen[0]));
        top->seen_count--;
    }
    top->seen[top->seen_count++] = row->slot.usage.reserved_bytes;
}

/*
 * Judge the terminal by poll(). One that hung up, or reports end of file again and again, is gone: reading keys
 * from it would return at once, forever.
 */
static void judge_terminal(top_t *top, int ready, short events)
{
    top->unread = ready > 0 && (events & POLLIN) ? top->unread + 1 : 0;
    if (ready > 0 && ((events & (POLLHUP | POLLERR | POLLNVAL)) || top->unread > UNREAD_MOST)) {
        ended = 1;
    }
}

/*
 * Wait for a key until `due`; 0: without limit. Signals are delivered only during the wait, so that none is lost
 * between the check of `ended` and the wait; ncurses turns a resize into a key.
 */
static int key_until(top_t *top, apr_time_t due)
{
    struct pollfd terminal = { STDIN_FILENO, POLLIN, 0 };
    apr_time_t left = due ? due - apr_time_now() : 0;
    struct timespec wait = { (time_t)(left / APR_USEC_PER_SEC), (long)(left % APR_USEC_PER_SEC * 1000) };
    sigset_t held, before;
    int key;

    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGQUIT);
    sigaddset(&held, SIGWINCH);
    sigprocmask(SIG_BLOCK, &held, &before);
    key = getch();
    if (key == ERR && !ended && left >= 0) {
        int ready = ppoll(&terminal, 1, due ? &wait : NULL, &before);

        judge_terminal(top, ready, terminal.revents);
    }
    else if (key != ERR) {
        top->unread = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return key;
}

/* Handle keys until the next look is due. @return as take_key() */
static int wait_for_keys(top_t *top)
{
    apr_time_t due = apr_time_now() + (apr_interval_time_t)top->session.given.interval;
    int what = 0;

    while (!what && !ended) {
        int key = key_until(top, top->paused ? 0 : due);

        if (key != ERR) {
            what = take_key(top, key);
            if (!what) {
                top_draw(top);
            }
        }
        else if (!top->paused && apr_time_now() >= due) {
            return 1;
        }
    }
    return ended ? -1 : what;
}

static int loop(top_t *top)
{
    int status = -1, what = 1;

    for (apr_uint64_t looks = 0; status < 0 && what > 0 && !ended; looks++) {
        status = poolstat_session_examine(&top->session);
        if (status >= 0) {
            break;
        }
        follow_selected(top);
        note_selected(top);
        remember_connection(top);
        top_draw(top);
        if (top->session.given.count && looks + 1 >= top->session.given.count) {
            break;
        }
        what = wait_for_keys(top);
    }
    return status;
}

static void take_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
}

static int run_top(top_t *top)
{
    SCREEN *screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? newterm(NULL, stdout, stdin) : NULL;
    int status;

    if (!screen) {
        poolstat_say("top needs a terminal; poolstat and poolstat watch do not");
        return POOLSTAT_FAILED;
    }
    take_signals();
    poolstat_say_to(top->message, sizeof(top->message));
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    timeout(0);
    set_escdelay(50);
    curs_set(0);
    if (poolstat_colours_wanted() && has_colors() && start_color() == OK) {
        use_default_colors();
        init_pair(POOLSTAT_MARKED, COLOR_YELLOW, -1);
        init_pair(POOLSTAT_BAD, COLOR_RED, -1);
    }
    status = loop(top);
    endwin();
    delscreen(screen);
    poolstat_say_to(NULL, 0);
    if (status >= 0) {
        poolstat_say("%s", top->message);
    }
    return status < 0 ? POOLSTAT_OK : status;
}

int poolstat_top(poolstat_options_t *options)
{
    static top_t top;
    int status;

    options->interval = options->interval ? options->interval : 1000000;
    top.utf8 = poolstat_utf8();
    apr_pool_create(&top.drawing, NULL);
    status = poolstat_session_open(&top.session, options);
    if (status < 0) {
        status = run_top(&top);
    }
    poolstat_session_close(&top.session);
    apr_pool_destroy(top.drawing);
    return status;
}
