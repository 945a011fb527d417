/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening files whose names others chose.  An open() alone can act: on a device, on a
 * pipe, on whatever a link was made to lead to.
 */
#ifndef PST_FILE_H
#define PST_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#define PST_FILE_OTHER (-2)     /* it is there, and no regular file */

/**
 * Open a regular file for reading, and nothing else: what lies there is looked at before it is opened.  Never waits.
 * @param follow whether the name's last part may be a link; 0: then it is nothing that we open
 * @param about  what was opened
 * @return a descriptor; PST_FILE_OTHER; -1: see errno
 */
int pst_file_open(const char *path, int follow, struct stat *about);

/**
 * The name of a file as /proc tells it of a mapping, without what the kernel adds if it was removed or replaced
 * meanwhile.
 * @param is_deleted  set to 1 if that stands there, else to 0: then the name is not the file's any more
 * @return its length
 */
size_t pst_file_name(const char *path, int *is_deleted);

#endif /* PST_FILE_H */
