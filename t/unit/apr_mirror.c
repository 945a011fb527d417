/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the mirror of APR: its proof, the walks, the arithmetic of free lists.
 *
 * Core is linked into this program, so core calls the functions defined here in place of libapr's.
 * They tell the truth, or the one lie that a case requests: an APR whose private structs differ
 * from the mirror would contradict public calls in just these ways.
 */
#include "tap.h"
#include "apart.h"
#include "pst_apr.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <dlfcn.h>
#include <stdlib.h>

typedef enum {
    TRUTH = 0, PARENT, ALLOCATOR, TAG, ABORT, USERDATA, CLEANUP, KILL, PRE_CLEANUP, ADOPTION, ORDER, OWNER, MUTEX,
    LIMIT, GROWTH, NODE_SIZE, CLEAR, AFTER_CLEAR, UNMANAGED, RED_ZONE, BUCKETS, PAGE, NOTE, FILE_FD, FILE_NAME,
    SOCKET_FD, SOCKET_TYPE, SOCKET_ADDRESS, LIES
} lie_e;

static lie_e lie;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

apr_pool_t *apr_pool_parent_get(apr_pool_t *p)
{
    return lie == PARENT ? p : REAL(apr_pool_parent_get)(p);
}

apr_allocator_t *apr_pool_allocator_get(apr_pool_t *p)
{
    apr_allocator_t *truth = REAL(apr_pool_allocator_get)(p);

    return lie == ALLOCATOR ? (apr_allocator_t *)(void *)((char *)truth + 8) : truth;
}

void apr_pool_tag(apr_pool_t *p, const char *tag)
{
    REAL(apr_pool_tag)(p, lie == TAG ? "something else" : tag);
}

apr_abortfunc_t apr_pool_abort_get(apr_pool_t *p)
{
    return lie == ABORT ? NULL : REAL(apr_pool_abort_get)(p);
}

apr_status_t apr_pool_userdata_setn(const void *data, const char *key, apr_status_t (*fn)(void *), apr_pool_t *p)
{
    return lie == USERDATA ? APR_SUCCESS : REAL(apr_pool_userdata_setn)(data, key, fn, p);
}

void apr_pool_cleanup_register(apr_pool_t *p, const void *data, apr_status_t (*plain)(void *),
                               apr_status_t (*child)(void *))
{
    if (lie == CLEANUP) {
        REAL(apr_pool_pre_cleanup_register)(p, data, plain);
    }
    else {
        REAL(apr_pool_cleanup_register)(p, data, plain, child);
    }
}

void apr_pool_cleanup_kill(apr_pool_t *p, const void *data, apr_status_t (*fn)(void *))
{
    if (lie != KILL) {
        REAL(apr_pool_cleanup_kill)(p, data, fn);
    }
}

void apr_pool_pre_cleanup_register(apr_pool_t *p, const void *data, apr_status_t (*plain)(void *))
{
    if (lie == PRE_CLEANUP) {
        REAL(apr_pool_cleanup_register)(p, data, plain, plain);
    }
    else {
        REAL(apr_pool_pre_cleanup_register)(p, data, plain);
    }
}

void apr_pool_note_subprocess(apr_pool_t *p, apr_proc_t *proc, apr_kill_conditions_e how)
{
    if (lie != NOTE) {
        REAL(apr_pool_note_subprocess)(p, proc, how);
    }
}

apr_status_t apr_os_file_get(apr_os_file_t *fd, apr_file_t *file)
{
    apr_status_t rv = REAL(apr_os_file_get)(fd, file);

    *fd += lie == FILE_FD;
    return rv;
}

apr_status_t apr_file_name_get(const char **name, apr_file_t *file)
{
    apr_status_t rv = REAL(apr_file_name_get)(name, file);

    *name += lie == FILE_NAME;
    return rv;
}

apr_status_t apr_os_sock_get(apr_os_sock_t *fd, apr_socket_t *sock)
{
    apr_status_t rv = REAL(apr_os_sock_get)(fd, sock);

    *fd += lie == SOCKET_FD;
    return rv;
}

apr_status_t apr_socket_type_get(apr_socket_t *sock, int *type)
{
    apr_status_t rv = REAL(apr_socket_type_get)(sock, type);

    *type += lie == SOCKET_TYPE;
    return rv;
}

apr_status_t apr_socket_addr_get(apr_sockaddr_t **address, apr_interface_e which, apr_socket_t *sock)
{
    return REAL(apr_socket_addr_get)(address, lie == SOCKET_ADDRESS ? APR_REMOTE : which, sock);
}

