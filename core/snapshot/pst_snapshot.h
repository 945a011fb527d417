/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot: a private, checked copy of the board at one moment, with totals
 * and order.  Every view prints from one of these and from nothing else, so all
 * views agree.  APR only; used by the module and by the command.
 */
#ifndef PST_SNAPSHOT_H
#define PST_SNAPSHOT_H

#include "pst_board.h"

/*
 * Every figure of a snapshot is at most INT64_MAX: a larger one on the board (a counter that went
 * below 0, or a hostile one) reads as 0. Sums stop at INT64_MAX instead of wrapping, differences
 * stop at 0.
 */

/** A connection, copied: the slot as pst_slot_copy() leaves it, figures checked. */
typedef struct pst_row_t {
    pst_shared_slot_t slot;
    apr_uint64_t used_bytes;            /**< usage.reserved - usage.slack, never below 0 */
    apr_uint64_t request_used_bytes;    /**< the same of the request */
    apr_uint32_t pid;                   /**< its child's */
    apr_uint32_t child;                 /**< its child: index in pst_snapshot_t.children */
    unsigned     level;                 /**< its child's */
    int          listed;                /**< pst_snapshot_window() chose it */
    struct pst_row_t *next_growing;     /**< in pst_snapshot_t.growing */
} pst_row_t;

typedef struct pst_holders_t pst_holders_t;

/** A class of one child's pools, or of all children's: figures checked, texts end. */
typedef struct pst_class_row_t {
    pst_shared_class_t row;
    apr_uint64_t pools;                 /**< live: created - destroyed, never below 0 */
    apr_uint64_t lifetime_mean;         /**< microseconds */
    apr_uint32_t index;                 /**< its row on the board; 0: those that found none */
} pst_class_row_t;

/** A call site of one child, or of all children; frames and scope checked. */
typedef struct pst_site_row_t {
    pst_shared_site_t row;
    const pst_class_row_t *of_class;    /**< one of the same child, or of all; NULL: not known */
    apr_uint32_t index;                 /**< its row on the board; 0: those that found none */
} pst_site_row_t;

/** One of the largest finished requests, the largest of its URL and handler; figures checked, texts end. */
typedef struct pst_large_row_t {
    pst_shared_large_t row;
    apr_uint32_t pid;                   /**< its child's */
    apr_uint64_t url_requests, url_sum_bytes; /**< of all requests for this URL; PST_UNKNOWN: it has no row */
} pst_large_row_t;

/** A misuse at one place of one child; figures and kind checked, texts end. */
typedef struct pst_misuse_row_t {
    pst_shared_misuse_t row;
    apr_uint32_t pid;                   /**< its child's */
    int          lives;                 /**< the child does */
    apr_uint64_t ended;                 /**< time: of a child that is gone; 0: it is alive, or not known */
} pst_misuse_row_t;

/** The most misuses that are copied, over all children. */
#define PST_MISUSES_MOST 512

/** How many finished requests there were of each size: of one handler or vhost, or of all. */
typedef struct pst_sizes_row_t {
    pst_shared_sizes_t row;             /**< figures checked, name ends in a NUL */
    apr_uint64_t requests;              /**< their sum */
    int          other;                 /**< all that found no row of their own */
} pst_sizes_row_t;

typedef struct pst_sizes_t {
    pst_sizes_row_t all;
    apr_uint32_t handler_count, vhost_count;
    pst_sizes_row_t *handlers, *vhosts; /**< those with requests, most requests first */
} pst_sizes_t;

/** Names in the sums over all children, "other" included. */
#define PST_SIZES_TOTAL 33

/** The largest size in a bucket, in bytes; 0 of the last, which has none. */
apr_uint64_t pst_sizes_up_to(unsigned bucket);

/** What was requested: by URL, and the same rows by vhost and by handler. Rows as pst_url_take() makes them; the
 *  first of `urls` is the sum of all requests. */
