/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the face for Prometheus.  Both formats keep their form whatever is on the board: families
 * once and whole, no sample twice; sums over scopes are the child's.
 */
#include <ctype.h>
#include "tap.h"
#include "board_double.h"
#include "sink.h"
#include "pst_view_metrics.h"
#include "pst_trend.h"

static apr_pool_t *pool;
static pst_board_t board;
static apr_uint32_t rows_seen, growing_seen;

static const char *face(pst_emit_e to, pst_classes_e classes)
{
    static pst_emit_t emit;
    const pst_filter_t filter = { .kind = -1, .no_rows = 1 };
    pst_snapshot_t snapshot;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    out_len = 0;
    pst_snapshot_take(&snapshot, &board, &filter, NOW, p);
    rows_seen = snapshot.row_count;
    growing_seen = 0;
    for (const pst_row_t *row = snapshot.growing; row; row = row->next_growing) {
        growing_seen++;
    }
    pst_emit_init(&emit, to, sink, NULL);
    pst_view_metrics(&emit, &snapshot, classes, p);
    pst_emit_flush(&emit);
    apr_pool_destroy(p);
    return out;
}

/* ---- a checker: what both formats require ---- */

#define FAMILIES_MAX 400
#define SAMPLES_MAX  60000

static const char *wrong;               /* what the last text violates */

static int is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!(isalpha((unsigned char)s[i]) || s[i] == '_' || s[i] == ':' || (i && isdigit((unsigned char)s[i])))) {
            return 0;
        }
    }
    return len > 0;
}

/* {name="text",...}: @return the position after it, or NULL */
static const char *labels(const char *s)
{
    if (*s != '{') {
        return s;
    }
    do {
        size_t len = strcspn(++s, "=");

        if (!is_name(s, len) || s[len + 1] != '"') {
            return NULL;
        }
        for (s += len + 2; *s != '"'; s++) {
            if ((unsigned char)*s < 0x20 || *s == 0x7f) {
                return NULL;
            }
            if (*s == '\\' && *++s != '\\' && *s != '"' && *s != 'n') {
                return NULL;
            }
        }
    } while (*++s == ',');
    return *s == '}' ? s + 1 : NULL;
}

static int is_value(const char *s, const char *end)
{
    size_t whole = strspn(s, "0123456789");

    return whole && (s + whole == end || (s[whole] == '.' && s + whole + 1 + strspn(s + whole + 1, "0123456789") == end));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int any_twice(char **list, unsigned count)
{
    qsort(list, count, sizeof(*list), compare);
    for (unsigned i = 1; i < count; i++) {
        if (!strcmp(list[i - 1], list[i])) {
            printf("# twice: %s\n", list[i]);
            return 1;
        }
    }
    return 0;
}

/* Does the sample belong to the family that began last? */
static int belongs(const char *sample, size_t len, const char *family, const char *type)
{
    static const char *const histogram[] = { "_bucket", "_sum", "_count", NULL }, *const counter[] = { "_total", "", NULL },
                            *const info[] = { "_info", NULL }, *const other[] = { "", NULL };
    const char *const *suffix = !strcmp(type, "histogram") ? histogram : !strcmp(type, "counter") ? counter
                              : !strcmp(type, "info") ? info : other;
    size_t family_len = strlen(family);

    for (; *suffix; suffix++) {
        if (len == family_len + strlen(*suffix) && !memcmp(sample, family, family_len)
            && !memcmp(sample + family_len, *suffix, strlen(*suffix))) {
            return 1;
        }
    }
    return 0;
}

static unsigned families, samples;

static int is_exposition(const char *text, int open)
{
    static char *family[FAMILIES_MAX], *sample[SAMPLES_MAX];
    char type[16] = "", name[200] = "", *copy = strdup(text), *save = NULL;

    wrong = NULL;
    families = samples = 0;
    if (open && (strlen(text) < 6 || strcmp(text + strlen(text) - 6, "# EOF\n"))) {
        wrong = "no # EOF at the end";
    }
    for (char *line = strtok_r(copy, "\n", &save); line && !wrong; line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "# HELP ", 7)) {
            size_t len = strcspn(line + 7, " ");

            line[7 + len] = '\0';
            family[families++] = line + 7;
            apr_cpystrn(name, line + 7, sizeof(name));
            type[0] = '\0';
            wrong = is_name(name, len) ? NULL : "a family's name";
        }
        else if (!strncmp(line, "# TYPE ", 7)) {
            wrong = !strncmp(line + 7, name, strlen(name)) && line[7 + strlen(name)] == ' ' ? NULL : "a type of none";
            apr_cpystrn(type, line + 8 + strlen(name), sizeof(type));
        }
        else if (!strncmp(line, "# UNIT ", 7) && open) {
            const char *unit = strrchr(line, ' ') + 1, *end = name + strlen(name) - strlen(unit);

            wrong = end > name && end[-1] == '_' && !strcmp(end, unit) ? NULL : "a unit that the name does not end in";
        }
        else if (!strcmp(line, "# EOF")) {
            wrong = open && !strtok_r(NULL, "\n", &save) ? NULL : "an EOF that is none";
        }
        else {
            size_t len = strcspn(line, "{ ");
            const char *s = labels(line + len);

            wrong = !is_name(line, len) ? "a sample's name" : !belongs(line, len, name, type) ? "a sample of none"
                  : !s || *s != ' ' ? "labels" : !is_value(s + 1, s + strlen(s)) ? "a value" : NULL;
            if (wrong) {
                printf("# %s\n", line);
                break;
            }
            line[s - line] = '\0';
            sample[samples++] = line;
        }
        if (families == FAMILIES_MAX || samples == SAMPLES_MAX) {
            wrong = "too many";
        }
    }
    wrong = wrong ? wrong : any_twice(family, families) ? "a family twice" : any_twice(sample, samples) ? "a sample twice" : NULL;
    if (wrong) {
        printf("# not well-formed: %s\n", wrong);
    }
    free(copy);
    return !wrong;
}

