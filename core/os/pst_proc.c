/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_proc.h.
 */
#include "pst_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int pst_proc_open(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int pst_proc_open_of(apr_uint32_t pid, const char *name)
{
    char path[64];
    int len = pid ? snprintf(path, sizeof(path), "/proc/%u/%s", (unsigned)pid, name)
                  : snprintf(path, sizeof(path), "/proc/self/%s", name);

    if (len < 0 || len >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return pst_proc_open(path);
}

apr_ssize_t pst_proc_read(int fd, char *to, apr_size_t size)
{
    apr_ssize_t got;

    do {
        got = read(fd, to, size);
    } while (got < 0 && errno == EINTR);
    return got;
}

apr_ssize_t pst_proc_take(int fd, char *to, apr_size_t room)
{
    apr_size_t sum = 0;
    apr_ssize_t got;
    int error;

    to[0] = '\0';
    if (fd < 0) {
        return -1;
    }
    while ((got = pst_proc_read(fd, to + sum, room - 1 - sum)) > 0) {
        sum += (apr_size_t)got;
    }
    error = errno;
    close(fd);
    errno = error;
    to[sum] = '\0';
    return got < 0 ? -1 : (apr_ssize_t)sum;
}
