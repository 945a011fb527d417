/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a process as the kernel reports it.  See pst_memory.h.
 *
 * What a mapping is, in the order of the rules (classify()):
 *
 *   shared            by its permissions ("s")
 *   the main stack    by its name
 *   file              a private mapping with a name: unmodified pages are file, modified ones are data
 *   a thread's stack  no name, writable, right above a guard: what glibc's allocate_stack() leaves at the stack's low
 *                     end, inaccessible. An arena's reserve is inaccessible too, but ends on a multiple of
 *                     64 MB; if a guard is right above one, the kernel merges them
 *                     A stack without such a guard is known by glibc's list of threads (pst_stack_list())
 *   data              no name, right above a writable file mapping: an object's zero-initialised variables, up
 *                     to where its program headers say that they end
 *   rest              everything else without a name, and the heap
 *
 * The kernel merges neighbours of the same kind: above a stack or an object's variables there may
 * be nodes of APR in the same mapping.  Then pagemap shows how much of each part is present. A child that has changed
 * its user from root may not read pagemap, not even its own, unless CoreDumpDirectory makes it dumpable: then
 * mincore(), which needs no rights, shows what is resident.
 */
#include "pst_memory.h"
#include "pst_text.h"
#include "pst_proc.h"
#include "pst_peek.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#define KB           APR_UINT64_C(1024)
#define LARGEST_KB   ((apr_uint64_t)INT64_MAX / 1024 / 65536)    /* sums of that many mappings cannot wrap */
#define MOST_MAPS    65536u     /* the system's limit is 65530 unless raised; any beyond are skipped */
#define GUARD_MOST   (APR_UINT64_C(1) << 20)
#define ARENA_ALIGN  (APR_UINT64_C(64) << 20)
#define STACK_USUAL  (APR_UINT64_C(8) << 20)
#define READ_AT_ONCE 4096
#define SEGMENTS     64
#define LISTED       1024u  /* maximum number of stacks without a separate guard that are tracked */

/* -- numbers ---------------------------------------------------------------- */

static const char *read_hex(const char *at, apr_uint64_t *value)
{
    const char *begin = at;

    *value = 0;
    for (; at - begin < 16; at++) {
        int digit = pst_hex_digit(*at);

        if (digit < 0) {
            break;
        }
        *value = *value << 4 | (unsigned)digit;
    }
    return at > begin ? at : NULL;
}

/* "   1234 kB" as bytes; 0 for anything else. */
static apr_uint64_t kilobytes(const char *at)
{
    apr_uint64_t value = 0;

    at += strspn(at, " ");
    if (*at < '0' || *at > '9') {
        return 0;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (apr_uint64_t)(*at - '0');
        if (value > LARGEST_KB) {
            return 0;
        }
    }
    return strncmp(at, " kB", 3) ? 0 : value * KB;
}

static const char *decimal(const char *at, apr_uint64_t *value)
{
    *value = 0;
    for (; *at >= '0' && *at <= '9' && *value < APR_UINT64_MAX / 10 - 1; at++) {
        *value = *value * 10 + (apr_uint64_t)(*at - '0');
    }
    return at;
}

static const char *value_of_key(const char *line, const char *key)
{
    apr_size_t len = strlen(key);

    return *line != *key || strncmp(line, key, len) ? NULL : line + len;
}

/* -- files ------------------------------------------------------------------ */

/* All of a small file, or as much as fits; a NUL follows. @return bytes, below 0 with errno set */
static ssize_t read_proc_of(apr_uint32_t pid, const char *name, char *to, apr_size_t size)
{
    return pst_proc_take(pst_proc_open_of(pid, name), to, size);
}

/* -- the sum ---------------------------------------------------------------- */

int pst_rollup_parse(pst_memory_sum_t *sum, const char *text, apr_size_t len)
{
    const char *end = text + len, *line = text;
    int known = 0;

    memset(sum, 0, sizeof(*sum));
    while (line < end) {
        const char *newline = memchr(line, '\n', (apr_size_t)(end - line)), *value;

        if (!newline) {
            break;
        }
        if ((value = value_of_key(line, "Rss:"))) {
            sum->rss = kilobytes(value);
            known++;
        }
        else if ((value = value_of_key(line, "Pss:"))) {
            sum->pss = kilobytes(value);
        }
        else if ((value = value_of_key(line, "Private_Dirty:"))) {
            sum->private_dirty = kilobytes(value);
        }
        else if ((value = value_of_key(line, "Swap:"))) {
            sum->swap = kilobytes(value);
        }
        line = newline + 1;
    }
    return known;
}

