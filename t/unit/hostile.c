/* SPDX-License-Identifier: Apache-2.0
 *
 * The command against a process made to harm it: its own board, mapped like a server's, files of a few kilobytes that
 * claim gigabytes, links placed where the command will look. Its user, usually root, comes to no harm: bounded
 * memory, bounded time, nothing opened that others chose, no process mistaken for a server.
 */
#include "poolstat.h"
#include "poolstat_servers.h"
#include "poolstat_session.h"
#include "poolstat_text.h"
#include "apart.h"
#include "board_double.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_time.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SECTIONS 60
#define CLAIMED  (15u << 20)            /* bytes that each section claims to have */

#if defined(__SANITIZE_ADDRESS__)
#define GIGABYTES(n) RLIM_INFINITY      /* its shadow takes terabytes of addresses */
#else
#define GIGABYTES(n) ((rlim_t)(n) << 30)
#endif

static char dir[256];
static uid_t nobody;
static apr_pool_t *pool;

static char *in_dir(const char *name)
{
    return apr_pstrcat(pool, dir, "/", name, NULL);
}

/* ---- the command, in a process of its own ---- */

typedef struct {
    const char *words[6];
    rlim_t may;                 /* limit of its address space in bytes; 0: 1 GiB */
    char out[1 << 16];          /* its output on stdout and stderr */
    int  status;                /* or minus the signal */
    long kilobytes;             /* most resident memory */
    double seconds;
} run_t;

static void be_command(const run_t *run)
{
    struct rlimit limit = { run->may, run->may };
    int out = open(in_dir("out"), O_RDWR | O_CREAT | O_TRUNC, 0600), count = 0;

    setrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = limit.rlim_max = 0;
    setrlimit(RLIMIT_CORE, &limit);
    dup2(out, 1);
    dup2(out, 2);
    alarm(50);
    while (run->words[count]) {
        count++;
    }
    count = poolstat_run(count, (const char *const *)run->words);
    fflush(stdout);
    fflush(stderr);
    _exit(count);
}

static void run_it(run_t *run)
{
    apr_time_t began = apr_time_now();
    struct rusage usage;
    ssize_t length;
    int status = 0, fd;
    pid_t pid;

    run->may = run->may ? run->may : GIGABYTES(1);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        be_command(run);
    }
    wait4(pid, &status, 0, &usage);
    run->seconds = (double)(apr_time_now() - began) / 1e6;
    run->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    run->kilobytes = usage.ru_maxrss;
    fd = open(in_dir("out"), O_RDONLY);
    length = read(fd, run->out, sizeof(run->out) - 1);
    run->out[length > 0 ? length : 0] = '\0';
    close(fd);
    printf("# poolstat %s %s %s: status %d, %.1f s, %ld MB\n", run->words[0], run->words[1] ? run->words[1] : "",
           run->words[2] ? run->words[2] : "", run->status, run->seconds, run->kilobytes / 1024);
}

/* ---- the other process ---- */

typedef struct {
    uid_t user;
    const char *board;          /* a file that it makes and maps for writing; NULL: none */
    const char *server;         /* from its board */
    uint64_t reserved, held;
    const char *library;        /* mapped privately; NULL: none */
    int   spoil;                /* change one byte of it there, and unlink its file */
    pid_t pid;
    int   up;
} other_t;

static void map_board(const other_t *other)
{
    const pst_board_about_t about = { .server = other->server, .module = "mod_poolstat/unit", .mpm = "event", .interval = 1, .history = 60 };
    pst_shared_child_t *child;
    pst_shared_class_t *class;
    pst_board_t board;

    if (pst_board_create(&board, other->board, 4, 4, &about, pool) != APR_SUCCESS) {
        _exit(1);
    }
    child = add_child(&board, (uint32_t)getpid());
    child->child_reserved_bytes = other->reserved;
    child->held_bytes = other->held;
    pst_board_module_add(&board, 4711, "mod_unit.so", PST_CODE_MODULE);
    class = pst_board_class(&board, child, 1);
    class->in_use = 1;
    class->class_pools_created = 7;
    class->creator = PST_FRAME(1, 4096);
}

static void map_library(const other_t *other)
{
    int fd = open(other->library, O_RDONLY);
    char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

    if (fd < 0 || at == MAP_FAILED) {
        _exit(2);
    }
    close(fd);
    /* a function that the command will want to name */
    apr_pool_cleanup_register(pool, NULL, (apr_status_t (*)(void *))(void *)(at + 256), apr_pool_cleanup_null);
    if (other->spoil) {
        at[0x18]++;
        unlink(other->library);
    }
}

