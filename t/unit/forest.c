/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: pools of another process.  A forked process makes pools of known sizes, then corrupts them
 * in every way we could think of, and at random; this one reads them. It must find what is there,
 * to the byte, say what is invalid, and never hang, crash or read without end.
 */
#include "tap.h"
#include "pst_holdings.h"
#include "pst_resource.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- the other process ------------------------------------------------------ */

/* What it reports: where its pools are, and what they hold by its own count. */
typedef struct {
    uintptr_t root;
    apr_size_t pools, nodes, reserved, slack;
    uintptr_t unmanaged, dead, buckets;
} told_t;

typedef struct {
    pid_t pid;
    int ask, answer;
    told_t told;
} other_t;

/* Pools below one of ours, with the root's parent cut off: a forest of one tree. */
typedef struct {
    apr_allocator_t *allocator;
    apr_pool_t *root, *a, *b, *c, *leaf;
    char *page;             /* writable; what follows it is not mapped */
} site_t;

typedef void (*spoil_fn)(site_t *site);

static apr_status_t clean_one(void *data)
{
    (void)data;
    return APR_SUCCESS;
}

static void make_site(site_t *site)
{
    static apr_proc_t proc = { .pid = 4711 };
    int i;

    apr_allocator_create(&site->allocator);
    apr_allocator_max_free_set(site->allocator, 64 << 20);
    apr_pool_create_unmanaged_ex(&site->root, NULL, site->allocator);
    apr_allocator_owner_set(site->allocator, site->root);
    apr_pool_tag(site->root, "root");
    apr_pool_create(&site->a, site->root);
    apr_pool_tag(site->a, "a");
    apr_pool_create(&site->b, site->root);
    apr_pool_tag(site->b, "b");
    apr_pool_create(&site->c, site->a);
    apr_pool_tag(site->c, "c");
    apr_pool_create(&site->leaf, site->c);
    for (i = 0; i < 5; i++) {
        apr_palloc(site->c, 20000 * (apr_size_t)(i + 1));
    }
    apr_palloc(site->b, 1000000);
    apr_pool_cleanup_register(site->b, "x", clean_one, apr_pool_cleanup_null);
    apr_pool_cleanup_register(site->b, "y", clean_one, apr_pool_cleanup_null);
    apr_pool_pre_cleanup_register(site->b, "z", clean_one);
    apr_pool_note_subprocess(site->b, &proc, APR_KILL_NEVER);
    site->page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(site->page + 4096, 4096);
}

static int count_one(void *baton, apr_pool_t *pool)
{
    apr_size_t budget = 1000000;

    pst_apr_add_pool(baton, pool, &budget);
    return 1;
}

static void reckon(told_t *told, const site_t *site)
{
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = 1000000;

    pst_apr_walk(site->root, count_one, &figures, &budget);
    told->root = (uintptr_t)site->root;
    told->pools = figures.pools;
    told->nodes = figures.nodes;
    told->reserved = figures.reserved;
    told->slack = figures.slack;
}