apr_status_t pst_memory_sum(pst_memory_sum_t *sum, apr_uint32_t pid)
{
    char text[4096];
    ssize_t len = read_proc_of(pid, "smaps_rollup", text, sizeof(text));

    memset(sum, 0, sizeof(*sum));
    if (len < 0) {
        return errno;
    }
    return pst_rollup_parse(sum, text, (apr_size_t)len) ? APR_SUCCESS : APR_EINCOMPLETE;
}

apr_status_t pst_memory_count(pst_memory_sum_t *sum, apr_uint32_t pid)
{
    char text[65536];       /* the user's groups, perhaps hundreds, precede the wanted lines */
    const char *rss, *swap;

    memset(sum, 0, sizeof(*sum));
    if (read_proc_of(pid, "status", text, sizeof(text)) < 0) {
        return errno;
    }
    rss = strstr(text, "\nVmRSS:\t");
    swap = strstr(text, "\nVmSwap:\t");
    if (!rss) {
        return APR_EINCOMPLETE;
    }
    sum->rss = kilobytes(rss + 8);
    sum->swap = swap ? kilobytes(swap + 9) : 0;
    return APR_SUCCESS;
}

apr_uint64_t pst_memory_shmem(void)
{
    char text[65536];
    const char *shmem;

    if (read_proc_of(0, "status", text, sizeof(text)) < 0) {
        return 0;
    }
    shmem = strstr(text, "\nRssShmem:\t");
    return shmem ? kilobytes(shmem + 11) : 0;
}

/* -- layout ----------------------------------------------------------------- */

/* Where an object's variables end, from the program headers at the start of its first mapping. Only for this process:
 * 0 if not known. */
static apr_uint64_t end_of_object(apr_uint64_t at)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[SEGMENTS];
    apr_uint64_t base = 0, end = 0, page = pst_page_size();
    int first = 1;

    if (!at || !pst_peek(&header, at, sizeof(header)) || memcmp(header.e_ident, ELFMAG, SELFMAG)
        || header.e_phentsize != sizeof(segments[0]) || header.e_phnum > SEGMENTS || header.e_phoff > page
        || !pst_peek(segments, at + header.e_phoff, header.e_phnum * sizeof(segments[0]))) {
        return 0;
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD) {
            continue;
        }
        if (first) {
            base = at - (segments[i].p_vaddr & ~(page - 1));
            first = 0;
        }
        if (segments[i].p_flags & PF_W) {
            end = base + segments[i].p_vaddr + segments[i].p_memsz;
        }
    }
    return end > at ? (end + page - 1) & ~(page - 1) : 0;
}

static void add_rest(pst_smaps_t *smaps, apr_uint64_t from, apr_uint64_t to, apr_uint64_t there)
{
    smaps->maps->rest += there;
    smaps->maps->rest_mapped += to - from;
    if (smaps->rest) {
        smaps->rest(smaps->baton, from, to, there);
    }
}

/*
 * How many of a mapping's bytes up to `end` are present. If only residency is known, swapped bytes are assumed to be
 * beyond `end`, as far as they fit: stacks and variables are small compared to what the kernel merges with them. If
 * nothing is known, everything is assumed to be before it.
 */
static apr_uint64_t bytes_up_to(const pst_smaps_t *smaps, apr_uint64_t end)
{
    const pst_mapping_t *m = &smaps->now;
    apr_uint64_t there = m->rss + m->swap, first, room;

    if (!smaps->nobody && end - m->from <= PST_THERE_MOST) {
        if (pst_there_by_pagemap(smaps->pid, m->from, end, &first)) {
            return first;
        }
        if (!smaps->pid && pst_there_by_mincore(m->from, end, &first)) {
            first = first < m->rss ? first : m->rss;
            room = m->to - end > m->rss - first ? m->to - end - (m->rss - first) : 0;
            return first + (m->swap > room ? m->swap - room : 0);
        }
    }
    return there < end - m->from ? there : end - m->from;
}