static void start(other_t *other)
{
    int up[2];
    char byte = 0;

    if (pipe(up) != 0) {
        exit(1);
    }
    fflush(stdout);
    other->pid = fork();
    if (other->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (other->user && (setgid(other->user) != 0 || setuid(other->user) != 0)) {
            _exit(3);
        }
        prctl(PR_SET_DUMPABLE, 1);
        alarm(300);
        if (other->board) {
            map_board(other);
        }
        if (other->library) {
            map_library(other);
        }
        _exit(write(up[1], &byte, 1) == 1 ? pause() : 4);
    }
    close(up[1]);
    other->up = read(up[0], &byte, 1) == 1;
    close(up[0]);
}

static void stop(const other_t *other)
{
    kill(other->pid, SIGKILL);
    waitpid(other->pid, NULL, 0);
}

static const char *number(pid_t pid)
{
    return apr_psprintf(pool, "%ld", (long)pid);
}

/* ---- files that claim much ---- */

/* An ELF file whose every section is a separate symbol table, of zeros that take no space. */
static const char *make_library(const char *name)
{
    struct {
        ElfW(Ehdr) head;
        ElfW(Phdr) segment;
        ElfW(Shdr) sections[2 * SECTIONS];
    } file;
    const char *path = in_dir(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    memset(&file, 0, sizeof(file));
    memcpy(file.head.e_ident, ELFMAG, SELFMAG);
    file.head.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    file.head.e_phoff = (char *)&file.segment - (char *)&file;
    file.head.e_phentsize = sizeof(file.segment);
    file.head.e_phnum = 1;
    file.head.e_shoff = (char *)&file.sections - (char *)&file;
    file.head.e_shentsize = sizeof(file.sections[0]);
    file.head.e_shnum = 2 * SECTIONS;
    file.segment.p_type = PT_LOAD;
    for (unsigned i = 0; i < SECTIONS; i++) {
        ElfW(Shdr) *symbols = &file.sections[2 * i], *texts = symbols + 1;

        symbols->sh_type = i % 2 ? SHT_SYMTAB : SHT_DYNSYM;
        symbols->sh_entsize = sizeof(ElfW(Sym));
        symbols->sh_link = 2 * i + 1;
        texts->sh_type = SHT_STRTAB;
        symbols->sh_offset = texts->sh_offset = 8192;
        symbols->sh_size = texts->sh_size = CLAIMED;
    }
    if (fd < 0 || write(fd, &file, sizeof(file)) != (ssize_t)sizeof(file) || ftruncate(fd, 8192 + CLAIMED) != 0) {
        printf("Bail out! cannot write %s\n", path);
        exit(1);
    }
    close(fd);
    return path;
}

static void test_libraries(void)
{
    other_t other = { .user = nobody, .board = in_dir("b1"), .server = "Apache/2.4.0 (Hostile)", .library = make_library("lib.so") };
    static run_t json = { .words = { "json", "--pid" } }, tree = { .words = { "tree" } },
                 profile = { .words = { "profile", "--pid" } };

    start(&other);
    ok(other.up, "a process has mapped a library that claims gigabytes of symbols");
    json.words[2] = tree.words[1] = profile.words[2] = number(other.pid);
    run_it(&json);
    is_number((unsigned long long)json.status, POOLSTAT_OK, "json reads its board");
    ok(strstr(json.out, "(Hostile)") != NULL, "since it was asked for it by its pid");
    ok(json.seconds < 20, "in bounded time");
    ok(json.kilobytes < 400 * 1024, "and memory");
    run_it(&profile);
    ok(profile.status == POOLSTAT_OK && strstr(profile.out, "MAPPED_LIBRARIES") && profile.seconds < 20, "so does profile");
    run_it(&tree);
    is_number((unsigned long long)tree.status, POOLSTAT_OK, "tree reads its pools");
    ok(tree.seconds < 40 && tree.kilobytes < 400 * 1024, "in bounded time and memory");
    stop(&other);
}

/* A child may write any figures: none is subtracted below 0. */
static void test_figures(void)
{
    other_t other = { .board = in_dir("b2"), .server = "x", .reserved = 5000000, .held = 4096 };
    static run_t tree = { .words = { "tree", "--json" } }, text = { .words = { "tree" } };

    start(&other);
    tree.words[2] = text.words[1] = number(other.pid);
    run_it(&tree);
    ok(strstr(tree.out, "\"board\":{\"reserved_bytes\":5000000,\"bucket_bytes\":0,\"retained_bytes\":0,\"held_bytes\":4096}") != NULL,
       "tree: held less than reserved retains nothing, as JSON");
    run_it(&text);
    ok(strstr(text.out, ",999,") == NULL && strstr(text.out, "18,446,") == NULL && strstr(text.out, "4,096  held by APR") != NULL,
       "and as text");
    stop(&other);
    other.reserved = UINT64_MAX - 5;
    start(&other);
    tree.words[2] = number(other.pid);
    run_it(&tree);
    ok(strstr(tree.out, "\"board\":{\"reserved_bytes\":0,") != NULL, "what is no size is none");
    stop(&other);
}

/* ---- links ---- */

static int opens_of(int watch)
{
    char events[4096] __attribute__((aligned(8)));
    ssize_t length = read(watch, events, sizeof(events));
    int count = 0;

    for (ssize_t at = 0; at < length; at += (ssize_t)sizeof(struct inotify_event) + ((struct inotify_event *)(void *)(events + at))->len) {
        count++;
    }
    return count;
}

/* The name of a deleted file, as in maps, is a name that its user can give to anything. */
static void test_links(void)
{
    other_t other = { .user = nobody, .board = in_dir("b3"), .server = "x", .library = make_library("gone.so"), .spoil = 1 };
    const char *target = make_library("target"), *lure = in_dir("gone.so (deleted)");
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    static run_t json = { .words = { "json", "--pid" } };

    if (inotify_add_watch(watch, target, IN_OPEN) < 0 || symlink(target, lure) != 0) {
        ok(0, "a link and a watch");
        return;
    }
    start(&other);
    json.words[2] = number(other.pid);
    run_it(&json);
    is_number((unsigned long long)json.status, POOLSTAT_OK, "json reads the board");
    is_number((unsigned long long)opens_of(watch), 0, "what a link in place of a file that is gone leads to is not opened");
    close(open(target, O_RDONLY));
    is_number((unsigned long long)opens_of(watch), 1, "the watch would have told");
    stop(&other);
    close(watch);
}

/* ---- who is a server ---- */

/* In our own PID namespace, which has no other processes. @return 0: as expected; 77: not possible here */
static int among_ours(void *unused)
{
    other_t fake = { .user = nobody, .board = in_dir("b4"), .server = "Apache/2.4.0 (Fake)" },
            real = { .board = in_dir("b5"), .server = "Apache/2.4.0 (Real)" };
    static run_t table = { .words = { "" } };

    (void)unused;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0) {
        return 77;
    }
    start(&fake);
    run_it(&table);
    if (strstr(table.out, "(Fake)") || !strstr(table.out, "nobody's") || !strstr(table.out, number(fake.pid))) {
        return 1;
    }
    start(&real);
    run_it(&table);
    if (table.status != POOLSTAT_OK || !strstr(table.out, "(Real)")) {
        return 2;
    }
    table.words[1] = "--pid";
    table.words[2] = number(fake.pid);
    run_it(&table);
    return table.status == POOLSTAT_OK && strstr(table.out, "(Fake)") ? 0 : 3;
}

