/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept: of a scope that grows, who holds what stays of its growth.
 *
 * The code that happens to grow a pool says little: it may give back all it took.  So of a scope that is found growing many
 * growths are sampled, and only those count that are still there some seconds later.  Pools that have lived for a second are where
 * memory stays: each of their growths is sampled, as far as they are not too many.  Of young ones, first nodes above all,
 * a part is, as most of them are gone within the request.  The chance of a growth is what its weight is divided by, so the
 * sums are unbiased; a node is charged to the code whose allocation did not fit into the one before, which is code by
 * chance, in proportion to the bytes it takes there.
 *
 * Who is to blame for a stack says pst_blame.h; sums are by module.  A module is named when with all but certainty more than half
 * of what stayed is its own, by pst_kept_is_sure(); once named it stays until another one is, or it holds less than a third.
 *
 * Gather side only: child processes.  Scopes beyond those of pools (heap, mappings, stacks) join by a number of their own in
 * samples' sites: nothing here knows what a scope is.
 */
#ifndef PST_KEPT_H
#define PST_KEPT_H

#include "pst_record.h"

#define PST_KEPT_SAMPLES 8192u  /* live ones of a child, at most */
#define PST_KEPT_LEAST   8      /* samples by which a module may be named */

/** Child, once, with the call sites. */
void pst_kept_start(const pst_board_t *board, pst_shared_child_t *block);

/**
 * Is this growth to be sampled? Any thread.
 * @param chance a random number, 0 to 1
 * @return the bytes it stands for, or 0
 */
apr_uint64_t pst_kept_weight(const pst_record_t *record, apr_size_t size, int first, double chance);

/** Bytes a sample, on average, of what is taken from pools while each allocation is seen. Any thread. */
apr_uint32_t pst_kept_rate(void);

/** An allocation was chosen at that rate. @return the bytes it stands for; 0: it is in a pool too young. Any thread. */
apr_uint64_t pst_kept_took(const pst_record_t *record, apr_size_t size, apr_uint32_t rate);

/** Watchdog: each allocation is seen, from now on, or no more: then growths of old pools say nothing new. */
void pst_kept_closely(int on);

/** Seconds since the start, as of the last beat. Any thread. */
apr_uint32_t pst_kept_now(void);

/** Watchdog: look into a scope's growth from now on, or no more. Again is the same as once. */
void pst_kept_look_into(unsigned scope, int on, apr_uint64_t now);

/** Watchdog, once a second: judge the samples and publish who holds what, for the scopes as a whole and for call sites. */
void pst_kept_judge(apr_uint64_t now);

/** Of what part of a scope. */
typedef enum {
    PST_KEPT_SCOPE = 0,         /**< all of it: of what is a scope */
    PST_KEPT_CLASS,             /**< all pools of a class, of whatever scope */
    PST_KEPT_SLOT               /**< the connection in a slot, or its request: PST_KEPT_SLOT + scope */
} pst_kept_part_e;

/**
 * Who holds most of what stayed of a part, as of the last judgement. Watchdog.
 * @param who   its site as it was named before, or 0: who was named stays while it holds a good part
 * @param part  pst_kept_part_e
 * @param which the scope, the class's row, the slot's index
 * @return 0 if it is not known
 */
int pst_kept_who(pst_shared_who_t *who, unsigned part, apr_uint32_t which);

/** Is a share of so many samples more than a half with all but certainty? Pure. */
int pst_kept_is_sure(double share, double samples);

/* -- between pst_site.c, which has the samples, and pst_kept.c ----------------- */

typedef struct pst_kept_sample_t {
    apr_uint32_t at;            /**< in the table of samples */
    apr_uint32_t when;
    apr_uint32_t slot;          /**< plus 1; 0: none */
    apr_uint32_t site;
    apr_uint64_t weight;
} pst_kept_sample_t;

typedef struct pst_kept_site_t {
    apr_uint64_t turn;          /**< tells what the row was given to meanwhile */
    apr_uint32_t scope, of_class;
    pst_shared_frame_t blamed;  /**< 0: nobody */
} pst_kept_site_t;

typedef struct pst_kept_sum_t {
    apr_uint64_t bytes, samples;
} pst_kept_sum_t;

/** Copy. @param samples room for PST_KEPT_SAMPLES @param sites for PST_SITE_COUNT @return how many samples; -1: another time */
int pst_site_kept(pst_kept_sample_t *samples, pst_kept_site_t *sites);

/** Of those that were taken before `until`, let one of two go, by chance, the others count double. */
void pst_site_thin(const pst_kept_sample_t *samples, int count, apr_uint32_t until);

/** Onto the board, of sites that are still what they were. */
void pst_site_publish_kept(const pst_kept_site_t *sites, const pst_kept_sum_t *sums);

#endif /* PST_KEPT_H */
