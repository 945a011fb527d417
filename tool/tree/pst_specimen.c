/* SPDX-License-Identifier: Apache-2.0
 *
 * One of each thing: see the header.
 */
#include "pst_specimen.h"
#include "pst_apr.h"

#include <apr_buckets.h>
#include <apr_dso.h>
#include <apr_file_io.h>
#include <apr_mmap.h>
#include <apr_network_io.h>
#include <apr_poll.h>
#include <apr_proc_mutex.h>
#include <apr_queue.h>
#include <apr_reslist.h>
#include <apr_shm.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_pool.h>
#include <apr_thread_rwlock.h>
#include <apr_xml.h>

static apr_status_t make_file(apr_pool_t *pool)
{
    apr_file_t *file;

    return apr_file_open(&file, "/dev/null", APR_READ, APR_OS_DEFAULT, pool);
}

static apr_status_t make_folder(apr_pool_t *pool)
{
    apr_dir_t *dir;

    return apr_dir_open(&dir, "/", pool);
}

static apr_status_t make_mapping(apr_pool_t *pool)
{
    apr_pool_t *above = apr_pool_parent_get(pool);
    apr_mmap_t *mapping;
    apr_file_t *file;
    apr_status_t rv = apr_file_open(&file, "/proc/self/exe", APR_READ, APR_OS_DEFAULT, above);

    return rv == APR_SUCCESS ? apr_mmap_create(&mapping, file, 0, 4096, APR_MMAP_READ, pool) : rv;
}

static apr_status_t make_socket(apr_pool_t *pool)
{
    apr_socket_t *socket;

    return apr_socket_create(&socket, APR_INET, SOCK_STREAM, APR_PROTO_TCP, pool);
}

static apr_status_t make_pollset(apr_pool_t *pool)
{
    apr_pollset_t *set;

    return apr_pollset_create(&set, 4, pool, 0);
}

static apr_status_t make_pollcb(apr_pool_t *pool)
{
    apr_pollcb_t *set;

    return apr_pollcb_create(&set, 4, pool, 0);
}

static apr_status_t make_mutex(apr_pool_t *pool)
{
    apr_thread_mutex_t *mutex;

    return apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, pool);
}

static apr_status_t make_condition(apr_pool_t *pool)
{
    apr_thread_cond_t *condition;

    return apr_thread_cond_create(&condition, pool);
}

static apr_status_t make_rwlock(apr_pool_t *pool)
{
    apr_thread_rwlock_t *lock;

    return apr_thread_rwlock_create(&lock, pool);
}

static apr_status_t make_process_mutex(apr_pool_t *pool)
{
    apr_proc_mutex_t *mutex;

    return apr_proc_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, pool);
}

static apr_status_t make_shared(apr_pool_t *pool)
{
    apr_shm_t *shared;

    return apr_shm_create(&shared, 4096, NULL, pool);
}

static apr_status_t make_object(apr_pool_t *pool)
{
    apr_dso_handle_t *object;

    return apr_dso_load(&object, NULL, pool);
}

static apr_status_t make_thread_attributes(apr_pool_t *pool)
{
    apr_threadattr_t *attributes;

    return apr_threadattr_create(&attributes, pool);
}

