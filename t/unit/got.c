/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: calls between loaded objects are redirected, from every object or from one,
 * and back; what was read-only before is read-only again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tap.h"
#include "pst_got.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static apr_pool_t *pool;
static char *(*real_pstrmemdup)(apr_pool_t *, const char *, apr_size_t);
static unsigned calls;

static char *counted(apr_pool_t *p, const char *s, apr_size_t n)
{
    calls++;
    return real_pstrmemdup(p, s, n);
}

static int in_here;

static pst_got_entry_t everywhere[] = { { "apr_pstrmemdup", (void *)counted, NULL, NULL, 0, 0 } };
static pst_got_entry_t here[] = { { "apr_pstrmemdup", (void *)counted, NULL, &in_here, 0, 0 } };
static pst_got_entry_t nowhere[] = { { "apr_no_such_function", (void *)counted, NULL, NULL, 0, 0 } };

static apr_status_t patch(pst_got_entry_t *entry, int flags)
{
    pst_pages_t pages;
    pst_got_job_t job = { .entries = entry, .count = 1, .pages = &pages, .flags = flags };
    apr_size_t stores;
    const char *why;
    apr_status_t rv = pst_pages_take(&pages, &why);

    if (rv == APR_SUCCESS) {
        rv = pst_got_patch(&job, &stores);
        pst_pages_drop(&pages);
    }
    return rv;
}

/* Not inlined: a compiler assumes that a slot is constant and would read it once for all calls. */
static __attribute__((noinline)) unsigned called_from_here(void)
{
    char *(*volatile dup)(apr_pool_t *, const char *, apr_size_t) = apr_pstrmemdup;

    calls = 0;
    dup(pool, "four", 4);
    apr_pstrmemdup(pool, "four", 4);
    return calls;
}

/* libaprutil parses an address with it. */
static unsigned called_from_aprutil(void)
{
    apr_uri_t uri;

    calls = 0;
    apr_uri_parse(pool, "http://user@www.example.org:80/path?query", &uri);
    return calls && uri.hostname && !strcmp(uri.hostname, "www.example.org") && !strcmp(uri.path, "/path") ? calls : 0;
}

/* The permissions of file mappings: this program and its libraries. */
static char *permissions(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char *text = calloc(1, 1), line[1024], mode[5], name[512];
    unsigned long from, to;

    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %511s", &from, &to, mode, name) == 4 && name[0] == '/') {
            char *more = malloc(strlen(text) + 600);

            sprintf(more, "%s%lx-%lx %s\n", text, from, to, mode);
            free(text);
            text = more;
        }
    }
    if (maps) {
        fclose(maps);
    }
    return text;
}

static void redirect(void)
{
    char *before = permissions(), *after;
    unsigned slots;

    real_pstrmemdup = apr_pstrmemdup;
    everywhere[0].real = here[0].real = nowhere[0].real = (void *)real_pstrmemdup;
    is_number(called_from_here(), 0, "calls go to the real one");
    is_number(called_from_aprutil(), 0, "from everywhere");

    is_number((unsigned)patch(here, 0), APR_SUCCESS, "redirected in one object");
    ok(here[0].slots >= 1, "slots were found");
    is_number(called_from_here(), 2, "calls and addresses taken there lead to the wrapper");
    is_number(called_from_aprutil(), 0, "those of other objects do not");
    is_number((unsigned)patch(here, PST_GOT_BACK), APR_SUCCESS, "and back");
    is_number(called_from_here(), 0, "calls go to the real one");

    is_number((unsigned)patch(everywhere, 0), APR_SUCCESS, "redirected everywhere");
    slots = everywhere[0].slots;
    ok(slots > here[0].slots, "more slots than in one object");
    ok(called_from_here() == 2 && called_from_aprutil() > 0, "from everywhere calls lead to the wrapper");
    is_number((unsigned)patch(everywhere, 0), APR_SUCCESS, "redirecting again");
    is_number(everywhere[0].slots, slots, "finds the same slots");
    is_number(called_from_here(), 2, "and changes nothing: each call is counted once");
    is_number((unsigned)patch(everywhere, PST_GOT_LATE), APR_SUCCESS, "late, nothing has to wait");
    ok(called_from_here() == 2 && called_from_aprutil() > 0, "and all is as it was");
    is_number((unsigned)patch(everywhere, PST_GOT_BACK), APR_SUCCESS, "and back");
    ok(called_from_here() == 0 && called_from_aprutil() == 0, "from everywhere calls go to the real one");
    is_number((unsigned)patch(nowhere, 0), APR_SUCCESS, "a name that nobody calls is no error");
    is_number(nowhere[0].slots, 0, "and has no slots");
    after = permissions();
    ok(strlen(before) > 100, "this program and its libraries are mapped");
    is_text(after, before, "no page of theirs is writable that was not, or the other way round");
    free(before);
    free(after);
}

