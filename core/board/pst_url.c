/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_url.h.
 *
 * Everything here may be a lie: sums stop at INT64_MAX, differences at 0, and no search for a row takes more steps
 * than there are rows.
 */
#include "pst_url.h"
#include "pst_figure.h"

#include <stdlib.h>
#include <string.h>

#define MIX UINT64_C(0x9e3779b97f4a7c15)

/* More than any process has or serves; a sum of 65,000 of them fits. */
#define MOST (UINT64_C(1) << 46)

apr_uint32_t pst_url_slots(apr_uint32_t rows)
{
    apr_uint32_t slots = 64;

    while (slots < 2 * rows) {
        slots *= 2;
    }
    return slots;
}

void pst_url_start(pst_url_sum_t *sum, pst_shared_url_t *rows, apr_uint32_t keep, apr_uint32_t room,
                   apr_uint16_t *slots)
{
    sum->rows = rows;
    sum->count = 1;
    sum->keep = keep;
    sum->room = room;
    sum->slots = slots;
    sum->mask = pst_url_slots(room) - 1;
    memset(rows, 0, sizeof(*rows));
    rows->in_use = 1;
    memset(slots, 0, (sum->mask + 1) * sizeof(*slots));
}

/* -- one row ---------------------------------------------------------------- */

static void end_text(char *text, apr_size_t size)
{
    apr_size_t length = strnlen(text, size - 1);

    memset(text + length, 0, size - length);
}

static apr_uint64_t likely_figure(apr_uint64_t figure)
{
    return figure < MOST ? figure : 0;
}

int pst_url_take(pst_shared_url_t *to, const pst_shared_url_t *from)
{
    if (!__atomic_load_n(&from->in_use, __ATOMIC_ACQUIRE) || !pst_seq_copy(to, from, sizeof(*to))) {
        return 0;
    }
    to->seq = 0;
    to->in_use = 1;
    end_text(to->vhost, sizeof(to->vhost));
    end_text(to->path, sizeof(to->path));
    end_text(to->handler, sizeof(to->handler));
    to->requests = likely_figure(to->requests);
    to->bytes = likely_figure(to->bytes);
    to->largest = likely_figure(to->largest);
    to->sampled_bytes = likely_figure(to->sampled_bytes);
    to->script_requests = likely_figure(to->script_requests);
    to->script_bytes = likely_figure(to->script_bytes);
    to->script_largest = likely_figure(to->script_largest);
    to->missed_requests = likely_figure(to->missed_requests);
    to->missed_bytes = likely_figure(to->missed_bytes);
    return 1;
}

apr_uint64_t pst_url_took(const pst_shared_url_t *row)
{
    return pst_plus(pst_plus(row->bytes, row->sampled_bytes), row->script_bytes);
}

/* The most it can have taken. */
static apr_uint64_t most_of(const pst_shared_url_t *row)
{
    return pst_plus(pst_url_took(row), row->missed_bytes);
}

/* -- adding a table --------------------------------------------------------- */

static apr_uint32_t hash_of(const pst_shared_url_t *row)
{
    apr_uint64_t hash = MIX, word;
    const char *text = row->vhost;

    for (apr_size_t i = 0; i < sizeof(row->vhost) + sizeof(row->path); i += sizeof(word)) {
        memcpy(&word, text + i, sizeof(word));      /* the path follows the vhost, both are padded with zeros */
        hash = (hash ^ word) * MIX;
        hash ^= hash >> 32;
    }
    return (apr_uint32_t)hash;
}

static int is_same_url(const pst_shared_url_t *a, const pst_shared_url_t *b)
{
    return !memcmp(a->vhost, b->vhost, sizeof(a->vhost)) && !memcmp(a->path, b->path, sizeof(a->path));
}

/* @return where the row's number is, or belongs */
static apr_uint16_t *slot_of_url(const pst_url_sum_t *sum, const pst_shared_url_t *row)
{
    apr_uint32_t at = hash_of(row) & sum->mask;

    while (sum->slots[at] && !is_same_url(&sum->rows[sum->slots[at]], row)) {
        at = (at + 1) & sum->mask;
    }
    return &sum->slots[at];
}

static void add_figures(pst_shared_url_t *to, const pst_shared_url_t *from)
{
    to->requests = pst_plus(to->requests, from->requests);
    to->bytes = pst_plus(to->bytes, from->bytes);
    to->largest = to->largest > from->largest ? to->largest : from->largest;
    to->sampled_bytes = pst_plus(to->sampled_bytes, from->sampled_bytes);
    to->script_requests = pst_plus(to->script_requests, from->script_requests);
    to->script_bytes = pst_plus(to->script_bytes, from->script_bytes);
    to->script_largest = to->script_largest > from->script_largest ? to->script_largest : from->script_largest;
}

