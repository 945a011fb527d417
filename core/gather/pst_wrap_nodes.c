/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of functions that handle bare nodes: the allocator as seen from outside libapr (mainly bucket allocators),
 * and the operating system as seen from inside it.
 *
 * Place in the flow: APR calls -> WRAPPERS -> accounts -> board.
 *
 * Who owns a node that is in no pool? A mark says so, kept in the node's ref,
 * a field that only pools use: the tag of the connection it is charged to, next to
 * a check, so that a leftover pointer is not taken for a mark. A bucket allocator is in a node itself; that node's
 * mark applies to all it takes later.
 */
#include "pst_wrap.h"
#include "pst_allocator.h"
#include "pst_maps.h"

#include <malloc.h>
#include <sys/mman.h>

/* Nodes of a bucket allocator handed over to a connection; any further ones of a long-lived allocator stay where they
 * are charged. */
#define TAKE_NODES 64

/* In the check of a mark: the node was not taken by a bucket allocator for its buckets; usually it contains one. */
#define DIRECT ((apr_uint64_t)1 << 32)

#define SMALLEST_NODE 8192u
#define NODE_BOUNDARY 4096u

static apr_uint64_t secret;

/* While a bucket allocator takes a node: the tag it works for, plus one. */
static __thread apr_uint64_t taking_for __attribute__((tls_model("initial-exec")));

void pst_wrap_nodes_start(apr_uint32_t random)
{
    secret = (apr_uint64_t)random << 16 | 1;
}

static apr_uint32_t check_of(const apr_memnode_t *node)
{
    return (apr_uint32_t)((((apr_uint64_t)(apr_uintptr_t)node ^ secret) * 0x9e3779b97f4a7c15u) >> 32);
}

static void mark_node(apr_memnode_t *node, apr_uint32_t tag)
{
    node->ref = (apr_memnode_t **)(apr_uintptr_t)((apr_uint64_t)check_of(node) << 32 | tag);
}

static int read_mark(const apr_memnode_t *node, apr_uint32_t *tag)
{
    apr_uint64_t ref = (apr_uint64_t)(apr_uintptr_t)node->ref;

    *tag = (apr_uint32_t)ref;
    return ((apr_uint32_t)(ref >> 32) ^ check_of(node)) <= 1;
}

/* For a node with a mark. */
static int is_direct(const apr_memnode_t *node)
{
    return (apr_uint32_t)((apr_uint64_t)(apr_uintptr_t)node->ref >> 32) != check_of(node);
}

/* The connection that an allocator serves, by way of the pool that owns it. */
static apr_uint32_t tag_of_owner(apr_allocator_t *allocator)
{
    apr_pool_t *owner = apr_allocator_owner_get(allocator);
    pst_record_t *record = owner ? pst_record_find(owner) : NULL;
    const pst_account_t *account = record ? record->account : NULL;

    if (account && account->above) {
        account = account->above;
    }
    return account ? account->tag : 0;
}

apr_memnode_t *pst_wrap_allocator_alloc(apr_allocator_t *allocator, apr_size_t size)
{
    apr_memnode_t *node = pst_real.allocator_alloc(allocator, size);

    if (PST_LIKELY(node != NULL)) {
        apr_uint32_t tag = taking_for ? (apr_uint32_t)(taking_for - 1) : tag_of_owner(allocator);

        mark_node(node, tag);
        if (!taking_for) {
            node->ref = (apr_memnode_t **)(apr_uintptr_t)((apr_uint64_t)(apr_uintptr_t)node->ref ^ DIRECT);
            pst_allocator_out(allocator, 1);
        }
        pst_account_buckets(tag, (apr_int64_t)pst_apr_node_size(node));
    }
    return node;
}

/* A node without a mark was taken before this child was instrumented: neither
 * held nor buckets ever counted it, from now on it is retained. */
void pst_wrap_allocator_free(apr_allocator_t *allocator, apr_memnode_t *chain)
{
    apr_memnode_t *node;

    for (node = chain; node; node = node->next) {
        apr_int64_t size = (apr_int64_t)pst_apr_node_size(node);
        apr_uint32_t tag;

        if (PST_LIKELY(read_mark(node, &tag))) {
            pst_account_buckets(tag, -size);
            if (PST_UNLIKELY(is_direct(node))) {
                pst_allocator_out(allocator, -1);
            }
        }
        else {
            pst_account_held(size);
        }
        node->ref = NULL;
    }
    pst_real.allocator_free(allocator, chain);
}

static void hand_over(apr_memnode_t *node, apr_uint32_t tag)
{
    apr_int64_t size = (apr_int64_t)pst_apr_node_size(node);
    apr_uint32_t old;

    if (read_mark(node, &old) && old != tag) {
        node->ref = (apr_memnode_t **)(apr_uintptr_t)((apr_uint64_t)(apr_uintptr_t)node->ref
                                                      ^ (apr_uint64_t)(old ^ tag));
        pst_account_buckets(tag, size);
        pst_account_buckets(old, -size);
    }
}

