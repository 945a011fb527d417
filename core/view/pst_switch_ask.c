/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking children to switch their heap profiles.  See pst_switch_ask.h.
 *
 * One word of a child's block says both that somebody asks and for what, so no child acts on half a request. What is
 * read back is input like everything else on the board: it is only shown.
 */
#include "pst_switch_ask.h"
#include "pst_thread.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* @return APR_SUCCESS, or the system's error */
static apr_status_t put(const pst_board_t *board, int fd, uint64_t *at, apr_uint64_t value)
{
    if (fd < 0) {
        __atomic_store_n(at, value, __ATOMIC_RELEASE);
        return APR_SUCCESS;
    }
    return pwrite(fd, &value, sizeof(value), (off_t)((char *)at - (char *)board->base)) == (ssize_t)sizeof(value)
               ? APR_SUCCESS
               : errno;
}

/* The same request again: another number above the same rate. */
static apr_uint64_t next_wish(apr_uint64_t before, apr_uint64_t rate)
{
    return (((before >> PST_HEAP_ASKED_BITS) + 1) << PST_HEAP_ASKED_BITS) | rate;
}

static apr_status_t ask_to_switch(pst_switch_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t i,
                                  apr_uint32_t pid, apr_uint32_t *generation)
{
    pst_shared_child_t *child = pst_board_child(board, i);
    apr_uint32_t owner = __atomic_load_n(&child->owner, __ATOMIC_ACQUIRE);
    pst_switch_row_t *row = &asked->rows[asked->count];
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
    row->wanted = next_wish(__atomic_load_n(&child->heap_asked, __ATOMIC_RELAXED), asked->rate);
    rv = put(board, fd, &child->heap_asked, row->wanted);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (fd < 0) {
        pst_thread_ring(&child->bell);      /* otherwise it sees the request when it wakes by itself, within a second */
    }
    if (child->generation > *generation) {
        *generation = child->generation;
    }
    asked->count++;
    return APR_SUCCESS;
}

apr_status_t pst_switch_ask(pst_switch_asked_t *asked, const pst_board_t *board, int fd, apr_uint32_t pid,
                          apr_uint64_t rate, apr_pool_t *pool)
{
    apr_uint32_t generation = 0;
    apr_status_t rv = APR_SUCCESS;

    memset(asked, 0, sizeof(*asked));
    asked->rate = rate;
    asked->rows = apr_palloc(pool, board->child_count * sizeof(*asked->rows));
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && rv == APR_SUCCESS; i++) {
        rv = ask_to_switch(asked, board, fd, i, pid, &generation);
    }
    if (rv == APR_SUCCESS && !pid && asked->count) {
        rv = put(board, fd, &pst_board_header(board)->heap_asked, PST_HEAP_ASKED_OF(generation) | rate);
    }
    asked->pending = asked->count;
    return rv;
}

static void look_at_switch(pst_switch_row_t *row, const pst_board_t *board, apr_uint64_t wanted)
{
    pst_shared_child_t *child = pst_board_child(board, row->block);
    apr_uint64_t answered = __atomic_load_n(&child->heap_answered, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&child->owner, __ATOMIC_ACQUIRE) != row->pid) {
        row->state = PST_SWITCH_GONE;
    }
    else if (answered >> PST_HEAP_ASKED_BITS >= row->wanted >> PST_HEAP_ASKED_BITS) {
        row->rate = pst_load(&child->heap_profile_rate);
        row->state = row->rate == wanted ? PST_SWITCH_DONE : PST_SWITCH_CANNOT;
    }
}

apr_uint32_t pst_switch_look(pst_switch_asked_t *asked, const pst_board_t *board)
{
    asked->pending = asked->done = 0;
    for (apr_uint32_t i = 0; i < asked->count; i++) {
        pst_switch_row_t *row = &asked->rows[i];

        if (row->state == PST_SWITCH_PENDING) {
            look_at_switch(row, board, asked->rate);
        }
        asked->pending += row->state == PST_SWITCH_PENDING;
        asked->done += row->state == PST_SWITCH_DONE;
    }
    return asked->pending;
}

const char *pst_switch_word(pst_switch_e state)
{
    static const char *const words[] = { "pending", "done", "cannot", "gone" };

    return words[state];
}

int pst_switch_rate_of(apr_uint64_t *rate, const char *text)
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
