/* SPDX-License-Identifier: Apache-2.0
 *
 * Mappings that were sampled, by the addresses they cover. Who maps may unmap a part, trim the edges, get the same
 * addresses again: so a span can shrink, be cut in two, and be replaced.
 *
 * Any thread, any context; nobody waits: what cannot be looked up at once is left to
 * the next who can.
 *
 * Called by: start (pst_span_start), worker, signal
 */
#ifndef PST_SPAN_H
#define PST_SPAN_H

#include <apr.h>

#define PST_SPAN_COUNT   1024u      /* spans at a time */
#define PST_SPAN_PENDING 64u        /* unmapped while somebody else was in */

typedef struct pst_span_t {
    apr_uintptr_t from, to;
    apr_uint32_t  site;             /**< pst_site.h: who is charged */
    apr_uint64_t  size;             /**< bytes of it that are still mapped */
    apr_uint64_t  weight;           /**< bytes they stand for */
} pst_span_t;

/** A change of what a site holds: a part of a span went, a span was cut in two. */
typedef void (*pst_span_fn)(apr_uint32_t site, int spans, apr_int64_t size, apr_int64_t weight);

/** Child, once: whom to tell. */
void pst_span_start(pst_span_fn changed);

/** Whatever is known of these addresses goes. BEFORE they are unmapped, so that nobody else can have them yet;
 *  and when they were mapped by whoever is not sampled. */
void pst_span_cut(apr_uintptr_t from, apr_uintptr_t to);

/** A new span, in place of whatever is known of its addresses. @return 0 if there was no room */
int pst_span_add(const pst_span_t *span);

#endif /* PST_SPAN_H */
