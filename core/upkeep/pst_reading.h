/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings: figures for the owner of a connection or request, by name: for log tags, environment variables and other
 * modules. The same figures as on the page, updated first.
 *
 * Called by: worker
 */
#ifndef PST_READING_H
#define PST_READING_H

#include "pst_account.h"
#include "pst_metric.h"

/** The figures of one account at one moment. */
typedef struct pst_reading_t {
    pst_scope_e scope;             /**< PST_SCOPE_REQUEST or PST_SCOPE_CONNECTION */
    pst_level_e level;
    int         own;                /**< the figures are this account's own, not a sum that includes it */
    pst_shared_usage_t usage;
    apr_uint64_t used_bytes;
#define PST_METRIC_CONNECTION(...) apr_uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
} pst_reading_t;

/** The figures of a request or a connection. */
const pst_metric_list_t *pst_reading_figures(pst_scope_e scope);

/**
 * The figure that a word names: its label on the page in any case, or its key: `used`, `used_bytes`.
 * An empty word is reserved_bytes. Any process; pure.
 * @return 0 if there is no such figure of this scope
 */
int pst_reading_word(pst_metric_e *metric, pst_scope_e scope, const char *word);

/**
 * Read an account of a connection or request.
 * @param fresh  update the sampled figures (slack, used, retained) first: owner thread only. Else any thread, while
 *               the account exists; its pools are not touched
 */
void pst_reading_take(pst_reading_t *reading, pst_account_t *account, int fresh);

/** @return 0 if this figure is not known: pools are not tracked, or the connection has no slot */
int pst_reading_figure(const pst_reading_t *reading, pst_metric_e metric, apr_uint64_t *value);

#endif /* PST_READING_H */