/* ADOPTION: children are linked elsewhere. ORDER: of two, the older one is called the younger. */
apr_status_t apr_pool_create_ex(apr_pool_t **made, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                apr_allocator_t *allocator)
{
    static apr_pool_t *older;
    apr_status_t rv = APR_SUCCESS;

    if (parent && lie == ORDER && older) {
        *made = older;
        older = NULL;
        return rv;
    }
    if (parent && lie == ORDER) {
        rv = REAL(apr_pool_create_ex)(&older, parent, abort_fn, allocator);
    }
    if (rv == APR_SUCCESS) {
        rv = REAL(apr_pool_create_ex)(made, lie == ADOPTION ? NULL : parent, abort_fn, allocator);
    }
    return rv;
}

apr_status_t apr_pool_create_unmanaged_ex(apr_pool_t **made, apr_abortfunc_t abort_fn, apr_allocator_t *allocator)
{
    apr_status_t rv = REAL(apr_pool_create_unmanaged_ex)(made, abort_fn, allocator);

    if (rv == APR_SUCCESS && lie == UNMANAGED) {
        REAL(apr_palloc)(*made, 16);
    }
    return rv;
}

apr_pool_t *apr_allocator_owner_get(apr_allocator_t *allocator)
{
    return lie == OWNER ? NULL : REAL(apr_allocator_owner_get)(allocator);
}

apr_thread_mutex_t *apr_allocator_mutex_get(apr_allocator_t *allocator)
{
    return lie == MUTEX ? (apr_thread_mutex_t *)(void *)allocator : REAL(apr_allocator_mutex_get)(allocator);
}

void apr_allocator_max_free_set(apr_allocator_t *allocator, apr_size_t size)
{
    REAL(apr_allocator_max_free_set)(allocator, lie == LIMIT ? size * 2 : size);
}

/* GROWTH: a fresh node does not become active. NODE_SIZE: nodes are larger. */
void *apr_palloc(apr_pool_t *p, apr_size_t size)
{
    static void *elsewhere;

    if (lie == GROWTH && size >= 20000) {
        return elsewhere ? elsewhere : (elsewhere = malloc(200000));
    }
    return REAL(apr_palloc)(p, lie == RED_ZONE ? size + 16 : lie == NODE_SIZE && size == 20000 ? size + 4096 : size);
}

void apr_pool_clear(apr_pool_t *p)
{
    if (lie != CLEAR) {
        REAL(apr_pool_clear)(p);
    }
    if (lie == AFTER_CLEAR) {
        static int calls;

        REAL(apr_palloc)(p, (apr_size_t)(8 * ++calls));
    }
}

void *apr_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    return REAL(apr_bucket_alloc)(lie == BUCKETS ? size + 64 : size, list);
}

long sysconf(int name)
{
    return lie == PAGE ? 65536 : REAL(sysconf)(name);
}

/* ---- the proof ---------------------------------------------------------- */

static int prove_apart(void *which)
{
    pst_apr_facts_t facts;
    const char *why;

    lie = *(lie_e *)which;
    return pst_apr_prove(&facts, &why) == APR_EMISMATCH && why && *why && strchr(why, ' ') ? 0 : 1;
}

static int sees_red_zones(void *unused)
{
    pst_apr_facts_t facts;
    const char *why;

    (void)unused;
    lie = RED_ZONE;
    return pst_apr_prove(&facts, &why) == APR_SUCCESS && !facts.plain ? 0 : 1;
}

static int sees_other_buckets(void *unused)
{
    pst_apr_facts_t facts;
    const char *why;

    (void)unused;
    lie = BUCKETS;
    return pst_apr_prove(&facts, &why) == APR_SUCCESS && facts.plain && !facts.buckets ? 0 : 1;
}

static int count(void *baton, apr_pool_t *pool)
{
    (void)pool;
    ++*(apr_size_t *)baton;
    return 1;
}

static apr_size_t all_pools(apr_pool_t *pool)
{
    apr_size_t pools = 0, budget = 100000;

    pst_apr_walk(pst_apr_root(pool), count, &pools, &budget);
    return pools;
}

