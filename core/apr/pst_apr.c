/* SPDX-License-Identifier: Apache-2.0
 *
 * Proof and use of the mirror of APR's private structs.
 *
 * The proof looks before it leaps: fields are compared in an order in which each comparison reads only memory that
 * earlier ones have shown to exist.
 */
#include "pst_apr.h"

#include <apr_file_io.h>
#include <apr_portable.h>
#include <apr_thread_mutex.h>
#include <apr_version.h>
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#define MISMATCH(sentence) do { *why = (sentence); return APR_EMISMATCH; } while (0)

static apr_status_t nothing(void *data)
{
    (void)data;
    return APR_SUCCESS;
}

static int no_abort(int code)
{
    return code;
}

/* parent, allocator, tag, abort function, user data, cleanups: what public calls set and get. */
static apr_status_t prove_fields(apr_pool_t *pool, const char **why)
{
    static const char tag[] = "poolstat proof";
    pst_apr_pool_t *p = pst_apr_pool(pool);
    const pst_apr_cleanup_t *cleanup;

    if ((char *)p->self != (char *)pool - APR_MEMNODE_T_SIZE || p->active != p->self
        || p->self_first_avail != p->self->first_avail || p->self->next != p->self) {
        MISMATCH("a pool does not lie in its own first node as expected");
    }
    if (p->parent != apr_pool_parent_get(pool) || p->allocator != apr_pool_allocator_get(pool)
        || p->child || p->cleanups || p->pre_cleanups || p->user_data || p->tag) {
        MISMATCH("parent or allocator of a pool are not where expected");
    }
    apr_pool_tag(pool, tag);
    apr_pool_abort_set(no_abort, pool);
    if (p->tag != tag || p->abort_fn != no_abort || apr_pool_abort_get(pool) != no_abort) {
        MISMATCH("tag or abort function of a pool are not where expected");
    }
    apr_pool_userdata_setn(tag, tag, NULL, pool);
    apr_pool_cleanup_register(pool, tag, nothing, apr_pool_cleanup_null);
    cleanup = p->cleanups;
    if (!p->user_data || !cleanup || p->pre_cleanups || p->free_cleanups || cleanup->data != tag
        || cleanup->plain_fn != nothing || cleanup->child_fn != apr_pool_cleanup_null) {
        MISMATCH("user data or cleanups of a pool are not where expected");
    }
    apr_pool_cleanup_kill(pool, tag, nothing);
    if (p->cleanups == cleanup || p->free_cleanups != cleanup) {
        MISMATCH("killed cleanups of a pool are not where expected");
    }
    apr_pool_pre_cleanup_register(pool, tag, nothing);
    if (!p->pre_cleanups || p->pre_cleanups->next || p->pre_cleanups->data != tag
        || p->pre_cleanups->plain_fn != nothing) {
        MISMATCH("pre-cleanups of a pool are not where expected");
    }
    return APR_SUCCESS;
}

/* Subprocesses: the last one noted comes first. Unlinked before the pool could wait for one. */
static apr_status_t prove_subprocesses(apr_pool_t *pool, const char **why)
{
    pst_apr_pool_t *p = pst_apr_pool(pool);
    apr_proc_t first = { .pid = -1 }, second = { .pid = -1 };
    const pst_apr_subprocess_t *noted;
    int good;

    if (p->subprocesses) {
        MISMATCH("subprocesses of a pool are not where expected");
    }
    apr_pool_note_subprocess(pool, &first, APR_KILL_NEVER);
    apr_pool_note_subprocess(pool, &second, APR_KILL_ONLY_ONCE);
    noted = p->subprocesses;
    good = noted && noted->proc == &second && noted->kill_how == APR_KILL_ONLY_ONCE && noted->next
           && noted->next->proc == &first && noted->next->kill_how == APR_KILL_NEVER && !noted->next->next;
    p->subprocesses = NULL;
    if (!good) {
        MISMATCH("subprocesses of a pool are not where expected");
    }
    return APR_SUCCESS;
}

