/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on children that grow, in pools of the process scope or outside of pools.  See pst_doctor_parts.h.
 *
 * Children do the same work, so what grows in one of them grows in the others: similar ones become one finding.
 * Children are similar if they get the same verdict about the same module's code; code that was not seen yet matches
 * any.
 */
#include "pst_doctor_verdict.h"
#include "pst_blame.h"
#include "pst_format.h"
#include "pst_place.h"
#include "pst_trend.h"
#include "pst_who.h"

#include <apr_strings.h>

typedef enum { OF_POOLS, OF_HEAP, OF_MAPPED, OF_STACKS } of_e;
/* The verdict: it grows; it grows with new URLs or clients; it grew, and has stopped. */
typedef enum { NOTHING, GROWS, GROWS_WITH_NEW, GREW } say_e;

static const struct {
    const char *grows, *with_new, *grew; /* ids */
    const char *one, *many, *where;      /* "The process scope", "of" child 4711 */
    int is_plural;                       /* plural even for one child: they grow */
    const char *waiting;                 /* for a child whose growth has only begun */
    const char *because;
    pst_scope_e scope; /* of the call sites behind it */
} parts[] = { [OF_POOLS] = { "growing-process", "process-grows-with-new", "process-grew", "The process scope",
                             "The process scopes", "of", 0, "The process scope of child %u",
                             "memory that only a child's end gives back", PST_SCOPE_PROCESS },
              [OF_HEAP] = { "heap-in-use-grows", "heap-grows-with-new", "heap-grew", "Memory in use outside of pools",
                            "Memory in use outside of pools", "in", 0, "The heap of child %u",
                            "somebody calls malloc and not free", PST_SCOPE_HEAP },
              [OF_MAPPED] = { "mappings-grow", "", "mappings-grew", "Mapped memory that is neither pools nor heap",
                              "Mapped memory that is neither pools nor heap", "in", 0, "Mapped memory of child %u",
                              "somebody maps memory and does not unmap it", PST_SCOPE_MAPPED },
              [OF_STACKS] = { "stacks-grow", "", "", "Stacks of threads", "Stacks of threads", "in", 1,
                              "The stacks of child %u", "threads are started and do not end", PST_SCOPE_STACK } };

typedef struct alike_t {
    say_e say;
    apr_uint32_t module; /* of the code behind it; 0: not seen in any of them yet */
    const pst_child_row_t *worst, *named;   /* that gained most; of those whose code is known; NULL: none's is */
    apr_uint64_t count;
    float least, most; /* a minute each */
    double gained;     /* in all */
} alike_t;

static const pst_shared_verdict_t *verdict_of(const pst_child_row_t *child, of_e of)
{
    switch (of) {
    case OF_POOLS:
        return &child->head.verdict;
    case OF_HEAP:
        return &child->head.heap_verdict;
    case OF_MAPPED:
        return &child->head.mapped_verdict;
    default:
        return &child->head.stack_verdict;
    }
}

/* For mappings and stacks nobody counts which requests the growth came with. */
static const pst_shared_share_t *share_of(const pst_child_row_t *child, of_e of)
{
    static const pst_shared_share_t none;

    switch (of) {
    case OF_POOLS: return &child->head.share;
    case OF_HEAP:  return &child->head.heap_share;
    default:       return &none;
    }
}

/* "grow" or "grows" */
static int is_plural(const alike_t *alike, of_e of)
{
    return parts[of].is_plural || (of == OF_POOLS && alike->count > 1);
}

static double threads_of(const pst_doctor_t *doctor)
{
    apr_uint64_t threads = doctor->snapshot->about.threads_per_child;

    return threads < 100000 ? (double)threads : 1;
}

/* Is it certain whose it is: one module holds most of what stayed, by samples, and keeps as much of each request; and
 * not because there are more connections than before, each with what it needs? */
static int is_certain(pst_doctor_t *doctor, const pst_child_row_t *child, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(child, of);
    apr_uint32_t module = PST_FRAME_MODULE(verdict->site);
    apr_uint64_t was, now;

    if (!module || module >= PST_MODULE_COUNT || doctor->snapshot->modules[module].kind != PST_CODE_MODULE
        || verdict->share < PST_DOCTOR_CERTAIN || !pst_blame_is_sure(verdict->share / 1000.0, verdict->samples)
        || verdict->per_request <= 0 || !pst_doctor_history(doctor, child)) {
        return 0;
    }
    pst_doctor_connections(doctor, verdict->since, &was, &now);
    return now <= was || (now - was) * 100 < was * PST_DOCTOR_MORE_CONNECTIONS;
}

