/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_use.h.
 */
#include "pst_use.h"
#include "pst_buckets.h"
#include "pst_instrument.h"
#include "pst_watchpoint.h"
#include "pst_withheld.h"

static int redirected, with_buckets;

apr_status_t pst_use_switch(const pst_checks_t *wanted)
{
    int any = wanted->threads || wanted->buckets;

    if (any && (!redirected || with_buckets != wanted->buckets)) {
        redirected = pst_instrument_check(1, wanted->buckets);
        with_buckets = wanted->buckets;
        if (!redirected) {
            return APR_EAGAIN;
        }
    }
    pst_watchpoint_switch(wanted->threads);
    pst_buckets_switch(wanted->buckets);
    pst_withheld_switch(wanted->buckets);       /* without it, all else is checked */
    if (!any && redirected) {
        redirected = !pst_instrument_check(0, 0);
        return redirected ? APR_EAGAIN : APR_SUCCESS;
    }
    return APR_SUCCESS;
}
