/* SPDX-License-Identifier: Apache-2.0
 *
 * Available memory: the machine's, or less if a cgroup limits it. Reads /proc and /sys/fs/cgroup; no allocation,
 * fixed buffers; input is trusted only to be a number.
 *
 * Called by: parent
 */
#ifndef PST_MACHINE_H
#define PST_MACHINE_H

#include <apr.h>
#include "poolstat_board.h"

/**
 * Any process; the parent calls it once a generation. Reads a few small files, never blocks.
 * @param kind whose limit it is
 * @return bytes; 0 if nothing is known
 */
apr_uint64_t pst_machine_memory(pst_memory_e *kind);

/**
 * The same below a root other than "/", for tests: ROOT/proc/meminfo, ROOT/proc/self/cgroup and
 * ROOT/sys/fs/cgroup are read.
 */
apr_uint64_t pst_machine_memory_below(const char *root, pst_memory_e *kind);

/** "the machine", "the cgroup", "?": as all views print it. */
const char *pst_memory_word(unsigned kind);

#endif /* PST_MACHINE_H */
