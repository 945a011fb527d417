/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations.  See pst_generation.h.
 *
 * Concurrency: the parent fills a record in before children of that generation exist, and
 * marks it in use last.  Children only add, by relaxed atomics.  The number in a child's block is
 * hostile to the parent: it is used modulo the ring's length and must match the record.
 */
#include "pst_memory.h"
#include "pst_generation.h"
#include "pst_apr.h"
#include "pst_figure.h"
#include "pst_life.h"
#include "pst_proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Maximum number of pools and nodes in the parent's walk: far above any configuration. */
#define POOLS_MOST 4000000
#define NODES_MOST 4000000

/* Bytes that no process has: a block's figures about a lost child are not trusted beyond that. */
#define MOST (APR_UINT64_C(1) << 47)

/* Maximum number of URL tables that one sweep adds: a process may have written any number into any block. */
#define ADDED_MOST 64

/* -- what a process has ------------------------------------------------------- */

static int read_small(const char *name, char *to, size_t room)
{
    return pst_proc_take(pst_proc_open_of(0, name), to, room) > 0;
}

/* /proc/self/statm: size, resident, shared, in pages. */
static apr_uint64_t statm_resident(apr_uint64_t *own)
{
    char text[256], *at = text;
    unsigned long long pages[3] = { 0, 0, 0 };
    long page = sysconf(_SC_PAGESIZE);

    if (read_small("statm", text, sizeof(text))) {
        for (int i = 0; i < 3; i++) {
            pages[i] = strtoull(at, &at, 10);
        }
    }
    *own = (pages[1] > pages[2] ? pages[1] - pages[2] : 0) * (apr_uint64_t)page;
    return pages[1] * (apr_uint64_t)page;
}

