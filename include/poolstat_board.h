/* SPDX-License-Identifier: Apache-2.0
 *
 * The board: mod_poolstat's scoreboard in shared memory, as stored in the file that PoolStatFile names.  This header
 * IS the contract between the children that write it and everything that reads it: change it and raise
 * PST_BOARD_VERSION.  docs/board.md explains it in words.
 *
 *   +--------------------------------------------------------------+ 0
 *   | pst_shared_header_t       magic, version, geometry, server   |
 *   +--------------------------------------------------------------+ header_size
 *   | pst_shared_descriptor_t[] name, kind, unit, place of figures |   (inside the header's pages)
 *   | pst_shared_module_t[]     loaded objects that addresses name |
 *   | pst_shared_generation_t[] what each configuration cost       |
 *   | pst_shared_relative_t[]   processes that are not children    |
 *   | pst_shared_loss_t[]       children that ended abruptly       |
 *   | pst_shared_urls_t         what ended children served         |
 *   | pst_shared_segment_t[]    shared memory, by kind             |
 *   +--------------------------------------------------------------+ header_size (page aligned)
 *   | child block 0: pst_shared_child_t, then slot 0 .. slot S-1,  |
 *   |                then classes, then call sites, then the      |
 *   |                largest requests, then sizes of requests,     |
 *   |                then misuses,                                 |
 *   |                then the requested URLs                       |
 *   +--------------------------------------------------------------+ header_size + child_size
 *   | child block 1 ...                                            |
 *   +--------------------------------------------------------------+ history_at (page aligned)
 *   | history 0: pst_shared_history_t, the ring of fine points,    |
 *   |            the ring of coarse points; block 0's child's      |
 *   +--------------------------------------------------------------+ history_at + history_size
 *   | history 1 ...                                                |
 *   +--------------------------------------------------------------+ history_at + child_count * history_size
 *
 * Who writes what: the parent writes the header once, before the MPM starts,
 * and resets a block's owner to 0 when that child has ended.  A child claims
 * a block by compare-and-swap on owner and is its only writer from then on.  A slot's texts are written by the thread
 * that serves the connection, under seq (odd while writing); figures are relaxed atomics, outside of seq.
 * A history has one writer too: the child's watchdog thread or, where there is
 * none, the parent (header: history_by).  It stays readable after its child ends, until the block is claimed again;
 * those of the most recently ended children last longest.
 *
 * Misuses are written by whichever thread meets one, even in a signal handler: a row is claimed within the child,
 * then written once, under its seq; times and last keep changing. They stay after the child ends.
 *
 * Classes, call sites and blame have texts and frames under their own seq, written by whichever thread of the child
 * first meets one; so do the largest requests and the names of histograms.  An address on the board is an
 * object and an offset in it (pst_shared_frame_*), the same in every process.
 * Any child claims entries of the table of objects by compare-and-swap; they never change afterwards.
 *
 * What a reader may trust: nothing.  Sizes and counts come from the reader's own
 * knowledge (in httpd) or are checked against the file's size (the command);
 * texts may lack their NUL; every figure may be nonsense.  There are no pointers on the board, and indices of objects
 * and classes are checked wherever they are used.
 *
 * All integers are in the host's byte order; all sizes are in bytes; all times
 * are microseconds since the epoch, 0 for never.
 */
#ifndef POOLSTAT_BOARD_H
#define POOLSTAT_BOARD_H

#include <stdint.h>

#define PST_BOARD_MAGIC      "PSTBOARD"
#define PST_BOARD_VERSION    29
#define PST_BOARD_ALIGN      4096

/** How a child's figures are gathered. */
typedef enum {
    PST_LEVEL_PUBLIC = 0,   /**< public calls only: connections and requests are counted, bytes are unknown */
    PST_LEVEL_HOOKS  = 1,   /**< pool trees are walked at hooks: exact there, stale between */
    PST_LEVEL_FULL   = 2    /**< every pool operation is seen: exact at every moment */
} pst_level_e;

typedef enum {
    PST_KIND_CLIENT = 0,
    PST_KIND_SECONDARY = 1, /**< an HTTP/2 stream: c->master is set */
    PST_KIND_BACKEND = 2,   /**< made by mod_proxy and the like: c->outgoing is set */
    PST_KIND_COUNT
} pst_kind_e;

typedef enum {
    PST_STATE_READING = 0,  /**< waiting for, or reading, a request */
    PST_STATE_HANDLER,      /**< the request has been read, its handler runs */
    PST_STATE_WRITING,      /**< output is on its way to the network */
    PST_STATE_KEEPALIVE,    /**< between two requests */
    PST_STATE_PARKED,       /**< handed back to the MPM by its handler, has no thread */
    PST_STATE_CLOSING,      /**< lingering close */
    PST_STATE_COUNT
} pst_state_e;

typedef enum { PST_GAUGE = 0, PST_COUNTER, PST_PEAK, PST_TIME, PST_HISTOGRAM, PST_INFO } pst_metric_kind_e;
typedef enum { PST_BYTES = 0, PST_POOLS, PST_NODES, PST_CONNECTIONS, PST_REQUESTS, PST_EVENTS,
               PST_USEC, PST_CHILDREN, PST_SPAN, PST_SAMPLES, PST_ARENAS, PST_FLAG, PST_VERDICTS,
               PST_PROCESSES } pst_metric_unit_e;

/** What matters most (info), what explains it (detail), how it was measured (debug). */
typedef enum { PST_SHOW_INFO = 0, PST_SHOW_DETAIL, PST_SHOW_DEBUG, PST_SHOW_COUNT } pst_metric_show_e;