static double least_deviation(pst_doctor_t *doctor, const pst_child_row_t *child, of_e of)
{
    double pools = threads_of(doctor) * PST_DOCTOR_GROWN_THREAD;

    switch (of) {
    case OF_HEAP:
        return is_certain(doctor, child, of) ? PST_DOCTOR_HEAP_GROWN
                                             : PST_DOCTOR_HEAP_GROWN + threads_of(doctor) * PST_DOCTOR_HEAP_THREAD;
    case OF_MAPPED:
        return PST_DOCTOR_MAPPED_GROWN;
    case OF_STACKS:
        return PST_DOCTOR_STACKS_GROWN + threads_of(doctor) * PST_DOCTOR_STACKS_THREAD;
    default:
        break;
    }
    return pools > PST_DOCTOR_GROWN && !is_certain(doctor, child, of) ? pools : PST_DOCTOR_GROWN;
}

/* It is not a leak until something points to its owner: the code behind the growth, a class that grows, or a record of
 * minutes. */
static int is_somebodys(const pst_doctor_t *doctor, const pst_child_row_t *child, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(child, of);

    return of != OF_POOLS || verdict->site || pst_doctor_growing_class(child)
           || pst_doctor_long_enough(doctor, pst_doctor_lasted(verdict), PST_DOCTOR_LONG_SECONDS);
}

/* Pools and heap grow steadily for a while as a server warms up; mappings and stacks grow in pieces. */
static apr_uint64_t seconds_of(of_e of)
{
    return of == OF_MAPPED || of == OF_STACKS ? PST_DOCTOR_RECORD_SECONDS : PST_DOCTOR_LEAK_SECONDS;
}

static say_e what_to_say(pst_doctor_t *doctor, const pst_child_row_t *child, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(child, of);
    int with_new = share_of(child, of)->only_new;
    double least = least_deviation(doctor, child, of),
           worth = with_new && least < PST_DOCTOR_WORTH_TELLING ? PST_DOCTOR_WORTH_TELLING : least;
    apr_uint32_t pid = child->head.owner;

    /* only if the heap tells used from free memory: mimalloc reports the sum of both */
    if (of == OF_HEAP && child->head.books.heap_tells != PST_HEAP_TELLS_BOTH) {
        return NOTHING;
    }
    if (verdict->state == PST_TREND_ENDED
        && of == OF_STACKS) { /* each thread touches its stack once, as a server warms up */
        return NOTHING;
    }
    if (verdict->state == PST_TREND_ENDED) {
        return (double)verdict->gained >= worth && verdict->gained >= PST_DOCTOR_WORTH_TELLING
                       && pst_doctor_long_enough(doctor, pst_doctor_lasted(verdict), PST_DOCTOR_RECORD_SECONDS)
                   ? GREW
                   : NOTHING;
    }
    if (pst_doctor_grown(doctor, verdict, worth, seconds_of(of)) && is_somebodys(doctor, child, of)) {
        return with_new ? GROWS_WITH_NEW : GROWS;
    }
    pst_doctor_waits(doctor, verdict, pst_doctor_say(doctor, parts[of].waiting, (unsigned)pid), worth,
                     seconds_of(of));
    return NOTHING;
}

/* ---- similar children ---- */

static void add_alike(alike_t *alike, const pst_child_row_t *child, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(child, of);

    alike->module = alike->module ? alike->module : PST_FRAME_MODULE(verdict->site);
    alike->least = !alike->count || verdict->per_minute < alike->least ? verdict->per_minute : alike->least;
    alike->most = !alike->count || verdict->per_minute > alike->most ? verdict->per_minute : alike->most;
    alike->gained += (double)verdict->gained;
    if (!alike->worst || verdict->gained > verdict_of(alike->worst, of)->gained) {
        alike->worst = child;
    }
    if (verdict->site && (!alike->named || verdict->gained > verdict_of(alike->named, of)->gained)) {
        alike->named = child;
    }
    alike->count++;
}

/* @return how many kinds there are, at most PST_DOCTOR_LISTED; more: children of other kinds */
static unsigned sort_out(alike_t *kinds, pst_doctor_t *doctor, of_e of, apr_uint64_t *more)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    unsigned count = 0, k;

    *more = 0;
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];
        apr_uint32_t module = PST_FRAME_MODULE(verdict_of(child, of)->site);
        say_e say = what_to_say(doctor, child, of);

        for (k = 0; say && k < count; k++) {
            if (kinds[k].say == say && (!module || !kinds[k].module || kinds[k].module == module)) {
                break;
            }
        }
        if (say && k == PST_DOCTOR_LISTED) {
            (*more)++;
        }
        else if (say) {
            if (k == count) {
                kinds[count++] = (alike_t){ .say = say };
            }
            add_alike(&kinds[k], child, of);
        }
    }
    return count;
}