typedef struct pst_urls_t {
    apr_uint32_t count, vhost_count, handler_count;
    pst_shared_url_t *urls;             /**< after the sum of all, those that took most first */
    pst_shared_url_t *vhosts, *handlers;    /**< the same rows added up: path and handler, or path and vhost, empty */
    int sampled;                        /**< sampled_bytes is meaningful: there is, or was, a heap profile */
    int of_lives;                       /**< includes requests to children that are gone */
} pst_urls_t;

/** Rows of such a sum, the sum of all included: what a snapshot needs room for. */
#define PST_URLS_MOST 2048

/** A generation: figures checked. */
typedef struct pst_generation_row_t {
    pst_shared_generation_t row;
    apr_uint64_t process_start_mean, process_end_mean, private_start_mean, private_end_mean, rss_start_mean,
        rss_end_mean;
    /**< 0: no child yet */
} pst_generation_row_t;

/** One child's connections of one kind, added up: the gauges of their usages; nothing else can be added up. */
typedef struct pst_kind_row_t {
    pst_shared_usage_t connection;      /**< without their current requests */
    pst_shared_usage_t request;         /**< their current requests */
#define PST_METRIC_CONNECTION(...) apr_uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    apr_uint64_t growing[PST_SCOPE_COUNT]; /**< connections, requests judged to grow */
} pst_kind_row_t;

/** The row of those that have no kind: without a slot, or with an invalid kind. */
#define PST_KIND_OTHER PST_KIND_COUNT

typedef struct pst_child_row_t {
    pst_shared_child_t head;            /**< copied; reason ends in a NUL. For a child whose end nobody noted the
                                             command sets PST_END_GONE here, and the child's last sign of life in
                                             `ended` */
    apr_uint64_t reserved_bytes;        /**< process + all connections, unslotted too: the whole child */
    apr_uint64_t used_bytes;
    apr_uint64_t slack_bytes;
    apr_uint64_t pools;
    apr_uint64_t growths;
    apr_uint64_t connections_reserved_bytes; /**< connections, without their current requests */
    apr_uint64_t requests_reserved_bytes;    /**< current requests */
    apr_uint64_t own_reserved_bytes;    /**< of these, those for faces of this module */
    apr_uint64_t retained_bytes;        /**< held - reserved - buckets, never below 0 */
    apr_uint64_t unexplained_bytes;     /**< RSS + swap - what is explained; 0 if that is more, or not known yet */
    apr_uint64_t not_resident_bytes;    /**< what is explained - RSS - swap; 0 if that is more, or not known yet */
    apr_uint32_t rows;                  /**< connections with a slot, before any filter; also those for which
                                             the snapshot had no room, since they were opened meanwhile */
    apr_uint32_t own_rows;              /**< of these, those that ask for a face of this module now */
    apr_uint32_t first;                 /**< index of its first row in pst_snapshot_t.rows */
    apr_uint32_t shown;                 /**< rows that passed the filter, from first on */
    apr_uint32_t block;                 /**< which block of the board */
    apr_uint32_t class_count, site_count;
    pst_class_row_t *classes;           /**< those that ever had a pool; most reserved first */
    pst_site_row_t *sites;              /**< those that ever had a sample; most live bytes first */
    apr_uint32_t large_count;
    pst_large_row_t *large;             /**< largest peak first */
    pst_sizes_t sizes;
    pst_kind_row_t kinds[PST_KIND_COUNT + 1]; /**< of all its connections, whatever the filter */
} pst_child_row_t;

/** Sums over the children shown.  connections counts all open ones, with a slot or without; peak_bytes is the
 *  sum of the children's peaks, which need not have been at one moment. */
