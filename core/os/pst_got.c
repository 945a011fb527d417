/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting of global offset tables.
 *
 * For each loaded object: find its dynamic section, walk the relocations that
 * fill call slots (JUMP_SLOT) and address slots (GLOB_DAT), compare the symbol's
 * name, store.  Objects linked with full RELRO have these slots on pages made
 * read-only after start: they are opened for the stores and closed again.
 *
 * The loader lists an object before it has relocated it.  To close pages that it
 * still writes to would crash it, so pages are closed again only if
 * /proc/self/maps had them read-only before; a late walk leaves other objects alone.
 *
 * A store is one aligned word, so a thread that calls through the slot meanwhile
 * takes the old way or the new one.
 */
#include "pst_got.h"

#include <string.h>

#if defined(__ELF__) && defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_SLOT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#else
#define IS_SLOT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#endif

/* Read-only private mappings, as they were before the walk. */
typedef struct {
    ElfW(Addr) from, to;
} range_t;

typedef struct {
    pst_got_entry_t *entries;
    apr_size_t       count;
    int              flags;
    apr_status_t     status;
    range_t         *sealed;
    apr_size_t       sealed_count;
} job_t;

/* What is needed of one object; all checked to lie in its loaded segments. */
typedef struct {
    ElfW(Addr)        base;
    const ElfW(Phdr) *phdr;
    int               phnum;
    const ElfW(Sym)  *symbols;
    const char       *strings;
    apr_size_t        strings_size;
    ElfW(Addr)        relro, relro_end;
    int               relro_open;
} object_t;

#define MAX_SEALED 65536

static void read_sealed(job_t *job)
{
    apr_size_t room = 0;
    char *line = NULL;
    size_t line_size = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    while (maps && job->sealed_count < MAX_SEALED && getline(&line, &line_size, maps) > 0) {
        unsigned long from, to;
        char mode[5];

        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || strcmp(mode, "r--p") != 0) {
            continue;
        }
        if (job->sealed_count == room) {
            range_t *more = realloc(job->sealed, (room + 256) * sizeof(*more));

            if (!more) {
                break;
            }
            job->sealed = more;
            room += 256;
        }
        job->sealed[job->sealed_count].from = from;
        job->sealed[job->sealed_count++].to = to;
    }
    free(line);
    if (maps) {
        fclose(maps);
    }
}

static int is_sealed(const job_t *job, ElfW(Addr) at)
{
    apr_size_t i;

    for (i = 0; i < job->sealed_count; i++) {
        if (at >= job->sealed[i].from && at < job->sealed[i].to) {
            return 1;
        }
    }
    return 0;
}

static int inside(const object_t *object, ElfW(Addr) at, apr_size_t size)
{
    int i;

    for (i = 0; i < object->phnum; i++) {
        const ElfW(Phdr) *ph = &object->phdr[i];

        if (ph->p_type == PT_LOAD && at >= object->base + ph->p_vaddr
            && at + size <= object->base + ph->p_vaddr + ph->p_memsz && at + size >= at) {
            return 1;
        }
    }
    return 0;
}

/* glibc relocates the pointers of a dynamic section, other loaders (and the
 * vdso) do not. */
static ElfW(Addr) address(const object_t *object, ElfW(Addr) at)
{
    return inside(object, at, 1) ? at : object->base + at;
}

/* Entries are few and nearly all named apr_*; most symbols fail on the first
 * four bytes. */
static pst_got_entry_t *find(const job_t *job, const object_t *object, const char *name)
{
    apr_size_t i;

    for (i = 0; i < job->count; i++) {
        pst_got_entry_t *entry = &job->entries[i];

        if (strcmp(name, entry->name) == 0) {
            return !entry->only_in || inside(object, (ElfW(Addr))entry->only_in, 1) ? entry : NULL;
        }
    }
    return NULL;
}

