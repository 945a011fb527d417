/* SPDX-License-Identifier: Apache-2.0
 *
 * The misuser: a module that does forbidden things with pools, one at each address, so that tests know what must be
 * found, and in which code.
 *
 *   SetHandler poolmisuser        GET .../keep, .../stale and so on: see handlers below
 *   GET .../KIND?...              answers "done" when it has done it
 */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/uio.h>

extern module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) poolmisuser_module;

#define SHOWN __attribute__((visibility("default"), noinline))

/* What a connection keeps from a request that is gone. */
typedef struct {
    char         *text;
    request_rec  *r;
    apr_pool_t   *pool;
    apr_pool_t   *cleared;      /* a pool of the connection's own */
    char         *of_cleared;
} kept_t;

static conn_rec *logging;       /* while the log hook is to write into a dead pool; one at a time */
static kept_t *logged;
static volatile unsigned sink;      /* keeps calls from being jumps: each has a frame */
static volatile int beyond = 64;

/* What must be named. */
SHOWN void misuse_keep(kept_t *kept, request_rec *r);
SHOWN unsigned misuse_stale(const kept_t *kept);
SHOWN void misuse_log(const kept_t *kept);
SHOWN void misuse_twice(const kept_t *kept);
SHOWN void misuse_register(const kept_t *kept);
SHOWN ssize_t misuse_writev(const kept_t *kept);
SHOWN void misuse_overrun(request_rec *r);
SHOWN void misuse_clear(kept_t *kept, conn_rec *c);
SHOWN unsigned misuse_cleared(const kept_t *kept);
SHOWN void misuse_many(const kept_t *kept);

static kept_t *kept_of(conn_rec *c)
{
    kept_t *kept = ap_get_module_config(c->conn_config, &poolmisuser_module);

    if (!kept) {
        kept = apr_pcalloc(c->pool, sizeof(*kept));
        ap_set_module_config(c->conn_config, &poolmisuser_module, kept);
    }
    return kept;
}

void misuse_keep(kept_t *kept, request_rec *r)
{
    kept->text = apr_pstrdup(r->pool, "kept by mod_poolmisuser, longer than it lives");
    kept->r = r;
    kept->pool = r->pool;
}

/* A node of its own, larger than a small range of addresses gives. */
SHOWN void misuse_keep_large(kept_t *kept, request_rec *r);
void misuse_keep_large(kept_t *kept, request_rec *r)
{
    misuse_keep(kept, r);
    kept->text = apr_palloc(r->pool, 700 << 10);
    memset(kept->text, 'k', 700 << 10);
}

unsigned misuse_stale(const kept_t *kept)
{
    return (unsigned char)kept->text[5];
}

/* The same in a pool that had nothing in it: without the guard its node has room for it. */
SHOWN void misuse_fresh_end(apr_pool_t *pool);
void misuse_fresh_end(apr_pool_t *pool)
{
    apr_pool_destroy(pool);
    sink++;
}

SHOWN void misuse_fresh(request_rec *r);
void misuse_fresh(request_rec *r)
{
    apr_pool_t *pool;

    apr_pool_create(&pool, r->pool);
    misuse_fresh_end(pool);
    apr_pool_cleanup_register(pool, NULL, apr_pool_cleanup_null, apr_pool_cleanup_null);
    apr_psprintf(pool, "%d", (int)sink);
    sink += (unsigned)(apr_palloc(pool, 16) != NULL);
}

/* Like ModSecurity's: it allocates from the pool of a request that is gone. */
void misuse_log(const kept_t *kept)
{
    for (int i = 0; i < 40; i++) {
        memset(apr_palloc(kept->pool, 400), 1, 400);
    }
}

void misuse_twice(const kept_t *kept)
{
    apr_pool_destroy(kept->pool);
    sink++;
}

void misuse_register(const kept_t *kept)
{
    apr_pool_cleanup_register(kept->pool, kept, apr_pool_cleanup_null, apr_pool_cleanup_null);
    sink++;
}

/* Only the kernel touches it. */
ssize_t misuse_writev(const kept_t *kept)
{
    struct iovec parts[2] = { { (void *)(apr_uintptr_t)"head ", 5 }, { kept->text, 20 } };
    int fd = open("/dev/null", O_WRONLY), pipes[2];
    ssize_t n = 0;

    if (pipe(pipes) == 0) {
        n = writev(pipes[1], parts + 1, 1);
        close(pipes[0]);
        close(pipes[1]);
    }
    close(fd);
    return n;
}

/* One byte beyond what was allocated. */
void misuse_overrun(request_rec *r)
{
    char *text = apr_palloc(r->pool, 64);

    sink += (unsigned char)((volatile char *)text)[beyond];
}

/* Response metadata read after its bucket's destroy. One in a few blocks is closed then. */
SHOWN void misuse_free(char *block);
void misuse_free(char *block)
{
    apr_bucket_free(block);
    sink++;
}

SHOWN void misuse_wrapper(request_rec *r);
void misuse_wrapper(request_rec *r)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(r->pool);

    for (int i = 0; i < 300; i++) {
        volatile char *block = apr_bucket_alloc(40, list);

        block[5] = 'm';
        misuse_free((char *)(apr_uintptr_t)block);
        sink += (unsigned char)block[5] == 'm';
    }
}

