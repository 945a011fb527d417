/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: who is to blame. The rule for reading a stack, on stacks of all kinds; and how much certainty it takes.
 */
#include "tap.h"
#include "pst_blame.h"
#include "pst_kept.h"

/* Objects by number. */
enum { LIBRARY = 1, HTTPD, MPM, MODULE, OTHER, APR, FOREIGN };

static unsigned kind_of(const void *baton, apr_uint32_t module)
{
    static const unsigned kinds[] = { PST_CODE_LIBRARY, PST_CODE_LIBRARY, PST_CODE_HTTPD, PST_CODE_MPM, PST_CODE_MODULE, PST_CODE_MODULE,
                                      PST_CODE_APR, 4711 };

    (void)baton;
    return module < sizeof(kinds) / sizeof(kinds[0]) ? kinds[module] : PST_CODE_LIBRARY;
}

static pst_blame_t blame;

static int of(int depth, const int *objects)
{
    pst_shared_frame_t frames[40];

    for (int i = 0; i < depth; i++) {
        frames[i] = PST_FRAME(objects[i], 0x100 + i);
    }
    return pst_blame(&blame, frames, (unsigned)depth, kind_of, NULL);
}

#define STACK(...) of(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), (int[]){ __VA_ARGS__ })

static int is(int who, int by, int through, int is_httpd)
{
    return blame.of == who && blame.by == by && blame.through == through && blame.is_httpd == is_httpd;
}

int main(void)
{
    ok(STACK(MODULE, HTTPD, MPM, LIBRARY) && is(0, -1, -1, 0), "a module that allocates");
    ok(STACK(HTTPD, HTTPD, MODULE, HTTPD, MPM) && is(2, 1, -1, 0), "a module by a function of httpd: the one that it called");
    ok(STACK(LIBRARY, APR, LIBRARY, LIBRARY, MODULE, HTTPD, MPM) && is(4, -1, 3, 0), "a module through libraries: the one that it called");
    ok(STACK(HTTPD, LIBRARY, MODULE, MPM) && is(2, -1, 1, 0), "what a library calls is not by the module");
    ok(STACK(MODULE, HTTPD, OTHER, HTTPD, MPM) && is(0, -1, -1, 0), "of two modules the innermost");
    ok(STACK(HTTPD, HTTPD, MPM, LIBRARY) && is(0, -1, -1, 1), "httpd's own, though the MPM lies below");
    ok(STACK(MPM, LIBRARY) && is(0, -1, -1, 0), "the MPM's own");
    ok(STACK(APR, MPM, LIBRARY) && is(1, -1, -1, 0), "also by APR");
    ok(STACK(HTTPD, MPM, MODULE) && is(2, 0, -1, 0), "a module below the MPM, which has httpd's inside");
    ok(!STACK(LIBRARY, LIBRARY) && blame.of == -1, "a library's own thread is nobody's");
    ok(!STACK(APR) && !of(0, NULL), "nor is nothing");
    ok(!STACK(FOREIGN, 0, 9), "objects that no board has");
    {
        int deep[40];

        for (int i = 0; i < 40; i++) {
            deep[i] = i == 30 ? MODULE : LIBRARY;
        }
        ok(!of(40, deep), "frames beyond those that a site has are not looked at");
    }
    ok(!pst_blame_is_sure(1, 7) && pst_blame_is_sure(1, 8), "eight of eight");
    ok(!pst_blame_is_sure(0.5, 1e6) && pst_blame_is_sure(0.51, 1e5), "half is not most, however many");
    ok(!pst_blame_is_sure(20.0 / 30, 30) && pst_blame_is_sure(24.0 / 30, 30), "24 of 30, not 20");
    return done();
}
