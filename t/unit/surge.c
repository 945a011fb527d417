/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the request that left mappings behind: which one it is, what it took and what remains of it, when it is
 * forgotten.
 */
#include "tap.h"
#include "child_double.h"
#include "pst_surge.h"

#include <string.h>

#define MIB ((apr_int64_t)1024 * 1024)

static pst_shared_slot_t slot;

/* A request that adds that many MiB at its peak, and leaves that many. */
static void request(const char *line, apr_int64_t took, apr_int64_t left)
{
    apr_cpystrn(slot.line, line, sizeof(slot.line));
    pst_surge_begin();
    pst_surge_mapped(took * MIB);
    pst_surge_mapped((left - took) * MIB);
    pst_surge_end(&slot);
}

static void is_surge(const char *line, apr_int64_t took, apr_int64_t kept, const char *what)
{
    const pst_shared_surge_t *surge = &block->surge;

    if (!ok(strcmp(surge->line, line) == 0 && surge->took_bytes == (apr_uint64_t)(took * MIB)
                && surge->kept_bytes == (apr_uint64_t)(kept * MIB) && surge->seq % 2 == 0, what)) {
        printf("# %s took %llu, kept %llu\n", surge->line, (unsigned long long)surge->took_bytes,
               (unsigned long long)surge->kept_bytes);
    }
}

int main(void)
{
    apr_initialize();
    if (!ok(start_child(), "instrumented")) {
        return done();
    }
    pst_surge_start(block, 0);
    request("many at once", 60, 40);
    ok(block->surge.finished == 0 && block->surge.requests == 0, "where others run beside it nothing is told");
    pst_surge_mapped(-40 * MIB);

    pst_surge_start(block, 1);
    for (int i = 0; i < 10; i++) {
        request("small", 2, 0);
    }
    ok(block->surge.finished == 0 && block->surge.usual_bytes == 2 * MIB && block->surge.requests == 10, "small ones are counted, and none stays");
    request("large", 60, 30);
    is_surge("large", 60, 30, "a large one is told, with what it took and left");
    request("small", 2, 0);
    is_surge("large", 60, 30, "a small one changes nothing");
    ok(block->surge.usual_bytes == 2 * MIB && block->surge.requests == 11, "and the large one is none of the others");
    request("less", 20, -15);
    is_surge("large", 60, 15, "half of it is given back");
    request("as much", 5, 5);
    is_surge("large", 60, 15, "one that leaves less is not named, nor is what it leaves the other's");
    request("larger", 90, 50);
    is_surge("larger", 90, 50, "one that leaves more is");
    pst_surge_end(&slot);
    is_surge("larger", 90, 50, "an end without a begin is none");
    request("small", 2, -50);
    is_surge("larger", 90, 0, "when it is given back nothing stays");
    for (int i = 0; i < 20; i++) {
        request("leak", 2, 2);
        is_surge("leak", 2, 2, "of what each leaves behind one has left its own part");
    }
    pst_surge_mapped(-40 * MIB);
    request("last", 12, 9);
    is_surge("last", 12, 9, "the next one is told");
    pst_surge_begin();
    pst_surge_mapped(70 * MIB);
    pst_surge_end(NULL);
    ok(strcmp(block->surge.line, "last") == 0, "one without a row has no name");
    return done();
}
