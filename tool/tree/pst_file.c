/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_file.h.
 *
 * O_PATH finds the file and does nothing to it. The file found is then opened through the descriptor, not by name,
 * which may lead elsewhere by then.
 */
#include "pst_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int pst_file_open(const char *path, int follow, struct stat *about)
{
    char link[64];
    int found = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)), fd, why;

    if (found < 0) {
        return -1;
    }
    if (fstat(found, about) != 0 || !S_ISREG(about->st_mode)) {
        close(found);
        return PST_FILE_OTHER;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
    fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    why = errno;
    close(found);
    errno = why;
    return fd;
}

size_t pst_file_name(const char *path, int *is_deleted)
{
    static const char deleted[] = " (deleted)";
    size_t length = strlen(path), added = sizeof(deleted) - 1;

    *is_deleted = length > added && strcmp(path + length - added, deleted) == 0;
    return *is_deleted ? length - added : length;
}