/* The same freed twice: each, since only some are found. */
SHOWN void misuse_freed_twice(request_rec *r);
void misuse_freed_twice(request_rec *r)
{
    for (int i = 0; i < 100; i++) {
        apr_bucket_alloc_t *list = apr_bucket_alloc_create(r->pool);        /* nobody else gets what it has then */
        char *block = apr_bucket_alloc(40, list);

        misuse_free(block);
        misuse_free(block);
    }
}

void misuse_clear(kept_t *kept, conn_rec *c)
{
    apr_pool_create(&kept->cleared, c->pool);
    apr_pool_tag(kept->cleared, "misuser");
    kept->of_cleared = apr_pstrdup(kept->cleared, "gone with a clear");
    apr_pool_clear(kept->cleared);
    sink++;
}

unsigned misuse_cleared(const kept_t *kept)
{
    return (unsigned char)kept->of_cleared[3];
}

/* The whole node that a dead pool was in, from one end to the other: 8 KiB, of which it was at the start. */
void misuse_many(const kept_t *kept)
{
    volatile char *node = (volatile char *)((apr_uintptr_t)kept->pool & ~(apr_uintptr_t)4095);

    for (int i = 0; i < 8192; i += 64) {
        sink += (unsigned char)node[i];
    }
}

/* Its own handler for SIGSEGV, as some programs have: it must get its own faults, and nothing else. */
static sigjmp_buf back;
static volatile int caught;

static void misuser_caught(int signal)
{
    (void)signal;
    caught++;
    siglongjmp(back, 1);
}

/* @return whether its handler got its own fault, did not get the one in the pool, and is still reported as installed */
SHOWN int misuse_own_handler(const kept_t *kept);
int misuse_own_handler(const kept_t *kept)
{
    struct sigaction own, before, now;
    volatile char *volatile nowhere = NULL;
    int right;

    memset(&own, 0, sizeof(own));
    own.sa_handler = misuser_caught;
    sigaction(SIGSEGV, &own, &before);
    caught = 0;
    sink += (unsigned char)kept->text[1];
    right = caught == 0;
    if (sigsetjmp(back, 1) == 0) {
        sink += (unsigned char)nowhere[16];
    }
    right &= caught == 1;
    sigaction(SIGSEGV, &before, &now);
    return right && now.sa_handler == misuser_caught;
}

/* A thread that blocks all signals. */
SHOWN void misuse_blocked(const kept_t *kept);
void misuse_blocked(const kept_t *kept)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sink += (unsigned char)kept->text[2];
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* @return whether a forked process survived it */
SHOWN int misuse_forked(const kept_t *kept);
int misuse_forked(const kept_t *kept)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        sink += (unsigned char)kept->text[3];
        _exit(write(-1, kept->text, 10) == -1 && errno == EBADF ? 7 : 8);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) { }
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void misuser_log(const ap_errorlog_info *info, const char *text)
{
    (void)text;
    if (logging && info->c == logging) {
        kept_t *kept = logged;

        logging = NULL;
        misuse_log(kept);
    }
}

static int misuser_handler(request_rec *r)
{
    const char *what = strrchr(r->uri, '/') + 1;
    kept_t *kept;

    if (!r->handler || strcmp(r->handler, "poolmisuser") != 0) {
        return DECLINED;
    }
    kept = kept_of(r->connection);
    ap_set_content_type(r, "text/plain");
    if (strcmp(what, "keep") == 0) {
        misuse_keep(kept, r);
    }
    else if (strcmp(what, "keeplarge") == 0) {
        misuse_keep_large(kept, r);
    }
    else if (strcmp(what, "overrun") == 0) {
        misuse_overrun(r);
    }
    else if (strcmp(what, "fresh") == 0) {
        misuse_fresh(r);
    }
    else if (strcmp(what, "wrapper") == 0) {
        misuse_wrapper(r);
    }
    else if (strcmp(what, "freedtwice") == 0) {
        misuse_freed_twice(r);
    }
    else if (strcmp(what, "clear") == 0) {
        misuse_clear(kept, r->connection);
        sink += misuse_cleared(kept);
    }
    else if (!kept->text) {
        return HTTP_NOT_FOUND;
    }
    else if (strcmp(what, "stale") == 0) {
        ap_rprintf(r, "%c\n", (int)misuse_stale(kept));
    }
    else if (strcmp(what, "log") == 0) {
        logged = kept;
        logging = r->connection;
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "mod_poolmisuser: a line for its hook");
    }
    else if (strcmp(what, "twice") == 0) {
        misuse_twice(kept);
    }
    else if (strcmp(what, "register") == 0) {
        misuse_register(kept);
    }
    else if (strcmp(what, "writev") == 0) {
        ap_rprintf(r, "%d\n", (int)misuse_writev(kept));
    }
    else if (strcmp(what, "handler") == 0) {
        return misuse_own_handler(kept) ? (ap_rputs("done\n", r), OK) : HTTP_CONFLICT;
    }
    else if (strcmp(what, "blocked") == 0) {
        misuse_blocked(kept);
    }
    else if (strcmp(what, "forked") == 0) {
        return misuse_forked(kept) ? (ap_rputs("done\n", r), OK) : HTTP_CONFLICT;
    }
    else if (strcmp(what, "many") == 0) {
        misuse_many(kept);
    }
    else {
        return HTTP_NOT_FOUND;
    }
    ap_rputs("done\n", r);
    return OK;
}

static void misuser_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(misuser_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_error_log(misuser_log, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(poolmisuser) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, misuser_hooks, AP_MODULE_FLAG_NONE };
