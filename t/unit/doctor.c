/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the doctor.  Each finding on a board made for it, on both sides of each threshold; none on a
 * healthy one; whatever is on the board, nothing but findings comes out.
 */
#include "tap.h"
#include "apart.h"
#include "board_double.h"
#include "pst_doctor.h"
#include "pst_doctor_thresholds.h"
#include "pst_generation.h"
#include "pst_history.h"
#include "pst_trend.h"
#include "pst_view_doctor.h"
#include "sink.h"

#define SECOND ((apr_uint64_t)1000000)
#define MIB    PST_DOCTOR_MIB

static apr_pool_t *pool;
static pst_board_t board;
static pst_snapshot_t snapshot;

/* ---- a board, again and again ---- */

static void wipe(void)
{
    pst_shared_header_t *header = pst_board_header(&board);

    memset(pst_board_child(&board, 0), 0, board.size - board.header_size);
    pst_board_header(&board)->claimed = 0;
    memset(pst_board_generation(&board, 0), 0, PST_GENERATION_COUNT * sizeof(pst_shared_generation_t));
    header->homeless = 0;
    header->memory_limit_bytes = header->children_limit = header->threads_per_child = 0;
    apr_pool_clear(pool);
}

/* A child that is a minute old and healthy in every respect. */
static pst_shared_child_t *healthy(apr_uint32_t pid)
{
    pst_shared_child_t *child = add_child(&board, pid);

    child->held_bytes = 100000;
    child->child_reserved_bytes = child->process.reserved_bytes;
    child->books.heap_kind = PST_HEAP_GLIBC;
    child->books.heap_tells = PST_HEAP_TELLS_BOTH;
    child->books.heap_in_use_bytes = 500000;
    child->books.heap_free_bytes = 200000;
    child->books.rss_bytes = 64 * MIB;
    child->books.pss_bytes = 5 * MIB;
    child->verdict.state = child->heap_verdict.state = PST_TREND_STEADY;
    pst_history_start(&board, child);
    return child;
}

/* It has been unchanged for that many seconds up to NOW. */
static void lives(pst_shared_child_t *child, unsigned seconds)
{
    for (unsigned s = seconds + 1; s-- > 0; ) {
        pst_history_beat(&board, child, NOW - s * SECOND);
    }
}

static pst_filter_t filter = { .kind = -1 };     /* what the view wants to see */

static const pst_findings_t *examine(void)
{
    if (pst_snapshot_take(&snapshot, &board, &filter, NOW, pool) != APR_SUCCESS
        || pst_doctor_take(&snapshot, &board, pool) != APR_SUCCESS) {
        return NULL;
    }
    return snapshot.findings;
}

/* The finding of that id, if it is the only one. */
static const pst_finding_t *found(const char *id)
{
    const pst_findings_t *findings = examine();

    return findings && findings->count == 1 && !strcmp(findings->findings[0].id, id) ? &findings->findings[0] : NULL;
}

static int none(void)
{
    const pst_findings_t *findings = examine();

    for (unsigned i = 0; findings && i < findings->count; i++) {
        printf("# found %s: %s\n", findings->findings[i].id, findings->findings[i].what);
    }
    return findings && !findings->count;
}

static double figure(const pst_finding_t *finding, const char *key)
{
    for (unsigned i = 0; finding && i < finding->figure_count; i++) {
        if (!strcmp(finding->figures[i].key, key)) {
            return finding->figures[i].value;
        }
    }
    return -1;
}

static void grow(pst_shared_verdict_t *verdict, double per_minute, apr_uint64_t seconds)
{
    verdict->state = PST_TREND_GROWING;
    verdict->per_minute = (float)per_minute;
    verdict->fit = 990;
    verdict->since = NOW - seconds * SECOND;
    verdict->lasted = (uint32_t)(seconds * 1000);
    verdict->gained = (float)(per_minute * (double)seconds / 60);
}

/* ---- findings ---- */

static pst_shared_class_t *add_class(pst_shared_child_t *child, apr_uint32_t i, const char *tag)
{
    pst_shared_class_t *class = pst_board_class(&board, child, i);

    class->in_use = 1;
    class->class_pools_created = 50;
    class->class_reserved_bytes = 50 * 8192;
    apr_cpystrn(class->tag, tag, sizeof(class->tag));
    return class;
}

static void health(void)
{
    wipe();
    ok(none(), "an empty board");
    lives(healthy(100), 30);
    lives(healthy(101), 30);
    ok(none(), "healthy children");
    ok(!snapshot.findings->young && snapshot.findings->record == 60 * SECOND, "on a record of a minute");
    pst_board_child(&board, 0)->started = pst_board_child(&board, 1)->started = NOW - 5 * SECOND;
    ok(none() && snapshot.findings->young, "five seconds are too few to say so");
}

