/* SPDX-License-Identifier: Apache-2.0
 *
 * One pool of another process: see the header.
 *
 * The first node is copied as a whole page pair: it has the pool's struct, our record and usually
 * the cleanups, so that one system call reads most of a pool.
 */
#include "pst_forest_pool.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TRIES         3
#define MAX_NODES     (1u << 22)    /* of all pools together: about 32 MB of our memory */
#define MAX_RESOURCES 65536u        /* of one pool */
#define MAX_OF_ALL    (1u << 20)    /* resources read: many pools may share one long list */
#define WINDOW        8192u         /* APR's smallest node: MIN_ALLOC in apr_pools.c */
#define PAGE          4096u         /* BOUNDARY_SIZE, and the page size that pst_apr_prove() requires */

_Static_assert(offsetof(pst_pool_copy_t, pool) == APR_MEMNODE_T_SIZE, "a pool follows the head of its node");

/* The pool's first node, as copied. */
typedef struct {
    uintptr_t at;
    char      bytes[WINDOW];
} window_t;

/* Read from the copy if the bytes are there, else from the process. */
static int get(pst_remote_t *remote, const window_t *window, uintptr_t at, void *to, apr_size_t size)
{
    if (at >= window->at && at - window->at <= WINDOW - size) {
        memcpy(to, window->bytes + (at - window->at), size);
        return 1;
    }
    return at % sizeof(void *) == 0 && pst_remote_is_private(remote, at, size) && pst_remote_read(remote, at, to, size);
}

int pst_forest_is_node(pst_remote_t *remote, uintptr_t at, const apr_memnode_t *node)
{
    uintptr_t end = (uintptr_t)node->endp, first = (uintptr_t)node->first_avail;
    apr_size_t size = (apr_size_t)(end - at);

    return at % sizeof(void *) == 0 && end > at && size >= WINDOW && size % PAGE == 0
           && size == ((apr_size_t)node->index + 1) * PAGE && first >= at + APR_MEMNODE_T_SIZE && first <= end
           && pst_remote_is_private(remote, at, size);
}

/* Is what was copied a pool in its own first node? */
static int is_pool(pst_remote_t *remote, uintptr_t at, const pst_pool_copy_t *copy)
{
    uintptr_t self = at - APR_MEMNODE_T_SIZE, first = (uintptr_t)copy->pool.self_first_avail;

    return (uintptr_t)copy->pool.self == self && pst_forest_is_node(remote, self, &copy->node)
           && first >= at + sizeof(pst_apr_pool_t) && first <= (uintptr_t)copy->node.first_avail && copy->pool.allocator
           && copy->pool.active && copy->node.next && (uintptr_t)copy->pool.allocator % sizeof(void *) == 0;
}

int pst_forest_is_pool(pst_remote_t *remote, uintptr_t at, pst_pool_copy_t *copy)
{
    return at % sizeof(void *) == 0 && at > APR_MEMNODE_T_SIZE
           && pst_remote_is_private(remote, at - APR_MEMNODE_T_SIZE, sizeof(*copy))
           && pst_remote_read(remote, at - APR_MEMNODE_T_SIZE, copy, sizeof(*copy)) && is_pool(remote, at, copy);
}

int pst_forest_is_allocator(pst_remote_t *remote, uintptr_t at, pst_apr_allocator_t *copy)
{
    return at && at % sizeof(void *) == 0 && pst_remote_is_private(remote, at, sizeof(*copy))
           && pst_remote_read(remote, at, copy, sizeof(*copy)) && copy->max_index < PST_APR_FREE_LISTS
           && (uintptr_t)copy->owner % sizeof(void *) == 0;
}

