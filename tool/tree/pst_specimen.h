/* SPDX-License-Identifier: Apache-2.0
 *
 * One of each thing that APR registers with pools, made in this process to see which function
 * cleans it up.  Command only.
 */
#ifndef PST_SPECIMEN_H
#define PST_SPECIMEN_H

#include <apr_pools.h>
#include <stdint.h>

typedef enum {
    PST_THING_OTHER = 0, PST_THING_FILE, PST_THING_SOCKET, PST_THING_BUCKETS, PST_THING_MODULE
} pst_thing_e;

typedef struct pst_specimen_t {
    const char *word;           /**< what it is */
    const char *function;       /**< what cleans it up, as APR's source calls it */
    pst_thing_e thing;
    apr_status_t (*make)(apr_pool_t *pool); /**< NULL: it is httpd's, known only by name */
} pst_specimen_t;

/** Ends with a word of NULL. */
extern const pst_specimen_t pst_specimens[];

/** Make one. @return the address of the function that cleans it up here; 0 if it cannot be made */
uintptr_t pst_specimen_function(const pst_specimen_t *specimen, apr_pool_t *parent);

#endif /* PST_SPECIMEN_H */