static void process(void)
{
    pst_shared_child_t *child;
    pst_shared_class_t *class;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    pst_board_module_add(&board, 77, "mod_leaky.so", PST_CODE_MODULE);
    child->verdict.site = PST_FRAME(1, 0x1234);
    grow(&child->verdict, 200000, 39);
    ok(none() && snapshot.findings->begun, "growing for 39 seconds is none, but nobody says that all is well");
    grow(&child->verdict, 200000, 40);
    finding = found("growing-process");
    ok(finding && finding->pid == 100 && finding->severity == PST_SEVERITY_WARNING, "for 40: growing-process");
    ok(figure(finding, "bytes_per_minute") == 200000 && figure(finding, "growing_seconds") == 40, "its figures");
    ok(finding && strstr(finding->advice, "mod_leaky.so+0x1234: write to the author of mod_leaky.so"), "the author is named");
    ok(finding && strstr(finding->evidence, "if that goes on, it is 3.1 MiB more in 16 min 00 s."), "drawn on no further than the record allows");
    grow(&child->verdict, 65535 * 1.5, 40);
    ok(none(), "less than eight nodes in all");
    grow(&child->verdict, 65537 * 1.5, 40);
    ok(found("growing-process") != NULL, "eight nodes");
    pst_board_header(&board)->threads_per_child = 25;
    ok(none(), "with 25 threads they are none");
    grow(&child->verdict, 25 * 8193 * 1.5, 40);
    ok(found("growing-process") != NULL, "a node for each thread");
    child->verdict.site = PST_FRAME(0xffff, 0x1234);
    ok(found("growing-process") != NULL, "a site that no board has harms nobody");

    child->verdict.site = 0;
    ok(none() && snapshot.findings->begun, "as long as nothing says whose it is, it is no leak");
    class = add_class(child, 3, "kept-for-ever");
    class->creator = PST_FRAME(1, 0x4321);
    grow(&class->verdict, 300000, 30);
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "of the class kept-for-ever grow. Who holds it is not known yet"),
       "a class of its pools does, though who makes them need not be who fills them");
    class->verdict.site = PST_FRAME(1, 0x4321);
    class->verdict.share = 876;
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "grow. Of what stayed, 87 % is held by mod_leaky.so+0x4321: write to the author of mod_leaky.so"),
       "who fills them is named, with the share");
    ok(finding && finding->blamed && !strcmp(finding->blamed, "mod_leaky.so") && figure(finding, "share_percent") == 87.6, "for programs, too");
    class->verdict.state = PST_TREND_STEADY;
    grow(&child->verdict, 200000, 299);
    ok(none(), "not in five minutes less a second");
    grow(&child->verdict, 200000, 300);
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "not known yet") && !finding->blamed, "in five minutes it is one anyway");
    pst_board_module_add(&board, 78, "mod_other.so", PST_CODE_MODULE);
    pst_board_module_add(&board, 79, "httpd", PST_CODE_HTTPD);
    child->blame[0] = (pst_shared_blame_t){ .since = 1, .samples = 6,
        .who = { { .site = PST_FRAME(2, 0x10), .share = 520 }, { .site = PST_FRAME(1, 0x20), .share = 480 } } };
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "Who holds it is not known yet: 6 samples that stayed are too few. So far: mod_other.so 52 %, "
                         "mod_leaky.so 48 %."), "candidates are shown as such");
    child->blame[0].samples = 60;
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "No one module holds most of what stayed, several do: mod_other.so 52 %, mod_leaky.so 48 %."),
       "by many samples that is the answer");
    child->verdict.site = PST_FRAME(3, 0x30);
    child->verdict.share = 1000;
    finding = found("growing-process");
    ok(finding && strstr(finding->advice, "is held by httpd itself, httpd+0x30: no module is on its stack.")
           && !strstr(finding->advice, "write to"), "httpd's own is nobody's to write to");
    memset(&child->blame[0], 0, sizeof(child->blame[0]));

    pst_board_header(&board)->memory_limit_bytes = 1000 * MIB;
    child->verdict.site = PST_FRAME(1, 0x1234);
    grow(&child->verdict, 100.0 * MIB / 24 - 1000, 60);
    finding = found("growing-process");
    ok(finding && finding->severity == PST_SEVERITY_WARNING, "a tenth of the memory in a bit more than what a minute foresees");
    grow(&child->verdict, 100.0 * MIB / 24 + 1000, 60);
    finding = found("growing-process");
    ok(finding && finding->severity == PST_SEVERITY_CRITICAL, "in 24 minutes: critical");
    grow(&child->verdict, 100.0 * MIB / 1440 - 1000, 7200);
    finding = found("growing-process");
    ok(finding && finding->severity == PST_SEVERITY_WARNING && strstr(finding->evidence, "more in a day."), "of no record more than a day");
    grow(&child->verdict, 100.0 * MIB / 1440 + 1000, 3601);
    finding = found("growing-process");
    ok(finding && finding->severity == PST_SEVERITY_CRITICAL, "a tenth in a day, seen for an hour: critical");

    for (apr_uint32_t i = 1; i < 7; i++) {
        pst_shared_child_t *other = healthy(100 + i);

        other->verdict.site = PST_FRAME(1, 0x1234);
        grow(&other->verdict, 100000.0 * i + 800000, 50);
    }
    grow(&child->verdict, 700000, 50);
    finding = found("growing-process");
    ok(finding && finding->pid == 106 && !finding->more, "seven children that are alike are one finding, of the one that gained most");
    ok(finding && strstr(finding->what, "7 of 7 children grow by 684 KiB to 1.3 MiB a minute each") && figure(finding, "children") == 7,
       "how many they are, and how fast each grows");
    pst_board_module_add(&board, 78, "mod_other.so", PST_CODE_MODULE);
    child->verdict.site = PST_FRAME(2, 0x1234);
    ok(examine()->count == 2 && figure(&snapshot.findings->findings[0], "children") == 1
       && figure(&snapshot.findings->findings[1], "children") == 6, "another module's is another finding");
    child->verdict.site = 0;
    ok(found("growing-process") != NULL || examine()->count == 1, "one whose code was not seen is like the others");
}

static void share(pst_shared_share_t *share, double gained_new, double gained_again, unsigned requests_new, unsigned requests_again)
{
    *share = (pst_shared_share_t){ 1, gained_new >= 3 * gained_again, (float)gained_new, (float)gained_again, requests_new, requests_again };
}

/* Growth with requests that are new to a child is not a leak; neither is growth that has ended. */
static void new_or_again(void)
{
    const pst_finding_t *finding;
    pst_shared_child_t *child;

    wipe();
    child = healthy(100);
    child->verdict.site = PST_FRAME(1, 0x1234);
    grow(&child->verdict, 1e6, 60);
    share(&child->share, 900000, 100000, 100, 5000);
    finding = found("process-grows-with-new");
    ok(finding && finding->severity == PST_SEVERITY_INFO, "with what is new: information");
    ok(finding && strstr(finding->evidence, "879 KiB of it came with 100 requests for something it had not served before, 8.8 KiB each; "
                         "97.7 KiB with 5000 repeated ones"), "both shares, and how much for each");
    ok(finding && !strstr(finding->advice, "author") && strstr(finding->advice, "mod_leaky.so+0x1234"), "nobody is blamed for it");
    grow(&child->verdict, 500000, 60);
    ok(none(), "half a megabyte is not worth a word");
    grow(&child->verdict, 1e6, 60);
    share(&child->share, 740000, 260000, 100, 5000);
    ok(found("growing-process") != NULL, "a quarter of it by repetition: it grows");
    ok(strstr(snapshot.findings->findings[0].evidence, "with 5000 repeated ones") != NULL, "with both shares");
    share(&child->share, 1e6, 0, 100, 24);
    finding = found("process-grows-with-new");
    ok(finding && strstr(finding->advice, "it is not known what repeated ones keep"), "where hardly any are repeated it says so");
    pst_board_header(&board)->memory_limit_bytes = 10 * MIB;
    finding = found("process-grows-with-new");
    ok(finding && finding->severity == PST_SEVERITY_WARNING, "and where memory runs out that is a warning");
    share(&child->share, 1e6, 0, 100, 25);
    finding = found("process-grows-with-new");
    ok(finding && finding->severity == PST_SEVERITY_INFO, "with some that are, and keep nothing, it is not");
    pst_board_header(&board)->memory_limit_bytes = 0;

    child->verdict.state = PST_TREND_ENDED;
    finding = found("process-grew");
    ok(finding && finding->severity == PST_SEVERITY_INFO && strstr(finding->what, "grew by 977 KiB until 2025-01-31 23:59:07 UTC, and no longer does"),
       "what has ended: until when, by how much");
    child->verdict.gained = 500000;
    ok(none(), "if it was worth a word");
    grow(&child->verdict, 1e6, 60);
    child->verdict.state = PST_TREND_STEADY;
    grow(&child->heap_verdict, 9e5, 60);
    share(&child->heap_share, 900000, 0, 30, 300);
    ok(found("heap-grows-with-new") != NULL, "the same of the heap");
    memset(&child->heap_share, 0, sizeof(child->heap_share));
    ok(found("heap-in-use-grows") != NULL, "not known with what it grows: it grows");
    child->heap_share.known = 1;
    child->heap_share.only_new = 1;
    child->heap_share.gained_new = -1;
    ok(found("heap-in-use-grows") != NULL, "nonsense on the board is not known");
}

static void connection(void)
{
    pst_shared_child_t *child;
    pst_shared_slot_t *slot;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    slot = add_connection(&board, child, 2, 400000, PST_KIND_CLIENT, "www.example.org");
    grow(&slot->verdict, 300000, 19);
    slot->verdict.of = 3;
    slot->verdict.scope = PST_SCOPE_CONNECTION;
    ok(none(), "a connection growing for 19 seconds");
    grow(&slot->verdict, 300000, 20);
    finding = found("growing-connection");
    ok(finding && finding->pid == 100 && finding->connection == 3 && strstr(finding->what, "Connection 3 of child 100 grows"),
       "for 20: growing-connection");
    ok(figure(finding, "reserved_bytes") == 400000, "its figures");
    slot->verdict.scope = PST_SCOPE_REQUEST;
    finding = found("growing-connection");
    ok(finding && strstr(finding->what, "The request on connection 3") && strstr(finding->evidence, "GET / HTTP/1.1"),
       "its request");
    pst_board_header(&board)->memory_limit_bytes = 1000 * MIB;
    grow(&slot->verdict, 900.0 * MIB, 299);
    finding = found("growing-connection");
    ok(finding && finding->severity == PST_SEVERITY_WARNING, "what comes back is a warning at most");
    grow(&slot->verdict, 900.0 * MIB, 300);
    finding = found("growing-connection");
    ok(finding && finding->severity == PST_SEVERITY_CRITICAL, "until its record is minutes long");
    slot->verdict.of = 4;
    ok(none(), "a verdict on the connection that was there before");
}

