/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files in /proc and the like. All that the module opens for a moment, in the parent or in a child, is opened
 * here: a figure that is not known for a moment harms nobody, a request without a descriptor fails.
 *
 * Called by: any
 */
#ifndef PST_PROC_H
#define PST_PROC_H

#include <apr.h>
#include <dirent.h>

/** Whether the process has so few descriptors left that a request beside us could lack the one that we take, if only
 *  for a moment. A process of one thread has nobody beside us: never then. Some 16 system calls, which take no lock. */
int pst_proc_scarce(void);

/** Open for reading: does not wait for a writer, gain a terminal or get inherited. Does without where descriptors are
 *  scarce: EMFILE then, before anything is opened. @return a descriptor, or -1 with errno set */
int pst_proc_open(const char *path);

/** opendir() on the same terms. */
DIR *pst_proc_list(const char *path);

/** The same for a process's file. @param pid 0: this one @param name relative to its directory */
int pst_proc_open_of(apr_uint32_t pid, const char *name);

/** One read() that no signal interrupts; EMFILE if descriptors have become scarce meanwhile: what takes long is given
 *  up, and the descriptor given back. @return as read() */
apr_ssize_t pst_proc_read(int fd, char *to, apr_size_t size);

/**
 * Read as much of an open file as fits, then add a NUL; signals do not interrupt it. Closes it.
 * @param fd negative: it could not be opened
 * @return bytes; -1, with errno set, if it cannot be read
 */
apr_ssize_t pst_proc_take(int fd, char *to, apr_size_t room);

#endif /* PST_PROC_H */
