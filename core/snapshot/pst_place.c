/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in code: see the header.
 */
#include "pst_place.h"
#include "pst_object.h"
#include "pst_trend.h"

#include <stdio.h>

void pst_place_of(pst_place_t *place, const pst_snapshot_t *snapshot, pst_shared_frame_t frame)
{
    /* a verdict's frame comes from the board as it is; entry 0 is left empty */
    const pst_shared_module_t *module = &snapshot->modules[PST_FRAME_MODULE(frame) < PST_MODULE_COUNT
                                                           ? PST_FRAME_MODULE(frame) : 0];
    apr_uint64_t into = 0;

    place->offset = PST_FRAME_OFFSET(frame);
    place->module = module->name[0] ? module->name : "?";
    place->function = module->name[0] ? pst_object_symbol(module->id, place->offset, &into) : NULL;
    place->into = into + 1;
}

char *pst_place_text(char *to, const pst_place_t *place)
{
    if (place->function) {
        snprintf(to, PST_PLACE_LEN, "%s %s+0x%llx", place->module, place->function, (unsigned long long)place->into);
    }
    else {
        snprintf(to, PST_PLACE_LEN, "%s+0x%llx", place->module, (unsigned long long)place->offset);
    }
    return to;
}

int pst_place_of_verdict(char *to, const pst_snapshot_t *snapshot, const pst_shared_verdict_t *verdict)
{
    pst_place_t place;

    if (verdict->state != PST_TREND_GROWING || !verdict->site) {
        return 0;
    }
    pst_place_of(&place, snapshot, verdict->site);
    pst_place_text(to, &place);
    return 1;
}
