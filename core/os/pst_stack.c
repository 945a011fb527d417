/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_stack.h.  struct pthread of glibc has, in all of glibc 2, one after the other: stackblock, stackblock_size,
 * guardsize (nptl/descr.h, 2.36).  It is within the last few kilobytes of the block; on some processors the threads'
 * static variables follow it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_stack.h"
#include "pst_array.h"
#include "pst_memory.h"
#include "pst_peek.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define PAGE     4096u
#define PAGES    4          /* examined at the stack's far end */
#define LEAST    ((apr_uint64_t)16 * 1024)
#define MOST     ((apr_uint64_t)64 << 20)

/* Does the thread described there have a stack starting at `from`? @return its end, or 0 */
static apr_uint64_t told(const apr_uintptr_t word[3], apr_uint64_t from, apr_uint64_t to)
{
    apr_uint64_t block = word[0], size = word[1], guard = word[2], end = block + size;

    return guard && guard < size && block < from && block + guard == from && end > from && end <= to && end % PAGE == 0
               ? end
               : 0;
}

/* Is it described right below this address? */
static apr_uint64_t mapped_below(apr_uint64_t end, apr_uint64_t from, apr_uint64_t to)
{
    apr_uintptr_t words[PAGE / sizeof(apr_uintptr_t)];
    apr_uint64_t found, there;

    for (unsigned i = 1; i <= PAGES && end - from >= i * (apr_uint64_t)PAGE; i++) {
        if (!pst_there(end - i * PAGE, end - (i - 1) * PAGE, &there) || !there
            || !pst_peek(words, end - i * PAGE, sizeof(words))) {
            continue;       /* looking must not bring it in */
        }
        for (unsigned k = 0; k + 3 <= PST_ITEMS(words); k++) {
            found = told(words + k, from, to);
            if (found) {
                return found;
            }
        }
    }
    return 0;
}

apr_uint64_t pst_stack_end(apr_uint64_t from, apr_uint64_t to, apr_uint64_t usual)
{
    apr_uint64_t end = usual < to - from ? mapped_below(from + usual, from, to) : 0;

    if (!end) {
        end = mapped_below(to, from, to);      /* if nothing is merged with it */
    }
    for (apr_uint64_t size = LEAST; !end && size <= MOST && size < to - from; size *= 2) {
        end = mapped_below(from + size, from, to);
    }
    return end;
}

/* -- the list ----------------------------------------------------------------- */

#define LOOKED_AT 8192u     /* threads, including ended ones: bounds the walk */
#define THREAD_MOST 4096u   /* bytes of struct pthread */

/* What glibc tells debuggers about its private structs (nptl_db/structs.def, 2.36): size in bits, count, offset. */
static apr_uint64_t offset_of(const char *field)
{
    const apr_uint32_t *told_of = dlsym(RTLD_DEFAULT, field);

    return told_of ? told_of[2] : 0;
}

/* Does this describe the block that contains the thread's struct? */
static int describes(const apr_uintptr_t word[3], apr_uint64_t thread)
{
    apr_uint64_t block = word[0], size = word[1], guard = word[2];

    return block && !(block % PAGE) && size && !(size % PAGE) && !(guard % PAGE) && guard < size && block < thread
           && thread - block < size && size - (thread - block) <= PAGES * (apr_uint64_t)PAGE;
}

static int read_thread(pst_stack_range_t *to, apr_uint64_t thread, apr_uint64_t size)
{
    apr_uintptr_t words[THREAD_MOST / sizeof(apr_uintptr_t)];

    if (!pst_peek(words, thread, size)) {
        return 0;
    }
    for (unsigned k = 0; (k + 3) * sizeof(words[0]) <= size; k++) {
        if (describes(words + k, thread)) {
            to->from = words[k] + words[k + 2];
            to->to = words[k] + words[k + 1];
            return 1;
        }
    }
    return 0;
}

static int by_place(const void *one, const void *two)
{
    const pst_stack_range_t *a = one, *b = two;

    return (a->from > b->from) - (a->from < b->from);
}

unsigned pst_stack_list(pst_stack_range_t *to, unsigned most)
{
    const apr_uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
    apr_uint64_t list = offset_of("_thread_db_pthread_list");
    apr_uint64_t head = offset_of("_thread_db_rtld_global__dl_stack_used"), node;
    const char *loader = dlsym(RTLD_DEFAULT, "_rtld_global");
    unsigned count = 0;

    if (!size || *size > THREAD_MOST || !list || !head || !loader) {
        return 0;
    }
    head += (apr_uint64_t)(apr_uintptr_t)loader;
    node = head;
    for (unsigned i = 0; i < LOOKED_AT && count < most && pst_peek(&node, node, sizeof(void *)) && node != head; i++) {
        count += (unsigned)read_thread(&to[count], node - list, *size);
    }
    qsort(to, count, sizeof(to[0]), by_place);
    return count;
}