/* The sum of all samples whose line begins with a and contains b. */
static apr_uint64_t sum_of(const char *a, const char *b)
{
    apr_uint64_t sum = 0;

    for (const char *s = out; s && *s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL) {
        const char *end = strchr(s, '\n'), *found = strstr(s, b);

        if (!strncmp(s, a, strlen(a)) && found && found < end) {
            while (end[-1] != ' ') {
                end--;
            }
            sum += strtoull(end, NULL, 10);
        }
    }
    return sum;
}

static unsigned times(const char *what)
{
    unsigned n = 0;

    for (const char *s = out; (s = strstr(s, what)); s += strlen(what)) {
        n++;
    }
    return n;
}

/* ---- the table itself ---- */

static int ends_with(const char *text, const char *end)
{
    return strlen(text) > strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

static void table(void)
{
    static char *family[PST_METRIC_COUNT];
    unsigned bad = 0, count = 0;

    for (unsigned i = 0; i < PST_METRIC_COUNT; i++) {
        const pst_metric_t *m = &pst_metrics[i];
        int seconds = m->kind == PST_TIME || m->unit == PST_USEC || m->unit == PST_SPAN, sum = i == PST_M_requests_peak_bytes, good;
        char *name;

        if (!strncmp(m->key, "generation_", 11)) {      /* for the page and JSON only: not a series */
            continue;
        }
        name = strdup(m->prom);
        good = !strncmp(name, "poolstat_", 9) && is_name(name, strlen(name)) && !strpbrk(m->help, "\"\\\n");

        if (m->kind == PST_COUNTER && !sum) {
            good = good && ends_with(name, "_total");
            name[strlen(name) - 6] = '\0';
        }
        else {
            good = good && !ends_with(name, "_total") && !ends_with(name, "_count") && !ends_with(name, "_bucket")
                   && (sum || !ends_with(name, "_sum"));
        }
        good = good && (!seconds || ends_with(name, "_seconds")) && (m->unit != PST_BYTES || sum || ends_with(name, "_bytes"));
        if (!good) {
            printf("# %s: %s\n", m->key, m->prom);
            bad++;
        }
        family[count++] = name;
    }
    is_number(bad, 0, "the table's names keep Prometheus' rules, and helps need no escape");
    ok(!any_twice(family, count), "no two families bear the same name");
}

static void agree(void)
{
    pst_shared_child_t *child = add_child(&board, 4711);
    pst_shared_slot_t *slot = add_connection(&board, child, 3, 1234567, PST_KIND_CLIENT, "www.example.org");

    add_connection(&board, child, 4, 22222, PST_KIND_BACKEND, "")->has_request = 0;
    add_connection(&board, child, 5, 40000, PST_KIND_SECONDARY, "");
    slot->bucket_bytes = 4096;
    slot->verdict = (pst_shared_verdict_t){ .of = 4, .state = PST_TREND_GROWING, .scope = PST_SCOPE_REQUEST };
    child->unslotted.reserved_bytes = 7000;
    child->held_bytes = 99999999;
    child->requests_peak_bytes = 50000;
    pst_board_sizes(&board, child, PST_SIZES_ALL)->requests[0] = 3;
    pst_board_sizes(&board, child, PST_SIZES_ALL)->requests[2] = 2;
    pst_board_sizes(&board, child, PST_SIZES_ALL)->requests[PST_SIZES_BUCKETS - 1] = 1;

    ok(is_exposition(face(PST_EMIT_METRICS, PST_CLASSES_SUM), 0), "text 0.0.4 is well-formed");
    ok(is_exposition(face(PST_EMIT_METRICS, PST_CLASSES_BLOCK), 0), "with classes by block too");
    ok(is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_BLOCK), 1), "OpenMetrics with classes by block");
    ok(is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_SUM), 1), "OpenMetrics is well-formed");
    ok(families > 40, "there are families");
    ok(!rows_seen && growing_seen == 1, "no connection was kept for it but the one that grows");
    is_number(sum_of("poolstat_reserved_bytes{", "block=\"0\""), 80000 + 1234567 + 22222 + 40000 + 7000,
              "reserved over all scopes is the whole child");
    is_number(sum_of("poolstat_reserved_bytes{", "scope=\"request\",kind=\"client\""), 1234567 / 4, "a request's is its own");
    is_number(sum_of("poolstat_reserved_bytes{", "scope=\"connection\",kind=\"backend\""), 22222, "a backend's without request");
    is_number(sum_of("poolstat_reserved_bytes{", "kind=\"unslotted\""), 7000, "those without a slot");
    is_number(sum_of("poolstat_held_bytes{", "block=\"0\""), 99999999, "held");
    is_number(sum_of("poolstat_connection_bucket_bytes{", "kind=\"client\""), 4096, "buckets by kind");
    is_number(sum_of("poolstat_growing{", "scope=\"request\",kind=\"client\""), 1, "a growing request");
    is_number(sum_of("poolstat_growing{", ""), 1, "nothing else grows");
    ok(!times("poolstat_connection_requests") && !times("poolstat_growths_total{block=\"0\",scope=\"connection\""),
       "no counter of what ends");
    ok(times("poolstat_child_start_time_seconds{block=\"0\"} 1738367887.000000\n") == 1, "times in seconds");
    is_number(sum_of("poolstat_request_peak_bytes_bucket{", "le=\"8192.0\""), 3, "the least bucket");
    is_number(sum_of("poolstat_request_peak_bytes_bucket{", "le=\"16384.0\""), 3, "buckets are cumulative");
    is_number(sum_of("poolstat_request_peak_bytes_bucket{", "le=\"536870912.0\""), 5, "the last but one");
    is_number(sum_of("poolstat_request_peak_bytes_bucket{", "le=\"+Inf\""), 6, "all of them");
    is_number(sum_of("poolstat_request_peak_bytes_count{", ""), 6, "their count");
    is_number(sum_of("poolstat_request_peak_bytes_sum{", ""), 50000, "their sum");
    is_number(times("# TYPE poolstat_requests counter\n"), 1, "OpenMetrics: a counter's family has no _total");
    is_number(times("\npoolstat_requests_total{block=\"0\"}"), 1, "its sample has");
    is_number(times("# TYPE poolstat_server info\n"), 1, "info");
    is_number(times("# UNIT poolstat_held_bytes bytes\n"), 1, "units");
    face(PST_EMIT_METRICS, PST_CLASSES_OFF);
    is_number(times("# TYPE poolstat_requests_total counter\n") + times("# EOF") + times("# UNIT"), 1, "text 0.0.4: nothing of these");
    is_number(times("poolstat_class_"), 0, "no classes if not wanted");
}