/* Fork; in the child: make, count, corrupt, report, wait for the end. */
static void start(other_t *other, spoil_fn spoil)
{
    int up[2], down[2];
    char byte;

    if (pipe(up) != 0 || pipe(down) != 0) {
        exit(1);
    }
    fflush(stdout);
    other->pid = fork();
    if (other->pid == 0) {
        site_t site;
        told_t told = { 0 };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(120);
        make_site(&site);
        reckon(&told, &site);
        if (spoil) {
            spoil(&site);
        }
        if (write(up[1], &told, sizeof(told)) == sizeof(told)) {
            while (read(down[0], &byte, 1) == 1) {
                spoil(&site);       /* once more */
                if (write(up[1], &byte, 1) != 1) {
                    break;
                }
            }
        }
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    other->answer = up[0];
    other->ask = down[1];
    if (read(other->answer, &other->told, sizeof(other->told)) != sizeof(other->told)) {
        other->told.root = 0;
    }
}

static void again(other_t *other)
{
    char byte = 0;

    if (write(other->ask, &byte, 1) != 1 || read(other->answer, &byte, 1) != 1) {
        other->told.root = 0;
    }
}

static void stop(other_t *other)
{
    close(other->ask);
    close(other->answer);
    kill(other->pid, SIGKILL);
    waitpid(other->pid, NULL, 0);
}

/* -- reading it -------------------------------------------------------------- */

typedef struct {
    uint32_t pools, torn, cut;
    pst_tree_sum_t all;
    apr_time_t took;
    uint32_t changed;
    int is_cut;
} seen_t;

static pst_tree_pool_t *called(pst_forest_t *forest, const char *tag)
{
    uint32_t i;

    for (i = 0; i < forest->count; i++) {
        if (strcmp(forest->pools[forest->order[i]].tag, tag) == 0) {
            return &forest->pools[forest->order[i]];
        }
    }
    return NULL;
}

static void look(const other_t *other, apr_time_t limit, seen_t *seen, void (*more)(pst_forest_t *, const other_t *))
{
    apr_time_t began = apr_time_now();
    pst_remote_t *remote;
    pst_forest_t forest;
    const char *why;
    apr_pool_t *pool;
    uint32_t i;

    memset(seen, 0, sizeof(*seen));
    apr_pool_create(&pool, NULL);
    if (pst_remote_open(&remote, other->pid, limit, &why, pool) == APR_SUCCESS) {
        pst_forest_init(&forest, remote);
        pst_forest_add_root(&forest, other->told.root);
        pst_forest_read(&forest);
        pst_forest_sum(&forest);
        seen->pools = forest.count;
        seen->changed = forest.changed;
        seen->is_cut = forest.cut || remote->late;
        for (i = 0; i < forest.count; i++) {
            seen->torn += (forest.pools[forest.order[i]].flags & PST_POOL_TORN) != 0;
            seen->cut += (forest.pools[forest.order[i]].flags & PST_POOL_CUT) != 0;
        }
        for (i = 0; i < forest.allocator_count; i++) {
            seen->torn += (forest.allocators[i].flags & PST_POOL_TORN) != 0;
        }
        if (forest.count) {
            seen->all = forest.pools[forest.order[0]].all;
        }
        if (more) {
            more(&forest, other);
        }
        pst_forest_free(&forest);
    }
    apr_pool_destroy(pool);
    seen->took = apr_time_now() - began;
}

/* -- valid pools ------------------------------------------------------------- */

static void see_details(pst_forest_t *forest, const other_t *other)
{
    const pst_tree_pool_t *root = called(forest, "root"), *b = called(forest, "b"), *c = called(forest, "c");

    (void)other;
    if (!ok(root && b && c, "tags are read")) {
        return;
    }
    is_number(c->own.nodes, 6, "nodes of a pool are counted");
    is_number(c->own.reserved, 8192 + 20480 + 40960 + 61440 + 81920 + 102400, "and their sizes added up");
    ok(forest->pools[c->parent].parent != PST_NONE && &forest->pools[forest->pools[c->parent].parent] == root
       && c->depth == 2, "each stands below its parent");
    ok(&forest->pools[root->child] == b, "the youngest first");
    is_number(b->resource_count, 4, "what hangs on a pool is found");
    is_number(b->resources[0].kind, PST_RESOURCE_PRE_CLEANUP, "what runs first comes first");
    ok(b->resources[1].plain == (uintptr_t)clean_one && b->resources[2].plain == (uintptr_t)clean_one, "with its function");
    ok(b->resources[3].kind == PST_RESOURCE_PROCESS && b->resources[3].pid == 4711, "and a process with its id");
    ok(!forest->pools[c->child].tagged, "no tag is no tag");
}

static void sound(void)
{
    other_t other;
    seen_t seen;

    start(&other, NULL);
    look(&other, apr_time_from_sec(10), &seen, see_details);
    is_number(seen.pools, other.told.pools, "all pools are found");
    is_number(seen.all.nodes, other.told.nodes, "all nodes");
    is_number(seen.all.reserved, other.told.reserved, "to the byte");
    is_number(seen.all.reserved - seen.all.used, other.told.slack, "slack too");
    is_number(seen.torn + seen.changed, 0, "and nothing is wrong with them");
    stop(&other);
}

/* -- pools without an owner ---------------------------------------------- */

static void make_others(site_t *site)
{
    apr_pool_t *dead, *alive, *late, *more;
    apr_allocator_t *allocator;
    apr_bucket_alloc_t *list;

    apr_pool_create_unmanaged_ex(&dead, NULL, site->allocator);
    apr_pool_tag(dead, "dead");
    apr_pool_create_unmanaged_ex(&alive, NULL, NULL);
    apr_pool_tag(alive, "alive");
    apr_palloc(alive, 50000);
    apr_pool_destroy(dead);
    apr_allocator_create(&allocator);           /* one that only unmanaged pools use */
    apr_pool_create_unmanaged_ex(&late, NULL, allocator);
    apr_pool_create_unmanaged_ex(&dead, NULL, allocator);
    apr_allocator_owner_set(allocator, late);
    apr_pool_create_unmanaged_ex(&more, NULL, allocator);
    apr_pool_tag(dead, "dead, too");
    apr_pool_destroy(more);
    apr_pool_destroy(dead);                     /* its node points to the one freed before */
    list = apr_bucket_alloc_create(site->leaf);
    apr_bucket_alloc(30000, list);
}

static void see_others(pst_forest_t *forest, const other_t *other)
{
    uintptr_t global = (uintptr_t)pst_apr_root(apr_pool_parent_get(forest->remote->pool));
    pst_holdings_t holdings;
    pst_search_t search;

    (void)other;
    pst_search(forest->remote, forest->roots[0] - APR_MEMNODE_T_SIZE, &search);
    ok(search.count > 0 && !search.cut, "nodes are found by looking at memory");
    /* this process's own pools were forked too: they have a root, the global pool */
    ok(pst_holdings_add_roots(forest, &search) >= 2, "so are pools without a parent");
    pst_forest_read(forest);
    is_number(pst_holdings_drop_dead(forest), 1, "one is seen to be dead only now");
    pst_forest_read(forest);
    pst_forest_sum(forest);
    ok(called(forest, "alive") && called(forest, "alive")->own.reserved == 8192 + 53248, "an unmanaged pool that lives");
    ok(!called(forest, "dead") && !called(forest, "dead, too"), "not those that were destroyed");
    ok(called(forest, "apr_global_pool") && called(forest, "apr_global_pool")->at == global, "and other trees");
    pst_holdings_sum(&holdings, forest, &search);
    is_number(holdings.buckets, 8192 + 32768, "bucket nodes are told from others");
    is_number(holdings.elsewhere, 0, "nothing is left over");
    pst_search_free(&search);
}

static void others(void)
{
    other_t other;
    seen_t seen;

    start(&other, make_others);
    look(&other, apr_time_from_sec(10), &seen, see_others);
    stop(&other);
}

/* -- nodes from malloc --------------------------------------------------------- */

/* What free() leaves of a node of buckets: its head except two words, and the bucket's head. */
typedef struct {
    apr_memnode_t node;
    pst_apr_bucket_head_t bucket;
} bucket_node_t;

/* As an APR that takes its nodes from malloc makes them. */
static bucket_node_t *bucket_node(apr_size_t size)
{
    bucket_node_t *made = malloc(size);

    memset(made, 0, sizeof(*made));
    made->node.index = (uint32_t)(size / 4096 - 1);
    made->node.first_avail = (char *)&made->bucket;
    made->node.endp = (char *)made + size;
    made->bucket.size = size - APR_MEMNODE_T_SIZE;
    made->bucket.memnode = &made->node;
    __asm__ volatile("" : : "r"(made) : "memory");     /* what is freed must have been written all the same */
    return made;
}

#define MALLOC_LIVE ((8192 + 16384 + 12288) + (8192 + 40960) + 4194304)

/* In its own arena: threads have one each. */
static void *in_thread(void *up)
{
    bucket_node_t *dead[4];

    for (int i = 0; i < 3; i++) {
        dead[i] = bucket_node(20480);
    }
    bucket_node(8192);
    bucket_node(40960);
    dead[3] = bucket_node(8192);
    for (int i = 0; i < 4; i++) {
        free(dead[i]);
    }
    while (write(*(const int *)up, "", 1) == 1 && pause() == 0) {
    }
    return NULL;
}

static void make_malloced(site_t *site)
{
    bucket_node_t *dead[3], *large;
    pthread_t thread;
    char *other, byte;
    int up[2];

    (void)site;
    bucket_node(8192);
    for (int i = 0; i < 3; i++) {
        dead[i] = bucket_node(12288);
    }
    bucket_node(16384);
    large = bucket_node(61440);
    bucket_node(12288);
    for (int i = 0; i < 3; i++) {
        free(dead[i]);                  /* one chunk, in which the heads of the second and the third node remain */
    }
    free(large);
    other = malloc(61440 - 16);         /* in use again, but by no node */
    memset(other, 1, 16);
    bucket_node(4194304);               /* a mapping of its own */
    free(bucket_node(4194304));
    if (pipe(up) != 0 || pthread_create(&thread, NULL, in_thread, &up[1]) != 0 || read(up[0], &byte, 1) != 1) {
        _exit(1);
    }
}

static void see_malloced(pst_forest_t *forest, const other_t *other)
{
    pst_holdings_t holdings;
    pst_search_t search;

    (void)other;
    pst_search(forest->remote, 16, &search);    /* an address at which no mapping begins: nodes come from malloc */
    pst_holdings_add_roots(forest, &search);
    pst_forest_read(forest);
    pst_forest_sum(forest);
    pst_holdings_sum(&holdings, forest, &search);
    is_number(holdings.buckets, MALLOC_LIVE, "bucket nodes from malloc: those in use, and none that was freed");
    is_number(search.dead, 2 + 2 + 1, "the freed ones whose heads are left were seen");
    is_number(holdings.guessed, 0, "and nothing is guessed");
    ok(!holdings.guesses, "or said to be");
    pst_holdings_check(&holdings, forest);
    pst_search_free(&search);
}

static void malloced(void)
{
    other_t other;
    seen_t seen;

#if defined(__SANITIZE_ADDRESS__)
    printf("ok %d # SKIP malloc is the sanitizer's here\n", ++tap_count);
    return;
#endif
    start(&other, make_malloced);
    look(&other, apr_time_from_sec(20), &seen, see_malloced);
    stop(&other);
}

/* -- corrupt pools ------------------------------------------------------------ */

#define P(pool) pst_apr_pool(pool)
#define WILD(name, what, to) static void name(site_t *site) { what = (void *)(uintptr_t)(to); }

WILD(child_low, P(site->a)->child, 8)
WILD(child_odd, P(site->a)->child, (uintptr_t)site->c + 1)
WILD(child_kernel, P(site->a)->child, 0xffffffff81000000u)
WILD(child_high, P(site->a)->child, UINTPTR_MAX - 7)
WILD(child_edge, P(site->a)->child, (uintptr_t)site->page + 4096 - 64)
WILD(child_text, P(site->a)->child, (uintptr_t)clean_one & ~(uintptr_t)7)
WILD(child_self, P(site->a)->child, (uintptr_t)site->a)
WILD(child_root, P(site->c)->child, (uintptr_t)site->root)
WILD(child_foreign, P(site->c)->child, (uintptr_t)site->b)
WILD(sibling_self, P(site->b)->sibling, (uintptr_t)site->b)
WILD(sibling_back, P(site->a)->sibling, (uintptr_t)site->b)
WILD(sibling_wild, P(site->a)->sibling, 0x4141414141414141u)
WILD(parent_wild, P(site->c)->parent, 0x4141414141414140u)
WILD(node_wild, P(site->c)->active->next, 0x4141414141414140u)
WILD(node_self, P(site->c)->active->next, (uintptr_t)P(site->c)->active)
WILD(node_null, P(site->c)->active->next, 0)
WILD(node_end, P(site->c)->self->endp, UINTPTR_MAX & ~(uintptr_t)4095)
WILD(node_before, P(site->c)->self->endp, 4096)
WILD(avail_wild, P(site->c)->self->first_avail, UINTPTR_MAX)
WILD(active_wild, P(site->c)->active, 0x1000)
WILD(tag_wild, P(site->c)->tag, 0x4141414141414141u)
WILD(cleanup_wild, P(site->b)->cleanups, 0x4141414141414140u)
WILD(cleanup_self, P(site->b)->cleanups->next, (uintptr_t)P(site->b)->cleanups)
WILD(cleanup_back, P(site->b)->cleanups->next->next, (uintptr_t)P(site->b)->cleanups)
WILD(process_self, P(site->b)->subprocesses->next, (uintptr_t)P(site->b)->subprocesses)
WILD(process_wild, P(site->b)->subprocesses->proc, 0x4141414141414141u)
WILD(allocator_wild, P(site->b)->allocator, 0x4141414141414140u)

static void node_index(site_t *site) { P(site->c)->self->index = 0xffffffff; }

/* A ring with a way in but no way out. */
static void node_rho(site_t *site)
{
    apr_memnode_t *first = P(site->c)->self->next;

    first->next->next->next = first->next;
}

static void free_ring(site_t *site)
{
    pst_apr_allocator_t *allocator = (pst_apr_allocator_t *)(void *)site->allocator;
    int i;

    apr_pool_clear(site->c);
    for (i = 0; i < PST_APR_FREE_LISTS; i++) {
        if (allocator->free[i]) {
            allocator->free[i]->next = allocator->free[i];
        }
    }
}

static void tag_endless(site_t *site)
{
    memset(site->page, 'x', 4096);
    P(site->c)->tag = site->page;
}

static void read_only(site_t *site)
{
    void *node = P(site->c)->self;

    mprotect((void *)((uintptr_t)node & ~(uintptr_t)4095), 8192, PROT_READ);
}

static void unreadable(site_t *site)
{
    void *node = P(site->c)->self;

    mprotect((void *)((uintptr_t)node & ~(uintptr_t)4095), 8192, PROT_NONE);
}

static void spoiled(void)
{
    static const struct { spoil_fn spoil; uint32_t pools; const char *what; } ways[] = {
        { child_low, 3, "a child at address 8" }, { child_odd, 3, "a child that is not aligned" },
        { child_kernel, 3, "a child in the kernel" }, { child_high, 3, "a child at the end of all addresses" },
        { child_edge, 3, "a child that reaches beyond its mapping" }, { child_text, 3, "a child in code" },
        { child_self, 3, "a child that is its own parent" }, { child_root, 4, "the root below a leaf" },
        { child_foreign, 4, "somebody else's child" }, { sibling_self, 2, "a pool that is its own sibling" },
        { sibling_back, 5, "siblings in a ring" }, { sibling_wild, 5, "a wild sibling" },
        { parent_wild, 3, "a wild parent" }, { node_wild, 5, "a wild node" }, { node_self, 5, "a node that follows itself" },
        { node_null, 5, "a ring of nodes that ends" }, { node_rho, 5, "a ring of nodes that never comes back" },
        { node_end, 3, "a node without end" }, { node_before, 3, "a node that ends before it begins" },
        { node_index, 3, "a node whose index lies" }, { avail_wild, 3, "a node that is fuller than it can be" },
        { active_wild, 5, "a wild active node" }, { tag_wild, 5, "a wild tag" }, { cleanup_wild, 5, "wild cleanups" },
        { cleanup_self, 5, "a cleanup that follows itself" }, { cleanup_back, 5, "cleanups in a ring" },
        { process_self, 5, "processes in a ring" }, { process_wild, 5, "a wild process" },
        { allocator_wild, 5, "a wild allocator" }, { free_ring, 4, "a free list in a ring" },
        { read_only, 3, "a pool in read-only memory" }, { unreadable, 3, "a pool in memory that cannot be read" }
    };
    char what[128];
    other_t other;
    seen_t seen;
    size_t i;

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        start(&other, ways[i].spoil);
        look(&other, apr_time_from_sec(10), &seen, NULL);
        snprintf(what, sizeof(what), "%s: marked, the others are there", ways[i].what);
        ok(seen.torn > 0 && seen.pools == ways[i].pools && !seen.changed && seen.took < apr_time_from_sec(5), what);
        if (!seen.torn || seen.pools != ways[i].pools || seen.changed) {
            printf("# %u pools, %u torn, %u cut, %u changed, %d us\n", seen.pools, seen.torn, seen.cut, seen.changed, (int)seen.took);
        }
        stop(&other);
    }
    start(&other, tag_endless);
    look(&other, apr_time_from_sec(10), &seen, NULL);
    ok(seen.pools == 5 && !seen.torn, "a tag without end is cut");
    stop(&other);
}