/* Children: the youngest first, each linked to the next older one. */
static apr_status_t prove_tree(apr_pool_t *pool, const char **why)
{
    apr_pool_t *older, *younger;

    if (apr_pool_create(&older, pool) != APR_SUCCESS || apr_pool_create(&younger, pool) != APR_SUCCESS) {
        *why = "no memory for the proof";
        return APR_ENOMEM;
    }
    if (pst_apr_pool(pool)->child != younger || pst_apr_pool(younger)->sibling != older
        || pst_apr_pool(older)->sibling || pst_apr_pool(older)->parent != pool) {
        MISMATCH("children of a pool are not linked as expected");
    }
    apr_pool_destroy(younger);
    if (pst_apr_pool(pool)->child != older) {
        MISMATCH("children of a pool are not unlinked as expected");
    }
    apr_pool_destroy(older);
    return APR_SUCCESS;
}

/* Growth: the fresh node becomes active, first palloc at its start, all in one ring. */
static apr_status_t prove_nodes(apr_pool_t *pool, const char **why)
{
    pst_apr_pool_t *p = pst_apr_pool(pool);
    pst_apr_figures_t figures = { 0 };
    apr_size_t budget = 16;
    void *m;

    m = apr_palloc(pool, 20000);
    if (p->active == p->self || p->active->first_avail <= (char *)m
        || pst_apr_node_size(p->active) != 20480) {
        MISMATCH("a grown pool's fresh node is not active as expected");
    }
    apr_palloc(pool, 100000);
    pst_apr_add_pool(&figures, pool, &budget);
    if (figures.nodes != 3 || figures.cut || figures.reserved != 8192 + 20480 + 102400) {
        MISMATCH("a pool's nodes do not form the expected ring");
    }
    return APR_SUCCESS;
}

/* Free lists: what clear released is in them, and the limit's arithmetic agrees. */
static apr_status_t prove_allocator(apr_pool_t *pool, apr_allocator_t *allocator, const char **why)
{
    pst_apr_allocator_t *a = (pst_apr_allocator_t *)(void *)allocator;

    if (a->owner != apr_allocator_owner_get(allocator) || a->owner != pool
#if APR_HAS_THREADS
        || a->mutex != (void *)apr_allocator_mutex_get(allocator)
#endif
        || a->max_free_index != 1024 || a->current_free_index > 1024) {
        MISMATCH("owner or limit of an allocator are not where expected");
    }
    apr_pool_clear(pool);
    if (pst_apr_pool(pool)->active != pst_apr_pool(pool)->self || !a->free[4] || !a->free[0]
        || pst_apr_node_size(a->free[4]) != 20480 || pst_apr_node_size(a->free[0]) != 102400) {
        MISMATCH("an allocator's free lists are not as expected");
    }
    if (pst_apr_retained(allocator, 1, 0) != pst_apr_retained(allocator, 0, 64)) {
        MISMATCH("an allocator's limit does not count its free lists as expected");
    }
    return APR_SUCCESS;
}

/* Where the first palloc after creation and after clear lands, which is the same for all ways to make a pool; and
 * whether the next one directly follows it. */
static apr_status_t prove_places(pst_apr_facts_t *facts, apr_pool_t *pool, const char **why)
{
    apr_pool_t *other;
    char *first, *second, *again;

    apr_pool_clear(pool);
    first = apr_palloc(pool, 8);
    second = apr_palloc(pool, 8);
    facts->first = (apr_size_t)(first - (char *)pool);
    facts->plain = second == first + 8 && pst_apr_pool(pool)->active->first_avail == second + 8
                   && first == pst_apr_pool(pool)->self_first_avail;
    apr_pool_clear(pool);
    again = apr_palloc(pool, 8);
    if (again != first || facts->first > 1024) {
        MISMATCH("the first palloc after clear does not land where the first after creation did");
    }
    if (apr_pool_create_unmanaged_ex(&other, NULL, NULL) != APR_SUCCESS) {
        *why = "no memory for the proof";
        return APR_ENOMEM;
    }
    again = apr_palloc(other, 8);
    if ((apr_size_t)(again - (char *)other) != facts->first || pst_apr_pool(other)->parent) {
        *why = "unmanaged pools are laid out differently";
    }
    apr_pool_destroy(other);
    return *why ? APR_EMISMATCH : APR_SUCCESS;
}

