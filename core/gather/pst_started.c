/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads and the sites charged for their stacks: see the header.
 *
 * The end of a thread is noticed by a key whose destructor runs however it ends: by return, pthread_exit() or
 * cancellation.
 */
#include "pst_started.h"
#include "pst_site.h"

#include <pthread.h>

struct pst_started_t {
    int          used;          /* atomic */
    apr_uint32_t site;
    apr_uint64_t size;
    void      *(*start)(void *);
    void        *argument;
};

static struct {
    int           has_key;
    pthread_key_t key;
    apr_uint32_t  next;         /* atomic: where to look first */
    pst_started_t all[PST_STARTED_COUNT];
} g;

static void on_thread_end(void *started)
{
    pst_started_give(started);
}

void pst_started_start(void)
{
    if (!g.has_key) {
        g.has_key = pthread_key_create(&g.key, on_thread_end) == 0;
    }
}

pst_started_t *pst_started_take(apr_uint32_t site, apr_uint64_t size, void *(*start)(void *), void *argument)
{
    apr_uint32_t first = __atomic_fetch_add(&g.next, 1, __ATOMIC_RELAXED), tries;

    for (tries = 0; g.has_key && tries < PST_STARTED_COUNT; tries++) {
        pst_started_t *started = &g.all[(first + tries) % PST_STARTED_COUNT];
        int unused = 0;

        if (__atomic_compare_exchange_n(&started->used, &unused, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            started->site = site;
            started->size = size;
            started->start = start;
            started->argument = argument;
            return started;
        }
    }
    return NULL;
}

void pst_started_give(pst_started_t *started)
{
    pst_site_change(started->site, -1, -(apr_int64_t)started->size, -(apr_int64_t)started->size);
    __atomic_store_n(&started->used, 0, __ATOMIC_RELEASE);
}

void *pst_started_run(void *data)
{
    pst_started_t *started = data;
    void *(*start)(void *) = started->start, *argument = started->argument;

    if (pthread_setspecific(g.key, started) != 0) {
        pst_started_give(started);
    }
    return start(argument);
}