static int add_node(pst_forest_t *forest, pst_tree_pool_t *pool, uintptr_t at, const apr_memnode_t *node)
{
    if (pool->own.nodes == pool->node_room) {
        uint32_t room = pool->node_room ? pool->node_room * 2 : 2;
        uintptr_t *more = realloc(pool->nodes, (size_t)room * sizeof(*more));

        if (!more) {
            forest->no_memory = 1;
            return 0;
        }
        pool->nodes = more;
        pool->node_room = room;
    }
    pool->nodes[pool->own.nodes++] = at;
    pool->own.reserved += pst_forest_node_size(at, node);
    pool->own.used += (uint64_t)((uintptr_t)node->first_avail - at);   /* including its head, as in
                                                                          the figures of the board */
    return 1;
}

/*
 * The ring of nodes, from the pool's own one on.  A ring that does not come back there
 * is followed until it meets itself (Brent) or the bound.
 */
static void read_nodes(pst_forest_t *forest, pst_tree_pool_t *pool)
{
    uintptr_t self = (uintptr_t)pool->copy.pool.self, active = (uintptr_t)pool->copy.pool.active, at = self,
              tortoise = 0;
    apr_memnode_t node = pool->copy.node;
    uint64_t power = 1, length = 0;
    int met = active == self;

    pool->own = (pst_tree_sum_t){ .pools = 1 };
    do {
        if (forest->node_count++ >= MAX_NODES || !add_node(forest, pool, at, &node)) {
            pool->flags |= PST_POOL_CUT;
            return;
        }
        at = (uintptr_t)node.next;
        if (at == self) {
            break;
        }
        if (at == tortoise || !pst_remote_read(forest->remote, at, &node, sizeof(node))
            || !pst_forest_is_node(forest->remote, at, &node)) {
            pool->flags |= PST_POOL_TORN;
            return;
        }
        if (at == active) {
            met = 1;
            pool->active = node;
            pool->active_at = at;
        }
        if (++length == power) {
            power *= 2;
            length = 0;
            tortoise = at;
        }
    } while (!forest->remote->late);
    if (!met) {
        pool->flags |= PST_POOL_TORN;
    }
}

static pst_tree_resource_t *add_resource(pst_forest_t *forest, pst_tree_pool_t *pool, pst_resource_kind_e kind)
{
    pst_tree_resource_t *resource;

    if (pool->resource_count >= MAX_RESOURCES || forest->resource_count++ >= MAX_OF_ALL) {
        pool->flags |= PST_POOL_CUT;
        return NULL;
    }
    if (pool->resource_count == pool->resource_room) {
        uint32_t room = pool->resource_room ? pool->resource_room * 2 : 4;

        resource = realloc(pool->resources, (size_t)room * sizeof(*resource));
        if (!resource) {
            forest->no_memory = 1;
            return NULL;
        }
        pool->resources = resource;
        pool->resource_room = room;
    }
    resource = &pool->resources[pool->resource_count++];
    memset(resource, 0, sizeof(*resource));
    resource->kind = kind;
    return resource;
}

static void read_cleanups(pst_forest_t *forest, pst_tree_pool_t *pool, const window_t *window, uintptr_t at,
                          pst_resource_kind_e kind)
{
    uintptr_t tortoise = 0;
    uint32_t power = 1, length = 0;
    pst_tree_resource_t *resource;
    pst_apr_cleanup_t cleanup;

    while (at) {
        if (at == tortoise || !get(forest->remote, window, at, &cleanup, sizeof(cleanup))) {
            pool->flags |= PST_POOL_TORN;
            return;
        }
        resource = add_resource(forest, pool, kind);
        if (!resource) {
            return;
        }
        resource->data = (uintptr_t)cleanup.data;
        resource->plain = (uintptr_t)cleanup.plain_fn;
        resource->child = kind == PST_RESOURCE_CLEANUP ? (uintptr_t)cleanup.child_fn : 0;
        if (++length == power) {
            power *= 2;
            length = 0;
            tortoise = at;
        }
        at = (uintptr_t)cleanup.next;
    }
}