/** What a pool is charged to; a call site may also be for memory outside pools. */
typedef enum {
    PST_SCOPE_PROCESS = 0,
    PST_SCOPE_CONNECTION,
    PST_SCOPE_REQUEST,
    PST_SCOPE_COUNT,                    /**< of pools */
    PST_SCOPE_HEAP = PST_SCOPE_COUNT,   /**< blocks from malloc and its relatives */
    PST_SCOPE_MAPPED,                   /**< mappings without a file */
    PST_SCOPE_STACK,                    /**< stacks of threads */
    PST_SCOPE_OF_SITES                  /**< how many kinds a call site may have */
} pst_scope_e;

/** Where a described figure is: offsets are from the start of ... */
typedef enum {
    PST_AT_CHILD = 0,       /**< the child block */
    PST_AT_USAGE,           /**< a usage struct: in the child block or a slot */
    PST_AT_CONNECTION,      /**< a slot */
    PST_AT_CLASS,           /**< a class */
    PST_AT_SITE,            /**< a call site */
    PST_AT_SERVER,          /**< the header */
    PST_AT_GENERATION       /**< a generation */
} pst_metric_at_e;

/** Who writes the histories. */
typedef enum {
    PST_HISTORY_OFF = 0,
    PST_HISTORY_BY_WATCHDOG,    /**< a thread of each child: works even while all workers are busy */
    PST_HISTORY_BY_MONITOR      /**< the parent, when its MPM runs the monitor hook: every ten seconds or so */
} pst_history_by_e;

/** How a child ended, as far as the board knows. */
typedef enum {
    PST_END_NONE = 0,           /**< it lives */
    PST_END_ORDERLY,            /**< it said so itself while exiting */
    PST_END_ABRUPT,             /**< it disappeared without saying so: killed or crashed */
    PST_END_GONE                /**< never written to the board: a reader found that there is no such process */
} pst_end_e;

/** Does it grow?  Written by the child's watchdog thread (or the parent), field by field, without seq. */
typedef struct pst_shared_verdict_t {
    uint32_t of;                /**< for connections: the low bits of the id this is about; if the id differs there is
                                     no verdict */
    uint8_t  state;             /**< pst_trend_e */
    uint8_t  scope;             /**< pst_scope_e: which of a connection's two scopes grows */
    uint16_t fit;               /**< r² in thousandths */
    uint64_t since;             /**< time */
    float    per_minute;        /**< bytes; negative if it shrinks */
    float    per_request;       /**< bytes; 0 if it does not grow with requests */
    float    gained;            /**< bytes gained since `since`; never less than the rate yields over that time
                                     */
    uint32_t lasted;            /**< milliseconds from `since` to when that was measured or, for what has ended, to
                                     its end */
    uint64_t site;              /**< pst_shared_frame_t: the code that holds most of the growth that remained, by
                                     pst_blame.h; 0: not known, or not known yet */
    uint16_t share;             /**< share of the remaining growth, in thousandths, held by the object (module) of
                                     site */
    uint16_t samples;           /**< number of samples behind that */
    uint32_t unused;
} pst_shared_verdict_t;

/** Which requests the growth came with: those for something the child had not served before, or others. Written like
 *  a verdict, field by field. */
typedef struct pst_shared_share_t {
    uint32_t known;             /**< 0 or 1: the fields below are valid */
    uint32_t only_new;          /**< 0 or 1: what came with requests new to the child explains the growth */
    float    gained_new;        /**< bytes that came with requests new to the child */
    float    gained_again;      /**< bytes that came with other requests, or with none */
    uint32_t requests_new;      /**< meanwhile */
    uint32_t requests_again;
} pst_shared_share_t;

/** The allocator behind malloc. */
typedef enum {
    PST_HEAP_UNKNOWN = 0,
    PST_HEAP_GLIBC,
    PST_HEAP_JEMALLOC,
    PST_HEAP_TCMALLOC,
    PST_HEAP_MIMALLOC,
    PST_HEAP_COUNT
} pst_heap_e;

/** What the allocator behind malloc reports about itself. */
typedef enum {
    PST_HEAP_TELLS_NOTHING = 0,
    PST_HEAP_TELLS_SUM,         /**< in use and free only as one sum: heap_in_use_bytes is that sum */
    PST_HEAP_TELLS_BOTH,
    PST_HEAP_TELLS_COUNT
} pst_heap_tells_e;

/** A child's memory as the kernel and its heap report it. Written by the child's watchdog thread or, if there is
 *  none, by the parent, which cannot query the heap. The three groups are measured at different times: see their
 *  *_time. */
typedef struct pst_shared_books_t {
#define PST_METRIC_BOOKS(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    uint32_t heap_kind;         /**< pst_heap_e */
    uint32_t heap_tells;        /**< pst_heap_tells_e */
} pst_shared_books_t;

/** The figures that process scope, connections and requests have in common. */
typedef struct pst_shared_usage_t {
#define PST_METRIC_USAGE(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
} pst_shared_usage_t;

#define PST_CLIENT_LEN    48    /* an IPv6 address with scope */
#define PST_PROTOCOL_LEN  16
#define PST_VHOST_LEN     64
#define PST_LINE_LEN     160
#define PST_HANDLER_LEN   32

/** Whether a slot shows a request, and whose. */
typedef enum {
    PST_REQUEST_NONE = 0,
    PST_REQUEST_OTHERS,
    PST_REQUEST_OWN,            /**< for one of this module's own views */
    PST_REQUEST_COUNT
} pst_request_e;

