/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: does the proof of the mirror notice that the mirror is wrong?  The mirror
 * is compiled once more here, with one field too many in its pool, as
 * an APR to come might have it, and must be told apart from the APR that runs.
 */
#include <apr_allocator.h>
#include <apr_buckets.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_pools.h>
#include <apr_portable.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#define pst_apr_prove            shifted_prove
#define pst_apr_prove_handles    shifted_prove_handles
#define pst_apr_add_pool         shifted_add_pool
#define pst_apr_walk             shifted_walk
#define pst_apr_run_cleanups     shifted_run_cleanups
#define pst_apr_root             shifted_root
#define pst_apr_retained         shifted_retained
#define pst_apr_make_countable   shifted_make_countable
#define pst_apr_max_free         shifted_max_free
#define pst_apr_has_mutex        shifted_has_mutex
#define pst_apr_take_lists       shifted_take_lists
#define pst_apr_take_some        shifted_take_some
#define pst_apr_keep_nothing     shifted_keep_nothing
#define pst_apr_set_allocator    shifted_set_allocator
#define ref                      ref; void *field_to_come
#include "../../core/apr/pst_apr.c"
#undef ref
#undef pst_apr_prove

apr_status_t pst_apr_prove(pst_apr_facts_t *facts, const char **why);

#include "tap.h"

int main(void)
{
    pst_apr_facts_t facts;
    const char *why = NULL;

    apr_initialize();
    is_number((unsigned)pst_apr_prove(&facts, &why), APR_SUCCESS, "the mirror as it is holds");
    is_number((unsigned)shifted_prove(&facts, &why), APR_EMISMATCH, "one field too many: it does not");
    is_text(why, "a pool does not lie in its own first node as expected", "and says so");
    apr_terminate();
    return done();
}
