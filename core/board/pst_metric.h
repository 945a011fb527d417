/* SPDX-License-Identifier: Apache-2.0
 *
 * The metric table as data: names, labels and help texts of every figure, indexed by an enum. Expanded from
 * include/poolstat_metrics.def; no name is written twice, except in the lists that say which figures an object has.
 *
 * Called by: any
 */
#ifndef PST_METRIC_H
#define PST_METRIC_H

#include "pst_board.h"

/** Every figure: PST_M_<field>. */
typedef enum {
#define PST_METRIC_ANY(...) PST_M(__VA_ARGS__),
#include "poolstat_metrics.def"
    PST_METRIC_COUNT
} pst_metric_e;

typedef struct pst_metric_t {
    const char *key;            /**< the field, and the JSON key */
    const char *prom;
    const char *label;
    const char *help;
    pst_metric_kind_e kind;
    pst_metric_unit_e unit;
    pst_metric_show_e show;     /**< lowest level at which it is shown */
} pst_metric_t;

/** The table, PST_METRIC_COUNT entries, indexed by pst_metric_e. */
extern const pst_metric_t pst_metrics[];

/** A list of figures, in the order in which views show them. */
typedef struct pst_metric_list_t {
    const pst_metric_e *metrics;
    unsigned count;
} pst_metric_list_t;

extern const pst_metric_list_t pst_usage_metrics;   /**< of process scope, of unslotted connections, of a request */
extern const pst_metric_list_t pst_row_metrics;     /**< of a connection */
extern const pst_metric_list_t pst_child_metrics;   /**< of a child, without those of its scopes */
extern const pst_metric_list_t pst_class_metrics;   /**< of a class */
extern const pst_metric_list_t pst_site_metrics;    /**< of a call site */
extern const pst_metric_list_t pst_generation_metrics; /**< of a generation */
extern const pst_metric_list_t pst_kind_metrics;    /**< of a child's connections of one kind: figures that can be
                                                         summed */
extern const pst_metric_list_t pst_fact_metrics;    /**< of a child, for the metrics face: other views print these
                                                         separately */
extern const pst_metric_list_t pst_server_metrics;  /**< of the server, for the metrics face */

/**
 * The key of a figure inside the object of a child, a class, a call site, a generation or the total: the prefix
 * child_, class_, site_ or generation_ would be redundant there.  The exception is child_reserved_bytes,
 * which must differ from reserved_bytes, the sum over the scopes that it is checked against.
 */
const char *pst_metric_short_key(pst_metric_e metric);

/** Words of the enums, as all views print them; "?" if out of range. */
const char *pst_kind_word(unsigned kind);
const char *pst_state_word(unsigned state);
const char *pst_level_word(unsigned level);
const char *pst_scope_word(unsigned scope);
const char *pst_heap_word(unsigned kind);
const char *pst_heap_tells_word(unsigned tells);

const char *pst_role_word(unsigned role);

const char *pst_show_word(unsigned level);

/** @return the pst_kind_e, or the pst_metric_show_e, that word names, or -1. */
int pst_kind_of(const char *word);
int pst_show_of(const char *word);

#endif /* PST_METRIC_H */
