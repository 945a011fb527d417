/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on memory that nobody uses: freed by pools and kept by allocators, freed to the heap and kept
 * there, reserved by pools and never handed out.  See pst_doctor_parts.h.
 *
 * A child is examined if it has much such memory now, and if that is at least half of the whole it belongs
 * to. The few largest are then judged by their histories: only memory that was there all the time counts.
 */
#include "pst_doctor_parts.h"
#include "pst_figure.h"

#include <apr_strings.h>
#include <string.h>

static pst_severity_e severity(double bytes)
{
    return bytes >= (double)PST_DOCTOR_KEPT_WARNING ? PST_SEVERITY_WARNING : PST_SEVERITY_INFO;
}

/* The children that stand out, added up. */
typedef struct kept_t {
    pst_top_t top;
    double bytes;               /* kept */
    double of;                  /* out of this much */
    pst_stretch_t longest;      /* of the largest that was judged */
    const pst_child_row_t *child;   /* the largest that was judged */
} kept_t;

typedef apr_uint64_t (*of_child_fn)(const pst_child_row_t *child);

/* Was it there all the time, in the largest child that can be judged? The others are assumed to be like it. */
static int judge_kept(kept_t *kept, pst_doctor_t *doctor, of_child_fn bytes, pst_of_point_fn of_point,
                      apr_uint64_t floor)
{
    for (unsigned i = 0; i < kept->top.kept && !kept->child; i++) {
        const pst_child_row_t *child = kept->top.item[i];
        apr_uint64_t least = bytes(child) / 2;

        pst_doctor_stretch(&kept->longest, doctor, child, of_point, least < floor ? floor : least);
        if (kept->longest.enough) {
            kept->child = child;
        }
    }
    return kept->child != NULL;
}

/* Fills in kept. @return 0 if there is nothing to say */
static int examine(kept_t *kept, pst_doctor_t *doctor, of_child_fn bytes, of_child_fn whole, pst_of_point_fn of_point)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;

    memset(kept, 0, sizeof(*kept));
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];
        apr_uint64_t size = bytes(child), all = whole(child);

        if (size >= PST_DOCTOR_KEPT && size >= all / 2) {
            pst_top_add(&kept->top, (double)size, child);
            kept->bytes += (double)size;
            kept->of += (double)all;
        }
    }
    return judge_kept(kept, doctor, bytes, of_point, PST_DOCTOR_KEPT);
}

/* The same for all children together: each may have little, and all of them a lot. */
static int examine_server(kept_t *kept, pst_doctor_t *doctor, of_child_fn bytes, of_child_fn whole,
                          pst_of_point_fn of_point)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;

    memset(kept, 0, sizeof(*kept));
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        kept->of += (double)whole(child);
        if (bytes(child)) {
            pst_top_add(&kept->top, (double)bytes(child), child);
            kept->bytes += (double)bytes(child);
        }
    }
    return kept->bytes >= (double)PST_DOCTOR_KEPT_SERVER && kept->bytes >= kept->of / 2
           && judge_kept(kept, doctor, bytes, of_point, 1);
}

/* "Child 4711 keeps", or "12 of 40 children keep". */
static const char *who(const pst_doctor_t *doctor, const kept_t *kept, const char *one, const char *many)
{
    return kept->top.count == 1
           ? pst_doctor_say(doctor, "Child %u %s", (unsigned)kept->child->head.owner, one)
           : pst_doctor_say(doctor, "%" APR_UINT64_T_FMT " of %u children %s", kept->top.count,
                            (unsigned)doctor->snapshot->child_count, many);
}

/* "In child 4711 it was 20 MiB or more for the last 3 min." */
static const char *for_how_long(const pst_doctor_t *doctor, const kept_t *kept)
{
    return pst_doctor_say(doctor, "In child %u it was never less than %s for the last %s.",
                          (unsigned)kept->child->head.owner, pst_doctor_size(doctor, (double)kept->longest.floor),
                          pst_doctor_age(doctor, kept->longest.lasted));
}

static pst_finding_t *find_kept(pst_doctor_t *doctor, const char *id, const kept_t *kept)
{
    pst_finding_t *finding = pst_doctor_find(doctor, id, severity(kept->bytes));

    finding->pid = kept->top.count == 1 ? kept->child->head.owner : 0;
    pst_doctor_figure(finding, "children", (double)kept->top.count);
    return finding;
}

