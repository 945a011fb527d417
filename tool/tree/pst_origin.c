/* SPDX-License-Identifier: Apache-2.0
 *
 * Where pools come from: see the header.
 */
#include "pst_origin.h"
#include "pst_figure.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

struct pst_origins_t {
    pst_remote_t  *remote;
    pst_symbols_t *symbols;
    uint32_t       self;            /* its id as the process and the board know it */
    uintptr_t      board;           /* where it is mapped; 0: nowhere */
    pst_shared_header_t about;
    uintptr_t      block;           /* the process's own; 0: none */
    pst_shared_class_t *classes;    /* copied, texts end; NULL: none */
    pst_shared_module_t *modules;
};

/* Is it a board of our version, with all parts inside the mapping? */
static int is_board(pst_origins_t *origins, const pst_range_t *range)
{
    pst_shared_header_t *about = &origins->about;
    pst_board_t layout;

    return range->shared && range->readable && !range->offset && range->to - range->from >= sizeof(*about)
           && pst_remote_read(origins->remote, range->from, about, sizeof(*about))
           && pst_board_check_header(&layout, about, range->to - range->from) == APR_SUCCESS;
}

static void find_block(pst_origins_t *origins)
{
    uint32_t i, head[2];
    uintptr_t at;

    for (i = 0; i < origins->about.child_count; i++) {
        at = origins->board + origins->about.header_size + (uintptr_t)i * origins->about.child_size;
        if (pst_remote_read(origins->remote, at, head, sizeof(head)) && head[0] == origins->self) {
            origins->block = at;
            return;
        }
    }
}

/* Copy the tables, and end their texts. */
static void copy_names(pst_origins_t *origins, apr_pool_t *pool)
{
    const apr_size_t classes = PST_CLASS_COUNT * sizeof(pst_shared_class_t),
                     modules = PST_MODULE_COUNT * sizeof(pst_shared_module_t);
    unsigned i;

    origins->classes = apr_pcalloc(pool, classes);
    origins->modules = apr_pcalloc(pool, modules);
    pst_remote_read(origins->remote, origins->block + origins->about.class_at, origins->classes, classes);
    pst_remote_read(origins->remote, origins->board + origins->about.module_at, origins->modules, modules);
    for (i = 0; i < PST_CLASS_COUNT; i++) {
        origins->classes[i].function[PST_FUNCTION_LEN - 1] = '\0';
    }
    for (i = 0; i < PST_MODULE_COUNT; i++) {
        origins->modules[i].name[PST_MODULE_LEN - 1] = '\0';
    }
}

pst_origins_t *pst_origins_find(pst_remote_t *remote, pst_symbols_t *symbols, apr_pool_t *pool)
{
    pst_origins_t *origins = apr_pcalloc(pool, sizeof(*origins));
    apr_size_t i;

    origins->remote = remote;
    origins->self = pst_remote_own_id((apr_uint32_t)remote->pid);
    origins->symbols = symbols;
    for (i = 0; i < remote->range_count && !origins->block; i++) {
        const pst_range_t *range = &remote->ranges[i];

        if (is_board(origins, range)) {
            origins->board = range->from;
            find_block(origins);
        }
    }
    if (origins->block) {
        copy_names(origins, pool);
    }
    return origins;
}

int pst_origins_child(pst_origins_t *origins, pst_origin_child_t *child)
{
    pst_shared_child_t block;
    uint64_t used;

    if (!origins->block || !pst_remote_read(origins->remote, origins->block, &block, sizeof(block))
        || block.owner != origins->self || !block.ready || block.level != PST_LEVEL_FULL) {
        return 0;
    }
    child->reserved = pst_sane(block.child_reserved_bytes);
    child->buckets = pst_sane(block.child_bucket_bytes);
    child->held = pst_sane(block.held_bytes);
    used = pst_plus(child->reserved + child->buckets, pst_sane(block.unbalanced_bytes));
    child->retained = pst_minus(pst_plus(child->held, pst_sane(block.overbooked_bytes)), used);
    return 1;
}

/* From the class of its record: a class is a place and a tag. */
static void tell_creator(pst_origins_t *origins, const pst_tree_pool_t *pool, pst_origin_t *origin)
{
    const pst_shared_class_t *class;
    const pst_loaded_t *object;
    const char *module;
    pst_symbol_t symbol;

    if (!pool->has_record || pool->record.of_class == 0 || pool->record.of_class >= PST_CLASS_COUNT) {
        return;
    }
    class = &origins->classes[pool->record.of_class];
    module = origins->modules[PST_FRAME_MODULE(class->creator) % PST_MODULE_COUNT].name;
    if (!class->in_use || !class->creator || !*module) {
        return;
    }
    object = pst_symbols_object(origins->symbols, module);
    if (object && pst_symbols_at(origins->symbols, object->base + PST_FRAME_OFFSET(class->creator), &symbol)
        && symbol.function) {
        snprintf(origin->creator, sizeof(origin->creator), "%s %s+0x%llx", module, symbol.function,
                 (unsigned long long)symbol.into + 1);
    }
    else if (class->function[0]) {
        snprintf(origin->creator, sizeof(origin->creator), "%s %s", module, class->function);
    }
    else {
        snprintf(origin->creator, sizeof(origin->creator), "%s+0x%llx", module,
                 (unsigned long long)PST_FRAME_OFFSET(class->creator));
    }
}

/* If it is the root of an account: of which connection or request? */
static void tell_account(pst_origins_t *origins, const pst_tree_pool_t *pool, pst_origin_t *origin)
{
    uintptr_t slot_at, at = (uintptr_t)pool->record.rooted;
    pst_shared_slot_t slot;
    pst_account_t account;
    uint64_t into;

    if (!pool->has_record || !at || at % sizeof(void *) != 0
        || !pst_remote_read(origins->remote, at, &account, sizeof(account)) || (uintptr_t)account.root != pool->at) {
        return;
    }
    slot_at = (uintptr_t)account.slot;
    if (slot_at < origins->block + origins->about.child_head
        || slot_at - origins->block + sizeof(slot) > origins->about.child_size) {
        slot_at = 0;
    }
    into = slot_at ? (slot_at - origins->block - origins->about.child_head) / sizeof(slot) : origins->about.slot_count;
    if (into >= origins->about.slot_count || !pst_remote_read(origins->remote, slot_at, &slot, sizeof(slot))
        || !slot.in_use) {
        snprintf(origin->serves, sizeof(origin->serves), "%s",
                 account.scope == PST_SCOPE_REQUEST ? "request" : "connection");
        return;
    }
    slot.client[PST_CLIENT_LEN - 1] = slot.line[PST_LINE_LEN - 1] = '\0';
    if (account.scope == PST_SCOPE_REQUEST) {
        snprintf(origin->serves, sizeof(origin->serves), "request %s", slot.line);
    }
    else {
        snprintf(origin->serves, sizeof(origin->serves), "connection %llu of %s", (unsigned long long)slot.id,
                 slot.client);
    }
}

void pst_origin_of(pst_origins_t *origins, const pst_tree_pool_t *pool, pst_origin_t *origin)
{
    memset(origin, 0, sizeof(*origin));
    if (origins->classes) {
        tell_creator(origins, pool, origin);
        tell_account(origins, pool, origin);
    }
}