typedef struct {
    char *at;
    size_t size;
} relro_t;

/* What the loader makes read-only when it is done with this program. */
static int find_relro(struct dl_phdr_info *info, size_t size, void *data)
{
    relro_t *relro = data;
    ElfW(Addr) page = (ElfW(Addr))sysconf(_SC_PAGESIZE) - 1;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        ElfW(Addr) from = (info->dlpi_addr + ph->p_vaddr) & ~page;

        if (ph->p_type == PT_GNU_RELRO) {
            relro->at = (char *)from;
            relro->size = ((info->dlpi_addr + ph->p_vaddr + ph->p_memsz) & ~page) - from;
        }
    }
    return 1;
}

/* Only by its address, in a slot that the loader makes read-only. */
static __attribute__((noinline)) unsigned called_by_address(void)
{
    char *(*volatile dup)(apr_pool_t *, const char *, apr_size_t) = apr_pstrmemdup;

    calls = 0;
    dup(pool, "four", 4);
    return calls;
}

/* The loader may still be at work on an object whose pages are writable: a late caller leaves it alone. */
static void still_open(void)
{
    relro_t relro = { NULL, 0 };

    dl_iterate_phdr(find_relro, &relro);
    if (!relro.size) {
        printf("ok %d - # SKIP this program has nothing that is closed\n", ++tap_count);
        return;
    }
    ok(mprotect(relro.at, relro.size, PROT_READ | PROT_WRITE) == 0, "as if the loader were not done yet");
    is_number((unsigned)patch(here, PST_GOT_LATE), APR_EAGAIN, "a late walk says that there is more to do");
    is_number(called_by_address(), 0, "and stores nothing on pages that are open");
    ok(mprotect(relro.at, relro.size, PROT_READ) == 0, "it is done");
    is_number((unsigned)patch(here, PST_GOT_LATE), APR_SUCCESS, "now a late walk does it all");
    is_number(called_from_here(), 2, "calls and addresses");
    is_number((unsigned)patch(here, PST_GOT_BACK), APR_SUCCESS, "and back");
    is_number(called_from_here(), 0, "calls go to the real one");
}

static void loading(void)
{
    apr_uint64_t loads = pst_got_loads();

    ok(loads > 0, "the loader counts what it loads");
    is_number(pst_got_loads(), loads, "and stands still between");
    if (dlopen("libanl.so.1", RTLD_NOW) && pst_got_loads() == loads) {
        dlopen("libutil.so.1", RTLD_NOW);
    }
    ok(pst_got_loads() > loads, "a library loaded later moves it");
    is_number((unsigned)pst_got_pin((const void *)redirect), 1, "a program is pinned by nature");
    is_number((unsigned)pst_got_pin((const void *)real_pstrmemdup), 1, "a library can be");
    is_number((unsigned)pst_got_pin((const void *)8), 0, "what is in no object cannot");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    redirect();
    still_open();
    loading();
    apr_terminate();
    return done();
}
