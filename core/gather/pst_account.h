/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: what the pools of a scope add up to, kept live on the board.
 *
 * An account is opened for the child (process scope), for each connection and
 * for each request; whoever changes pools charges the account they belong to.
 * A request's charges reach its connection too.  Figures are relaxed atomics on
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
 * One account.  The process's is static; a connection's or request's lies in the
 * pool it was opened for (root) and goes with it.
 */
typedef struct pst_account_t {
    pst_shared_usage_t   *usage;    /**< its figures, on the board as a rule; NULL: only those above count */
    struct pst_account_t *above;    /**< request: its connection; else NULL */
    apr_pool_t           *root;     /**< the pool it was opened for; NULL for the process */
    pst_shared_slot_t    *slot;     /**< connection: its slot or NULL; request: the slot while it shows the request */
    struct pst_record_t  *record;   /**< of root; NULL where pools are not instrumented */
    struct pst_account_t *current;  /**< connection: the request its slot shows */
    const struct pst_account_t *master; /**< secondary connection: the one that carries it; else NULL */
    apr_uint64_t          id;       /**< connection: serial in this child, from 1 */
    apr_uint32_t          below;    /**< about how many pools besides root are charged to it; a hint */
    apr_uint32_t          tag;      /**< connection: its bucket tag, 0 = none */
    pst_scope_e           scope;
    int                   served;   /**< connection: requests of its own came; not so where streams have them */
    apr_byte_t            told;     /**< connection: the line of the current request came */
    apr_byte_t            handled;  /**< connection: handler_row is the current request's */
    apr_byte_t            handler_row;  /**< connection: of the sizes; 0 = none yet */
    apr_byte_t            vhost_row;    /**< connection: of the sizes; 0 = to be looked for */
    apr_byte_t            novel;        /**< request: for what the child had not served before */
    apr_byte_t            crossed;      /**< it is, or was, above its limit: pst_crossing.h */
    apr_byte_t            came;         /**< request: one was read; until then its pool only waits for one */
    apr_byte_t            sized;        /**< request: it is in the histograms of sizes */
    apr_byte_t            outgoing;     /**< connection: to a backend */
    apr_byte_t            ours;         /**< request: for a face of this module: pst_account_ours() */
    apr_byte_t            scripted;     /**< request: script is known */
    apr_uint64_t          script;       /**< request: bytes that its script's language says it used at most */
    apr_uint64_t          sampled;      /**< request: what was sampled for it before its slot showed another */
    const char           *host, *path;  /**< request: what it is for, as pst_heavy.h was told; NULL: it was not read */
    apr_uint64_t          asked;        /**< request: a hash of these */
    apr_uint64_t          url;          /**< request, as it ends: a hash of both when they are folded; 0: none */
    pst_shared_usage_t    own;      /**< request: its figures where no slot shows them: usage points here then */
} pst_account_t;

/** An account that outlives its pool for a moment: a copy to go on with. */
static APR_INLINE void pst_account_copy(pst_account_t *to, const pst_account_t *from)
{
    memcpy(to, from, offsetof(pst_account_t, own));
    if (__builtin_expect(from->usage == &from->own, 0)) {
        to->own = from->own;
        to->usage = &to->own;
    }
}

/**
 * Child, once, before any other call: count on this block of the board, or on a
 * private one if block is NULL (then nobody sees it, but all else works).
 * @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_account_start(const pst_board_t *board, pst_shared_child_t *block);

/**
 * Child, before other threads exist and before its first connection: count on a block that no other process can write
 * to, until pst_account_together() adds what was counted to the child's own. Whatever proves by figures goes between.
 */
void pst_account_apart(void);
void pst_account_together(void);

/** The account of the process scope. */
pst_account_t *pst_account_process(void);

/** What the child reserved before its first connection; as long as there was none, what it reserves now. Any thread. */
apr_uint64_t pst_account_at_rest(void);

/**
 * Charge an account, those above it, and the child with what pools hold more
 * (less, if negative): bytes reserved, of these slack, pools. Any thread.
 */
void pst_account_charge(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_int64_t pools);

