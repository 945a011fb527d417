/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: generations.  What is written is what is read; the ring keeps the last ones; a hostile
 * number or figure does no harm; growth is compared correctly. And how much memory there is.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_apr.h"
#include "pst_generation.h"
#include "pst_machine.h"
#include "pst_snapshot.h"
#include "pst_snapshot_generations.h"

#include <sys/stat.h>
#include <time.h>

#define KIB ((apr_uint64_t)1024)

static apr_pool_t *pool;
static pst_board_t board;
static pst_snapshot_t snapshot;

static const pst_generation_row_t *look(apr_uint32_t number)
{
    const pst_filter_t all = { .kind = -1 };

    if (pst_snapshot_take(&snapshot, &board, &all, NOW, pool) != APR_SUCCESS) {
        return NULL;
    }
    for (apr_uint32_t i = 0; i < snapshot.generation_count; i++) {
        if (snapshot.generations[i].row.number == number) {
            return &snapshot.generations[i];
        }
    }
    return NULL;
}

static void begin(apr_uint32_t number, apr_uint64_t parent_kib)
{
    const pst_generation_begin_t what = { parent_kib * KIB / 2, parent_kib * KIB, parent_kib * KIB * 3, parent_kib * KIB * 2, 0, 0 };

    pst_generation_begin(&board, number, &what, NOW + number);
}

static void records(void)
{
    const pst_generation_row_t *row;
    pst_shared_child_t *first, *second;

    ok(!look(0), "a new board has none");
    begin(0, 100);
    row = look(0);
    ok(row && row->row.generation_config_bytes == 50 * KIB && row->row.generation_parent_bytes == 100 * KIB
       && row->row.generation_parent_rss_bytes == 300 * KIB && row->row.generation_parent_private_bytes == 200 * KIB
       && row->row.generation_started == NOW && !row->row.generation_ended, "what the parent said");
    ok(row && !row->process_start_mean && !row->private_end_mean, "no child, no mean");

    first = claim_block(&board, 1001, 0);
    second = claim_block(&board, 1002, 0);
    first->process.reserved_bytes = 40 * KIB;
    second->process.reserved_bytes = 60 * KIB;
    pst_generation_child_starts(&board, first);
    pst_generation_child_starts(&board, second);
    row = look(0);
    is_number(row->row.generation_children, 2, "two children");
    is_number(row->row.generation_process_start_first_bytes, 40 * KIB, "the first");
    is_number(row->process_start_mean, 50 * KIB, "their mean");
    is_number(row->row.generation_process_start_max_bytes, 60 * KIB, "the largest");
    ok(row->private_start_mean > 0 && row->private_start_mean <= row->row.generation_private_start_max_bytes, "RSS is taken");
    ok(row->rss_start_mean > row->private_start_mean && row->rss_start_mean <= row->row.generation_rss_start_max_bytes, "all of it");

    first->process.reserved_bytes = 90 * KIB;
    pst_generation_child_ends(&board, first);
    pst_board_farewell(first);
    pst_generation_release(&board, 1001, NULL);
    is_number(look(0)->row.generation_children_ended, 1, "one ended, and counts once");
    ok(look(0)->rss_end_mean > look(0)->private_end_mean, "with its RSS");
    is_number(look(0)->row.generation_children_measured, 1, "and what it had");
    second->process.reserved_bytes = 190 * KIB;
    second->books.rss_bytes = (apr_uint64_t)9 << 30;
    second->books.file_bytes = 3 << 20;
    second->books.shmem_bytes = 1 << 20;
    pst_generation_release(&board, 1002, NULL);
    row = look(0);
    is_number(row->row.generation_children_ended, 2, "the other was killed: the parent counts it");
    is_number(row->row.generation_children_lost, 1, "as lost");
    is_number(row->row.generation_children_measured, 2, "but with what its books had last");
    is_number(row->process_end_mean, 140 * KIB, "the mean is of both");
    is_number(row->row.generation_rss_end_max_bytes, (apr_uint64_t)9 << 30, "it was the largest");
    is_number(row->row.generation_private_end_max_bytes, ((apr_uint64_t)9 << 30) - (4 << 20), "its own is what no file and no shared memory has");
    second = claim_block(&board, 1003, 0);
    second->process.reserved_bytes = 500 * KIB;
    pst_generation_release(&board, 1003, NULL);
    row = look(0);
    ok(row->row.generation_children_lost == 2 && row->row.generation_children_measured == 2 && row->process_end_mean == 140 * KIB,
       "one that was lost before its books were taken is in no mean");
    second = claim_block(&board, 1004, 0);
    second->process.reserved_bytes = 500 * KIB;
    second->books.rss_bytes = second->books.file_bytes = (apr_uint64_t)1 << 60;
    pst_generation_release(&board, 1004, NULL);
    is_number(look(0)->row.generation_children_measured, 2, "nor one that says what cannot be");
    ok(!look(0)->row.generation_parent_rss_end_bytes, "the parent goes on");
    pst_generation_parent_ends(&board, 0);
    ok(look(0)->row.generation_parent_rss_end_bytes > 100 * KIB, "until the generation ends");
    pst_generation_parent_ends(&board, 77);
    ok(!look(77), "one that is not recorded stays so");

    begin(1, 100);
    is_number(look(0)->row.generation_ended, NOW + 1, "the next one ends it");
    begin(0, 7);
    is_number(look(0)->row.generation_parent_bytes, 100 * KIB, "one that is recorded is left alone");
}

