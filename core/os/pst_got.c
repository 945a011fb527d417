/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting of global offset tables.
 *
 * For each loaded object: find its dynamic section, walk the relocations that
 * fill call slots (JUMP_SLOT) and address slots (GLOB_DAT), compare the symbol's
 * name, store.  Objects linked with full RELRO have these slots on pages made
 * read-only after start: they are made writable for the stores and read-only again.
 *
 * Pointers to functions in an object's data (ABS64: tables of functions) are
 * redirected too, while they still hold what the loader wrote there.
 *
 * A complete list of the process's mappings, taken beforehand, shows what may be written; a slot whose page is not in
 * it, or is neither writable nor RELRO, is left alone. The loader lists an object before relocating it: a slot that
 * does not point to code yet is left alone, and a late walk leaves RELRO pages that the loader has not yet made
 * read-only, since doing so here would crash the loader.
 *
 * A store is one aligned word, so a thread that calls through the slot meanwhile
 * goes either the old way or the new one.
 */
#include "pst_got.h"

#include <string.h>

#if defined(__ELF__) && defined(__linux__) && (defined(__x86_64__) || defined(__AARCH64EL__))

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_SLOT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#define IS_DATA(type) ((type) == R_X86_64_64)
#else
#define IS_SLOT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#define IS_DATA(type) ((type) == R_AARCH64_ABS64)
#endif

#define NAMES 4096             /* bits: a power of two, many times the number of entries */
#define BEGIN sizeof(apr_uint64_t)

typedef struct {
    const pst_got_job_t *what;
    apr_uint64_t         names[NAMES / 64]; /* a bit for the start of each entry's name, by a hash of it: nearly all
                                               symbols match none */
    apr_size_t           object;    /* objects seen so far */
    apr_size_t           stores;
    apr_status_t         status;
} job_t;

/* What is needed from one object; everything checked to be within its loaded segments. */
typedef struct {
    ElfW(Addr)        base;
    const ElfW(Phdr) *phdr;
    int               phnum;
    const ElfW(Sym)  *symbols;
    apr_size_t        symbols_most; /* how many fit in the segment they start in */
    const char       *strings;
    apr_size_t        strings_size;
    ElfW(Addr)        relro, relro_end;
    int               relro_open;
} object_t;

/* Bytes from an address to the end of the loaded segment that contains it; 0: none does. */
static apr_size_t room_at(const object_t *object, ElfW(Addr) at)
{
    for (int i = 0; i < object->phnum; i++) {
        const ElfW(Phdr) *ph = &object->phdr[i];

        if (ph->p_type == PT_LOAD && at - (object->base + ph->p_vaddr) < ph->p_memsz) {
            return ph->p_memsz - (at - (object->base + ph->p_vaddr));
        }
    }
    return 0;
}

static int inside(const object_t *object, ElfW(Addr) at, apr_size_t size)
{
    apr_size_t room = room_at(object, at);

    return room && room >= size;
}

/* glibc relocates the pointers of a dynamic section, other loaders (and the
 * vdso) do not. */
static ElfW(Addr) address(const object_t *object, ElfW(Addr) at)
{
    return inside(object, at, 1) ? at : object->base + at;
}

/* The first characters of a name as a number, without bytes beyond its end. @param room  bytes that may be read
 */
static apr_uint64_t beginning_of(const char *name, apr_size_t room)
{
    const apr_uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    apr_uint64_t text = 0, ends;

    memcpy(&text, name, room < BEGIN ? room : BEGIN);
    ends = (text - ones) & ~text & highs;               /* the lowest bit is the first end's */
    return ends ? text & (((ends & -ends) >> 7) - 1) : text;
}

static apr_uint32_t hash_beginning(apr_uint64_t beginning)
{
    return (apr_uint32_t)(beginning * 0x9e3779b97f4a7c15u >> 32) % NAMES;
}

/* @param name  an index into the object's strings */
static pst_got_entry_t *find_entry(const job_t *job, const object_t *object, apr_size_t name)
{
    const char *text = object->strings + name;
    apr_uint64_t beginning = beginning_of(text, object->strings_size - name);
    apr_uint32_t hash = hash_beginning(beginning);

    if (!(job->names[hash / 64] >> hash % 64 & 1)) {
        return NULL;
    }
    for (apr_size_t i = 0; i < job->what->count; i++) {
        pst_got_entry_t *entry = &job->what->entries[i];

        if (entry->beginning == beginning && strcmp(text, entry->name) == 0) {
            return !entry->only_in || inside(object, (ElfW(Addr))entry->only_in, 1) ? entry : NULL;
        }
    }
    return NULL;
}

static int is_left_alone(const job_t *job, const object_t *object)
{
    const void *const *address = job->what->not_in;

    for (; address && *address; address++) {
        if (inside(object, (ElfW(Addr))*address, 1)) {
            return 1;
        }
    }
    return 0;
}