/** One connection, and its current request.  At most 512 bytes (the budget). */
typedef struct pst_shared_slot_t {
    uint32_t seq;               /**< odd while the owner writes texts or opens/closes */
    uint8_t  in_use;            /**< 0 or 1 */
    uint8_t  kind;              /**< pst_kind_e */
    uint8_t  state;             /**< pst_state_e, written outside of seq */
    uint8_t  has_request;       /**< pst_request_e; not 0: the request line was read and the request fields below are
                                     live */
    uint64_t id;                /**< serial number of the connection within its child, from 1 */
    uint64_t master;            /**< id of the connection a secondary belongs to, else 0 */
    uint64_t opened;            /**< time */
    uint64_t request_started;   /**< time */
#define PST_METRIC_CONNECTION(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    pst_shared_usage_t usage;   /**< the whole tree: connection, current and finishing requests */
    pst_shared_usage_t request; /**< the current request only */
    pst_shared_verdict_t verdict;
    char client[PST_CLIENT_LEN];
    char protocol[PST_PROTOCOL_LEN];
    char vhost[PST_VHOST_LEN];
    char handler[PST_HANDLER_LEN];
    char line[PST_LINE_LEN];    /**< the request line, cut at the end if longer */
} pst_shared_slot_t;

/** A loaded object that code addresses refer to. There is one table for the whole board; index 0 is unused. */
#define PST_MODULE_COUNT 256
#define PST_MODULE_LEN   48

/** What a loaded object is to httpd. */
typedef enum {
    PST_CODE_LIBRARY = 0,       /**< anything else that is loaded: a module's dependencies, the C library */
    PST_CODE_HTTPD,             /**< the program itself, with its core and built-in modules */
    PST_CODE_MPM,               /**< a module that is the MPM: below everything that serves */
    PST_CODE_MODULE,            /**< loaded by LoadModule */
    PST_CODE_APR,               /**< libapr, libaprutil */
    PST_CODE_SELF,              /**< mod_poolstat */
    PST_CODE_COUNT
} pst_code_e;

typedef struct pst_shared_module_t {
    uint32_t state;             /**< 0 free, 1 being written, 2 final */
    uint32_t kind;              /**< pst_code_e; a library that a later configuration loads as a module becomes one */
    uint64_t id;                /**< identifies the build: a hash of the build id */
    char     name[PST_MODULE_LEN];  /**< its file name, without directories */
} pst_shared_module_t;

/** A place in code: 16 bits object (0 = unknown), 48 bits offset from its load address, inside of
 *  the calling instruction (return address - 1). 0 = none. */
typedef uint64_t pst_shared_frame_t;
#define PST_FRAME(object, offset) ((uint64_t)(object) << 48 | ((uint64_t)(offset) & 0xffffffffffffu))
#define PST_FRAME_MODULE(frame)   ((uint32_t)((frame) >> 48))
#define PST_FRAME_OFFSET(frame)   ((frame) & 0xffffffffffffu)

/** Pools with the same tag made at the same place. Row 0 is for those that found no free row. */
#define PST_CLASS_COUNT  65
#define PST_TAG_LEN      32
#define PST_FUNCTION_LEN 48

typedef struct pst_shared_class_t {
    uint32_t seq;               /**< odd while texts are written */
    uint32_t in_use;            /**< 0 or 1 */
    pst_shared_frame_t creator; /**< 0: not known, the pool is older than the child */
    char     tag[PST_TAG_LEN];  /**< cut; empty: none */
    char     function[PST_FUNCTION_LEN]; /**< creator's, cut; empty: no symbol */
#define PST_METRIC_CLASS(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    pst_shared_verdict_t verdict;   /**< on its reserved bytes */
} pst_shared_class_t;

/** A stack at which pools of one scope and class grow, or at which memory outside pools is requested. Row 0 is for
 *  those that found no free row. */
#define PST_SITE_COUNT  193
#define PST_SITE_FRAMES 24

typedef struct pst_shared_site_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint16_t in_use;            /**< 0 or 1 */
    uint16_t depth;             /**< frames, PST_SITE_FRAMES at most */
    uint32_t scope;             /**< pst_scope_e */
    uint32_t of_class;          /**< row of the class in the same block */
    pst_shared_frame_t frames[PST_SITE_FRAMES]; /**< innermost first; those of the allocator left out */
    pst_shared_verdict_t verdict;   /**< on the live bytes of the place to blame, over all its call sites: stored,
                                         without seq, with the call site that holds most. site: that call site;
                                         another: no verdict */
#define PST_METRIC_SITE(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
} pst_shared_site_t;

/**
 * Who holds the remaining growth of a scope, over all of the child's accounts of that scope (all its connections, for
 * example). The child's watchdog thread judges it once a second while the scope grows, from samples of the growth
 * that are still allocated some seconds later.
 */
#define PST_WHO_COUNT 3

typedef struct pst_shared_who_t {
    pst_shared_frame_t site;    /**< the place of the blamed object that holds most; 0: not known */
    uint16_t share;             /**< share of the remaining growth, in thousandths, held by that object */
    uint16_t samples;           /**< of it */
    uint32_t unused;
} pst_shared_who_t;

typedef struct pst_shared_blame_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t known;             /**< 1: the first of `who` is to blame; 0: these are candidates */
    uint64_t since;             /**< time since which its growth is investigated; 0: it is not */
    uint64_t samples;           /**< number of samples it is judged by */
    uint64_t bytes;             /**< of growth since then that remained; an estimate */
    pst_shared_who_t who[PST_WHO_COUNT]; /**< most bytes first */
} pst_shared_blame_t;

#define PST_URL_LEN 112         /* of a folded path */

/** The largest finished request of a URL and handler of a child, of those whose largest was largest; unordered. All
 *  under seq. */
#define PST_LARGE_COUNT 16

typedef struct pst_shared_large_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t in_use;            /**< 0 or 1 */
    uint64_t reserved_bytes;    /**< when it ended */
    uint64_t used_bytes;        /**< when it ended */
    uint64_t peak_bytes;        /**< the reason it is kept */
    uint64_t duration;          /**< microseconds */
    uint64_t finished;          /**< time */
    char     vhost[PST_VHOST_LEN];
    char     handler[PST_HANDLER_LEN];
    char     path[PST_URL_LEN]; /**< folded, as in pst_shared_url_t */
    char     line[PST_LINE_LEN];
} pst_shared_large_t;