static apr_status_t make_buckets(apr_pool_t *pool)
{
    return apr_bucket_alloc_create(pool) ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t make_brigade(apr_pool_t *pool)
{
    return apr_brigade_create(pool, apr_bucket_alloc_create(apr_pool_parent_get(pool))) ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t make_pool_bucket(apr_pool_t *pool)
{
    apr_bucket_alloc_t *list = apr_bucket_alloc_create(apr_pool_parent_get(pool));

    return apr_bucket_pool_create("x", 1, pool, list) ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t give_none(void **resource, void *params, apr_pool_t *pool)
{
    (void)params, (void)pool;
    *resource = NULL;
    return APR_SUCCESS;
}

static apr_status_t take_none(void *resource, void *params, apr_pool_t *pool)
{
    (void)resource, (void)params, (void)pool;
    return APR_SUCCESS;
}

static apr_status_t make_resource_list(apr_pool_t *pool)
{
    apr_reslist_t *list;

    return apr_reslist_create(&list, 0, 1, 1, 0, give_none, take_none, NULL, pool);
}

static apr_status_t make_queue(apr_pool_t *pool)
{
    apr_queue_t *queue;

    return apr_queue_create(&queue, 1, pool);
}

static apr_status_t make_parser(apr_pool_t *pool)
{
    return apr_xml_parser_create(pool) ? APR_SUCCESS : APR_ENOMEM;
}

const pst_specimen_t pst_specimens[] = {
    { "file", "apr_unix_file_cleanup", PST_THING_FILE, make_file },
    { "socket", "socket_cleanup", PST_THING_SOCKET, make_socket },
    { "bucket allocator", "alloc_cleanup", PST_THING_BUCKETS, make_buckets },
    { "bucket brigade", "brigade_cleanup", PST_THING_OTHER, make_brigade },
    { "bucket of pool memory", "pool_bucket_cleanup", PST_THING_OTHER, make_pool_bucket },
    { "mutex", "thread_mutex_cleanup", PST_THING_OTHER, make_mutex },
    { "condition variable", "thread_cond_cleanup", PST_THING_OTHER, make_condition },
    { "read-write lock", "thread_rwlock_cleanup", PST_THING_OTHER, make_rwlock },
    { "process mutex", "apr_proc_mutex_cleanup", PST_THING_OTHER, make_process_mutex },
    { "shared memory", "shm_cleanup_owner", PST_THING_OTHER, make_shared },
    { "file mapping", "mmap_cleanup", PST_THING_OTHER, make_mapping },
    { "folder", "dir_cleanup", PST_THING_OTHER, make_folder },
    { "poll set", "pollset_cleanup", PST_THING_OTHER, make_pollset },
    { "poll set", "pollcb_cleanup", PST_THING_OTHER, make_pollcb },
    { "loaded object", "dso_cleanup", PST_THING_OTHER, make_object },
    { "thread attributes", "threadattr_cleanup", PST_THING_OTHER, make_thread_attributes },
    { "resource list", "reslist_cleanup", PST_THING_OTHER, make_resource_list },
    { "queue", "queue_destroy", PST_THING_OTHER, make_queue },
    { "XML parser", "cleanup_parser", PST_THING_OTHER, make_parser },
    /* httpd's own, and what the same things are called elsewhere */
    { "file", "apr_unix_child_file_cleanup", PST_THING_FILE, NULL },
    { "shared memory", "shm_cleanup_attach", PST_THING_OTHER, NULL },
    { "process mutex", "proc_pthread_mutex_unref", PST_THING_OTHER, NULL },
    { "process mutex", "proc_mutex_cleanup", PST_THING_OTHER, NULL },
    { "thread pool", "thread_pool_cleanup", PST_THING_OTHER, NULL },
    { "module", "unload_module", PST_THING_MODULE, NULL },
    { "piped log", "piped_log_cleanup", PST_THING_OTHER, NULL },
    { "CGI script", "cleanup_script", PST_THING_OTHER, NULL },
    { "regular expression", "regex_cleanup", PST_THING_OTHER, NULL },
    { "queue", "ap_queue_destroy", PST_THING_OTHER, NULL },
    { "scoreboard", "ap_cleanup_scoreboard", PST_THING_OTHER, NULL },
    { "database connection", "dbd_close", PST_THING_OTHER, NULL },
    { NULL, NULL, PST_THING_OTHER, NULL }
};

uintptr_t pst_specimen_function(const pst_specimen_t *specimen, apr_pool_t *parent)
{
    const pst_apr_pool_t *p;
    uintptr_t function = 0;
    apr_pool_t *pool;

    if (!specimen->make) {
        return 0;
    }
    apr_pool_create(&pool, parent);
    p = pst_apr_pool(pool);
    if (specimen->make(pool) == APR_SUCCESS) {
        /* its parts registered earlier, and come later in the list */
        const pst_apr_cleanup_t *cleanup = p->cleanups ? p->cleanups : p->pre_cleanups;

        function = cleanup ? (uintptr_t)cleanup->plain_fn : 0;
    }
    apr_pool_destroy(pool);
    return function;
}
