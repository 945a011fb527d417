/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of pools' classes: see the header.
 *
 * Concurrency: an entry is claimed by compare-and-swap, filled in, then published; it never changes afterwards.  A
 * thread that meets one being filled in skips it: a name may then be kept twice, which costs room but is still found
 * by its text.
 */
#include "pst_name.h"
#include "pst_class.h"
#include "pst_instrument.h"

#include <string.h>

typedef struct {
    int  state;                 /* 0 free, 1 being filled in, 2 final */
    char text[PST_TAG_LEN];
} name_t;

static name_t names[PST_NAME_COUNT];

/* Cut, and reduced to printable ASCII. @return bytes before the NUL */
static apr_size_t clean_name(char *to, apr_size_t room, const char *from, apr_size_t most)
{
    apr_size_t n;

    for (n = 0; n < most && n + 1 < room && from[n]; n++) {
        to[n] = from[n] >= ' ' && from[n] <= '~' ? from[n] : '?';
    }
    to[n] = '\0';
    return n;
}

static const char *keep_text(const char *text)
{
    for (unsigned i = 0; i < PST_NAME_COUNT; i++) {
        name_t *name = &names[i];
        int state = __atomic_load_n(&name->state, __ATOMIC_ACQUIRE);

        if (state == 0 && __atomic_compare_exchange_n(&name->state, &state, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
            memcpy(name->text, text, sizeof(name->text));
            __atomic_store_n(&name->state, 2, __ATOMIC_RELEASE);
            return name->text;
        }
        if (state == 2 && !strcmp(name->text, text)) {
            return name->text;
        }
    }
    return NULL;
}

apr_status_t pst_name_pool(apr_pool_t *pool, const char *name)
{
    char text[PST_TAG_LEN] = "";
    const char *kept;

    if (!name || !clean_name(text, sizeof(text), name, sizeof(text))) {
        return APR_EINVAL;
    }
    kept = keep_text(text);
    if (!kept) {
        return APR_ENOSPC;
    }
    pst_instrument_tag(pool, kept);
    return APR_SUCCESS;
}

/* The row is on the board, where others can write: bound it by its fields, and clean it. */
apr_status_t pst_name_of_class(apr_pool_t *pool, char *to)
{
    apr_uint32_t which = pst_instrument_class(pool);
    const pst_shared_class_t *row = which ? pst_classes[which].row : NULL;
    apr_size_t n;

    *to = '\0';
    if (!row) {
        return APR_NOTFOUND;
    }
    n = clean_name(to, PST_TAG_LEN + 1, row->tag, PST_TAG_LEN);
    if (row->function[0]) {
        memcpy(to + n, n ? " by " : "by ", 5 - (n == 0));
        n += n ? 4 : 3;
        clean_name(to + n, PST_FUNCTION_LEN + 1, row->function, PST_FUNCTION_LEN);
    }
    return *to ? APR_SUCCESS : APR_NOTFOUND;
}