static int protect(const object_t *object, int flags)
{
    return mprotect((void *)object->relro, object->relro_end - object->relro, flags) == 0;
}

static int is_late(const job_t *job)
{
    return job->what->flags & PST_GOT_LATE;
}

/* Leave a slot alone; look again later if the loader may still be working on it. */
static int leave_alone(job_t *job)
{
    job->status = APR_EAGAIN;
    return 0;
}

/* May this slot be written? Makes its page writable if necessary and allowed. */
static int opened(job_t *job, object_t *object, ElfW(Addr) at)
{
    int is_relro = at >= object->relro && at < object->relro_end;
    unsigned rights = pst_pages_rights(job->what->pages, at, sizeof(void *));

    if (is_relro && object->relro_open) {
        return 1;
    }
    if (!(rights & PST_PAGES_OWN) || !(rights & PST_PAGES_READ)) {
        return leave_alone(job);
    }
    if (rights & PST_PAGES_WRITE) {
        return is_relro && is_late(job) ? leave_alone(job) : 1;
    }
    if (!is_relro || pst_pages_rights(job->what->pages, object->relro, object->relro_end - object->relro)
                     != (PST_PAGES_READ | PST_PAGES_OWN)) {
        return leave_alone(job);
    }
    if (!protect(object, PROT_READ | PROT_WRITE)) {
        job->status = errno;
        return 0;
    }
    return object->relro_open = 1;
}

static int is_code(const job_t *job, const void *at)
{
    return (pst_pages_rights(job->what->pages, (apr_uintptr_t)at, 1) & PST_PAGES_EXEC) != 0;
}

/* Does the slot still hold what the loader put there, so that it may be replaced? */
static int is_ready(job_t *job, const pst_got_entry_t *entry, const void *now, int is_data, int is_weak)
{
    if (is_data) {
        return now == (job->what->flags & PST_GOT_BACK ? entry->wrapper : entry->real);
    }
    if (is_code(job, now)) {
        return 1;
    }
    if (is_late(job) && !is_weak) {
        leave_alone(job);
    }
    return 0;
}

static void store(job_t *job, object_t *object, pst_got_entry_t *entry, ElfW(Addr) at, int is_data, int is_weak)
{
    void **slot = (void **)at, *now;
    void *want = job->what->flags & PST_GOT_BACK ? entry->real : entry->wrapper;

    if (!inside(object, at, sizeof(*slot)) || at % sizeof(*slot) != 0) {
        return;
    }
    now = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (now != want) {
        if (!is_ready(job, entry, now, is_data, is_weak) || !opened(job, object, at)) {
            return;
        }
        __atomic_store_n(slot, want, __ATOMIC_RELEASE);
        job->stores++;
    }
    entry->slots += !(job->what->flags & PST_GOT_BACK);
}

static void relocations(job_t *job, object_t *object, ElfW(Addr) at, apr_size_t size)
{
    const ElfW(Rela) *rela = (const ElfW(Rela) *)at, *end = rela + size / sizeof(*rela);

    if (!inside(object, at, size)) {
        return;
    }
    for (; rela < end; rela++) {
        apr_size_t number = ELF64_R_SYM(rela->r_info);
        const ElfW(Sym) *symbol = &object->symbols[number];
        int is_data = IS_DATA(ELF64_R_TYPE(rela->r_info)) && !rela->r_addend;
        pst_got_entry_t *entry;

        if ((!IS_SLOT(ELF64_R_TYPE(rela->r_info)) && !is_data) || number >= object->symbols_most
            || symbol->st_name >= object->strings_size) {
            continue;
        }
        entry = find_entry(job, object, symbol->st_name);
        if (entry) {
            store(job, object, entry, object->base + rela->r_offset, is_data,
                  ELF64_ST_BIND(symbol->st_info) == STB_WEAK);
        }
    }
}

/* Is any entry for this object? Those of libapr's own calls apply only to libapr. */
static int is_wanted(const job_t *job, const object_t *object)
{
    apr_size_t i;

    for (i = 0; i < job->what->count; i++) {
        const void *only_in = job->what->entries[i].only_in;

        if (!only_in || inside(object, (ElfW(Addr))only_in, 1)) {
            return 1;
        }
    }
    return 0;
}

