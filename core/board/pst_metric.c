/* SPDX-License-Identifier: Apache-2.0
 *
 * The metric table as data.  See pst_metric.h.  Everything here is constant.
 */
#include <string.h>
#include "pst_metric.h"

const pst_metric_t pst_metrics[PST_METRIC_COUNT] = {
#define PST_METRIC_ANY(...) \
    [PST_M(__VA_ARGS__)] = { PST_FIELD_WORD(__VA_ARGS__), PST_PROM(__VA_ARGS__), PST_LABEL(__VA_ARGS__), \
                             PST_HELP(__VA_ARGS__), PST_KIND(__VA_ARGS__), PST_UNIT(__VA_ARGS__), \
                             PST_SHOW(__VA_ARGS__) },
#include "poolstat_metrics.def"
};

#define LIST(name) \
    const pst_metric_list_t pst_##name##_metrics = { name##_list, sizeof(name##_list) / sizeof(name##_list[0]) }

static const pst_metric_e usage_list[] = {
#define PST_METRIC_USAGE(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_M_used_bytes
};
LIST(usage);

static const pst_metric_e row_list[] = {
#define PST_METRIC_USAGE(...) PST_M(__VA_ARGS__),
#define PST_METRIC_CONNECTION(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_M_used_bytes
};
LIST(row);

/* Without process_reserved_bytes: a child's process scope is shown as a whole, next to these. */
static const pst_metric_e child_list[] = {
    PST_M_pools, PST_M_reserved_bytes, PST_M_used_bytes, PST_M_slack_bytes, PST_M_growths,
    PST_M_connections_reserved_bytes, PST_M_requests_reserved_bytes, PST_M_child_retained_bytes,
#define PST_METRIC_CHILD(...) PST_M(__VA_ARGS__),
#define PST_METRIC_BOOKS(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_M_unexplained_bytes, PST_M_not_resident_bytes
};
LIST(child);

static const pst_metric_e class_list[] = {
    PST_M_class_pools,
#define PST_METRIC_CLASS(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_M_class_lifetime_mean_seconds
};
LIST(class);

static const pst_metric_e site_list[] = {
#define PST_METRIC_SITE(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
};
LIST(site);

static const pst_metric_e generation_list[] = {
#define PST_METRIC_GENERATION(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_M_generation_process_start_mean_bytes, PST_M_generation_process_end_mean_bytes,
    PST_M_generation_private_start_mean_bytes, PST_M_generation_private_end_mean_bytes,
    PST_M_generation_rss_start_mean_bytes, PST_M_generation_rss_end_mean_bytes
};
LIST(generation);

static const pst_metric_e kind_list[] = {
#define PST_METRIC_CONNECTION(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
};
LIST(kind);

static const pst_metric_e fact_list[] = {
    PST_M_child_start_time, PST_M_child_generation, PST_M_child_instrumented
};
LIST(fact);

static const pst_metric_e server_list[] = {
    PST_M_server_start_time, PST_M_blocks, PST_M_children, PST_M_homeless_children,
#define PST_METRIC_SERVER(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
};
LIST(server);

const char *pst_metric_short_key(pst_metric_e metric)
{
    const char *key = pst_metrics[metric].key;

    if (metric != PST_M_child_reserved_bytes && !strncmp(key, "child_", 6)) {
        return key + 6;
    }
    if (!strncmp(key, "class_", 6)) {
        return key + 6;
    }
    if (!strncmp(key, "generation_", 11)) {
        return key + 11;
    }
    if (!strncmp(key, "relative_", 9)) {
        return key + 9;
    }
    if (!strncmp(key, "url_", 4)) {
        return key + 4;
    }
    return strncmp(key, "site_", 5) ? key : key + 5;
}

static const char *const kinds[PST_KIND_COUNT] = {
    [PST_KIND_CLIENT] = "client", [PST_KIND_SECONDARY] = "secondary", [PST_KIND_BACKEND] = "backend"
};

static const char *const states[PST_STATE_COUNT] = {
    [PST_STATE_READING] = "reading", [PST_STATE_HANDLER] = "handler", [PST_STATE_WRITING] = "writing",
    [PST_STATE_KEEPALIVE] = "keep-alive", [PST_STATE_PARKED] = "parked", [PST_STATE_CLOSING] = "closing"
};

static const char *const levels[] = {
    [PST_LEVEL_PUBLIC] = "public", [PST_LEVEL_HOOKS] = "hooks", [PST_LEVEL_FULL] = "full"
};

static const char *const scopes[PST_SCOPE_OF_SITES] = {
    [PST_SCOPE_PROCESS] = "process", [PST_SCOPE_CONNECTION] = "connection", [PST_SCOPE_REQUEST] = "request",
    [PST_SCOPE_HEAP] = "heap", [PST_SCOPE_MAPPED] = "mapped", [PST_SCOPE_STACK] = "stack"
};

static const char *const heaps[PST_HEAP_COUNT] = {
    [PST_HEAP_UNKNOWN] = "unknown", [PST_HEAP_GLIBC] = "glibc", [PST_HEAP_JEMALLOC] = "jemalloc",
    [PST_HEAP_TCMALLOC] = "tcmalloc", [PST_HEAP_MIMALLOC] = "mimalloc"
};

static const char *const shows[PST_SHOW_COUNT] = {
    [PST_SHOW_INFO] = "info", [PST_SHOW_DETAIL] = "detail", [PST_SHOW_DEBUG] = "debug"
};

static const char *const heap_tells[PST_HEAP_TELLS_COUNT] = {
    [PST_HEAP_TELLS_NOTHING] = "nothing", [PST_HEAP_TELLS_SUM] = "sum", [PST_HEAP_TELLS_BOTH] = "both"
};

const char *pst_heap_word(unsigned kind)
{
    return kind < PST_HEAP_COUNT ? heaps[kind] : "?";
}

const char *pst_heap_tells_word(unsigned tells)
{
    return tells < PST_HEAP_TELLS_COUNT ? heap_tells[tells] : "?";
}

const char *pst_scope_word(unsigned scope)
{
    return scope < PST_SCOPE_OF_SITES ? scopes[scope] : "?";
}

const char *pst_kind_word(unsigned kind)
{
    return kind < PST_KIND_COUNT ? kinds[kind] : "?";
}

const char *pst_state_word(unsigned state)
{
    return state < PST_STATE_COUNT ? states[state] : "?";
}

const char *pst_level_word(unsigned level)
{
    return level <= PST_LEVEL_FULL ? levels[level] : "?";
}

const char *pst_show_word(unsigned level)
{
    return level < PST_SHOW_COUNT ? shows[level] : "?";
}

static const char *const roles[PST_ROLE_COUNT] = {
    [PST_ROLE_OTHER] = "other", [PST_ROLE_WSGI] = "wsgi", [PST_ROLE_CGID] = "cgid", [PST_ROLE_FCGID] = "fcgid",
    [PST_ROLE_PASSENGER] = "passenger", [PST_ROLE_LOGGER] = "logger", [PST_ROLE_CGI] = "cgi"
};

const char *pst_role_word(unsigned role)
{
    return role < PST_ROLE_COUNT ? roles[role] : "?";
}

int pst_show_of(const char *word)
{
    for (int i = 0; i < PST_SHOW_COUNT; i++) {
        if (!strcmp(word, shows[i])) {
            return i;
        }
    }
    return -1;
}

int pst_kind_of(const char *word)
{
    for (int i = 0; i < PST_KIND_COUNT; i++) {
        if (!strcmp(word, kinds[i])) {
            return i;
        }
    }
    return -1;
}
