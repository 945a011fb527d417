/* SPDX-License-Identifier: Apache-2.0
 *
 * For units: run a piece in its own process, because it may die, or because it changes the process
 * for good. Its result says how it went; the caller prints TAP.
 */
#ifndef PST_APART_H
#define PST_APART_H

#include <errno.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART_SECONDS 60

static inline int apart_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1000;
        }
    }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/** Run piece(data) in a forked process. @return its result, or minus the signal that ended it */
static inline int apart(int (*piece)(void *), void *data)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(APART_SECONDS);
        _exit(piece(data));
    }
    return pid < 0 ? -1000 : apart_wait(pid);
}

#endif /* PST_APART_H */
