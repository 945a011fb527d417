/* SPDX-License-Identifier: Apache-2.0
 *
 * For LD_PRELOAD, built by the tests that use it: calls of mod_poolstat to the system fail in
 * children of httpd, or in the parent, and calls of nobody else.
 *
 *   PST_FAIL=open|mmap|malloc|mprotect   the kind (malloc: calloc and realloc too)
 *   PST_FAIL_HOW=one|all                 child n: its n-th call fails, or all from the n-th on
 *   PST_FAIL_PARENT=n                    in the parent and not in children, the n-th call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int *children;           /* shared: how many there have been */
static const char *kind;
static int all, in_parent;       /* 0, or which of its calls */
static pid_t parent, own;
static int number, calls;

/* The parent of the children is whoever forks when the first of them calls: httpd may have gone to the background. */
static __attribute__((constructor)) void start(void)
{
    kind = getenv("PST_FAIL");
    all = getenv("PST_FAIL_HOW") && !strcmp(getenv("PST_FAIL_HOW"), "all");
    in_parent = getenv("PST_FAIL_PARENT") ? atoi(getenv("PST_FAIL_PARENT")) : 0;
    children = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    parent = getpid();
}

static int is_ours(const void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "mod_poolstat.so");
}

static int fails(const char *what, const void *caller)
{
    int now;

    if (!kind || strcmp(kind, what) || children == MAP_FAILED || (getpid() == parent) != (in_parent != 0)
        || !is_ours(caller)) {
        return 0;
    }
    if (own != getpid()) {
        own = getpid();
        number = in_parent ? in_parent : __atomic_add_fetch(children, 1, __ATOMIC_RELAXED);
        calls = 0;
    }
    now = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    return all ? now >= number : now == number;
}

#define REAL(name) static __typeof__(name) *real; \
    if (!real) { real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); }

int open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;
    REAL(open)

    va_start(ap, flags);
    mode = va_arg(ap, int);
    va_end(ap);
    if (fails("open", __builtin_return_address(0))) {
        errno = EMFILE;
        return -1;
    }
    return real(path, flags, mode);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap)

    /* nodes come by a wrapper of ours, but it is libapr that asks for them */
    if ((fd >= 0 || flags & MAP_NORESERVE) && fails("mmap", __builtin_return_address(0))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(at, size, protection, flags, fd, offset);
}

int mprotect(void *at, size_t size, int protection)
{
    REAL(mprotect)

    if (fails("mprotect", __builtin_return_address(0))) {
        errno = EACCES;
        return -1;
    }
    return real(at, size, protection);
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *malloc(size_t size)
{
    return kind && fails("malloc", __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return kind && fails("malloc", __builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
    return kind && fails("malloc", __builtin_return_address(0)) ? NULL : __libc_realloc(at, size);
}