/* The current node is full: the bucket allocator takes another, for many buckets. */
static __attribute__((noinline)) void *bucket_by_real(apr_size_t size, apr_bucket_alloc_t *list)
{
    apr_uint32_t tag;
    void *m;

    if (read_mark(pst_apr_bucket_home(list), &tag)) {
        taking_for = (apr_uint64_t)tag + 1;
    }
    m = pst_real.bucket_alloc(size, list);
    taking_for = 0;
    return m;
}

/* A large bucket has its own node, which is freed with the bucket. */
static __attribute__((noinline)) void *large_bucket(apr_size_t size, apr_bucket_alloc_t *list)
{
    pst_apr_bucket_head_t *head;
    apr_memnode_t *node;
    apr_uint32_t tag;

    if (size > APR_SIZE_MAX - PST_APR_BUCKET_HEAD || !read_mark(pst_apr_bucket_home(list), &tag)) {
        return bucket_by_real(size, list);
    }
    node = pst_real.allocator_alloc(pst_apr_bucket_alloc(list)->allocator, size + PST_APR_BUCKET_HEAD);
    if (!node) {
        return NULL;
    }
    mark_node(node, tag);
    pst_account_buckets(tag, (apr_int64_t)pst_apr_node_size(node));
    head = (pst_apr_bucket_head_t *)(void *)node->first_avail;
    head->alloc = list;
    head->memnode = node;
    head->size = size + PST_APR_BUCKET_HEAD;
    return (char *)head + PST_APR_BUCKET_HEAD;
}

/* The common cases of apr_bucket_alloc() itself: a small bucket, from the list of freed ones or from the current node
 * while it has more than enough room. */
void *pst_wrap_bucket_alloc(apr_size_t size, apr_bucket_alloc_t *list)
{
    pst_apr_bucket_alloc_t *l = pst_apr_bucket_alloc(list);
    pst_apr_bucket_head_t *head = l->freelist;
    apr_memnode_t *node;
    char *end;

    if (PST_UNLIKELY(size > APR_BUCKET_ALLOC_SIZE)) {
        return large_bucket(size, list);
    }
    if (PST_LIKELY(head != NULL)) {
        l->freelist = head->next;
        return (char *)head + PST_APR_BUCKET_HEAD;
    }
    node = l->blocks;
    end = node->first_avail + PST_APR_SMALL_BUCKET;
    if (PST_UNLIKELY(end >= node->endp)) {
        return bucket_by_real(size, list);
    }
    head = (pst_apr_bucket_head_t *)(void *)node->first_avail;
    head->alloc = list;
    head->memnode = node;
    head->size = PST_APR_SMALL_BUCKET;
    node->first_avail = end;
    return (char *)head + PST_APR_BUCKET_HEAD;
}

void pst_wrap_buckets_take(apr_bucket_alloc_t *list, apr_uint32_t tag)
{
    apr_memnode_t *node = pst_apr_bucket_alloc(list)->blocks;
    int budget = TAKE_NODES;

    for (; node && budget > 0; node = node->next, budget--) {
        hand_over(node, tag);
    }
    hand_over(pst_apr_bucket_home(list), tag);
}

/* -- the operating system, for libapr alone ------------------------------- */

void *pst_wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *m = pst_real.mmap(at, size, protection, flags, fd, offset);

    if (m != MAP_FAILED) {
        if (fd == -1 && flags == (MAP_PRIVATE | MAP_ANONYMOUS)) {
            pst_account_held((apr_int64_t)size);
        }
        else if (!pst_maps_add(m)) {
            pst_account_held((apr_int64_t)size);    /* will be taken for a node when it is unmapped */
        }
    }
    return m;
}

/* Forgotten before the call: afterwards its address may be another's. */
int pst_wrap_munmap(void *at, size_t size)
{
    int known = pst_maps_remove(at);
    int rv = pst_real.munmap(at, size);

    if (rv == 0 && !known) {
        pst_account_held(-(apr_int64_t)size);
    }
    else if (rv != 0 && known && !pst_maps_add(at)) {
        pst_account_held((apr_int64_t)size);        /* as if there had been no room for it at first */
    }
    return rv;
}

/* libapr built to take nodes from the heap: what it asks for in whole pages is a
 * node, and when it frees, the node's own numbers say so. */
void *pst_wrap_malloc(size_t size)
{
    void *m = pst_real.malloc(size);

    if (m && size >= SMALLEST_NODE && size % NODE_BOUNDARY == 0) {
        pst_account_held((apr_int64_t)size);
    }
    return m;
}

void pst_wrap_free(void *at)
{
    if (at && malloc_usable_size(at) >= SMALLEST_NODE) {
        const apr_memnode_t *node = at;
        apr_size_t size = ((apr_size_t)node->index + 1) * NODE_BOUNDARY;

        if (pst_apr_node_size(node) == size && size <= malloc_usable_size(at)) {
            pst_account_held(-(apr_int64_t)size);
        }
    }
    pst_real.free(at);
}
