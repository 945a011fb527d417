/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: does the proof of the mirror notice that the mirror is wrong?  The mirror is compiled again here, with one
 * field too many in its pool, as a future APR might have, and must be found to differ from the APR that runs. So must
 * an APR of another version, and one built with pool debugging.
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
#include <apr_version.h>
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

#define ref ref; void *field_to_come
#include "pst_apr.h"
#undef ref

/* An APR other than the one that runs. */
static apr_size_t no_bytes(apr_pool_t *pool, int recurse) { return pool && !recurse ? 0 : 1; }
static apr_size_t some_bytes(apr_pool_t *pool, int recurse) { return pool && !recurse ? 100 : 0; }
static apr_size_t (*answer)(apr_pool_t *pool, int recurse);
static int major = 1;

static void *symbol(void *handle, const char *name)
{
    void *at = NULL;

    if (strcmp(name, "apr_pool_num_bytes") != 0) {
        return dlsym(handle, name);
    }
    memcpy(&at, &answer, sizeof(at));
    return at;
}

static void version_of(apr_version_t *version)
{
    *version = (apr_version_t){ .major = major };
}

#define dlsym symbol
#define apr_version version_of
#include "../../core/apr/pst_apr.c"
#undef dlsym
#undef apr_version
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
    answer = no_bytes;
    is_number((unsigned)shifted_prove(&facts, &why), APR_EMISMATCH, "what APR 1.8 has for debugging is there, and idle");
    is_text(why, "a pool does not lie in its own first node as expected", "which is no reason");
    answer = some_bytes;
    is_number((unsigned)shifted_prove(&facts, &why), APR_ENOTIMPL, "it counts");
    is_text(why, "this APR was built with pool debugging, its pools have no nodes", "which is one");
    answer = no_bytes;
    major = 2;
    is_number((unsigned)shifted_prove(&facts, &why), APR_ENOTIMPL, "another version");
    is_text(why, "this APR is not of version 1, its pools look different", "is not looked at");
    apr_terminate();
    return done();
}