static int patch_object(struct dl_phdr_info *info, size_t size, void *data)
{
    job_t *job = data;
    object_t object = { .base = info->dlpi_addr, .phdr = info->dlpi_phdr, .phnum = info->dlpi_phnum };
    ElfW(Addr) jmprel = 0, rela = 0, page = (ElfW(Addr))sysconf(_SC_PAGESIZE) - 1;
    apr_size_t jmprel_size = 0, rela_size = 0, plt_kind = 0;
    const ElfW(Dyn) *dyn = NULL;
    int i;

    (void)size;
    if (job->object++ < job->what->skip || !is_wanted(job, &object) || is_left_alone(job, &object)) {
        return 0;
    }
    for (i = 0; i < object.phnum; i++) {
        const ElfW(Phdr) *ph = &object.phdr[i];

        if (ph->p_type == PT_DYNAMIC) {
            dyn = (const ElfW(Dyn) *)(object.base + ph->p_vaddr);
        }
        else if (ph->p_type == PT_GNU_RELRO) {
            object.relro = (object.base + ph->p_vaddr) & ~page;
            object.relro_end = (object.base + ph->p_vaddr + ph->p_memsz) & ~page;
        }
    }
    for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
        switch (dyn->d_tag) {
        case DT_JMPREL:   jmprel = address(&object, dyn->d_un.d_ptr); break;
        case DT_PLTRELSZ: jmprel_size = dyn->d_un.d_val; break;
        case DT_PLTREL:   plt_kind = dyn->d_un.d_val; break;
        case DT_RELA:     rela = address(&object, dyn->d_un.d_ptr); break;
        case DT_RELASZ:   rela_size = dyn->d_un.d_val; break;
        case DT_SYMTAB:   object.symbols = (const ElfW(Sym) *)address(&object, dyn->d_un.d_ptr); break;
        case DT_STRTAB:   object.strings = (const char *)address(&object, dyn->d_un.d_ptr); break;
        case DT_STRSZ:    object.strings_size = dyn->d_un.d_val; break;
        default: break;
        }
    }
    if (!object.symbols || !object.strings || !inside(&object, (ElfW(Addr))object.strings, object.strings_size)) {
        return 0;
    }
    object.symbols_most = room_at(&object, (ElfW(Addr))object.symbols) / sizeof(*object.symbols);
    if (jmprel && plt_kind == DT_RELA) {
        relocations(job, &object, jmprel, jmprel_size);
    }
    if (rela) {
        relocations(job, &object, rela, rela_size);
    }
    if (object.relro_open && !protect(&object, PROT_READ)) {
        job->status = errno;
    }
    return 0;
}

apr_status_t pst_got_patch(const pst_got_job_t *what, apr_size_t *stores)
{
    job_t job = { .what = what, .status = APR_SUCCESS };
    apr_size_t i;

    for (i = 0; i < what->count; i++) {
        pst_got_entry_t *entry = &what->entries[i];
        apr_uint32_t hash;

        entry->beginning = beginning_of(entry->name, strlen(entry->name));
        hash = hash_beginning(entry->beginning);
        job.names[hash / 64] |= (apr_uint64_t)1 << hash % 64;
    }
    for (i = 0; i < what->count && !what->skip; i++) {
        what->entries[i].slots = 0;
    }
    dl_iterate_phdr(patch_object, &job);
    *stores = job.stores;
    return job.status;
}

static int on_each(struct dl_phdr_info *info, size_t size, void *data)
{
    pst_got_loads_t *loads = data;

    loads->objects++;
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
        loads->loaded = info->dlpi_adds;
        loads->unloaded = info->dlpi_subs;
    }
    return 0;
}

void pst_got_look(pst_got_loads_t *loads)
{
    memset(loads, 0, sizeof(*loads));
    dl_iterate_phdr(on_each, loads);
}

static int on_first(struct dl_phdr_info *info, size_t size, void *data)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_adds) + sizeof(info->dlpi_adds)) {
        *(apr_uint64_t *)data = info->dlpi_adds;
    }
    return 1;
}

apr_uint64_t pst_got_loads(void)
{
    apr_uint64_t loads = 0;

    dl_iterate_phdr(on_first, &loads);
    return loads;
}

int pst_got_able(void)
{
    return 1;
}

int pst_got_pin(const void *address)
{
    struct link_map *program = dlopen(NULL, RTLD_LAZY);
    Dl_info info;

    if (!dladdr(address, &info) || !info.dli_fname) {
        return 0;
    }
    if (program && (ElfW(Addr))info.dli_fbase == program->l_addr) {
        return 1;       /* linked into the program itself: never unloaded */
    }
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != NULL;
}

#else

apr_status_t pst_got_patch(const pst_got_job_t *what, apr_size_t *stores)
{
    (void)what;
    *stores = 0;
    return APR_ENOTIMPL;
}

void pst_got_look(pst_got_loads_t *loads)
{
    memset(loads, 0, sizeof(*loads));
}

apr_uint64_t pst_got_loads(void)
{
    return 0;
}

int pst_got_able(void)
{
    return 0;
}

int pst_got_pin(const void *address)
{
    (void)address;
    return 0;
}

#endif
