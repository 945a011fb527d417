/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_snapshot_check.h.
 */
#include "pst_snapshot_check.h"
#include "pst_figure.h"
#include "pst_trend.h"

#include <math.h>
#include <string.h>

void pst_snapshot_check_verdict(pst_shared_verdict_t *verdict, apr_uint32_t of)
{
    if (verdict->of != of || verdict->state >= PST_TREND_COUNT || verdict->scope > PST_SCOPE_REQUEST
        || verdict->fit > 1000 || !isfinite(verdict->per_minute) || !isfinite(verdict->per_request)
        || verdict->per_request < 0 || !isfinite(verdict->gained)) {
        memset(verdict, 0, sizeof(*verdict));
    }
    verdict->since = pst_sane(verdict->since);
    if (verdict->share > 1000) {
        verdict->share = verdict->samples = 0;
    }
}

void pst_snapshot_take_blame(pst_shared_blame_t *to, const pst_shared_blame_t *from)
{
    if (!pst_seq_copy(to, from, sizeof(*to)) || to->known > 1) {
        memset(to, 0, sizeof(*to));
    }
    to->since = pst_sane(to->since);
    to->samples = pst_sane(to->samples);
    to->bytes = pst_sane(to->bytes);
    for (unsigned i = 0; i < PST_WHO_COUNT; i++) {
        if (to->who[i].share > 1000) {
            memset(&to->who[i], 0, sizeof(to->who[i]));
        }
    }
}

void pst_snapshot_check_share(pst_shared_share_t *share)
{
    if (share->known != 1 || !isfinite(share->gained_new) || !isfinite(share->gained_again) || share->gained_new < 0
        || share->gained_again < 0) {
        memset(share, 0, sizeof(*share));
    }
    share->only_new = share->only_new == 1;
}

apr_uint32_t pst_snapshot_whose(const pst_shared_child_t *block, int gone)
{
    apr_uint32_t owner = __atomic_load_n(&block->owner, __ATOMIC_ACQUIRE);

    return owner || !gone ? owner : __atomic_load_n(&block->pid, __ATOMIC_ACQUIRE);
}