static int in_namespace(void *unused)
{
    pid_t pid;

    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) {
        return 77;
    }
    pid = fork();
    if (pid == 0) {
        _exit(among_ours(unused));
    }
    return apart_wait(pid);
}

static void test_others(void)
{
    other_t fake = { .user = nobody, .board = in_dir("b6"), .server = "x" }, real = { .board = in_dir("b7"), .server = "x" };
    poolstat_servers_t servers;
    struct stat about = { .st_mode = S_IFREG | 0600 };
    int how;

    start(&fake);
    start(&real);
    poolstat_servers_find(&servers, (apr_uint32_t)fake.pid, pool);
    ok(servers.count == 1 && servers.others == 1 && !servers.at[0]->is_ours && servers.at[0]->owner == nobody,
       "a board of nobody's is known for what it is");
    poolstat_servers_find(&servers, (apr_uint32_t)real.pid, pool);
    ok(servers.count == 1 && servers.others == 0 && servers.at[0]->is_ours, "one of root's is a server's");
    about.st_uid = 0;
    ok(poolstat_is_ours(&about), "root's file");
    about.st_mode |= S_IWOTH;
    ok(!poolstat_is_ours(&about), "but not one that anybody may write");
    stop(&fake);
    stop(&real);
    how = apart(in_namespace, NULL);
    if (how == 77) {
        printf("ok %d # SKIP no PID namespace to be had here\n", ++tap_count);
        return;
    }
    is_number((unsigned long long)how, 0, "unasked, root is shown root's server alone, and told of nobody's; asked by --pid, nobody's");
}

/* ---- servers in containers ---- */