static void ring(void)
{
    for (apr_uint32_t n = 2; n < 40; n++) {
        begin(n, 100);
    }
    ok(look(39) && snapshot.generation_count == PST_GENERATION_COUNT, "the last ones are kept");
    ok(!look(23) && look(24), "the others are not");
    is_number(snapshot.generations[0].row.number, 24, "oldest first");
}

static int hostile(void *unused)
{
    const pst_generation_row_t *row;
    pst_shared_child_t *child = claim_block(&board, 2000, 39);

    (void)unused;
    srand(3);
    for (int round = 0; round < 20000; round++) {
        child->generation = (apr_uint32_t)rand() * 2654435761u;
        child->process.reserved_bytes = ~(apr_uint64_t)0 - (apr_uint64_t)rand();
        pst_generation_child_gone(&board, child);
        pst_generation_child_starts(&board, child);
    }
    row = look(39);
    if (!row || snapshot.generation_count != PST_GENERATION_COUNT || row->process_start_mean) {
        return 1;
    }
    for (int round = 0; round < 2000; round++) {
        for (apr_uint32_t i = 0; i < PST_GENERATION_COUNT; i++) {
            unsigned char *at = (unsigned char *)pst_board_generation(&board, i);

            for (apr_size_t b = 0; b < sizeof(pst_shared_generation_t); b++) {
                at[b] = (unsigned char)rand();
            }
            pst_board_generation(&board, i)->in_use = (apr_uint32_t)rand() % 3;
            pst_board_generation(&board, i)->number = (apr_uint32_t)(rand() % 4 ? rand() * 16u + i : (unsigned)rand());
        }
        look(0);
        for (apr_uint32_t i = 0; i < snapshot.generation_count; i++) {
            pst_generation_growth_t growth;

            if (snapshot.generations[i].row.generation_private_end_max_bytes > (apr_uint64_t)INT64_MAX
                || (i && snapshot.generations[i].row.number <= snapshot.generations[i - 1].row.number)) {
                return 2;
            }
            pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, PST_GENERATION_COUNT);
        }
    }
    return 0;
}

static void compare(void)
{
    static const apr_uint64_t sizes[] = { 100, 150, 152, 154, 160, 162 };
    pst_generation_growth_t growth;

    memset(pst_board_generation(&board, 0), 0, PST_GENERATION_COUNT * sizeof(pst_shared_generation_t));
    look(0);
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 8), 0, "nothing to compare");
    begin(0, sizes[0]);
    begin(1, sizes[1]);
    look(0);
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 8), 1, "two are compared");
    is_number((unsigned)growth.least, 50 * KIB, "also with the server's first");
    for (apr_uint32_t n = 2; n < 6; n++) {
        begin(n, sizes[n]);
    }
    look(0);
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 8), 4, "of more the first is left out");
    is_number((unsigned)growth.least, 2 * KIB, "the least step");
    is_number((unsigned)growth.most, 6 * KIB, "the greatest");
    ok(growth.each == 3.0 * KIB && growth.first == 150 * KIB && growth.last == 162 * KIB, "on average");
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 3), 2, "the last three");
    pst_board_generation(&board, 3)->generation_parent_bytes = 0;
    look(0);
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 8), 1, "what is not known ends the row");
    pst_board_generation(&board, 4)->in_use = 0;
    look(0);
    is_number(pst_generation_growth(&growth, &snapshot, PST_M_generation_parent_bytes, 8), 0, "and so does a gap");
}

static int measure(void *proven)
{
    pst_generation_begin_t what;
    pst_apr_facts_t facts;
    const char *why;
    apr_pool_t *below;
    apr_uint64_t was;

    if (pst_apr_prove(&facts, &why) != APR_SUCCESS) {
        return 1;
    }
    pst_generation_measure(&what, pool, NULL, proven != NULL);
    if (!proven) {
        return what.config_bytes || what.parent_bytes || !what.rss_bytes ? 2 : 0;
    }
    was = what.config_bytes;
    apr_pool_create(&below, pool);
    apr_palloc(below, 100000);      /* 100,040 bytes: 25 pages; and the pool's own node */
    pst_generation_measure(&what, pool, NULL, 1);
    if (what.config_bytes != was + 8192 + 102400 || what.parent_bytes <= what.config_bytes) {
        printf("# %lu, then %lu of %lu\n", (unsigned long)was, (unsigned long)what.config_bytes, (unsigned long)what.parent_bytes);
        return 3;
    }
    return what.rss_bytes > what.private_bytes && what.private_bytes > 0 ? 0 : 4;
}

