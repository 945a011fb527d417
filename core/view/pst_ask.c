/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children to switch something.  See pst_ask.h.
 *
 * What is read back is input like everything else on the board: it is only shown.
 */
#include "pst_ask.h"
#include "pst_thread.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MOST 16

/* @return APR_SUCCESS, or the system's error */
static apr_status_t put_through(const pst_board_t *board, int fd, const void *at, const void *value, apr_size_t size)
{
    return pwrite(fd, value, size, (off_t)((const char *)at - (const char *)board->base)) == (ssize_t)size
               ? APR_SUCCESS
               : errno;
}

static apr_status_t put_long(const pst_board_t *board, int fd, uint64_t *at, apr_uint64_t value)
{
    if (fd < 0) {
        __atomic_store_n(at, value, __ATOMIC_RELEASE);
        return APR_SUCCESS;
    }
    return put_through(board, fd, at, &value, sizeof(value));
}

static apr_status_t put_int(const pst_board_t *board, int fd, uint32_t *at, apr_uint32_t value)
{
    if (fd < 0) {
        __atomic_store_n(at, value, __ATOMIC_RELEASE);
        return APR_SUCCESS;
    }
    return put_through(board, fd, at, &value, sizeof(value));
}

/* -- the heap profile -------------------------------------------------------- */

/* One word of a child's block says both that somebody asks and for what, so no child acts on half a request. The same
 * request again: another number above the same rate. */
static apr_status_t ask_rate(pst_asked_row_t *row, const pst_board_t *board, int fd, pst_shared_child_t *child,
                             apr_uint64_t rate)
{
    apr_uint64_t before = __atomic_load_n(&child->heap_asked, __ATOMIC_RELAXED);
    apr_uint64_t wish = (((before >> PST_HEAP_ASKED_BITS) + 1) << PST_HEAP_ASKED_BITS) | rate;

    row->serial = wish >> PST_HEAP_ASKED_BITS;
    return put_long(board, fd, &child->heap_asked, wish);
}

static int heap_answered(pst_asked_row_t *row, const pst_shared_child_t *child)
{
    apr_uint64_t answered = __atomic_load_n(&child->heap_answered, __ATOMIC_ACQUIRE);

    row->value = pst_load(&child->heap_profile_rate);
    return answered >> PST_HEAP_ASKED_BITS >= row->serial;
}

/* -- checks ------------------------------------------------------------------ */

/* What is wanted is there before it is asked for. */
static apr_status_t ask_for_checks(pst_asked_row_t *row, const pst_board_t *board, int fd, pst_shared_child_t *child,
                               apr_uint64_t packed)
{
    apr_uint32_t serial = __atomic_load_n(&child->check_asked, __ATOMIC_RELAXED) + 1;
    apr_status_t rv = put_long(board, fd, &child->check_wanted, packed);

    row->serial = serial;
    return rv == APR_SUCCESS ? put_int(board, fd, &child->check_asked, serial) : rv;
}

static int checks_answered(pst_asked_row_t *row, const pst_shared_child_t *child)
{
    apr_uint32_t done = __atomic_load_n(&child->check_done, __ATOMIC_ACQUIRE);
    pst_checks_t checks;

    pst_checks_unpack(&checks, pst_load(&child->checks));
    row->value = pst_checks_pack(&checks);
    return (apr_int32_t)(done - (apr_uint32_t)row->serial) >= 0;
}

/* -- whichever it is --------------------------------------------------------- */

static const struct {
    apr_status_t (*ask)(pst_asked_row_t *row, const pst_board_t *board, int fd, pst_shared_child_t *child,
                        apr_uint64_t value);
    int (*answered)(pst_asked_row_t *row, const pst_shared_child_t *child);
} kinds[] = { [PST_ASK_HEAP] = { ask_rate, heap_answered }, [PST_ASK_CHECKS] = { ask_for_checks, checks_answered } };

apr_uint32_t pst_ask_whom(const pst_shared_child_t *child, apr_uint32_t pid)
{
    apr_uint32_t owner = __atomic_load_n(&child->owner, __ATOMIC_ACQUIRE);

    return owner && __atomic_load_n(&child->ready, __ATOMIC_ACQUIRE) && (!pid || pid == owner) ? owner : 0;
}

static apr_status_t ask_one(pst_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t i, apr_uint32_t pid)
{
    pst_shared_child_t *child = pst_board_child(board, i);
    apr_uint32_t owner = pst_ask_whom(child, pid);
    pst_asked_row_t *row = &asked->rows[asked->count];
    apr_status_t rv;

    if (!owner) {
        return APR_SUCCESS;
    }
    if (!__atomic_load_n(&child->obeys, __ATOMIC_ACQUIRE)) {
        asked->deaf++;
        return APR_SUCCESS;
    }
    memset(row, 0, sizeof(*row));
    row->pid = owner;
    row->block = i;
    rv = kinds[asked->what].ask(row, board, fd, child, asked->value);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (fd < 0) {
        pst_thread_ring(&child->bell);      /* otherwise it sees the request when it wakes by itself, within a second */
    }
    asked->count++;
    return APR_SUCCESS;
}

