/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_find.h.
 *
 * A server is known by its work: a process that has a file mapped for writing which begins as a
 * board does.  So neither the file's name nor httpd's matters, nor where PoolStatFile put it, nor
 * whether the server lives in another mount namespace.  Readers map it too, but never for writing.
 */
#include "poolstat_find.h"
#include "poolstat_text.h"
#include "pst_guard.h"
#include "pst_history.h"

#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Boards that run at a time, as far as we tell them apart. */
#define MAX_SERVERS 64

/* Where servers that were not told otherwise leave their board: DefaultRuntimeDir of Debian, Red Hat, SUSE, Alpine
 * and httpd's own layout. Only asked when no server runs. */
static const char *const places[] = {
    "/run/apache2/poolstat.board", "/var/run/apache2/poolstat.board", "/run/httpd/poolstat.board",
    "/var/run/httpd/poolstat.board", "/etc/httpd/run/poolstat.board", "/run/poolstat.board",
    "/usr/local/apache2/logs/poolstat.board", "/var/log/apache2/poolstat.board"
};

typedef struct server_t {
    dev_t device, opened_device;    /* as maps and as stat() have it */
    ino_t inode;
    int   is_deleted;           /* the name is gone: children of an old configuration use it */
    int   is_board;             /* -1: another file */
    apr_uint32_t parent;        /* as its header says */
    char  path[PATH_MAX + 64], way[PATH_MAX + 64];
    poolstat_pids_t users;
} server_t;

typedef struct servers_t {
    server_t *at[MAX_SERVERS];  /* files mapped for writing that were looked at, boards or not */
    unsigned count;
    int refused;                /* processes whose maps we may not read */
    apr_pool_t *pool;
} servers_t;

static void add_user(poolstat_pids_t *users, apr_uint32_t pid, apr_pool_t *pool)
{
    if (users->count && users->pids[users->count - 1] == pid) {
        return;
    }
    if (users->count == users->room) {
        unsigned room = users->room ? 2 * users->room : 64;
        apr_uint32_t *pids = apr_palloc(pool, room * sizeof(*pids));

        if (users->count) {
            memcpy(pids, users->pids, users->count * sizeof(*pids));
        }
        users->pids = pids;
        users->room = room;
    }
    users->pids[users->count++] = pid;
}

/* Open a regular file without waiting for anything. @return a descriptor, or -1 */
static int open_file(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* What stands at the start of every version's header: see docs/board.md. */
static int read_magic(const char *path, server_t *server)
{
    pst_shared_header_t header;
    struct stat st;
    int fd = open_file(path, &st), good;

    if (fd < 0) {
        return -1;
    }
    /* not the device: overlayfs and btrfs tell another one in maps than to stat() */
    good = st.st_ino == server->inode && pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header);
    close(fd);
    if (!good) {
        return -1;
    }
    server->parent = header.parent;
    server->opened_device = st.st_dev;
    return memcmp(header.magic, PST_BOARD_MAGIC, sizeof(header.magic)) == 0;
}

/* Is the file a board, and how is it opened? By its name as the process sees it, else by its mapping. */
static void look_at(server_t *server, apr_uint32_t pid, const char *range)
{
    int found = -1;

    if (!server->is_deleted) {
        snprintf(server->way, sizeof(server->way), "/proc/%u/root%s", (unsigned)pid, server->path);
        found = read_magic(server->path, server);
        if (found >= 0) {
            apr_cpystrn(server->way, server->path, sizeof(server->way));
        }
        else {
            found = read_magic(server->way, server);
        }
    }
    if (found < 0) {
        snprintf(server->way, sizeof(server->way), "/proc/%u/map_files/%.*s", (unsigned)pid,
                 (int)strcspn(range, " "), range);
        found = read_magic(server->way, server);
    }
    server->is_board = found == 1 ? 1 : -1;
}

