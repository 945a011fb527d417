/* SPDX-License-Identifier: Apache-2.0
 *
 * The loaded objects of this process: see the header.
 *
 * Concurrency: a list is built aside, sorted, and published by one store; readers
 * search it without a lock.  Replaced lists are kept, since somebody may still hold an entry: one for each dlopen()
 * noticed.
 */
#include "pst_object.h"
#include "pst_got.h"

#include <apr_buckets.h>
#include <apr_pools.h>
#include <dlfcn.h>
#include <link.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SEGMENTS 8192
#define FNV_START    0xcbf29ce484222325u
#define FNV_PRIME    0x100000001b3u

typedef struct {
    apr_uint64_t loads;         /* of the loader when the list was made */
    apr_size_t   count, room;
    pst_object_t at[];
} list_t;

static list_t *current;         /* atomic */

/* Set before there are threads. */
static struct {
    const void **records;
    unsigned     count;
    const void  *mpm;
} modules;

static const pst_object_elsewhere_t *elsewhere;     /* set only by the command, which has one thread */

static apr_uint64_t fnv(apr_uint64_t hash, const void *data, apr_size_t size)
{
    const unsigned char *c = data, *end = c + size;

    while (c < end) {
        hash = (hash ^ *c++) * FNV_PRIME;
    }
    return hash;
}

/* The hash of NT_GNU_BUILD_ID; 0 if there is none. */
static apr_uint64_t build_id(const struct dl_phdr_info *info)
{
    int i;

    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const char *at = (const char *)(info->dlpi_addr + ph->p_vaddr), *end = at + ph->p_memsz;

        if (ph->p_type != PT_NOTE || ph->p_align > 4) {
            continue;
        }
        while (end - at >= (long)sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)at;
            apr_size_t name = (note->n_namesz + 3u) & ~3u, desc = (note->n_descsz + 3u) & ~3u;

            at += sizeof(*note);
            if ((apr_size_t)(end - at) < name || (apr_size_t)(end - at) - name < desc) {
                break;
            }
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(at, "GNU", 4) == 0) {
                return pst_object_id(at + name, note->n_descsz);
            }
            at += name + desc;
        }
    }
    return 0;
}

static void set_name(pst_object_t *object, const char *path)
{
    const char *slash = strrchr(path, '/');
    apr_size_t length;

    path = slash ? slash + 1 : path;
    length = strnlen(path, sizeof(object->name) - 1);
    memcpy(object->name, path, length);
    object->name[length] = '\0';
}

static int list_object(struct dl_phdr_info *info, size_t size, void *data)
{
    list_t *list = data;
    pst_object_t object = { .base = info->dlpi_addr, .is_main = list->count == 0 };
    apr_size_t first = list->count;
    char path[PATH_MAX] = "";
    apr_uintptr_t end = 0;
    int i;

    (void)size;
    set_name(&object, info->dlpi_name ? info->dlpi_name : "");
    if (object.is_main && readlink("/proc/self/exe", path, sizeof(path) - 1) > 0) {
        set_name(&object, path);
    }
    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && list->count < list->room) {
            object.from = info->dlpi_addr + ph->p_vaddr;
            object.to = end = object.from + ph->p_memsz;
            list->at[list->count++] = object;
        }
    }
    object.id = build_id(info);
    if (!object.id) {
        end -= object.base;
        object.id = fnv(fnv(FNV_START, object.name, strlen(object.name)), &end, sizeof(end));
    }
    for (; first < list->count; first++) {
        list->at[first].id = object.id;
    }
    return list->count >= list->room;
}

static int by_object_address(const void *one, const void *two)
{
    const pst_object_t *a = one, *b = two;

    return (a->from > b->from) - (a->from < b->from);
}

static const pst_object_t *search_objects(const list_t *list, apr_uintptr_t at)
{
    apr_size_t low = 0, high = list ? list->count : 0;

    while (low < high) {
        apr_size_t middle = (low + high) / 2;

        if (at < list->at[middle].from) {
            high = middle;
        }
        else if (at >= list->at[middle].to) {
            low = middle + 1;
        }
        else {
            return &list->at[middle];
        }
    }
    return NULL;
}

/* Set the kind of all segments of the object that contains an address; the program itself, whatever is linked into
 * it, stays httpd. */
static void mark_kind(list_t *list, const void *address, pst_code_e kind)
{
    const pst_object_t *object = search_objects(list, (apr_uintptr_t)address);
    apr_size_t i;

    for (i = 0; object && !object->is_main && i < list->count; i++) {
        if (list->at[i].id == object->id) {
            list->at[i].kind = kind;
        }
    }
}