/** Histogram of finished requests by size. Bucket i counts peaks of up to PST_SIZES_LEAST << i bytes that exceed the
 *  bucket before; the last has no upper bound. */
#define PST_SIZES_LEAST    8192u
#define PST_SIZES_BUCKETS  18
/* Rows: all requests; the first handlers seen, and a row for all others; the same for vhosts. */
#define PST_SIZES_EACH     9
#define PST_SIZES_ALL      0
#define PST_SIZES_HANDLERS 1
#define PST_SIZES_VHOSTS   (PST_SIZES_HANDLERS + PST_SIZES_EACH)
#define PST_SIZES_COUNT    (PST_SIZES_VHOSTS + PST_SIZES_EACH)

typedef struct pst_shared_sizes_t {
    uint32_t seq;               /**< odd while name is written */
    uint32_t named;             /**< 0 or 1 */
    char     name[PST_VHOST_LEN]; /**< handler or vhost, as in slots; may be empty: no handler was reached */
    uint64_t requests[PST_SIZES_BUCKETS]; /**< relaxed atomics, outside of seq */
} pst_shared_sizes_t;

/** What PoolStatCheck finds. */
typedef enum {
#define PST_MISUSE(NAME, ...) PST_MISUSE_##NAME,
#include "poolstat_misuse.def"
    PST_MISUSE_COUNT
} pst_misuse_e;

#define PST_MISUSE_ROWS      16
#define PST_MISUSE_STACKS    3
#define PST_MISUSE_WHAT_LEN  32

/** One side of a misuse: who did it, or who owned the memory. */
typedef struct pst_shared_party_t {
    uint64_t connection;        /**< its id within the child; 0: none, or not known */
    char     line[PST_LINE_LEN]; /**< its request, as slots show it; empty: none, or not known */
} pst_shared_party_t;

/** One stack of a misuse. */
typedef struct pst_shared_stack_t {
    uint32_t thread;            /**< as the kernel numbers threads; 0: not known */
    uint32_t depth;             /**< frames; 0: not known */
    pst_shared_frame_t frames[PST_SITE_FRAMES]; /**< innermost first; those of the allocator left out */
} pst_shared_stack_t;

/** A misuse at one place, as first seen. Everything is under seq except times and last. */
typedef struct pst_shared_misuse_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint16_t in_use;            /**< 0 or 1 */
    uint16_t kind;              /**< pst_misuse_e */
    uint64_t times;             /**< so far; relaxed atomic */
    uint64_t last;              /**< time; relaxed atomic */
    uint64_t first;             /**< time */
    uint64_t offset;            /**< bytes from the start of the node, allocation or block to what was touched */
    uint64_t size;              /**< size of that node, allocation or block; 0: not known */
    uint64_t age;               /**< microseconds since it ended; 0: still live, or not known */
    uint32_t of_class;          /**< row of the pool's class in the same block; 0: none */
    uint32_t unused;
    char     what[PST_MISUSE_WHAT_LEN]; /**< "pool", a bucket's type, a system call; cut */
    char     tag[PST_TAG_LEN];  /**< the pool's, cut; empty: none */
    pst_shared_party_t by;      /**< who did it */
    pst_shared_party_t of;      /**< who owned the memory */
    pst_shared_stack_t stacks[PST_MISUSE_STACKS];
} pst_shared_misuse_t;

/**
 * Requested URLs and the memory they took: finished requests by virtual host and folded path (pst_fold.h), keeping
 * those that took most. The row with the least is reassigned to a newcomer, so a row counts only since it was last
 * reassigned; its missed_* is the most that can have come before. Row 0 holds the sum of what was dropped and, in
 * missed_*, the most that anything without a row can have had. Texts are written under seq, figures are relaxed
 * atomics outside it.
 */
#define PST_URL_COUNT 129

typedef struct pst_shared_url_t {
    uint32_t seq;               /**< odd while the row is reassigned */
    uint32_t in_use;            /**< 0 or 1 */
    char     vhost[PST_VHOST_LEN];
    char     path[PST_URL_LEN]; /**< folded; empty: the request could not be parsed; "-": not to be shown */
    char     handler[PST_HANDLER_LEN]; /**< the last one known; may be empty */
    uint64_t requests;
    uint64_t bytes;             /**< the sum of their peaks */
    uint64_t largest;           /**< the largest of these */
    uint64_t sampled_bytes;     /**< of heap and mappings requested while they were served; an estimate */
    uint64_t script_requests;   /**< those whose script language reported its memory use */
    uint64_t script_bytes;      /**< the sum of that */
    uint64_t script_largest;
    uint64_t missed_requests;   /**< at most */
    uint64_t missed_bytes;      /**< at most: of peaks, the heap and scripts together */
} pst_shared_url_t;

/** The same for all children that have ended. Only the parent writes it. */
#define PST_URL_KEPT_COUNT 257

typedef struct pst_shared_urls_t {
    uint32_t seq;               /**< odd while the parent adds a child, until the child's own rows no longer count */
    uint32_t unused;
    pst_shared_url_t rows[PST_URL_KEPT_COUNT];
} pst_shared_urls_t;

/** What the transaction allocators would have kept in total under each limit of PST_LIMIT_LEAST << i.
 *  One sample a second, by the child's watchdog thread. */
#define PST_LIMIT_LEAST 65536u
#define PST_LIMIT_COUNT 8       /* 64K to 8M */