static void figures_of(pst_finding_t *finding, const kept_t *kept)
{
    pst_doctor_figure(finding, "least_bytes", (double)kept->longest.floor);
    pst_doctor_figure(finding, "lasted_seconds", (double)kept->longest.lasted / 1e6);
}

/* ---- retained ---- */

static apr_uint64_t retained(const pst_child_row_t *child)
{
    return child->retained_bytes;
}

static apr_uint64_t held(const pst_child_row_t *child)
{
    return child->head.held_bytes;
}

static apr_uint64_t retained_then(const pst_history_point_t *point)
{
    return point->retained;
}

apr_uint64_t pst_doctor_covers(const pst_sizes_row_t *sizes, unsigned permille)
{
    double wanted = (double)sizes->requests * permille / 1000, sum = 0;
    apr_uint64_t limit;

    if (sizes->requests < PST_DOCTOR_REQUESTS) {
        return 0;
    }
    for (unsigned i = 0; i < PST_SIZES_BUCKETS - 1; i++) {
        sum += (double)sizes->row.requests[i];
        if (sum >= wanted) {
            limit = pst_sizes_up_to(i);
            return limit < PST_LIMIT_LEAST ? PST_LIMIT_LEAST : limit;
        }
    }
    return 0;
}

/* What a limit would have kept, and what was kept: the means of each live child since it started, added up.
 * Samples of children that ended are gone. */
typedef struct would_t {
    double kept, real;
    apr_uint64_t seconds;       /* the longest record: a sample a second */
} would_t;

static unsigned index_of(apr_uint64_t limit)
{
    unsigned at = 0;

    while (at < PST_LIMIT_COUNT - 1 && ((apr_uint64_t)PST_LIMIT_LEAST << at) < limit) {
        at++;
    }
    return at;
}

static would_t would_have_kept(const pst_snapshot_t *snapshot, apr_uint64_t limit)
{
    would_t would = { 0, 0, 0 };
    unsigned at = index_of(limit);

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_limits_t *limits = &snapshot->children[i].head.limits;

        if (limits->samples) {
            would.kept += (double)limits->sum[at] / (double)limits->samples;
            would.real += (double)limits->real_sum / (double)limits->samples;
            would.seconds = limits->samples > would.seconds ? limits->samples : would.seconds;
        }
    }
    return would;
}

/* "4.0 MiB instead of 60.0 MiB": over what time, in which children. */
static const char *promise(const pst_doctor_t *doctor, pst_finding_t *finding, const would_t *would)
{
    pst_doctor_figure(finding, "would_have_kept_bytes", would->kept);
    pst_doctor_figure(finding, "kept_mean_bytes", would->real);
    return pst_doctor_say(
        doctor,
        "would have kept %s instead of %s (means over the live children, each since it started, at most "
        "%s ago)",
        pst_doctor_size(doctor, would->kept), pst_doctor_size(doctor, would->real),
        pst_doctor_age(doctor, would->seconds * 1000000));
}

/* Too few requests do not show what they need, but a record shows what a limit would have kept: suggest the
 * highest limit that halves it. */
static const char *suggest_by_record(const pst_doctor_t *doctor, pst_finding_t *finding, apr_uint64_t now)
{
    for (unsigned at = PST_LIMIT_COUNT; at-- > 0; ) {
        apr_uint64_t limit = (apr_uint64_t)PST_LIMIT_LEAST << at;
        would_t would = would_have_kept(doctor->snapshot, limit);

        if (would.seconds >= PST_DOCTOR_RECORD_SECONDS && would.real > 0 && would.kept * 2 <= would.real
            && (!now || limit < now)) {
            pst_doctor_figure(finding, "suggested_max_free_bytes", (double)limit);
            return pst_doctor_say(doctor,
                                  "MaxMemFree %" APR_UINT64_T_FMT
                                  " (in KiB) %s; there were too few requests to say whether "
                                  "they would find enough in it.",
                                  limit / 1024, promise(doctor, finding, &would));
        }
    }
    return "There were too few requests to say how low MaxMemFree could be.";
}