typedef struct {
    pid_t pid, parent, child;   /* their maker; a server of a parent and a child, by our ids: inside they are 1 and 2 */
} inner_t;

static pid_t fork_inner(pst_board_t *board, int is_child)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(300);
        if (is_child) {
            add_child(board, (uint32_t)getpid());
        }
        else {
            pst_board_header(board)->parent = (uint32_t)getpid();
        }
        pause();
        _exit(0);
    }
    return pid;
}

static void be_container(const char *path, int up)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Inner)", .module = "mod_poolstat/unit", .mpm = "event", .interval = 1, .history = 60 };
    inner_t made = { getpid(), 0, 0 };
    pst_board_t board;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(300);
    if (pst_board_create(&board, path, 4, 4, &about, pool) != APR_SUCCESS || unshare(CLONE_NEWPID) != 0) {
        _exit(77);
    }
    made.parent = fork_inner(&board, 0);
    made.child = fork_inner(&board, 1);
    while (pst_board_header(&board)->parent != 1 || !pst_board_child(&board, 0)->ready) {
        sched_yield();
    }
    pst_board_close(&board);
    if (made.parent < 0 || made.child < 0 || write(up, &made, sizeof(made)) != (ssize_t)sizeof(made)) {
        _exit(1);
    }
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    pause();
    _exit(0);
}

/* @return 0: there can be no containers here */
static int start_container(inner_t *inner, const char *path)
{
    int up[2], good;
    pid_t pid;

    if (pipe(up) != 0) {
        return 0;
    }
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(up[0]);
        be_container(path, up[1]);
    }
    close(up[1]);
    good = read(up[0], inner, sizeof(*inner)) == (ssize_t)sizeof(*inner);
    close(up[0]);
    inner->pid = pid;
    return good;
}

/* Its end, which its maker has waited for. */
static void end_inner(pid_t pid)
{
    kill(pid, SIGKILL);
    while (kill(pid, 0) == 0) {
        sched_yield();
    }
}

static void test_container(void)
{
    const char *path = in_dir("inner");
    static run_t run;
    inner_t inner;

    if (!start_container(&inner, path)) {
        printf("ok %d # SKIP no PID namespace to be had here\n", ++tap_count);
        return;
    }
    run = (run_t){ .words = { "", "--pid", number(inner.parent) } };
    run_it(&run);
    ok(run.status == POOLSTAT_OK && strstr(run.out, "(Inner)") && strstr(run.out, "parent 1,"), "a server in a container is found by its parent's id here");
    ok(!strstr(run.out, "gone") && strstr(run.out, " 2 "), "its processes live, though it calls them by others' ids");
    run.words[0] = "json";
    run.words[2] = number(inner.child);
    run_it(&run);
    ok(run.status == POOLSTAT_OK && strstr(run.out, "\"pid\":2,") && !strstr(run.out, "gone"), "a child by its id here");
    run.words[1] = "--file";
    run.words[2] = path;
    run_it(&run);
    ok(run.status == POOLSTAT_OK && !strstr(run.out, "poolstat:"), "by its file: it lives as well");
    run.words[3] = "--pid";
    run.words[4] = "2";
    run_it(&run);
    ok(run.status == POOLSTAT_OK && strstr(run.out, "\"pid\":2,"), "whose child may be named as the board has it");
    run = (run_t){ .words = { "tree", "--json", number(inner.child) } };
    run_it(&run);
    ok(strstr(run.out, "\"board\":{\"reserved_bytes\"") != NULL, "tree finds the child's own block");
    end_inner(inner.child);
    run = (run_t){ .words = { "json", "--file", path, "--gone" } };
    run_it(&run);
    ok(strstr(run.out, "\"ended_how\":\"gone\"") && !strstr(run.out, "server is gone"), "a child that was killed is told from those that live");
    end_inner(inner.parent);
    run_it(&run);
    ok(strstr(run.out, "the server is gone") != NULL, "so is a server");
    kill(inner.pid, SIGKILL);
    waitpid(inner.pid, NULL, 0);
}

static long resident(void)
{
    long all = 0, pages = 0;
    FILE *in = fopen("/proc/self/statm", "r");

    if (!in || fscanf(in, "%ld %ld", &all, &pages) != 2) {
        pages = 0;
    }
    if (in) {
        fclose(in);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Watch a server whose parent is dead. @return 0: it took no more memory in the end */
static int look_often(void *path)
{
    poolstat_options_t options = { .command = "watch", .file = path, .filter = { .kind = -1 } };
    static poolstat_session_t session;
    char said[200];
    long before = 0;

    poolstat_say_to(said, sizeof(said));
    if (poolstat_session_open(&session, &options) >= 0 || session.board.parent || !session.board.users.count) {
        return 100;
    }
    for (int i = 0; i < 600; i++) {
        if (poolstat_session_look(&session) >= 0 || session.board.is_gone) {
            return 101;
        }
        before = i == 100 ? resident() : before;
    }
    return before && resident() - before < 1024 ? 0 : 1;
}

static void name_parent(const char *path, uint32_t parent)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || pwrite(fd, &parent, sizeof(parent), offsetof(pst_shared_header_t, parent)) != (ssize_t)sizeof(parent)) {
        exit(1);
    }
    close(fd);
}

