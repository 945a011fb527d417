/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of glibc's malloc: see the header.
 *
 * The main arena is the mapping that the kernel calls [heap], from its beginning on.  Each other arena lies in heaps at
 * multiples of 64 MB: the arena's struct follows the head of the first heap, and chunks follow the struct. Large
 * blocks are mappings of their own: a chunk marked so begins a page.  (malloc/malloc.c and malloc/arena.c, glibc 2.36.)
 *
 * Hostile: the heap's words come from a process that keeps running, or lies. A walk only goes up, within one mapping;
 * its result only decides which figure a node's bytes are added to.
 */
#include "pst_chunks.h"

#include <stdlib.h>
#include <string.h>

#define PAGE       4096u
#define WORD       sizeof(uintptr_t)
#define HEAD       (2 * WORD)           /* of a chunk: the size of the previous one, if that is free; its own size, and
                                         * flags
                                           */
#define ALIGN      16u
#define LEAST      32u
#define IN_USE     1u                   /* the chunk before this one is */
#define MAPPED     2u                   /* it is a mapping of its own */
#define FLAGS      7u
#define HEAP_MAX   ((uintptr_t)64 << 20)
#define HEAP_HEAD  4                    /* words in it: arena, previous heap, size, writable size */
#define TRIES      3                    /* for a heap that changes while it is walked */
#define WINDOW     65536u
#define MOST       ((uint64_t)64 << 30) /* bytes of heaps walked, in total */

typedef struct walk_t {
    pst_remote_t *remote;
    pst_found_t  *found;        /**< the nodes in this heap, by address */
    uint32_t      count;
    uintptr_t     from, end;    /**< of the heap */
    uintptr_t     window;       /**< what was copied last */
    apr_size_t    length;
    char          bytes[WINDOW];
} walk_t;

static int head_at(walk_t *walk, uintptr_t at, uintptr_t head[2])
{
    if (at < walk->window || at - walk->window + HEAD > walk->length) {
        walk->window = at;
        walk->length = walk->end - at < WINDOW ? walk->end - at : WINDOW;
        if (!pst_remote_is_readable(walk->remote, at, walk->length)
            || !pst_remote_read(walk->remote, at, walk->bytes, walk->length)) {
            walk->length = 0;
            return 0;
        }
    }
    memcpy(head, walk->bytes + (at - walk->window), HEAD);
    return 1;
}

/* Judge the nodes in one chunk. @return the index of the first node after it */
static uint32_t judge_chunk(walk_t *walk, uint32_t i, uintptr_t at, uintptr_t size, int in_use)
{
    for (; i < walk->count && walk->found[i].at < at + size; i++) {
        pst_found_t *found = &walk->found[i];
        int lives = in_use && found->at == at + HEAD && found->size <= size - WORD;

        found->state = lives ? PST_FOUND_LIVE : PST_FOUND_DEAD;
    }
    return i;
}

/* Walk from the first chunk to the heap's end. @return 1: the walk got there, and all nodes are judged */
static int go(walk_t *walk, uintptr_t first)
{
    uintptr_t at = first, size, before = 0, head[2];
    uint32_t i = 0;

    walk->length = 0;
    for (;;) {
        if (walk->end - at < LEAST || !head_at(walk, at, head)) {
            break;
        }
        size = head[1] & ~(uintptr_t)FLAGS;
        if (at != first) {
            i = judge_chunk(walk, i, before, at - before, (head[1] & IN_USE) != 0);
        }
        if (size < LEAST || size % ALIGN || size > walk->end - at || head[1] & MAPPED) {
            break;
        }
        before = at;
        at += size;
    }
    /* at the end is the chunk that nothing was taken from yet; a heap that its arena no longer uses ends
     * with two small fenceposts */
    if (before == 0 || walk->end - at >= PAGE) {
        return 0;
    }
    judge_chunk(walk, i, before, walk->end - before, 0);
    return 1;
}

/* Nothing says where after its arena's struct the first chunk of a heap begins: it is where a walk reaches the
 * end. */
static int go_anywhere(walk_t *walk, uintptr_t from, uintptr_t to)
{
    uintptr_t at, head[2];

    for (at = from; at < to && at + HEAD <= walk->end && !walk->remote->late; at += ALIGN) {
        walk->length = 0;
        if (head_at(walk, at, head) && head[1] & IN_USE && go(walk, at)) {
            return 1;
        }
    }
    return 0;
}

