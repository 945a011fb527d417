/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and lines of code: what a helper process reads from objects and their debug files.
 *
 * Those files are input, and reading them takes time and memory; so another process does, without rights, bounded in
 * time and memory: poolstat --resolve (tool/command/poolstat_resolve.c). What it answers is kept. Without it, or when
 * it is too slow, nothing is known, and views say what they say without.
 *
 * Reading side: any process, any thread; the helper is started by who asks, one at a time, and nobody waits for
 * another.
 *
 * Called by: start (pst_resolver_use), reader
 */
#ifndef PST_RESOLVER_H
#define PST_RESOLVER_H

#include <apr.h>

#define PST_RESOLVED_COUNT 2048     /* places that are kept */
#define PST_RESOLVED_NAME  96
#define PST_RESOLVED_FILE  128

/** What is known of a place; never changes. Texts are cut, without control characters, hostile otherwise. */
typedef struct pst_resolved_t {
    apr_uint64_t id, offset;        /**< as on the board: the object's build, and where in it */
    char         function[PST_RESOLVED_NAME];   /**< empty: none */
    char         file[PST_RESOLVED_FILE];       /**< as the compiler was told it; empty: none */
    apr_uint32_t line;              /**< 0: none */
    apr_uint32_t into;              /**< from the function's start */
    int          replaced;          /**< the object's file is of another build now */
} pst_resolved_t;

/** A place to look up. */
typedef struct pst_unresolved_t {
    apr_uint64_t id, offset;
    const char  *path;              /**< of the object's file */
} pst_unresolved_t;

/** Once, before there are threads: the program to start. @param program kept, not copied; NULL: none */
void pst_resolver_use(const char *program);

/** Is there a program to ask? */
int pst_resolver_is_there(void);

/** What is known of a place. No lock, no waiting. @return NULL: nothing */
const pst_resolved_t *pst_resolver_find(apr_uint64_t id, apr_uint64_t offset);

/**
 * Look places up that are not known. Starts a process, and waits for its answer for so many milliseconds at most; what
 * was not answered by then is asked again another time, a few times. At once if somebody else is asking.
 * @return how many are known now that were not
 */
unsigned pst_resolver_ask(const pst_unresolved_t *places, unsigned count, unsigned milliseconds);

#endif /* PST_RESOLVER_H */