static void read_processes(pst_forest_t *forest, pst_tree_pool_t *pool, const window_t *window)
{
    uintptr_t at = (uintptr_t)pool->copy.pool.subprocesses, tortoise = 0;
    uint32_t power = 1, length = 0;
    pst_tree_resource_t *resource;
    pst_apr_subprocess_t noted;
    pid_t pid;

    while (at) {
        if (at == tortoise || !get(forest->remote, window, at, &noted, sizeof(noted))
            || !pst_remote_read(forest->remote, (uintptr_t)noted.proc, &pid, sizeof(pid))) {
            pool->flags |= PST_POOL_TORN;
            return;
        }
        resource = add_resource(forest, pool, PST_RESOURCE_PROCESS);
        if (!resource) {
            return;
        }
        resource->data = (uintptr_t)noted.proc;
        resource->pid = (int32_t)pid;
        resource->how = (int32_t)noted.kill_how;
        if (++length == power) {
            power *= 2;
            length = 0;
            tortoise = at;
        }
        at = (uintptr_t)noted.next;
    }
}

static void read_pool_tag(pst_forest_t *forest, pst_tree_pool_t *pool)
{
    uintptr_t at = (uintptr_t)pool->copy.pool.tag;

    pool->tagged = at && pst_remote_text(forest->remote, at, pool->tag, sizeof(pool->tag)) >= 0;
    if (!pool->tagged) {
        pool->tag[0] = '\0';
        pool->flags |= at ? PST_POOL_TORN : 0;
    }
}

/* Read all of it, once. @return 0 if there is no pool */
static int read_once(pst_forest_t *forest, pst_tree_pool_t *pool)
{
    window_t window = { .at = pool->at - APR_MEMNODE_T_SIZE };

    if (!pst_remote_is_private(forest->remote, window.at, WINDOW)
        || !pst_remote_read(forest->remote, window.at, window.bytes, WINDOW)) {
        return 0;
    }
    memcpy(&pool->copy, window.bytes, sizeof(pool->copy));
    memcpy(&pool->record, window.bytes + sizeof(pool->copy), sizeof(pool->record));
    if (!is_pool(forest->remote, pool->at, &pool->copy)) {
        return 0;
    }
    pool->flags = 0;
    pool->resource_count = 0;
    pool->active = pool->copy.node;
    pool->active_at = window.at;
    pool->has_record = (uintptr_t)pool->copy.pool.self_first_avail
                       == pool->at + sizeof(pst_apr_pool_t) + APR_ALIGN_DEFAULT(sizeof(pst_record_t));
    read_nodes(forest, pool);
    read_cleanups(forest, pool, &window, (uintptr_t)pool->copy.pool.pre_cleanups, PST_RESOURCE_PRE_CLEANUP);
    read_cleanups(forest, pool, &window, (uintptr_t)pool->copy.pool.cleanups, PST_RESOURCE_CLEANUP);
    read_processes(forest, pool, &window);
    read_pool_tag(forest, pool);
    return 1;
}

/* Are its struct and the head of its active node still the same? */
static int unchanged(pst_forest_t *forest, const pst_tree_pool_t *pool)
{
    pst_pool_copy_t copy = { .node = { .index = 0 } };
    apr_memnode_t active = { .index = 0 };

    return pst_remote_read(forest->remote, pool->at - APR_MEMNODE_T_SIZE, &copy, sizeof(copy))
           && memcmp(&copy, &pool->copy, sizeof(copy)) == 0
           && pst_remote_read(forest->remote, pool->active_at, &active, sizeof(active))
           && memcmp(&active, &pool->active, sizeof(active)) == 0;
}

int pst_forest_read_pool(pst_forest_t *forest, pst_tree_pool_t *pool)
{
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        if (!read_once(forest, pool)) {
            return 0;
        }
        if (unchanged(forest, pool)) {
            break;
        }
    }
    pool->stale = tries == TRIES;
    return 1;
}