/* -- more than there is room for ---------------------------------------------- */

static void deep(site_t *site)
{
    apr_pool_t *pool = site->leaf;
    int i;

    for (i = 0; i < 20000; i++) {
        apr_pool_create(&pool, pool);
    }
}

static void many_cleanups(site_t *site)
{
    int i;

    for (i = 0; i < 200000; i++) {
        apr_pool_cleanup_register(site->leaf, site, clean_one, clean_one);
    }
}

static void large(void)
{
    other_t other;
    seen_t seen;

    start(&other, deep);
    look(&other, apr_time_from_sec(30), &seen, NULL);
    is_number(seen.pools, 20005, "20,000 pools, each below the one before");
    look(&other, seen.took / 4, &seen, NULL);
    ok(seen.is_cut && seen.pools > 0 && seen.pools < 20005, "out of time: cut, and said so");
    stop(&other);
    start(&other, many_cleanups);
    look(&other, apr_time_from_sec(30), &seen, NULL);
    ok(seen.pools == 5 && seen.cut == 1 && !seen.torn, "200,000 cleanups are cut");
    stop(&other);
}

/* -- at random ------------------------------------------------------------------ */

/* A few words of pools and nodes are changed to other plausible values. */
static void at_random(site_t *site)
{
    static uint64_t state = 88172645463325252u;
    apr_pool_t *pools[] = { site->root, site->a, site->b, site->c, site->leaf };
    uintptr_t values[16];
    int i;

    for (i = 0; i < 5; i++) {
        values[i] = (uintptr_t)pools[i];
        values[i + 5] = (uintptr_t)P(pools[i])->self;
    }
    values[10] = 0;
    values[11] = (uintptr_t)site->page;
    values[12] = (uintptr_t)site->page + 4088;
    values[13] = (uintptr_t)0xffff800000000000u;
    values[14] = (uintptr_t)site->allocator;
    for (i = 0; i < 3; i++) {
        uintptr_t *words;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words = (uintptr_t *)(void *)((char *)pools[state % 5] - APR_MEMNODE_T_SIZE);
        values[15] = words[(state >> 20) % 24] ^ (1u << (state >> 40) % 24);
        words[(state >> 8) % 20] = values[(state >> 32) % 16];
    }
}

