/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of calls that pass memory to the kernel, while memory may be closed. The kernel does not fault there: the
 * call fails with EFAULT. Then the closed memory is reported and opened, and the call is repeated.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_fault.h"
#include "pst_guarded.h"
#include "pst_wrap.h"

#include <errno.h>

/* Maximum number of repetitions of a call: each time something was opened. */
#define TRIES 4

/* Parts of a vector that are examined. */
#define PARTS 1024

/* @return whether any of it was closed, and is open now */
static int opens(const char *name, const void *at, size_t size)
{
    const void *first = NULL;

    return at && size && pst_range_open_span(at, size, &first) ? pst_fault_kernel(name, first), 1 : 0;
}

static int opens_vector(const char *name, const struct iovec *vector, size_t count)
{
    size_t parts = count < PARTS ? count : PARTS;
    int any = opens(name, vector, parts * sizeof(*vector));

    for (size_t i = 0; i < parts; i++) {
        any |= opens(name, vector[i].iov_base, vector[i].iov_len);
    }
    return any;
}

static int opens_message(const char *name, const struct msghdr *message)
{
    int any = opens(name, message, sizeof(*message));

    any |= opens(name, message->msg_name, message->msg_name ? message->msg_namelen : 0);
    any |= opens(name, message->msg_control, message->msg_control ? message->msg_controllen : 0);
    return any | opens_vector(name, message->msg_iov, message->msg_iovlen);
}

/* Make the call, and repeat it as long as its memory was closed. */
#define AGAIN(type, call, opened) \
    type rv = (call); \
    for (int tries = 0; PST_UNLIKELY(rv < 0 && errno == EFAULT && tries < TRIES && (opened)); tries++) { \
        rv = (call); \
    } \
    return rv

ssize_t pst_wrap_sys_write(int fd, const void *from, size_t size)
{
    AGAIN(ssize_t, pst_real.sys_write(fd, from, size), opens("write", from, size));
}

ssize_t pst_wrap_sys_writev(int fd, const struct iovec *vector, int count)
{
    AGAIN(ssize_t, pst_real.sys_writev(fd, vector, count), count > 0 && opens_vector("writev", vector, (size_t)count));
}

ssize_t pst_wrap_sys_pwrite(int fd, const void *from, size_t size, off_t at)
{
    AGAIN(ssize_t, pst_real.sys_pwrite(fd, from, size, at), opens("pwrite", from, size));
}

ssize_t pst_wrap_sys_read(int fd, void *to, size_t size)
{
    AGAIN(ssize_t, pst_real.sys_read(fd, to, size), opens("read", to, size));
}

ssize_t pst_wrap_sys_readv(int fd, const struct iovec *vector, int count)
{
    AGAIN(ssize_t, pst_real.sys_readv(fd, vector, count), count > 0 && opens_vector("readv", vector, (size_t)count));
}

ssize_t pst_wrap_sys_pread(int fd, void *to, size_t size, off_t at)
{
    AGAIN(ssize_t, pst_real.sys_pread(fd, to, size, at), opens("pread", to, size));
}

ssize_t pst_wrap_sys_send(int fd, const void *from, size_t size, int flags)
{
    AGAIN(ssize_t, pst_real.sys_send(fd, from, size, flags), opens("send", from, size));
}

ssize_t pst_wrap_sys_sendto(int fd, const void *from, size_t size, int flags, const struct sockaddr *to,
                            socklen_t length)
{
    AGAIN(ssize_t, pst_real.sys_sendto(fd, from, size, flags, to, length),
          opens("sendto", from, size) | opens("sendto", to, length));
}

ssize_t pst_wrap_sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    AGAIN(ssize_t, pst_real.sys_sendmsg(fd, message, flags), opens_message("sendmsg", message));
}

ssize_t pst_wrap_sys_recv(int fd, void *to, size_t size, int flags)
{
    AGAIN(ssize_t, pst_real.sys_recv(fd, to, size, flags), opens("recv", to, size));
}

ssize_t pst_wrap_sys_recvfrom(int fd, void *to, size_t size, int flags, struct sockaddr *from, socklen_t *length)
{
    AGAIN(ssize_t, pst_real.sys_recvfrom(fd, to, size, flags, from, length),
          opens("recvfrom", to, size) | opens("recvfrom", length, sizeof(*length))
              | opens("recvfrom", from, from && length ? *length : 0));
}

ssize_t pst_wrap_sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    AGAIN(ssize_t, pst_real.sys_recvmsg(fd, message, flags), opens_message("recvmsg", message));
}

ssize_t pst_wrap_sys_sendfile(int to, int from, off_t *at, size_t size)
{
    AGAIN(ssize_t, pst_real.sys_sendfile(to, from, at, size), opens("sendfile", at, sizeof(*at)));
}

int pst_wrap_sys_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    AGAIN(int, pst_real.sys_poll(fds, count, timeout), opens("poll", fds, count * sizeof(*fds)));
}

int pst_wrap_sys_epoll_ctl(int fd, int what, int of, struct epoll_event *event)
{
    AGAIN(int, pst_real.sys_epoll_ctl(fd, what, of, event), opens("epoll_ctl", event, sizeof(*event)));
}

int pst_wrap_sys_epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    AGAIN(int, pst_real.sys_epoll_wait(fd, events, most, timeout),
          most > 0 && opens("epoll_wait", events, (size_t)most * sizeof(*events)));
}

int pst_wrap_sys_connect(int fd, const struct sockaddr *to, socklen_t length)
{
    AGAIN(int, pst_real.sys_connect(fd, to, length), opens("connect", to, length));
}
