/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on what a request, a connection or the whole child reserves: crossings are detected where pools grow, kept
 * in a few entries private to this process, and taken out by code that may log.
 *
 * An object crosses its limit once.  Crossings beyond the limit per minute are only counted.
 *
 * Called by: start, worker, watchdog, end
 */
#ifndef PST_CROSSING_H
#define PST_CROSSING_H

#include "pst_account.h"

/** What a limit applies to; the first three are the account's scope. */
typedef enum {
    PST_WARN_NONE = PST_SCOPE_PROCESS,     /**< the process scope has none: the child has */
    PST_WARN_CONNECTION = PST_SCOPE_CONNECTION, /**< including its requests */
    PST_WARN_REQUEST = PST_SCOPE_REQUEST,
    PST_WARN_CHILD,
    PST_WARN_COUNT
} pst_warn_e;

#define PST_WARN_OFF UINT64_MAX

/** Crossings that may be reported per minute. */
#define PST_WARN_A_MINUTE 10

/** Maximum bytes reserved, PST_WARN_OFF for no limit. Set by pst_crossing_start(). */
extern apr_uint64_t pst_crossing_limits[PST_WARN_COUNT];

/** A crossing, as reported. */
typedef struct pst_crossing_t {
    pst_warn_e       what;
    apr_uint64_t      when;         /**< time */
    apr_uint64_t      limit;        /**< bytes */
    apr_uint64_t      reserved;     /**< bytes, by the object that crossed */
    apr_uint64_t      child;        /**< bytes reserved by the whole child then */
    apr_uint32_t      depth;        /**< 0: not known, or the code that made it grow says nothing about who holds it */
    int               is_most;      /**< that one growth is at least half of what crossed */
    pst_shared_frame_t frames[PST_SITE_FRAMES]; /**< of the code that made it grow */
    int               has_slot;     /**< 0: memory that belongs to no connection made the child cross */
    pst_shared_slot_t slot;         /**< the connection then; its texts unescaped, as received */
    const pst_shared_slot_t *at;    /**< its place on the board if it is still there; else NULL */
} pst_crossing_t;

/**
 * Child, once, before other threads exist.
 * @param limits  bytes, by pst_warn_e; 0 = no limit
 * @param at_end  called when an object that crossed is closed, on the thread that closes it, outside of
 *                any palloc; NULL: no callback
 */
void pst_crossing_start(const apr_uint64_t limits[PST_WARN_COUNT], void (*at_end)(void));

/** What caused it: the pool that grew. */
typedef struct pst_crossing_by_t {
    apr_uint64_t held;              /**< what that pool reserves, or what moved */
    apr_uint64_t grown;             /**< by how much it grew; 0: it moved */
} pst_crossing_by_t;

/**
 * A limit is exceeded: note it if it is the first time. Any thread, even inside an allocation: takes no lock,
 * allocates nothing; looks for the caller if the pool that grew holds a large part of it.
 * @param by  NULL: not known
 * @param account  the connection or request; for a child, the one that made it cross
 */
void pst_crossing_note(pst_warn_e what, pst_account_t *account, apr_uint64_t reserved,
                       const pst_crossing_by_t *by);

/** The slot has more details of its request now: copy them to the crossing. Its owner's thread. */
void pst_crossing_described(const pst_shared_slot_t *slot);

/** An object that crossed is closed: call the callback. */
void pst_crossing_ended(void);

/** Take out one crossing, in no particular order. Any thread. @return 0 if there is none */
int pst_crossing_take(pst_crossing_t *crossing);

/** Allow the next minute's crossings if a minute has passed. Any thread.
 *  @return how many went unreported since, to be reported now; also 0 if the minute has not passed */
apr_uint64_t pst_crossing_minute(apr_uint64_t now);

/** How many have gone unreported since the last call. Any thread. */
apr_uint64_t pst_crossing_untold(void);

#endif /* PST_CROSSING_H */