static void of_class(void)
{
    pst_shared_child_t *child;
    pst_shared_class_t *class;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    child->connections_open = 10;
    lives(child, 30);
    class = add_class(child, 3, "leaky");
    grow(&class->verdict, 300000, 25);
    finding = found("growing-class");
    ok(finding && finding->pid == 100 && !strcmp(finding->tag, "leaky") && figure(finding, "pools") == 50, "growing-class");
    class->class_reserved_bytes = 300000 * 25 / 60 - 1;
    ok(none(), "if less is there than grew, it was given back");
    class->class_reserved_bytes = 50 * 8192;
    grow(&class->verdict, 300000, 19);
    ok(none(), "not before 20 seconds");
    grow(&class->verdict, 300000, 25);
    grow(&child->verdict, 300000, 45);
    child->verdict.site = PST_FRAME(1, 0x1234);
    ok(found("growing-process") != NULL, "the process scope grows: that says it");
    grow(&child->verdict, 300000, 25);
    ok(none() && snapshot.findings->begun, "or will");
    child->verdict.state = PST_TREND_STEADY;
    child->connections_open = 11;
    pst_history_beat(&board, child, NOW + SECOND);
    ok(found("growing-class") != NULL, "a tenth more connections do not explain it");
    child->connections_open = 12;
    pst_history_beat(&board, child, NOW + 2 * SECOND);
    ok(none(), "a fifth more do");
    child->connections_open = 1;
    pst_history_beat(&board, child, NOW + 3 * SECOND);
    ok(none(), "if they were there a moment ago, too");

    wipe();
    child = healthy(100);
    lives(child, 30);
    for (apr_uint32_t i = 1; i <= 7; i++) {
        grow(&add_class(child, i, "leaky")->verdict, 300000.0 + i, 25);
    }
    ok(examine()->count == PST_DOCTOR_LISTED && snapshot.findings->findings[PST_DOCTOR_LISTED - 1].more == 2,
       "of seven classes five are listed");
    child = healthy(101);
    child->connections_open = 10;
    lives(child, 30);
    child->connections_open = 12;
    pst_history_beat(&board, child, NOW + SECOND);
    for (apr_uint32_t i = 1; i <= 6; i++) {
        grow(&add_class(child, i, "served")->verdict, 900000, 25);
    }
    ok(examine()->count == PST_DOCTOR_LISTED && snapshot.findings->findings[0].pid == 100
       && snapshot.findings->findings[PST_DOCTOR_LISTED - 1].more == 2, "faster ones that connections explain do not take their places");
}

/* All findings in one line, as far as programs go. */
static const char *all_findings(void)
{
    const pst_findings_t *findings = examine();
    const char *text = "";

    for (unsigned i = 0; findings && i < findings->count; i++) {
        const pst_finding_t *finding = &findings->findings[i];

        text = apr_psprintf(pool, "%s%s %u %" APR_UINT64_T_FMT " +%" APR_UINT64_T_FMT " %d;", text, finding->id, (unsigned)finding->pid,
                            finding->connection, finding->more, (int)finding->severity);
    }
    return findings ? apr_psprintf(pool, "%sof %u", text, (unsigned)findings->children) : "none taken";
}

/* What a view leaves out is still examined: findings are about the server. */
static void filters(void)
{
    static const char *const expected = "children-exceed-memory 0 0 +0 2;growing-process 103 0 +0 1;growing-connection 102 1 +0 1;"
                                        "growing-connection 101 3 +0 1;retained-dominates 0 0 +0 1;of 5";
    pst_shared_slot_t *slot;

    wipe();
    for (apr_uint32_t i = 0; i < 5; i++) {
        healthy(100 + i)->books.pss_bytes = (i < 2 ? 2 : 40) * MIB;
        pst_board_child(&board, i)->held_bytes = 60 * MIB;
        lives(pst_board_child(&board, i), 30);
    }
    pst_board_header(&board)->memory_limit_bytes = 2000 * MIB;
    pst_board_header(&board)->children_limit = 100;
    grow(&pst_board_child(&board, 3)->verdict, 140000, 50);
    pst_board_child(&board, 3)->verdict.site = PST_FRAME(1, 0x1234);
    slot = add_connection(&board, pst_board_child(&board, 1), 2, 400000, PST_KIND_CLIENT, "www.example.org");
    grow(&slot->verdict, 3.0 * MIB, 30);
    slot->verdict.of = 3;
    slot = add_connection(&board, pst_board_child(&board, 2), 0, 900000, PST_KIND_BACKEND, "");
    grow(&slot->verdict, 4.0 * MIB, 30);
    slot->verdict.of = 1;
    grow(&add_class(pst_board_child(&board, 1), 1, "behind the connection")->verdict, 3.0 * MIB, 30);
    add_connection(&board, pst_board_child(&board, 0), 1, 500000, PST_KIND_SECONDARY, "other.example.org");

    is_text(all_findings(), expected, "findings of five children");
    filter.vhost = "nope";
    is_text(all_findings(), expected, "the same where no vhost is asked for that exists");
    is_number(snapshot.row_count, 0, "of which nothing is shown");
    filter.vhost = "other.example.org";
    is_text(all_findings(), expected, "and of a vhost where nothing grows");
    filter.vhost = NULL;
    for (filter.kind = 0; filter.kind < PST_KIND_COUNT; filter.kind++) {
        is_text(all_findings(), expected, apr_psprintf(pool, "of connections that are %s", pst_kind_word((unsigned)filter.kind)));
    }
    filter.kind = -1;
    filter.no_rows = 1;
    is_text(all_findings(), expected, "without rows");
    filter.no_rows = 0;
    filter.sort = PST_SORT_PID;
    is_text(all_findings(), expected, "in another order");
    filter.sort = PST_SORT_RESERVED;
    for (filter.pid = 100; filter.pid < 106; filter.pid++) {
        is_text(all_findings(), expected, apr_psprintf(pool, "of child %u", (unsigned)filter.pid));
    }
    is_number(snapshot.child_count, 0, "which need not be there");
    filter.pid = 0;
}

static void heap_grows(void)
{
    pst_shared_child_t *child;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    grow(&child->heap_verdict, 262143 * 1.5, 40);
    ok(none(), "the heap grew by less than 256 KiB");
    grow(&child->heap_verdict, 262146 * 1.5, 40);
    finding = found("heap-in-use-grows");
    ok(finding && finding->pid == 100 && figure(finding, "heap_in_use_bytes") == 500000, "by so much: heap-in-use-grows");
    pst_board_header(&board)->threads_per_child = 25;
    ok(none(), "with 25 threads they keep that in their caches");
    grow(&child->heap_verdict, (262146 + 25 * 102401) * 1.5, 40);
    ok(found("heap-in-use-grows") != NULL, "more than these may");
    child->books.heap_tells = PST_HEAP_TELLS_SUM;
    child->books.heap_kind = PST_HEAP_MIMALLOC;
    ok(none() && !snapshot.findings->begun, "not where the allocator does not tell in use from free");
    child->books.heap_tells = PST_HEAP_TELLS_BOTH;
    grow(&child->heap_verdict, 26214400 * 3, 39);
    ok(none(), "not before 40 seconds");
}

