/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the list of this process's mappings says for each page what may be done to it; it is complete or missing.
 */
#include "tap.h"
#include "pst_pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define OWN_DATA (PST_PAGES_OWN | PST_PAGES_READ | PST_PAGES_WRITE)

static int in_data = 1;
static apr_size_t page;

static void what_they_say(void)
{
    pst_pages_t pages;
    const char *why = "unset";
    char *at = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    apr_uintptr_t from = (apr_uintptr_t)at;

    mprotect(at + 2 * page, page, PROT_READ);
    mprotect(at + 4 * page, page, PROT_NONE);
    munmap(at + 6 * page, page);
    is_number((unsigned)pst_pages_take(&pages, &why), APR_SUCCESS, "a list");
    ok(!why && pages.count > 10, "with something in it");
    is_number(pst_pages_rights(&pages, (apr_uintptr_t)&in_data, sizeof(in_data)), OWN_DATA, "data");
    is_number(pst_pages_rights(&pages, (apr_uintptr_t)&pages, sizeof(pages)), OWN_DATA, "a stack");
    is_number(pst_pages_rights(&pages, (apr_uintptr_t)what_they_say, 1), PST_PAGES_OWN | PST_PAGES_READ | PST_PAGES_EXEC, "code");
    is_number(pst_pages_rights(&pages, (apr_uintptr_t)shared, page), PST_PAGES_READ | PST_PAGES_WRITE, "shared memory");
    is_number(pst_pages_rights(&pages, from, 2 * page), OWN_DATA, "pages up to the next of other rights");
    is_number(pst_pages_rights(&pages, from + 2 * page - 1, 2), PST_PAGES_OWN | PST_PAGES_READ, "what all of a range has");
    is_number(pst_pages_rights(&pages, from + 2 * page, page), PST_PAGES_OWN | PST_PAGES_READ, "read-only");
    is_number(pst_pages_rights(&pages, from + 4 * page, 1), PST_PAGES_OWN, "nothing may be done");
    is_number(pst_pages_rights(&pages, from + 6 * page, 1), 0, "not there");
    is_number(pst_pages_rights(&pages, from + 6 * page - 1, 2), 0, "not all there");
    is_number(pst_pages_rights(&pages, from, 0), 0, "no size");
    is_number(pst_pages_rights(&pages, ~(apr_uintptr_t)0, 8), 0, "beyond the end of memory");
    pst_pages_drop(&pages);
    ok(!pages.at && !pages.count, "dropped");
    is_number(pst_pages_rights(&pages, from, 1), 0, "then nothing is known");
    munmap(at, 8 * page);
    munmap(shared, page);
}

static void no_descriptor(void)
{
    struct rlimit was, none;
    pst_pages_t pages;
    const char *why = NULL;

    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    ok(pst_pages_take(&pages, &why) != APR_SUCCESS, "no descriptor: no list");
    is_text(why, "/proc/self/maps cannot be opened", "and why");
    ok(!pages.at && !pages.count, "nothing is left");
    setrlimit(RLIMIT_NOFILE, &was);
}

static void no_memory(void)
{
    struct rlimit was, none;
    pst_pages_t pages;
    const char *why = NULL;

    getrlimit(RLIMIT_AS, &was);
    none = was;
    none.rlim_cur = 1;
    setrlimit(RLIMIT_AS, &none);
    is_number((unsigned)pst_pages_take(&pages, &why), APR_ENOMEM, "no memory: no list");
    setrlimit(RLIMIT_AS, &was);
    is_text(why, "there is no memory for the list of its mappings", "and why");
    ok(!pages.at && !pages.count, "nothing is left");
}

static void too_many(void)
{
    apr_size_t count = 2 * (PST_PAGES_MOST / 2 + 8), i;
    pst_pages_t pages;
    const char *why = NULL;
    char *at = mmap(NULL, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (i = 0; i < count && !mprotect(at + i * page, page, PROT_READ); i += 2) { }
    if (i < count) {
        ok(1, "# SKIP the system does not let a process have so many mappings");
        return;
    }
    is_number((unsigned)pst_pages_take(&pages, &why), APR_EINCOMPLETE, "more than the bound: no list");
    is_text(why, "this process has more mappings than are looked at", "and why");
    ok(!pages.at && !pages.count, "nothing is left");
    munmap(at, count * page);
}

int main(void)
{
    page = (apr_size_t)sysconf(_SC_PAGESIZE);
    what_they_say();
    no_descriptor();
    no_memory();
    too_many();
    is_number((unsigned)in_data, 1, "data was only looked at");
    return done();
}
