/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to blame.  See pst_blame.h.
 */
#include "pst_blame.h"

#include <math.h>

unsigned pst_blame_kind_on_board(const void *board, apr_uint32_t module)
{
    return !module || module >= PST_MODULE_COUNT
               ? PST_CODE_LIBRARY : __atomic_load_n(&pst_board_module(board, module)->kind, __ATOMIC_RELAXED);
}

/* The innermost frame that can be blamed itself; the MPM's only if no httpd frame came before. */
static int find_module(const unsigned *kinds, unsigned depth)
{
    int httpd = 0;

    for (unsigned i = 0; i < depth; i++) {
        if (kinds[i] == PST_CODE_MODULE || (kinds[i] == PST_CODE_MPM && !httpd)) {
            return (int)i;
        }
        httpd |= kinds[i] == PST_CODE_HTTPD;
    }
    return -1;
}

static int find_kind(const unsigned *kinds, unsigned depth, unsigned kind)
{
    for (unsigned i = 0; i < depth; i++) {
        if (kinds[i] == kind) {
            return (int)i;
        }
    }
    return -1;
}

int pst_blame(pst_blame_t *blame, const pst_shared_frame_t *frames, unsigned depth, pst_blame_kind_fn kind_of,
              const void *baton)
{
    unsigned kinds[PST_SITE_FRAMES] = { 0 };

    depth = depth < PST_SITE_FRAMES ? depth : PST_SITE_FRAMES;
    for (unsigned i = 0; i < depth; i++) {
        kinds[i] = kind_of(baton, PST_FRAME_MODULE(frames[i]));
    }
    blame->by = blame->through = -1;
    blame->of = find_module(kinds, depth);
    blame->is_httpd = blame->of < 0;
    if (blame->is_httpd) {
        blame->of = find_kind(kinds, depth, PST_CODE_HTTPD);
    }
    if (blame->of < 0) {
        return 0;
    }
    for (int i = blame->of; i-- > 0;) {
        if (kinds[i] == PST_CODE_LIBRARY && blame->through < 0) {
            blame->through = i;
        }
        if (kinds[i] == PST_CODE_HTTPD && blame->by < 0 && blame->through < 0) {
            blame->by = i;
        }
    }
    return 1;
}

/* Wilson's interval, two standard deviations wide: its lower end. */
int pst_blame_is_sure(double share, double samples)
{
    const double z = 2;

    return samples >= PST_BLAME_LEAST
           && share + z * z / (2 * samples) - z * sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
                  > 0.5 * (1 + z * z / samples);
}