static void fuzz(void)
{
    unsigned rounds = 0, slow = 0;
    other_t other;
    seen_t seen;
    int lives, k;

    for (lives = 0; lives < 60; lives++) {
        start(&other, at_random);
        for (k = 0; k <= lives && other.told.root; k++) {
            look(&other, apr_time_from_sec(3), &seen, NULL);
            slow += seen.took > apr_time_from_sec(4);
            rounds++;
            again(&other);
        }
        stop(&other);
    }
    ok(rounds > 400, "words at random: we live");
    is_number(slow, 0, "and are never slow");
}

/* While we read, a thread makes and destroys without pause. */
static void *churn(void *data)
{
    site_t *site = data;

    for (;;) {
        apr_pool_t *pool, *below;
        int i;

        apr_pool_create(&pool, site->root);
        for (i = 0; i < 20; i++) {
            apr_pool_create(&below, pool);
            apr_palloc(below, 10000);
            apr_pool_cleanup_register(below, site, clean_one, clean_one);
        }
        apr_pool_destroy(pool);
    }
    return NULL;
}

static site_t moved;

static void start_churn(site_t *site)
{
    pthread_t thread;

    moved = *site;
    pthread_create(&thread, NULL, churn, &moved);
}

/* A pool that keeps changing. */
static void *tremble(void *data)
{
    const site_t *site = data;
    volatile uintptr_t *word = (volatile uintptr_t *)(void *)&P(site->b)->user_data;

    for (;;) {
        ++*word;
    }
    return NULL;
}

