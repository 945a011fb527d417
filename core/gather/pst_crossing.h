/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on what a request, a connection or the whole child reserves: crossings
 * are found where pools grow, kept in a few entries private to this process, and
 * taken out by whoever may log.
 *
 * An object crosses its limit once.  A crossing beyond what may be said in a minute
 * costs a count, no entry.
 *
 * Called by: start, worker, watchdog, end
 */
#ifndef PST_CROSSING_H
#define PST_CROSSING_H

#include "pst_account.h"

/** What a limit is on; the first three are the account's scope. */
typedef enum {
    PST_WARN_NONE = PST_SCOPE_PROCESS,     /**< the process scope has none: the child has */
    PST_WARN_CONNECTION = PST_SCOPE_CONNECTION, /**< its requests included */
    PST_WARN_REQUEST = PST_SCOPE_REQUEST,
    PST_WARN_CHILD,
    PST_WARN_COUNT
} pst_warn_e;

#define PST_WARN_OFF UINT64_MAX

/** Crossings that may be told within a minute. */
#define PST_WARN_A_MINUTE 10

/** Bytes reserved that may not be exceeded, PST_WARN_OFF where there is no limit. Set by pst_crossing_start(). */
extern apr_uint64_t pst_crossing_limits[PST_WARN_COUNT];

/** A crossing, as it is told. */
typedef struct pst_crossing_t {
    pst_warn_e       what;
    apr_uint64_t      when;         /**< time */
    apr_uint64_t      limit;        /**< bytes */
    apr_uint64_t      reserved;     /**< bytes, of what crossed */
    apr_uint64_t      child;        /**< bytes reserved by the whole child then */
    apr_uint32_t      depth;        /**< 0: who made it grow says nothing about who holds it, or is not known */
    int               is_most;      /**< that one growth is half of what crossed, or more */
    pst_shared_frame_t frames[PST_SITE_FRAMES]; /**< of the code that made it grow */
    int               has_slot;     /**< 0: memory of no connection made the child cross */
    pst_shared_slot_t slot;         /**< the connection then; its texts unescaped, as they came */
    const pst_shared_slot_t *at;    /**< where it is on the board, if it is there still; else NULL */
} pst_crossing_t;

/**
 * Child, once, before other threads exist.
 * @param limits  bytes, by pst_warn_e; 0 = no limit
 * @param at_end  called when an object that crossed is closed, on the thread that closes it, outside of
 *                any palloc; NULL: nobody wants to know
 */
void pst_crossing_start(const apr_uint64_t limits[PST_WARN_COUNT], void (*at_end)(void));

/** By what it was: the pool that grew. */
typedef struct pst_crossing_by_t {
    apr_uint64_t held;              /**< what that pool reserves, or what moved */
    apr_uint64_t grown;             /**< by how much it grew; 0: it moved */
} pst_crossing_by_t;

/**
 * A limit was found exceeded: note it, if it is the first time. Any thread, also inside of an
 * allocation: takes no lock, allocates nothing; looks for the caller if the pool that grew holds a good part of it.
 * @param by  NULL: not known
 * @param account  the connection or request; of a child, whoever made it cross
 */
void pst_crossing_note(pst_warn_e what, pst_account_t *account, apr_uint64_t reserved,
                       const pst_crossing_by_t *by);

/** The slot tells more of its request now: so will the crossing. Its owner's thread. */
void pst_crossing_described(const pst_shared_slot_t *slot);

/** An object that crossed is closed: tell who wants to know. */
void pst_crossing_ended(void);

/** Take out one crossing, in no order. Any thread. @return 0 if there is none */
int pst_crossing_take(pst_crossing_t *crossing);

/** Allow the next minute's crossings if a minute has passed. Any thread.
 *  @return how many went untold since, to be told now; 0 also if the minute has not passed */
apr_uint64_t pst_crossing_minute(apr_uint64_t now);

/** How many have gone untold since somebody asked. Any thread. */
apr_uint64_t pst_crossing_untold(void);

#endif /* PST_CROSSING_H */