static int prove_buckets(apr_pool_t *pool)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(pool);
    pst_apr_bucket_alloc_t *l = pst_apr_bucket_alloc(list);
    pst_apr_bucket_head_t *head;
    void *m;

    if (l->pool != pool || l->allocator != apr_pool_allocator_get(pool) || l->freelist
        || l->blocks != pst_apr_bucket_home(list) || pst_apr_node_size(l->blocks) != 8192) {
        return 0;
    }
    m = apr_bucket_alloc(APR_BUCKET_ALLOC_SIZE, list);
    head = (pst_apr_bucket_head_t *)(void *)((char *)m - PST_APR_BUCKET_HEAD);
    if (head->alloc != list || head->memnode != l->blocks || head->size != PST_APR_SMALL_BUCKET) {
        return 0;
    }
    apr_bucket_free(m);
    if (l->freelist != head || head->next || apr_bucket_alloc(1, list) != m || l->freelist) {
        return 0;
    }
    apr_bucket_free(m);
    m = apr_bucket_alloc(APR_BUCKET_ALLOC_SIZE + 1, list);
    head = (pst_apr_bucket_head_t *)(void *)((char *)m - PST_APR_BUCKET_HEAD);
    if (head->alloc != list || head->memnode == l->blocks
        || head->size != APR_BUCKET_ALLOC_SIZE + 1 + PST_APR_BUCKET_HEAD || (char *)head != head->memnode->first_avail
        || (char *)head != (char *)head->memnode + APR_MEMNODE_T_SIZE) {
        return 0;
    }
    apr_bucket_free(m);
    apr_bucket_alloc_destroy(list);
    return 1;
}

static apr_status_t prove_all(pst_apr_facts_t *facts, apr_pool_t *pool, apr_allocator_t *allocator,
                              const char **why)
{
    apr_status_t rv = prove_fields(pool, why);

    if (rv == APR_SUCCESS) {
        rv = prove_subprocesses(pool, why);
    }
    if (rv == APR_SUCCESS) {
        rv = prove_tree(pool, why);
    }
    if (rv == APR_SUCCESS) {
        rv = prove_nodes(pool, why);
    }
    if (rv == APR_SUCCESS) {
        rv = prove_allocator(pool, allocator, why);
    }
    if (rv == APR_SUCCESS) {
        rv = prove_places(facts, pool, why);
    }
    if (rv == APR_SUCCESS) {
        facts->buckets = prove_buckets(pool);
    }
    return rv;
}

typedef apr_size_t (*num_bytes_fn)(apr_pool_t *pool, int recurse);

/* apr_pool_num_bytes() exists if APR was built with pool debugging; from 1.8 on it always exists, but returns 0
 * without debugging (memory/unix/apr_pools.c of 1.7.2, of the branch 1.8.x and of trunk). */
static int has_pool_debug(void)
{
    void *at = dlsym(RTLD_DEFAULT, "apr_pool_num_bytes");
    num_bytes_fn num_bytes;
    apr_pool_t *pool;
    int has;

    memcpy(&num_bytes, &at, sizeof(at));
    if (!at || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return at != NULL;
    }
    has = apr_palloc(pool, 100) && num_bytes(pool, 0) > 0;
    apr_pool_destroy(pool);
    return has;
}

/* The private structs of another version are not even examined. */
static const char *other_apr(void)
{
    apr_version_t version;

    apr_version(&version);
    if (version.major != 1) {
        return "this APR is not of version 1, its pools look different";
    }
    return has_pool_debug() ? "this APR was built with pool debugging, its pools have no nodes" : NULL;
}

apr_status_t pst_apr_prove(pst_apr_facts_t *facts, const char **why)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    apr_status_t rv;

    memset(facts, 0, sizeof(*facts));
    *why = other_apr();
    if (*why) {
        return APR_ENOTIMPL;
    }
    if (sysconf(_SC_PAGESIZE) != 4096) {
        *why = "pages are not of 4096 bytes, for which the proof is not written";
        return APR_EMISMATCH;
    }
    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        *why = "no memory for the proof";
        return APR_ENOMEM;
    }
    apr_allocator_max_free_set(allocator, 1024 * 4096);
    if (apr_pool_create_ex(&pool, NULL, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        *why = "no memory for the proof";
        return APR_ENOMEM;
    }
    apr_allocator_owner_set(allocator, pool);
    rv = prove_all(facts, pool, allocator, why);
    apr_pool_destroy(pool);
    return rv;
}

