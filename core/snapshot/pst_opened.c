/* SPDX-License-Identifier: Apache-2.0
 *
 * What a part of the books consists of.  See pst_opened.h.
 */
#include "pst_opened.h"
#include "pst_figure.h"

#include <string.h>

const char *pst_opened_word(pst_opened_e which)
{
    return which == PST_OPENED_HEAP ? "heap" : "other";
}

/* @return the module's row; NULL: there is no room */
static pst_opened_row_t *part_row(pst_opened_row_t *rows, apr_uint32_t *count, apr_uint32_t room, const pst_who_t *who)
{
    for (apr_uint32_t i = 0; i < *count; i++) {
        if (strcmp(rows[i].who.of.module, who->of.module) == 0) {
            return &rows[i];
        }
    }
    if (*count == room) {
        return NULL;
    }
    memset(&rows[*count], 0, sizeof(rows[0]));
    return &rows[(*count)++];
}

static void add_to_part(pst_opened_row_t *row, const pst_who_t *who, const pst_shared_site_t *site)
{
    row->live_bytes = pst_plus(row->live_bytes, site->site_live_bytes);
    row->samples = pst_plus(row->samples, site->site_live_samples);
    if (site->site_live_bytes > row->site_bytes) {
        row->site_bytes = site->site_live_bytes;
        row->who = *who;
    }
}

/* The largest first; those beyond PST_OPENED_ROWS are added to the others. */
static void sort_part(pst_opened_t *part, pst_opened_row_t *rows, apr_uint32_t count)
{
    for (part->count = 0; part->count < PST_OPENED_ROWS && part->count < count; part->count++) {
        apr_uint32_t most = part->count;
        pst_opened_row_t row;

        for (apr_uint32_t i = most + 1; i < count; i++) {
            most = rows[i].live_bytes > rows[most].live_bytes ? i : most;
        }
        row = rows[most];
        rows[most] = rows[part->count];
        rows[part->count] = part->rows[part->count] = row;
        part->others_bytes = pst_minus(part->others_bytes, row.live_bytes);
    }
}

#define MODULES 32u     /* kept apart while summing: sites come with most live bytes first */

int pst_opened_take(pst_opened_t *part, const pst_snapshot_t *snapshot, const pst_child_row_t *child,
                    pst_opened_e which)
{
    apr_uint32_t scope = which == PST_OPENED_HEAP ? PST_SCOPE_HEAP : PST_SCOPE_MAPPED, count = 0;
    const pst_shared_books_t *books = &child->head.books;
    pst_opened_row_t rows[MODULES];

    memset(part, 0, sizeof(*part));
    if (!child->head.heap_profile_rate || !(which == PST_OPENED_HEAP ? books->heap_time : books->maps_time)) {
        return 0;
    }
    part->bytes = which == PST_OPENED_HEAP ? books->heap_in_use_bytes : books->other_bytes;
    for (apr_uint32_t i = 0; i < child->site_count; i++) {
        const pst_site_row_t *site = &child->sites[i];
        pst_opened_row_t *row;
        pst_who_t who;

        if (site->row.scope != scope || !site->row.site_live_bytes) {
            continue;
        }
        part->live_bytes = pst_plus(part->live_bytes, site->row.site_live_bytes);
        row = pst_who_of_site(&who, snapshot, site) ? part_row(rows, &count, MODULES, &who) : NULL;
        if (row) {
            add_to_part(row, &who, &site->row);
        }
    }
    part->others_bytes = part->live_bytes;
    sort_part(part, rows, count);
    part->unknown_bytes = pst_minus(part->bytes, part->live_bytes);
    return 1;
}
