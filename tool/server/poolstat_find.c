/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_find.h.  poolstat_servers.h finds the servers; this file chooses the one that is meant, and opens its
 * board.
 */
#include "poolstat_find.h"
#include "pst_array.h"
#include "poolstat_process.h"
#include "poolstat_say.h"
#include "pst_file.h"
#include "pst_format.h"
#include "pst_guard.h"
#include "pst_history.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where servers leave their board by default: DefaultRuntimeDir of Debian, Red Hat, SUSE, Alpine and httpd's own
 * layout. Only used if no server runs. */
static const char *const places[] = {
    "/run/apache2/poolstat.board", "/var/run/apache2/poolstat.board", "/run/httpd/poolstat.board",
    "/var/run/httpd/poolstat.board", "/etc/httpd/run/poolstat.board", "/run/poolstat.board",
    "/usr/local/apache2/logs/poolstat.board", "/var/log/apache2/poolstat.board"
};
#define PLACES PST_ITEMS(places)

#define DISABLED_LOOKS 20       /* a tenth of a second apart: a restarting server may have no child for this long */

/* ---- who uses it ---- */

static int by_file_name(const void *one, const void *two)
{
    const poolstat_pid_t *a = one, *b = two;

    return (a->named > b->named) - (a->named < b->named);
}

static const poolstat_pid_t *user_named(const poolstat_board_t *board, apr_uint32_t named)
{
    const poolstat_pid_t key = { 0, named };

    return board->users.count ? bsearch(&key, board->users.at, board->users.count, sizeof(key), by_file_name) : NULL;
}

int poolstat_uses(const poolstat_board_t *board, apr_uint32_t named)
{
    return user_named(board, named) != NULL;
}

apr_uint32_t poolstat_pid_here(const poolstat_board_t *board, apr_uint32_t named)
{
    const poolstat_pid_t *user = user_named(board, named);

    if (user) {
        return user->pid;
    }
    return board->is_inner ? 0 : named;
}

/* ---- opening ---- */

/* It was opened but cannot be read: say why. @param fd of the same file @return the status to end with, or -1 */
static int say_mismatch(poolstat_board_t *to, int fd, int foreign, const char *name)
{
    pst_shared_header_t header;
    int is_board;

    memset(&header, 0, sizeof(header));
    is_board =
        pread(fd, &header, sizeof(header), 0) > 12 && !memcmp(header.magic, PST_BOARD_MAGIC, sizeof(header.magic));
    if (is_board && header.version != PST_BOARD_VERSION) {
        to->is_foreign = 1;
        if (foreign) {
            return -1;
        }
        poolstat_say("the board %s is of version %u, this command reads version %d: use the one that came "
                "with the module; the table alone (poolstat without a subcommand) can be had", name,
                (unsigned)header.version, PST_BOARD_VERSION);
        return POOLSTAT_VERSION;
    }
    poolstat_say(is_board ? "the board %s is damaged, or of another build of mod_poolstat than this command"
                          : "%s is no board",
                 name);
    return POOLSTAT_DAMAGED;
}

/* The file found while searching processes may be a different one by now. */
static int is_the_one(poolstat_board_t *to, const struct stat *about)
{
    int same = !to->is_found || (about->st_dev == to->device && about->st_ino == to->inode);

    to->device = about->st_dev;
    to->inode = about->st_ino;
    return same;
}

static void close_foreign(poolstat_board_t *board)
{
    if (board->foreign >= 0) {
        close(board->foreign);
        board->foreign = -1;
    }
}

/* The file behind a name may change; so it is opened once, and what cannot be mapped is read through the same
 * descriptor. */
static int open_way(poolstat_board_t *to, int foreign)
{
    char name[POOLSTAT_TEXT];
    struct stat about;
    apr_status_t rv;
    int fd = pst_file_open(to->way, !to->is_found || to->way_is_link, &about), status;

    poolstat_text(name, sizeof(name), to->path);
    if (fd == PST_FILE_OTHER) {
        poolstat_say("%s is no board", name);
        return POOLSTAT_DAMAGED;
    }
    rv = fd < 0 ? errno : APR_SUCCESS;
    if (fd >= 0 && !is_the_one(to, &about)) {
        close(fd);
        poolstat_say("another file took the place of the board %s meanwhile", name);
        return POOLSTAT_NONE;
    }
    to->foreign = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    rv = fd >= 0 ? pst_board_open_file(&to->board, fd) : rv;
    if (rv == APR_EMISMATCH && to->foreign >= 0) {
        status = say_mismatch(to, to->foreign, foreign, name);
        if (status >= 0) {
            close_foreign(to);
        }
        return status;
    }
    close_foreign(to);
    if (rv == APR_SUCCESS) {
        pst_guard_set(&to->board);
        return -1;
    }
    if (rv == APR_EINCOMPLETE) {
        poolstat_say("the board %s is cut short", name);
        return POOLSTAT_DAMAGED;
    }
    poolstat_say("the board %s cannot be opened: %s", name, strerror(rv));
    return POOLSTAT_NONE;
}

