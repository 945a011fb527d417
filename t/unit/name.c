/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that other modules give to classes: kept, cut, cleaned, bounded.
 */
#include "board_double.h"
#include "pst_class.h"
#include "pst_instrument.h"
#include "pst_name.h"
#include "tap.h"

#include <pthread.h>

static apr_pool_t *root;

static void *racer(void *data)
{
    apr_pool_t *pool;
    char name[8];

    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    for (int i = 0; i < 2000; i++) {
        apr_snprintf(name, sizeof(name), "race %d", i % 8);
        if (pst_name_pool(pool, name) != APR_SUCCESS) {
            __atomic_add_fetch((int *)data, 1, __ATOMIC_RELAXED);
        }
    }
    apr_pool_destroy(pool);
    return NULL;
}

static void race(void)
{
    pthread_t thread[4];
    int failed = 0;

    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, racer, &failed);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    is_number((unsigned)failed, 0, "threads that name at once");
}

static void names(apr_pool_t *pool)
{
    char class[PST_NAME_CLASS_LEN], name[16];
    unsigned kept = 0;

    is_number((unsigned)pst_name_pool(pool, ""), APR_EINVAL, "an empty name is none");
    is_number((unsigned)pst_name_pool(pool, NULL), APR_EINVAL, "no name neither");
    strcpy(name, "short");
    is_number((unsigned)pst_name_pool(pool, name), APR_SUCCESS, "a name");
    memset(name, 'x', sizeof(name) - 1);
    is_number((unsigned)pst_name_of_class(pool, class), APR_SUCCESS, "its class has one");
    ok(!strncmp(class, "short", 5) && (!class[5] || !strncmp(class + 5, " by ", 4)), "that one, though its memory was used again");
    pst_name_pool(pool, "evil\r\n\x1b[2J\xff name, and one that is much too long");
    pst_name_of_class(pool, class);
    ok(!strncmp(class, "evil???[2J? name, and one that ", 31) && !class[31] == !strstr(class, " by "), "cleaned and cut");
    race();
    for (int i = 0; i < 2 * PST_NAME_COUNT; i++) {
        apr_snprintf(name, sizeof(name), "name %d", i);
        kept += pst_name_pool(pool, name) == APR_SUCCESS;
    }
    ok(kept > 20 && kept < PST_NAME_COUNT, "so many and no more");
    is_number((unsigned)pst_name_pool(pool, "one too many"), APR_ENOSPC, "then there is no room");
    is_number((unsigned)pst_name_pool(pool, "short"), APR_SUCCESS, "those known stay");
}

int main(void)
{
    char class[PST_NAME_CLASS_LEN];
    pst_shared_child_t *block;
    const char *reason;
    pst_board_t board;
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&root, NULL);
    make_board(&board, 2, 8, root);
    is_number((unsigned)pst_name_of_class(root, class), APR_NOTFOUND, "before the start there is no class");
    ok(!class[0], "and no name");
    block = claim_block(&board, (apr_uint32_t)getpid(), 1);
    pst_account_start(&board, block);
    is_number(pst_instrument_start(root, PST_LEVEL_FULL, &reason), PST_LEVEL_FULL, "instrumented");
    pst_instrument_classes(root, &board, block, 0);
    apr_pool_create(&pool, root);
    names(pool);
    apr_pool_destroy(pool);
    return done();
}