static void forget_chunks(walk_t *walk)
{
    uint32_t i;

    for (i = 0; i < walk->count; i++) {
        walk->found[i].state = PST_FOUND_UNKNOWN;
    }
}

static void judge_heap_chunks(walk_t *walk, int is_first, int is_main)
{
    unsigned tries;
    int done = 0;

    for (tries = 0; walk->count && tries < TRIES && !done; tries++) {
        forget_chunks(walk);
        if (is_main) {
            done = go(walk, walk->from);
        }
        else if (is_first) {
            done = go_anywhere(walk, walk->from + 1024, walk->from + PAGE);
        }
        else {
            done = go_anywhere(walk, walk->from + HEAP_HEAD * WORD, walk->from + 128);
        }
    }
    if (!done) {
        forget_chunks(walk);
    }
}

/* A block in its own mapping is unmapped when freed: what still exists is live. Its size is the mapping's; from glibc
 * 2.43 on it excludes its head, as for other chunks. */
static int is_mapped(pst_remote_t *remote, const pst_found_t *found)
{
    uintptr_t head[2], size;

    if (found->at % PAGE != HEAD || !pst_remote_read(remote, found->at - HEAD, head, sizeof(head))) {
        return 0;
    }
    size = head[1] & ~(uintptr_t)FLAGS;
    size += size % PAGE ? HEAD : 0;
    return (head[1] & FLAGS) == MAPPED && !head[0] && size % PAGE == 0 && size >= found->size + HEAD
           && pst_remote_is_private(remote, found->at - HEAD, size);
}

/* Is there a heap of another arena at this multiple of 64 MB? @param end set to the end of its used part */
static int is_heap_at(pst_remote_t *remote, uintptr_t at, uintptr_t *end, int *is_first)
{
    uintptr_t head[HEAP_HEAD];

    if (!pst_remote_is_private(remote, at, sizeof(head)) || !pst_remote_read(remote, at, head, sizeof(head))) {
        return 0;
    }
    *is_first = head[0] > at && head[0] - at < PAGE && !head[1];
    *end = at + head[2];
    return head[0] && head[0] % WORD == 0 && (*is_first || (head[1] && head[1] % HEAP_MAX == 0)) && head[2] >= PAGE
           && head[2] % PAGE == 0 && head[2] <= head[3] && head[3] <= HEAP_MAX
           && pst_remote_is_private(remote, at, head[2]);
}

/* How many of the nodes lie before `end`. */
static uint32_t before(const pst_found_t *found, uint32_t count, uintptr_t end)
{
    uint32_t i = 0;

    while (i < count && found[i].at < end) {
        i++;
    }
    return i;
}

/* The kernel may have split it. */
static void main_arena(walk_t *walk, const pst_range_t *range)
{
    const pst_range_t *first = walk->remote->ranges, *last = range, *end = first + walk->remote->range_count;

    while (range > first && range[-1].to == range->from && strcmp(range[-1].path, "[heap]") == 0) {
        range--;
    }
    while (last + 1 < end && last[1].from == last->to && strcmp(last[1].path, "[heap]") == 0) {
        last++;
    }
    walk->from = range->from;
    walk->end = last->to;
}

/* Judge the nodes from i on that lie in one heap, or the one at i. @return how many */
static uint32_t judge_some(walk_t *walk, pst_found_t *found, uint32_t count, uint64_t *walked)
{
    const pst_range_t *range = pst_remote_range(walk->remote, found->at);
    int is_first = 0, is_main = range && strcmp(range->path, "[heap]") == 0;

    walk->from = found->at / HEAP_MAX * HEAP_MAX;
    if (is_main) {
        main_arena(walk, range);
    }
    if ((is_main || is_heap_at(walk->remote, walk->from, &walk->end, &is_first)) && found->at < walk->end
        && *walked < MOST) {
        walk->found = found;
        walk->count = before(found, count, walk->end);
        *walked += walk->end - walk->from;
        judge_heap_chunks(walk, is_first, is_main);
        return walk->count;
    }
    found->state = is_mapped(walk->remote, found) ? PST_FOUND_LIVE : PST_FOUND_UNKNOWN;
    return 1;
}

void pst_chunks_judge(pst_remote_t *remote, pst_search_t *search)
{
    walk_t *walk = malloc(sizeof(*walk));
    uint64_t walked = 0;
    uint32_t i;

    if (!walk) {
        return;
    }
    walk->remote = remote;
    for (i = 0; i < search->count && !remote->late; ) {
        i += judge_some(walk, search->found + i, search->count - i, &walked);
    }
    free(walk);
}
