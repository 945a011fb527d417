/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: where pools grow, by sampling the growths.
 *
 * Of the bytes by which pools grow, first nodes included, one in `rate` is chosen at
 * random, on average; the growth that contains it is sampled: its stack is charged until the pool is cleared or
 * destroyed.  A growth of n bytes is sampled with probability
 * 1 - exp(-n / rate), so n / (1 - exp(-n / rate)) for each sample is an unbiased estimate.
 *
 * Called by: start (pst_site_start), worker, watchdog
 */
#ifndef PST_SITE_H
#define PST_SITE_H

#include "pst_account.h"
#include "pst_close.h"
#include "pst_record.h"

/** Child, once: sample into the sites of this block. @param rate bytes, 0 = never */
void pst_site_start(const pst_board_t *board, pst_shared_child_t *block, apr_uint64_t rate);

/* Bytes until this thread's next sample. Initial-exec: see core/gather/pst_record.c. */
extern __thread apr_int64_t pst_site_left __attribute__((tls_model("initial-exec")));

/** The slow half of pst_site_grow(). */
void pst_site_sample(pst_record_t *record, apr_size_t size, int first);

/** A pool got a node. @param first it is the one that contains the pool, which stays when the pool is cleared */
static APR_INLINE void pst_site_grow(pst_record_t *record, apr_size_t size, int first)
{
    if (__builtin_expect((pst_site_left -= (apr_int64_t)size) < 0 || pst_close_scopes, 0)) {
        pst_site_sample(record, size, first);
    }
}

/* Bytes until this thread's next sample of an allocation. */
extern __thread apr_int64_t pst_site_close __attribute__((tls_model("initial-exec")));

/** This many bytes are taken from a pool: the slow half, when pst_site_close falls below 0. @param record may be
 *  NULL */
void pst_site_took(pst_record_t *record, apr_size_t size);

/** Release the samples of a pool that was cleared (all = 0: that of its first node stays) or destroyed (all = 1). */
void pst_site_release(pst_record_t *record, int all);

static APR_INLINE void pst_site_drop(pst_record_t *record, int all)
{
    if (__builtin_expect(record->samples, 0)) {
        pst_site_release(record, all);
    }
}

/** A pool with samples has changed its class or scope. */
void pst_site_moved(pst_record_t *record);

/**
 * The current stack, starting at the first frame outside this module and APR. Any thread; unwinds it.
 * @param frames room for PST_SITE_FRAMES
 * @return how many
 */
int pst_site_caller(pst_shared_frame_t *frames);

/** The stack of the call site that holds most among those this place is blamed for. Any thread. @return frames, or 0 */
unsigned pst_site_of(pst_shared_frame_t blamed, pst_shared_frame_t *frames);

/** Does that object (module) hold more than half of a scope's live memory, as far as the profile knows? Any
 *  thread. */
int pst_site_holds_most(unsigned scope, apr_uint32_t object);

/* Memory outside pools: pst_profile.c decides what is sampled, and keeps it. Any thread, even inside malloc: nobody
 * waits, nothing is allocated, the loader is not involved. */

/** Bytes until this thread's next sample at a rate: exponentially distributed. */
apr_int64_t pst_site_draw(double rate);

/** Bytes that a sample of this size stands for. Pure. */
apr_uint64_t pst_site_weight(apr_uint64_t size, double rate);

/** Charge the current stack with a sample. @param caller the return address of the wrapper: stacks are looked up by
 *  it @return the site, for pst_site_change(); -1 if another thread holds the table */
int pst_site_charge(apr_uint32_t scope, apr_uint64_t size, apr_uint64_t weight, apr_uintptr_t caller);

/** Objects were loaded or unloaded: addresses may now belong to others, so forget the cached stacks. The watchdog's
 *  thread. @return 0: try later */
int pst_site_forget_stacks(void);

/** Change what a site holds. */
void pst_site_change(apr_uint32_t site, int samples, apr_int64_t size, apr_int64_t weight);

typedef struct pst_site_of_t {
    apr_uint64_t turn;          /**< shows whether the row was reassigned meanwhile */
    apr_uint32_t scope, of_class;
    pst_shared_frame_t blamed;  /**< 0: nobody */
} pst_site_of_t;

typedef struct pst_site_sum_t {
    apr_uint64_t bytes, samples;
} pst_site_sum_t;

/** What sites hold now, of memory outside pools (1) or of pools (0): the sums of others are 0. The watchdog's thread.
 *  @param sites room for PST_SITE_COUNT @param sums the same @return how many are filled in; 0: try later */
apr_uint32_t pst_site_live(int outside, pst_site_of_t *sites, pst_site_sum_t *sums);

/* Samples of a close look, for pst_kept.c. The watchdog's thread. */

typedef struct pst_site_kept_t {
    apr_uint32_t at;            /**< in the table of samples */
    apr_uint32_t when;
    apr_uint32_t slot;          /**< plus 1; 0: none */
    apr_uint32_t site;
    apr_uint64_t weight;
} pst_site_kept_t;

/** Copy. @param samples room for PST_CLOSE_SAMPLES @param sites for PST_SITE_COUNT @return how many samples; -1: try
 *  later */
int pst_site_kept(pst_site_kept_t *samples, pst_site_of_t *sites);

/** Of the samples taken before `until`, drop a random half and double the weight of the others. */
void pst_site_thin(const pst_site_kept_t *samples, int count, apr_uint32_t until);

/** Publish on the board, for sites that are unchanged. */
void pst_site_publish_kept(const pst_site_of_t *sites, const pst_site_sum_t *sums);

#endif /* PST_SITE_H */