static void set_kinds(list_t *list)
{
    for (apr_size_t i = 0; i < list->count; i++) {
        list->at[i].kind = list->at[i].is_main ? PST_CODE_HTTPD : PST_CODE_LIBRARY;
    }
    for (unsigned i = 0; i < modules.count; i++) {
        mark_kind(list, modules.records[i], modules.records[i] == modules.mpm ? PST_CODE_MPM : PST_CODE_MODULE);
    }
    /* functions that are never redirected: these addresses are the real ones */
    mark_kind(list, (const void *)apr_pool_parent_get, PST_CODE_APR);
    mark_kind(list, (const void *)apr_brigade_create, PST_CODE_APR);
    mark_kind(list, (const void *)pst_object_find, PST_CODE_SELF);
}

static const list_t *look_up_objects(void)
{
    apr_uint64_t loads = pst_got_loads();
    list_t *seen = __atomic_load_n(&current, __ATOMIC_ACQUIRE), *list;

    if (seen && seen->loads == loads) {
        return seen;
    }
    list = malloc(sizeof(*list) + MAX_SEGMENTS * sizeof(list->at[0]));
    if (!list) {
        return seen;
    }
    list->loads = loads;
    list->count = 0;
    list->room = MAX_SEGMENTS;
    dl_iterate_phdr(list_object, list);
    qsort(list->at, list->count, sizeof(list->at[0]), by_object_address);
    set_kinds(list);
    if (!__atomic_compare_exchange_n(&current, &seen, list, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        free(list);
        return seen;
    }
    return list;
}

const pst_object_t *pst_object_find(const void *address)
{
    const pst_object_t *object = search_objects(__atomic_load_n(&current, __ATOMIC_ACQUIRE), (apr_uintptr_t)address);

    return object ? object : search_objects(look_up_objects(), (apr_uintptr_t)address);
}

apr_uint64_t pst_object_of(const void *address)
{
    const pst_object_t *object = address ? pst_object_find(address) : NULL;

    return object ? object->id : 0;
}

void pst_object_modules(const void *const *records, unsigned count, const void *mpm)
{
    const void **copy = malloc((count + 1) * sizeof(*copy));
    list_t *list = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

    if (!copy) {
        return;
    }
    if (count) {
        memcpy(copy, records, count * sizeof(*copy));
    }
    free(modules.records);
    modules.records = copy;
    modules.count = count;
    modules.mpm = mpm;
    if (list) {
        set_kinds(list);                /* not yet visible to others */
    }
}

const pst_object_t *pst_object_known(const void *address)
{
    return search_objects(__atomic_load_n(&current, __ATOMIC_ACQUIRE), (apr_uintptr_t)address);
}

void pst_object_refresh(void)
{
    look_up_objects();
}

apr_uint64_t pst_object_id(const void *build, apr_size_t size)
{
    return fnv(FNV_START, build, size);
}

void pst_object_look_elsewhere(const pst_object_elsewhere_t *where)
{
    elsewhere = where;
}

const char *pst_object_maps(void)
{
    return elsewhere ? elsewhere->maps : "/proc/self/maps";
}

static int base_here(apr_uint64_t id, apr_uintptr_t *base)
{
    const list_t *list = look_up_objects();
    apr_size_t i;

    for (i = 0; list && i < list->count; i++) {
        if (list->at[i].id == id) {
            *base = list->at[i].base;
            return 1;
        }
    }
    return 0;
}

int pst_object_base(apr_uint64_t id, apr_uintptr_t *base)
{
    return elsewhere ? elsewhere->base(elsewhere->baton, id, base) : base_here(id, base);
}

/* dladdr() gives the name the program was started with, which need not be a path. */
static const char *path_here(apr_uint64_t id)
{
    const list_t *list = look_up_objects();
    Dl_info info;

    for (apr_size_t i = 0; list && i < list->count; i++) {
        if (list->at[i].id == id) {
            if (list->at[i].is_main) {
                return "/proc/self/exe";
            }
            return dladdr((const void *)list->at[i].from, &info) ? info.dli_fname : NULL;
        }
    }
    return NULL;
}

const char *pst_object_path(apr_uint64_t id)
{
    return elsewhere ? elsewhere->path(elsewhere->baton, id) : path_here(id);
}

const char *pst_object_symbol(apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into)
{
    apr_uintptr_t base;
    Dl_info info;

    if (elsewhere) {
        return elsewhere->symbol(elsewhere->baton, id, offset, into);
    }
    if (!base_here(id, &base) || !dladdr((const void *)(base + (apr_uintptr_t)offset), &info)
        || !info.dli_sname || (apr_uintptr_t)info.dli_fbase > base + offset) {
        return NULL;
    }
    *into = base + offset - (apr_uintptr_t)info.dli_saddr;
    return info.dli_sname;
}
