/* SPDX-License-Identifier: Apache-2.0
 *
 * What belongs to pools, in words: "file fd 7 /var/log/x", "socket fd 9 from 127.0.0.1:4711".
 *
 * Most functions that clean up are static, and stripped programs do not name them.  So the command
 * makes one of each thing that APR has, checks which function APR registers for it, and finds the same
 * place in the other process's APR, if that is the same build.
 * Command only, one thread.
 */
#ifndef PST_RESOURCE_H
#define PST_RESOURCE_H

#include "pst_forest.h"
#include "pst_symbols.h"

typedef struct pst_resources_t pst_resources_t;

/** What a resource is called. Texts are hostile. */
typedef struct pst_resource_name_t {
    const char *word;           /**< "file", "socket", "mutex", ...; "cleanup" if nothing more is known */
    char        function[256];  /**< "socket_cleanup", "mod_x.so+0x1234", "?"; for a process: when it is killed. May be
                                 * cut */
    const char *object;         /**< where the function is: "libapr-1.so.0"; "" if in no file */
    char        detail[384];    /**< "fd 7 /var/log/x"; "" if there is no more to tell */
    int         fd;             /**< -1: none, or closed */
    uint64_t    bytes;          /**< for bucket allocators: bytes of their nodes */
} pst_resource_name_t;

/** Learn the cleanup functions. @param symbols of the remote */
pst_resources_t *pst_resources_learn(pst_remote_t *remote, pst_symbols_t *symbols, apr_pool_t *pool);

/** Is the other process's APR the same build as ours? Otherwise static functions have no names. */
int pst_resources_same_apr(const pst_resources_t *resources);

/** Say what a resource of a pool is. Reads the process: a thing that is gone meanwhile has no detail. */
void pst_resource_name(pst_resources_t *resources, const pst_tree_pool_t *pool, const pst_tree_resource_t *resource,
                       pst_resource_name_t *name);

#endif /* PST_RESOURCE_H */