apr_status_t pst_apr_prove_handles(apr_pool_t *scratch, const char **why)
{
    const pst_apr_file_t *f;
    const pst_apr_socket_t *s;
    apr_sockaddr_t *local = NULL;
    const char *name = NULL;
    apr_os_file_t fd = -1;
    apr_os_sock_t sock = -1;
    apr_socket_t *socket;
    apr_file_t *file;
    apr_status_t rv;
    int type = 0, protocol = 0, good;

    rv = apr_file_open(&file, "/dev/null", APR_READ, APR_OS_DEFAULT, scratch);
    if (rv != APR_SUCCESS) {
        *why = "/dev/null cannot be opened for the proof";
        return rv;
    }
    f = (const pst_apr_file_t *)(void *)file;
    good = f->pool == apr_file_pool_get(file) && apr_os_file_get(&fd, file) == APR_SUCCESS && f->fd == fd
           && apr_file_name_get(&name, file) == APR_SUCCESS && f->name == name;
    apr_file_close(file);
    if (!good || f->fd != -1) {
        MISMATCH("a file's fields are not where expected");
    }
    rv = apr_socket_create(&socket, APR_INET, SOCK_STREAM, APR_PROTO_TCP, scratch);
    if (rv != APR_SUCCESS) {
        *why = "no socket can be made for the proof";
        return rv;
    }
    s = (const pst_apr_socket_t *)(void *)socket;
    good = s->pool == apr_socket_pool_get(socket) && apr_os_sock_get(&sock, socket) == APR_SUCCESS && s->fd == sock
           && apr_socket_type_get(socket, &type) == APR_SUCCESS && s->type == type
           && apr_socket_protocol_get(socket, &protocol) == APR_SUCCESS && s->protocol == protocol
           && apr_socket_addr_get(&local, APR_LOCAL, socket) == APR_SUCCESS && s->local == local
           && s->remote && s->remote != local && s->remote->pool == s->pool && s->remote->family == APR_INET;
    apr_socket_close(socket);
    if (!good || s->fd != -1) {
        MISMATCH("a socket's fields are not where expected");
    }
    return APR_SUCCESS;
}

void pst_apr_add_pool(pst_apr_figures_t *figures, apr_pool_t *pool, apr_size_t *budget)
{
    apr_memnode_t *self = pst_apr_pool(pool)->self, *node = self;

    figures->pools++;
    do {
        if (*budget == 0) {
            figures->cut = 1;
            return;
        }
        --*budget;
        figures->nodes++;
        figures->reserved += pst_apr_node_size(node);
        figures->slack += pst_apr_node_slack(node);
        if (!node->next || node->next->ref != &node->next) {
            figures->cut = figures->dead = 1;
            return;
        }
        node = node->next;
    } while (node != self);
}

void pst_apr_walk(apr_pool_t *top, pst_apr_visit_fn *visit, void *baton, apr_size_t *budget)
{
    apr_pool_t *pool = top;

    while (*budget > 0) {
        --*budget;
        if (visit(baton, pool) && pst_apr_pool(pool)->child) {
            pool = pst_apr_pool(pool)->child;
            continue;
        }
        while (pool != top && !pst_apr_pool(pool)->sibling) {
            pool = pst_apr_pool(pool)->parent;
        }
        if (pool == top) {
            return;
        }
        pool = pst_apr_pool(pool)->sibling;
    }
}

void pst_apr_run_cleanups(pst_apr_cleanup_t **list)
{
    pst_apr_cleanup_t *cleanup;

    while ((cleanup = *list) != NULL) {
        *list = cleanup->next;
        cleanup->plain_fn((void *)(apr_uintptr_t)cleanup->data);
    }
}

apr_pool_t *pst_apr_root(apr_pool_t *pool)
{
    while (apr_pool_parent_get(pool)) {
        pool = apr_pool_parent_get(pool);
    }
    return pool;
}

apr_size_t pst_apr_retained(apr_allocator_t *allocator, int quick, apr_size_t budget)
{
    const pst_apr_allocator_t *a = (const pst_apr_allocator_t *)(void *)allocator;
    const apr_memnode_t *node;
    apr_size_t sum = 0, i;

    if (quick && a->max_free_index != APR_ALLOCATOR_MAX_FREE_UNLIMITED) {
        return (a->max_free_index - a->current_free_index) * 4096;
    }
    for (i = 0; i < PST_APR_FREE_LISTS; i++) {
        for (node = a->free[i]; node && budget > 0; node = node->next, budget--) {
            sum += pst_apr_node_size(node);
        }
    }
    return sum;
}

/* A limit in nodes' pages that no allocator reaches, and whose arithmetic cannot wrap. */
#define NEVER_REACHED ((apr_size_t)1 << sizeof(apr_size_t) * 5)