/* A mapping whose first bytes, up to `end`, are one thing and what follows is rest. */
static void split_mapping(pst_smaps_t *smaps, apr_uint64_t end, apr_uint64_t *to)
{
    const pst_mapping_t *m = &smaps->now;
    apr_uint64_t there = m->rss + m->swap, first;

    if (end >= m->to) {
        *to += there;
        return;
    }
    first = bytes_up_to(smaps, end);
    first = first < there ? first : there;
    *to += first;
    add_rest(smaps, end, m->to, there - first);
}

/* The present bytes between two addresses of a mapping: as far as known, and no more than what is left of it. */
static apr_uint64_t part_there(apr_uint64_t from, apr_uint64_t to, apr_uint64_t left)
{
    apr_uint64_t there;

    if (from >= to || !pst_there(from, to, &there)) {
        there = to - from;
    }
    return there < left ? there : left;
}

/* A mapping that may contain stacks with their guards: everything else in it is rest. */
static void add_around_stacks(pst_smaps_t *smaps)
{
    const pst_mapping_t *m = &smaps->now;
    apr_uint64_t at = m->from, left = m->rss + m->swap, part;

    for (unsigned i = 0; i < smaps->list_count; i++) {
        const pst_stack_range_t *stack = &smaps->list[i];

        if (stack->from < at || stack->to > m->to) {
            continue;
        }
        if (stack->from > at) {
            part = part_there(at, stack->from, left);
            add_rest(smaps, at, stack->from, part);
            left -= part;
        }
        part = stack->to == m->to ? left : part_there(stack->from, stack->to, left);
        smaps->maps->stacks += part;
        smaps->maps->stack_count++;
        left -= part;
        at = stack->to;
    }
    if (at < m->to) {
        add_rest(smaps, at, m->to, left);
    }
}

static int is_anonymous(const pst_mapping_t *m)
{
    return !m->name[0] || !strncmp(m->name, "[anon", 5) || !strcmp(m->name, "[heap]");
}

/* Is a mapping the unused last part of an arena's 64 MB? The part in use is below it. */
static int is_reserve(const pst_mapping_t *m, const pst_mapping_t *below)
{
    return m->to % ARENA_ALIGN == 0 && below && below->to == m->from && below->perms[1] == 'w'
           && m->to - below->from >= ARENA_ALIGN;
}

/* Does a mapping end in a stack's guard? Above a reserve, the guard is the part beyond the multiple of 64 MB. */
static int ends_in_guard(const pst_mapping_t *m, const pst_mapping_t *below)
{
    apr_uint64_t edge = (m->to - 1) / ARENA_ALIGN * ARENA_ALIGN, from = m->from > edge ? m->from : edge;

    return !m->name[0] && !strncmp(m->perms, "---p", 4) && m->to - from <= GUARD_MOST && !is_reserve(m, below);
}

/* The end of the stack at the start of the mapping: from its thread if known; else by the usual size. */
static apr_uint64_t stack_end(const pst_smaps_t *smaps)
{
    const pst_mapping_t *m = &smaps->now;
    int is_own = smaps->own_stack && smaps->on_stack >= m->from && smaps->on_stack < m->to;
    apr_uint64_t size = is_own ? smaps->own_stack : smaps->stack_size;
    apr_uint64_t end = smaps->pid || smaps->nobody || is_own ? 0 : pst_stack_end(m->from, m->to, size);

    return end ? end : m->from + size;
}