static pst_shared_url_t *row_of_url(pst_url_sum_t *sum, const pst_shared_url_t *row, const pst_shared_url_t *without)
{
    apr_uint16_t *slot = slot_of_url(sum, row);

    if (!*slot) {
        pst_shared_url_t *to = &sum->rows[sum->count];

        memset(to, 0, sizeof(*to));
        memcpy(to->vhost, row->vhost, sizeof(to->vhost));
        memcpy(to->path, row->path, sizeof(to->path));
        to->in_use = 1;
        to->missed_requests = without->missed_requests;
        to->missed_bytes = without->missed_bytes;
        *slot = (apr_uint16_t)sum->count++;
    }
    return &sum->rows[*slot];
}

/* Until now it counted as one without a row in its table. */
static void add_url(pst_shared_url_t *to, const pst_shared_url_t *row, const pst_shared_url_t *without)
{
    add_figures(to, row);
    if (row->handler[0]) {
        memcpy(to->handler, row->handler, sizeof(to->handler));
    }
    to->missed_requests = pst_minus(pst_plus(to->missed_requests, row->missed_requests), without->missed_requests);
    to->missed_bytes = pst_minus(pst_plus(to->missed_bytes, row->missed_bytes), without->missed_bytes);
}

static int by_most(const void *one, const void *two)
{
    const pst_shared_url_t *a = one, *b = two;
    apr_uint64_t most_a = most_of(a), most_b = most_of(b);
    int order;

    if (most_a != most_b) {
        return most_a > most_b ? -1 : 1;
    }
    order = memcmp(a->vhost, b->vhost, sizeof(a->vhost));
    return order ? order : memcmp(a->path, b->path, sizeof(a->path));
}

static void index_rows(pst_url_sum_t *sum)
{
    memset(sum->slots, 0, (sum->mask + 1) * sizeof(*sum->slots));
    for (apr_uint32_t i = 1; i < sum->count; i++) {
        *slot_of_url(sum, &sum->rows[i]) = (apr_uint16_t)i;
    }
}

/* Drop those that took least: anything without a row may have been one of them. */
static void cut_sum(pst_url_sum_t *sum)
{
    pst_shared_url_t *without = &sum->rows[0];

    qsort(sum->rows + 1, sum->count - 1, sizeof(*sum->rows), by_most);
    for (apr_uint32_t i = sum->keep; i < sum->count; i++) {
        const pst_shared_url_t *row = &sum->rows[i];
        apr_uint64_t requests = pst_plus(row->requests, row->missed_requests);

        without->missed_bytes = most_of(row) > without->missed_bytes ? most_of(row) : without->missed_bytes;
        add_figures(without, row);
        without->missed_requests = requests > without->missed_requests ? requests : without->missed_requests;
    }
    sum->count = sum->keep;
    index_rows(sum);
}

void pst_url_add(pst_url_sum_t *sum, const pst_shared_url_t *rows, apr_uint32_t count)
{
    add_figures(&sum->rows[0], &rows[0]);
    for (apr_uint32_t i = 0; i < sum->count; i++) {
        sum->rows[i].missed_requests = pst_plus(sum->rows[i].missed_requests, rows[0].missed_requests);
        sum->rows[i].missed_bytes = pst_plus(sum->rows[i].missed_bytes, rows[0].missed_bytes);
    }
    for (apr_uint32_t i = 1; i < count && sum->count < sum->room; i++) {
        add_url(row_of_url(sum, &rows[i], &sum->rows[0]), &rows[i], &rows[0]);
    }
    if (sum->count > sum->keep) {
        cut_sum(sum);
    }
}

static int by_certain(const void *one, const void *two)
{
    apr_uint64_t a = pst_url_took(one), b = pst_url_took(two);

    if (a != b) {
        return a > b ? -1 : 1;
    }
    return by_most(one, two);
}

void pst_url_total(pst_url_sum_t *sum)
{
    for (apr_uint32_t i = 1; i < sum->count; i++) {
        add_figures(&sum->rows[0], &sum->rows[i]);
    }
}

void pst_url_sort(pst_url_sum_t *sum)
{
    qsort(sum->rows + 1, sum->count - 1, sizeof(*sum->rows), by_certain);
    index_rows(sum);
}