int pst_apr_make_countable(apr_allocator_t *allocator, apr_size_t budget)
{
    pst_apr_allocator_t *a = (pst_apr_allocator_t *)(void *)allocator;
    const apr_memnode_t *node;
    apr_size_t pages = 0, i;

    if (a->max_free_index != APR_ALLOCATOR_MAX_FREE_UNLIMITED) {
        return 1;
    }
    for (i = 0; i < PST_APR_FREE_LISTS; i++) {
        for (node = a->free[i]; node; node = node->next, budget--) {
            if (budget == 0) {
                return 0;
            }
            pages += pst_apr_node_size(node) / 4096;
        }
    }
    a->max_free_index = NEVER_REACHED;
    a->current_free_index = NEVER_REACHED - pages;
    return 1;
}

apr_size_t pst_apr_max_free(const apr_allocator_t *allocator)
{
    return ((const pst_apr_allocator_t *)(const void *)allocator)->max_free_index * 4096;
}

int pst_apr_has_mutex(const apr_allocator_t *allocator)
{
#if APR_HAS_THREADS
    return ((const pst_apr_allocator_t *)(const void *)allocator)->mutex != NULL;
#else
    return 0;
#endif
}

void pst_apr_take_lists(apr_allocator_t *allocator, apr_memnode_t *lists[PST_APR_FREE_LISTS])
{
    pst_apr_allocator_t *a = (pst_apr_allocator_t *)(void *)allocator;

    memcpy(lists, a->free, sizeof(a->free));
    memset(a->free, 0, sizeof(a->free));
    a->max_index = 0;
    a->current_free_index = a->max_free_index;
}

/* List 0 has all nodes that are too large for a list of their own, each other list those of one size
 * (allocator_free() of apr_pools.c, 1.7.2). */
static apr_size_t larger_than(const pst_apr_allocator_t *a, apr_size_t most)
{
    const apr_memnode_t *node = a->free[0];
    apr_size_t largest = 0;
    int look;

    for (look = PST_APR_SOME_LOOK; node && look > 0; node = node->next, look--) {
        apr_size_t size = pst_apr_node_size(node);

        largest = size > largest ? size : largest;
    }
    if (!largest && a->max_index > 0 && a->max_index < PST_APR_FREE_LISTS && a->free[a->max_index]) {
        largest = pst_apr_node_size(a->free[a->max_index]);
    }
    return largest > most ? largest : 0;
}

/* Move a list's eligible nodes to the chain. @return 1 if others remain */
static int take_of_list(apr_memnode_t **list, apr_memnode_t **chain, pst_apr_some_t *some, int *count)
{
    apr_memnode_t *node;
    int look, left = 0;

    for (look = PST_APR_SOME_LOOK; (node = *list) != NULL && look > 0 && *count > 0; look--) {
        apr_size_t size = pst_apr_node_size(node);

        if (size < some->least || size > some->most - some->taken) {
            list = &node->next;
            left = 1;
            continue;
        }
        *list = node->next;
        node->next = *chain;
        *chain = node;
        some->taken += size;
        --*count;
    }
    return left || node;
}

apr_memnode_t *pst_apr_take_some(apr_allocator_t *allocator, pst_apr_some_t *some)
{
    pst_apr_allocator_t *a = (pst_apr_allocator_t *)(void *)allocator;
    apr_memnode_t *chain = NULL;
    int count = PST_APR_SOME_TAKE, left;
    apr_size_t i;

    some->taken = 0;
    some->larger = larger_than(a, some->most);
    left = some->larger && !some->least;
    for (i = PST_APR_FREE_LISTS; i > 0 && !left; i--) {
        left = take_of_list(&a->free[i % PST_APR_FREE_LISTS], &chain, some, &count) && !some->least;
    }
    while (a->max_index > 0 && !a->free[a->max_index]) {
        a->max_index--;
    }
    a->current_free_index += some->taken / 4096;
    if (a->current_free_index > a->max_free_index) {
        a->current_free_index = a->max_free_index;
    }
    return chain;
}

void pst_apr_keep_nothing(apr_allocator_t *allocator)
{
    pst_apr_allocator_t *a = (pst_apr_allocator_t *)(void *)allocator;

    a->max_free_index = 1;
    a->current_free_index = 0;
}

void pst_apr_set_allocator(apr_pool_t *pool, apr_allocator_t *allocator)
{
    pst_apr_pool(pool)->allocator = allocator;
}