static apr_uint32_t header_parent(const poolstat_board_t *board)
{
    return board->board.base ? __atomic_load_n(&pst_board_header(&board->board)->parent, __ATOMIC_RELAXED) : 0;
}

/* When anybody on the board last gave a sign of life. */
static apr_uint64_t last_sign(const poolstat_board_t *board)
{
    apr_uint64_t now = (apr_uint64_t)apr_time_now(), latest = pst_load(&pst_board_header(&board->board)->created);

    latest = latest > now ? 0 : latest;
    for (apr_uint32_t i = 0, count = pst_board_claimed(&board->board); i < count; i++) {
        apr_uint64_t sign = pst_history_last_sign(&board->board, i, now);

        latest = sign > latest ? sign : latest;
    }
    return latest;
}

/* Which of the processes that were examined use it. */
static void note_users(poolstat_board_t *board, const poolstat_servers_t *servers, apr_time_t began)
{
    apr_uint32_t parent = header_parent(board);

    memset(&board->users, 0, sizeof(board->users));
    board->is_inner = 0;
    for (unsigned i = 0; i < servers->count; i++) {
        if (servers->at[i]->opened_device == board->device && servers->at[i]->inode == board->inode) {
            board->users = servers->at[i]->users;
            parent = parent ? parent : servers->at[i]->parent;
        }
    }
    for (unsigned i = 0; i < board->users.count; i++) {
        board->is_inner |= board->users.at[i].pid != board->users.at[i].named;
    }
    if (board->users.count) {
        qsort(board->users.at, board->users.count, sizeof(*board->users.at), by_file_name);
    }
    board->looked = servers->cut ? 0 : began;
    board->is_unsure = board->users.count == 0 && servers->cut;
    board->is_gone = board->users.count == 0 && !servers->cut;
    board->as_of = board->is_gone && board->board.base ? last_sign(board) : 0;
    board->parent = poolstat_uses(board, parent) ? parent : 0;
}

/*
 * Processes that the board names are examined first. In a container they have other ids, and a dead parent
 * leaves room for doubt: then all processes are examined.
 * @param was the parent at the previous look; 0: there was none @param is_again whether there was a previous look
 */
static void look_for_users(poolstat_board_t *board, int is_again, apr_uint32_t was, apr_pool_t *pool)
{
    apr_time_t began = apr_time_now();
    poolstat_servers_t servers;

    if (!board->is_foreign) {
        poolstat_servers_named(&servers, &board->board, &board->users, pool);
        note_users(board, &servers, began);
        if ((board->parent && !board->is_inner) || (is_again && !was && board->users.count)) {
            return;
        }
    }
    poolstat_servers_find(&servers, 0, pool);
    note_users(board, &servers, began);
}

static void use(poolstat_board_t *to, const poolstat_server_t *server)
{
    apr_cpystrn(to->path, server->path, sizeof(to->path));
    apr_cpystrn(to->way, server->way, sizeof(to->way));
    to->device = server->opened_device;
    to->inode = server->inode;
    to->way_is_link = server->way_is_link;
    to->is_found = 1;
}

/* /run and /var/run are the same on many systems. */
static int was_seen(const struct stat *seen, unsigned count, const struct stat *about)
{
    while (count-- > 0) {
        if (seen[count].st_dev == about->st_dev && seen[count].st_ino == about->st_ino) {
            return 1;
        }
    }
    return 0;
}

