/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled mappings, by the addresses they cover. A program may unmap a part, trim the edges, or get the same
 * addresses again: so a span can shrink, be cut in two, and be replaced.
 *
 * Any thread, any context; nobody waits: what cannot be looked up at once is left to the next thread that can.
 *
 * Called by: start (pst_span_start), worker, signal
 */
#ifndef PST_SPAN_H
#define PST_SPAN_H

#include <apr.h>

#define PST_SPAN_COUNT   1024u      /* spans at a time */
#define PST_SPAN_PENDING 64u        /* unmapped while another thread held the table */

typedef struct pst_span_t {
    apr_uintptr_t from, to;
    apr_uint32_t  site;             /**< pst_site.h: the site charged */
    apr_uint64_t  size;             /**< bytes of it that are still mapped */
    apr_uint64_t  weight;           /**< bytes they stand for */
} pst_span_t;

/** What a site holds has changed: part of a span was unmapped, or a span was cut in two. */
typedef void (*pst_span_fn)(apr_uint32_t site, int spans, apr_int64_t size, apr_int64_t weight);

/** Child, once: set the callback. */
void pst_span_start(pst_span_fn changed);

/** Forget whatever is known about these addresses. Call it BEFORE they are unmapped, so that nobody else can have
 *  them yet; and when an unsampled call has mapped them. */
void pst_span_cut(apr_uintptr_t from, apr_uintptr_t to);

/** A new span, replacing whatever is known about its addresses. @return 0 if there was no room */
int pst_span_add(const pst_span_t *span);

#endif /* PST_SPAN_H */
