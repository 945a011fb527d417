/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_lines.h.
 */
#include "poolstat_lines.h"
#include "pst_object.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libdw.so.1"

/* The functions used from the library, one per line. */
#define FOR_EACH(call) \
    call(dwfl_begin) call(dwfl_end) call(dwfl_report_begin) call(dwfl_report_offline) call(dwfl_report_end) \
        call(dwfl_module_build_id) call(dwfl_module_info) call(dwfl_module_addrinfo) call(dwfl_module_getsrc) \
            call(dwfl_lineinfo) call(dwfl_standard_find_debuginfo) call(dwfl_build_id_find_elf) \
                call(dwfl_offline_section_address)

static struct {
    int looked, there;
#define MEMBER(name) __typeof__(&(name)) name;
    FOR_EACH(MEMBER)
#undef MEMBER
} dw;

struct poolstat_lines_t {
    Dwfl        *dwfl;
    Dwfl_Module *module;
    Dwarf_Addr   bias;          /* where libdw has placed it */
};

static int look_up(void *library, void *to, const char *name)
{
    void *at = dlsym(library, name);

    memcpy(to, &at, sizeof(at));        /* ISO C has no cast from an object's address to a function's */
    return at != NULL;
}

int poolstat_lines_can(void)
{
    void *library;

    if (!dw.looked) {
        dw.looked = 1;
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        dw.there = library != NULL;
#define LOOK_UP(name) dw.there = dw.there && look_up(library, &dw.name, #name);
        FOR_EACH(LOOK_UP)
#undef LOOK_UP
    }
    return dw.there;
}

/* @return 1: it is the expected build, or there is no build id to tell */
static int is_same_build(poolstat_lines_t *lines, apr_uint64_t id)
{
    const unsigned char *bits;
    GElf_Addr at;
    int size = dw.dwfl_module_build_id(lines->module, &bits, &at);

    return size <= 0 || pst_object_id(bits, (apr_size_t)size) == id;
}

static void close_lines(poolstat_lines_t *lines)
{
    if (lines) {
        if (lines->dwfl) {
            dw.dwfl_end(lines->dwfl);
        }
        free(lines);
    }
}

poolstat_lines_t *poolstat_lines_open(int fd, const char *path, apr_uint64_t id, int *replaced)
{
    static Dwfl_Callbacks callbacks;
    poolstat_lines_t *lines = poolstat_lines_can() ? calloc(1, sizeof(*lines)) : NULL;

    *replaced = 0;
    if (!lines) {
        close(fd);
        return NULL;
    }
    callbacks.find_elf = dw.dwfl_build_id_find_elf;
    callbacks.find_debuginfo = dw.dwfl_standard_find_debuginfo;
    callbacks.section_address = dw.dwfl_offline_section_address;
    lines->dwfl = dw.dwfl_begin(&callbacks);
    if (lines->dwfl) {
        dw.dwfl_report_begin(lines->dwfl);
        lines->module = dw.dwfl_report_offline(lines->dwfl, path, path, fd);
        dw.dwfl_report_end(lines->dwfl, NULL, NULL);
    }
    if (!lines->module) {
        close(fd);
    }
    else if (is_same_build(lines, id)) {
        dw.dwfl_module_info(lines->module, NULL, &lines->bias, NULL, NULL, NULL, NULL, NULL);
        return lines;
    }
    else {
        *replaced = 1;
    }
    close_lines(lines);
    return NULL;
}

void poolstat_lines_at(poolstat_lines_t *lines, apr_uint64_t offset, poolstat_line_t *line)
{
    Dwarf_Addr at = lines->bias + offset;
    GElf_Off into = 0;
    GElf_Sym symbol;
    Dwfl_Line *source;

    memset(line, 0, sizeof(*line));
    line->function = dw.dwfl_module_addrinfo(lines->module, at, &into, &symbol, NULL, NULL, NULL);
    line->into = into;
    source = dw.dwfl_module_getsrc(lines->module, at);
    if (source) {
        line->file = dw.dwfl_lineinfo(source, NULL, &line->line, NULL, NULL, NULL);
    }
}
