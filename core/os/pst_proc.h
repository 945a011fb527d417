/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files of /proc and its like.
 *
 * Called by: any
 */
#ifndef PST_PROC_H
#define PST_PROC_H

#include <apr.h>

/** Open for reading: no wait for a writer, no terminal gained, not inherited. The last few descriptors that the process
 *  may have are left to others: EMFILE then. @return a descriptor, or -1 with errno set */
int pst_proc_open(const char *path);

/** The same of a file of a process. @param pid 0: this one @param name below its folder */
int pst_proc_open_of(apr_uint32_t pid, const char *name);

/** One read() that no signal interrupts. @return as read() */
apr_ssize_t pst_proc_read(int fd, char *to, apr_size_t size);

/**
 * As much of an open file as there is room for, then a NUL; signals interrupt nothing. Closes it.
 * @param fd below 0: it could not be opened
 * @return bytes; -1, with errno set, if it cannot be read
 */
apr_ssize_t pst_proc_take(int fd, char *to, apr_size_t room);

#endif /* PST_PROC_H */
