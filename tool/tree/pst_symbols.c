/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols of another process's objects: see the header.
 *
 * A file is opened through /proc/PID/map_files, which also has files that were deleted or are in another mount
 * namespace. If only root may go there, or not even root, it is opened by its path, and must begin with the same
 * bytes as the mapping.  The process's user may have mapped anything: a file of
 * a few kilobytes can claim terabytes of tables, so one table of each kind is read, and the total is bounded. Names
 * come from .dynsym, from .symtab if it was not stripped, and from the distribution's debug file if that is
 * installed.
 */
#include "pst_symbols.h"
#include "pst_file.h"

#include <apr_strings.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_OBJECTS  4096
#define MAX_SECTIONS 4096
#define MAX_OF_ONE   (32u << 20)    /* bytes of tables of an object and its debug file */
#define MAX_OF_ALL   (64u << 20)
#define MAX_ALIKE    64             /* symbols at one address that are searched for an exported one */
#define PIECE        (1u << 20)     /* bytes read between two looks at the clock */
#define DEBUG_FILES  "/usr/lib/debug/.build-id"
#define SAME_BYTES   1024           /* of a file and of what is mapped: its header, its segments */

typedef struct {
    uint64_t value, size;
    const char *name;
    int exported;
} name_t;

enum { DYNAMIC = 0, ALL, TABLES };     /* the kinds of symbol tables */

typedef struct {
    pst_loaded_t is;
    uint64_t device, inode;
    int      opened;            /* its file was read, successfully or not */
    uint64_t read;              /* bytes of tables */
    name_t  *names;             /* by value; exported ones first among equals */
    apr_size_t count, room;
    char    *texts[2 * TABLES]; /* names point into these; from its own file, and from its debug file */
    unsigned text_count;
} object_t;

struct pst_symbols_t {
    pst_remote_t *remote;
    apr_pool_t   *pool;
    object_t     *objects[MAX_OBJECTS];
    apr_size_t    count;
    apr_time_t    looked;       /* `looked` of the remote when the objects were listed */
    uint64_t      read;         /* bytes of tables, of all objects */
};

/* -- a file --------------------------------------------------------------- */

typedef struct {
    int fd;
    uint64_t size;
    ElfW(Ehdr) head;
    ElfW(Shdr) *sections;
    unsigned section_count;
} elf_t;

