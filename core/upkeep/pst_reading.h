/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings: what the owner of a connection or request is told of it, by the word: the tags of
 * logs, variables of the environment, other modules.  The same figures as on the page, brought up
 * to date first.
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
    int         own;                /**< the figures are this account's own, not a sum that it is part of */
    pst_shared_usage_t usage;
    apr_uint64_t used_bytes;
#define PST_METRIC_CONNECTION(...) apr_uint64_t PST_FIELD(__VA_ARGS__);
#include "poolstat_metrics.def"
} pst_reading_t;

/** The figures there are of a request, or of a connection. */
const pst_metric_list_t *pst_reading_figures(pst_scope_e scope);

/**
 * The figure that a word names: its label on the page in any case, or its key: `used`, `used_bytes`.
 * An empty word is reserved_bytes. Any process; pure.
 * @return 0 if there is no such figure of this scope
 */
int pst_reading_word(pst_metric_e *metric, pst_scope_e scope, const char *word);

/**
 * Read an account of a connection or request.
 * @param fresh  bring what is sampled (slack, used, retained) up to date first: owner thread only.
 *               Else any thread, as long as the account lives; nothing of its pools is touched
 */
void pst_reading_take(pst_reading_t *reading, pst_account_t *account, int fresh);

/** @return 0 if this figure is not known: of pools that nobody follows, or of a connection without a slot */
int pst_reading_figure(const pst_reading_t *reading, pst_metric_e metric, apr_uint64_t *value);

#endif /* PST_READING_H */