typedef struct pst_total_t {
    apr_uint64_t children, connections, pools, reserved_bytes, used_bytes, slack_bytes, peak_bytes,
                 process_reserved_bytes, connections_reserved_bytes, requests_reserved_bytes,
                 bucket_bytes, retained_bytes, held_bytes, pools_created, pools_destroyed, growths,
                 requests_finished, connections_opened, unslotted_connections,
                 pss_bytes, private_dirty_bytes, heap_in_use_bytes, heap_free_bytes;
    unsigned level;                     /**< of the child that knows least */
    apr_uint32_t weighed, asked;        /**< children whose RSS and its like, whose heap was taken */
} pst_total_t;

typedef enum {
    PST_SORT_RESERVED = 0, PST_SORT_USED, PST_SORT_PEAK, PST_SORT_POOLS, PST_SORT_BUCKETS,
    PST_SORT_RETAINED, PST_SORT_REQUESTS, PST_SORT_AGE, PST_SORT_CLIENT, PST_SORT_PID, PST_SORT_COUNT
} pst_sort_e;

/** What a view wants to see; all zero means everything, largest first. */
typedef struct pst_filter_t {
    pst_sort_e   sort;
    apr_uint32_t pid;           /**< 0 = any */
    int          kind;          /**< pst_kind_e, -1 = any */
    const char  *vhost;         /**< NULL = any; compared without case, as far as a slot's text goes */
    int          gone;          /**< include children that are gone: their blocks keep their figures until claimed
                                 * again */
    int          no_rows;       /**< only sums, and what is judged to grow; no URLs either */
} pst_filter_t;

typedef struct pst_snapshot_t {
    apr_uint64_t taken;         /**< time, microseconds: ages are counted up to this. For a server
                                     that is gone, its last sign of life */
    int server_gone;            /**< set by the command, which looks for processes: all of this is in the past */
    pst_sort_e sort;            /**< how rows are sorted within a child */
    const char *nonce;          /**< set by whoever serves it: lets the reader ask for a release; NULL: nobody may */
    int windowed;               /**< pst_snapshot_window() was called */
    int gone;                   /**< as in the filter: see `ended` and `ended_how` in a child's head */
    apr_uint32_t pid;           /**< as in the filter: the other children are left out */
    pst_shared_header_t about;  /**< copied; texts end in a NUL */
    apr_uint32_t child_count;   /**< rows in children */
    apr_uint32_t row_count;     /**< rows in rows, all children's */
    pst_child_row_t *children;  /**< sorted */
    pst_row_t **rows;           /**< each child's together, sorted within */
    pst_row_t *growing;         /**< connections of these children judged to grow, also those that did not pass the
                                     filter: a list by next_growing; `child` is not set, and they need not be rows */
    pst_total_t total;
    const struct pst_holders_t *holders;    /**< pst_holders.h; NULL: not summed up */
    apr_uint32_t class_count, site_count;
    pst_class_row_t *classes;   /**< of all children shown, added up by tag and creator; sorted as a child's */
    pst_site_row_t *sites;      /**< of all children shown, added up by frames, scope and class */
    apr_uint32_t large_count;
    pst_large_row_t *large;     /**< the largest over all children shown, PST_LARGE_COUNT at most */
    pst_sizes_t sizes;          /**< of all children shown, added up by name */
    pst_urls_t urls;            /**< of all children shown and, unless one alone is, of those that are gone */
    apr_uint32_t generation_count;
    pst_generation_row_t *generations; /**< those that are still recorded, oldest first */
    apr_uint32_t relative_count;
    pst_shared_relative_t *relatives; /**< processes that are not children; checked, largest own memory first */
    apr_uint32_t misuse_count;
    pst_misuse_row_t *misuses;  /**< also those of children that are gone; the latest first */
    apr_uint32_t segment_count;
    pst_shared_segment_t *segments; /**< shared memory; checked, largest first */
    apr_uint32_t loss_count;
    pst_shared_loss_t *losses;  /**< children that ended without notice; checked, the last one first */
    const struct pst_findings_t *findings; /**< what pst_doctor_take() found; NULL: nobody asked */
    pst_shared_module_t *modules; /**< copied, PST_MODULE_COUNT of them; names end in a NUL, empty if there is none
                                       */
} pst_snapshot_t;