/* The boards left by servers whose processes are gone: the latest of those in the usual places. @return 0: none */
static int find_left(poolstat_board_t *to)
{
    char user[64];
    time_t latest = 0;
    struct stat seen[PLACES], about;
    unsigned count = 0;

    for (unsigned i = 0; i < PLACES; i++) {
        int fd = pst_file_open(places[i], 0, &about);

        if (fd < 0) {
            continue;
        }
        close(fd);
        if (was_seen(seen, count, &about)) {
            continue;
        }
        seen[count++] = about;
        if (!poolstat_is_ours(&about)) {
            poolstat_say("%s is %s's, and not shown unless --file names it", places[i],
                         poolstat_user(user, sizeof(user), about.st_uid));
        }
        else if (!to->is_found || about.st_mtime > latest) {
            apr_cpystrn(to->path, places[i], sizeof(to->path));
            apr_cpystrn(to->way, places[i], sizeof(to->way));
            to->device = about.st_dev;
            to->inode = about.st_ino;
            to->is_found = 1;
            latest = about.st_mtime;
        }
    }
    return to->is_found;
}

/* The one server's board; boards without a name belong to children of an old configuration. */
static int choose_board(poolstat_board_t *to, const poolstat_servers_t *servers)
{
    const poolstat_server_t *chosen = NULL;
    unsigned named = 0;

    for (unsigned i = 0; i < servers->count; i++) {
        const poolstat_server_t *server = servers->at[i];

        if (server->is_ours && (!server->is_deleted || !chosen)) {
            chosen = server;
            named += !server->is_deleted;
        }
    }
    if (named > 1) {
        poolstat_say("several servers run; choose one by --pid or --file:");
        poolstat_servers_list(servers);
        return POOLSTAT_MANY;
    }
    poolstat_servers_say_others(servers);
    if (servers->cut) {
        poolstat_say("not all processes could be looked through; --pid or --file choose a server");
    }
    if (chosen) {
        use(to, chosen);
        return -1;
    }
    if (find_left(to)) {
        return -1;
    }
    poolstat_say("no server with mod_poolstat was found%s; --file names a board",
            servers->refused && geteuid() ? " (run as root: a board belongs to the one who started the server)" : "");
    return POOLSTAT_NONE;
}

/* The board of a live process, or a board that knows the process from when it was alive. */
static int choose_pid(poolstat_board_t *to, const poolstat_servers_t *servers, const poolstat_options_t *options)
{
    const poolstat_server_t *chosen = NULL;
    char path[64];

    for (unsigned i = 0; i < servers->count; i++) {
        if (!chosen || servers->at[i]->is_ours > chosen->is_ours) {
            chosen = servers->at[i];
        }
    }
    if (chosen) {
        use(to, chosen);
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/%u", (unsigned)options->pid);
    if (access(path, F_OK) == 0) {
        if (!servers->refused) {
            poolstat_say("process %u has no board: it is no httpd with mod_poolstat", (unsigned)options->pid);
        }
        else {
            poolstat_say(geteuid() ? "what process %u has mapped may not be read: run as root"
                                   : "what process %u has mapped may not be read, not even by root: the system "
                                     "keeps it to itself",
                         (unsigned)options->pid);
        }
        return POOLSTAT_NONE;
    }
    if (find_left(to)) {
        return -1;
    }
    poolstat_say("there is no process %u, and no board was left; --file names one",
            (unsigned)options->pid);
    return POOLSTAT_NONE;
}

static int knows(const pst_board_t *board, apr_uint32_t pid)
{
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        if (__atomic_load_n(&pst_board_child(board, i)->pid, __ATOMIC_RELAXED) == pid) {
            return 1;
        }
    }
    return 0;
}

/* The board's id for the process of --pid. With --file, --pid may already be the board's own id, as in all output. */
static apr_uint32_t pid_on_board(const poolstat_board_t *board, const poolstat_options_t *options)
{
    apr_uint32_t pid = options->pid;

    if (options->file && (pid == header_parent(board) || knows(&board->board, pid))) {
        return pid;
    }
    for (unsigned i = 0; i < board->users.count; i++) {
        if (board->users.at[i].pid == pid) {
            return board->users.at[i].named;
        }
    }
    return pid;
}

/* --pid names the parent, a live child or one that is gone. */
static int apply_pid(poolstat_board_t *to, poolstat_options_t *options)
{
    apr_uint32_t named = options->pid ? pid_on_board(to, options) : 0;

    if (!named || named == header_parent(to)) {
        return -1;
    }
    if (!knows(&to->board, named)) {
        poolstat_say("the board has no child with the process id %u", (unsigned)options->pid);
        return POOLSTAT_NONE;
    }
    to->child = options->filter.pid = named;
    options->filter.gone |= !poolstat_uses(to, named);
    return -1;
}

