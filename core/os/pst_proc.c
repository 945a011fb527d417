/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_proc.h.
 */
#include "pst_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <features.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#define IS_ALONE (__libc_single_threaded != 0)
#else
#define IS_ALONE 0
#endif

/* Descriptors left to other threads, and how many numbers below the limit are looked at for them. The kernel hands out
 * the lowest number that is free: as long as the process is far from its limit, the first ones looked at are free. */
#define SPARE  16
#define LOOKED 64

int pst_proc_scarce(void)
{
    struct rlimit most;
    unsigned unused = 0;
    rlim_t from;

    if (IS_ALONE || getrlimit(RLIMIT_NOFILE, &most) != 0 || most.rlim_cur > APR_INT32_MAX) {
        return 0;
    }
    from = most.rlim_cur > LOOKED ? most.rlim_cur - LOOKED : 0;
    for (rlim_t fd = most.rlim_cur; fd > from && unused < SPARE; fd--) {
        unused += fcntl((int)fd - 1, F_GETFD) < 0;
    }
    return unused < SPARE;
}

static int is_refused(void)
{
    int scarce = pst_proc_scarce();

    if (scarce) {
        errno = EMFILE;
    }
    return scarce;
}

int pst_proc_open(const char *path)
{
    return is_refused() ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

DIR *pst_proc_list(const char *path)
{
    return is_refused() ? NULL : opendir(path);
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

    if (is_refused()) {
        return -1;
    }
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
