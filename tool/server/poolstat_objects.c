/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_objects.h.
 *
 * Objects are identified by their build, as on the board. Only exported symbols count: those are
 * what httpd's process knows about itself.
 */
#include "poolstat_objects.h"
#include "pst_object.h"
#include "pst_symbols.h"

#include <apr_strings.h>

#define KNOWN 512               /* the most objects of a process */

/* A process's user chooses what it has mapped: reading its files takes at most this long at once, and a tenth of
 * the time overall. */
#define AT_ONCE  apr_time_from_sec(10)
#define OVER_ALL 10

typedef struct objects_t {
    pst_symbols_t *symbols;
    pst_remote_t *remote;
    apr_pool_t *pool;
    apr_time_t left, ended;     /* time that reading may take; when it ended last */
    apr_size_t count;           /* ids made so far: files are opened on demand */
    apr_uint64_t ids[KNOWN];
    const pst_loaded_t *loaded[KNOWN];
    pst_object_elsewhere_t elsewhere;
} objects_t;

static apr_time_t begin_objects(objects_t *objects)
{
    apr_time_t now = apr_time_now();

    objects->left += (now - objects->ended) / OVER_ALL;
    objects->left = objects->left < AT_ONCE ? objects->left : AT_ONCE;
    objects->remote->deadline = now + objects->left;
    objects->remote->late = 0;
    return now;
}

static void end_objects(objects_t *objects, apr_time_t began)
{
    objects->ended = apr_time_now();
    objects->left -= objects->ended - began;
}

static const pst_loaded_t *find_loaded(objects_t *objects, apr_uint64_t id)
{
    for (apr_size_t i = 0; i < KNOWN; i++) {
        if (i == objects->count) {
            const pst_loaded_t *loaded = pst_symbols_nth(objects->symbols, i);

            if (!loaded) {
                return NULL;
            }
            objects->loaded[i] = loaded;
            objects->ids[i] = loaded->build_size ? pst_object_id(loaded->build, loaded->build_size) : 0;
            objects->count++;
        }
        if (objects->ids[i] == id && id) {
            return objects->loaded[i];
        }
    }
    return NULL;
}

static int base_of(void *baton, apr_uint64_t id, apr_uintptr_t *base)
{
    apr_time_t began = begin_objects(baton);
    const pst_loaded_t *loaded = find_loaded(baton, id);

    end_objects(baton, began);
    *base = loaded ? loaded->base : 0;
    return loaded != NULL;
}

/* Relative to the process's own root: it may be in a container. */
static const char *path_of(void *baton, apr_uint64_t id)
{
    objects_t *objects = baton;
    apr_time_t began = begin_objects(objects);
    const pst_loaded_t *loaded = find_loaded(objects, id);

    end_objects(objects, began);
    return loaded ? apr_psprintf(objects->pool, "/proc/%ld/root%s", (long)objects->remote->pid, loaded->path) : NULL;
}

static const char *symbol_of(void *baton, apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into)
{
    objects_t *objects = baton;
    apr_time_t began = begin_objects(objects);
    const pst_loaded_t *loaded = find_loaded(objects, id);
    pst_symbol_t symbol;
    int lies = loaded && pst_symbols_at(objects->symbols, loaded->base + (apr_uintptr_t)offset, &symbol);

    end_objects(objects, began);
    if (!lies || symbol.object != loaded || !symbol.function || !symbol.exported) {
        return NULL;
    }
    *into = symbol.into;
    return symbol.function;
}

static apr_status_t look_here(void *unused)
{
    (void)unused;
    pst_object_look_elsewhere(NULL);
    return APR_SUCCESS;
}

/* A child also has what was loaded after the fork. The parent is not always among the board's users: under a
 * debugger or a sanitizer it may be another process. */
static pst_remote_t *open_process(const poolstat_board_t *board, apr_pool_t *pool)
{
    pst_remote_t *remote;
    const char *why;

    if (board->child && poolstat_uses(board, board->child)
        && pst_remote_open(&remote, (pid_t)poolstat_pid_here(board, board->child), AT_ONCE, &why, pool)
               == APR_SUCCESS) {
        return remote;
    }
    for (unsigned i = board->users.count; i-- > 0; ) {
        if (pst_remote_open(&remote, (pid_t)board->users.at[i].pid, AT_ONCE, &why, pool) == APR_SUCCESS) {
            return remote;
        }
    }
    return NULL;
}

void poolstat_objects(poolstat_board_t *board, apr_pool_t *pool)
{
    pst_remote_t *remote = open_process(board, pool);
    pst_symbols_t *symbols = remote ? pst_symbols_make(remote, pool) : NULL;
    objects_t *objects = symbols ? apr_pcalloc(pool, sizeof(*objects)) : NULL;

    board->objects = objects != NULL;
    if (!objects) {
        return;
    }
    objects->remote = remote;
    objects->pool = pool;
    objects->left = AT_ONCE;
    objects->ended = apr_time_now();
    objects->symbols = symbols;
    objects->elsewhere.baton = objects;
    objects->elsewhere.base = base_of;
    objects->elsewhere.symbol = symbol_of;
    objects->elsewhere.path = path_of;
    objects->elsewhere.maps = apr_psprintf(pool, "/proc/%ld/maps", (long)remote->pid);
    apr_pool_cleanup_register(pool, NULL, look_here, apr_pool_cleanup_null);
    pst_object_look_elsewhere(&objects->elsewhere);
}
