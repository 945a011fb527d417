/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: children that ended without notice. What is written is what is read; the OOM killer's count is found wherever
 * the kernel has it, and each kill is reported for one child; large losses stay longest; a hostile block or row does
 * no harm.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_doctor.h"
#include "pst_losses.h"
#include "pst_oom.h"
#include "pst_snapshot.h"
#include "pst_snapshot_losses.h"

#include <string.h>
#include <sys/stat.h>

#define MIB    ((apr_uint64_t)1024 * 1024)
#define SECOND ((apr_uint64_t)1000000)

static apr_pool_t *pool;
static pst_board_t board;
static pst_snapshot_t snapshot;
static const char *root;

static void look(void)
{
    const pst_filter_t all = { .kind = -1 };

    if (pst_snapshot_take(&snapshot, &board, &all, NOW, pool) != APR_SUCCESS) {
        printf("Bail out! no snapshot\n");
        exit(1);
    }
}

static const pst_shared_loss_t *loss_of(apr_uint32_t pid)
{
    look();
    for (apr_uint32_t i = 0; i < snapshot.loss_count; i++) {
        if (snapshot.losses[i].pid == pid) {
            return &snapshot.losses[i];
        }
    }
    return NULL;
}

/* -- the OOM killer ---------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    char *name = apr_pstrcat(pool, root, path, NULL);
    FILE *out;

    for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(name, 0700);
        *at = '/';
    }
    out = fopen(name, "w");
    if (!out || fputs(text, out) < 0 || fclose(out)) {
        printf("Bail out! %s cannot be written\n", name);
        exit(1);
    }
}

static void drop(const char *path)
{
    remove(apr_pstrcat(pool, root, path, NULL));
}

static void counted(void)
{
    apr_uint64_t kills = 99;

    is_number(pst_oom_kills_below(root, &kills), PST_OOM_UNKNOWN, "no file says anything");
    is_number(kills, 0, "and no number");
    put("/proc/vmstat", "nr_free_pages 17\noom_kill 3\nnuma_hit 1\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_MACHINE, "the machine");
    is_number(kills, 3, "its kills");
    put("/proc/self/cgroup", "4:memory:/web\n0::/\n");
    put("/sys/fs/cgroup/memory/web/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_CGROUP, "version 1");
    is_number(kills, 7, "its kills, not how it is set");
    put("/proc/self/cgroup", "0::/system.slice/apache2.service\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.events", "low 0\nhigh 0\nmax 12\noom 5\noom_kill 4\noom_group_kill 9\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_CGROUP, "version 2");
    is_number(kills, 4, "its kills, and nothing that begins alike");
    put("/proc/self/cgroup", "0::/not/here\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_MACHINE, "a path that is not there");
    put("/sys/fs/cgroup/memory.events", "oom_kill 6\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_CGROUP, "what is mounted at the top of a container");
    is_number(kills, 6, "its kills");
    put("/sys/fs/cgroup/memory.events", "oom_kill -6\n");
    drop("/proc/vmstat");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_UNKNOWN, "no number");
    put("/sys/fs/cgroup/memory.events", "oom_kill 99999999999999999999999\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_UNKNOWN, "too large a one");
    put("/proc/self/cgroup", "0::/../../etc\n");
    is_number(pst_oom_kills_below(root, &kills), PST_OOM_UNKNOWN, "a path out of the mount");
}

/* -- losses ------------------------------------------------------------------ */

static pst_shared_child_t *child_with(apr_uint32_t pid, apr_uint64_t rss)
{
    pst_shared_child_t *child = add_child(&board, pid);

    child->ready = 1;
    child->books.books_time = NOW - SECOND;
    child->books.rss_bytes = rss;
    child->books.file_bytes = 6 * MIB;
    child->books.shmem_bytes = 2 * MIB;
    child->books.other_bytes = rss / 2;
    return child;
}

