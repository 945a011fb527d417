/* SPDX-License-Identifier: Apache-2.0
 *
 * Redirect calls between loaded objects by rewriting their global offset tables.
 * Knows ELF, not APR.  In this process only: call it in a child, never in the
 * httpd parent (DESIGN.md 3.3).
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_GOT_H
#define PST_GOT_H

#include <apr.h>
#include <apr_errno.h>
#include "pst_pages.h"

/** One function to redirect. */
typedef struct pst_got_entry_t {
    const char *name;       /**< symbol */
    void       *wrapper;    /**< where calls are to go */
    void       *real;       /**< where they went before; set by the caller */
    const void *only_in;    /**< rewrite only in the object that holds this address; NULL: in all */
    unsigned    slots;      /**< slots that point to wrapper now; counted by pst_got_patch() */
    apr_uint64_t beginning; /**< of the name; pst_got_patch() sets it */
} pst_got_entry_t;

#define PST_GOT_BACK 1      /**< restore: point slots to the real functions again */
#define PST_GOT_LATE 2      /**< other threads run: leave an object that the loader may still be relocating */

/** What to redirect, and where. */
typedef struct pst_got_job_t {
    pst_got_entry_t   *entries;
    apr_size_t         count;
    const pst_pages_t *pages;   /**< the process's current mappings: anything not in the list is left untouched */
    int                flags;   /**< PST_GOT_* */
    apr_size_t         skip;    /**< objects at the front of the loader's list that are already patched */
    const void *const *not_in;  /**< skip the objects that contain these addresses, NULL-terminated; NULL: none */
} pst_got_job_t;

/**
 * Redirect every slot of every loaded object that names one of the entries to
 * its wrapper, or back to its real function; and pointers in data that the loader set to it.
 * Slots that are already correct are left alone, so calling it again after a dlopen() costs one walk over the
 * relocations and changes only what is new.
 *
 * Takes the dynamic loader's lock for the walk.  One thread at a time.
 * @param stores  how many slots were changed
 * @return APR_SUCCESS; APR_ENOTIMPL without ELF or on an unknown architecture;
 *         APR_EAGAIN if slots were left for a later call: their pages are not in the list or not writable, or the
 *         loader is not finished with them (PST_GOT_LATE);
 *         else the error of the first slot that could not be made writable
 *         (the others are still rewritten)
 */
apr_status_t pst_got_patch(const pst_got_job_t *what, apr_size_t *stores);

/** The loader's list. */
typedef struct pst_got_loads_t {
    apr_uint64_t loaded, unloaded;  /**< since the process began (dlpi_adds, dlpi_subs) */
    apr_size_t   objects;           /**< in the list: new ones are appended */
} pst_got_loads_t;

void pst_got_look(pst_got_loads_t *loads);

/** Can calls be redirected at all: is this ELF on a processor whose relocations are known? */
int pst_got_able(void);

/**
 * How many objects have been loaded since the process began (dlpi_adds); it changes when there may be something new
 * to patch. 0 if unknown.
 */
apr_uint64_t pst_got_loads(void);

/** Keep the object that holds address in memory until the process ends. @return 1 if done */
int pst_got_pin(const void *address);

#endif /* PST_GOT_H */
