/* SPDX-License-Identifier: Apache-2.0
 *
 * Access rights of this process's pages: a list of all its mappings from /proc/self/maps. Complete, or none at all.
 *
 * Called by: start, watchdog
 */
#ifndef PST_PAGES_H
#define PST_PAGES_H

#include <apr.h>
#include <apr_errno.h>

#define PST_PAGES_READ  1
#define PST_PAGES_WRITE 2
#define PST_PAGES_EXEC  4
#define PST_PAGES_OWN   8       /**< private: stores there affect only this process */

/** Room for mappings in a list; neighbours with the same rights count as one. */
#define PST_PAGES_MOST 32768u

typedef struct pst_pages_range_t {
    apr_uintptr_t from, to;
    unsigned      rights;       /**< PST_PAGES_* */
} pst_pages_range_t;

typedef struct pst_pages_t {
    pst_pages_range_t *at;      /**< ascending; neighbours with the same rights are one */
    apr_size_t         count;
} pst_pages_t;

/**
 * Take the list.  It opens one file and makes one mapping; no other call can fail. Any thread; what others map or
 * unmap meanwhile may or may not be included, everything else is.
 * @param why  set to a sentence (static) if the result is not APR_SUCCESS; there is no list then
 */
apr_status_t pst_pages_take(pst_pages_t *pages, const char **why);

/** The rights of a whole range of addresses: those that all its pages have; also 0 if part of it is not in the list. */
unsigned pst_pages_rights(const pst_pages_t *pages, apr_uintptr_t from, apr_size_t size);

void pst_pages_drop(pst_pages_t *pages);

#endif /* PST_PAGES_H */