static int lose(apr_uint32_t pid, unsigned signal, apr_uint64_t kills, pst_oom_watch_t *watch)
{
    const pst_loss_how_t how = { signal, signal ? PST_SIGNAL_LOGGED : PST_SIGNAL_UNKNOWN, watch->kind, kills };
    int added = pst_losses_add(&board, pid, &how, watch, NOW - 10 * SECOND);

    release_blocks(&board, pid);
    return added;
}

static void told(void)
{
    pst_oom_watch_t watch = { .kind = PST_OOM_UNKNOWN };
    pst_shared_child_t *child = child_with(100, 208 * MIB);
    pst_shared_slot_t *slot = add_connection(&board, child, 0, 4 * MIB, PST_KIND_CLIENT, "www");
    const pst_shared_loss_t *loss;

    slot->request_started = NOW - 13 * SECOND;
    ok(lose(100, 11, 0, &watch), "a child is lost");
    ok(!lose(100, 11, 0, &watch), "once");
    loss = loss_of(100);
    ok(loss != NULL, "it is told");
    if (!loss) {
        return;
    }
    is_number(loss->rss_bytes, 208 * MIB, "its RSS");
    is_number(loss->own_bytes, 200 * MIB, "what was its own");
    is_number(loss->signal, 11, "its signal");
    is_number(loss->oom_known, 0, "of the OOM killer nothing is known");
    is_number(pst_loss_part(loss), PST_PART_MAPPED, "the largest part");
    is_number(loss->parts[PST_PART_MAPPED], 104 * MIB, "its size");
    is_number(loss->parts[PST_PART_PROCESS], 80000, "the process scope");
    is_number(loss->requests[0].state, PST_LOSS_REQUEST_SERVED, "a request was served");
    is_number(loss->requests[0].duration, 3 * SECOND, "for so long");
    ok(!strcmp(loss->requests[0].vhost, "www"), "of that host");
    is_number(loss->requests[1].state, PST_LOSS_REQUEST_NONE, "no other");
    is_number(snapshot.about.children_lost, 1, "counted");
    is_number(snapshot.about.children_lost_large, 1, "as large");

    child = child_with(101, 20 * MIB);
    child->ended_how = PST_END_ORDERLY;
    ok(!lose(101, 0, 0, &watch), "who said that it ends is not lost");
    child = child_with(102, 20 * MIB);
    child->ready = 0;
    ok(!lose(102, 0, 0, &watch), "nor who never was ready");
    ok(!lose(103, 0, 0, &watch) && !lose(0, 0, 0, &watch), "nor who has no block");
}

static void killed(void)
{
    pst_oom_watch_t watch = { .kind = PST_OOM_UNKNOWN };
    const pst_shared_loss_t *loss;

    pst_oom_watch(&watch, PST_OOM_CGROUP, 5);
    pst_oom_watch(&watch, PST_OOM_CGROUP, 5);
    child_with(200, 30 * MIB);
    lose(200, 9, 5, &watch);
    loss = loss_of(200);
    ok(loss && loss->oom_known && !loss->oom, "killed, while the OOM killer killed nobody");
    child_with(201, 30 * MIB);
    lose(201, 9, 6, &watch);
    loss = loss_of(201);
    ok(loss && loss->oom && loss->oom_kills == 1 && !loss->oom_whole, "killed, and it killed one");
    child_with(202, 30 * MIB);
    lose(202, 9, 6, &watch);
    loss = loss_of(202);
    ok(loss && !loss->oom, "which was the other child");
    child_with(203, 30 * MIB);
    lose(203, 11, 7, &watch);
    loss = loss_of(203);
    ok(loss && !loss->oom, "who crashed was not killed by it");
    pst_oom_watch(&watch, PST_OOM_CGROUP, 7);
    child_with(204, 30 * MIB);
    lose(204, 9, 7, &watch);
    loss = loss_of(204);
    ok(loss && loss->oom, "a kill that was seen before the child's end was");
    pst_oom_watch(&watch, PST_OOM_CGROUP, 7);
    pst_oom_watch(&watch, PST_OOM_CGROUP, 7);
    child_with(205, 30 * MIB);
    lose(205, 9, 7, &watch);
    loss = loss_of(205);
    ok(loss && !loss->oom, "one of long ago is nobody's");
    pst_oom_watch(&watch, PST_OOM_MACHINE, 3);
    child_with(206, 30 * MIB);
    lose(206, 9, 4, &watch);
    loss = loss_of(206);
    ok(loss && loss->oom && loss->oom_whole, "of the machine, where the cgroup says nothing");
    is_number(snapshot.about.children_lost_oom, 3, "all are counted");
}