/* Once it is certain whose it is, what threads may need does not count. */
static void certain(void)
{
    apr_uint32_t leaky, httpd;
    const pst_finding_t *finding;
    pst_shared_child_t *child, *other;

    wipe();
    leaky = (apr_uint32_t)pst_board_module_add(&board, 77, "mod_leaky.so", PST_CODE_MODULE);
    httpd = (apr_uint32_t)pst_board_module_add(&board, 79, "httpd", PST_CODE_HTTPD);
    pst_board_header(&board)->threads_per_child = 25;
    child = healthy(100);
    child->connections_open = 10;
    lives(child, 60);
    grow(&child->verdict, 65537 * 1.5, 40);
    child->verdict.site = PST_FRAME(leaky, 0x1234);
    child->verdict.per_request = 56;
    child->verdict.share = 1000;
    child->verdict.samples = 8;
    ok(found("growing-process") != NULL, "eight nodes that one module keeps, as much of each request");
    child->verdict.share = 749;
    ok(none(), "three quarters of them, not less");
    child->verdict.share = 750;
    ok(none(), "by eight samples three quarters are not certain");
    child->verdict.samples = 40;
    ok(found("growing-process") != NULL, "by forty they are");
    child->verdict.per_request = 0;
    ok(none(), "not by requests: threads may have taken it");
    child->verdict.per_request = 56;
    child->verdict.site = PST_FRAME(httpd, 0x1234);
    ok(none(), "nor httpd itself");
    child->verdict.site = PST_FRAME(leaky, 0x1234);
    grow(&child->verdict, 65535 * 1.5, 40);
    ok(none(), "less than eight nodes");
    grow(&child->verdict, 65537 * 2, 39);
    ok(none(), "nor before 40 seconds");
    grow(&child->verdict, 65537 * 1.5, 40);
    child->connections_open = 12;
    pst_history_beat(&board, child, NOW + SECOND);
    ok(none(), "a fifth more connections may be what it is for");

    child->verdict.state = PST_TREND_STEADY;
    grow(&child->heap_verdict, 262146 * 1.5, 40);
    child->heap_verdict.site = PST_FRAME(leaky, 0x1234);
    child->heap_profile_rate = 524288;
    child->heap_verdict.per_request = 256;
    child->heap_verdict.share = 1000;
    child->heap_verdict.samples = 8;
    ok(none(), "so for the heap");
    child->connections_open = 10;
    for (apr_uint64_t s = 2; s < 70; s++) {
        pst_history_beat(&board, child, NOW + s * SECOND);
    }
    child->heap_verdict.since = NOW + 20 * SECOND;
    finding = found("heap-in-use-grows");
    ok(finding && finding->blamed && !strcmp(finding->blamed, "mod_leaky.so"), "without them 256 KiB are enough");
    ok(finding && !strstr(finding->advice, "as well"), "of pools there is nothing to say");
    child->blame[PST_SCOPE_PROCESS] = (pst_shared_blame_t){ .since = 1, .known = 1, .samples = 14, .bytes = 50000,
        .who = { { .site = PST_FRAME(leaky, 0x1111), .share = 900, .samples = 12 } } };
    finding = found("heap-in-use-grows");
    ok(finding && figure(finding, "kept_in_pools_bytes") == 45000
       && strstr(finding->advice, "In child 100 the same module keeps 43.9 KiB in pools of the process scope as well, at mod_leaky.so+0x1111."),
       "what the same module keeps in pools is told with it");
    child->blame[PST_SCOPE_PROCESS].who[0].site = PST_FRAME(httpd, 0x1111);
    finding = found("heap-in-use-grows");
    ok(finding && !strstr(finding->advice, "as well"), "not what another keeps");
    child->blame[PST_SCOPE_PROCESS].known = 0;
    child->blame[PST_SCOPE_PROCESS].who[0].site = PST_FRAME(leaky, 0x1111);
    finding = found("heap-in-use-grows");
    ok(finding && !strstr(finding->advice, "as well"), "nor what is not known for certain");

    other = healthy(101);
    other->heap_profile_rate = 524288;
    grow(&other->heap_verdict, 12 * MIB, 40);
    finding = found("heap-in-use-grows");
    ok(finding && finding->pid == 101 && finding->blamed && !strcmp(finding->blamed, "mod_leaky.so"),
       "the child that gained most does not know yet: another that is alike does");
}

/* That many requests with a peak in this bucket. */
static void requests(pst_shared_child_t *child, unsigned bucket, apr_uint64_t count)
{
    pst_shared_sizes_t *sizes = pst_board_sizes(&board, child, PST_SIZES_ALL);

    sizes->named = 1;
    sizes->requests[bucket] = count;
}

static void retained(void)
{
    pst_shared_child_t *child;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    child->held_bytes = 80000 + 16 * MIB - 4096;        /* 80,000 are reserved; points count pages */
    lives(child, 30);
    ok(none(), "less than 16 MiB retained");
    wipe();
    child = healthy(100);
    child->held_bytes = 80000 + 16 * MIB + 8192;
    lives(child, 18);
    ok(none(), "so much, for 18 seconds");
    wipe();
    child = healthy(100);
    child->held_bytes = 80000 + 16 * MIB + 8192;
    lives(child, 19);
    finding = found("retained-dominates");
    ok(finding && finding->pid == 100 && finding->severity == PST_SEVERITY_INFO, "for 19, and 20 points: retained-dominates");
    ok(finding && strstr(finding->evidence, "MaxMemFree is unlimited") && strstr(finding->advice, "too few requests"),
       "it does not say what it cannot know");
    ok(figure(finding, "retained_bytes") >= 16.0 * MIB && figure(finding, "lasted_seconds") == 19, "its figures");

    wipe();
    child = healthy(100);
    child->process.reserved_bytes = child->child_reserved_bytes = 40 * MIB;
    child->held_bytes = 79 * MIB;
    lives(child, 30);
    ok(none(), "39 of 79 MiB are less than half");
    child->held_bytes = 81 * MIB;
    ok(found("retained-dominates") != NULL, "41 of 81 are more");

    wipe();
    child = healthy(100);
    child->held_bytes = 60 * MIB;
    child->max_free_bytes = 2 * MIB;
    child->allocators = 40;
    child->limits.samples = 3600;
    child->limits.real_sum = 3600 * 60 * MIB;
    for (unsigned i = 0; i < PST_LIMIT_COUNT; i++) {
        child->limits.sum[i] = 3600 * (2 * MIB << i);
    }
    requests(child, 1, 94);
    requests(child, 4, 5);
    requests(child, 12, 1);
    lives(child, 30);
    finding = found("retained-dominates");
    ok(finding && strstr(finding->advice, "MaxMemFree 128 (in KiB) would have kept 4.0 MiB instead of 60.0 MiB (means over the live children, each since "
                                                 "it started, at most 1 h 00 min ago), and still holds what 95.0 %"),
       "what MaxMemFree should be, and what it would have kept");
    ok(figure(finding, "suggested_max_free_bytes") == 131072 && figure(finding, "would_have_kept_bytes") == 4.0 * MIB, "for programs");
    ok(finding && strstr(finding->evidence, "80.0 MiB in all"), "and what it allows");
    child->limits.sum[1] = 3600 * 31 * MIB;
    finding = found("retained-dominates");
    ok(finding && !strstr(finding->advice, "would have kept") && strstr(finding->advice, "MaxMemFree 128"), "no promise where it would not have helped");
    child->max_free_bytes = 131072;
    finding = found("retained-dominates");
    ok(finding && strstr(finding->advice, "no higher than"), "no value where it is as low as that");
    child->held_bytes = 256 * MIB + 90112;
    ok(none(), "what was far less a moment ago is not judged yet");
    wipe();
    child = healthy(100);
    child->held_bytes = 256 * MIB + 90112;
    lives(child, 30);
    finding = found("retained-dominates");
    ok(finding && finding->severity == PST_SEVERITY_WARNING, "256 MiB are a warning");
}

