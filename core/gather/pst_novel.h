/* SPDX-License-Identifier: Apache-2.0
 *
 * New or again: has the child already served what this thread is serving?
 *
 * A table of hashed virtual hosts, methods and paths, private to the child, of a fixed size, without locks. Anything
 * found in it was served, or shares its bits with something that was: it errs towards "again", increasingly as it
 * fills, never towards "new".
 *
 * What the pools of the process scope get while a thread serves a request is charged to one or the other.
 *
 * Called by: worker
 */
#ifndef PST_NOVEL_H
#define PST_NOVEL_H

#include "pst_record.h"

typedef enum {
    PST_NOVEL_NONE = 0,         /**< this thread serves no request */
    PST_NOVEL_NEW,              /**< a request for something the child has not served before */
    PST_NOVEL_AGAIN
} pst_novel_e;

/** A hash of what a request is for: its host (any address that identifies it), method number and path. */
apr_uint64_t pst_novel_hash(const void *host, int method, const char *path);

/** This thread serves a request for that. @return new or again; counted */
pst_novel_e pst_novel_serve(apr_uint64_t hash);

/** This thread serves no request any more. */
void pst_novel_rest(void);

/** A pool of the process scope got this many bytes, on the thread that may use it: charge them to what the thread
 *  serves. */
void pst_novel_grown(pst_record_t *record, apr_size_t bytes);

/** The pool is back to its first node of this many bytes (0: it is gone, or no longer the process's). */
void pst_novel_given_back(pst_record_t *record, apr_size_t left);

#endif /* PST_NOVEL_H */
