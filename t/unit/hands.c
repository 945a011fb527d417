/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: a block changes hands while a snapshot copies it.  Whichever access of the reader that happens at, what is
 * shown of a child is its own: all of it, or nothing.
 */
#include "watched.h"
#include "tap.h"
#include "board_double.h"
#include "pst_snapshot.h"

#define ONE   100u
#define OTHER 200u
#define TRIES 150ul     /* accesses at which it happens, over all of a snapshot */

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *child;

/* Everything of a child says whose it is: a text, a figure. */
static void fill(apr_uint32_t pid)
{
    const char *text = pid == ONE ? "one" : "other";

    child->pid = pid;
    child->process.reserved_bytes = pid;
    for (apr_uint32_t i = 0; i < board.slot_count; i++) {
        pst_shared_slot_t *slot = pst_board_slot(&board, child, i);

        slot->in_use = 1;
        slot->usage.reserved_bytes = pid;
        apr_cpystrn(slot->client, text, sizeof(slot->client));
    }
    for (apr_uint32_t i = 1; i < 4; i++) {
        pst_shared_class_t *row = pst_board_class(&board, child, i);

        row->in_use = 1;
        row->class_pools_created = i;
        row->class_reserved_bytes = pid;
        apr_cpystrn(row->tag, text, sizeof(row->tag));
        pst_board_site(&board, child, i)->in_use = 1;
        pst_board_site(&board, child, i)->depth = 1;
        pst_board_site(&board, child, i)->site_ever_samples = 1;
        pst_board_site(&board, child, i)->site_live_bytes = pid;
    }
    for (apr_uint32_t i = 0; i < PST_LARGE_COUNT; i++) {
        pst_shared_large_t *row = pst_board_large(&board, child, i);

        row->in_use = 1;
        row->peak_bytes = pid;
        apr_cpystrn(row->line, text, sizeof(row->line));
    }
    pst_board_sizes(&board, child, PST_SIZES_ALL)->requests[0] = pid;
    __atomic_store_n(&child->owner, pid, __ATOMIC_RELEASE);
}

static void change_hands(void)
{
    fill(OTHER);
}

/* @return what is shown of another child; NULL: nothing */
static const char *foreign(const pst_snapshot_t *snap, const pst_child_row_t *row)
{
    apr_uint32_t pid = row->head.owner;
    const char *text = pid == ONE ? "one" : "other";

    if (row->head.process.reserved_bytes != pid) {
        return "figures";
    }
    for (apr_uint32_t i = row->first; i < row->first + row->rows; i++) {
        if (snap->rows[i]->slot.usage.reserved_bytes != pid || strcmp(snap->rows[i]->slot.client, text)) {
            return "a connection";
        }
    }
    for (apr_uint32_t i = 0; i < row->class_count; i++) {
        if (row->classes[i].index && (row->classes[i].row.class_reserved_bytes != pid
                                      || strcmp(row->classes[i].row.tag, text))) {
            return "a class";
        }
    }
    for (apr_uint32_t i = 0; i < row->site_count; i++) {
        if (row->sites[i].row.site_live_bytes != pid) {
            return "a call site";
        }
    }
    for (apr_uint32_t i = 0; i < row->large_count; i++) {
        if (row->large[i].row.peak_bytes != pid || strcmp(row->large[i].row.line, text)) {
            return "one of the largest requests";
        }
    }
    return row->sizes.all.requests && row->sizes.all.requests != pid ? "sizes" : NULL;
}

static unsigned long look(unsigned long when, tally_t *wrong, unsigned *shown)
{
    static const pst_filter_t all = { .kind = -1 };
    apr_pool_t *p;
    pst_snapshot_t snap;

    apr_pool_create(&p, pool);
    fill(ONE);
    watched_interrupt(child, board.child_size, when, change_hands);
    tally(wrong, pst_snapshot_take(&snap, &board, &all, NOW, p) != APR_SUCCESS, when);
    watched_end();
    for (apr_uint32_t i = 0; i < snap.child_count; i++) {
        const char *what = foreign(&snap, &snap.children[i]);

        *shown += snap.children[i].rows == board.slot_count && snap.children[i].large_count == PST_LARGE_COUNT
                  && snap.children[i].site_count == 3;
        if (tally(wrong, what != NULL, when) && wrong->count < 4) {
            printf("# at access %lu: %s of another child\n", when, what);
        }
    }
    apr_pool_destroy(p);
    return watching.accesses;
}

int main(void)
{
    tally_t wrong = { 0, 0 };
    unsigned shown = 0;
    unsigned long all;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 1, 4, pool);
    child = add_child(&board, ONE);
    all = look(0, &wrong, &shown);
    is_number(shown, 1, "undisturbed: all is shown");
    none_wrong(&wrong, "and is its own");
    if (!WATCHED_ABLE) {
        printf("ok %d - # SKIP accesses are watched on x86-64 only\n", ++tap_count);
        return done();
    }
    ok(all > 500, "a snapshot is many accesses");
    for (unsigned long n = 0; n < TRIES; n++) {
        look(1 + n * all / TRIES, &wrong, &shown);
    }
    printf("# %lu accesses, %u of %lu snapshots showed all\n", all, shown, TRIES);
    none_wrong(&wrong, "whenever it changes hands nothing of one child is shown as another's");
    pst_board_close(&board);
    return done();
}
