/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe: a handler that allocates exactly what it is asked to, from the pool it is asked to, waits while a test
 * looks at it from elsewhere, and reports what it did. It is the tests' ground truth, so it shares no code with
 * mod_poolstat and uses only what APR promises: a pool's nodes form a ring through
 * apr_memnode_t.next, and the first of them lies APR_MEMNODE_T_SIZE before the pool.
 *
 * The query string says what to do; order of events in a request:
 *
 *   hold0=TOKEN      wait, with nothing allocated yet
 *   pool= bytes= pieces= pace=US
 *                    allocate: request connection child global  (from the pool itself)
 *                    touch=1: write to all of it, so that it is resident
 *                    subpool connsub childsub globalsub unmanaged (from a new pool below it)
 *                    buckets (from the connection's bucket allocator), or
 *   grow=N           N pieces that need a node each, timed by tenths, or
 *   leak_here=N      N pieces of bytes= each, taken by an exported function, poolprobe_leak(), or
 *   many=N tag=T     N pools below the one chosen, bytes= from each; their tag is T, none if T is
 *                    none, a different one for each if T is each; all made at one place, or
 *   things=1         first register one of each with the pool: a file, a socket, a mutex, shared memory, a process,
 *                    cleanups; and
 *   printf=N         one string of N bytes by apr_psprintf, or
 *   churn=N          make, fill, clear, destroy a pool below the request's N times
 *   fork=1           ... in a forked process, which then ends, instead of in this one
 *   heap=N heap_bytes=B heap_free=none|all|pinned|half
 *                    N blocks of B bytes from malloc, written to: kept for ever, or freed, or all but the last freed,
 *                    or every second one
 *   keep=KIND        heap= blocks of heap_bytes= each, outside pools, until let_go=1; taken by poolprobe_keep():
 *                    malloc calloc realloc (from a quarter) strdup memalign mmap, or thread: waits, with a stack
 *                    of its own; or
 *   truth=KIND       the same, but pool (the child's), malloc or mmap alone: seven, two and one of ten blocks by
 *                    poolprobe_seventy(), _twenty(), _ten()
 *   lose=regex|json  forget that many (heap=) regular expressions on the child's pool, or objects of libjansson: other
 *                    code allocates them, poolprobe_lose() is to blame
 *   let_go=1         free, unmap and end all that was kept so in this child
 *   late=PATH        load this shared object and call its late_keep(heap=, heap_bytes=); late_close=1: unload it
 *   cpu=MS           compute without any input or output
 *   subreq=URI       run a subrequest       redirect=URI  hand over by internal redirect
 *   stream=N chunk=BYTES every=MS leak=request|connection brigades=K
 *                    send N chunks with a flush each; with leak=, allocate bytes= per chunk, or
 *                    make K brigades, which nobody destroys, in poolprobe_read()
 *   early=1          send and flush something before the wait
 *   hold=TOKEN       wait, holding it all; or hold=MS, a time
 *   free=destroy|clear|keep
 *                    what becomes of a new pool, or of buckets (keep: until the child ends)
 *   complain=1       write the request to the error log
 *   hold2=TOKEN      wait, after that
 *   leave=1          the child ends itself with the request's pool: by exit(0) in a cleanup, as mod_perl's
 *                    child_terminate()
 *   output=report|none|N
 *                    answer with the report (JSON), nothing, or N bytes
 *
 * And from another connection: release=TOKEN ends a wait (also one that has not
 * begun), peek=TOKEN tells whether somebody waits there, and the report.
 * layout=1 tells where APR keeps which fields of a pool in this process, see layout().
 * In access logs %^PB is what the request's pool reserves, %{used}^PB what was handed out of it, %{nodes}^PB its
 * number of nodes. Tokens live in memory shared by all children and generations.  Every wait, loop and
 * size is bounded (LIMIT_*), whatever is asked for.
 *
 * A directive leaks once for each reading of the configuration:
 *   PoolProbeLeak pool|pieces|malloc|shared BYTES   (into the process's pool, at once or by 64 bytes; outside of
 *                                                    pools; as shared memory)
 */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_log_config.h>
#include <apr_allocator.h>
#include <apr_buckets.h>
#include <apr_lib.h>
#include <apr_optional.h>
#include <apr_network_io.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <util_script.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) poolprobe_module;

#define LIMIT_WAIT     apr_time_from_sec(30)
#define LIMIT_STREAM   apr_time_from_sec(120)
#define LIMIT_BYTES    (1024 * 1024 * 1024)
#define LIMIT_PIECES   200000
#define LIMIT_CHURN    1000000
#define POLL_EVERY     apr_time_from_msec(2)

/* --- tokens ------------------------------------------------------------- */

#define TOKENS         8192
#define TOKEN_LEN      48
#define REPORT_LEN     720

typedef struct token_t {
    apr_uint32_t taken;         /* 0 free, 1 being named, 2 named; never freed */
    apr_uint32_t arrived;       /* waits begun here */
    apr_uint32_t released;      /* 1: nobody waits here any longer */
    char name[TOKEN_LEN];
    char report[REPORT_LEN];    /* written before arrived is raised */
} token_t;

static token_t *tokens;

/* Find a token, or make it. Open addressing; a slot once named stays. NULL: bad name, or table full. */
static token_t *token_find(const char *name)
{
    apr_uint32_t hash = 2166136261u, i;
    const char *s;

    if (!tokens || !*name || strlen(name) >= TOKEN_LEN) {
        return NULL;
    }
    for (s = name; *s; s++) {
        if (!apr_isalnum(*s) && *s != '-' && *s != '_') {
            return NULL;
        }
        hash = (hash ^ (unsigned char)*s) * 16777619u;
    }
    for (i = 0; i < TOKENS; i++) {
        token_t *t = &tokens[(hash + i) % TOKENS];
        apr_uint32_t none = 0;
        int spins = 0;

        if (__atomic_compare_exchange_n(&t->taken, &none, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            apr_cpystrn(t->name, name, TOKEN_LEN);
            __atomic_store_n(&t->taken, 2, __ATOMIC_RELEASE);
            return t;
        }
        while (__atomic_load_n(&t->taken, __ATOMIC_ACQUIRE) != 2 && ++spins < 1000) {
            apr_sleep(1000);
        }
        if (strcmp(t->name, name) == 0) {
            return t;
        }
    }
    return NULL;
}

/* --- what a request asks for -------------------------------------------- */

typedef struct plan_t {
    const char *hold0, *hold, *hold2, *subreq, *redirect, *pool, *free, *leak, *output;
    apr_size_t bytes, chunk, print;
    long leak_here, many, brigades;
    long leave;
    const char *tag, *heap_free, *keep, *truth, *late, *lose;
    apr_size_t heap_bytes;
    long heap, let_go, late_close;
    long pieces, grow, churn, stream, cpu_ms, every_ms, pace_us, early, fork, things, complain, touch;
} plan_t;

static apr_int64_t number(apr_table_t *args, const char *key, apr_int64_t otherwise, apr_int64_t limit)
{
    const char *value = apr_table_get(args, key);
    apr_int64_t n = value ? apr_atoi64(value) : otherwise;

    return n < 0 ? 0 : n > limit ? limit : n;
}

static const char *text(request_rec *r, apr_table_t *args, const char *key, const char *otherwise)
{
    const char *value = apr_table_get(args, key);
    char *copy;

    if (!value) {
        return otherwise;
    }
    copy = apr_pstrdup(r->pool, value);
    return ap_unescape_url(copy) == OK ? copy : otherwise;
}

static apr_status_t leave(void *unused)
{
    (void)unused;
    exit(0);
}

static void plan_read(plan_t *plan, request_rec *r, apr_table_t *args)
{
    plan->hold0 = text(r, args, "hold0", NULL);
    plan->hold = text(r, args, "hold", NULL);
    plan->hold2 = text(r, args, "hold2", NULL);
    plan->subreq = text(r, args, "subreq", NULL);
    plan->redirect = text(r, args, "redirect", NULL);
    plan->pool = text(r, args, "pool", "none");
    plan->free = text(r, args, "free", "destroy");
    plan->leak = text(r, args, "leak", "none");
    plan->output = text(r, args, "output", "report");
    plan->bytes = (apr_size_t)number(args, "bytes", 0, LIMIT_BYTES);
    plan->chunk = (apr_size_t)number(args, "chunk", 64, 1024 * 1024);
    plan->print = (apr_size_t)number(args, "printf", 0, 64 * 1024 * 1024);
    plan->pieces = (long)number(args, "pieces", 1, LIMIT_PIECES);
    plan->leak_here = (long)number(args, "leak_here", 0, LIMIT_PIECES);
    plan->leave = (long)number(args, "leave", 0, 1);
    plan->many = (long)number(args, "many", 0, 10000);
    plan->brigades = (long)number(args, "brigades", 0, 10000);
    plan->heap = (long)number(args, "heap", 0, LIMIT_PIECES);
    plan->heap_bytes = (apr_size_t)number(args, "heap_bytes", 1000, 16 * 1024 * 1024);
    plan->heap_free = text(r, args, "heap_free", "none");
    plan->keep = text(r, args, "keep", NULL);
    plan->truth = text(r, args, "truth", NULL);
    plan->late = text(r, args, "late", NULL);
    plan->lose = text(r, args, "lose", NULL);
    plan->late_close = (long)number(args, "late_close", 0, 1);
    plan->let_go = (long)number(args, "let_go", 0, 1);
    if ((apr_int64_t)plan->heap_bytes * plan->heap > LIMIT_BYTES) {
        plan->heap = (long)(LIMIT_BYTES / plan->heap_bytes);
    }
    plan->tag = text(r, args, "tag", "poolprobe-many");
    plan->grow = (long)number(args, "grow", 0, LIMIT_PIECES);
    plan->churn = (long)number(args, "churn", 0, LIMIT_CHURN);
    plan->stream = (long)number(args, "stream", 0, LIMIT_PIECES);
    plan->cpu_ms = (long)number(args, "cpu", 0, 30000);
    plan->every_ms = (long)number(args, "every", 0, 1000);
    plan->pace_us = (long)number(args, "pace", 0, 1000000);
    plan->early = (long)number(args, "early", 0, 1);
    plan->fork = (long)number(args, "fork", 0, 1);
    plan->things = (long)number(args, "things", 0, 1);
    plan->touch = (long)number(args, "touch", 0, 1);
    plan->complain = (long)number(args, "complain", 0, 1);
    if ((apr_int64_t)plan->bytes * plan->pieces > LIMIT_BYTES) {
        plan->pieces = plan->bytes ? (long)(LIMIT_BYTES / plan->bytes) : 0;
    }
    if ((apr_int64_t)plan->bytes * plan->leak_here > LIMIT_BYTES) {
        plan->leak_here = (long)(LIMIT_BYTES / plan->bytes);
    }
    if ((apr_int64_t)plan->bytes * plan->many > LIMIT_BYTES) {
        plan->many = (long)(LIMIT_BYTES / plan->bytes);
    }
}

/* --- what it did -------------------------------------------------------- */

typedef struct ring_t {
    unsigned long nodes;
    apr_uint64_t reserved, used;
} ring_t;

/* A pool's own nodes, subpools not included. The caller owns the pool. */
static ring_t ring_of(apr_pool_t *pool)
{
    ring_t sum = {0, 0, 0};
    apr_memnode_t *first, *node;

    if (!pool) {
        return sum;
    }
    first = node = (apr_memnode_t *)((char *)pool - APR_MEMNODE_T_SIZE);
    do {
        sum.nodes++;
        sum.reserved += (apr_uint64_t)(node->endp - (char *)node);
        sum.used += (apr_uint64_t)(node->first_avail - ((char *)node + APR_MEMNODE_T_SIZE));
        node = node->next;
    } while (node != first);
    return sum;
}

#define TENTHS 10

typedef struct work_t {
    request_rec *r;
    const plan_t *plan;
    apr_pool_t *pool;           /* what was allocated from, NULL for buckets or nothing */
    int made;                   /* pool is ours to destroy */
    void **buckets;             /* pieces taken from the bucket allocator */
    long bucket_count;
    apr_pool_t **many;
    long many_count;
    ring_t before, after;
    apr_uint64_t tenth_ns[TENTHS];
    char report[REPORT_LEN];
} work_t;

static apr_pool_t *pchild;
static apr_thread_mutex_t *pchild_lock;

/* No allocation happens here: the report must not change what it reports. */
static void report(work_t *w)
{
    ring_t request = ring_of(w->r->pool), connection = ring_of(w->r->connection->pool);
    int i, n;

    n = apr_snprintf(w->report, REPORT_LEN,
                     "{\"pid\":%ld,\"pool\":\"%s\",\"bytes\":%" APR_SIZE_T_FMT ",\"pieces\":%ld,"
                     "\"node_overhead\":%d,"
                     "\"nodes_before\":%lu,\"reserved_before\":%" APR_UINT64_T_FMT ","
                     "\"nodes_after\":%lu,\"reserved_after\":%" APR_UINT64_T_FMT ",\"used_after\":%" APR_UINT64_T_FMT ","
                     "\"request_reserved\":%" APR_UINT64_T_FMT ",\"request_used\":%" APR_UINT64_T_FMT ","
                     "\"connection_reserved\":%" APR_UINT64_T_FMT ",\"connection_used\":%" APR_UINT64_T_FMT ","
                     "\"tenth_ns\":[",
                     (long)getpid(), w->plan->pool, w->plan->bytes, w->plan->pieces, (int)APR_MEMNODE_T_SIZE,
                     w->before.nodes, w->before.reserved, w->after.nodes, w->after.reserved, w->after.used,
                     request.reserved, request.used, connection.reserved, connection.used);
    for (i = 0; i < TENTHS && n < REPORT_LEN - 24; i++) {
        n += apr_snprintf(w->report + n, REPORT_LEN - n, "%s%" APR_UINT64_T_FMT, i ? "," : "", w->tenth_ns[i]);
    }
    apr_cpystrn(w->report + n, "]}", REPORT_LEN - n);
}

/* --- doing it ----------------------------------------------------------- */

static void spin(apr_interval_time_t how_long)
{
    apr_time_t until = apr_time_now() + how_long;
    volatile unsigned long sink = 1;

    while (apr_time_now() < until) {
        int i;
        for (i = 0; i < 1000; i++) {
            sink = sink * 31 + 7;
        }
    }
}

/* Publish the report under the token and wait for its release; digits alone are milliseconds. */
static void wait_for(work_t *w, const char *name)
{
    token_t *t;
    apr_time_t until;

    if (!name) {
        return;
    }
    if (strspn(name, "0123456789") == strlen(name)) {
        apr_interval_time_t rest = apr_time_from_msec(apr_atoi64(name));
        apr_sleep(rest > LIMIT_WAIT ? LIMIT_WAIT : rest);
        return;
    }
    t = token_find(name);
    if (!t) {
        return;
    }
    report(w);
    memcpy(t->report, w->report, REPORT_LEN);
    __atomic_add_fetch(&t->arrived, 1, __ATOMIC_RELEASE);
    until = apr_time_now() + LIMIT_WAIT;
    while (!__atomic_load_n(&t->released, __ATOMIC_ACQUIRE) && apr_time_now() < until) {
        apr_sleep(POLL_EVERY);
    }
}

static apr_pool_t *make_below(apr_pool_t *parent)
{
    apr_pool_t *pool = NULL;

    apr_pool_create(&pool, parent);
    apr_pool_tag(pool, "poolprobe");
    return pool;
}

/* Which pool to take from. @return 0 for an unknown name. */
static int choose(work_t *w)
{
    const char *name = w->plan->pool;
    conn_rec *c = w->r->connection;

    w->made = 1;
    if (strcmp(name, "subpool") == 0) {
        w->pool = make_below(w->r->pool);
    }
    else if (strcmp(name, "connsub") == 0) {
        w->pool = make_below(c->pool);
    }
    else if (strcmp(name, "childsub") == 0) {
        w->pool = make_below(pchild);
    }
    else if (strcmp(name, "globalsub") == 0) {
        w->pool = make_below(NULL);
    }
    else if (strcmp(name, "unmanaged") == 0) {
        apr_pool_create_unmanaged_ex(&w->pool, NULL, NULL);
        apr_pool_tag(w->pool, "poolprobe-unmanaged");
    }
    else {
        w->made = 0;
        w->pool = strcmp(name, "request") == 0 ? w->r->pool
                : strcmp(name, "connection") == 0 ? c->pool
                : strcmp(name, "child") == 0 ? pchild
                : NULL;
        return w->pool || strcmp(name, "none") == 0 || strcmp(name, "buckets") == 0;
    }
    return w->pool != NULL;
}

static void take_pieces(work_t *w)
{
    long i;

    for (i = 0; i < w->plan->pieces && w->plan->bytes; i++) {
        if (w->buckets) {
            w->buckets[w->bucket_count++] = apr_bucket_alloc(w->plan->bytes, w->r->connection->bucket_alloc);
        }
        else {
            void *m = apr_palloc(w->pool, w->plan->bytes);

            if (m && w->plan->touch) {
                memset(m, 1, w->plan->bytes);
            }
        }
        if (w->plan->pace_us) {
            spin(w->plan->pace_us);
        }
    }
}

/* What a profile must name. */
__attribute__((visibility("default"), noinline)) void poolprobe_leak(apr_pool_t *pool, apr_size_t bytes, long count);
__attribute__((visibility("default"), noinline)) void poolprobe_read(apr_pool_t *pool, apr_bucket_alloc_t *buckets, long count);

void poolprobe_leak(apr_pool_t *pool, apr_size_t bytes, long count)
{
    while (count-- > 0) {
        apr_palloc(pool, bytes);
    }
}

/* As a filter that makes a new brigade each time it reads (httpd's bug 33382). */
void poolprobe_read(apr_pool_t *pool, apr_bucket_alloc_t *buckets, long count)
{
    while (count-- > 0) {
        apr_brigade_create(pool, buckets);
    }
}

__attribute__((visibility("default"), noinline)) apr_status_t poolprobe_clean(void *data);

apr_status_t poolprobe_clean(void *data)
{
    (void)data;
    return APR_SUCCESS;
}

/* Things that a pool may have to clean up. All of them end with the pool. */
static void make_things(work_t *w)
{
    static const char *const sleep_args[] = { "sleep", "60", NULL };
    apr_pool_t *pool = w->pool;
    apr_thread_mutex_t *mutex;
    apr_procattr_t *how;
    apr_socket_t *sock;
    apr_proc_t *proc = apr_pcalloc(pool, sizeof(*proc));
    apr_file_t *file;
    apr_shm_t *shm;

    apr_file_open(&file, apr_pstrcat(pool, ap_document_root(w->r), "/small.txt", NULL), APR_READ, APR_OS_DEFAULT, pool);
    apr_socket_create(&sock, APR_INET, SOCK_STREAM, APR_PROTO_TCP, pool);
    apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, pool);
    apr_shm_create(&shm, 4096, NULL, pool);
    apr_pool_cleanup_register(pool, w, poolprobe_clean, apr_pool_cleanup_null);
    apr_pool_pre_cleanup_register(pool, w, poolprobe_clean);
    if (apr_procattr_create(&how, pool) == APR_SUCCESS && apr_procattr_cmdtype_set(how, APR_PROGRAM_PATH) == APR_SUCCESS
        && apr_proc_create(proc, "sleep", sleep_args, NULL, how, pool) == APR_SUCCESS) {
        apr_pool_note_subprocess(pool, proc, APR_KILL_ALWAYS);
    }
}

/* All made at one place, whatever happens to them later. @return the sum of their nodes */
static ring_t make_many(work_t *w)
{
    ring_t sum = {0, 0, 0};

    w->many = apr_palloc(w->r->pool, sizeof(*w->many) * (w->plan->many + 1));
    for (w->many_count = 0; w->many_count < w->plan->many; w->many_count++) {
        apr_pool_t **pool = &w->many[w->many_count];
        ring_t ring;

        apr_pool_create(pool, w->pool);
        if (strcmp(w->plan->tag, "each") == 0) {
            apr_pool_tag(*pool, apr_psprintf(w->r->pool, "poolprobe-%ld", w->many_count));
        }
        else if (strcmp(w->plan->tag, "poolprobe-many") == 0) {
            apr_pool_tag(*pool, "poolprobe-many");
        }
        else if (strcmp(w->plan->tag, "none") != 0) {
            apr_pool_tag(*pool, w->plan->tag);
        }
        if (w->plan->bytes) {
            apr_palloc(*pool, w->plan->bytes);
        }
        ring = ring_of(*pool);
        sum.nodes += ring.nodes;
        sum.reserved += ring.reserved;
        sum.used += ring.used;
    }
    return sum;
}

/* N pieces that leave no room for another: one node each, timed. */
static void take_nodes(work_t *w)
{
    long i, each = (w->plan->grow + TENTHS - 1) / TENTHS;

    for (i = 0; i < w->plan->grow; i++) {
        apr_uint64_t *slot = &w->tenth_ns[i / each];
        struct timespec a, b;

        if (i % each == 0) {
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
            *slot = (apr_uint64_t)a.tv_sec * 1000000000u + (apr_uint64_t)a.tv_nsec;
        }
        apr_palloc(w->pool, 8192 - APR_MEMNODE_T_SIZE);
        if (i % each == each - 1 || i == w->plan->grow - 1) {
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
            *slot = (apr_uint64_t)b.tv_sec * 1000000000u + (apr_uint64_t)b.tv_nsec - *slot;
        }
    }
}

static void take_churn(work_t *w)
{
    long i;

    for (i = 0; i < w->plan->churn; i++) {
        apr_pool_t *pool = make_below(w->r->pool);
        apr_palloc(pool, w->plan->bytes);
        apr_pool_clear(pool);
        apr_palloc(pool, w->plan->bytes);
        apr_pool_destroy(pool);
    }
}

static void take(work_t *w)
{
    int lock = w->pool && w->pool == pchild && !w->plan->many;

    if (lock) {
        apr_thread_mutex_lock(pchild_lock);
    }
    w->before = ring_of(w->pool);
    if (w->plan->things && w->pool) {
        make_things(w);
    }
    if (w->plan->many && w->pool) {
        w->after = make_many(w);
        return;
    }
    if (w->plan->leak_here && w->pool) {
        poolprobe_leak(w->pool, w->plan->bytes, w->plan->leak_here);
    }
    else if (w->plan->grow && w->pool) {
        take_nodes(w);
    }
    else if (w->plan->print && w->pool) {
        apr_psprintf(w->pool, "%*s", (int)w->plan->print, "x");
    }
    else if (w->pool || w->buckets) {
        take_pieces(w);
    }
    w->after = ring_of(w->pool);
    if (lock) {
        apr_thread_mutex_unlock(pchild_lock);
    }
    if (w->plan->churn) {
        take_churn(w);
    }
}

/* Blocks of the C library's heap: a chain, so that what is kept can still be reached. */
typedef struct block_t {
    struct block_t *before;
} block_t;

static block_t *kept_blocks;
static apr_thread_mutex_t *kept_lock;

/* @return those that are kept */
static block_t *free_heap(block_t *last, const char *which)
{
    int all = !strcmp(which, "all"), pinned = !strcmp(which, "pinned"), half = !strcmp(which, "half");
    block_t *kept = NULL;
    long i;

    for (i = 0; last; i++) {
        block_t *before = last->before;

        if (all || (pinned && i > 0) || (half && i % 2)) {
            free(last);
        }
        else {
            last->before = kept;
            kept = last;
        }
        last = before;
    }
    return kept;
}

static void take_heap(const plan_t *plan)
{
    apr_size_t bytes = plan->heap_bytes < sizeof(block_t) ? sizeof(block_t) : plan->heap_bytes;
    block_t *last = NULL;
    long i;

    for (i = 0; i < plan->heap; i++) {
        block_t *block = malloc(bytes);

        if (!block) {
            break;
        }
        memset(block, 1, bytes);
        block->before = last;
        last = block;
    }
    last = free_heap(last, plan->heap_free);
    apr_thread_mutex_lock(kept_lock);
    while (last) {
        block_t *before = last->before;

        last->before = kept_blocks;
        kept_blocks = last;
        last = before;
    }
    apr_thread_mutex_unlock(kept_lock);
}

/* --- outside pools, until it is let go -------------------------------------- */

typedef struct kept_t {
    struct kept_t *before;
    char           kind;        /* the first letter; of mmap an M */
    apr_size_t     bytes;
    pthread_t      thread;
} kept_t;

static kept_t *kept_beside;
static int threads_go;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t threads_end = PTHREAD_COND_INITIALIZER;

static void *wait_for_end(void *unused)
{
    volatile char touched[60000];

    for (unsigned i = 0; i < sizeof(touched); i += 1000) {
        touched[i] = 1;
    }
    pthread_mutex_lock(&threads_lock);
    while (!threads_go) {
        pthread_cond_wait(&threads_end, &threads_lock);
    }
    pthread_mutex_unlock(&threads_lock);
    return unused;
}

/* A thread can only be kept in a block: a small one, of the heap. */
static void *a_thread(void)
{
    kept_t *kept = calloc(1, sizeof(*kept));

    if (kept && pthread_create(&kept->thread, NULL, wait_for_end, NULL) != 0) {
        free(kept);
        return NULL;
    }
    return kept;
}

static inline __attribute__((always_inline)) void *a_string(apr_size_t bytes)
{
    static char text[64 * 1024];

    if (bytes > sizeof(text)) {
        bytes = sizeof(text);
    }
    memset(text, 'x', bytes - 1);
    text[bytes - 1] = '\0';
    return strdup(text);
}

/* Inlined into its caller, so that the caller is the function that allocates. */
static inline __attribute__((always_inline)) void *take_beside(const char *kind, apr_size_t bytes)
{
    void *at;

    switch (kind[0] == 'm' ? kind[1] : kind[0]) {
    case 'c': return calloc(1, bytes);
    case 'r': return (at = malloc(bytes / 4)) ? realloc(at, bytes) : NULL;
    case 's': return a_string(bytes);
    case 'e': return posix_memalign(&at, 64, bytes) == 0 ? at : NULL;
    case 't': return a_thread();
    case 'p': return apr_palloc(pchild, bytes);
    case 'm':                       /* mmap */
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return at != MAP_FAILED ? at : NULL;
    default: return malloc(bytes);
    }
}

/* The caller has kept_lock. */
static void remember(void *at, const char *kind, apr_size_t bytes)
{
    kept_t *kept = at;

    if (kept && kind[0] != 'p') {
        if (kind[0] != 't') {
            memset((char *)at + sizeof(*kept), 1, bytes - sizeof(*kept));
        }
        kept->kind = kind[1] == 'm' ? 'M' : kind[0];
        kept->bytes = bytes;
        kept->before = kept_beside;
        kept_beside = kept;
    }
}

#define SHARE(name) \
    __attribute__((visibility("default"), noinline)) void name(const char *kind, apr_size_t bytes, long count); \
    void name(const char *kind, apr_size_t bytes, long count) \
    { \
        while (count-- > 0) { \
            remember(take_beside(kind, bytes), kind, bytes); \
        } \
    }

SHARE(poolprobe_keep)
SHARE(poolprobe_seventy)
SHARE(poolprobe_twenty)
SHARE(poolprobe_ten)

static void let_go(void)
{
    pthread_mutex_lock(&threads_lock);
    threads_go = 1;
    pthread_cond_broadcast(&threads_end);
    pthread_mutex_unlock(&threads_lock);
    while (kept_beside) {
        kept_t *kept = kept_beside;

        kept_beside = kept->before;
        if (kept->kind == 'M') {
            munmap(kept, kept->bytes);
            continue;
        }
        if (kept->kind == 't') {
            pthread_join(kept->thread, NULL);
        }
        free(kept);
    }
    threads_go = 0;
}

/* Through an object that is loaded late, and may be unloaded. */
static void late(const plan_t *plan)
{
    static void *object;
    void (*late_keep)(long count, apr_size_t bytes);

    if (plan->late && !object) {
        object = dlopen(plan->late, RTLD_NOW | RTLD_LOCAL);
    }
    if (plan->late && object && (*(void **)&late_keep = dlsym(object, "late_keep"))) {
        late_keep(plan->heap, plan->heap_bytes);
    }
    if (plan->late_close && object) {
        dlclose(object);
        object = NULL;
    }
}

#define CLAIMS "{\"iss\":\"https://idp.example.org\",\"aud\":[\"a\",\"b\"],\"exp\":1999999999,\"roles\":[\"user\",\"admin\",\"reader\"]}"

/* Like a module that forgets what a library, or httpd, made for it. @return 0 if there is no such library */
__attribute__((visibility("default"), noinline)) int poolprobe_lose(const char *kind, long count);
int poolprobe_lose(const char *kind, long count)
{
    static void *(*json_loads)(const char *, size_t, void *);
    static void *jansson;
    char error[512];                /* larger than its json_error_t */

    if (kind[0] == 'j' && !jansson) {
        jansson = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
        *(void **)&json_loads = jansson ? dlsym(jansson, "json_loads") : NULL;
    }
    while (count-- > 0) {
        if (kind[0] == 'j') {
            if (!json_loads || !json_loads(CLAIMS, 0, error)) {
                return 0;
            }
        }
        else {
            ap_pregcomp(pchild, "^/(page|other)([0-9]+)?\\.(txt|html)$", AP_REG_EXTENDED);
        }
    }
    return 1;
}

static void beside(const plan_t *plan)
{
    apr_size_t bytes = plan->heap_bytes < sizeof(kept_t) * 4 ? sizeof(kept_t) * 4 : plan->heap_bytes;

    apr_thread_mutex_lock(kept_lock);
    if (plan->keep) {
        poolprobe_keep(plan->keep, bytes, plan->heap);
    }
    for (long i = 0; plan->truth && i < plan->heap; i += 10) {
        poolprobe_seventy(plan->truth, bytes, 7);
        poolprobe_twenty(plan->truth, bytes, 2);
        poolprobe_ten(plan->truth, bytes, 1);
    }
    if (plan->let_go) {
        let_go();
    }
    if (plan->late || plan->late_close) {
        late(plan);
    }
    apr_thread_mutex_unlock(kept_lock);
}

/* Like a module that forks without exec: allocate in the copy, and end it without any cleanup. */
static int take_in_copy(work_t *w)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        if (choose(w)) {
            take(w);
        }
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void give_back(work_t *w)
{
    if (strcmp(w->plan->free, "keep") == 0) {
        return;
    }
    while (w->many_count) {
        apr_pool_destroy(w->many[--w->many_count]);
    }
    while (w->bucket_count) {
        apr_bucket_free(w->buckets[--w->bucket_count]);
    }
    if (w->made && strcmp(w->plan->free, "clear") == 0) {
        apr_pool_clear(w->pool);
    }
    else if (w->made) {
        apr_pool_destroy(w->pool);
        w->made = 0;
        w->pool = NULL;
    }
}

static void stream(work_t *w)
{
    const plan_t *plan = w->plan;
    apr_pool_t *leak = strcmp(plan->leak, "connection") == 0 ? w->r->connection->pool
                     : strcmp(plan->leak, "request") == 0 ? w->r->pool : NULL;
    apr_time_t until = apr_time_now() + LIMIT_STREAM;
    char *chunk = apr_palloc(w->r->pool, plan->chunk + 1);
    long i;

    memset(chunk, '.', plan->chunk + 1);
    for (i = 0; i < plan->stream && apr_time_now() < until && !w->r->connection->aborted; i++) {
        if (leak && plan->brigades) {
            poolprobe_read(leak, w->r->connection->bucket_alloc, plan->brigades);
        }
        else if (leak) {
            poolprobe_leak(leak, plan->bytes, 1);
        }
        if (ap_rwrite(chunk, (int)plan->chunk, w->r) < 0 || ap_rflush(w->r) < 0) {
            break;
        }
        if (plan->every_ms) {
            apr_sleep(apr_time_from_msec(plan->every_ms));
        }
    }
}

static void answer(work_t *w)
{
    const char *output = w->plan->output;

    if (strcmp(output, "report") == 0) {
        ap_rputs(w->report, w->r);
        ap_rputs("\n", w->r);
    }
    else if (strcmp(output, "none") != 0) {
        apr_int64_t left = apr_atoi64(output);
        static const char block[] = "................................................................";

        for (left = left > LIMIT_BYTES ? LIMIT_BYTES : left; left > 0; left -= 64) {
            if (ap_rwrite(block, left < 64 ? (int)left : 64, w->r) < 0) {
                break;
            }
        }
    }
}

/* How many of httpd's post_config hooks are in an object of this name. */
static int count_hooks(const char *object)
{
    apr_array_header_t *list = ap_hook_get_post_config();
    int count = 0;

    for (int i = 0; list && i < list->nelts; i++) {
        Dl_info info;

        count += dladdr((void *)(apr_uintptr_t)((ap_LINK_post_config_t *)list->elts)[i].pFunc, &info) && info.dli_fname
                 && strstr(info.dli_fname, object);
    }
    return count;
}

/* release= and peek=: the other side of a wait. @return 1 if this was one. */
static int token_command(request_rec *r, apr_table_t *args, int *status)
{
    const char *release = text(r, args, "release", NULL), *peek = text(r, args, "peek", NULL);
    const char *name = release ? release : peek;
    token_t *t;

    if (!name) {
        return 0;
    }
    t = token_find(name);
    if (!t) {
        *status = HTTP_BAD_REQUEST;
        return 1;
    }
    if (release) {
        __atomic_store_n(&t->released, 1, __ATOMIC_RELEASE);
    }
    ap_set_content_type(r, "application/json");
    if (__atomic_load_n(&t->arrived, __ATOMIC_ACQUIRE)) {
        ap_rprintf(r, "{\"arrived\":%u,\"report\":%s}\n", t->arrived, t->report);
    }
    else {
        ap_rputs("{\"arrived\":0,\"report\":null}\n", r);
    }
    *status = OK;
    return 1;
}

/* --- what debuggers need -------------------------------------------------- */

/* At which offset is that pointer in a pool? Searches a little further than APR's own struct extends in any 1.x.
 * @return bytes from its start; -1 if nowhere, or more than once */
static int stands_at(apr_pool_t *pool, const void *pointer)
{
    const void *const *words = (const void *const *)(void *)pool;
    int at = -1, i;

    for (i = 0; i < 16; i++) {
        if (words[i] == pointer && at >= 0) {
            return -1;
        }
        at = words[i] == pointer ? i * (int)sizeof(void *) : at;
    }
    return at;
}

/*
 * For a test that reads pools as a debugger does, without assumptions about APR's private structs: pools are made by
 * public calls, so their contents are known, and a search finds where they are. Their nodes are a ring, entered at
 * the active one, which was opened last. The layout of a node is public.
 */
static int layout(request_rec *r)
{
    apr_pool_t *root = r->pool, *above, *elder, *younger, *grown;
    const char *tag = "poolprobe-layout";
    void *active;

    while ((above = apr_pool_parent_get(root)) != NULL) {
        root = above;
    }
    apr_pool_create(&above, r->pool);
    apr_pool_create(&elder, above);
    apr_pool_create(&younger, above);
    apr_pool_create(&grown, above);
    apr_pool_tag(younger, tag);
    active = (char *)apr_palloc(grown, 100000) - APR_MEMNODE_T_SIZE;
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"pid\":%d,\"root\":\"0x%pp\",\"word\":%d,\"child\":%d,\"sibling\":%d,\"tag\":%d,\"active\":%d,"
               "\"next\":%d,\"index\":%d,\"first_avail\":%d,\"endp\":%d}\n", (int)getpid(), (void *)root, (int)sizeof(void *),
               stands_at(above, grown), stands_at(younger, elder), stands_at(younger, tag), stands_at(grown, active),
               (int)APR_OFFSETOF(apr_memnode_t, next), (int)APR_OFFSETOF(apr_memnode_t, index),
               (int)APR_OFFSETOF(apr_memnode_t, first_avail), (int)APR_OFFSETOF(apr_memnode_t, endp));
    return OK;
}

static int probe_handler(request_rec *r)
{
    apr_table_t *args;
    plan_t plan;
    work_t w;
    int status;

    if (!r->handler || strcmp(r->handler, "poolprobe") != 0) {
        return DECLINED;
    }
    ap_args_to_table(r, &args);
    if (text(r, args, "hooks", NULL)) {
        ap_set_content_type(r, "application/json");
        ap_rprintf(r, "{\"hooks\":%d}\n", count_hooks(text(r, args, "hooks", "")));
        return OK;
    }
    if (token_command(r, args, &status)) {
        return status;
    }
    if (text(r, args, "layout", NULL)) {
        return layout(r);
    }
    memset(&w, 0, sizeof(w));
    plan_read(&plan, r, args);
    w.r = r;
    w.plan = &plan;
    ap_set_content_type(r, "application/json");
    if (strcmp(plan.pool, "buckets") == 0) {
        w.buckets = apr_palloc(r->pool, sizeof(void *) * (plan.pieces + 1));
    }
    wait_for(&w, plan.hold0);
    if (plan.fork) {
        if (!take_in_copy(&w)) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    else if (!choose(&w)) {
        return HTTP_BAD_REQUEST;
    }
    else {
        take(&w);
    }
    if (plan.keep || plan.truth || plan.let_go || plan.late || plan.late_close) {
        beside(&plan);
    }
    else if (plan.heap && !plan.lose) {
        take_heap(&plan);
    }
    if (plan.lose) {
        int done;

        apr_thread_mutex_lock(kept_lock);
        done = poolprobe_lose(plan.lose, plan.heap);
        apr_thread_mutex_unlock(kept_lock);
        if (!done) {
            return HTTP_NOT_IMPLEMENTED;
        }
    }
    if (plan.cpu_ms) {
        spin(apr_time_from_msec(plan.cpu_ms));
    }
    if (plan.redirect) {
        ap_internal_redirect(plan.redirect, r);
        return OK;
    }
    if (plan.subreq) {
        request_rec *sub = ap_sub_req_lookup_uri(plan.subreq, r, NULL);
        ap_run_sub_req(sub);
        ap_destroy_sub_req(sub);
    }
    if (plan.stream) {
        stream(&w);
    }
    if (plan.early) {
        ap_rputs(" ", r);
        ap_rflush(r);
    }
    wait_for(&w, plan.hold);
    report(&w);
    give_back(&w);
    if (plan.complain) {
        ap_log_rerror(__FILE__, __LINE__, APLOG_NO_MODULE, APLOG_ERR, 0, r, "poolprobe was asked for %s", r->args);
    }
    wait_for(&w, plan.hold2);
    if (plan.leave) {
        apr_pool_cleanup_register(r->pool, NULL, leave, apr_pool_cleanup_null);
    }
    answer(&w);
    return OK;
}

/* --- the module --------------------------------------------------------- */

static apr_size_t leak_bytes;
static char leak_into;

static const char *set_leak(cmd_parms *cmd, void *unused, const char *into, const char *bytes)
{
    (void)cmd, (void)unused;
    leak_into = strcmp(into, "pool") == 0 ? 'p' : strcmp(into, "pieces") == 0 ? 'i'
              : strcmp(into, "malloc") == 0 ? 'm' : strcmp(into, "shared") == 0 ? 's' : 0;
    leak_bytes = (apr_size_t)apr_atoi64(bytes) % LIMIT_BYTES;
    return leak_into ? NULL : "PoolProbeLeak takes pool, pieces, malloc or shared, and bytes";
}

static const command_rec probe_directives[] = {
    AP_INIT_TAKE2("PoolProbeLeak", set_leak, NULL, RSRC_CONF, "pool|pieces|malloc|shared BYTES, leaked at each reading of the configuration"),
    { NULL }
};

static void leak_each_time(apr_pool_t *forever)
{
    void *leaked = NULL;
    apr_shm_t *shm;

    if (leak_bytes && leak_into == 's' && apr_shm_create(&shm, leak_bytes, NULL, forever) == APR_SUCCESS) {
        leaked = apr_shm_baseaddr_get(shm);
    }
    else if (leak_bytes && leak_into == 'p') {
        leaked = apr_palloc(forever, leak_bytes);
    }
    else if (leak_bytes && leak_into == 'm') {
        leaked = malloc(leak_bytes);
    }
    for (apr_size_t i = 0; leak_into == 'i' && i + 64 <= leak_bytes; i += 64) {
        apr_palloc(forever, 64);
    }
    if (leaked) {
        memset(leaked, 1, leak_bytes);
    }
}

/* The tokens outlive configurations, so that a test can release what an older generation holds. */
static int probe_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_pool_t *forever = s->process->pool;
    void *known = NULL;

    (void)pconf, (void)plog, (void)ptemp;
    apr_pool_userdata_get(&known, "poolprobe-tokens", forever);
    if (!known) {
        apr_shm_t *shm;
        apr_status_t rv = apr_shm_create(&shm, sizeof(token_t) * TOKENS, NULL, forever);

        if (rv != APR_SUCCESS) {
            ap_log_error(__FILE__, __LINE__, APLOG_NO_MODULE, APLOG_ERR, rv, s, "poolprobe: no shared memory for tokens");
            return OK;
        }
        known = apr_shm_baseaddr_get(shm);
        apr_pool_userdata_set(known, "poolprobe-tokens", NULL, forever); /* copies the key: we are unloaded, it stays */
    }
    tokens = known;
    leak_each_time(forever);
    return OK;
}

static void probe_child_init(apr_pool_t *pool, server_rec *s)
{
    (void)s;
    pchild = pool;
    apr_thread_mutex_create(&pchild_lock, APR_THREAD_MUTEX_DEFAULT, pool);
    apr_thread_mutex_create(&kept_lock, APR_THREAD_MUTEX_DEFAULT, pool);
}

/* The text is allocated first, so that the figure counts it. */
static const char *log_ring(request_rec *r, char *word)
{
    char *text = apr_palloc(r->pool, 24);
    ring_t ring = ring_of(r->pool);

    apr_snprintf(text, 24, "%" APR_UINT64_T_FMT, *word == 'u' ? ring.used : *word == 'n' ? ring.nodes : ring.reserved);
    return text;
}

static int probe_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *tell = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);
    static char tag[] = "^PB";

    (void)plog, (void)ptemp;
    if (tell) {
        tell(pconf, tag, log_ring, 0);
    }
    return OK;
}

static void probe_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_pre_config(probe_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(probe_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(probe_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(probe_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(poolprobe) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, probe_directives, probe_hooks, AP_MODULE_FLAG_NONE};
