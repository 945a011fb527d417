/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: query strings, well-meant and hostile.
 */
#include <stdlib.h>
#include <apr_general.h>
#include <apr_strings.h>
#include "tap.h"
#include "pst_args.h"

static apr_pool_t *pool;
static pst_args_t args;

static void good(const char *query)
{
    is_text(pst_args_parse(&args, query, PST_FACE_PAGE, pool), NULL, query ? query : "no query");
}

/* The sentence must name the argument in quotes. */
static void bad(const char *query, const char *name)
{
    const char *error = pst_args_parse(&args, query, PST_FACE_PAGE, pool);
    const char *quoted = apr_pstrcat(pool, "\"", name, "\"", NULL);

    ok(error && strstr(error, quoted), apr_pstrcat(pool, "refused: ", query, NULL));
    if (error && !strstr(error, quoted)) {
        printf("# said: %s\n", error);
    }
}

static void accepted(void)
{
    good(NULL);
    is_number(args.rows, PST_ARGS_ROWS, "rows by default");
    ok(args.filter.kind == -1 && !args.filter.pid && !args.filter.vhost, "no filter by default");
    is_number(args.filter.sort, PST_SORT_RESERVED, "reserved is the order by default");
    good("");
    good("&&");
    good("auto");
    ok(args.as_text, "auto asks for text");
    good("auto=&refresh=5");
    is_number(args.refresh, 5, "refresh");
    good("refresh=1");
    good("refresh=3600");
    good("level=debug&sort=age&pid=2147483647&kind=backend&vhost=www.example.org&from=7&children_from=3&rows=1000");
    is_number(args.level, PST_SHOW_DEBUG, "level");
    is_number(args.filter.sort, PST_SORT_AGE, "sort");
    is_number(args.filter.pid, 2147483647, "pid");
    is_number((unsigned)args.filter.kind, PST_KIND_BACKEND, "kind");
    is_text(args.filter.vhost, "www.example.org", "vhost");
    is_number(args.from, 7, "from");
    is_number(args.children_from, 3, "children_from");
    is_number(args.rows, 1000, "rows");
    good("pid=&kind=&vhost=&sort=");
    ok(args.filter.kind == -1 && !args.filter.pid && !args.filter.vhost, "empty fields of a form filter nothing");
    good("vhost=a%20b+c%26%3C%ff");
    is_text(args.filter.vhost, "a b c&<\xff", "a value is decoded");
}

static void refused(void)
{
    static const char *const words[] = { "refresh", "pid", "from", "rows", "children_from", "kind", "sort", "level" };
    char *longest = malloc(70000);

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        bad(apr_pstrcat(pool, words[i], "=x", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=-1", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=4294967297", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=1%00", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=1%2", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=1%zz", NULL), words[i]);
        bad(apr_pstrcat(pool, words[i], "=1=1", NULL), words[i]);
    }
    bad("refresh=0", "refresh");
    bad("refresh=3601", "refresh");
    bad("refresh=1.5", "refresh");
    bad("refresh= 1", "refresh");
    bad("rows=0", "rows");
    bad("rows=1001", "rows");
    bad("pid=18446744073709551617", "pid");
    bad("pid=0", "pid");
    bad("pid=2147483648", "pid");
    bad("sort=Reserved", "sort");
    bad("kind=clien", "kind");
    bad("auto=1", "auto");
    bad("auto&auto", "auto");
    bad("pid=&pid=", "pid");
    bad("sort=used&pid=1&sort=used", "sort");
    bad("nonsense", "nonsense");
    bad("nonsense=1", "nonsense");
    bad("pi%64=1", "pi%64");
    bad("PID=1", "PID");
    bad("=1", "");
    memset(longest, 'a', 69999);
    longest[69999] = '\0';
    ok(strlen(pst_args_parse(&args, longest, PST_FACE_PAGE, pool)) < 120, "a long name is not repeated whole");
    memcpy(longest, "vhost=", 6);
    bad(longest, "vhost");
    longest[6 + 255] = '\0';
    good(longest);
    longest[6 + 255] = 'a';
    longest[6 + 256] = '\0';
    bad(longest, "vhost");
    free(longest);
}

static void links(void)
{
    const char *query;

    good("");
    is_text(pst_args_query(&args, pool), "?", "nothing asked for, nothing in the link");
    good("auto&sort=peak&pid=12&kind=client&vhost=a%26b%3d%22&rows=7&from=8&children_from=9&refresh=10");
    query = pst_args_query(&args, pool);
    is_text(query, "?sort=peak&pid=12&kind=client&vhost=a%26b%3D%22&rows=7&from=8&children_from=9&refresh=10",
            "a link asks for the same");
    good(apr_pstrdup(pool, query + 1));
    is_text(pst_args_query(&args, pool), query, "and is understood again");
}

static void faces(void)
{
    ok(!pst_args_parse(&args, "sort=used&pid=1&kind=client&vhost=x", PST_FACE_JSON, pool), "JSON takes filters");
    ok(pst_args_parse(&args, "auto", PST_FACE_JSON, pool) != NULL, "JSON has no auto");
    ok(pst_args_parse(&args, "rows=5", PST_FACE_JSON, pool) != NULL, "JSON has no pages");
}

static void of_a_history(void)
{
    static const char *const no[] = { "since=now", "since=-1", "since=.5", "since=1.1234567", "since=99999999999999", "since=1&since=2" };

    is_text(pst_args_parse(&args, "pid=7&since=1795337835.265", PST_FACE_HISTORY, pool), NULL, "since=");
    ok(args.since == APR_UINT64_C(1795337835265000), "in microseconds");
    is_text(pst_args_parse(&args, "since=5.", PST_FACE_HISTORY, pool), NULL, "since=5.");
    ok(args.since == 5000000, "is five seconds");
    for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        ok(pst_args_parse(&args, no[i], PST_FACE_HISTORY, pool) != NULL, apr_pstrcat(pool, "refused: ", no[i], NULL));
    }
    bad("since=5", "since");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    accepted();
    refused();
    links();
    faces();
    of_a_history();
    apr_terminate();
    return done();
}