static int protect(const object_t *object, int flags)
{
    return mprotect((void *)object->relro, object->relro_end - object->relro, flags) == 0;
}

/* May this slot be stored to?  Opens its page if it has to be, and may be. */
static int opened(job_t *job, object_t *object, ElfW(Addr) at)
{
    if (object->relro_open || at < object->relro || at >= object->relro_end) {
        return 1;
    }
    if (!is_sealed(job, at)) {
        if (job->flags & PST_GOT_LATE) {
            job->status = APR_EAGAIN;
        }
        return !(job->flags & PST_GOT_LATE);
    }
    if (!protect(object, PROT_READ | PROT_WRITE)) {
        job->status = errno;
        return 0;
    }
    return object->relro_open = 1;
}

static void store(job_t *job, object_t *object, pst_got_entry_t *entry, ElfW(Addr) at)
{
    void **slot = (void **)at;
    void *want = job->flags & PST_GOT_BACK ? entry->real : entry->wrapper;

    if (!inside(object, at, sizeof(*slot)) || at % sizeof(*slot) != 0) {
        return;
    }
    if (__atomic_load_n(slot, __ATOMIC_RELAXED) != want) {
        if (!opened(job, object, at)) {
            return;
        }
        __atomic_store_n(slot, want, __ATOMIC_RELEASE);
    }
    entry->slots += !(job->flags & PST_GOT_BACK);
}

static void relocations(job_t *job, object_t *object, ElfW(Addr) at, apr_size_t size)
{
    const ElfW(Rela) *rela = (const ElfW(Rela) *)at, *end = rela + size / sizeof(*rela);

    if (!inside(object, at, size)) {
        return;
    }
    for (; rela < end; rela++) {
        const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(rela->r_info)];
        pst_got_entry_t *entry;

        if (!IS_SLOT(ELF64_R_TYPE(rela->r_info)) || !inside(object, (ElfW(Addr))symbol, sizeof(*symbol))
            || symbol->st_name >= object->strings_size) {
            continue;
        }
        entry = find(job, object, object->strings + symbol->st_name);
        if (entry) {
            store(job, object, entry, object->base + rela->r_offset);
        }
    }
}

static int on_object(struct dl_phdr_info *info, size_t size, void *data)
{
    job_t *job = data;
    object_t object = { .base = info->dlpi_addr, .phdr = info->dlpi_phdr, .phnum = info->dlpi_phnum };
    ElfW(Addr) jmprel = 0, rela = 0, page = (ElfW(Addr))sysconf(_SC_PAGESIZE) - 1;
    apr_size_t jmprel_size = 0, rela_size = 0, plt_kind = 0;
    const ElfW(Dyn) *dyn = NULL;
    int i;

    (void)size;
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

apr_status_t pst_got_patch(pst_got_entry_t *entries, apr_size_t count, int flags)
{
    job_t job = { .entries = entries, .count = count, .flags = flags, .status = APR_SUCCESS };
    apr_size_t i;

    for (i = 0; i < count; i++) {
        entries[i].slots = 0;
    }
    read_sealed(&job);
    dl_iterate_phdr(on_object, &job);
    free(job.sealed);
    return job.status;
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

int pst_got_pin(const void *address)
{
    struct link_map *program = dlopen(NULL, RTLD_LAZY);
    Dl_info info;

    if (!dladdr(address, &info) || !info.dli_fname) {
        return 0;
    }
    if (program && (ElfW(Addr))info.dli_fbase == program->l_addr) {
        return 1;       /* linked into the program itself: it goes nowhere */
    }
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != NULL;
}

#else

apr_status_t pst_got_patch(pst_got_entry_t *entries, apr_size_t count, int flags)
{
    (void)entries, (void)count, (void)flags;
    return APR_ENOTIMPL;
}

apr_uint64_t pst_got_loads(void)
{
    return 0;
}

int pst_got_pin(const void *address)
{
    (void)address;
    return 0;
}

#endif