static void start_tremble(site_t *site)
{
    pthread_t thread;

    moved = *site;
    pthread_create(&thread, NULL, tremble, &moved);
}

static uint32_t trembling, others_marked;

static void see_marks(pst_forest_t *forest, const other_t *other)
{
    uint32_t i;

    (void)other;
    for (i = 0; i < forest->count; i++) {
        const pst_tree_pool_t *pool = &forest->pools[forest->order[i]];

        if (pool->flags & PST_POOL_CHANGED) {
            *(strcmp(pool->tag, "b") == 0 ? &trembling : &others_marked) += 1;
        }
    }
}

static void moving(void)
{
    uint32_t i;
    tally_t wrong = { 0, 0 };
    other_t other;
    seen_t seen;

    start(&other, start_churn);
    for (i = 0; i < 100; i++) {
        look(&other, apr_time_from_sec(3), &seen, NULL);
        if (seen.pools < 5 || seen.all.reserved < other.told.reserved || seen.took > apr_time_from_sec(4)) {
            printf("# %u pools, %u torn, %u changed, cut %d, %d us\n", seen.pools, seen.torn, seen.changed, seen.is_cut, (int)seen.took);
            tally(&wrong, 1, i);
        }
    }
    stop(&other);
    none_wrong(&wrong, "a tree that changes all the time: what stays is always found");
    start(&other, start_tremble);
    wrong = (tally_t){ 0, 0 };
    for (i = 0; i < 20000 && (i < 100 || !trembling); i++) {    /* on a busy machine it may not run for a long time */
        look(&other, apr_time_from_sec(3), &seen, see_marks);
        tally(&wrong, seen.pools != 5, i);
    }
    stop(&other);
    none_wrong(&wrong, "a pool that never holds still is found");
    ok(trembling > 0, "and marked");
    is_number(others_marked, 0, "it alone");
}