typedef struct pst_shared_limits_t {
    uint64_t samples;
    uint64_t kept[PST_LIMIT_COUNT];     /**< bytes, as last sampled */
    uint64_t peak[PST_LIMIT_COUNT];     /**< bytes: largest sample */
    uint64_t sum[PST_LIMIT_COUNT];      /**< bytes: of all samples; divide by samples for the mean */
    uint64_t real_peak;                 /**< largest sample of what they really kept */
    uint64_t real_sum;
} pst_shared_limits_t;

/**
 * A generation: what httpd calls the time from one reading of its configuration to the next.  A ring in the
 * header's pages: generation n is at n % PST_GENERATION_COUNT, and only there. The parent writes what it held when
 * the generation began; children add themselves as they start and end, and the parent adds those that ended abruptly.
 * Relaxed atomics.
 */
#define PST_GENERATION_COUNT 16

typedef struct pst_shared_maker_t {
    char     name[PST_MODULE_LEN];  /**< its file name, without directories; empty: nobody */
    uint64_t bytes;
} pst_shared_maker_t;

#define PST_MAKER_COUNT 3

typedef struct pst_shared_generation_t {
    uint32_t in_use;            /**< 0 or 1 */
    uint32_t number;            /**< httpd's number; if it is not the one asked for, that generation has been
                                     overwritten */
    /* by module, while it was configured (the post_config hook); largest first */
    pst_shared_maker_t shared[PST_MAKER_COUNT];  /**< shared memory that it made and that still exists */
    pst_shared_maker_t lasting[PST_MAKER_COUNT]; /**< bytes used in pools that outlive the configuration */
    pst_shared_maker_t heap[PST_MAKER_COUNT];    /**< bytes of heap, whether freed later or not */
#define PST_METRIC_GENERATION(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
} pst_shared_generation_t;

/** What shared memory is. */
typedef enum {
    PST_SEGMENT_ANONYMOUS = 0,  /**< of apr_shm_create() without a file, or mmap() */
    PST_SEGMENT_FILE,
    PST_SEGMENT_SYSV,
    PST_SEGMENT_MEMFD,
    PST_SEGMENT_SCOREBOARD,     /**< httpd's */
    PST_SEGMENT_BOARD,          /**< of this module */
    PST_SEGMENT_COUNT_OF_KINDS
} pst_segment_e;

/** Shared memory of the parent, and so of its children: one row for all segments that are alike. Only the parent
 *  writes it. All under seq. */
#define PST_SEGMENT_COUNT 32
#define PST_SEGMENT_LEN   64

typedef struct pst_shared_segment_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t count;             /**< segments; 0: none */
    uint32_t kind;              /**< pst_segment_e */
    uint32_t generation;        /**< in which the newest of them was first seen */
    uint64_t bytes;             /**< mapped, in total */
    uint64_t rss_bytes;         /**< of these, resident in the parent */
    char     name[PST_SEGMENT_LEN];  /**< as the kernel names it */
    char     maker[PST_MODULE_LEN];  /**< the module that made it while being configured; empty: not known */
} pst_shared_segment_t;

/** The role of a server process that is not a child of the MPM. */
typedef enum {
    PST_ROLE_OTHER = 0,
    PST_ROLE_WSGI,              /**< a daemon of mod_wsgi */
    PST_ROLE_CGID,              /**< mod_cgid's daemon */
    PST_ROLE_FCGID,             /**< a mod_fcgid application, or their manager */
    PST_ROLE_PASSENGER,
    PST_ROLE_LOGGER,            /**< a piped logger */
    PST_ROLE_CGI,               /**< a CGI program, or something it runs */
    PST_ROLE_COUNT
} pst_role_e;

/** Whether the parent can see such processes. */
typedef enum {
    PST_RELATIVES_NOT_YET = 0,  /**< it has not looked yet */
    PST_RELATIVES_KNOWN,
    PST_RELATIVES_HIDDEN        /**< there is no /proc, or /proc does not show them */
} pst_relatives_e;

/**
 * A process that descends from the parent and is not a child of the MPM.  Only the parent writes it, every ten
 * seconds or so, from /proc and from its own records.  All under seq.
 */
#define PST_RELATIVE_COUNT 64
#define PST_COMMAND_LEN    96

typedef struct pst_shared_relative_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t pid;               /**< 0: nobody */
    uint32_t parent;            /**< whose child it is */
    uint16_t role;              /**< pst_role_e */
    uint16_t state;             /**< pst_trend_e: of its own memory */
    uint64_t started;           /**< time; 0: not known */
    uint64_t rss_bytes;
    uint64_t own_bytes;         /**< resident, private and not backed by a file */
    uint64_t pss_bytes;         /**< as of pss_time */
    uint64_t pss_time;          /**< time; 0: not known */
    uint64_t since;             /**< time since which it grows */
    double   gained;            /**< bytes, since then */
    double   per_minute;        /**< bytes */
    char     command[PST_COMMAND_LEN]; /**< cut */
} pst_shared_relative_t;

/** How the signal that ended a child is known. */
typedef enum {
    PST_SIGNAL_UNKNOWN = 0,
    PST_SIGNAL_LOGGED,          /**< httpd wrote it to its error log */
    PST_SIGNAL_SILENT,          /**< httpd logged none: of the signals that end a child, it is silent only about
                                     SIGKILL */
    PST_SIGNAL_COUNT
} pst_signal_e;

/** Where a child's own memory is. */
typedef enum {
    PST_PART_PROCESS = 0,       /**< pools of the process scope */
    PST_PART_CONNECTIONS,       /**< pools of connections, without their requests */
    PST_PART_REQUESTS,
    PST_PART_RETAINED,          /**< in APR's allocators, in no pool */
    PST_PART_HEAP,              /**< in use */
    PST_PART_HEAP_FREE,
    PST_PART_MAPPED,
    PST_PART_STACKS,
    PST_PART_COUNT
} pst_part_e;

