/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: a machine whose pages are of 64 KiB, as some of aarch64 and ppc64el are. The page size that core and libapr are
 * told is another one here: what counts in pages is scaled by it, and what is written for 4 KiB is not used.
 */
#include "tap.h"
#include "pst_apr.h"
#include "pst_family.h"
#include "pst_memory.h"
#include "pst_peek.h"

#include <apr_general.h>
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#define KB   1024ull

static long told = 4096;

/* In front of libc's for all of this program, libapr included. */
long sysconf(int what)
{
    static long (*real)(int);
    void *at;

    if (what == _SC_PAGESIZE) {
        return told;
    }
    if (!real) {
        at = dlsym(RTLD_NEXT, "sysconf");
        memcpy(&real, &at, sizeof(real));
    }
    return real(what);
}

static int is_near(unsigned long long got, unsigned long long expected, const char *what)
{
    unsigned long long apart = got > expected ? got - expected : expected - got;

    ok(apart < expected / 8, what);
    if (apart >= expected / 8) {
        printf("#      got: %llu\n# expected: %llu\n", got, expected);
    }
    return apart < expected / 8;
}

int main(void)
{
    apr_uint64_t rss[2], own[2], mapped[2], bytes;
    const apr_uint64_t at = 16 * 64 * KB;
    pst_apr_facts_t facts;
    const char *why = NULL;
    apr_pool_t *pool;

    /* once before, so that nothing is touched for the first time between the two */
    pst_family_size((apr_uint32_t)getpid(), &rss[0], &own[0]);
    pst_memory_mapped();
    ok(pst_family_size((apr_uint32_t)getpid(), &rss[0], &own[0]), "a process's size, in pages of 4 KiB");
    mapped[0] = pst_memory_mapped();
    told = 65536;
    is_number(pst_page_size(), 65536, "pages of 64 KiB");
    ok(pst_family_size((apr_uint32_t)getpid(), &rss[1], &own[1]), "the size again");
    mapped[1] = pst_memory_mapped();
    /* the kernel still counts in its own pages, so there are sixteen times as many bytes as before */
    is_near(rss[1], rss[0] * 16, "RSS is counted in them");
    is_near(own[1], own[0] * 16, "and what is its own");
    is_near(mapped[1], mapped[0] * 16, "and what is mapped");
    is_number(rss[1] % 65536, 0, "whole ones");
    ok(!pst_there_by_pagemap(0, at, at + 64 * KB, &bytes) || bytes % 65536 == 0, "what is present is whole ones, or not known");

    apr_initialize();
    is_number((unsigned)pst_apr_prove(&facts, &why), APR_EMISMATCH, "pools are not looked into");
    is_text(why, "pages are not of 4096 bytes, for which the proof is not written", "and it is said why");
    ok(apr_pool_create(&pool, NULL) == APR_SUCCESS && apr_palloc(pool, 100000), "APR itself works");
    apr_pool_destroy(pool);
    apr_terminate();
    return done();
}