/**
 * Copy the board, check it, add up, filter and sort.  Any thread, any process;
 * takes no lock, never waits.  The filter drops children (pid) and rows (kind, vhost);
 * a child's own figures always count all its connections, so that filters never
 * change a sum, and never hide what grows.
 * @param snapshot filled in; everything it points to is of pool
 * Sizes are bounded by the board's geometry and by the slots in use; give it a
 * pool with an allocator of its own, so that the child that asks does not grow.
 * @return APR_SUCCESS, or APR_EINCOMPLETE if the board is not intact
 */
apr_status_t pst_snapshot_take(pst_snapshot_t *snapshot, const pst_board_t *board,
                               const pst_filter_t *filter, apr_uint64_t now, apr_pool_t *pool);

/**
 * Only sums, and only from the children's heads, at a cost that does not depend on connections: each child counts
 * `reserved` in one place. Any thread, any process; takes no lock, never waits, allocates nothing.
 * @param total  pools, used, slack, growths and the reserved of connections and requests are not set
 * @return APR_SUCCESS, or APR_EINCOMPLETE if the board is not intact
 */
apr_status_t pst_snapshot_heads(pst_total_t *total, const pst_board_t *board);

/** Part of pst_snapshot_take(): sort the children, and the rows of each. */
void pst_snapshot_order(pst_snapshot_t *snapshot, pst_sort_e sort, apr_pool_t *pool);

/** Part of pst_snapshot_take(): how many classes a child has now. */
apr_uint32_t pst_snapshot_count_classes(const pst_board_t *board, pst_shared_child_t *from);

/** Part of pst_snapshot_take(): copy a child's classes to where its row points, at most that many. Allocates from no
 *  pool. */
void pst_snapshot_classes(pst_child_row_t *child, const pst_board_t *board, apr_uint32_t room);

/**
 * Part of pst_snapshot_take(): the call sites of the children in it,
 * and the sums of classes and sites over all children.  Leaves out those of a block that changed hands meanwhile.
 */
void pst_snapshot_places(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for finished requests. */
void pst_snapshot_largest(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for what was requested. */
void pst_snapshot_urls(pst_snapshot_t *snapshot, const pst_board_t *board, const pst_filter_t *filter,
                       apr_pool_t *pool);

/** The same for generations: see pst_generation.h. */
void pst_snapshot_generations(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for processes that are not children: see pst_relatives.h. */
void pst_snapshot_relatives(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for misuses: see pst_snapshot_misuses.h. */
void pst_snapshot_misuses(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for shared memory: see pst_segments.h. */
void pst_snapshot_segments(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** The same for children that ended without a word: see pst_losses.h. */
void pst_snapshot_losses(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool);

/** Part of pst_snapshot_take(): add a checked connection to the sums of its kind. */
void pst_kind_add(pst_child_row_t *child, const pst_shared_slot_t *slot);

/** Add a class to one that is shown as the same. */
void pst_class_add(pst_class_row_t *sum, const pst_class_row_t *class);

/** Rows chosen over all children: the ones that fit on a page. */
typedef struct pst_window_t {
    pst_row_t  **rows;          /**< in the requested order, over all children */
    apr_uint32_t count;
    apr_uint32_t from;          /**< rows that come before */
    apr_uint32_t of;            /**< rows in total */
} pst_window_t;

/**
 * Choose up to limit rows over all children, skipping the first `from` in that order;
 * sets their `listed`, clears it elsewhere.  If the order is the snapshot's own, it costs as much as the
 * rows listed and skipped; another order sorts the snapshot's rows again.
 * @param window filled in; rows is of pool
 */
void pst_snapshot_window(pst_snapshot_t *snapshot, pst_sort_e sort, apr_uint32_t from, apr_uint32_t limit,
                         pst_window_t *window, apr_pool_t *pool);

#endif /* PST_SNAPSHOT_H */
