/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_check_ask.h.  What is read back is input like everything else on the board: it is only shown.
 */
#include "pst_check_ask.h"
#include "pst_thread.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MOST 16

/* @return APR_SUCCESS, or the system's error */
static apr_status_t put_word(const pst_board_t *board, int fd, void *at, const void *value, apr_size_t size)
{
    if (fd < 0) {
        if (size == sizeof(uint64_t)) {
            __atomic_store_n((uint64_t *)at, *(const uint64_t *)value, __ATOMIC_RELEASE);
        }
        else {
            __atomic_store_n((uint32_t *)at, *(const uint32_t *)value, __ATOMIC_RELEASE);
        }
        return APR_SUCCESS;
    }
    return pwrite(fd, value, size, (off_t)((char *)at - (char *)board->base)) == (ssize_t)size ? APR_SUCCESS : errno;
}

static apr_status_t ask_to_check(pst_checking_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t i,
                                 apr_uint32_t pid)
{
    pst_shared_child_t *child = pst_board_child(board, i);
    apr_uint32_t owner = __atomic_load_n(&child->owner, __ATOMIC_ACQUIRE);
    pst_checking_row_t *row = &asked->rows[asked->count];
    apr_uint64_t packed = pst_checks_pack(&asked->wanted);
    apr_status_t rv;

    if (!owner || !__atomic_load_n(&child->ready, __ATOMIC_ACQUIRE) || (pid && pid != owner)) {
        return APR_SUCCESS;
    }
    if (!__atomic_load_n(&child->obeys, __ATOMIC_ACQUIRE)) {
        asked->deaf++;
        return APR_SUCCESS;
    }
    memset(row, 0, sizeof(*row));
    row->pid = owner;
    row->block = i;
    row->serial = __atomic_load_n(&child->check_asked, __ATOMIC_RELAXED) + 1;
    rv = put_word(board, fd, &child->check_wanted, &packed, sizeof(packed));
    if (rv == APR_SUCCESS) {
        rv = put_word(board, fd, &child->check_asked, &row->serial, sizeof(row->serial));
    }
    if (rv == APR_SUCCESS) {
        asked->count++;
        if (fd < 0) {
            pst_thread_ring(&child->bell);  /* otherwise it sees the request when it wakes by itself, within a second */
        }
    }
    return rv;
}

apr_status_t pst_check_ask(pst_checking_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t pid,
                           const pst_checks_t *wanted, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;

    memset(asked, 0, sizeof(*asked));
    asked->wanted = *wanted;
    asked->rows = apr_palloc(pool, (board->child_count + 1) * sizeof(*asked->rows));
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && rv == APR_SUCCESS; i++) {
        rv = ask_to_check(asked, board, fd, i, pid);
    }
    asked->pending = asked->count;
    return rv;
}

static void look_at_checking(pst_checking_row_t *row, const pst_board_t *board, const pst_checks_t *wanted)
{
    pst_shared_child_t *child = pst_board_child(board, row->block);
    apr_uint32_t done = __atomic_load_n(&child->check_done, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) != row->pid) {
        row->state = PST_CHECKING_GONE;
    }
    else if ((apr_int32_t)(done - row->serial) >= 0) {
        pst_checks_unpack(&row->checks, pst_load(&child->checks));
        row->state = pst_checks_pack(&row->checks) == pst_checks_pack(wanted) ? PST_CHECKING_DONE : PST_CHECKING_CANNOT;
    }
}

apr_uint32_t pst_checking_look(pst_checking_asked_t *asked, const pst_board_t *board)
{
    asked->pending = asked->done = 0;
    for (apr_uint32_t i = 0; i < asked->count; i++) {
        pst_checking_row_t *row = &asked->rows[i];

        if (row->state == PST_CHECKING_PENDING) {
            look_at_checking(row, board, &asked->wanted);
        }
        asked->pending += row->state == PST_CHECKING_PENDING;
        asked->done += row->state == PST_CHECKING_DONE;
    }
    return asked->pending;
}

const char *pst_checking_word(pst_checking_e state)
{
    static const char *const words[] = { "pending", "done", "cannot", "gone" };

    return words[state];
}

int pst_checks_of_text(pst_checks_t *checks, const char *text, char *error, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, text), *state = NULL;
    const char *words[WORDS_MOST];
    int count = 0;

    for (char *word = apr_strtok(copy, " \t", &state); word; word = apr_strtok(NULL, " \t", &state)) {
        if (count == WORDS_MOST) {
            apr_cpystrn(error, "PoolStatCheck has too many words.", PST_CHECKS_ERROR);
            return 0;
        }
        words[count++] = word;
    }
    return pst_checks_parse(checks, count, words, error);
}