static const char *suggest(const pst_doctor_t *doctor, pst_finding_t *finding, apr_uint64_t now)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    const pst_sizes_row_t *sizes = &snapshot->sizes.all;
    apr_uint64_t limit = pst_doctor_covers(sizes, PST_DOCTOR_COVERED);
    would_t would;

    if (!limit && sizes->requests < PST_DOCTOR_REQUESTS) {
        return suggest_by_record(doctor, finding, now);
    }
    if (!limit || (now && limit >= now) || limit > (apr_uint64_t)PST_LIMIT_LEAST << (PST_LIMIT_COUNT - 1)) {
        return "MaxMemFree is no higher than what most requests need at their peak: a lower one would make them ask "
               "the system again each time.";
    }
    would = would_have_kept(snapshot, limit);
    pst_doctor_figure(finding, "suggested_max_free_bytes", (double)limit);
    if (would.seconds < PST_DOCTOR_RECORD_SECONDS || would.kept * 2 > would.real) {
        return pst_doctor_say(doctor,
                              "MaxMemFree %" APR_UINT64_T_FMT
                              " (in KiB) would let each allocator keep what %u.%u %% of "
                              "requests need at their peak, and no more.",
                              limit / 1024, PST_DOCTOR_COVERED / 10, PST_DOCTOR_COVERED % 10);
    }
    return pst_doctor_say(
        doctor,
        "MaxMemFree %" APR_UINT64_T_FMT " (in KiB) %s, and still holds what %u.%u %% of requests need at "
        "their peak.",
        limit / 1024, promise(doctor, finding, &would), PST_DOCTOR_COVERED / 10, PST_DOCTOR_COVERED % 10);
}

static void find_retained(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    apr_uint64_t allocators = 0, max_free = 0;
    const char *bound = "MaxMemFree is unlimited";
    pst_finding_t *finding;
    kept_t kept;

    if (!examine(&kept, doctor, retained, held, retained_then)
        && !examine_server(&kept, doctor, retained, held, retained_then)) {
        return;
    }
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        allocators += snapshot->children[i].head.allocators < (1u << 30) ? snapshot->children[i].head.allocators : 0;
    }
    max_free = kept.child->head.max_free_bytes;
    finding = find_kept(doctor, "retained-dominates", &kept);
    finding->what = pst_doctor_say(
        doctor, "%s %s of the %s held from the system in free lists: freed by pools and not in use.",
        who(doctor, &kept, "keeps", "keep"), pst_doctor_size(doctor, kept.bytes), pst_doctor_size(doctor, kept.of));
    if (max_free) {
        bound =
            pst_doctor_say(doctor, "MaxMemFree lets each keep %s, %s in all", pst_doctor_size(doctor, (double)max_free),
                           pst_doctor_size(doctor, (double)max_free * (double)allocators));
    }
    finding->evidence =
        pst_doctor_say(doctor, "%s The proportional sizes (PSS) of all children are %s. %s%s.",
                       for_how_long(doctor, &kept), pst_doctor_size(doctor, (double)snapshot->total.pss_bytes),
                       allocators ? pst_doctor_say(doctor,
                                                   "%" APR_UINT64_T_FMT " allocators of transaction "
                                                   "pools have such lists; ",
                                                   allocators)
                                  : "",
                       bound);
    pst_doctor_figure(finding, "retained_bytes", kept.bytes);
    pst_doctor_figure(finding, "held_bytes", kept.of);
    pst_doctor_figure(finding, "pss_bytes", (double)snapshot->total.pss_bytes);
    figures_of(finding, &kept);
    pst_doctor_figure(finding, "max_free_bytes", (double)max_free);
    finding->advice = pst_doctor_say(doctor,
                                     "%s POST /pool-status/release gives it back now, where PoolStatControl is On; "
                                     "PoolStatRelease does so in the background.",
                                     suggest(doctor, finding, max_free));
}

/* ---- the heap ---- */

static apr_uint64_t heap_free(const pst_child_row_t *child)
{
    return child->head.books.heap_tells == PST_HEAP_TELLS_BOTH ? child->head.books.heap_free_bytes : 0;
}

static apr_uint64_t heap_all(const pst_child_row_t *child)
{
    /* each is at most INT64_MAX */
    return child->head.books.heap_free_bytes / 2 + child->head.books.heap_in_use_bytes / 2 < (apr_uint64_t)INT64_MAX / 2
           ? child->head.books.heap_free_bytes + child->head.books.heap_in_use_bytes : (apr_uint64_t)INT64_MAX;
}

static apr_uint64_t heap_free_then(const pst_history_point_t *point)
{
    return point->heap_free;
}

