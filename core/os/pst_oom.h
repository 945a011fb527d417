/* SPDX-License-Identifier: Apache-2.0
 *
 * How many processes the kernel's OOM killer has killed: in this process's cgroup and those below it or, if the
 * cgroup does not say, on the machine. No allocation, fixed buffers; a missing file is not an error.
 *
 * Called by: parent
 */
#ifndef PST_OOM_H
#define PST_OOM_H

#include <apr.h>

/** What the count covers. */
typedef enum { PST_OOM_UNKNOWN = 0, PST_OOM_CGROUP, PST_OOM_MACHINE } pst_oom_e;

/** Any process. Reads two or three small files, never blocks. @return what was counted */
pst_oom_e pst_oom_kills(apr_uint64_t *kills);

/** The same below a root other than "/", for tests. */
pst_oom_e pst_oom_kills_below(const char *root, apr_uint64_t *kills);

#endif /* PST_OOM_H */