/** A request that a child was serving when it ended, or one of its largest. */
typedef struct pst_shared_loss_request_t {
    uint64_t reserved_bytes;
    uint64_t duration;          /**< microseconds: from its start until the child ended, or in all */
    uint32_t state;             /**< pst_loss_request_e */
    uint32_t unused;
    char     vhost[PST_VHOST_LEN];
    char     line[PST_LINE_LEN];
} pst_shared_loss_request_t;

typedef enum {
    PST_LOSS_REQUEST_NONE = 0,
    PST_LOSS_REQUEST_SERVED,    /**< it was being served */
    PST_LOSS_REQUEST_FINISHED,  /**< none was being served: one of the child's largest */
    PST_LOSS_REQUEST_COUNT
} pst_loss_request_e;

/**
 * A child that ended abruptly while httpd was not stopping: the last contents of its block. Only the parent writes
 * it, when it learns of the end; it stays when another child takes the block. All under seq.
 */
#define PST_LOSS_COUNT    16
#define PST_LOSS_REQUESTS 4
#define PST_LOSS_LARGE    67108864u     /* own bytes from which a loss is worth a finding */

typedef struct pst_shared_loss_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t pid;               /**< 0: nobody */
    uint32_t generation;
    uint16_t signal;            /**< 0: not known */
    uint16_t signal_how;        /**< pst_signal_e */
    uint64_t number;            /**< the first is 1 */
    uint64_t started;           /**< time */
    uint64_t ended;             /**< time */
    uint64_t books_time;        /**< time: when its RSS was last measured; 0: never */
    uint64_t rss_bytes;
    uint64_t own_bytes;         /**< resident or swapped, private and not backed by a file; or what is known to be
                                     held, if that is more */
    uint64_t before_bytes;      /**< RSS: the least on record */
    uint64_t before_time;       /**< time of that; 0: no record */
    uint64_t parts[PST_PART_COUNT]; /**< bytes */
    uint32_t oom_known;         /**< 0 or 1: the kernel reports what its OOM killer did */
    uint32_t oom_kills;         /**< processes that it killed in these seconds */
    uint32_t oom;               /**< 0 or 1: this child was one of them */
    uint32_t oom_whole;         /**< 0 or 1: kills on the whole machine are counted, not just in the server's cgroup */
    pst_shared_who_t who;       /**< who held most of the largest part; site 0: not known */
    pst_shared_loss_request_t requests[PST_LOSS_REQUESTS];
} pst_shared_loss_t;

/** Whose limit memory_limit_bytes is. */
typedef enum {
    PST_MEMORY_UNKNOWN = 0,
    PST_MEMORY_MACHINE,         /**< all memory of the machine */
    PST_MEMORY_CGROUP           /**< less: the limit of its cgroup or one above it */
} pst_memory_e;

/** Mappings that remained after a request ended, in a child that serves one at a time. */
typedef struct pst_shared_surge_t {
    uint32_t seq;               /**< odd while what follows is written */
    uint32_t unused;
    uint64_t kept_bytes;        /**< what it left that was still mapped at the end of the last request; 0: none, or
                                     all is gone */
    uint64_t took_bytes;        /**< at its peak, beyond what was mapped before */
    uint64_t finished;          /**< time */
    uint64_t usual_bytes;       /**< what other requests take at their peaks: the mean of recent ones */
    uint64_t requests;          /**< number of those other requests */
    char     line[PST_LINE_LEN];
    char     vhost[PST_VHOST_LEN];
    char     handler[PST_HANDLER_LEN];
} pst_shared_surge_t;

/** A request to the heap profile: the low bits are the rate, 0 for off. Children accept no other rates. */
#define PST_HEAP_ASKED_BITS 41
#define PST_HEAP_ASKED_RATE (((uint64_t)1 << PST_HEAP_ASKED_BITS) - 1)
#define PST_HEAP_ASKED_OF(generation) ((((uint64_t)(generation) & 0x3fffff) + 1) << PST_HEAP_ASKED_BITS)
#define PST_HEAP_RATE_LEAST ((uint64_t)4096)
#define PST_HEAP_RATE_MOST  ((uint64_t)1 << 40)

#define PST_REASON_LEN 160

/** One child.  Its slots follow at PST_CHILD_HEAD, then classes, call sites, largest requests, sizes, misuses,
 *  requested URLs. */