static void kept(void)
{
    pst_oom_watch_t watch = { .kind = PST_OOM_UNKNOWN };

    for (apr_uint32_t i = 0; i < 3 * PST_LOSS_COUNT; i++) {
        child_with(300 + i, 20 * MIB);
        lose(300 + i, 6, 0, &watch);
    }
    ok(loss_of(100) != NULL, "a large one outlives small ones");
    ok(loss_of(201) != NULL, "so does one that the OOM killer killed");
    ok(loss_of(300 + 3 * PST_LOSS_COUNT - 1) != NULL && !loss_of(300), "small ones go in turn");
    is_number(snapshot.loss_count, PST_LOSS_COUNT, "no more than there is room for");
}

static void hostile(void)
{
    pst_oom_watch_t watch = { .kind = PST_OOM_UNKNOWN };
    const pst_shared_loss_t *loss;
    pst_shared_child_t *child = child_with(900, 20 * MIB);

    for (apr_uint32_t i = 0; i < board.slot_count; i++) {
        memset((char *)pst_board_slot(&board, child, i) + 4, 0xff, sizeof(pst_shared_slot_t) - 4);
    }
    for (apr_uint32_t i = 0; i < PST_SITE_COUNT; i++) {
        pst_shared_site_t *site = pst_board_site(&board, child, i);

        memset(site, 0xff, sizeof(*site));
        site->seq = 2;
        site->in_use = 1;
        site->depth = i % 2 ? PST_SITE_FRAMES : UINT16_MAX;
        site->scope = i % 8;
    }
    memset(&child->books, 0xff, sizeof(child->books));
    lose(900, 11, 0, &watch);
    loss = loss_of(900);
    ok(loss && loss->own_bytes <= (apr_uint64_t)INT64_MAX && !loss->rss_bytes, "a block full of ones");
    for (apr_uint32_t i = 0; i < PST_LOSS_COUNT; i++) {
        memset(pst_board_loss(&board, i), 0xff, sizeof(pst_shared_loss_t));
        pst_board_loss(&board, i)->seq = 2;
    }
    look();
    is_number(snapshot.loss_count, PST_LOSS_COUNT, "rows full of ones");
    ok(snapshot.losses[0].own_bytes <= (apr_uint64_t)INT64_MAX && snapshot.losses[0].signal_how < PST_SIGNAL_COUNT
           && snapshot.losses[0].requests[0].state < PST_LOSS_REQUEST_COUNT
           && memchr(snapshot.losses[0].requests[0].line, 0, PST_LINE_LEN), "are made harmless");
    ok(pst_doctor_take(&snapshot, &board, pool) == APR_SUCCESS, "and examined");
    child_with(901, 200 * MIB);
    ok(lose(901, 11, 0, &watch), "the next one is written all the same");
}

int main(void)
{
    char folder[] = "/tmp/poolstat-unit-losses-XXXXXX";

    apr_initialize();
    apr_pool_create(&pool, NULL);
    root = mkdtemp(folder);
    if (!root) {
        printf("Bail out! no folder\n");
        return 1;
    }
    counted();
    make_board(&board, 8, 4, pool);
    told();
    killed();
    kept();
    hostile();
    if (system(apr_pstrcat(pool, "rm -rf ", root, NULL))) {
        printf("# %s is left behind\n", root);
    }
    return done();
}
