/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files in /proc and the like.
 *
 * Called by: any
 */
#ifndef PST_PROC_H
#define PST_PROC_H

#include <apr.h>

/** Open for reading: does not wait for a writer, gain a terminal or get inherited. The last few descriptors that the
 *  process may have are left to others: EMFILE then. @return a descriptor, or -1 with errno set */
int pst_proc_open(const char *path);

/** The same for a process's file. @param pid 0: this one @param name relative to its directory */
int pst_proc_open_of(apr_uint32_t pid, const char *name);

/** One read() that no signal interrupts. @return as read() */
apr_ssize_t pst_proc_read(int fd, char *to, apr_size_t size);

/**
 * Read as much of an open file as fits, then add a NUL; signals do not interrupt it. Closes it.
 * @param fd negative: it could not be opened
 * @return bytes; -1, with errno set, if it cannot be read
 */
apr_ssize_t pst_proc_take(int fd, char *to, apr_size_t room);

#endif /* PST_PROC_H */