static void test_orphans(void)
{
    char *path = in_dir("orphans");
    inner_t inner;

    if (!start_container(&inner, path)) {
        printf("ok %d # SKIP no PID namespace to be had here\n", ++tap_count);
        return;
    }
    name_parent(path, 4000000);     /* the first process of a namespace would take all others with it */
    is_number((unsigned long long)apart(look_often, path), 0, "a server without its parent is looked at again and again in the same room");
    kill(inner.pid, SIGKILL);
    waitpid(inner.pid, NULL, 0);
}

/* ---- more than can be examined ---- */

static void test_unsure(void)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Unsure)", .module = "m", .mpm = "event", .interval = 1 };
    static run_t run = { .words = { "", "--file" } };
    other_t others[POOLSTAT_OTHERS + 1];
    pst_board_t board;

    if (pst_board_create(&board, in_dir("unsure"), 4, 4, &about, pool) != APR_SUCCESS) {
        ok(0, "a board");
        return;
    }
    add_child(&board, 100000);
    pst_board_close(&board);
    run.words[2] = in_dir("unsure");
    run_it(&run);
    ok(strstr(run.out, "the server is gone") != NULL, "a server that nobody is left of is gone");
    for (unsigned i = 0; i <= POOLSTAT_OTHERS; i++) {
        others[i] = (other_t){ .user = nobody, .board = apr_psprintf(pool, "%s/many%u", dir, i), .server = "x" };
        start(&others[i]);
    }
    run_it(&run);
    ok(strstr(run.out, "whether it runs is not known") && !strstr(run.out, "gone"), "but not where there was too much to look at");
    for (unsigned i = 0; i <= POOLSTAT_OTHERS; i++) {
        stop(&others[i]);
    }
}

/* ---- boards that are not there ---- */

/* Children are named, but the file has nothing in it: a few megabytes for gigabytes. */
static void test_hollow(void)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Hollow)", .module = "m", .mpm = "event", .interval = 1 };
    static run_t table = { .words = { "", "--file" }, .may = GIGABYTES(4) };
    pst_board_t board;
    struct stat st;

    if (pst_board_create(&board, in_dir("hollow"), 3000, 1000, &about, pool) != APR_SUCCESS) {
        ok(0, "a large board");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        add_child(&board, 100000 + i);
    }
    table.words[2] = in_dir("hollow");
    run_it(&table);
    ok(table.status == POOLSTAT_OK && strstr(table.out, "(Hollow)"), "a large board with a few children is read");
    pst_board_header(&board)->claimed = 3000;
    for (unsigned i = 3; i < 3000; i++) {
        pst_shared_child_t *child = pst_board_child(&board, i);

        child->pid = child->owner = 100000 + i;
        child->ready = 1;
    }
    fstat(board.fd, &st);
    run_it(&table);
    printf("# %ld MB of %ld\n", (long)(st.st_blocks >> 11), (long)(st.st_size >> 20));
    is_number((unsigned long long)table.status, POOLSTAT_DAMAGED, "with children that never wrote to it, it is none");
    ok(table.seconds < 5 && table.kilobytes < 400 * 1024, "which is found out at once");
    pst_board_close(&board);
}

int main(void)
{
    const struct passwd *user = getpwnam("nobody");
    const char *temp = NULL;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    apr_temp_dir_get(&temp, pool);
    snprintf(dir, sizeof(dir), "%s/poolstat-hostile-XXXXXX", temp ? temp : ".");
    if (!mkdtemp(dir) || chmod(dir, 0777) != 0) {
        printf("Bail out! no directory\n");
        return 1;
    }
    nobody = user ? user->pw_uid : 65534;
    test_hollow();
    if (getuid() == 0) {
        test_libraries();
        test_figures();
        test_links();
        test_others();
        test_container();
        test_orphans();
        test_unsure();
    }
    else {
        nobody = 0;
        test_libraries();
        test_figures();
    }
    return (system(apr_psprintf(pool, "rm -rf '%s'", dir)) != 0) + done();
}
