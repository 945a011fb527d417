/* SPDX-License-Identifier: Apache-2.0
 *
 * Function names and source lines, read by a helper process from objects and their debug files.
 *
 * Those files are untrusted input, and reading them takes time and memory; so a separate unprivileged process with
 * bounded time and memory does it: poolstat --resolve (tool/command/poolstat_resolve.c). Its answers are cached.
 * Without it, or when it is too slow, nothing is known, and views show what they can without it.
 *
 * Reading side: any process, any thread; the caller starts the helper, one at a time, and callers do not wait for
 * each other.
 *
 * Called by: start (pst_resolver_use), reader
 */
#ifndef PST_RESOLVER_H
#define PST_RESOLVER_H

#include <apr.h>

#define PST_RESOLVED_COUNT 2048     /* places that are cached */
#define PST_RESOLVED_NAME  96
#define PST_RESOLVED_FILE  128

/** What is known of a place; never changes. Texts are cut and free of control characters, but otherwise hostile. */
typedef struct pst_resolved_t {
    apr_uint64_t id, offset;        /**< as on the board: the object's build, and the offset in it */
    char         function[PST_RESOLVED_NAME];   /**< empty: none */
    char         file[PST_RESOLVED_FILE];       /**< as given to the compiler; empty: none */
    apr_uint32_t line;              /**< 0: none */
    apr_uint32_t into;              /**< from the function's start */
    int          replaced;          /**< the object's file is now a different build */
} pst_resolved_t;

/** A place to look up. */
typedef struct pst_unresolved_t {
    apr_uint64_t id, offset;
    const char  *path;              /**< of the object's file */
} pst_unresolved_t;

/** Once, before threads exist: set the program to start. @param program kept, not copied; NULL: none */
void pst_resolver_use(const char *program);

/** Is there a program to ask? */
int pst_resolver_is_there(void);

/** What is known of a place. No lock, no waiting. @return NULL: nothing */
const pst_resolved_t *pst_resolver_find(apr_uint64_t id, apr_uint64_t offset);

/**
 * Look up places that are not known. Starts a process and waits at most this many milliseconds for its answer;
 * unanswered places are asked for again later, a few times. Returns at once if somebody else is asking.
 * @return how many are newly known
 */
unsigned pst_resolver_ask(const pst_unresolved_t *places, unsigned count, unsigned milliseconds);

#endif /* PST_RESOLVER_H */
