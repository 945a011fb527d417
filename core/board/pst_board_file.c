/* SPDX-License-Identifier: Apache-2.0
 *
 * The board's file: creating it, mapping it, and keeping it from others.
 *
 * No store to a mapping may be the first to hit a page that the disk has no room for: that is a SIGBUS, whereas a
 * write gives an error that can be reported. So the header is written, not stored, and room for blocks and histories
 * is allocated before they are touched.
 *
 * Who has it: the parent's mapping is not inherited by a fork, and it keeps no descriptor. So processes forked from
 * the parent have neither, such as a module's daemon that runs another user's code. A child of the MPM reopens the
 * file while it still has its parent's rights, proves that it is the same file, and closes the descriptor before the
 * first request. With only a mapping nobody can truncate or extend the file.
 */
#include "pst_board.h"
#include "pst_board_parts.h"
#include "pst_memory.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -- creating --------------------------------------------------------------- */

/* A board up to this size, without histories, gets its room at the start. In a larger one blocks get it when a child
 * claims them, as histories do; but at the start it is still checked that enough is free. */
#define PREALLOCATE_UP_TO ((apr_uint64_t)64 * 1024 * 1024)

/* A file system that reports no size has room. */
static apr_status_t ask_for(int fd, apr_uint64_t size)
{
    struct statvfs st;

    return fstatvfs(fd, &st) == 0 && st.f_blocks && st.f_bavail < size / (st.f_frsize ? st.f_frsize : 4096)
               ? ENOSPC
               : APR_SUCCESS;
}

/* Extending a file beyond that limit raises a signal that ends the process. */
static int is_allowed(apr_uint64_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur;
}

/* The part of the remaining address space to use if it is limited. The rest is for httpd's real work: stacks of
 * threads. */
#define PART_OF_SPACE 16

static int has_space(apr_uint64_t size)
{
    struct rlimit limit;
    apr_uint64_t mapped = pst_memory_mapped();

    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return 1;
    }
    return mapped < limit.rlim_cur && size <= (limit.rlim_cur - mapped) / PART_OF_SPACE;
}

static apr_status_t write_all(int fd, const char *bytes, apr_size_t size)
{
    for (apr_size_t at = 0; at < size; ) {
        ssize_t wrote = pwrite(fd, bytes + at, size - at, (off_t)at);

        if (wrote < 0 && errno != EINTR) {
            return errno;
        }
        if (wrote == 0) {
            return ENOSPC;
        }
        at += wrote > 0 ? (apr_size_t)wrote : 0;
    }
    return APR_SUCCESS;
}

static void note_file(pst_board_t *board, const struct stat *st)
{
    board->device = (apr_uint64_t)st->st_dev;
    board->inode = (apr_uint64_t)st->st_ino;
}

static apr_status_t map(pst_board_t *board, int how)
{
    void *base = mmap(NULL, board->size, how, MAP_SHARED, board->fd, 0);

    if (base == MAP_FAILED) {
        return errno;
    }
    board->base = base;
    board->mapper = (apr_uint32_t)getpid();
    return APR_SUCCESS;
}

static apr_status_t fill_file(pst_board_t *board, const pst_board_about_t *about, apr_pool_t *scratch)
{
    pst_shared_header_t *header = apr_pcalloc(scratch, board->header_size);
    struct stat st;
    apr_status_t rv;

    if (!is_allowed(board->size)) {
        return EFBIG;
    }
    if (!has_space(board->size)) {
        return ENOMEM;
    }
    if (ftruncate(board->fd, (off_t)board->size) != 0) {
        return errno;
    }
    rv = board->history_at <= PREALLOCATE_UP_TO ? pst_board_room(board, 0, board->history_at)
                                                : ask_for(board->fd, PREALLOCATE_UP_TO);
    if (rv == APR_SUCCESS) {
        pst_board_fill_header(header, board, about);
        rv = write_all(board->fd, (const char *)header, board->header_size);
    }
    if (rv == APR_SUCCESS && fstat(board->fd, &st) != 0) {
        rv = errno;
    }
    if (rv == APR_SUCCESS) {
        note_file(board, &st);
        rv = map(board, PROT_READ | PROT_WRITE);
    }
    return rv;
}

apr_status_t pst_board_create(pst_board_t *board, const char *path, apr_uint32_t child_count,
                              apr_uint32_t slot_count, const pst_board_about_t *about, apr_pool_t *scratch)
{
    const char *fresh = apr_psprintf(scratch, "%s.%ld.new", path, (long)getpid());
    apr_status_t rv;

    memset(board, 0, sizeof(*board));
    board->fd = -1;
    rv = pst_board_shape(board, child_count, slot_count, about->history, about->interval);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    unlink(fresh);
    board->fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (board->fd < 0) {
        return errno;
    }
    rv = fill_file(board, about, scratch);
    if (rv == APR_SUCCESS && rename(fresh, path) != 0) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        unlink(fresh);
        pst_board_close(board);
    }
    return rv;
}

/* -- ownership -------------------------------------------------------------- */

apr_status_t pst_board_withhold(pst_board_t *board)
{
    pst_board_close_file(board);
    return madvise(board->base, board->size, MADV_DONTFORK) == 0 ? APR_SUCCESS : errno;
}

