/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening files whose names others chose.  A mere open() can have effects: on a device, on a pipe,
 * on whatever a link was made to point to.
 */
#ifndef PST_FILE_H
#define PST_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#define PST_FILE_OTHER (-2)     /* it exists, and is not a regular file */

/**
 * Open a regular file for reading, and nothing else: its type is checked before it is opened.  Never waits.
 * @param follow whether the name's last part may be a link; 0: then a link is not opened
 * @param about  what was opened
 * @return a descriptor; PST_FILE_OTHER; -1: see errno
 */
int pst_file_open(const char *path, int follow, struct stat *about);

/**
 * The name of a mapped file as /proc gives it, without what the kernel adds if the file was removed or
 * replaced.
 * @param is_deleted  set to 1 if that is there, else to 0; if 1, the name is no longer the file's
 * @return its length
 */
size_t pst_file_name(const char *path, int *is_deleted);

#endif /* PST_FILE_H */