/* -- too much --------------------------------------------------------------- */

#define SHARERS 60

/* A long list of cleanups that many pools share. */
static void share_list(site_t *site)
{
    apr_pool_t *first = NULL, *pool;
    unsigned i;

    for (i = 0; i < SHARERS; i++) {
        apr_pool_create(&pool, site->root);
        if (!first) {
            first = pool;
            for (unsigned k = 0; k < 60000; k++) {
                apr_pool_cleanup_register(pool, NULL, clean_one, apr_pool_cleanup_null);
            }
        }
        P(pool)->cleanups = P(first)->cleanups;
    }
}

static uint64_t all_resources;

static void count_resources(pst_forest_t *forest, const other_t *other)
{
    (void)other;
    for (uint32_t i = 0; i < forest->count; i++) {
        all_resources += forest->pools[forest->order[i]].resource_count;
    }
}

static void shared_list(void)
{
    other_t other;
    seen_t seen;

    start(&other, share_list);
    look(&other, apr_time_from_sec(20), &seen, count_resources);
    printf("# %llu resources in %d ms\n", (unsigned long long)all_resources, (int)(seen.took / 1000));
    is_number(seen.pools, 5 + SHARERS, "pools that have one list of cleanups are all found");
    ok(all_resources > 60000 && all_resources <= 1u << 20, "the list is not read for each of them without end");
    ok(seen.cut > 0, "and those that were not read are marked");
    stop(&other);
}