static void add_class(pst_shared_child_t *child, apr_uint32_t i, pst_shared_frame_t creator, const char *tag,
                      const char *function, apr_uint64_t reserved)
{
    pst_shared_class_t *class = pst_board_class(&board, child, i);

    class->in_use = 1;
    class->creator = creator;
    apr_cpystrn(class->tag, tag, sizeof(class->tag));
    apr_cpystrn(class->function, function, sizeof(class->function));
    class->class_reserved_bytes = reserved;
    class->class_pools_created = 5;
    class->class_pools_destroyed = 2;
}

static void classes(void)
{
    pst_shared_child_t *a = add_child(&board, 5001), *b = add_child(&board, 5002);
    pst_shared_module_t *module = pst_board_module(&board, 1);

    apr_cpystrn(module->name, "mod_x.so", sizeof(module->name));
    module->state = 2;
    add_class(a, 0, 0, "lost", "", 1);
    add_class(a, 1, PST_FRAME(1, 0x1f2a), "tag", "", 10);
    add_class(b, 1, PST_FRAME(1, 0x1f2a), "tag", "", 20);
    add_class(a, 2, PST_FRAME(1, 0x2000), "made", "x_make", 100);
    add_class(a, 3, PST_FRAME(1, 0x2010), "made", "x_make", 200);
    add_class(a, 4, 0, "pchild", "", 1000);
    add_class(a, 5, PST_FRAME(0, 5), "q\"\\\n{}\xff", "evil\"} 1\nf", 7);
    pst_board_class(&board, a, 1)->verdict.state = PST_TREND_GROWING;

    ok(is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_SUM), 1), "well-formed with classes");
