/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_guarding.h.
 */
#include "pst_guarding.h"
#include "pst_fault.h"
#include "pst_got.h"
#include "pst_guarded.h"
#include "pst_instrument.h"
#include "pst_object.h"
#include "pst_wrap.h"

static struct {
    int          was_on;        /* it was on at least once, so something may be closed */
    int          on;
    int          fence;
    apr_uint64_t loads;         /* objects loaded when all calls were redirected */
} g;

/* Signals first: nothing may be closed before an access is harmless. */
static int redirect_guarded(void)
{
    return pst_instrument_stand(PST_HOOKS_SIGNALS, 1) && pst_instrument_stand(PST_HOOKS_SYSCALLS, 1)
           && (!g.on || pst_instrument_stand(PST_HOOKS_GUARD, 1))
           && (!g.fence || pst_instrument_stand(PST_HOOKS_FENCE, 1));
}

static apr_status_t guarding_starts(const pst_checks_t *wanted)
{
    apr_uint64_t loads = pst_got_loads();
    int checked = pst_wrap_check_is_on();
    apr_status_t rv;

    if (pst_instrument_nodes_in_heap()) {
        return APR_ENOTIMPL;
    }
    pst_object_refresh();       /* offenders are identified by the known objects */
    rv = pst_fault_start();
    if (rv == APR_SUCCESS) {
        g.on = 1;
        if (g.fence && !wanted->fence) {
            pst_instrument_stand(PST_HOOKS_FENCE, 0);
        }
        g.fence = wanted->fence;
        pst_wrap_check_on(0);   /* it must be in front of the guard, not behind it */
        rv = redirect_guarded() ? pst_guarded_start(wanted) : APR_EGENERAL;
        pst_wrap_check_on(checked);
        g.on = rv == APR_SUCCESS;
    }
    g.was_on |= rv == APR_SUCCESS;
    g.loads = loads;
    return rv;
}

apr_status_t pst_guarding_switch(const pst_checks_t *wanted)
{
    if (wanted->guard) {
        return guarding_starts(wanted);
    }
    if (g.on) {
        g.on = 0;
        pst_guarded_stop();
        if (g.fence) {
            g.fence = 0;
            pst_instrument_stand(PST_HOOKS_FENCE, 0);
        }
        pst_instrument_stand(PST_HOOKS_GUARD, 0);
    }
    return APR_SUCCESS;
}

void pst_guarding_beat(void)
{
    apr_uint64_t loads = pst_got_loads();

    if (!g.was_on) {
        return;
    }
    pst_guarded_sweep();
    pst_fault_beat();
    if (loads != g.loads && redirect_guarded()) {
        g.loads = loads;
    }
}