typedef struct pst_shared_child_t {
    uint32_t owner;             /**< pid, 0 = free; claimed by compare-and-swap */
    uint32_t generation;        /**< httpd's: counts graceful restarts */
    uint32_t level;             /**< pst_level_e */
    uint32_t ready;             /**< 1 once its owner has initialised the block */
    uint32_t pid;               /**< whose figures these are; unlike owner it stays after the child ends */
    uint32_t ended_how;         /**< pst_end_e */
    uint32_t bell;              /**< futex word: changed and woken by whoever wants the child's watchdog to look */
    uint32_t obeys;             /**< 0 or 1: it releases memory and switches its heap profile on request */
    uint64_t started;           /**< time */
    uint64_t ended;             /**< time; 0 while it runs, or if the block was never claimed */
    uint64_t profile_rate;      /**< bytes of growth between samples, on average; 0: no call sites */
    uint64_t heap_profile_rate; /**< bytes of heap or mappings between samples, on average; 0: off */
    uint64_t heap_profile_since; /**< time: when it was switched on; earlier allocations are not known; 0: off */
    uint64_t heap_asked;        /**< by whoever wants another rate (atomic): an increasing number, and the rate */
    uint64_t heap_answered;     /**< value of heap_asked when the child last complied or refused */
    uint32_t release_asked;     /**< raised (atomic) by whoever wants this child to release memory */
    uint32_t release_done;      /**< value of release_asked when the last release began; set when it is done */
    char     reason[PST_REASON_LEN]; /**< why level is not PST_LEVEL_FULL, else empty */
#define PST_METRIC_CHILD(...) uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
    pst_shared_usage_t process;     /**< process scope */
    pst_shared_usage_t unslotted;   /**< connections that found no slot, including their requests */
    pst_shared_verdict_t verdict;   /**< on the process scope */
    pst_shared_verdict_t heap_verdict;  /**< on the heap's bytes in use; its scope is unused */
    pst_shared_verdict_t mapped_verdict;    /**< on other_bytes: mappings that are not heap, stacks or APR's */
    pst_shared_verdict_t stack_verdict;     /**< on stack_bytes */
    pst_shared_share_t share;       /**< of verdict */
    pst_shared_share_t heap_share;  /**< of heap_verdict */
    /** on what all connections, and all requests, hold in total while their number stays the same; the one for the
     *  process scope is unused */
    pst_shared_verdict_t sum_verdicts[PST_SCOPE_COUNT];
    pst_shared_blame_t blame[PST_SCOPE_OF_SITES];
    pst_shared_books_t books;
    pst_shared_surge_t surge;
    pst_shared_limits_t limits;     /**< what other values of MaxMemFree would have kept */
    uint64_t misuses[PST_MISUSE_COUNT]; /**< of each kind, including those that found no row */
    uint32_t misuse_rows;           /**< rows of misuses in use, from the first on */
    uint32_t check_asked;           /**< raised (atomic) by whoever wants this child to check according to
                                         check_wanted */
    uint32_t check_done;            /**< value of check_asked when the child last looked */
    uint32_t unused;
    uint64_t check_wanted;          /**< pst_checks_pack() */
    uint64_t checks;                /**< the same format: what is on */
} pst_shared_child_t;

#define PST_ALIGN_UP(n, to) (((n) + (to) - 1) / (to) * (to))
#define PST_CHILD_HEAD PST_ALIGN_UP(sizeof(pst_shared_child_t), 64)

/**
 * One moment of a child.  Sizes are counted in pages of 4096 bytes, of which APR's
 * nodes are whole multiples (BOUNDARY_SIZE in apr_pools.c, 1.7.2): so APR's sizes are exact. Retained is held minus
 * the rest.  Counters and the time are the low bits
 * of 64: pst_history.h restores them.
 */
typedef struct pst_shared_point_t {
    uint32_t time;              /**< milliseconds since the epoch, low bits */
    uint32_t process;           /**< pages */
    uint32_t connections;       /**< pages, without their current requests */
    uint32_t requests;          /**< pages */
    uint32_t buckets;           /**< pages */
    uint32_t held;              /**< pages; never less than the sum of the ones above */
    uint32_t peak;              /**< pages: child_peak_bytes */
    uint32_t connections_open;
    uint32_t requests_finished; /**< low bits */
    uint32_t process_pools;     /**< live pools of the process scope */
    uint32_t process_new;       /**< pages: grown_new_bytes */
    uint32_t process_again;     /**< pages: grown_again_bytes */
    uint32_t requests_new;      /**< low bits */
    uint32_t requests_new_open;
    uint32_t slack;             /**< pages, rounded down: over all scopes */
    uint32_t rss;               /**< pages, as last measured, like all that follow; 0 until first measured */
    uint32_t pss;               /**< pages, rounded down */
    uint32_t private_dirty;     /**< pages */
    uint32_t swap;              /**< pages */
    uint32_t heap_in_use;       /**< pages, rounded down */
    uint32_t heap_free;         /**< pages, rounded down */
    uint32_t heap_arenas;
    uint32_t heap_read;         /**< low bits of heap_time; unchanged from an earlier point: the heap figures are that
                                     point's */
    uint32_t file;              /**< pages */
    uint32_t shmem;             /**< pages */
    uint32_t stacks;            /**< pages */
    uint32_t data;              /**< pages */
    uint32_t other;             /**< pages, rounded down */
} pst_shared_point_t;

#define PST_HISTORY_PAGE   4096
#define PST_HISTORY_COARSE 1440     /* a day of minutes */

/**
 * A child's history.  Followed by fine_count + 1 fine and coarse_count + 1 coarse
 * points; point n of a ring of N is at n % N. The one being written is the oldest: readers skip it.
 */
typedef struct pst_shared_history_t {
    uint32_t pid;               /**< as in the block; if different, nothing is recorded yet */
    uint32_t unused;
    uint64_t started;           /**< as in the block */
    uint64_t last;              /**< time of the last point */
    uint64_t fine_written;      /**< points ever written; raised when a point is complete */
    uint64_t coarse_written;
} pst_shared_history_t;

#define PST_HISTORY_HEAD PST_ALIGN_UP(sizeof(pst_shared_history_t), 64)

#define PST_METRIC_NAME_LEN 40
#define PST_METRIC_PROM_LEN 56

typedef struct pst_shared_descriptor_t {
    char     name[PST_METRIC_NAME_LEN];
    char     prom[PST_METRIC_PROM_LEN];
    uint8_t  kind;              /**< pst_metric_kind_e */
    uint8_t  unit;              /**< pst_metric_unit_e */
    uint8_t  at;                /**< pst_metric_at_e */
    uint8_t  level;             /**< pst_metric_show_e */
    uint32_t offset;            /**< of the uint64_t, see pst_metric_at_e */
} pst_shared_descriptor_t;

#define PST_TEXT_LEN 96