/* As in prefork by default: one allocator per child, MaxMemFree 2 MiB each. */
static void retained_by_all(void)
{
    const pst_finding_t *finding;
    apr_uint32_t i;

    wipe();
    for (i = 0; i < 16; i++) {
        pst_shared_child_t *child = healthy(100 + i);

        child->held_bytes = 80000 + (i < 8 ? 3 : 5) * MIB - 8192;
        child->max_free_bytes = 5 * MIB;
        child->allocators = 1;
        lives(child, 30);
    }
    ok(none(), "16 children that keep less than 64 MiB together");
    pst_board_child(&board, 0)->held_bytes += MIB;
    finding = found("retained-dominates");
    ok(finding && !finding->pid && strstr(finding->what, "16 of 16 children keep 64."), "and so much: retained-dominates");
    ok(figure(finding, "pss_bytes") == 80.0 * MIB && finding && strstr(finding->evidence, "(PSS) of all children are 80.0 MiB"), "of which PSS");
    ok(finding && strstr(finding->advice, "too few requests to say how low"), "without a record of limits nothing is promised");
    for (i = 0; i < 16; i++) {
        pst_shared_limits_t *limits = &pst_board_child(&board, i)->limits;

        limits->samples = 600 + i;
        limits->real_sum = limits->samples * 4 * MIB;
        for (unsigned at = 0; at < PST_LIMIT_COUNT; at++) {
            apr_uint64_t limit = (apr_uint64_t)PST_LIMIT_LEAST << at;

            limits->sum[at] = limits->samples * (limit < 4 * MIB ? limit : 4 * MIB);
        }
    }
    finding = found("retained-dominates");
    ok(finding && strstr(finding->advice, "MaxMemFree 2048 (in KiB) would have kept 32.0 MiB instead of 64.0 MiB (means over the live "
                         "children, each since it started, at most 10 min 15 s ago); there were too few requests"),
       "few requests, but a record of what limits would have kept");
    ok(figure(finding, "suggested_max_free_bytes") == 2097152, "for programs");
    for (i = 0; i < 16; i++) {
        pst_board_child(&board, i)->process.reserved_bytes += 5 * MIB;
        pst_board_child(&board, i)->held_bytes += 5 * MIB;
    }
    ok(none(), "not where pools hold more");
}

static void covers(void)
{
    pst_sizes_row_t sizes = { .requests = 99 };

    sizes.row.requests[3] = 99;
    is_number(pst_doctor_covers(&sizes, 950), 0, "99 requests say nothing");
    sizes.requests = sizes.row.requests[3] = 100;
    is_number(pst_doctor_covers(&sizes, 950), 65536, "100 of up to 64K need 64K");
    sizes.row.requests[3] = 95;
    sizes.row.requests[6] = 5;
    is_number(pst_doctor_covers(&sizes, 950), 65536, "95 of 100");
    sizes.row.requests[3] = 94;
    sizes.row.requests[6] = 6;
    is_number(pst_doctor_covers(&sizes, 950), 524288, "94 of 100 are too few");
    memset(&sizes.row, 0, sizeof(sizes.row));
    sizes.row.requests[0] = 100;
    is_number(pst_doctor_covers(&sizes, 950), 65536, "64K at least");
    sizes.row.requests[0] = 0;
    sizes.row.requests[PST_SIZES_BUCKETS - 1] = 100;
    is_number(pst_doctor_covers(&sizes, 950), 0, "no limit holds the largest");
}

static void heap_free(void)
{
    pst_shared_child_t *child;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    child->books.heap_free_bytes = 16 * MIB - 4096;
    lives(child, 30);
    ok(none(), "less than 16 MiB free in the heap");
    wipe();
    child = healthy(100);
    child->books.heap_free_bytes = 16 * MIB;
    child->books.heap_arenas = 8;
    lives(child, 30);
    finding = found("heap-free-dominates");
    ok(finding && finding->pid == 100 && !strstr(finding->advice, "MALLOC_ARENA_MAX"), "so much: heap-free-dominates");
    child->books.heap_arenas = 9;
    finding = found("heap-free-dominates");
    ok(finding && strstr(finding->advice, "MALLOC_ARENA_MAX=2") && figure(finding, "heap_arenas") == 9, "with many arenas");
    child->books.heap_kind = PST_HEAP_JEMALLOC;
    finding = found("heap-free-dominates");
    ok(finding && !strstr(finding->advice, "MALLOC_ARENA_MAX"), "of glibc's alone");
    ok(finding && strstr(finding->what, "kept by jemalloc.") && !strstr(finding->what, "C library"), "whose heap it is, is named");
    child->books.heap_tells = PST_HEAP_TELLS_SUM;
    ok(none(), "not where the heap does not tell");
    child->books.heap_tells = PST_HEAP_TELLS_BOTH;
    child->books.heap_in_use_bytes = 17 * MIB;
    ok(none(), "nor where more is in use");
}

static void slack(void)
{
    pst_shared_child_t *child;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    child->process.reserved_bytes = child->child_reserved_bytes = child->held_bytes = 32 * MIB;
    child->process.slack_bytes = 16 * MIB - 1;
    child->process.pools = 4096;
    lives(child, 30);
    ok(none(), "less than 16 MiB of slack");
    child->process.slack_bytes = 16 * MIB;
    ok(none(), "so much, for a moment: as much was reserved all the time, but was used");
    wipe();
    child = healthy(100);
    child->process.reserved_bytes = child->child_reserved_bytes = child->held_bytes = 32 * MIB;
    child->process.slack_bytes = 16 * MIB;
    child->process.pools = 4096;
    lives(child, 30);
    finding = found("fragmentation");
    ok(finding && strstr(finding->evidence, "In child 100 it was never less than 16.0 MiB for the last 30 s."), "it was slack all the time");
    finding = found("fragmentation");
    ok(finding && finding->pid == 100 && !finding->tag, "so much: fragmentation");
    add_class(child, 2, "tiny")->class_pools_created = 4000;
    finding = found("fragmentation");
    ok(finding && finding->tag && !strcmp(finding->tag, "tiny") && strstr(finding->advice, "4000, are of the class tiny"), "and of which class");
    child->process.reserved_bytes = 33 * MIB;
    ok(none(), "less than half of what is reserved");
}

static void generations(void)
{
    static const struct { const char *what; apr_uint64_t config, pools, own; const char *found; } cases[] = {
        { "nothing grows", 0, 0, 0, NULL },
        { "pools by a page", 0, 4096, 4096, "in pools" },
        { "by less", 0, 4095, 0, NULL },
        { "the configuration too", 4096, 8191, 8192, NULL },
        { "less than that", 4096, 8193, 8192, "in pools" },
        { "memory outside of pools", 0, 0, 32768, "outside of pools" },
        { "by less than that", 0, 0, 32767, NULL },
        { "both", 0, 65536, 262144, "in pools and outside of them" }
    };

    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const pst_finding_t *finding = NULL;
        unsigned first = 99;

        wipe();
        for (apr_uint32_t n = 0; n < 6; n++) {
            pst_generation_begin_t begin = { 200000 + n * cases[c].config, 400000 + n * cases[c].pools, 9000000 + n * cases[c].own,
                                             1300000 + n * cases[c].own, 70000, 0 };

            pst_generation_begin(&board, n, &begin, NOW - (10 - n) * SECOND);
            finding = found("grows-by-generation");
            first = finding && first == 99 ? n : first;
        }
        ok(cases[c].found ? finding && strstr(finding->what, cases[c].found) && first <= 4 && first >= 3 : none(), cases[c].what);
    }
}