/* ---- words ---- */

/* "The process scope of child 4711", "The process scopes of 4 of 4 children" */
static const char *subject(const pst_doctor_t *doctor, const alike_t *alike, of_e of)
{
    if (alike->count > 1) {
        return pst_doctor_say(doctor, "%s %s %" APR_UINT64_T_FMT " of %u children", parts[of].many, parts[of].where,
                              alike->count, (unsigned)doctor->snapshot->child_count);
    }
    return pst_doctor_say(doctor, "%s %s child %u", parts[of].one, parts[of].where, (unsigned)alike->worst->head.owner);
}

/* "by 168 KiB to 211 KiB a minute each" */
static const char *rates(const pst_doctor_t *doctor, const alike_t *alike, of_e of)
{
    const char *least, *most;

    if (alike->count == 1) {
        return pst_doctor_say(doctor, "by %s", pst_doctor_rate(doctor, verdict_of(alike->worst, of)));
    }
    least = pst_doctor_size(doctor, (double)alike->least);
    most = pst_doctor_size(doctor, (double)alike->most);
    return pst_doctor_say(doctor, "by %s to %s a minute each", least, most);
}

/* Which growth came with which requests: "Of 1.2 MiB 1.1 MiB came with 140 requests new to it, 8.2 KiB each, and
 * ..." */
static const char *shares(const pst_doctor_t *doctor, const pst_shared_share_t *share)
{
    const char *said;

    if (!share->known || (!share->requests_new && !share->requests_again)) {
        return "";
    }
    said = pst_doctor_say(doctor, " %s of it came with %u requests for something it had not served before",
                          pst_doctor_size(doctor, (double)share->gained_new), (unsigned)share->requests_new);
    if (share->requests_new && share->gained_new > 0) {
        said = pst_doctor_say(doctor, "%s, %s each", said,
                              pst_doctor_size(doctor, (double)share->gained_new / share->requests_new));
    }
    return pst_doctor_say(doctor, "%s; %s with %u repeated ones, or with none.", said,
                          pst_doctor_size(doctor, (double)share->gained_again), (unsigned)share->requests_again);
}

/* Too few repeated requests do not tell how they behave. */
static int hardly_repeats(const pst_shared_share_t *share)
{
    return (double)share->requests_again * PST_DOCTOR_REPEATED < (double)share->requests_new;
}

static const char *now(const pst_doctor_t *doctor, const alike_t *alike, of_e of)
{
    const pst_shared_child_t *head = &alike->worst->head;
    const char *whose =
        alike->count > 1 ? pst_doctor_say(doctor, "Child %u, which gained most,", (unsigned)head->owner) : "It";

    if (of == OF_POOLS) {
        return pst_doctor_say(doctor, "%s reserves %s now.", whose,
                              pst_doctor_size(doctor, (double)head->process.reserved_bytes));
    }
    if (of != OF_HEAP) {
        return pst_doctor_say(
            doctor, "%s has %s there now, of an RSS of %s.", whose,
            pst_doctor_size(doctor, (double)(of == OF_MAPPED ? head->books.other_bytes : head->books.stack_bytes)),
            pst_doctor_size(doctor, (double)head->books.rss_bytes));
    }
    return pst_doctor_say(doctor, "%s has %s in use and %s free; APR's pools, which are not in it, hold %s.",
                          alike->count > 1 ? whose : "The heap",
                          pst_doctor_size(doctor, (double)head->books.heap_in_use_bytes),
                          pst_doctor_size(doctor, (double)head->books.heap_free_bytes),
                          pst_doctor_size(doctor, (double)head->held_bytes));
}

/* The author of the scope's growth, or of its class that grows. */
static const char *author_of_process(pst_doctor_t *doctor, pst_finding_t *finding, const pst_child_row_t *child)
{
    const pst_class_row_t *class = child->head.verdict.site ? NULL : pst_doctor_growing_class(child);
    const pst_shared_verdict_t *verdict = class && class->row.verdict.site ? &class->row.verdict : &child->head.verdict;
    const char *who = pst_doctor_author(doctor, finding, child, verdict, PST_SCOPE_PROCESS);

    return class ? pst_doctor_say(doctor, "Its pools of the class %s grow. %s",
                                  class->row.tag[0] ? class->row.tag : "(no tag)", who)
                 : who;
}