/* One line of a process's maps: "from-to rw-s offset major:minor inode   path". */
static void take_line(servers_t *servers, apr_uint32_t pid, char *line)
{
    static const char deleted[] = " (deleted)";
    unsigned device_major, device_minor;
    unsigned long long inode;
    char mode[5] = "";
    int at = 0;
    server_t *server;
    apr_size_t len;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%*s %4s %*s %x:%x %llu %n", mode, &device_major, &device_minor, &inode, &at) != 4
        || mode[1] != 'w' || mode[3] != 's' || line[at] != '/' || strlen(line + at) >= PATH_MAX) {
        return;
    }
    for (unsigned i = 0; i < servers->count; i++) {
        server = servers->at[i];
        if (server->inode == inode && server->device == makedev(device_major, device_minor)) {
            add_user(&server->users, pid, servers->pool);
            return;
        }
    }
    if (servers->count == MAX_SERVERS) {
        return;
    }
    server = apr_pcalloc(servers->pool, sizeof(*server));
    server->device = makedev(device_major, device_minor);
    server->inode = (ino_t)inode;
    apr_cpystrn(server->path, line + at, sizeof(server->path));
    len = strlen(server->path);
    if (len > sizeof(deleted) && !strcmp(server->path + len - sizeof(deleted) + 1, deleted)) {
        server->path[len - sizeof(deleted) + 1] = '\0';
        server->is_deleted = 1;
    }
    look_at(server, pid, line);
    add_user(&server->users, pid, servers->pool);
    if (server->is_board > 0) {     /* what is none would fill the table */
        servers->at[servers->count++] = server;
    }
}

static void take_process(servers_t *servers, apr_uint32_t pid)
{
    char path[64];
    FILE *maps;
    char *line = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "/proc/%u/maps", (unsigned)pid);
    maps = fopen(path, "re");
    if (!maps) {
        servers->refused += errno == EACCES || errno == EPERM;
        return;
    }
    errno = 0;
    while (getline(&line, &size, maps) > 0) {
        take_line(servers, pid, line);
    }
    servers->refused += errno == EACCES || errno == EPERM;
    free(line);
    fclose(maps);
}

static int by_number(const void *one, const void *two)
{
    const apr_uint32_t *a = one, *b = two;

    return (*a > *b) - (*a < *b);
}

/* These processes, each once. */
static void take_pids(servers_t *servers, poolstat_pids_t *all)
{
    if (all->count) {
        qsort(all->pids, all->count, sizeof(*all->pids), by_number);
    }
    for (unsigned i = 0; i < all->count; i++) {
        if (all->pids[i] && (!i || all->pids[i] != all->pids[i - 1])) {
            take_process(servers, all->pids[i]);
        }
    }
}

static void take_all(servers_t *servers)
{
    DIR *proc = opendir("/proc");
    poolstat_pids_t all = { NULL, 0, 0 };

    for (struct dirent *entry; proc && (entry = readdir(proc)); ) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && pid > 0 && pid != (long)getpid()) {
            add_user(&all, (apr_uint32_t)pid, servers->pool);
        }
    }
    if (proc) {
        closedir(proc);
    }
    take_pids(servers, &all);
}

/* The processes that a board names: as many as it has blocks, and cheaper than all there are. */
static void find_named(servers_t *servers, const pst_board_t *board, apr_pool_t *pool)
{
    poolstat_pids_t named = { NULL, 0, 0 };

    memset(servers, 0, sizeof(*servers));
    servers->pool = pool;
    add_user(&named, __atomic_load_n(&pst_board_header(board)->parent, __ATOMIC_RELAXED), pool);
    for (apr_uint32_t i = 0; i < board->child_count; i++) {
        add_user(&named, __atomic_load_n(&pst_board_child(board, i)->pid, __ATOMIC_RELAXED), pool);
    }
    take_pids(servers, &named);
}

static void find_servers(servers_t *servers, apr_uint32_t only, apr_pool_t *pool)
{
    memset(servers, 0, sizeof(*servers));
    servers->pool = pool;
    if (only) {
        take_process(servers, only);
    }
    else {
        take_all(servers);
    }
}

static int has_pid(const poolstat_pids_t *users, apr_uint32_t pid)
{
    return users->count && bsearch(&pid, users->pids, users->count, sizeof(pid), by_number);
}

int poolstat_uses(const poolstat_board_t *board, apr_uint32_t pid)
{
    return has_pid(&board->users, pid);
}

/* ---- opening ---- */