/* What outlives the configuration, by bytes used; and who took it. */
static void slowly_by_generation(void)
{
    const apr_uint64_t least = 1024;
    const pst_finding_t *finding = NULL;

    for (apr_uint64_t each = least - 1; each <= least; each++) {
        wipe();
        for (apr_uint32_t n = 0; n < 5; n++) {
            const pst_shared_maker_t makers[PST_MAKER_COUNT] = { { "mod_a.so", each * 3 / 4 }, { "mod_b.so", each / 4 } };
            pst_generation_begin_t begin = { 200000, 400000, 9000000, 1300000, 70000, 50000 + n * each };

            pst_generation_begin(&board, n, &begin, NOW - (10 - n) * SECOND);
            pst_generation_made(&board, n, NULL, n == 3 ? NULL : makers, NULL);
            finding = found("grows-by-generation");
        }
        ok(!finding == (each < least), "used of what outlives the configuration: from 1 KiB on");
    }
    ok(finding && !finding->blamed, "who did not take it each time is not named");
    for (apr_uint32_t n = 0; n < 5; n++) {
        const pst_shared_maker_t makers[PST_MAKER_COUNT] = { { "mod_a.so", least * 3 / 4 }, { "mod_b.so", least / 4 } };

        pst_generation_made(&board, n, NULL, makers, NULL);
    }
    finding = found("grows-by-generation");
    ok(finding && finding->blamed && !strcmp(finding->blamed, "mod_a.so"), "who took most of it each time is");
}

/* Lives that children judged as they ended. */
static void within_lives(void)
{
    static const struct { const char *what; unsigned judged, rising; int found; } cases[] = {
        { "seven lives: too few", 7, 7, 0 },
        { "eight, all rising", 8, 8, 1 },
        { "four of five", 50, 40, 1 },
        { "less than that", 50, 39, 0 },
        { "none", 1000, 0, 0 }
    };
    const pst_generation_begin_t begin = { 1, 2, 4, 3, 0, 0 };
    pst_shared_generation_t *row = pst_board_generation(&board, 1);
    const pst_finding_t *finding;

    wipe();
    pst_generation_begin(&board, 1, &begin, NOW - SECOND);
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        row->generation_lives_judged = cases[c].judged;
        row->generation_lives_rising = cases[c].rising;
        row->generation_lives_gained_bytes = cases[c].rising * (UINT64_C(6) << 20);
        row->generation_lives_requests = cases[c].rising * 1536;
        finding = found("grows-within-lives");
        ok(cases[c].found ? finding && strstr(finding->what, "by 6.0 MiB of") && strstr(finding->evidence, "by 4.0 KiB a request") : none(),
           cases[c].what);
    }
    row->generation_lives_rising = 1000;
    pst_generation_begin(&board, 2, &begin, NOW);
    ok(none(), "of a generation that ended: nothing");
}

static void shared_by_generation(void)
{
    const apr_uint64_t least = 262144;
    const pst_finding_t *finding = NULL;

    for (apr_uint64_t each = least - 1; each <= least; each++) {
        wipe();
        for (apr_uint32_t n = 0; n < 5; n++) {
            pst_generation_begin_t begin = { 1000, 2000, 4000 + n * each, 3000, 1000 + n * each, 0 };

            pst_generation_begin(&board, n, &begin, NOW - (10 - n) * SECOND);
        }
        finding = found("shared-by-generation");
        ok(!finding == (each < least), "shared memory that each reload leaves behind: from 256 KiB on");
    }
    ok(finding && strstr(finding->what, "leaves 256 KiB of shared memory") && figure(finding, "shared_bytes_per_reload") == (double)least,
       "by so much each");
    for (int seen = 0; seen < 2; seen++) {
        wipe();
        for (apr_uint32_t n = 0; n < 4; n++) {
            const pst_shared_maker_t makers[PST_MAKER_COUNT] = { { "mod_a.so", least } };
            pst_generation_begin_t begin = { 1000, 2000, 4000 + n * least, 3000, 1000 + n * least, 0 };

            pst_generation_begin(&board, n, &begin, NOW - (10 - n) * SECOND);
            pst_generation_made(&board, n, seen || n < 3 ? makers : NULL, NULL, NULL);
            finding = found("shared-by-generation");
            ok(!finding == (n < 3 || !seen), seen ? "after three if a module was seen to take it each time" : "else after four");
        }
    }
    ok(finding && finding->blamed && !strcmp(finding->blamed, "mod_a.so"), "which is named");
}

static void limits(void)
{
    pst_shared_header_t *header = pst_board_header(&board);
    pst_shared_child_t *child;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    healthy(101)->books.pss_bytes = 20 * MIB;
    healthy(102)->books.pss_bytes = 40 * MIB;
    header->memory_limit_bytes = 2000 * MIB;
    header->memory_kind = PST_MEMORY_CGROUP;
    header->children_limit = 100;
    header->threads_per_child = 25;
    ok(none(), "100 children of 20 MiB fit into 2000");
    header->children_limit = 101;
    finding = found("children-exceed-memory");
    ok(finding && finding->severity == PST_SEVERITY_CRITICAL && !finding->pid, "101 do not: children-exceed-memory");
    ok(finding && strstr(finding->evidence, "the cgroup has ") && strstr(finding->advice, "MaxRequestWorkers 2000 (80 children of 25 threads)"),
       "what would fit");
    header->memory_limit_bytes = 0;
    ok(none(), "not where the memory is not known");
    header->memory_limit_bytes = 1000 * MIB;
    for (apr_uint32_t i = 0; i < 3; i++) {
        pst_board_child(&board, i)->started = NOW - 19 * SECOND;
    }
    ok(none(), "nor by children that have just begun");

    wipe();
    child = healthy(100);
    ok(none(), "all connections have slots");
    child->unslotted_opened = 3;
    finding = found("slots-exceeded");
    ok(finding && figure(finding, "connections") == 3 && figure(finding, "suggested_connections") == 16
       && strstr(finding->advice, "PoolStatConnections 16."), "three had none: slots-exceeded");
    child->unslotted_connections = 100;
    finding = found("slots-exceeded");
    ok(figure(finding, "suggested_connections") == 108, "as many as there are");

    wipe();
    header->homeless = 2;
    ok(found("homeless-children") != NULL, "homeless-children");

    wipe();
    for (apr_uint32_t i = 0; i < 17; i++) {
        healthy(100 + i);
    }
    ok(none(), "17 of 20 blocks are taken");
    healthy(200);
    ok(found("board-nearly-full") != NULL, "18 of 20: board-nearly-full");

    wipe();
    healthy(100)->level = PST_LEVEL_HOOKS;
    apr_cpystrn(pst_board_child(&board, 0)->reason, "PoolStatInstrument is Off", PST_REASON_LEN);
    finding = found("not-instrumented");
    ok(finding && strstr(finding->evidence, "PoolStatInstrument is Off"), "not-instrumented");

    wipe();
    child = healthy(100);
    healthy(101);
    child->unbalanced_bytes = 8192;
    ok(none(), "what was never compared is not said to be out of balance");
    child->balance_time = NOW;
    finding = found("books-do-not-balance");
    ok(finding && finding->pid == 100 && figure(finding, "unbalanced_bytes") == 8192 && strstr(finding->evidence, "8.0 KiB are held"),
       "books-do-not-balance");
    child->unbalanced_bytes = 0;
    ok(none(), "not where they do");
    child->overbooked_bytes = 8192;
    finding = found("books-do-not-balance");
    ok(finding && figure(finding, "overbooked_bytes") == 8192 && strstr(finding->evidence, "no longer held"), "nor the other way");
}

