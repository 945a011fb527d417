/* SPDX-License-Identifier: Apache-2.0
 *
 * An address range of our own, for memory that is closed when it ends: any later access is noticed.
 *
 *      run of pages           guard page
 *   |  taken  | taken | taken |  closed  |  free ...       the hand goes round, ended runs are freed behind it
 *                                         ^ hand
 *
 * A run is whole pages with a closed page behind it.  When it ends its pages are closed and stay in quarantine with
 * their contents until the quarantine exceeds its limit: then those that ended first become free. The hand goes
 * round, so an address is reused as late as possible.
 *
 * Concurrency: without locks. Any thread takes and frees; the owner ends a run; any thread opens, even in a signal
 * handler.
 *
 * Called by: start, worker, watchdog, signal
 */
#ifndef PST_RANGE_H
#define PST_RANGE_H

#include <apr.h>
#include <apr_errno.h>

#define PST_RANGE_PAGE 4096u

/** States of a page. */
typedef enum {
    PST_RANGE_NEVER = 0,        /**< never used */
    PST_RANGE_FREE,             /**< closed; used long ago */
    PST_RANGE_TAKEN,            /**< closed; being opened for a run */
    PST_RANGE_LIVE,             /**< open */
    PST_RANGE_BEHIND,           /**< closed: the page behind a run */
    PST_RANGE_ENDED,            /**< closed, in quarantine */
    PST_RANGE_OPENED            /**< one of these, opened again */
} pst_range_e;

extern struct pst_range_t {
    apr_uintptr_t base;
    apr_size_t    size;         /* 0: there is none */
} pst_range;

/** Is that address in the range? Any thread, any context; two instructions and a comparison. */
static APR_INLINE int pst_range_has(const void *at)
{
    return (apr_uintptr_t)at - pst_range.base < pst_range.size;
}

/** Called when a run becomes free. */
typedef void pst_range_freed_fn(apr_uint32_t owner, int was_counted, apr_size_t size);

/**
 * Once: reserve it, as large as possible: addresses only. @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_range_reserve(pst_range_freed_fn *freed);

/** Set how many bytes may be in quarantine. */
void pst_range_limit(apr_size_t quarantine);

/** Take this many bytes, whole pages. Any thread. @param owner of the run, not 0 @return NULL: do without */
void *pst_range_take(apr_size_t size, apr_uint32_t owner);

/** End a run. Its holder. @param owner from now on; 0: as before @param counted is passed to the freed_fn */
void pst_range_close(void *at, apr_size_t size, apr_uint32_t owner, int counted);

/** Give a run to another owner. Its holder. */
void pst_range_give(void *at, apr_uint32_t owner);

/** Abandon a run: it has no owner any more, but stays open until it is freed. */
void pst_range_leave(void *at, int counted);

/** A page of the range: its state and owner, and the start and size of its run. Any context. */
typedef struct pst_range_page_t {
    pst_range_e   is;
    apr_uint32_t  owner;
    apr_uintptr_t run;
    apr_size_t    size;
} pst_range_page_t;
void pst_range_look(pst_range_page_t *page, const void *at);

/** Open the page of that address. Any context. @return 1: it was closed; 0: it was open; -1: it cannot be opened */
int pst_range_open(const void *at);

/** The same for all pages that are in quarantine. @return how many of them were closed */
unsigned pst_range_open_span(const void *at, apr_size_t size, const void **first);

/** Free what ended before that time (seconds), and what exceeds the limit. Any thread. */
void pst_range_sweep(apr_uint32_t before);

/** Bytes now in quarantine. */
apr_size_t pst_range_quarantine(void);

/** Runs that are not free. */
apr_uint32_t pst_range_runs(void);

#endif /* PST_RANGE_H */
