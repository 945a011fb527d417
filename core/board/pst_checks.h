/* SPDX-License-Identifier: Apache-2.0
 *
 * What PoolStatCheck switches on: its words, and the one number that represents them on the board.
 *
 * Pure; any process, any thread.
 *
 * Called by: any
 */
#ifndef PST_CHECKS_H
#define PST_CHECKS_H

#include <apr.h>

/** Pools that guard applies to: bits. */
typedef enum {
    PST_GUARD_REQUEST = 1,      /**< made below a connection's own pool: requests' above all */
    PST_GUARD_CONNECTION = 2,   /**< made with an allocator of their own below a pool of the process: transactions' */
    PST_GUARD_SECONDARY = 4,    /**< the same below a connection's pool: streams' */
    PST_GUARD_ALL = 8           /**< all pools */
} pst_guard_e;

#define PST_CHECKS_MOST 0xffffffu   /* largest N in 1/N */

typedef struct pst_checks_t {
    apr_uint32_t guard;         /**< guard one pool in this many; 0: off */
    apr_uint32_t kinds;         /**< pst_guard_e */
    apr_uint32_t threads;       /**< watch one operation in this many; 0: off */
    int          buckets;       /**< 0 or 1: brigades are examined at filters */
    int          fence;         /**< 0 or 1: each allocation of a guarded pool has its own fence */
} pst_checks_t;

#define PST_CHECKS_TEXT 96

/**
 * Words of the directive, of a form or of a command line: "guard 1/1000 request threads 1/50 buckets", or "Off".
 * @param error  room for a sentence of PST_CHECKS_ERROR bytes; hostile words are cut
 * @return 1, or 0 with the sentence
 */
#define PST_CHECKS_ERROR 256
int pst_checks_parse(pst_checks_t *checks, int count, const char *const *words, char *error);

/** Back to words, as short as possible. @param to room for PST_CHECKS_TEXT */
char *pst_checks_text(char *to, const pst_checks_t *checks);

/** The same of what pst_checks_pack() made. */
const char *pst_checks_packed_text(char *to, apr_uint64_t packed);

/** Pack into one number, 0 for all off; and unpack: whatever the number, the result is valid. */
apr_uint64_t pst_checks_pack(const pst_checks_t *checks);
void pst_checks_unpack(pst_checks_t *checks, apr_uint64_t packed);

#endif /* PST_CHECKS_H */