static int read_elf_at(const elf_t *elf, uint64_t offset, void *to, uint64_t size)
{
    return offset <= elf->size && size <= elf->size - offset
           && pread(elf->fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* A section's bytes and a NUL, within the bounds. @return NULL, or what must be freed */
static char *table(pst_symbols_t *symbols, object_t *object, const elf_t *elf, const ElfW(Shdr) *section)
{
    uint64_t size = section->sh_size, done, piece;
    char *to;

    if (section->sh_type == SHT_NOBITS || size == 0 || size > MAX_OF_ONE - object->read
        || size > MAX_OF_ALL - symbols->read) {
        return NULL;
    }
    to = malloc(size + 1);
    if (!to) {
        return NULL;
    }
    object->read += size;
    symbols->read += size;
    for (done = 0; done < size; done += piece) {
        piece = size - done < PIECE ? size - done : PIECE;
        if (!pst_remote_in_time(symbols->remote) || section->sh_offset > elf->size - done
            || !read_elf_at(elf, section->sh_offset + done, to + done, piece)) {
            free(to);
            return NULL;
        }
    }
    to[size] = '\0';
    return to;
}

/* The header and the table of sections. @return 0 if it is no ELF file of this machine's kind */
static int begin_elf(elf_t *elf)
{
    struct stat about;
    uint64_t size;

    if (fstat(elf->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        return 0;
    }
    elf->size = (uint64_t)about.st_size;
    if (!read_elf_at(elf, 0, &elf->head, sizeof(elf->head)) || memcmp(elf->head.e_ident, ELFMAG, SELFMAG) != 0
        || elf->head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
        return 0;
    }
    if (elf->head.e_shentsize == sizeof(ElfW(Shdr)) && elf->head.e_shnum <= MAX_SECTIONS) {
        size = (uint64_t)elf->head.e_shnum * sizeof(ElfW(Shdr));
        elf->sections = malloc(size + 1);
        elf->section_count =
            elf->sections && read_elf_at(elf, elf->head.e_shoff, elf->sections, size) ? elf->head.e_shnum : 0;
    }
    return 1;
}

static void end_elf(elf_t *elf)
{
    free(elf->sections);
    close(elf->fd);
}

static void add_name(object_t *object, const ElfW(Sym) *symbol, const char *name, int exported)
{
    name_t *more;

    if (object->count == object->room) {
        apr_size_t room = object->room ? object->room * 2 : 1024;

        more = realloc(object->names, room * sizeof(*more));
        if (!more) {
            return;
        }
        object->names = more;
        object->room = room;
    }
    object->names[object->count++] = (name_t){ symbol->st_value, symbol->st_size, name, exported };
}

static void add_names(pst_symbols_t *symbols, object_t *object, const elf_t *elf, const ElfW(Shdr) *section)
{
    const ElfW(Sym) *entries;
    char *texts;
    uint64_t i, text_size;
    int type;

    if (section->sh_link >= elf->section_count || section->sh_entsize != sizeof(ElfW(Sym))
        || object->text_count == sizeof(object->texts) / sizeof(object->texts[0])) {
        return;
    }
    texts = table(symbols, object, elf, &elf->sections[section->sh_link]);
    entries = texts ? (const void *)table(symbols, object, elf, section) : NULL;
    text_size = elf->sections[section->sh_link].sh_size;
    for (i = 0; entries && i < section->sh_size / sizeof(ElfW(Sym)); i++) {
        type = ELF64_ST_TYPE(entries[i].st_info);
        if ((type == STT_FUNC || type == STT_OBJECT || type == STT_GNU_IFUNC) && entries[i].st_shndx != SHN_UNDEF
            && entries[i].st_name < text_size && texts[entries[i].st_name]) {
            add_name(object, &entries[i], texts + entries[i].st_name, section->sh_type == SHT_DYNSYM);
        }
    }
    free((void *)entries);
    if (texts) {
        object->texts[object->text_count++] = texts;
    }
}

/* NT_GNU_BUILD_ID */
static void find_build(object_t *object, const char *at, const char *end)
{
    while (end - at >= (long)sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        uint64_t name = ((uint64_t)note->n_namesz + 3) & ~3ull, desc = ((uint64_t)note->n_descsz + 3) & ~3ull;

        at += sizeof(*note);
        if ((uint64_t)(end - at) < name || (uint64_t)(end - at) - name < desc) {
            return;
        }
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(at, "GNU", 4) == 0
            && note->n_descsz <= PST_BUILD_ID) {
            object->is.build_size = note->n_descsz;
            memcpy(object->is.build, at + name, note->n_descsz);
            return;
        }
        at += name + desc;
    }
}

/* Its build id, from the notes; an object may have several small ones. */
static void read_notes(pst_symbols_t *symbols, object_t *object, const elf_t *elf)
{
    unsigned i;

    for (i = 0; i < elf->section_count && !object->is.build_size; i++) {
        const ElfW(Shdr) *section = &elf->sections[i];

        if (section->sh_type == SHT_NOTE && section->sh_size < 4096) {
            char *notes = table(symbols, object, elf, section);

            if (notes) {
                find_build(object, notes, notes + section->sh_size);
            }
            free(notes);
        }
    }
}

/* Read the symbols: one table of each kind, as the format allows. */
static void read_names(pst_symbols_t *symbols, object_t *object, const elf_t *elf)
{
    static const ElfW(Word) types[TABLES] = { [DYNAMIC] = SHT_DYNSYM, [ALL] = SHT_SYMTAB };
    unsigned i, kind;

    for (kind = 0; kind < TABLES; kind++) {
        for (i = 0; i < elf->section_count && elf->sections[i].sh_type != types[kind]; i++) {
        }
        if (i < elf->section_count) {
            add_names(symbols, object, elf, &elf->sections[i]);
        }
    }
}

static void add_debug_file(pst_symbols_t *symbols, object_t *object)
{
    char path[sizeof(DEBUG_FILES) + 2 * PST_BUILD_ID + 16];
    elf_t elf = { .fd = -1 };
    struct stat about;
    unsigned i;
    int used;

    if (object->is.build_size < 2) {
        return;
    }
    used = snprintf(path, sizeof(path), "%s/%02x/", DEBUG_FILES, object->is.build[0]);
    for (i = 1; i < object->is.build_size; i++) {
        used += snprintf(path + used, sizeof(path) - (size_t)used, "%02x", object->is.build[i]);
    }
    snprintf(path + used, sizeof(path) - (size_t)used, ".debug");
    elf.fd = pst_file_open(path, 1, &about);
    if (elf.fd >= 0) {
        if (begin_elf(&elf)) {
            read_names(symbols, object, &elf);
        }
        end_elf(&elf);
    }
}

/* -- the objects of a process --------------------------------------------- */

static int by_value(const void *one, const void *two)
{
    const name_t *a = one, *b = two;

    if (a->value != b->value) {
        return a->value < b->value ? -1 : 1;
    }
    return b->exported - a->exported;
}

/*
 * Open the file behind a mapping of its first bytes, with proof that it is that file. Use the kernel's own link,
 * which cannot lead elsewhere. Use its path, which its user chose, only if we may not follow that link, and only if
 * the inode number matches; for a file without a name, the path is not its name.
 */
static int open_mapped(pst_remote_t *remote, const pst_range_t *range)
{
    unsigned char mapped[SAME_BYTES], filed[SAME_BYTES];
    struct stat about;
    char path[128];
    int fd, is_deleted;

    if (!pst_remote_read(remote, range->from, mapped, sizeof(mapped))) {
        return -1;
    }
    pst_file_name(range->path, &is_deleted);
    snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)remote->pid, (uint64_t)range->from,
             (uint64_t)range->to);
    fd = pst_file_open(path, 1, &about);
    if (fd == -1 && (errno == EPERM || errno == EACCES) && !is_deleted) {
        fd = pst_file_open(range->path, 0, &about);
        if (fd >= 0 && about.st_ino != (ino_t)range->inode) {
            close(fd);
            return -1;
        }
    }
    if (fd < 0) {
        return -1;
    }
    if (pread(fd, filed, sizeof(filed), 0) != (ssize_t)sizeof(filed)
        || memcmp(filed, mapped, sizeof(filed)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The base of the object's own addresses: the segment that has the file's first bytes. */
static int find_base(const elf_t *elf, uintptr_t from, uintptr_t *base)
{
    ElfW(Phdr) segment;
    unsigned i;

    for (i = 0; i < elf->head.e_phnum && elf->head.e_phentsize == sizeof(segment); i++) {
        if (!read_elf_at(elf, elf->head.e_phoff + i * sizeof(segment), &segment, sizeof(segment))) {
            return 0;
        }
        if (segment.p_type == PT_LOAD && segment.p_offset == 0) {
            *base = from - (uintptr_t)segment.p_vaddr;
            return 1;
        }
    }
    return 0;
}

static void add_object(pst_symbols_t *symbols, const pst_range_t *range)
{
    object_t *object = apr_pcalloc(symbols->pool, sizeof(*object));
    const char *slash;
    int is_deleted;

    object->device = range->device;
    object->inode = range->inode;
    object->is.path = apr_pstrdup(symbols->pool, range->path);
    slash = strrchr(object->is.path, '/');
    object->is.name =
        slash ? apr_pstrmemdup(symbols->pool, slash + 1, pst_file_name(slash + 1, &is_deleted)) : object->is.path;
    object->is.base = range->from;
    symbols->objects[symbols->count++] = object;
}

/* The objects are the files mapped from their first byte on, in the order of their addresses. */
static void list_objects(pst_symbols_t *symbols)
{
    pst_remote_t *remote = symbols->remote;
    apr_size_t i, k;

    if (symbols->looked == remote->looked) {
        return;
    }
    symbols->looked = remote->looked;
    for (i = 0; i < remote->range_count && symbols->count < MAX_OBJECTS; i++) {
        const pst_range_t *range = &remote->ranges[i];

        if (!range->inode || range->offset || range->shared || !range->readable || range->path[0] != '/') {
            continue;
        }
        for (k = 0; k < symbols->count; k++) {
            if (symbols->objects[k]->inode == range->inode && symbols->objects[k]->device == range->device) {
                break;
            }
        }
        if (k == symbols->count) {
            add_object(symbols, range);
        }
    }
}

static const pst_range_t *first_range(pst_symbols_t *symbols, const object_t *object)
{
    apr_size_t i;

    for (i = 0; i < symbols->remote->range_count; i++) {
        const pst_range_t *range = &symbols->remote->ranges[i];

        if (range->inode == object->inode && range->device == object->device && range->offset == 0) {
            return range;
        }
    }
    return NULL;
}

static void open_symbols(pst_symbols_t *symbols, object_t *object)
{
    const pst_range_t *range = first_range(symbols, object);
    elf_t elf = { .fd = -1 };

    if (object->opened || !range || !pst_remote_in_time(symbols->remote)) {
        return;
    }
    object->opened = 1;
    elf.fd = open_mapped(symbols->remote, range);
    if (elf.fd < 0) {
        return;
    }
    if (begin_elf(&elf) && find_base(&elf, range->from, &object->is.base)) {
        read_notes(symbols, object, &elf);
        read_names(symbols, object, &elf);
        add_debug_file(symbols, object);
        if (object->count) {
            qsort(object->names, object->count, sizeof(object->names[0]), by_value);
        }
    }
    end_elf(&elf);
}

static apr_status_t free_names(void *data)
{
    pst_symbols_t *symbols = data;
    apr_size_t i;

    for (i = 0; i < symbols->count; i++) {
        object_t *object = symbols->objects[i];

        free(object->names);
        while (object->text_count > 0) {
            free(object->texts[--object->text_count]);
        }
    }
    return APR_SUCCESS;
}

pst_symbols_t *pst_symbols_make(pst_remote_t *remote, apr_pool_t *pool)
{
    pst_symbols_t *symbols = apr_pcalloc(pool, sizeof(*symbols));

    symbols->remote = remote;
    symbols->pool = pool;
    apr_pool_cleanup_register(pool, symbols, free_names, apr_pool_cleanup_null);
    list_objects(symbols);
    return symbols;
}

/* The last symbol that begins at or before the offset and reaches beyond it. */
static const name_t *name_at(const object_t *object, uint64_t offset)
{
    apr_size_t low = 0, high = object->count, tries;

    while (low < high) {
        apr_size_t middle = (low + high) / 2;

        if (object->names[middle].value <= offset) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    for (tries = 0; low > 0 && tries < 8; tries++) {
        const name_t *name = &object->names[--low];

        if (offset - name->value < name->size) {
            for (tries = 0; tries < MAX_ALIKE && low > 0 && object->names[low - 1].value == name->value
                            && object->names[low - 1].size == name->size; tries++) {
                name = &object->names[--low];       /* of those with the same address, the exported one */
            }
            return name;
        }
    }
    return NULL;
}

int pst_symbols_at(pst_symbols_t *symbols, uintptr_t at, pst_symbol_t *symbol)
{
    const pst_range_t *range = pst_remote_range(symbols->remote, at);
    const name_t *name;
    apr_size_t i;

    memset(symbol, 0, sizeof(*symbol));
    if (!range || !range->inode) {
        return 0;
    }
    list_objects(symbols);
    for (i = 0; i < symbols->count; i++) {
        object_t *object = symbols->objects[i];

        if (object->inode == range->inode && object->device == range->device) {
            open_symbols(symbols, object);
            symbol->object = &object->is;
            symbol->offset = at - object->is.base;
            name = name_at(object, symbol->offset);
            if (name) {
                symbol->function = name->name;
                symbol->exported = name->exported;
                symbol->into = symbol->offset - name->value;
            }
            return 1;
        }
    }
    return 0;
}

const pst_loaded_t *pst_symbols_nth(pst_symbols_t *symbols, apr_size_t i)
{
    if (i >= symbols->count) {
        return NULL;
    }
    open_symbols(symbols, symbols->objects[i]);
    return &symbols->objects[i]->is;
}

const pst_loaded_t *pst_symbols_object(pst_symbols_t *symbols, const char *begins)
{
    pst_remote_t *remote = symbols->remote;
    char link[64], path[4096];
    ssize_t length;
    apr_size_t i;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)remote->pid);
    length = *begins ? 0 : readlink(link, path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    for (i = 0; i < symbols->count; i++) {
        object_t *object = symbols->objects[i];

        if (*begins ? strncmp(object->is.name, begins, strlen(begins)) == 0 : strcmp(object->is.path, path) == 0) {
            open_symbols(symbols, object);
            return &object->is;
        }
    }
    return NULL;
}

const pst_loaded_t *pst_symbols_same(pst_symbols_t *symbols, const pst_loaded_t *other)
{
    apr_size_t i;

    for (i = 0; i < symbols->count && other->build_size; i++) {
        object_t *object = symbols->objects[i];

        if (strcmp(object->is.name, other->name) == 0) {
            open_symbols(symbols, object);
            if (object->is.build_size == other->build_size
                && memcmp(object->is.build, other->build, other->build_size) == 0) {
                return &object->is;
            }
        }
    }
    return NULL;
}

int pst_symbols_find(pst_symbols_t *symbols, const pst_loaded_t *loaded, const char *name, uintptr_t *at)
{
    apr_size_t i, k;

    for (i = 0; i < symbols->count; i++) {
        object_t *object = symbols->objects[i];

        for (k = 0; &object->is == loaded && k < object->count; k++) {
            if (object->names[k].exported && strcmp(object->names[k].name, name) == 0) {
                *at = object->is.base + object->names[k].value;
                return 1;
            }
        }
    }
    return 0;
}
