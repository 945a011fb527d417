/* SPDX-License-Identifier: Apache-2.0
 *
 * What PoolStatCheck switches on: its words, and the one number that the board has for them.
 *
 * Pure; any process, any thread.
 *
 * Called by: any
 */
#ifndef PST_CHECKS_H
#define PST_CHECKS_H

#include <apr.h>

/** Pools that guard is for: bits. */
typedef enum {
    PST_GUARD_REQUEST = 1,      /**< made below a connection's own pool: requests' above all */
    PST_GUARD_CONNECTION = 2,   /**< made with an allocator of its own, below a pool of the process: transactions' */
    PST_GUARD_SECONDARY = 4,    /**< the same, below a connection's: streams' */
    PST_GUARD_ALL = 8           /**< whatever is made */
} pst_guard_e;

#define PST_CHECKS_MOST 0xffffffu   /* N of 1/N */

typedef struct pst_checks_t {
    apr_uint32_t guard;         /**< one in so many pools; 0: off */
    apr_uint32_t kinds;         /**< pst_guard_e */
    apr_uint32_t threads;       /**< one in so many operations is watched; 0: off */
    int          buckets;       /**< 0 or 1: brigades are looked through at filters */
    int          fence;         /**< 0 or 1: each allocation of a guarded pool has an end of its own */
} pst_checks_t;

#define PST_CHECKS_TEXT 96

/**
 * Words of the directive, of a form or of a command line: "guard 1/1000 request threads 1/50 buckets", or "Off".
 * @param error  room for a sentence of PST_CHECKS_ERROR bytes; hostile words are cut in it
 * @return 1, or 0 with the sentence
 */
#define PST_CHECKS_ERROR 256
int pst_checks_parse(pst_checks_t *checks, int count, const char *const *words, char *error);

/** The words again, as short as they can be. @param to room for PST_CHECKS_TEXT */
char *pst_checks_text(char *to, const pst_checks_t *checks);

/** One number, 0 for all off; and back: whatever the number, what comes out is valid. */
apr_uint64_t pst_checks_pack(const pst_checks_t *checks);
void pst_checks_unpack(pst_checks_t *checks, apr_uint64_t packed);

#endif /* PST_CHECKS_H */
