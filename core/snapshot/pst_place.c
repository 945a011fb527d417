/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in code: see the header.
 */
#include "pst_place.h"
#include "pst_object.h"
#include "pst_resolver.h"

#include <stdio.h>
#include <string.h>

/* The nearest dynamic symbol may be the wrong one: the resolver knows all symbols. */
static void add_resolved(pst_place_t *place, const pst_resolved_t *resolved)
{
    if (!resolved) {
        return;
    }
    place->replaced = resolved->replaced;
    if (resolved->function[0]) {
        place->function = resolved->function;
        place->into = resolved->into + 1;
    }
    if (resolved->file[0] && resolved->line) {
        place->file = resolved->file;
        place->line = resolved->line;
    }
}

void pst_place_in(pst_place_t *place, const pst_shared_module_t *modules, pst_shared_frame_t frame)
{
    /* a verdict's frame comes from the board as it is; entry 0 is left empty */
    const pst_shared_module_t *module =
        &modules[PST_FRAME_MODULE(frame) < PST_MODULE_COUNT ? PST_FRAME_MODULE(frame) : 0];
    apr_uint64_t into = 0;

    place->offset = PST_FRAME_OFFSET(frame);
    place->module = module->name[0] ? module->name : "?";
    place->function = module->name[0] ? pst_object_symbol(module->id, place->offset, &into) : NULL;
    place->into = into + 1;
    place->file = NULL;
    place->line = 0;
    place->replaced = 0;
    if (module->name[0]) {
        add_resolved(place, pst_resolver_find(module->id, place->offset));
    }
}

/* Readers want the file's name, not where somebody once built it. */
static const char *without_folders(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash && slash[1] ? slash + 1 : file;
}

void pst_place_of(pst_place_t *place, const pst_snapshot_t *snapshot, pst_shared_frame_t frame)
{
    pst_place_in(place, snapshot->modules, frame);
}

char *pst_place_text(char *to, const pst_place_t *place)
{
    if (place->function && place->file) {
        snprintf(to, PST_PLACE_LEN, "%s %s (%s:%u)", place->module, place->function, without_folders(place->file),
                 place->line);
    }
    else if (place->function) {
        snprintf(to, PST_PLACE_LEN, "%s %s+0x%llx", place->module, place->function, (unsigned long long)place->into);
    }
    else {
        snprintf(to, PST_PLACE_LEN, "%s+0x%llx", place->module, (unsigned long long)place->offset);
    }
    return to;
}

/* -- looking up ------------------------------------------------------------- */

#define MOST 1024               /* places looked up at once */

typedef struct {
    const pst_shared_module_t *modules;
    pst_unresolved_t *at;
    unsigned count, most;
} wanted_t;

static void want(wanted_t *wanted, pst_shared_frame_t frame)
{
    const pst_shared_module_t *module;
    pst_unresolved_t *place = &wanted->at[wanted->count];

    if (!PST_FRAME_MODULE(frame) || PST_FRAME_MODULE(frame) >= PST_MODULE_COUNT || wanted->count == wanted->most) {
        return;
    }
    module = &wanted->modules[PST_FRAME_MODULE(frame)];
    place->id = module->id;
    place->offset = PST_FRAME_OFFSET(frame);
    if (!module->name[0] || pst_resolver_find(place->id, place->offset)) {
        return;
    }
    for (unsigned i = 0; i < wanted->count; i++) {
        if (wanted->at[i].offset == place->offset && wanted->at[i].id == place->id) {
            return;
        }
    }
    place->path = pst_object_path(place->id);
    wanted->count += place->path && place->path[0] == '/';
}

static void want_child(wanted_t *wanted, const pst_child_row_t *child)
{
    want(wanted, child->head.verdict.site);
    for (apr_uint32_t c = 0; c < child->class_count; c++) {
        want(wanted, child->classes[c].row.creator);
    }
    for (apr_uint32_t s = 0; s < child->site_count; s++) {
        for (unsigned f = 0; f < child->sites[s].row.depth && f < PST_SITE_FRAMES; f++) {
            want(wanted, child->sites[s].row.frames[f]);
        }
    }
}

static void want_misuse(wanted_t *wanted, const pst_shared_misuse_t *misuse)
{
    for (unsigned s = 0; s < PST_MISUSE_STACKS; s++) {
        for (unsigned f = 0; f < misuse->stacks[s].depth; f++) {
            want(wanted, misuse->stacks[s].frames[f]);
        }
    }
}

void pst_place_resolve(const pst_snapshot_t *snapshot, unsigned milliseconds, apr_pool_t *pool)
{
    wanted_t wanted = { .modules = snapshot->modules, .most = MOST };

    if (!pst_resolver_is_there()) {
        return;
    }
    wanted.at = apr_palloc(pool, MOST * sizeof(*wanted.at));
    for (const pst_row_t *row = snapshot->growing; row; row = row->next_growing) {
        want(&wanted, row->slot.verdict.site);
    }
    for (apr_uint32_t i = 0; i < snapshot->misuse_count; i++) {
        want_misuse(&wanted, &snapshot->misuses[i].row);
    }
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        want_child(&wanted, &snapshot->children[i]);
    }
    pst_resolver_ask(wanted.at, wanted.count, milliseconds);
}

void pst_place_resolve_stack(const pst_shared_module_t *modules, const pst_shared_frame_t *frames, unsigned depth,
                             unsigned milliseconds)
{
    pst_unresolved_t at[PST_SITE_FRAMES + 1];
    wanted_t wanted = { .modules = modules, .at = at, .most = PST_SITE_FRAMES };

    if (!pst_resolver_is_there()) {
        return;
    }
    for (unsigned i = 0; i < depth && i < PST_SITE_FRAMES; i++) {
        want(&wanted, frames[i]);
    }
    if (wanted.count) {
        pst_resolver_ask(wanted.at, wanted.count, milliseconds);
    }
}
