/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at memory that may not be mapped.
 *
 * Called by: start, watchdog
 */
#ifndef PST_PEEK_H
#define PST_PEEK_H

#include <apr.h>

#define PST_THERE_MOST (APR_UINT64_C(64) << 20)     /**< bytes that are examined page by page */

/** Bytes per page. */
apr_uint64_t pst_page_size(void);

/**
 * Read this process's own memory without the risk of a fault.
 * @return whether all of it could be read
 */
int pst_peek(void *to, apr_uint64_t from, apr_size_t size);

/**
 * How much of a piece of this process's own anonymous memory is present: resident plus swapped, or only resident if
 * pagemap cannot be read, as in a child that has changed its user.
 * @param from, to  page-aligned, at most 64 MB apart
 * @return whether it is known
 */
int pst_there(apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes);

/** The bytes of pages between two addresses that are resident or swapped. @return whether it is known */
int pst_there_by_pagemap(apr_uint32_t pid, apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes);

/** The same for this process's anonymous memory, resident pages only. */
int pst_there_by_mincore(apr_uint64_t from, apr_uint64_t to, apr_uint64_t *bytes);

#endif /* PST_PEEK_H */
