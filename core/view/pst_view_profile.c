/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap profile.  See pst_view_profile.h.
 *
 * pprof takes the first address of a stack as it is, and subtracts one from the others, assuming
 * that they are return addresses. The board has addresses inside the calling instruction, so one is
 * added to the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pst_array.h"
#include "pst_object.h"
#include "pst_proc.h"
#include "pst_view_profile.h"
#include "pst_figure.h"

#define LINE (128 + PST_SITE_FRAMES * 20)

typedef struct {
    apr_uintptr_t base;
    int known;                  /* 0: not looked up yet, 1: here, -1: not here */
} base_t;

apr_uint64_t pst_view_rate(const pst_snapshot_t *snapshot)
{
    apr_uint64_t rate = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        apr_uint64_t one = snapshot->children[i].head.profile_rate;

        rate = one && (!rate || one < rate) ? one : rate;
    }
    return rate;
}

/* @return 0 if the frame's object is not loaded here */
static int find_frame_address(apr_uint64_t *address, pst_shared_frame_t frame, const pst_snapshot_t *snapshot,
                              base_t *bases)
{
    apr_uint32_t module = PST_FRAME_MODULE(frame);
    base_t *base = &bases[module];

    if (!snapshot->modules[module].name[0]) {
        return 0;
    }
    if (!base->known) {
        base->known = pst_object_base(snapshot->modules[module].id, &base->base) ? 1 : -1;
    }
    *address = (apr_uint64_t)base->base + PST_FRAME_OFFSET(frame);
    return base->known > 0;
}

/* The estimates for a site, which pprof takes as they are. Otherwise it would scale samples by their mean size, and
 * be wrong if a site mixes sizes. */
typedef struct {
    apr_uint64_t live, live_bytes, ever, ever_bytes;
} counts_t;

/* How many there are, by the mean size of the samples; 0 if a hostile board gives more than there can be.
 */
static apr_uint64_t pieces(apr_uint64_t bytes, apr_uint64_t samples, apr_uint64_t sampled)
{
    double count = sampled ? (double)bytes * (double)samples / (double)sampled + 0.5 : 0;

    return count < (double)INT64_MAX ? (apr_uint64_t)count : 0;
}

static counts_t counts_of(const pst_shared_site_t *row)
{
    apr_uint64_t ever = pst_minus(row->site_ever_bytes, row->site_left_bytes);
    counts_t counts = { pieces(row->site_live_bytes, row->site_live_samples, row->site_live_sampled_bytes),
                        row->site_live_bytes,
                        pieces(ever, pst_minus(row->site_ever_samples, row->site_left_samples),
                               pst_minus(row->site_ever_sampled_bytes, row->site_left_sampled_bytes)),
                        ever };

    return counts;
}

static int print_counts(char *line, const char *head, const counts_t *counts)
{
    return snprintf(line, LINE, "%s%6llu: %8llu [%6llu: %8llu] @", head, (unsigned long long)counts->live,
                    (unsigned long long)counts->live_bytes, (unsigned long long)counts->ever,
                    (unsigned long long)counts->ever_bytes);
}

static void print_profile_site(pst_emit_t *emit, const pst_site_row_t *site, const pst_snapshot_t *snapshot,
                               base_t *bases)
{
    counts_t counts = counts_of(&site->row);
    char line[LINE];
    int n = print_counts(line, "", &counts), written = 0;

    for (unsigned i = 0; i < site->row.depth && n < LINE - 24; i++) {
        apr_uint64_t address;

        if (find_frame_address(&address, site->row.frames[i], snapshot, bases)) {
            n += snprintf(line + n, (size_t)(LINE - n), " 0x%llx", (unsigned long long)(address + (written != 0)));
            written++;
        }
    }
    if (!written) {             /* pprof does not accept a line without a stack */
        snprintf(line + n, (size_t)(LINE - n), " 0x1");
    }
    pst_emit_sentence(emit, line);
}