#define RESERVED(class, tag) sum_of("poolstat_class_reserved_bytes{", "class=\"" class "\",tag=\"" tag "\"}")
    is_number(RESERVED("mod_x.so+0x1f2a", "tag"), 30, "a class of two children, by place");
    is_number(RESERVED("mod_x.so x_make", "made"), 300, "two places in one function are one");
    is_number(RESERVED("unknown", "pchild"), 1000, "without creator");
    is_number(RESERVED("other", ""), 1, "those that found no row");
    is_number(RESERVED("? evil\\\"} 1?f", "q\\\"\\\\?{}?"), 7, "hostile bytes stay in their label");
    is_number(times("poolstat_class_growing{class=\"mod_x.so+0x1f2a\",tag=\"tag\"} 1\n"), 1, "one that grows");
    is_number(times("poolstat_class_pools_created"), 0, "no sums of counters: they would fall when a child ends");
    ok(is_exposition(face(PST_EMIT_METRICS, PST_CLASSES_BLOCK), 0), "well-formed by block");
    is_number(times("poolstat_class_reserved_bytes{block=\"1\",class=\"mod_x.so+0x1f2a\",tag=\"tag\"} 10\n"), 1, "by block: each child's");
    is_number(times("poolstat_class_pools_created_total{block=\"1\",class=\"mod_x.so x_make\",tag=\"made\"} 10\n"), 1, "counters too");
}

/* More classes than there may be series. */
static void many(void)
{
    for (apr_uint32_t c = 0; c < board.child_count; c++) {
        pst_shared_child_t *child = pst_board_child(&board, c);

        for (apr_uint32_t i = 1; i < PST_CLASS_COUNT; i++) {
            add_class(child, i, PST_FRAME(1, 0x10000 * (c + 1) + i), "many", "", 10);
        }
    }
    ok(is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_SUM), 1), "well-formed with too many classes");
    ok(times("poolstat_class_reserved_bytes{") <= PST_METRICS_CLASSES, "they are bounded");
    is_number(sum_of("poolstat_class_reserved_bytes{", ""), 10 * 64 * (board.child_count - 0) + 1, "and none is lost");
}

static void noise(void)
{
    int good = 0;

    srand(3);
    pst_board_header(&board)->claimed = board.child_count;
    for (int round = 0; round < 60; round++) {
        for (char *c = (char *)pst_board_child(&board, 0); c < (char *)board.base + board.size; c++) {
            *c = (char)rand();
        }
        for (apr_uint32_t i = 0; i < board.child_count; i++) {
            pst_board_child(&board, i)->ready = 1;
            for (apr_uint32_t s = 0; s < board.slot_count; s++) {
                pst_board_slot(&board, pst_board_child(&board, i), s)->seq &= ~1u;
            }
        }
        good += is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_SUM), 1)
                && is_exposition(face(PST_EMIT_METRICS, PST_CLASSES_BLOCK), 0);
    }
    is_number((unsigned)good, 60, "random bytes on the board: both keep their form");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 6, 8, pool);
    table();
    ok(is_exposition(face(PST_EMIT_OPENMETRICS, PST_CLASSES_SUM), 1), "well-formed without children");
    agree();
    classes();
    for (apr_uint32_t pid = 6000; pst_board_child(&board, board.child_count - 1)->owner == 0; pid++) {
        add_child(&board, pid);
    }
    many();
    noise();
    pst_board_close(&board);
    free(out);
    apr_terminate();
    return done();
}