static void say_gone(const poolstat_board_t *board)
{
    char name[POOLSTAT_TEXT], time[PST_FORMAT_LEN];

    if (board->is_gone) {
        poolstat_say("the server is gone; these are the last figures that it left in %s%s%s",
                poolstat_text(name, sizeof(name), board->path), board->as_of ? ", of " : "",
                board->as_of ? pst_format_time(time, board->as_of) : "");
    }
    else if (board->is_unsure) {
        poolstat_say(
            "not all processes could be looked at, and no server of this board was among those that were: whether it "
            "runs is not known");
    }
    else if (!board->parent && !board->is_foreign) {
        poolstat_say("the parent of this server is gone, children of it still run");
    }
}

/*
 * Its parent runs and nobody else uses the board: after a reload without the module the parent keeps it, in case the
 * module comes back, and no child uses it any more. A single process (httpd -X) is parent and child.
 */
static int parent_alone(const poolstat_board_t *board)
{
    return board->parent && board->users.count == 1 && board->looked && !board->is_foreign
           && !knows(&board->board, board->parent);
}

/* A server that starts or restarts looks the same for a moment. */
static int is_disabled(poolstat_board_t *board, apr_pool_t *pool)
{
    for (int i = 0; parent_alone(board); i++) {
        if (i == DISABLED_LOOKS) {
            return 1;
        }
        apr_sleep(apr_time_from_msec(100));
        look_for_users(board, 0, 0, pool);
    }
    return 0;
}

/* Figures of the past are shown as such, if asked for: --file or --gone. @return the status to end with, or
 * -1 */
static int say_disabled(const poolstat_board_t *board, const poolstat_options_t *options)
{
    char name[POOLSTAT_TEXT];
    int asked = options->file || options->gone;

    poolstat_say("the server %u runs without mod_poolstat: no child of it has the board %s; %s",
                 (unsigned)poolstat_pid_here(board, board->parent), poolstat_text(name, sizeof(name), board->path),
                 asked ? "these are the last figures there" : "--file shows the last figures there");
    return asked ? -1 : POOLSTAT_NONE;
}

int poolstat_open(poolstat_board_t *to, poolstat_options_t *options, int foreign, apr_pool_t *pool)
{
    poolstat_servers_t servers;
    int status = -1;

    memset(to, 0, sizeof(*to));
    to->board.fd = to->foreign = -1;
    options->filter.gone = options->gone;
    if (options->file) {
        apr_cpystrn(to->path, options->file, sizeof(to->path));
        apr_cpystrn(to->way, options->file, sizeof(to->way));
    }
    else if (options->pid) {
        poolstat_servers_t of_pid;

        poolstat_servers_find(&of_pid, options->pid, pool);
        status = choose_pid(to, &of_pid, options);
    }
    else {
        poolstat_servers_find(&servers, 0, pool);
        status = choose_board(to, &servers);
    }
    status = status < 0 ? open_way(to, foreign) : status;
    if (status >= 0) {
        return status;
    }
    look_for_users(to, 0, 0, pool);
    options->filter.gone |= to->is_gone;
    status = to->is_foreign ? -1 : apply_pid(to, options);
    if (status < 0 && is_disabled(to, pool)) {
        options->filter.gone = 1;
        return say_disabled(to, options);
    }
    if (status < 0) {
        say_gone(to);
    }
    return status;
}

void poolstat_close(poolstat_board_t *board)
{
    if (board->board.base) {        /* otherwise the guard belongs to another board, or to none */
        pst_guard_unset();
    }
    pst_board_close(&board->board);
    close_foreign(board);
}

/* Whoever owns it: if we may not send a signal, there is a process to receive it. */
static int lives(apr_uint32_t pid)
{
    return pid && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

void poolstat_refresh(poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool)
{
    apr_pool_t *before = board->looks, *looks;

    if (board->is_gone || board->is_unsure || (board->parent && lives(poolstat_pid_here(board, board->parent)))) {
        return;
    }
    apr_pool_create(&looks, pool);
    look_for_users(board, 1, board->parent, looks);
    board->looks = looks;
    if (before) {               /* after those known before were examined again */
        apr_pool_destroy(before);
    }
    options->filter.gone |= board->is_gone;
    if (board->is_gone) {
        say_gone(board);
    }
}

int poolstat_is_stale(const poolstat_board_t *board)
{
    struct stat st;

    return !pst_board_intact(&board->board) || stat(board->way, &st) != 0 || st.st_dev != board->device
           || st.st_ino != board->inode;
}
