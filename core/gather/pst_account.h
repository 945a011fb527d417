/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: the totals of a scope's pools, kept live on the board.
 *
 * An account is opened for the child (process scope), for each connection and
 * for each request; code that changes pools charges the account they belong to. A request's charges also count for
 * its connection.  Figures are relaxed atomics on
 * the board; this side only ever adds to them and never reads one back to decide.
 *
 * Called by: start (pst_account_start, pst_account_apart, pst_account_together), worker
 */
#ifndef PST_ACCOUNT_H
#define PST_ACCOUNT_H

#include <apr_pools.h>
#include <stddef.h>
#include <string.h>
#include "pst_board.h"
#include "pst_child.h"

/**
 * One account.  The process's is static; a connection's or request's is in the pool it was opened for (root) and ends
 * with it.
 */
typedef struct pst_account_t {
    pst_shared_usage_t   *usage;    /**< its figures, usually on the board; NULL: only those above count */
    struct pst_account_t *above;    /**< request: its connection; else NULL */
    apr_pool_t           *root;     /**< the pool it was opened for; NULL for the process */
    pst_shared_slot_t    *slot;     /**< connection: its slot or NULL; request: the slot while it shows the request */
    struct pst_record_t  *record;   /**< of root; NULL if pools are not instrumented */
    struct pst_account_t *current;  /**< connection: the request its slot shows */
    const struct pst_account_t *master; /**< secondary connection: the one that carries it; else NULL */
    apr_uint64_t          id;       /**< connection: serial in this child, from 1 */
    apr_uint32_t          below;    /**< approximate number of pools besides root charged to it; a hint */
    apr_uint32_t          tag;      /**< connection: its bucket tag, 0 = none */
    pst_scope_e           scope;
    int                   served;   /**< connection: it received requests of its own; not set if its streams have
                                         them */
    apr_byte_t            told;     /**< connection: the current request's line has arrived */
    apr_byte_t            handled;  /**< connection: handler_row is the current request's */
    apr_byte_t            handler_row;  /**< connection: row of the sizes; 0 = none yet. Request: the same, if it may
                                             be one of the largest */
    apr_byte_t            vhost_row;    /**< connection: row of the sizes; 0 = to be looked up */
    apr_byte_t            novel;        /**< request: for what the child had not served before */
    apr_byte_t            crossed;      /**< it is, or was, above its limit: pst_crossing.h */
    apr_byte_t            came;         /**< request: it has been read; until then its pool only waits for one */
    apr_byte_t            sized;        /**< request: it is in the histograms of sizes */
    apr_byte_t            outgoing;     /**< connection: to a backend */
    apr_byte_t            ours;         /**< request: for one of this module's own views: pst_account_ours() */
    apr_byte_t            scripted;     /**< request: script is known */
    apr_uint64_t          script;       /**< request: peak bytes reported by its script's language */
    apr_uint64_t          sampled;      /**< request: bytes sampled for it before its slot showed another */
    const char           *host, *path;  /**< request: its target, as passed to pst_heavy.h; NULL: it was not read */
    apr_uint64_t          asked;        /**< request: a hash of these */
    apr_uint64_t          url;          /**< request, when it ends: a hash of both after folding; 0: none */
    pst_shared_usage_t    own;      /**< request: its figures if no slot shows them: then usage points here */
} pst_account_t;

/** A copy of an account that outlives its pool for a moment. */
static APR_INLINE void pst_account_copy(pst_account_t *to, const pst_account_t *from)
{
    memcpy(to, from, offsetof(pst_account_t, own));
    if (__builtin_expect(from->usage == &from->own, 0)) {
        to->own = from->own;
        to->usage = &to->own;
    }
}

/**
 * Child, once, before any other call: count on this block of the board, or on a private one if block is NULL (then
 * nobody sees the figures, but everything else works).
 * @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_account_start(const pst_board_t *board, pst_shared_child_t *block);

/**
 * Child, before other threads exist and before its first connection: count on a block that no other process can write
 * to, until pst_account_together() adds what was counted to the child's own. Proofs that rely on figures run in
 * between.
 */
void pst_account_apart(void);
void pst_account_together(void);

/** The account of the process scope. */
pst_account_t *pst_account_process(void);