static int is_of_profile(const pst_site_row_t *site, pst_profile_of_e of)
{
    switch (of) {
    case PST_PROFILE_POOLS:  return site->row.scope < PST_SCOPE_COUNT;
    case PST_PROFILE_HEAP:   return site->row.scope == PST_SCOPE_HEAP;
    case PST_PROFILE_MAPPED: return site->row.scope == PST_SCOPE_MAPPED;
    case PST_PROFILE_STACK:  return site->row.scope == PST_SCOPE_STACK;
    default: return 1;
    }
}

static void print_head(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_profile_of_e of)
{
    counts_t sum = { 0, 0, 0, 0 };
    char line[LINE];
    int n;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        for (apr_uint32_t s = 0; s < child->site_count; s++) {
            if (is_of_profile(&child->sites[s], of)) {
                /* figures of at most INT64_MAX: many may wrap, which does no harm here */
                counts_t one = counts_of(&child->sites[s].row);

                sum.live += one.live;
                sum.live_bytes += one.live_bytes;
                sum.ever += one.ever;
                sum.ever_bytes += one.ever_bytes;
            }
        }
    }
    n = print_counts(line, "heap profile: ", &sum);
    snprintf(line + n, (size_t)(LINE - n), " heapprofile");
    pst_emit_sentence(emit, line);
}

#define READ_AT_ONCE 4096u
#define MAPS_MOST    (8u << 20)

/* All of the list, to be freed by the caller: a slow reader of the face must not keep its descriptor from others.
 * @return NULL if it cannot be had */
static char *read_all_maps(void)
{
    int fd = pst_proc_open(pst_object_maps());
    apr_size_t size = 0, room = 0;
    apr_ssize_t got = fd < 0 ? -1 : 1;
    char *text = NULL, *more;

    while (got > 0 && size < MAPS_MOST) {
        if (room - size < READ_AT_ONCE + 1) {
            more = realloc(text, room * 2 + READ_AT_ONCE * 4);
            if (!more) {
                got = -1;
                break;
            }
            text = more;
            room = room * 2 + READ_AT_ONCE * 4;
        }
        got = pst_proc_read(fd, text + size, READ_AT_ONCE);
        size += got > 0 ? (apr_size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

/* Code that is mapped from a file, in the format of /proc. */
static void print_maps(pst_emit_t *emit)
{
    char *text = read_all_maps(), *rest = text, *line;

    pst_emit_sentence(emit, "");
    pst_emit_sentence(emit, "MAPPED_LIBRARIES:");
    while (rest && (line = strsep(&rest, "\n")) != NULL) {
        char mode[5] = "";

        if (sscanf(line, "%*s %4s", mode) == 1 && mode[2] == 'x' && strchr(line, '/')) {
            pst_emit_sentence(emit, line);
        }
    }
    free(text);
}

static const char *const words[] = { [PST_PROFILE_POOLS] = "pools",
                                     [PST_PROFILE_HEAP] = "heap",
                                     [PST_PROFILE_MAPPED] = "mapped",
                                     [PST_PROFILE_STACK] = "stack",
                                     [PST_PROFILE_ALL] = "all" };

int pst_view_profile_of(const char *word)
{
    for (unsigned i = 0; i < PST_ITEMS(words); i++) {
        if (!strcmp(word, words[i])) {
            return (int)i;
        }
    }
    return -1;
}

apr_status_t pst_view_profile(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_profile_of_e of)
{
    base_t bases[PST_MODULE_COUNT];

    memset(bases, 0, sizeof(bases));
    print_head(emit, snapshot, of);
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        for (apr_uint32_t s = 0; s < child->site_count; s++) {
            if (is_of_profile(&child->sites[s], of)) {
                print_profile_site(emit, &child->sites[s], snapshot, bases);
            }
        }
    }
    print_maps(emit);
    return emit->status;
}