/* Whose code it is, if nobody is to blame for it. */
static const char *blamed_code(const pst_doctor_t *doctor, const pst_child_row_t *child, of_e of)
{
    const pst_class_row_t *class = of == OF_POOLS && !child->head.verdict.site ? pst_doctor_growing_class(child) : NULL;

    return pst_doctor_code(doctor, child, class ? &class->row.verdict : verdict_of(child, of));
}

static const char *author_of(pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    const pst_child_row_t *child = alike->named ? alike->named : alike->worst;

    if (of == OF_POOLS) {
        return author_of_process(doctor, finding, child);
    }
    if (!child->head.heap_profile_rate) {
        return "The code behind it is not known while PoolStatHeapProfile is Off.";
    }
    return pst_doctor_author(doctor, finding, child, verdict_of(child, of), (int)parts[of].scope);
}

/* What the same module keeps of the other of pools and heap: what httpd makes often has a part in each. */
static const char *kept_elsewhere(pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    of_e other = of == OF_POOLS ? OF_HEAP : OF_POOLS;
    const pst_child_row_t *child = alike->named;
    const pst_shared_blame_t *blame = child ? &child->head.blame[parts[other].scope] : NULL;
    const pst_shared_who_t *who = blame ? &blame->who[0] : NULL;
    char text[PST_WHO_LEN];
    pst_who_t found;
    double kept;

    if (!blame || (of != OF_POOLS && of != OF_HEAP) || blame->known != 1
        || PST_FRAME_MODULE(who->site) != alike->module
        || !pst_who_of_frame(&found, doctor->snapshot, child, who->site, who->share, who->samples)) {
        return "";
    }
    kept = (double)blame->bytes * found.share / 1000;
    pst_doctor_figure(finding, other == OF_HEAP ? "kept_outside_bytes" : "kept_in_pools_bytes", kept);
    return pst_doctor_say(doctor, " In child %u the same module keeps %s %s as well, at %s.",
                          (unsigned)child->head.owner,
                          pst_doctor_size(doctor, kept),
                          other == OF_HEAP ? "outside of pools" : "in pools of the process scope",
                          pst_who_text(text, &found));
}

/* PoolStatMaxChild measures what pools reserve, unless it is set to PSS. */
static const char *what_to_do(pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    const char *author = author_of(doctor, finding, alike, of);

    return pst_doctor_say(doctor,
                          "%s%s Until it is fixed, PoolStatMaxChild%s gracefully replaces a child that has grown too "
                          "large; MaxConnectionsPerChild replaces one that has served that many connections.",
                          author, kept_elsewhere(doctor, finding, alike, of), of == OF_POOLS ? "" : " with pss");
}

static void say_grows(pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(alike->worst, of);
    const pst_shared_share_t *share = share_of(alike->worst, of);

    finding->what =
        pst_doctor_say(doctor, "%s %s %s: %s.", subject(doctor, alike, of), is_plural(alike, of) ? "grow" : "grows",
                       rates(doctor, alike, of), parts[of].because);
    finding->evidence = pst_doctor_say(doctor, "%s%s %s", pst_doctor_since(doctor, verdict),
                                       share->requests_new ? shares(doctor, share) : "", now(doctor, alike, of));
    finding->advice = what_to_do(doctor, finding, alike, of);
}

static void say_grows_with_new(const pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(alike->worst, of);
    const pst_shared_share_t *share = share_of(alike->worst, of);

    if (finding->severity == PST_SEVERITY_CRITICAL && hardly_repeats(share)) {
        finding->severity = PST_SEVERITY_WARNING;
    }
    else {
        finding->severity = PST_SEVERITY_INFO;
    }
    finding->what = pst_doctor_say(doctor, "%s %s %s, with what is new to %s.", subject(doctor, alike, of),
                                   is_plural(alike, of) ? "grow" : "grows", rates(doctor, alike, of),
                                   alike->count > 1 ? "them" : "it");
    finding->evidence = pst_doctor_say(
        doctor, "%s by %s in %s.%s %s", alike->count > 1 ? "The one that gained most grew" : "It grew",
        pst_doctor_size(doctor, (double)verdict->gained), pst_doctor_age(doctor, pst_doctor_lasted(verdict)),
        shares(doctor, share), now(doctor, alike, of));
    finding->advice = pst_doctor_say(
        doctor, "%s%s",
        hardly_repeats(share)
            ? "Nearly all of its requests are for something new, so it is not known what repeated ones keep: if paths "
              "contain an id, each request may keep the same."
            : "This is not a leak: a cache fills, or code is loaded, once for each new thing. It stops when nothing "
              "new comes; repeated requests keep little or nothing.",
        blamed_code(doctor, alike->worst, of));
}