static void proof(apr_pool_t *parent)
{
    static const struct { lie_e lie; const char *what; } lies[] = {
        { PARENT, "parents lie elsewhere" }, { ALLOCATOR, "allocators lie elsewhere" }, { TAG, "tags lie elsewhere" },
        { ABORT, "abort functions lie elsewhere" }, { USERDATA, "user data lie elsewhere" },
        { CLEANUP, "cleanups hang elsewhere" }, { KILL, "killed cleanups hang elsewhere" },
        { PRE_CLEANUP, "pre-cleanups hang elsewhere" }, { ADOPTION, "children hang elsewhere" },
        { ORDER, "children hang in another order" }, { OWNER, "owners lie elsewhere" },
        { MUTEX, "mutexes lie elsewhere" }, { LIMIT, "limits lie elsewhere" }, { GROWTH, "fresh nodes are not active" },
        { NODE_SIZE, "nodes are of another size" }, { CLEAR, "cleared pools keep their nodes" },
        { AFTER_CLEAR, "the first palloc after clear lands elsewhere" },
        { UNMANAGED, "unmanaged pools are laid out otherwise" }, { PAGE, "pages are larger" },
        { NOTE, "subprocesses hang elsewhere" },
    };
    apr_size_t before = all_pools(parent);
    pst_apr_facts_t facts;
    apr_pool_t *pool;
    const char *why;
    char *first;

    is_number((unsigned)pst_apr_prove(&facts, &why), APR_SUCCESS, "the mirror holds");
    is_text(why, NULL, "nothing to complain of");
    is_number(all_pools(parent), before, "the proof leaves no pool behind");
    ok(facts.buckets == 1, "it holds of bucket allocators too");
    apr_pool_create(&pool, parent);
    first = apr_palloc(pool, 1);
    is_number(facts.first, (unsigned long long)(first - (char *)pool), "where the first palloc lands");
    is_number((unsigned)facts.plain, first + 8 == (char *)apr_palloc(pool, 1), "and whether the next lies behind it");
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        is_number((unsigned)apart(prove_apart, (void *)(apr_uintptr_t)&lies[i].lie), 0,
                  apr_pstrcat(pool, "refused: ", lies[i].what, NULL));
    }
    is_number((unsigned)apart(sees_red_zones, NULL), 0, "red zones: the mirror holds, pallocs are not back to back");
    is_number((unsigned)apart(sees_other_buckets, NULL), 0, "other bucket allocators: the mirror of pools holds alone");
    apr_pool_destroy(pool);
}

static int prove_handles_apart(void *data)
{
    const char *why = NULL;
    apr_pool_t *pool;

    lie = *(const lie_e *)data;
    apr_pool_create(&pool, NULL);
    return pst_apr_prove_handles(pool, &why) != APR_SUCCESS && why ? 0 : 1;
}

static void handles(apr_pool_t *parent)
{
    static const lie_e lies[] = { FILE_FD, FILE_NAME, SOCKET_FD, SOCKET_TYPE, SOCKET_ADDRESS };
    apr_pool_t *pool;
    const char *why = NULL;
    unsigned i, refused = 0;

    apr_pool_create(&pool, parent);
    is_number((unsigned)pst_apr_prove_handles(pool, &why), APR_SUCCESS, "the mirror of files and sockets holds");
    is_text(why, NULL, "nothing to complain of there");
    ok(!pst_apr_pool(pool)->cleanups, "what was opened is closed");
    for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        refused += apart(prove_handles_apart, (void *)(apr_uintptr_t)&lies[i]) == 0;
    }
    is_number(refused, i, "refused: each of their fields elsewhere");
    apr_pool_destroy(pool);
}

/* ---- rings and trees ---------------------------------------------------- */

/* What APR takes for a node of that many bytes: whole pages, at least two. */
static apr_size_t node_for(apr_size_t bytes)
{
    apr_size_t size = (bytes + APR_MEMNODE_T_SIZE + 4095) / 4096 * 4096;

    return size < 8192 ? 8192 : size;
}

/* Destroyed pools, whose nodes are in their allocator's free lists: the first list is empty before, the next is not. */
static int rings_of_dead(void *unused)
{
    apr_allocator_t *allocator;
    apr_pool_t *pools[6];
    int wrong = 0;

    (void)unused;
    apr_allocator_create(&allocator);
    for (apr_size_t i = 0; i < 6; i++) {
        apr_pool_create_ex(&pools[i], NULL, NULL, allocator);
        for (apr_size_t nodes = 0; nodes < i; nodes++) {
            apr_palloc(pools[i], 7000 + 3000 * nodes);
        }
    }
    for (int i = 0; i < 6; i++) {
        pst_apr_figures_t figures = { 0 };
        apr_size_t budget = 100;

        pst_apr_add_pool(&figures, pools[i], &budget);
        wrong += figures.dead || figures.cut;
        apr_pool_destroy(pools[i]);
        memset(&figures, 0, sizeof(figures));
        pst_apr_add_pool(&figures, pools[i], &budget);
        wrong += !figures.dead || !figures.cut;
    }
    return wrong;
}