static void classify(pst_smaps_t *smaps)
{
    const pst_mapping_t *m = &smaps->now, *before = smaps->had ? &smaps->before : NULL;
    pst_memory_maps_t *maps = smaps->maps;
    apr_uint64_t there = m->rss + m->swap;
    int behind = before && before->to == m->from, writable = m->perms[1] == 'w', guarded = behind && smaps->guard;

    smaps->guard = ends_in_guard(m, before);

    if (m->perms[3] == 's') {
        maps->shared += there;
        if (smaps->inode && m->inode == smaps->inode) {
            maps->apart_count++;
            maps->apart += there;
            maps->apart_pss += m->pss;
        }
    }
    else if (!strcmp(m->name, "[stack]")) {
        maps->stacks += there;
        maps->stack_count++;
    }
    else if (!is_anonymous(m)) {
        maps->file += m->rss > m->anonymous ? m->rss - m->anonymous : 0;
        maps->data += (m->anonymous < m->rss ? m->anonymous : m->rss) + m->swap;
        if (m->name[0] == '/' && !m->offset) {
            smaps->object = smaps->nobody || smaps->pid ? 0 : m->from;
        }
    }
    else if (!m->name[0] && guarded && writable) {
        maps->stack_count++;
        split_mapping(smaps, stack_end(smaps), &maps->stacks);
    }
    else if (strcmp(m->name, "[heap]") && behind && writable && before->perms[1] == 'w' && !is_anonymous(before)
             && before->name[0] == '/' && before->perms[3] == 'p') {
        apr_uint64_t end = end_of_object(smaps->object);

        split_mapping(smaps, end > m->from ? end : m->to, &maps->data);
    }
    else if (m->perms[0] == '-' && !writable) {
        maps->rest += there;
    }
    else {
        add_around_stacks(smaps);
    }
}

static void finish_mapping(pst_smaps_t *smaps)
{
    if (!smaps->have) {
        return;
    }
    smaps->have = 0;
    if (smaps->maps->mappings < MOST_MAPS) {
        smaps->maps->mappings++;
        classify(smaps);
    }
    smaps->before = smaps->now;
    smaps->had = 1;
}

/* "7f00-7f10 rw-p 0000 08:01 123    /name". @return whether it is the head of a mapping */
static int parse_head(pst_mapping_t *m, const char *line)
{
    const char *at = read_hex(line, &m->from);
    apr_size_t len;

    if (!at || *at++ != '-' || !(at = read_hex(at, &m->to)) || *at++ != ' ' || strlen(at) < 5 || at[4] != ' '
        || m->to <= m->from || m->to - m->from > LARGEST_KB * KB) {
        return 0;
    }
    memcpy(m->perms, at, 4);
    if (!(at = read_hex(at + 5, &m->offset)) || *at != ' ') {
        return 0;
    }
    /* device */
    at += strspn(at, " ");
    at += strcspn(at, " ");
    at = decimal(at + strspn(at, " "), &m->inode);
    at += strspn(at, " ");
    len = strlen(at);
    len = len < sizeof(m->name) ? len : sizeof(m->name) - 1;
    memcpy(m->name, at, len);
    m->name[len] = '\0';
    m->rss = m->pss = m->anonymous = m->swap = 0;
    return 1;
}

static void parse_line(pst_smaps_t *smaps, const char *line)
{
    pst_mapping_t next;
    const char *value;

    if (*line >= 'A' && *line <= 'Z') {
        if ((value = value_of_key(line, "Rss:"))) {
            smaps->now.rss = kilobytes(value);
        }
        else if ((value = value_of_key(line, "Pss:"))) {
            smaps->now.pss = kilobytes(value);
        }
        else if ((value = value_of_key(line, "Anonymous:"))) {
            smaps->now.anonymous = kilobytes(value);
        }
        else if ((value = value_of_key(line, "Swap:"))) {
            smaps->now.swap = kilobytes(value);
        }
        return;
    }
    finish_mapping(smaps);
    if (parse_head(&next, line)) {
        smaps->now = next;
        smaps->have = 1;
    }
}

void pst_smaps_feed(pst_smaps_t *smaps, const char *text, apr_size_t len)
{
    while (len) {
        const char *newline = memchr(text, '\n', len);
        apr_size_t part = newline ? (apr_size_t)(newline - text) : len, room = PST_MEMORY_LINE - 1 - smaps->line_len;

        /* the cut part of a long line is the end of a name */
        memcpy(smaps->line + smaps->line_len, text, part < room ? part : room);
        smaps->line_len += (unsigned)(part < room ? part : room);
        if (newline) {
            smaps->line[smaps->line_len] = '\0';
            parse_line(smaps, smaps->line);
            smaps->line_len = 0;
            part++;
        }
        text += part;
        len -= part;
    }
}