/* ---- how much memory there is ---- */

static const char *root;

static void put(const char *path, const char *text)
{
    char *name = apr_pstrcat(pool, root, path, NULL);
    FILE *out;

    for (char *slash = name + strlen(root); (slash = strchr(slash + 1, '/')); ) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    out = fopen(name, "w");
    if (out) {
        fputs(text, out);
        fclose(out);
    }
}

static void memory(void)
{
    const char *temp = NULL;
    pst_memory_e kind;

    apr_temp_dir_get(&temp, pool);
    root = mkdtemp(apr_psprintf(pool, "%s/poolstat-unit-XXXXXX", temp));
    is_number(pst_machine_memory_below(root, &kind), 0, "no /proc: not known");
    is_number(kind, PST_MEMORY_UNKNOWN, "says so");
    put("/proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");
    is_number(pst_machine_memory_below(root, &kind), 8000000 * KIB, "the machine's");
    is_number(kind, PST_MEMORY_MACHINE, "says so");
    put("/proc/self/cgroup", "0::/system.slice/apache2.service\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "max\n");
    is_number(pst_machine_memory_below(root, &kind), 8000000 * KIB, "a cgroup without a limit");
    put("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
    is_number(pst_machine_memory_below(root, &kind), 1073741824, "a limit above it");
    is_number(kind, PST_MEMORY_CGROUP, "says so");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "536870912\n");
    is_number(pst_machine_memory_below(root, &kind), 536870912, "a lower one of its own");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "99999999999999\n");
    is_number(pst_machine_memory_below(root, &kind), 1073741824, "a higher one of its own does not lift it");
    put("/proc/self/cgroup", "0::/unknown/here\n");
    put("/sys/fs/cgroup/memory.max", "268435456\n");
    is_number(pst_machine_memory_below(root, &kind), 268435456, "a path of the host's: what is at the top");
    put("/proc/self/cgroup", "9:cpu:/x\n5:memory:/docker/abc\n1:name=systemd:/y\n");
    put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    is_number(pst_machine_memory_below(root, &kind), 8000000 * KIB, "version 1 without a limit");
    put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "134217728\n");
    is_number(pst_machine_memory_below(root, &kind), 134217728, "version 1");
    put("/proc/self/cgroup", "5:memory\n:::\n\n5:memory:/../../etc\n0::\n0::x\n");
    is_number(pst_machine_memory_below(root, &kind), 8000000 * KIB, "nonsense is no limit");
    put("/proc/meminfo", "MemTotal: -5 kB");
    is_number(pst_machine_memory_below(root, &kind), 0, "nor is it memory");
    if (system(apr_psprintf(pool, "rm -rf '%s'", root)) != 0) {
        printf("# %s stays\n", root);
    }
    ok(pst_machine_memory(&kind) > 0, "this machine has some");
}

#define CROWD 3000u

static unsigned asked;

static int nobody_is_there(apr_uint32_t pid)
{
    (void)pid;
    return ++asked > 0;
}

static double cpu(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What the old sweep did for each of them: read every block. */
static double one_look(const pst_board_t *crowd)
{
    volatile apr_uint32_t seen = 0;
    double began = cpu();

    for (apr_uint32_t i = 0; i < CROWD; i++) {
        seen += pst_board_child(crowd, i)->owner;
    }
    (void)seen;
    return cpu() - began;
}

/* Every block names another process that does not exist: the parent checks each once, instead of all for each. */
static void sweep(void)
{
    pst_board_t crowd;
    double look, swept;

    make_board(&crowd, CROWD, 1, pool);
    pst_board_header(&crowd)->claimed = CROWD;
    for (apr_uint32_t i = 0; i < CROWD; i++) {
        pst_board_child(&crowd, i)->owner = 0x40000000u + i;
    }
    look = one_look(&crowd);
    look += one_look(&crowd);
    swept = cpu();
    is_number((unsigned)pst_generation_sweep(&crowd, nobody_is_there, NULL), CROWD, "a board of children that are no more is swept");
    swept = cpu() - swept;
    is_number(asked, CROWD, "each was asked for once");
    ok(swept < CROWD / 50 * look, "at a cost that does not grow with their square");
    printf("# swept in %.0f us, a look at all owners takes %.1f us\n", swept * 1e6, look / 2 * 1e6);
    is_number((unsigned)pst_generation_sweep(&crowd, nobody_is_there, NULL), 0, "once");
    pst_board_close(&crowd);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    is_number((unsigned)apart(measure, NULL), 0, "without the proof no pool is walked");
    is_number((unsigned)apart(measure, pool), 0, "the parent's pools are counted, exactly");
    make_board(&board, 4, 8, pool);
    records();
    sweep();
    ring();
    is_number((unsigned)apart(hostile, NULL), 0, "hostile numbers and figures stay in their place");
    compare();
    memory();
    pst_board_close(&board);
    apr_terminate();
    return done();
}