static void rings(apr_pool_t *parent)
{
    static const apr_size_t sizes[] = { 20000, 8100, 300000, 8152, 8153, 100 };
    apr_size_t reserved = 8192, budget = 100, used;
    pst_apr_figures_t figures = { 0 };
    apr_pool_t *pool;

    apr_pool_create(&pool, parent);
    used = APR_MEMNODE_T_SIZE + (apr_size_t)(pst_apr_pool(pool)->self_first_avail - (char *)pool);
    pst_apr_add_pool(&figures, pool, &budget);
    ok(figures.pools == 1 && figures.nodes == 1 && figures.reserved == 8192 && !figures.cut && budget == 99,
       "a fresh pool is one node of 8192 bytes");
    is_number(figures.slack, 8192 - used, "used is the pool itself");
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        apr_palloc(pool, sizes[i]);
        used += APR_ALIGN_DEFAULT(sizes[i]);
        if (sizes[i] > 7000) {
            reserved += node_for(sizes[i]);
            used += APR_MEMNODE_T_SIZE;
        }
    }
    memset(&figures, 0, sizeof(figures));
    budget = 6;
    pst_apr_add_pool(&figures, pool, &budget);
    ok(figures.nodes == 6 && figures.reserved == reserved && figures.slack == reserved - used,
       "a grown pool's nodes add up, to the byte");
    ok(!figures.cut && budget == 0, "looking at just as many nodes as allowed");
    for (apr_size_t allowed = 0; allowed < 6; allowed++) {
        memset(&figures, 0, sizeof(figures));
        budget = allowed;
        pst_apr_add_pool(&figures, pool, &budget);
        ok(figures.cut && figures.nodes == allowed && figures.reserved < reserved && budget == 0,
           apr_psprintf(parent, "allowed %u nodes, it looks at so many and says that it was cut", (unsigned)allowed));
    }
    apr_pool_destroy(pool);
    is_number((unsigned)apart(rings_of_dead, NULL), 0, "a pool that was destroyed is no ring, and is walked no further");
}

#define MANY 500

typedef struct {
    apr_pool_t *seen[MANY + 1], *skip;
    unsigned    count;
} visits_t;

static int note(void *baton, apr_pool_t *pool)
{
    visits_t *visits = baton;

    if (visits->count <= MANY) {
        visits->seen[visits->count] = pool;
    }
    visits->count++;
    return pool != visits->skip;
}

static unsigned place(const visits_t *visits, const apr_pool_t *pool)
{
    unsigned i = 0;

    while (i < visits->count && visits->seen[i] != pool) {
        i++;
    }
    return i;
}

static int below(apr_pool_t *pool, apr_pool_t *top)
{
    return pool != top && apr_pool_is_ancestor(top, pool);
}

static void trees(apr_pool_t *parent)
{
    static apr_pool_t *pools[MANY], *parents[MANY];
    static visits_t visits;
    unsigned late = 0, missing = 0, spared = 0, seen = 0;
    apr_pool_t *apart_from, *pool;
    apr_size_t budget = 1000;

    srand(3);
    apr_pool_create(&pools[0], parent);
    apr_pool_create(&apart_from, parent);
    for (unsigned i = 1; i < MANY; i++) {
        parents[i] = pools[i < 100 ? i - 1 : (unsigned)rand() % i];
        apr_pool_create(&pools[i], parents[i]);
    }
    pst_apr_walk(pools[0], note, &visits, &budget);
    is_number(visits.count, MANY, "a walk sees each pool once, and none above or beside");
    is_number(budget, 1000 - MANY, "and says how many it looked at");
    ok(visits.seen[0] == pools[0] && place(&visits, apart_from) == visits.count, "from the top, downwards");
    for (unsigned i = 1; i < MANY; i++) {
        missing += place(&visits, pools[i]) == visits.count;
        late += place(&visits, parents[i]) >= place(&visits, pools[i]);
    }
    is_number(missing, 0, "all are there");
    is_number(late, 0, "parents come first");
    for (apr_size_t allowed = 0; allowed < MANY; allowed += 83) {
        visits.count = 0;
        budget = allowed;
        pst_apr_walk(pools[0], note, &visits, &budget);
        is_number(visits.count, allowed, "no more than the walk was allowed");
    }
    visits.count = 0;
    visits.skip = pools[50];
    budget = 1000;
    pst_apr_walk(pools[0], note, &visits, &budget);
    for (unsigned i = 0; i < MANY; i++) {
        seen += below(pools[i], pools[50]) && place(&visits, pools[i]) < visits.count;
        spared += below(pools[i], pools[50]);
    }
    ok(spared > 49 && seen == 0 && visits.count == MANY - spared,
       "what is below a pool may be left out, and that alone");
    ok(apr_pool_parent_get(pst_apr_root(pools[99])) == NULL && pst_apr_root(pools[99]) == pst_apr_root(parent),
       "the root of all");
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    apr_pool_create(&apart_from, pool);
    ok(pst_apr_root(apart_from) == pool, "unmanaged pools have a root of their own");
    apr_pool_destroy(pool);
    apr_pool_destroy(pools[0]);
}