static int is_it(const pst_board_t *board, const struct stat *st)
{
    return S_ISREG(st->st_mode) && (apr_uint64_t)st->st_dev == board->device && (apr_uint64_t)st->st_ino == board->inode
           && (apr_uint64_t)st->st_size >= board->size;
}

apr_status_t pst_board_join(pst_board_t *board, const char *path)
{
    apr_status_t rv = APR_SUCCESS;
    struct stat st;

    board->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (board->fd < 0) {
        return errno;
    }
    if (fstat(board->fd, &st) != 0) {
        rv = errno;
    }
    else if (!is_it(board, &st)) {
        rv = APR_EMISMATCH;
    }
    else if (board->mapper == (apr_uint32_t)getpid()) {
        rv = madvise(board->base, board->size, MADV_DOFORK) == 0 ? APR_SUCCESS : errno;
    }
    else {
        rv = map(board, PROT_READ | PROT_WRITE);
    }
    if (rv != APR_SUCCESS) {
        pst_board_close_file(board);
    }
    return rv;
}

void pst_board_close_file(pst_board_t *board)
{
    if (board->fd >= 0) {
        close(board->fd);
        board->fd = -1;
    }
}

int pst_board_is_at(const pst_board_t *board, const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && is_it(board, &st);
}

/* The parent named in a file, if the file is a board of any version. */
static apr_uint32_t named_parent(int fd)
{
    pst_shared_header_t header;
    apr_size_t enough = offsetof(pst_shared_header_t, parent) + sizeof(header.parent);

    if (pread(fd, &header, enough, 0) != (ssize_t)enough
        || memcmp(header.magic, PST_BOARD_MAGIC, sizeof(header.magic)) != 0) {
        return 0;
    }
    return header.parent <= INT_MAX ? header.parent : 0;
}

/* Children can write there, so the named pid alone is not enough. The process must exist, belong to a user who could
 * have made the board, and have it mapped; if the system does not reveal these, its existence must do. */
static int holds_board(apr_uint32_t pid, apr_uint64_t inode)
{
    apr_uint32_t user;

    if (pid == (apr_uint32_t)getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) {
        return 0;
    }
    if (pst_memory_user(pid, &user) == APR_SUCCESS && user != 0 && user != (apr_uint32_t)geteuid()) {
        return 0;
    }
    return pst_memory_shares(pid, inode) != 0;
}

apr_uint32_t pst_board_holder(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    apr_uint32_t pid = 0;
    struct stat st;

    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        pid = named_parent(fd);
    }
    close(fd);
    return pid && holds_board(pid, (apr_uint64_t)st.st_ino) ? pid : 0;
}

static void let_go(const pst_board_t *board, apr_uint64_t from, apr_uint64_t to)
{
    if (from < to) {
        madvise((char *)board->base + from, (apr_size_t)(to - from), MADV_DONTNEED);
    }
}

void pst_board_give_back(const pst_board_t *board, const pst_shared_child_t *own)
{
    int index = own ? pst_board_index(board, own) : -1;
    apr_uint64_t block, history;

    if (index < 0) {
        let_go(board, board->header_size, board->size);
        return;
    }
    block = board->header_size + (apr_uint64_t)index * board->child_size;
    history = board->history_at + (apr_uint64_t)index * board->history_size;
    let_go(board, board->header_size, block);
    let_go(board, block + board->child_size, history);
    let_go(board, history + board->history_size, board->size);
}

/* -- reading ---------------------------------------------------------------- */

apr_status_t pst_board_open_file(pst_board_t *board, int fd)
{
    pst_shared_header_t header;
    struct stat st;
    apr_status_t rv = APR_SUCCESS;

    memset(board, 0, sizeof(*board));
    board->fd = fd;
    if (fstat(board->fd, &st) != 0) {
        rv = errno;
    }
    else if (!S_ISREG(st.st_mode)
             || pread(board->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
        rv = APR_EMISMATCH;
    }
    else {
        rv = pst_board_check_header(board, &header, (apr_uint64_t)st.st_size);
    }
    if (rv == APR_SUCCESS) {
        note_file(board, &st);
        rv = map(board, PROT_READ);
    }
    if (rv != APR_SUCCESS) {
        pst_board_close(board);
    }
    return rv;
}

void pst_board_close(pst_board_t *board)
{
    if (board->base) {
        munmap(board->base, board->size);
        board->base = NULL;
    }
    pst_board_close_file(board);
}

/* Anything smaller is read quickly, whatever it is. */
#define HOLLOW_FROM  ((apr_uint64_t)64 * 1024 * 1024)
/* Compressing file systems store zeros in little room, but not in that little. */
#define HOLLOW_PART  64

int pst_board_is_hollow(const pst_board_t *board)
{
    apr_uint64_t wanted = 0;
    struct stat st;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        const pst_shared_child_t *child = pst_board_child(board, i);

        wanted += __atomic_load_n(&child->pid, __ATOMIC_RELAXED) || __atomic_load_n(&child->owner, __ATOMIC_RELAXED)
                      ? board->child_size : 0;
    }
    return wanted > HOLLOW_FROM && board->fd >= 0 && fstat(board->fd, &st) == 0
           && (apr_uint64_t)st.st_blocks * 512 < wanted / HOLLOW_PART;
}
