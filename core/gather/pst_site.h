/* SPDX-License-Identifier: Apache-2.0
 *
 * Call sites: where pools grow, by a sample of the growths.
 *
 * Of the bytes by which pools grow, first nodes included, one in `rate` is chosen at
 * random, on average; the growth it lies in is sampled: its stack is charged with it until the
 * pool is cleared or destroyed.  A growth of n bytes is sampled with probability
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

/** A pool got a node. @param first it is the one the pool lies in, which stays when it is cleared */
static APR_INLINE void pst_site_grow(pst_record_t *record, apr_size_t size, int first)
{
    if (__builtin_expect((pst_site_left -= (apr_int64_t)size) < 0 || pst_close_scopes, 0)) {
        pst_site_sample(record, size, first);
    }
}

/* Bytes until this thread's next sample of an allocation. */
extern __thread apr_int64_t pst_site_close __attribute__((tls_model("initial-exec")));

/** Somebody takes so many bytes from a pool: the slow half, when pst_site_close went below 0. @param record may be
 *  NULL */
void pst_site_took(pst_record_t *record, apr_size_t size);

/** The samples of a pool that was cleared (all = 0: that of its first node stays) or destroyed (all = 1). */
void pst_site_release(pst_record_t *record, int all);

static APR_INLINE void pst_site_drop(pst_record_t *record, int all)
{
    if (__builtin_expect(record->samples, 0)) {
        pst_site_release(record, all);
    }
}

/** A pool with samples is now of another class or charged to another scope. */
void pst_site_moved(pst_record_t *record);

/**
 * The stack of the code that runs now, from the first frame outside of this module and APR on. Any thread; unwinds it.
 * @param frames room for PST_SITE_FRAMES
 * @return how many
 */
int pst_site_caller(pst_shared_frame_t *frames);

/** The stack of the call site that this place is blamed for, of the one that holds most. Any thread. @return frames, or
 *  0 */
unsigned pst_site_of(pst_shared_frame_t blamed, pst_shared_frame_t *frames);

/** Does that object (module) hold more than half of what is live of a scope, as far as the profile knows? Any
 *  thread. */
int pst_site_holds_most(unsigned scope, apr_uint32_t object);

/* Memory outside of pools: pst_profile.c decides what is sampled, and keeps it. Any thread, also inside of malloc:
 * nobody waits, nothing is allocated, the loader is not asked. */

/** Bytes to this thread's next sample at a rate: exponentially distributed. */
apr_int64_t pst_site_draw(double rate);

/** Bytes that a sample of so many stands for. Pure. */
apr_uint64_t pst_site_weight(apr_uint64_t size, double rate);

/** Charge the stack that is here with a sample. @param caller the return address of the wrapper: stacks are looked up
 *  by it @return the site, for pst_site_change(); -1 if somebody else was in */
int pst_site_charge(apr_uint32_t scope, apr_uint64_t size, apr_uint64_t weight, apr_uintptr_t caller);

/** Objects were loaded or unloaded: what was at an address may be another's now, so stacks are told by their looks no
 *  more. The watchdog's thread. @return 0: another time */
int pst_site_forget_stacks(void);

/** What a site holds changes. */
void pst_site_change(apr_uint32_t site, int samples, apr_int64_t size, apr_int64_t weight);

typedef struct pst_site_of_t {
    apr_uint64_t turn;          /**< tells what the row was given to meanwhile */
    apr_uint32_t scope, of_class;
    pst_shared_frame_t blamed;  /**< 0: nobody */
} pst_site_of_t;

typedef struct pst_site_sum_t {
    apr_uint64_t bytes, samples;
} pst_site_sum_t;

/** What sites hold now, of memory outside of pools (1) or of pools (0): the sums of others are 0. The watchdog's
 *  thread. @param sites room for PST_SITE_COUNT @param sums the same @return how many are filled in; 0: another time */
apr_uint32_t pst_site_live(int outside, pst_site_of_t *sites, pst_site_sum_t *sums);

/* Samples of a close look, for pst_kept.c. The watchdog's thread. */

typedef struct pst_site_kept_t {
    apr_uint32_t at;            /**< in the table of samples */
    apr_uint32_t when;
    apr_uint32_t slot;          /**< plus 1; 0: none */
    apr_uint32_t site;
    apr_uint64_t weight;
} pst_site_kept_t;

/** Copy. @param samples room for PST_CLOSE_SAMPLES @param sites for PST_SITE_COUNT @return how many samples; -1:
 *  another time */
int pst_site_kept(pst_site_kept_t *samples, pst_site_of_t *sites);

/** Of those that were taken before `until`, let one of two go, by chance, the others count double. */
void pst_site_thin(const pst_site_kept_t *samples, int count, apr_uint32_t until);

/** Onto the board, of sites that are still what they were. */
void pst_site_publish_kept(const pst_site_of_t *sites, const pst_site_sum_t *sums);

#endif /* PST_SITE_H */