/* ---- pre-cleanups ------------------------------------------------------- */

static char story[64];

static apr_status_t tell(void *what)
{
    strcat(story, what);
    return APR_SUCCESS;
}

static apr_pool_t *told_of;

static apr_status_t tell_more(void *what)
{
    apr_pool_pre_cleanup_register(told_of, "(more)", tell);
    return tell(what);
}

static void pre_cleanups(apr_pool_t *parent)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, parent);
    told_of = pool;
    apr_pool_pre_cleanup_register(pool, "a", tell);
    apr_pool_pre_cleanup_register(pool, "b", tell_more);
    apr_pool_pre_cleanup_register(pool, "c", tell);
    apr_pool_cleanup_register(pool, "plain", tell, apr_pool_cleanup_null);
    pst_apr_run_cleanups(&pst_apr_pool(pool)->pre_cleanups);
    is_text(story, "cb(more)a", "pre-cleanups run as APR runs them: the last one first, new ones next");
    pst_apr_run_cleanups(&pst_apr_pool(pool)->pre_cleanups);
    is_text(story, "cb(more)a", "each once");
    apr_pool_destroy(pool);
    is_text(story, "cb(more)aplain", "plain cleanups are left to APR");
}

/* ---- free lists --------------------------------------------------------- */

static void retained(apr_pool_t *parent, apr_size_t limit)
{
    apr_pool_t *owner, *pools[8] = { NULL };
    unsigned differ = 0, some = 0, over = 0;
    apr_allocator_t *allocator;

    apr_allocator_create(&allocator);
    if (limit) {
        apr_allocator_max_free_set(allocator, limit);
    }
    apr_pool_create_ex(&owner, parent, NULL, allocator);
    apr_allocator_owner_set(allocator, owner);
    srand(11);
    for (int step = 0; step < 20000; step++) {
        apr_pool_t **pool = &pools[rand() % 8];
        apr_size_t walked;

        switch (*pool ? rand() % 12 : 0) {
        case 0:
            if (*pool) {
                apr_pool_destroy(*pool);
                *pool = NULL;
            }
            else {
                apr_pool_create(pool, owner);
            }
            break;
        case 1:
            apr_pool_clear(*pool);
            break;
        default:
            apr_palloc(*pool, (apr_size_t)rand() % (rand() % 20 ? 9000 : 200000));
        }
        walked = pst_apr_retained(allocator, 0, 100000);
        differ += walked != pst_apr_retained(allocator, 1, 0) && limit;
        over += limit && walked > limit;
        some += walked > 0;
    }
    if (limit) {
        is_number(differ, 0, "what is retained: the subtraction says what the lists say, at each of 20,000 steps");
        is_number(over, 0, "which is never more than the limit");
    }
    else {
        ok(pst_apr_retained(allocator, 1, 100000) == pst_apr_retained(allocator, 0, 100000),
           "without a limit the lists are walked");
        ok(pst_apr_retained(allocator, 0, 1) < pst_apr_retained(allocator, 0, 100000), "no further than allowed");
    }
    ok(some > 5000, "and mostly there was something");
    apr_pool_destroy(owner);
}

int main(void)
{
    apr_pool_t *pool;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    proof(pool);
    handles(pool);
    rings(pool);
    trees(pool);
    pre_cleanups(pool);
    retained(pool, 128 * 1024);
    retained(pool, 0);
    apr_terminate();
    return done();
}