void pst_smaps_end(pst_smaps_t *smaps)
{
    finish_mapping(smaps);
}

static apr_uint64_t usual_stack(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : STACK_USUAL;
}

/* Not among the zeros: reading a never written page would make it look present. */
#define NO_INODE APR_UINT64_MAX
static apr_uint64_t apart_inode = NO_INODE;

void pst_memory_tell_apart(apr_uint64_t inode)
{
    apart_inode = inode ? inode : NO_INODE;
}

apr_status_t pst_memory_maps(pst_memory_maps_t *maps, apr_uint32_t pid, const pst_memory_stacks_t *stacks,
                             pst_memory_rest_fn rest, void *baton)
{
    pst_smaps_t smaps = { .maps = maps, .pid = pid, .rest = rest, .baton = baton, .inode = apart_inode };
    pst_stack_range_t list[LISTED];
    char text[READ_AT_ONCE];
    ssize_t got;
    int fd = pst_proc_open_of(pid, "smaps");

    memset(maps, 0, sizeof(*maps));
    if (fd < 0) {
        return errno;
    }
    smaps.stack_size = stacks && stacks->usual ? stacks->usual : usual_stack();
    smaps.own_stack = pid || !stacks ? 0 : stacks->own;
    smaps.on_stack = (apr_uint64_t)(apr_uintptr_t)&smaps;
    smaps.list = list;
    smaps.list_count = pid ? 0 : pst_stack_list(list, LISTED);
    /* the kernel releases the lock between two reads: small ones keep nobody waiting for long */
    while ((got = pst_proc_read(fd, text, sizeof(text))) > 0 && maps->mappings < MOST_MAPS) {
        pst_smaps_feed(&smaps, text, (apr_size_t)got);
    }
    pst_smaps_end(&smaps);
    close(fd);
    return got < 0 || !maps->mappings ? APR_EINCOMPLETE : APR_SUCCESS;
}

int pst_memory_shares(apr_uint32_t pid, apr_uint64_t inode)
{
    pst_memory_maps_t maps = { .file = 0 };
    pst_smaps_t smaps = { .maps = &maps, .pid = pid, .nobody = 1, .inode = inode };
    char text[READ_AT_ONCE];
    ssize_t got;
    int fd = pst_proc_open_of(pid, "maps");

    if (fd < 0) {
        return -1;
    }
    while ((got = pst_proc_read(fd, text, sizeof(text))) > 0 && maps.mappings < MOST_MAPS && !maps.apart_count) {
        pst_smaps_feed(&smaps, text, (apr_size_t)got);
    }
    pst_smaps_end(&smaps);
    close(fd);
    if (maps.apart_count) {
        return 1;
    }
    return got < 0 || !maps.mappings ? -1 : 0;
}

apr_uint64_t pst_memory_mapped(void)
{
    char text[256];
    apr_uint64_t pages = 0;

    if (read_proc_of(0, "statm", text, sizeof(text)) > 0) {
        decimal(text, &pages);
    }
    return pages * pst_page_size();
}

apr_status_t pst_memory_user(apr_uint32_t pid, apr_uint32_t *user)
{
    char text[65536];
    const char *at;

    if (read_proc_of(pid, "status", text, sizeof(text)) < 0) {
        return errno;
    }
    /* Uid: real, effective, saved, of files */
    at = strstr(text, "\nUid:\t");
    at = at ? strchr(at + 6, '\t') : NULL;
    if (!at) {
        return APR_EINCOMPLETE;
    }
    *user = (apr_uint32_t)strtoul(at + 1, NULL, 10);
    return APR_SUCCESS;
}

apr_uint32_t pst_memory_parent(apr_uint32_t pid)
{
    char text[512];
    const char *at;
    ssize_t len = read_proc_of(pid, "stat", text, sizeof(text));
    unsigned long parent;

    /* the name between parentheses may hold anything: it ends at the last one */
    at = len > 0 ? strrchr(text, ')') : NULL;
    if (!at || strlen(at) < 5) {
        return 0;
    }
    parent = strtoul(at + 4, NULL, 10);
    return parent <= APR_INT32_MAX ? (apr_uint32_t)parent : 0;
}