static void lingering(void)
{
    pst_generation_begin_t begin = { 1, 2, 4, 3, 0, 0 };
    const pst_finding_t *finding;

    wipe();
    healthy(100);                           /* of generation 1 */
    pst_generation_begin(&board, 1, &begin, NOW - 5000 * SECOND);
    pst_generation_begin(&board, 2, &begin, NOW - 1799 * SECOND);
    ok(none(), "an old child, half an hour after the reload");
    pst_board_generation(&board, 1)->generation_ended -= SECOND;
    finding = found("lingering-generation");
    ok(finding && figure(finding, "children") == 1, "longer: lingering-generation");
}

static void faces(void)
{
    static pst_emit_t emit;

    wipe();
    grow(&healthy(100)->verdict, 200000, 50);
    examine();
    out_len = 0;
    pst_emit_init(&emit, PST_EMIT_TEXT, sink, NULL);
    is_number(pst_view_doctor_text(&emit, &snapshot), 0, "nothing yet");
    pst_emit_flush(&emit);
    ok(strstr(out, "No findings yet: it is too early to tell. 1 children examined, on a record of 1 min 00 s.\n") != NULL
       && strstr(out, "The process scope of child 100 grew by 163 KiB in 50 s; which code it comes from is not known yet") != NULL, "says what grows, and what it waits for");
    pst_board_child(&board, 0)->verdict.site = PST_FRAME(1, 0x1234);
    pst_board_header(&board)->homeless = 2;
    examine();
    out_len = 0;
    pst_emit_init(&emit, PST_EMIT_TEXT, sink, NULL);
    is_number(pst_view_doctor_text(&emit, &snapshot), 2, "as sentences");
    pst_emit_flush(&emit);
    ok(strstr(out, "warning: growing-process\nThe process scope of child 100 grows by 195 KiB a minute") != NULL, "in plain words");
    wipe();
    lives(healthy(100), 30);
    examine();
    out_len = 0;
    pst_emit_init(&emit, PST_EMIT_TEXT, sink, NULL);
    is_number(pst_view_doctor_text(&emit, &snapshot), 0, "none");
    pst_emit_flush(&emit);
    is_text(out, "No findings. 1 children examined, on a record of 1 min 00 s.\n", "is said calmly");
}

/* The board is random; so are parts of it that are valid in form. */
static int noise(void *unused)
{
    static pst_emit_t emit;

    (void)unused;
    srand(11);
    for (int round = 0; round < 40; round++) {
        char *begin = (char *)pst_board_generation(&board, 0), *end = (char *)board.base + board.size;

        for (char *c = begin; c < end; c++) {
            *c = (char)(rand() % 3 ? rand() : 0);
        }
        for (apr_uint32_t i = 0; i < board.child_count; i++) {
            pst_shared_child_t *child = pst_board_child(&board, i);

            child->ready = 1;
            grow(&child->verdict, (double)rand() * rand(), (apr_uint64_t)rand());
            child->verdict.of = 0;
            child->verdict.scope = 0;
            child->level = (apr_uint32_t)rand() % 4;
            child->books.heap_kind = PST_HEAP_GLIBC;
            child->books.heap_tells = PST_HEAP_TELLS_BOTH;
            child->books.heap_free_bytes = (apr_uint64_t)rand() << 33 >> rand() % 20;
            child->held_bytes = (apr_uint64_t)rand() << 33 >> rand() % 20;
            for (apr_uint32_t c = 0; c < PST_CLASS_COUNT; c++) {
                pst_shared_class_t *class = pst_board_class(&board, child, c);

                class->in_use = 1;
                class->seq = 0;
                class->class_pools_created = (apr_uint64_t)rand();
                grow(&class->verdict, rand(), 100);
                class->verdict.of = 0;
                class->verdict.scope = 0;
            }
        }
        for (apr_uint32_t n = 0; n < PST_GENERATION_COUNT; n++) {
            pst_board_generation(&board, n)->in_use = 1;
            pst_board_generation(&board, n)->number = n;
        }
        apr_pool_clear(pool);
        if (!examine() || snapshot.findings->count > PST_FINDINGS_MOST) {
            return 1;
        }
        out_len = 0;
        pst_emit_init(&emit, PST_EMIT_JSON, sink, NULL);
        pst_emit_object(&emit, NULL);
        pst_view_doctor_tree(&emit, &snapshot);
        pst_emit_end(&emit);
        pst_emit_flush(&emit);
        if (out[0] != '{') {
            return 2;
        }
    }
    return 0;
}

/* Similar connections: reported as a sum, unless one of them is most of it. */
static void in_sum(void)
{
    pst_shared_child_t *child;
    pst_shared_slot_t *slot = NULL;
    pst_shared_verdict_t *sum;
    const pst_finding_t *finding;

    wipe();
    child = healthy(100);
    pst_board_module_add(&board, 77, "mod_leaky.so", PST_CODE_MODULE);
    for (apr_uint32_t i = 0; i < 7; i++) {
        slot = add_connection(&board, child, i, 30000, PST_KIND_CLIENT, "www.example.org");
    }
    sum = &child->sum_verdicts[PST_SCOPE_CONNECTION];
    sum->scope = PST_SCOPE_CONNECTION;
    grow(sum, 500000, 60);
    ok(none(), "seven connections are told one by one");
    slot = add_connection(&board, child, 7, 30000, PST_KIND_CLIENT, "www.example.org");
    finding = found("growing-connections");
    ok(finding && finding->pid == 100 && strstr(finding->what, "The connections of child 100 grow by 488 KiB a minute together"), "eight in sum");
    ok(finding && figure(finding, "connections") == 8 && strstr(finding->advice, "not known yet"), "how many they are; not yet by whom");
    slot->has_request = PST_REQUEST_OWN;
    ok(none(), "who looks is none of them");
    slot->has_request = PST_REQUEST_NONE;
    sum->site = PST_FRAME(1, 0x1234);
    sum->share = 960;
    finding = found("growing-connections");
    ok(finding && strstr(finding->advice, "Of what stayed, 96 % is held by mod_leaky.so+0x1234: write to the author of mod_leaky.so."), "by whom");
    ok(finding && strstr(finding->advice, "no directive bounds that"), "by the clock: they may be in their first request for ever");
    sum->per_request = 300;
    finding = found("growing-connections");
    ok(finding && strstr(finding->advice, "MaxKeepAliveRequests bounds how long") && strstr(finding->evidence, "keep 300 B of each request"),
       "by requests: that has a bound");
    sum->per_request = 0;
    grow(sum, 65535, 60);
    ok(none(), "by less than eight nodes, none");
    grow(sum, 500000, 19);
    ok(none(), "nor in 19 seconds");
    grow(sum, 500000, 60);
    slot->verdict.of = 8;
    slot->verdict.scope = PST_SCOPE_CONNECTION;
    grow(&slot->verdict, 250000, 60);
    finding = found("growing-connections");
    ok(finding && snapshot.findings->count == 1, "one that makes up half of it is told with the others");
    grow(&slot->verdict, 250001, 60);
    finding = found("growing-connection");
    ok(finding && finding->connection == 8 && snapshot.findings->count == 1, "one that makes up more is told instead");
    slot->verdict.state = PST_TREND_STEADY;
    child = healthy(101);
    for (apr_uint32_t i = 0; i < 8; i++) {
        add_connection(&board, child, i, 30000, PST_KIND_CLIENT, "www.example.org");
    }
    child->sum_verdicts[PST_SCOPE_CONNECTION].scope = PST_SCOPE_CONNECTION;
    child->sum_verdicts[PST_SCOPE_CONNECTION].site = PST_FRAME(1, 0x4321);
    grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 600000, 60);
    finding = found("growing-connections");
    ok(finding && snapshot.findings->count == 1 && figure(finding, "children") == 2 && figure(finding, "connections") == 16 && finding->pid == 101,
       "children that are alike are one finding");
}

