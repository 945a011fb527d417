/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_stack.h.  struct pthread of glibc has, in all of glibc 2, one after the other: stackblock, stackblock_size,
 * guardsize (nptl/descr.h, 2.36).  It lies within the last few kilobytes of the block; on some processors the static
 * variables of threads lie behind it.
 */
#include "pst_stack.h"
#include "pst_memory.h"
#include "pst_peek.h"

#include <string.h>

#define PAGE     4096u
#define PAGES    4          /* of the stack's far end that are looked at */
#define LEAST    ((apr_uint64_t)16 * 1024)
#define MOST     ((apr_uint64_t)64 << 20)

/* Does the thread that is described there have a stack from `from` on? @return its end, or 0 */
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
            continue;       /* not to be brought there by looking */
        }
        for (unsigned k = 0; k + 3 <= sizeof(words) / sizeof(words[0]); k++) {
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
        end = mapped_below(to, from, to);      /* nothing is merged with it */
    }
    for (apr_uint64_t size = LEAST; !end && size <= MOST && size < to - from; size *= 2) {
        end = mapped_below(from + size, from, to);
    }
    return end;
}
