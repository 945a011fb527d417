/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings: see the header.
 *
 * Place in the flow: accounts -> READINGS, beside the board: only for the account at hand, so there is no search and
 * no wait.
 */
#include "pst_reading.h"
#include "pst_figure.h"
#include "pst_root.h"

#include <apr_cstr.h>
#include <string.h>

const pst_metric_list_t *pst_reading_figures(pst_scope_e scope)
{
    return scope == PST_SCOPE_REQUEST ? &pst_usage_metrics : &pst_row_metrics;
}

int pst_reading_word(pst_metric_e *metric, pst_scope_e scope, const char *word)
{
    const pst_metric_list_t *list = pst_reading_figures(scope);

    for (unsigned i = 0; i < list->count; i++) {
        const pst_metric_t *each = &pst_metrics[list->metrics[i]];

        if (*word ? !apr_cstr_casecmp(word, each->label) || !strcmp(word, each->key)
                  : list->metrics[i] == PST_M_reserved_bytes) {
            *metric = list->metrics[i];
            return 1;
        }
    }
    return 0;
}

void pst_reading_take(pst_reading_t *reading, pst_account_t *account, int fresh)
{
    const pst_shared_usage_t *from = account->usage;
    pst_shared_usage_t *to = &reading->usage;

    if (fresh) {
        pst_root_read(account);
    }
    reading->scope = account->scope;
    reading->level = pst_root_level(account);
    reading->own = account->scope == PST_SCOPE_REQUEST || account->slot;
    if (!from) {
        reading->own = 0;
        return;
    }
#define PST_METRIC_USAGE(...) to->PST_FIELD(__VA_ARGS__) = pst_load_sane(&from->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    if (account->scope == PST_SCOPE_CONNECTION && account->slot) {
#define PST_METRIC_CONNECTION(...) \
        reading->PST_FIELD(__VA_ARGS__) = pst_load_sane(&account->slot->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    }
    reading->used_bytes = pst_minus(to->reserved_bytes, to->slack_bytes);
}

/* Can this be known at a level below full: counted or walked at hooks? */
static int known_at(pst_level_e level, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_requests:
        return 1;
    case PST_M_pools:
    case PST_M_reserved_bytes:
    case PST_M_slack_bytes:
    case PST_M_used_bytes:
    case PST_M_peak_bytes:
    case PST_M_retained_bytes:
        return level >= PST_LEVEL_HOOKS;
    default:
        return level == PST_LEVEL_FULL;
    }
}

int pst_reading_figure(const pst_reading_t *reading, pst_metric_e metric, apr_uint64_t *value)
{
    if (!reading->own || !known_at(reading->level, metric)) {
        return 0;
    }
    switch (metric) {
#define PST_METRIC_USAGE(...) case PST_M(__VA_ARGS__): *value = reading->usage.PST_FIELD(__VA_ARGS__); return 1;
#define PST_METRIC_CONNECTION(...) case PST_M(__VA_ARGS__): *value = reading->PST_FIELD(__VA_ARGS__); return 1;
#include "poolstat_metrics.def"
    case PST_M_used_bytes: *value = reading->used_bytes; return 1;
    default: return 0;
    }
}