/* Children of prefork have one connection each: their sum, and who it is attributed to. */
static void in_sum_of_children(void)
{
    const pst_finding_t *finding;
    pst_shared_child_t *child = NULL;
    pst_shared_slot_t *slot;

    wipe();
    pst_board_module_add(&board, 77, "mod_leaky.so", PST_CODE_MODULE);
    pst_board_module_add(&board, 78, "mod_other.so", PST_CODE_MODULE);
    for (apr_uint32_t i = 0; i < 8; i++) {
        child = healthy(100 + i);
        slot = add_connection(&board, child, 0, 30000, PST_KIND_CLIENT, "www.example.org");
        child->sum_verdicts[PST_SCOPE_CONNECTION].scope = PST_SCOPE_CONNECTION;
        grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 8192, 60);
        child->blame[PST_SCOPE_CONNECTION] = (pst_shared_blame_t){ .since = 1, .samples = 2, .bytes = 1000,
            .who = { { .site = PST_FRAME(1, 0x10), .share = 900, .samples = 2 }, { .site = PST_FRAME(2, 0x20), .share = 100 } } };
        if (i == 6) {
            ok(none(), "seven children with a connection each");
        }
    }
    finding = found("growing-connections");
    ok(finding && snapshot.findings->count == 1 && figure(finding, "children") == 8 && figure(finding, "connections") == 8
       && strstr(finding->what, "The connections of 8 children grow by 64.0 KiB a minute together"), "eight in sum");
    ok(finding && finding->blamed && !strcmp(finding->blamed, "mod_leaky.so") && figure(finding, "share_percent") == 90
       && figure(finding, "samples") == 16, "by what stayed in all of them together");
    for (apr_uint32_t i = 0; i < 8; i++) {
        pst_board_child(&board, i)->blame[PST_SCOPE_CONNECTION].who[i % 2].share = 550;
        pst_board_child(&board, i)->blame[PST_SCOPE_CONNECTION].who[1 - i % 2].share = 450;
    }
    finding = found("growing-connections");
    ok(finding && !finding->blamed && strstr(finding->advice, "not known yet: of 16 samples"), "as much of both: nobody is named");
    grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 8191, 60);
    ok(none(), "less than eight nodes in all");
    grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 80000, 60);
    slot->verdict.of = (uint32_t)slot->id;
    slot->verdict.scope = PST_SCOPE_CONNECTION;
    grow(&slot->verdict, 80000, 60);
    finding = found("growing-connection");
    ok(finding && snapshot.findings->count == 1, "one that makes up more than half of it is told instead");
}

static pst_shared_site_t *add_site(pst_shared_child_t *child, apr_uint32_t row, pst_shared_frame_t frame, apr_uint64_t live)
{
    pst_shared_site_t *site = pst_board_site(&board, child, row);

    site->in_use = 1;
    site->depth = 1;
    site->frames[0] = frame;
    site->site_ever_samples = site->site_live_samples = 20;
    site->site_ever_bytes = site->site_live_bytes = live;
    site->verdict.site = frame;
    site->verdict.samples = 12;
    return site;
}

/* A call site itself: over all scopes and children, if nothing larger is reported. */
static void of_site(void)
{
    const pst_finding_t *finding;
    pst_shared_child_t *child;
    pst_shared_class_t *class;
    pst_shared_site_t *site;
    apr_uint32_t mpm, httpd;

    wipe();
    pst_board_module_add(&board, 77, "mod_leaky.so", PST_CODE_MODULE);
    mpm = (apr_uint32_t)pst_board_module_add(&board, 80, "mod_mpm_event.so", PST_CODE_MPM);
    httpd = (apr_uint32_t)pst_board_module_add(&board, 81, "apache2", PST_CODE_HTTPD);
    child = healthy(100);
    child->profile_rate = 524288;
    child->connections_open = 10;
    lives(child, 60);
    site = add_site(child, 5, PST_FRAME(1, 0x1234), 8 * MIB);
    grow(&site->verdict, 2.0 * MIB, 40);
    finding = found("growing-site");
    ok(finding && finding->pid == 100 && finding->blamed && !strcmp(finding->blamed, "mod_leaky.so")
       && strstr(finding->what, "at mod_leaky.so+0x1234 and is still there grows by 2.0 MiB a minute, in 1 of 1 children"), "a call site grows");
    ok(strstr(finding->advice, "Write to the author of mod_leaky.so.") && figure(finding, "samples") == 12
       && figure(finding, "live_bytes") == 8.0 * MIB, "whose it is, by how many samples, what it holds");
    grow(&site->verdict, 2.0 * MIB, 39);
    ok(none(), "not before 40 seconds");
    grow(&site->verdict, 1.49 * MIB, 40);
    ok(none(), "nor by less than a megabyte");
    grow(&site->verdict, 2.0 * MIB, 40);
    site->verdict.site = 0;
    ok(none(), "nor by too few samples to say whose it is");
    site->verdict.site = PST_FRAME(1, 0x1235);
    ok(none(), "a verdict on the place that had the row before");
    site->verdict.site = site->frames[0] = PST_FRAME(mpm, 0x10);
    ok(none(), "what the MPM makes others fill");
    site->verdict.site = site->frames[0] = PST_FRAME(httpd, 0x10);
    ok(none(), "so with httpd");
    site->verdict.site = site->frames[0] = PST_FRAME(1, 0x1234);
    ok(found("growing-site") != NULL, "as it was");
    child->connections_open = 12;
    pst_history_beat(&board, child, NOW + SECOND);
    ok(found("growing-site") == NULL, "as many more connections as it grew by explain it");
    site->site_live_bytes = 2 * MIB;
    ok(found("growing-site") != NULL, "a fifth more do not explain three times as much");
    grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 32767 * 1.5, 40);
    ok(found("growing-site") != NULL, "a sum that grows by next to nothing says nothing");
    grow(&child->sum_verdicts[PST_SCOPE_CONNECTION], 40000 * 1.5, 40);
    ok(found("growing-site") != NULL, "nor one of too few connections");
    for (apr_uint32_t i = 0; i < 8; i++) {
        add_connection(&board, child, i, 30000, PST_KIND_CLIENT, "www.example.org");
    }
    ok(found("growing-site") == NULL, "one that grows does");
    child->sum_verdicts[PST_SCOPE_CONNECTION].state = PST_TREND_STEADY;
    class = add_class(child, 3, "leaky");
    child->connections_open = 10;
    grow(&class->verdict, 300000, 25);
    ok(found("growing-class") != NULL || examine()->count == 1, "a class that grows is the same memory");
    class->verdict.state = PST_TREND_STEADY;

    child = healthy(101);
    child->profile_rate = 524288;
    child->connections_open = 10;
    lives(child, 60);
    site = add_site(child, 9, PST_FRAME(1, 0x1234), 4 * MIB);
    grow(&site->verdict, 3.0 * MIB, 40);
    finding = found("growing-site");
    ok(finding && finding->pid == 101 && figure(finding, "children") == 2 && strstr(finding->what, "grows by 5.0 MiB a minute, in 2 of 2 children"),
       "the same place in two children is one finding");
}

int main(void)
{
    apr_pool_t *top;

    apr_initialize();
    apr_pool_create(&top, NULL);
    apr_pool_create(&pool, top);
    make_board(&board, 20, 8, top);
    health();
    process();
    new_or_again();
    connection();
    in_sum();
    in_sum_of_children();
    of_site();
    of_class();
    filters();
    heap_grows();
    certain();
    retained();
    retained_by_all();
    covers();
    heap_free();
    slack();
    generations();
    slowly_by_generation();
    within_lives();
    shared_by_generation();
    limits();
    lingering();
    faces();
    is_number((unsigned)apart(noise, NULL), 0, "random boards: findings, and nothing else");
    pst_board_close(&board);
    apr_terminate();
    return done();
}