typedef struct pst_shared_header_t {
    char     magic[8];          /**< PST_BOARD_MAGIC, no NUL; written last */
    uint32_t version;           /**< PST_BOARD_VERSION */
    uint32_t header_size;       /**< bytes before block 0 */
    uint32_t child_size;        /**< bytes of one block, slots included */
    uint32_t child_count;       /**< blocks */
    uint32_t child_head;        /**< bytes before slot 0 in a block */
    uint32_t slot_size;         /**< bytes of one slot */
    uint32_t slot_count;        /**< slots of one block */
    uint32_t descriptor_at;     /**< offset of the descriptors */
    uint32_t descriptor_count;
    uint32_t parent;            /**< pid of the httpd parent */
    uint32_t complained;        /**< 1 once a child has logged why it is not instrumented (atomic) */
    uint32_t module_at;         /**< offset of the table of objects */
    uint32_t module_count;
    uint32_t class_at;          /**< offset of the classes in a block */
    uint32_t class_size;
    uint32_t class_count;
    uint32_t site_at;           /**< offset of the call sites in a block */
    uint32_t site_size;
    uint32_t site_count;
    uint32_t large_at;          /**< offset of the largest requests in a block */
    uint32_t large_size;
    uint32_t large_count;
    uint32_t misuse_at;         /**< offset of the misuses in a block */
    uint32_t misuse_size;
    uint32_t misuse_count;
    uint32_t sizes_at;          /**< offset of the sizes of requests in a block */
    uint32_t sizes_size;
    uint32_t sizes_count;
    uint32_t url_at;            /**< offset of the requested URLs in a block */
    uint32_t url_size;
    uint32_t url_count;
    uint32_t urls_at;           /**< offset of the same for children that have ended */
    uint32_t urls_size;
    uint32_t generation_at;     /**< offset of the generations */
    uint32_t generation_size;
    uint32_t generation_count;
    uint32_t relative_at;       /**< offset of the relatives */
    uint32_t relative_size;
    uint32_t relative_count;
    uint32_t segment_at;        /**< offset of the segments */
    uint32_t segment_size;
    uint32_t segment_count;
    uint32_t segments_more;     /**< segments that found no free row */
    uint64_t segments_time;     /**< time: when the parent last looked; 0: never, or /proc cannot be read */
    uint32_t loss_at;           /**< offset of the losses */
    uint32_t loss_size;
    uint32_t loss_count;
    uint32_t unused;
    uint32_t relatives_known;   /**< pst_relatives_e */
    uint64_t relatives_time;    /**< time: when the parent last looked */
    uint32_t relatives_more;    /**< such processes that found no free row */
    uint32_t relatives_cut;     /**< 0 or 1: the machine has more processes than are examined */
    uint64_t created;           /**< time */
    uint64_t homeless;          /**< children that found no free block, ever (atomic) */
    uint64_t heap_asked;        /**< the same for all children (atomic), PST_HEAP_ASKED_OF the generation; 0: never */
    uint64_t check_wanted;      /**< what all children are to check, pst_checks_pack() (atomic) */
    uint64_t check_asked;       /**< 1 plus the generation that it was asked of, written last (atomic); 0: never */
#define PST_METRIC_SERVER(...) uint64_t PST_FIELD(__VA_ARGS__); /* by the parent, as a generation begins */
#include "poolstat_metrics.def"
    uint32_t memory_kind;       /**< pst_memory_e */
    uint32_t told;              /**< bits (atomic): messages about PoolStatMaxChild that one child has logged for all;
                                     0 again after a restart */
    uint64_t turn;              /**< pst_turn.h: which child may leave; pid << 32 | second */
    uint64_t history_at;        /**< offset of history 0 */
    uint32_t history_size;      /**< bytes of one history, 0 if there are none */
    uint32_t point_size;        /**< bytes of one point */
    uint32_t fine_count;        /**< fine points that a reader gets */
    uint32_t coarse_count;      /**< coarse points that a reader gets: one a minute */
    uint32_t interval;          /**< seconds between fine points */
    uint32_t history_by;        /**< pst_history_by_e */
    uint32_t claimed;           /**< blocks from 0 up that were ever claimed (atomic): those beyond are holes in the
                                     file */
    char     server[PST_TEXT_LEN];    /**< httpd's version and build */
    char     module[PST_TEXT_LEN];    /**< mod_poolstat's and APR's version */
    char     mpm[PST_PROTOCOL_LEN];
} pst_shared_header_t;

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(pst_shared_slot_t) <= 512, "a slot keeps to the budget of 512 bytes");
_Static_assert(sizeof(pst_shared_slot_t) % 8 == 0, "slots are an array of aligned figures");
_Static_assert(sizeof(pst_shared_class_t) % 8 == 0 && sizeof(pst_shared_site_t) % 8 == 0,
               "classes and sites are arrays of aligned figures");
_Static_assert(sizeof(pst_shared_large_t) % 8 == 0 && sizeof(pst_shared_sizes_t) % 8 == 0,
               "largest requests and sizes are arrays of aligned figures");
_Static_assert(sizeof(pst_shared_misuse_t) % 8 == 0, "misuses are an array of aligned figures");
_Static_assert(sizeof(pst_shared_url_t) % 8 == 0, "what was asked for is an array of aligned figures");
_Static_assert(sizeof(pst_shared_usage_t) % 8 == 0, "usages are made of 64-bit figures");
_Static_assert(sizeof(pst_shared_generation_t) % 8 == 0, "generations are an array of aligned figures");
_Static_assert(sizeof(pst_shared_relative_t) % 8 == 0, "relatives are an array of aligned figures");
_Static_assert(sizeof(pst_shared_segment_t) % 8 == 0, "segments are an array of aligned figures");
_Static_assert(sizeof(pst_shared_loss_t) % 8 == 0, "losses are an array of aligned figures");
_Static_assert(sizeof(pst_shared_books_t) % 8 == 0, "books are made of 64-bit figures");
_Static_assert(sizeof(pst_shared_point_t) == 112, "600 fine points and a day of coarse ones keep to 224 KiB");
#endif

#endif /* POOLSTAT_BOARD_H */