/* -- those that start later --------------------------------------------------- */

static apr_status_t ask_rate_of_all(const pst_board_t *board, int fd, apr_uint32_t generation, apr_uint64_t rate)
{
    return put_long(board, fd, &pst_board_header(board)->heap_asked, PST_HEAP_ASKED_OF(generation) | rate);
}

/* Nobody acts on half a request: it is valid once its generation is there. */
static apr_status_t ask_for_checks_of_all(const pst_board_t *board, int fd, apr_uint32_t generation,
                                          apr_uint64_t packed)
{
    pst_shared_header_t *header = pst_board_header(board);
    apr_status_t rv = put_long(board, fd, &header->check_asked, 0);

    rv = rv == APR_SUCCESS ? put_long(board, fd, &header->check_wanted, packed) : rv;
    return rv == APR_SUCCESS ? put_long(board, fd, &header->check_asked, (apr_uint64_t)generation + 1) : rv;
}

/* Before the others are asked: who starts meanwhile finds it. */
static apr_status_t ask_later_ones(const pst_asked_t *asked, const pst_board_t *board, int fd)
{
    apr_uint32_t newest = 0, obeying = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        const pst_shared_child_t *child = pst_board_child(board, i);

        if (pst_ask_whom(child, 0) && __atomic_load_n(&child->obeys, __ATOMIC_ACQUIRE)) {
            newest = child->generation > newest ? child->generation : newest;
            obeying++;
        }
    }
    if (!obeying) {
        return APR_SUCCESS;
    }
    return (asked->what == PST_ASK_HEAP ? ask_rate_of_all : ask_for_checks_of_all)(board, fd, newest, asked->value);
}

apr_status_t pst_ask(pst_asked_t *asked, pst_ask_e what, const pst_board_t *board, int fd, apr_uint32_t pid,
                     apr_uint64_t value, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;

    memset(asked, 0, sizeof(*asked));
    asked->what = what;
    asked->value = value;
    asked->rows = apr_palloc(pool, board->child_count * sizeof(*asked->rows));
    if (!pid) {
        rv = ask_later_ones(asked, board, fd);
    }
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && rv == APR_SUCCESS; i++) {
        rv = ask_one(asked, board, fd, i, pid);
    }
    asked->pending = asked->count;
    return rv;
}

static void look_at_asked(pst_asked_row_t *row, const pst_board_t *board, const pst_asked_t *asked)
{
    pst_shared_child_t *child = pst_board_child(board, row->block);
    int has_answered = kinds[asked->what].answered(row, child);

    if (__atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) != row->pid) {
        row->state = PST_ASKED_GONE;
    }
    else if (has_answered) {
        row->state = row->value == asked->value ? PST_ASKED_DONE : PST_ASKED_CANNOT;
    }
}

apr_uint32_t pst_ask_look(pst_asked_t *asked, const pst_board_t *board)
{
    asked->pending = asked->done = 0;
    for (apr_uint32_t i = 0; i < asked->count; i++) {
        pst_asked_row_t *row = &asked->rows[i];

        if (row->state == PST_ASKED_PENDING) {
            look_at_asked(row, board, asked);
        }
        asked->pending += row->state == PST_ASKED_PENDING;
        asked->done += row->state == PST_ASKED_DONE;
    }
    return asked->pending;
}

const char *pst_asked_word(pst_asked_e state)
{
    static const char *const words[] = { "pending", "done", "cannot", "gone" };

    return words[state];
}

/* -- as people write it ------------------------------------------------------ */

int pst_ask_rate(apr_uint64_t *rate, const char *text)
{
    static const char units[] = "KMG";
    apr_uint64_t n = 0;
    const char *c = text, *unit;

    *rate = 0;
    if (apr_strnatcasecmp(text, "off") == 0) {
        return 1;
    }
    for (; *c >= '0' && *c <= '9' && c - text < 13; c++) {
        n = n * 10 + (apr_uint64_t)(*c - '0');
    }
    if (*c) {
        unit = strchr(units, *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        if (c == text || !unit || c[1] || n > PST_HEAP_RATE_MOST) {
            return 0;
        }
        n <<= 10 * (unit - units + 1);
    }
    *rate = n;
    return n >= PST_HEAP_RATE_LEAST && n <= PST_HEAP_RATE_MOST;
}

int pst_ask_checks(pst_checks_t *checks, const char *text, char *error, apr_pool_t *pool)
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