/* Field 20 of /proc/self/stat; the name before it may contain anything. @return 0: not known */
static unsigned long threads(void)
{
    char text[1024], *at;

    if (!read_small("stat", text, sizeof(text))) {
        return 0;
    }
    at = strrchr(text, ')');
    for (int field = 2; at && field < 20; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoul(at, NULL, 10) : 0;
}

/* -- the parent --------------------------------------------------------------- */

typedef struct walk_t {
    pst_apr_figures_t figures;
    apr_size_t nodes;
} walk_t;

static int count_pool_bytes(void *baton, apr_pool_t *pool)
{
    walk_t *walk = baton;

    pst_apr_add_pool(&walk->figures, pool, &walk->nodes);
    return 1;
}

static apr_uint64_t reserved_below(apr_pool_t *top)
{
    walk_t walk = { .nodes = NODES_MOST };
    apr_size_t pools = POOLS_MOST;

    pst_apr_walk(top, count_pool_bytes, &walk, &pools);
    return walk.figures.cut || !pools ? 0 : walk.figures.reserved;
}

/* Everything that a reload does not clear. */
typedef struct lasting_t {
    walk_t walk;
    const apr_pool_t *pconf, *plog;
} lasting_t;

static int add_lasting(void *baton, apr_pool_t *pool)
{
    lasting_t *lasting = baton;

    return pool != lasting->pconf && pool != lasting->plog && count_pool_bytes(&lasting->walk, pool);
}

apr_uint64_t pst_generation_lasting(apr_pool_t *pconf, apr_pool_t *plog)
{
    lasting_t lasting = { .walk = { .nodes = NODES_MOST }, .pconf = pconf, .plog = plog };
    apr_size_t pools = POOLS_MOST;

    pst_apr_walk(pst_apr_root(pconf), add_lasting, &lasting, &pools);
    return lasting.walk.figures.cut || !pools ? 0 : lasting.walk.figures.reserved - lasting.walk.figures.slack;
}

int pst_generation_may_walk(void)
{
    pst_apr_facts_t facts;
    const char *why;

    return threads() == 1 && pst_apr_prove(&facts, &why) == APR_SUCCESS;
}

void pst_generation_measure(pst_generation_begin_t *begin, apr_pool_t *pconf, apr_pool_t *plog, int proven)
{
    memset(begin, 0, sizeof(*begin));
    begin->rss_bytes = statm_resident(&begin->private_bytes);
    begin->shmem_bytes = pst_memory_shmem();
    /* Another module's thread could change the tree under the walk. With only our thread, none can start. */
    if (proven && threads() == 1) {
        begin->config_bytes = reserved_below(pconf);
        begin->parent_bytes = reserved_below(pst_apr_root(pconf));
        begin->lasting_bytes = pst_generation_lasting(pconf, plog);
    }
}

static pst_shared_generation_t *record_of(const pst_board_t *board, apr_uint32_t number)
{
    pst_shared_generation_t *record = pst_board_generation(board, number);

    return __atomic_load_n(&record->in_use, __ATOMIC_ACQUIRE) == 1
           && __atomic_load_n(&record->number, __ATOMIC_RELAXED) == number ? record : NULL;
}

void pst_generation_begin(const pst_board_t *board, apr_uint32_t number, const pst_generation_begin_t *begin,
                          apr_uint64_t now)
{
    pst_shared_generation_t *record = pst_board_generation(board, number);
    pst_shared_generation_t *before = record_of(board, number - 1);

    if (record_of(board, number)) {
        return;
    }
    __atomic_store_n(&record->in_use, 0, __ATOMIC_RELEASE);
    memset(record, 0, sizeof(*record));
    record->number = number;
    record->generation_started = now;
    record->generation_config_bytes = begin->config_bytes;
    record->generation_parent_bytes = begin->parent_bytes;
    record->generation_parent_rss_bytes = begin->rss_bytes;
    record->generation_parent_private_bytes = begin->private_bytes;
    record->generation_parent_shmem_bytes = begin->shmem_bytes;
    record->generation_lasting_bytes = begin->lasting_bytes;
    __atomic_store_n(&record->in_use, 1, __ATOMIC_RELEASE);
    if (before && !pst_load(&before->generation_ended)) {
        pst_store(&before->generation_ended, now);
    }
}

void pst_generation_made(const pst_board_t *board, apr_uint32_t number, const pst_shared_maker_t *shared,
                         const pst_shared_maker_t *lasting, const pst_shared_maker_t *heap)
{
    pst_shared_generation_t *record = record_of(board, number);

    if (record && shared) {
        memcpy(record->shared, shared, sizeof(record->shared));
    }
    if (record && lasting) {
        memcpy(record->lasting, lasting, sizeof(record->lasting));
    }
    if (record && heap) {
        memcpy(record->heap, heap, sizeof(record->heap));
    }
}

void pst_generation_parent_ends(const pst_board_t *board, apr_uint32_t number)
{
    pst_shared_generation_t *record = record_of(board, number);
    apr_uint64_t own;

    if (record) {
        pst_store(&record->generation_parent_rss_end_bytes, statm_resident(&own));
    }
}

/* -- children ----------------------------------------------------------------- */

static void set_first(uint64_t *first, apr_uint64_t value)
{
    uint64_t none = 0;

    __atomic_compare_exchange_n(first, &none, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static pst_shared_generation_t *record_of_child(const pst_board_t *board, const pst_shared_child_t *child)
{
    return pst_board_index(board, child) < 0 ? NULL
           : record_of(board, __atomic_load_n(&child->generation, __ATOMIC_RELAXED));
}

void pst_generation_child_starts(const pst_board_t *board, const pst_shared_child_t *child)
{
    pst_shared_generation_t *record = record_of_child(board, child);
    apr_uint64_t process, own, rss;

    if (!record) {
        return;
    }
    process = pst_load_sane(&child->process.reserved_bytes);
    rss = statm_resident(&own);
    pst_add(&record->generation_children, 1);
    pst_add(&record->generation_rss_start_sum_bytes, (apr_int64_t)rss);
    pst_raise(&record->generation_rss_start_max_bytes, rss);
    pst_add(&record->generation_process_start_sum_bytes, (apr_int64_t)process);
    pst_raise(&record->generation_process_start_max_bytes, process);
    set_first(&record->generation_process_start_first_bytes, process);
    pst_add(&record->generation_private_start_sum_bytes, (apr_int64_t)own);
    pst_raise(&record->generation_private_start_max_bytes, own);
    set_first(&record->generation_private_start_first_bytes, own);
}

static void sum_end(pst_shared_generation_t *record, apr_uint64_t process, apr_uint64_t own, apr_uint64_t rss)
{
    pst_add(&record->generation_children_measured, 1);
    pst_add(&record->generation_process_end_sum_bytes, (apr_int64_t)process);
    pst_raise(&record->generation_process_end_max_bytes, process);
    pst_add(&record->generation_private_end_sum_bytes, (apr_int64_t)own);
    pst_raise(&record->generation_private_end_max_bytes, own);
    pst_add(&record->generation_rss_end_sum_bytes, (apr_int64_t)rss);
    pst_raise(&record->generation_rss_end_max_bytes, rss);
}

static void count_life(pst_shared_generation_t *record, const pst_life_t *life)
{
    if (life->judged) {
        pst_add(&record->generation_lives_judged, 1);
    }
    if (life->rises) {
        pst_add(&record->generation_lives_rising, 1);
        pst_add(&record->generation_lives_gained_bytes, (apr_int64_t)life->gained);
        pst_add(&record->generation_lives_requests, (apr_int64_t)life->requests);
    }
}

void pst_generation_child_ends(const pst_board_t *board, const pst_shared_child_t *child)
{
    pst_shared_generation_t *record = record_of_child(board, child);
    apr_uint64_t own, rss;
    pst_life_t life;

    if (!record) {
        return;
    }
    rss = statm_resident(&own);
    pst_add(&record->generation_children_ended, 1);
    sum_end(record, pst_load_sane(&child->process.reserved_bytes), own, rss);
    pst_life_judge(&life, board, child, rss);
    count_life(record, &life);
}

void pst_generation_child_gone(const pst_board_t *board, const pst_shared_child_t *child)
{
    pst_shared_generation_t *record = record_of_child(board, child);
    apr_uint64_t rss = pst_load_sane(&child->books.rss_bytes), process = pst_load_sane(&child->process.reserved_bytes);
    apr_uint64_t file = pst_load_sane(&child->books.file_bytes), shared = pst_load_sane(&child->books.shmem_bytes);

    if (!record) {
        return;
    }
    pst_add(&record->generation_children_ended, 1);
    pst_add(&record->generation_children_lost, 1);
    /* impossible values must not spoil sums */
    if (rss && file && rss < MOST && process < MOST) {
        sum_end(record, process, file < rss && shared < rss - file ? rss - file - shared : 0, rss);
    }
}

static int release_block(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t pid, pst_url_kept_t *kept)
{
    if (__atomic_load_n(&child->owner, __ATOMIC_RELAXED) == pid
        && __atomic_load_n(&child->ended_how, __ATOMIC_RELAXED) != PST_END_ORDERLY) {
        pst_generation_child_gone(board, child);
    }
    return pst_url_kept_release(kept, board, child, pid);
}

int pst_generation_release(const pst_board_t *board, apr_uint32_t pid, pst_url_kept_t *kept)
{
    int freed = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); pid != 0 && i < count; i++) {
        freed += release_block(board, pst_board_child(board, i), pid, freed ? NULL : kept);
    }
    return freed;
}

int pst_generation_sweep(const pst_board_t *board, int (*is_gone)(apr_uint32_t pid), pst_url_kept_t *kept)
{
    int freed = 0;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        pst_shared_child_t *child = pst_board_child(board, i);
        apr_uint32_t owner = __atomic_load_n(&child->owner, __ATOMIC_RELAXED);

        if (owner && is_gone(owner)) {
            freed += release_block(board, child, owner, freed < ADDED_MOST ? kept : NULL);
        }
    }
    return freed;
}
