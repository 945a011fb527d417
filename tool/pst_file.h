/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening files whose names others chose.  An open() alone can act: on a device, on a
 * pipe, on whatever a link was made to lead to.
 */
#ifndef PST_FILE_H
#define PST_FILE_H

#include <sys/stat.h>

#define PST_FILE_OTHER (-2)     /* it is there, and no regular file */

/**
 * Open a regular file for reading, and nothing else: what lies there is looked at before it is opened.  Never waits.
 * @param follow whether the name's last part may be a link; 0: then it is nothing that we open
 * @param about  what was opened
 * @return a descriptor; PST_FILE_OTHER; -1: see errno
 */
int pst_file_open(const char *path, int follow, struct stat *about);

#endif /* PST_FILE_H */