/* More functions than are remembered: each still has its own name. */
static void many_functions(void)
{
    pst_tree_resource_t resource = { .kind = PST_RESOURCE_CLEANUP };
    static const pst_tree_pool_t none;
    pst_resource_name_t name;
    pst_resources_t *resources;
    pst_symbols_t *symbols;
    unsigned round, i;
    tally_t wrong = { 0, 0 };
    pst_remote_t *remote;
    pst_symbol_t symbol;
    const char *why;
    apr_pool_t *pool;
    char expected[256];

    apr_pool_create(&pool, NULL);
    if (!ok(pst_remote_open(&remote, getpid(), apr_time_from_sec(20), &why, pool) == APR_SUCCESS, "this process")) {
        return;
    }
    symbols = pst_symbols_make(remote, pool);
    resources = pst_resources_learn(remote, symbols, pool);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 6000; i++) {
            resource.plain = (uintptr_t)many_functions + i;
            pst_symbols_at(symbols, resource.plain, &symbol);
            snprintf(expected, sizeof(expected), "%s+0x%llx", symbol.object->name, (unsigned long long)symbol.offset);
            pst_resource_name(resources, &none, &resource, &name);
            tally(&wrong, strcmp(name.function, symbol.function && !symbol.into ? symbol.function : expected) != 0, i);
        }
    }
    none_wrong(&wrong, "6,000 functions have names of their own, asked twice");
    apr_pool_destroy(pool);
}

static void kill_it(pst_forest_t *forest, const other_t *other)
{
    kill(other->pid, SIGKILL);
    waitpid(other->pid, NULL, 0);
    pst_forest_read(forest);
    ok(!pst_remote_alive(forest->remote), "a process that ends is noticed");
}

int main(void)
{
    pst_remote_t *remote;
    const char *why = NULL;
    other_t other;
    seen_t seen;
    apr_pool_t *pool;

    if (process_vm_readv(getpid(), NULL, 0, NULL, 0, 0) < 0 && errno == ENOSYS) {
        return skip_all("no process_vm_readv() here");
    }
    apr_initialize();
    apr_pool_create(&pool, NULL);
    sound();
    others();
    malloced();
    spoiled();
    large();
    fuzz();
    moving();
    shared_list();
    many_functions();
    start(&other, NULL);
    look(&other, apr_time_from_sec(10), &seen, kill_it);
    ok(pst_remote_open(&remote, other.pid, apr_time_from_sec(1), &why, pool) == APR_ENOENT && why, "and is not there afterwards");
    stop(&other);
    ok(pst_remote_open(&remote, 2, apr_time_from_sec(1), &why, pool) != APR_SUCCESS, "nor can the kernel be read");
    return done();
}
