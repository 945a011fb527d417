/* SPDX-License-Identifier: Apache-2.0
 *
 * A range of addresses of our own, for memory that is closed when it ends: whoever touches it afterwards is noticed.
 *
 *      run of pages           guard page
 *   |  taken  | taken | taken |  closed  |  free ...       the hand goes round, what ended is freed behind it
 *                                         ^ hand
 *
 * A run is whole pages with a closed page behind it.  As it ends its pages are closed and stay in quarantine with what
 * they hold, until there is more in quarantine than may be: then those that ended first are free again.  The hand goes
 * round, so an address comes back as late as can be.
 *
 * Concurrency: taking and freeing are one thread's at a time (pst_flag.h: who cannot have the flag does without a run);
 * ending is its owner's, with no flag; opening is anybody's, in a signal handler too.
 *
 * Called by: start, worker, watchdog, signal
 */
#ifndef PST_RANGE_H
#define PST_RANGE_H

#include <apr.h>
#include <apr_errno.h>

#define PST_RANGE_PAGE 4096u

/** What may be said of a page. */
typedef enum {
    PST_RANGE_NEVER = 0,        /**< nothing was there yet */
    PST_RANGE_FREE,             /**< closed; something was there long ago */
    PST_RANGE_LIVE,             /**< open */
    PST_RANGE_BEHIND,           /**< closed: the page behind a run */
    PST_RANGE_ENDED,            /**< closed, in quarantine */
    PST_RANGE_OPENED            /**< one of these that was opened again */
} pst_range_e;

extern struct pst_range_t {
    apr_uintptr_t base;
    apr_size_t    size;         /* 0: there is none */
} pst_range;

/** Does that address lie in the range? Any thread, any context; two instructions and a comparison. */
static APR_INLINE int pst_range_has(const void *at)
{
    return (apr_uintptr_t)at - pst_range.base < pst_range.size;
}

/** Somebody's run is free again. */
typedef void pst_range_freed_fn(apr_uint32_t owner, int was_counted, apr_size_t size);

/**
 * Once: reserve it, as large as can be had: addresses alone. @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_range_reserve(pst_range_freed_fn *freed);

/** From now on so many bytes may be in quarantine. */
void pst_range_limit(apr_size_t quarantine);

/** Take so many bytes, whole pages. Any thread. @param owner of the run, not 0 @return NULL: do without */
void *pst_range_take(apr_size_t size, apr_uint32_t owner);

/** A run ends. Whoever holds it. @param owner from now on; 0: as before @param counted is handed to the freed_fn */
void pst_range_close(void *at, apr_size_t size, apr_uint32_t owner, int counted);

/** A run is another owner's. Whoever holds it. */
void pst_range_give(void *at, apr_uint32_t owner);

/** A run that is nobody's any more, but stays open until it is freed. */
void pst_range_leave(void *at, int counted);

/** Of a page of the range: what it is, and whose; where its run begins, and its size. Any context. */
typedef struct pst_range_page_t {
    pst_range_e   is;
    apr_uint32_t  owner;
    apr_uintptr_t run;
    apr_size_t    size;
} pst_range_page_t;
void pst_range_look(pst_range_page_t *page, const void *at);

/** Open the page of that address. Any context. @return 1: it was closed; 0: it was open; -1: it cannot be opened */
int pst_range_open(const void *at);

/** The same of all pages that are in quarantine. @return how many of them were closed */
unsigned pst_range_open_span(const void *at, apr_size_t size, const void **first);

/** Free what ended before that time (seconds), and what there is too much of. Any thread. */
void pst_range_sweep(apr_uint32_t before);

/** Bytes that are in quarantine now. */
apr_size_t pst_range_quarantine(void);

/** Runs that are not free. */
apr_uint32_t pst_range_runs(void);

#endif /* PST_RANGE_H */
