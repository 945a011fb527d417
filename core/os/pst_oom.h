/* SPDX-License-Identifier: Apache-2.0
 *
 * How many processes the kernel's OOM killer has killed: of this process's cgroup and those below it, or, where the
 * cgroup does not say, of the machine.  No allocation, fixed buffers; a file that is not there is no error.
 *
 * Called by: parent
 */
#ifndef PST_OOM_H
#define PST_OOM_H

#include <apr.h>

/** What the count is of. */
typedef enum { PST_OOM_UNKNOWN = 0, PST_OOM_CGROUP, PST_OOM_MACHINE } pst_oom_e;

/** Any process. Reads two or three small files, never waits for anybody. @return what was counted */
pst_oom_e pst_oom_kills(apr_uint64_t *kills);

/** The same, below another root than "/", for tests. */
pst_oom_e pst_oom_kills_below(const char *root, apr_uint64_t *kills);

#endif /* PST_OOM_H */