static int open_way(poolstat_board_t *to, int foreign)
{
    char name[POOLSTAT_TEXT];
    struct stat st;
    apr_status_t rv = pst_board_open(&to->board, to->way, NULL);
    int fd;

    poolstat_text(name, sizeof(name), to->path);
    if (rv == APR_SUCCESS) {
        pst_guard_set(&to->board);
        if (fstat(to->board.fd, &st) == 0) {
            to->device = st.st_dev;
            to->inode = st.st_ino;
        }
        return -1;
    }
    if (rv == APR_EMISMATCH) {
        pst_shared_header_t header;
        int is_board;

        memset(&header, 0, sizeof(header));
        fd = open_file(to->way, &st);
        is_board = fd >= 0 && pread(fd, &header, sizeof(header), 0) > 12
                   && !memcmp(header.magic, PST_BOARD_MAGIC, sizeof(header.magic));
        if (fd >= 0) {
            to->device = st.st_dev;
            to->inode = st.st_ino;
            close(fd);
        }
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
        poolstat_say(is_board ? "the board %s is damaged, or of another build of mod_poolstat than this command" : "%s is no board", name);
        return POOLSTAT_DAMAGED;
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

/* Who uses it, of all processes. */
static void note_users(poolstat_board_t *board, const servers_t *servers)
{
    apr_uint32_t parent = header_parent(board);

    memset(&board->users, 0, sizeof(board->users));
    for (unsigned i = 0; i < servers->count; i++) {
        if (servers->at[i]->opened_device == board->device && servers->at[i]->inode == board->inode) {
            board->users = servers->at[i]->users;
            parent = parent ? parent : servers->at[i]->parent;
        }
    }
    board->is_gone = board->users.count == 0;
    board->parent = poolstat_uses(board, parent) ? parent : 0;
}

static void use(poolstat_board_t *to, const server_t *server)
{
    apr_cpystrn(to->path, server->path, sizeof(to->path));
    apr_cpystrn(to->way, server->way, sizeof(to->way));
}

/* The boards that servers left whose processes are gone: the latest of those in the usual places. @return 0: none */
static int find_left(poolstat_board_t *to)
{
    time_t latest = 0;
    int found = 0;

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct stat st;

        if (stat(places[i], &st) == 0 && S_ISREG(st.st_mode) && (!found || st.st_mtime > latest)) {
            apr_cpystrn(to->path, places[i], sizeof(to->path));
            apr_cpystrn(to->way, places[i], sizeof(to->way));
            latest = st.st_mtime;
            found = 1;
        }
    }
    return found;
}

static int list_servers(const servers_t *servers)
{
    poolstat_say("several servers run; choose one by --pid or --file:");
    for (unsigned i = 0; i < servers->count; i++) {
        const server_t *server = servers->at[i];
        char name[POOLSTAT_TEXT];

        if (!server->is_deleted) {
            poolstat_say("  --pid %-8u %u processes, %s",
                    (unsigned)(has_pid(&server->users, server->parent) ? server->parent : server->users.pids[0]),
                    server->users.count, poolstat_text(name, sizeof(name), server->path));
        }
    }
    return POOLSTAT_MANY;
}

/* The one server's board; those that lost their name belong to children of an old configuration. */
static int choose(poolstat_board_t *to, const servers_t *servers)
{
    const server_t *chosen = NULL;
    unsigned named = 0;

    for (unsigned i = 0; i < servers->count; i++) {
        if (!servers->at[i]->is_deleted) {
            chosen = servers->at[i];
            named++;
        }
    }
    if (named > 1) {
        return list_servers(servers);
    }
    chosen = chosen ? chosen : servers->count ? servers->at[0] : NULL;
    if (chosen) {
        use(to, chosen);
        return -1;
    }
    if (find_left(to)) {
        return -1;
    }
    poolstat_say("no server with mod_poolstat was found%s; --file names a board",
            servers->refused && getuid() ? " (run as root: a board belongs to the one who started the server)" : "");
    return POOLSTAT_NONE;
}

/* The board of a process that lives, or one that knows it from when it did. */
static int choose_pid(poolstat_board_t *to, const servers_t *servers, const poolstat_options_t *options)
{
    char path[64];

    for (unsigned i = 0; i < servers->count; i++) {
        if (servers->at[i]->is_board > 0) {
            use(to, servers->at[i]);
            return -1;
        }
    }
    snprintf(path, sizeof(path), "/proc/%u", (unsigned)options->pid);
    if (access(path, F_OK) == 0) {
        poolstat_say(servers->refused ? "what process %u has mapped may not be read: run as root"
                : "process %u has no board: it is no httpd with mod_poolstat", (unsigned)options->pid);
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
    for (apr_uint32_t i = 0; i < board->child_count; i++) {
        if (__atomic_load_n(&pst_board_child(board, i)->pid, __ATOMIC_RELAXED) == pid) {
            return 1;
        }
    }
    return 0;
}

/* --pid names the parent, a child that lives or one that did. */
static int apply_pid(poolstat_board_t *to, poolstat_options_t *options)
{
    if (!options->pid || options->pid == header_parent(to)) {
        return -1;
    }
    if (!knows(&to->board, options->pid)) {
        poolstat_say("the board has no child with the process id %u", (unsigned)options->pid);
        return POOLSTAT_NONE;
    }
    to->child = options->filter.pid = options->pid;
    options->filter.gone |= !poolstat_uses(to, options->pid);
    return -1;
}

static void say_gone(const poolstat_board_t *board)
{
    char name[POOLSTAT_TEXT];

    if (board->is_gone) {
        poolstat_say("the server is gone; these are the last figures that it left in %s",
                poolstat_text(name, sizeof(name), board->path));
    }
    else if (!board->parent && !board->is_foreign) {
        poolstat_say("the parent of this server is gone, children of it still run");
    }
}

int poolstat_open(poolstat_board_t *to, poolstat_options_t *options, int foreign, apr_pool_t *pool)
{
    servers_t servers;
    int status = -1;

    memset(to, 0, sizeof(*to));
    to->board.fd = -1;
    options->filter.gone = options->gone;
    if (options->file) {
        apr_cpystrn(to->path, options->file, sizeof(to->path));
        apr_cpystrn(to->way, options->file, sizeof(to->way));
    }
    else if (options->pid) {
        servers_t of_pid;

        find_servers(&of_pid, options->pid, pool);
        status = choose_pid(to, &of_pid, options);
    }
    else {
        find_servers(&servers, 0, pool);
        status = choose(to, &servers);
    }
    status = status < 0 ? open_way(to, foreign) : status;
    if (status >= 0) {
        return status;
    }
    if (to->is_foreign) {
        find_servers(&servers, 0, pool);
    }
    else {
        find_named(&servers, &to->board, pool);
    }
    note_users(to, &servers);
    options->filter.gone |= to->is_gone;
    status = to->is_foreign ? -1 : apply_pid(to, options);
    if (status < 0) {
        say_gone(to);
    }
    return status;
}

void poolstat_close(poolstat_board_t *board)
{
    pst_guard_unset();
    pst_board_close(&board->board);
}

void poolstat_refresh(poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool)
{
    servers_t servers;
    int was_gone = board->is_gone;

    if (was_gone || (board->parent && kill((pid_t)board->parent, 0) == 0)) {
        return;
    }
    find_named(&servers, &board->board, pool);
    note_users(board, &servers);
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

/* The letter that the kernel gives a process's state; 0: there is none. */
static char state_letter(apr_uint32_t pid)
{
    char path[64], text[512], *end;
    apr_ssize_t len;
    int fd;

    snprintf(path, sizeof(path), "/proc/%u/stat", (unsigned)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    end = strrchr(text, ')');            /* the name before it may hold anything */
    return end && end[1] == ' ' ? end[2] : 0;
}

const char *poolstat_state(const poolstat_board_t *board, const pst_shared_child_t *head)
{
    if (head->ended_how) {
        return pst_history_end_word(head->ended_how);
    }
    if (board->is_gone) {
        return "gone";
    }
    switch (state_letter(head->owner)) {
    case 0: return "gone";
    case 'T': case 't': return "stopped";
    case 'Z': return "zombie";
    default: return "";
    }
}