/** The same for a pool that got one more node: a growth. Any thread. @param held what the pool reserves now */
void pst_account_charge_growth(pst_account_t *account, apr_int64_t reserved, apr_int64_t slack, apr_uint64_t held);

/** Slack published anew: own of a connection, and of its current request (NULL: none). Any thread. */
void pst_account_slack(pst_account_t *connection, apr_int64_t own, pst_account_t *request,
                       apr_int64_t requests);

/** Off one account and onto another: the child's sum stays. Any thread. */
void pst_account_move(pst_account_t *from, pst_account_t *to, apr_int64_t reserved, apr_int64_t slack,
                      apr_int64_t pools);

/** Set the figures of an account to walked ones (PST_LEVEL_HOOKS). Owner thread. */
void pst_account_set(pst_account_t *account, apr_uint64_t pools, apr_uint64_t reserved, apr_uint64_t slack);

/** What the caller of pst_account_open_connection() knows of it; texts are cut. */
typedef struct pst_connection_info_t {
    pst_kind_e           kind;
    const char          *client;
    const char          *protocol;
    const char          *vhost;
    const pst_account_t *master;    /**< of a secondary, else NULL */
    apr_uint64_t         now;       /**< time */
} pst_connection_info_t;

/**
 * Open the account of a connection: in a slot if one is free, else among the
 * unslotted.  Charges nothing yet.
 * @param account  memory in pool, filled in
 */
void pst_account_open_connection(pst_account_t *account, apr_pool_t *pool, const pst_connection_info_t *info);

/**
 * Open the account of a request on a connection's account.  Its slot shows this
 * request as soon as its line is told (pst_account_describe(); httpd makes the pool, then waits for
 * the line); one before it that is still being written stays charged to
 * the connection, and goes on with figures of its own that nobody else sees.
 */
void pst_account_open_request(pst_account_t *account, apr_pool_t *pool, pst_account_t *connection,
                              apr_uint64_t now);

/**
 * A request was read, or what came was answered as one.  An account that closes without this waited in vain:
 * it counts as no request. Owner thread.
 */
static APR_INLINE void pst_account_came(pst_account_t *request)
{
    request->came = 1;
}

/**
 * The request is for a face of this module, which is not what the server is for: it is marked as such, and kept out of
 * what is told of requests' sizes. Owner thread.
 */
void pst_account_ours(pst_account_t *request);

/**
 * Close an account whose pool is gone or cleared and discharged: give back its
 * slot, count it. The caller may pass a copy of the account made before the memory went;
 * original is the address it had.
 */
void pst_account_close(pst_account_t *account, const pst_account_t *original);

/** The process is about to end: whatever was open is gone with it. Any thread; others may go on for a moment. */
void pst_account_gone(void);

/** Of the request that a slot shows: when it began, its texts. Owner thread; 0 and NULL leave things as they are. */
void pst_account_describe(pst_account_t *connection, apr_uint64_t started, const char *line, const char *vhost,
                          const char *protocol, const char *handler);

/** What the connection does now. Owner thread; one store. */
static APR_INLINE void pst_account_state(pst_account_t *connection, pst_state_e state)
{
    if (connection->slot && !pst_child_muted()) {
        __atomic_store_n(&connection->slot->state, (apr_byte_t)state, __ATOMIC_RELAXED);
    }
}

/**
 * Nodes taken straight from an allocator: charge the child and, if tag is that
 * of a connection still open, the connection. Any thread.
 */
void pst_account_buckets(apr_uint32_t tag, apr_int64_t bytes);

/**
 * Memory outside of pools that was asked for while the request was served that the slot of this tag shows: a sample's
 * weight. Any thread, any context.
 */
void pst_account_sampled(apr_uint32_t tag, apr_uint64_t bytes);

/** What was sampled so far for a request: it is taken. Any thread. */
apr_uint64_t pst_account_take_sampled(pst_account_t *request);

/** Nodes got from (bytes > 0) or given back to (< 0) the operating system. Any thread. */
void pst_account_held(apr_int64_t bytes);

#endif /* PST_ACCOUNT_H */