static void find_heap_free(pst_doctor_t *doctor)
{
    const pst_shared_books_t *books;
    pst_finding_t *finding;
    int many, glibc;
    kept_t kept;

    if (!examine(&kept, doctor, heap_free, heap_all, heap_free_then)) {
        return;
    }
    books = &kept.child->head.books;
    glibc = books->heap_kind == PST_HEAP_GLIBC;
    many = glibc && books->heap_arenas > PST_DOCTOR_ARENAS;
    finding = find_kept(doctor, "heap-free-dominates", &kept);
    finding->what =
        pst_doctor_say(doctor, "%s %s of the %s of the heap free: given back by free(), kept by %s.",
                       who(doctor, &kept, "has", "have"), pst_doctor_size(doctor, kept.bytes),
                       pst_doctor_size(doctor, kept.of), glibc ? "the C library" : pst_heap_word(books->heap_kind));
    finding->evidence = pst_doctor_say(
        doctor, "%s There are %" APR_UINT64_T_FMT " arenas in that child; %s are in use.", for_how_long(doctor, &kept),
        books->heap_arenas, pst_doctor_size(doctor, (double)books->heap_in_use_bytes));
    finding->advice = pst_doctor_say(
        doctor,
        "%sPOST /pool-status/release gives it back now, where PoolStatControl is On; PoolStatRelease "
        "does so in the background.%s",
        many ? "MALLOC_ARENA_MAX=2 in httpd's environment (envvars) keeps threads from spreading over so "
               "many arenas. "
             : "",
        glibc && !many ? " What is used on top of it keeps the C library from doing so by itself." : "");
    pst_doctor_figure(finding, "heap_free_bytes", kept.bytes);
    pst_doctor_figure(finding, "heap_bytes", kept.of);
    figures_of(finding, &kept);
    pst_doctor_figure(finding, "heap_arenas", (double)books->heap_arenas);
}

/* ---- slack ---- */

static apr_uint64_t slack(const pst_child_row_t *child)
{
    return child->slack_bytes;
}

static apr_uint64_t reserved(const pst_child_row_t *child)
{
    return child->reserved_bytes;
}

static apr_uint64_t slack_then(const pst_history_point_t *point)
{
    return point->slack;
}

static void find_slack(pst_doctor_t *doctor)
{
    const pst_class_row_t *most = NULL;
    pst_finding_t *finding;
    kept_t kept;

    if (!examine(&kept, doctor, slack, reserved, slack_then)) {
        return;
    }
    for (apr_uint32_t c = 0; c < kept.child->class_count; c++) {
        const pst_class_row_t *class = &kept.child->classes[c];

        most = class->index && (!most || class->pools > most->pools) ? class : most;
    }
    finding = find_kept(doctor, "fragmentation", &kept);
    finding->what = pst_doctor_say(doctor, "%s %s of the %s that pools reserve handed out to nobody: slack.",
                                   who(doctor, &kept, "has", "have"), pst_doctor_size(doctor, kept.bytes),
                                   pst_doctor_size(doctor, kept.of));
    finding->evidence =
        pst_doctor_say(doctor,
                       "%s Child %u has %" APR_UINT64_T_FMT " pools that reserve %s and use %s. Each pool takes "
                       "8 KiB at least.",
                       for_how_long(doctor, &kept), (unsigned)kept.child->head.owner, kept.child->pools,
                       pst_doctor_size(doctor, (double)kept.child->reserved_bytes),
                       pst_doctor_size(doctor, (double)kept.child->used_bytes));
    finding->advice =
        "Many small pools, or large pieces that leave the ends of nodes unused: whoever makes them could use fewer.";
    if (most && most->pools > kept.child->pools / 2) {
        finding->advice =
            pst_doctor_say(doctor,
                           "Most of them, %" APR_UINT64_T_FMT ", are of the class %s: who makes them could "
                           "use one pool for many.",
                           most->pools, most->row.tag[0] ? most->row.tag : "(no tag)");
        finding->tag = apr_pstrdup(doctor->pool, most->row.tag);
    }
    pst_doctor_figure(finding, "slack_bytes", kept.bytes);
    pst_doctor_figure(finding, "reserved_bytes", kept.of);
    figures_of(finding, &kept);
    pst_doctor_figure(finding, "pools", (double)kept.child->pools);
}

void pst_doctor_kept(pst_doctor_t *doctor)
{
    find_retained(doctor);
    find_heap_free(doctor);
    find_slack(doctor);
}