/** What the child reserved before its first connection; before that, what it reserves now. Any thread. */
apr_uint64_t pst_account_at_rest(void);

/**
 * Charge an account, those above it, and the child with a change in what pools hold: bytes reserved, slack included
 * in these, pools. Any thread.
 */
void pst_account_charge(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_int64_t pools);

/** The same for a pool that gained a node: a growth. Any thread. @param held what the pool reserves now */
void pst_account_charge_growth(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_uint64_t held);

/** Publish slack again: a connection's own, and its current request's (NULL: none). Any thread. */
void pst_account_slack(pst_account_t *connection, apr_int64_t own, pst_account_t *request,
                       apr_int64_t requests);

/** Move from one account to another: the child's sum does not change. Any thread. */
void pst_account_move(pst_account_t *from, pst_account_t *to, apr_int64_t reserved, apr_int64_t slack,
                      apr_int64_t pools);

/** Set the figures of an account to walked ones (PST_LEVEL_HOOKS). Owner thread. */
void pst_account_set(pst_account_t *account, apr_uint64_t pools, apr_uint64_t reserved, apr_uint64_t slack);

/** What the caller of pst_account_open_connection() knows about it; texts are cut. */
typedef struct pst_connection_info_t {
    pst_kind_e           kind;
    const char          *client;
    const char          *protocol;
    const char          *vhost;
    const pst_account_t *master;    /**< of a secondary, else NULL */
    apr_uint64_t         now;       /**< time */
} pst_connection_info_t;

/**
 * Open the account of a connection: in a slot if one is free, else as unslotted. Charges nothing yet.
 * @param account  memory in pool, filled in
 */
void pst_account_open_connection(pst_account_t *account, apr_pool_t *pool, const pst_connection_info_t *info);

/**
 * Open the account of a request on a connection's account.  Its slot shows this request once its line is known
 * (pst_account_describe(); httpd makes the pool, then waits for the line); an earlier request that is still being
 * written stays charged to the connection, and continues with private figures that nobody else sees.
 */
void pst_account_open_request(pst_account_t *account, apr_pool_t *pool, pst_account_t *connection,
                              apr_uint64_t now);

/**
 * A request was read, or the input was answered as one. An account that closes without this waited in vain: it does
 * not count as a request. Owner thread.
 */
static APR_INLINE void pst_account_came(pst_account_t *request)
{
    request->came = 1;
}

/**
 * The request is for one of this module's own views, not the server's real work: it is marked as such and left out of
 * the statistics on request sizes. Owner thread.
 */
void pst_account_ours(pst_account_t *request);

/**
 * Close an account whose pool is gone, or cleared and discharged: release its slot, count it. The caller may pass a
 * copy of the account made before its memory was freed; original is the address it had.
 */
void pst_account_close(pst_account_t *account, const pst_account_t *original);

/** The process is about to end, and everything open with it. Any thread; others may continue for a moment. */
void pst_account_gone(void);

/** Set the start time and texts of the request that a slot shows. Owner thread; 0 and NULL leave values unchanged. */
void pst_account_describe(pst_account_t *connection, apr_uint64_t started, const char *line, const char *vhost,
                          const char *protocol, const char *handler);

/** Set what the connection is doing now. Owner thread; one store. */
static APR_INLINE void pst_account_state(pst_account_t *connection, pst_state_e state)
{
    if (connection->slot && !pst_child_muted()) {
        __atomic_store_n(&connection->slot->state, (apr_byte_t)state, __ATOMIC_RELAXED);
    }
}

/**
 * Nodes taken straight from an allocator: charge the child and, if tag belongs to a connection that is still open,
 * the connection. Any thread.
 */
void pst_account_buckets(apr_uint32_t tag, apr_int64_t bytes);

/**
 * Memory outside pools requested while serving the request that the slot of this tag shows: a sample's weight. Any
 * thread, any context.
 */
void pst_account_sampled(apr_uint32_t tag, apr_uint64_t bytes);

/** Take what has been sampled so far for a request. Any thread. */
apr_uint64_t pst_account_take_sampled(pst_account_t *request);

/** Nodes obtained from (bytes > 0) or returned to (< 0) the operating system. Any thread. */
void pst_account_held(apr_int64_t bytes);

#endif /* PST_ACCOUNT_H */
