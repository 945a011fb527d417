/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_proc.h.
 */
#include "pst_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* The last few descriptors that a process may have are left for its real work: a request must not lack one because of
 * us. */
#define SPARE 4

static int is_scarce(int fd)
{
    struct rlimit most;

    return getrlimit(RLIMIT_NOFILE, &most) == 0 && most.rlim_cur != RLIM_INFINITY
           && (rlim_t)fd + SPARE >= most.rlim_cur;
}

int pst_proc_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && is_scarce(fd)) {
        close(fd);
        errno = EMFILE;
        fd = -1;
    }
    return fd;
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