static void say_grew(const pst_doctor_t *doctor, pst_finding_t *finding, const alike_t *alike, of_e of)
{
    const pst_shared_verdict_t *verdict = verdict_of(alike->worst, of);
    char until[PST_FORMAT_LEN];

    finding->severity = PST_SEVERITY_INFO;
    pst_format_time(until, verdict->since + pst_doctor_lasted(verdict));
    finding->what = pst_doctor_say(doctor, "%s grew by %s%s until %s, and no longer %s.", subject(doctor, alike, of),
                                   pst_doctor_size(doctor, (double)verdict->gained), alike->count > 1 ? " at most" : "",
                                   until, is_plural(alike, of) ? "do" : "does");
    finding->evidence = pst_doctor_say(doctor, "That took %s.%s %s", pst_doctor_age(doctor, pst_doctor_lasted(verdict)),
                                       shares(doctor, share_of(alike->worst, of)), now(doctor, alike, of));
    finding->advice =
        pst_doctor_say(doctor, "Nothing to do, unless it goes on.%s", blamed_code(doctor, alike->worst, of));
}

static const char *id_of(const alike_t *alike, of_e of)
{
    switch (alike->say) {
    case GROWS: return parts[of].grows;
    case GREW:  return parts[of].grew;
    default:    return parts[of].with_new;
    }
}

static void find_unlike(pst_doctor_t *doctor, const alike_t *alike, of_e of)
{
    const pst_child_row_t *worst = alike->worst;
    const pst_shared_verdict_t *verdict = verdict_of(worst, of);
    const pst_shared_share_t *share = share_of(worst, of);
    pst_finding_t *finding = pst_doctor_find(doctor, id_of(alike, of), pst_doctor_severity(doctor, verdict, 0));

    finding->pid = worst->head.owner;
    switch (alike->say) {
    case GROWS:
        say_grows(doctor, finding, alike, of);
        break;
    case GROWS_WITH_NEW:
        say_grows_with_new(doctor, finding, alike, of);
        break;
    default:
        say_grew(doctor, finding, alike, of);
        break;
    }
    pst_doctor_figure(finding, "children", (double)alike->count);
    pst_doctor_rate_figures(finding, verdict);
    if (share->known) {
        pst_doctor_figure(finding, "gained_new_bytes", (double)share->gained_new);
        pst_doctor_figure(finding, "gained_again_bytes", (double)share->gained_again);
        pst_doctor_figure(finding, "requests_new", share->requests_new);
        pst_doctor_figure(finding, "requests_again", share->requests_again);
    }
    if (of == OF_POOLS) {
        pst_doctor_figure(finding, "process_reserved_bytes", (double)worst->head.process.reserved_bytes);
    }
    else if (of != OF_HEAP) {
        pst_doctor_figure(finding, of == OF_MAPPED ? "other_bytes" : "stack_bytes",
                          (double)(of == OF_MAPPED ? worst->head.books.other_bytes : worst->head.books.stack_bytes));
        pst_doctor_figure(finding, "rss_bytes", (double)worst->head.books.rss_bytes);
    }
    else {
        pst_doctor_figure(finding, "heap_in_use_bytes", (double)worst->head.books.heap_in_use_bytes);
        pst_doctor_figure(finding, "heap_free_bytes", (double)worst->head.books.heap_free_bytes);
    }
}

static void find_all(pst_doctor_t *doctor, of_e of)
{
    alike_t kinds[PST_DOCTOR_LISTED];
    apr_uint64_t more;
    unsigned count = sort_out(kinds, doctor, of, &more);

    for (unsigned k = 0; k < count; k++) {
        find_unlike(doctor, &kinds[k], of);
    }
    if (count && more) {
        doctor->findings->findings[doctor->findings->count - 1].more = more;
    }
}

void pst_doctor_processes(pst_doctor_t *doctor)
{
    find_all(doctor, OF_POOLS);
}

void pst_doctor_heaps(pst_doctor_t *doctor)
{
    find_all(doctor, OF_HEAP);
    find_all(doctor, OF_MAPPED);
    find_all(doctor, OF_STACKS);
}
