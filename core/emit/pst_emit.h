/* SPDX-License-Identifier: Apache-2.0
 *
 * The one emitter: one call per figure, four back ends.  Escaping happens here
 * and only here; what it is given may be arbitrary bytes, what it writes is valid
 * UTF-8 and cannot leave the place it was put in.
 *
 *   JSON   objects, arrays, keys
 *   TEXT   a line "Key: value" per figure; the key is made of the objects around it: TotalReservedBytes,
 *          Child.4711.ProcessPools, Child.4711.Connection.3.RequestReservedBytes
 *   HTML   pieces of web/, whose {{names}} are filled in; a figure becomes the
 *          piece set with pst_emit_cell()
 *   METRICS, OPENMETRICS   what Prometheus reads, in its older text format 0.0.4 and as
 *          OpenMetrics 1.0.0: families of samples with labels; pst_emit_metrics.c
 *
 * Output goes through a fixed buffer to a sink.  Once the sink has failed, every call does nothing:
 * callers check now and then, or at the end.
 */
#ifndef PST_EMIT_H
#define PST_EMIT_H

#include "pst_metric.h"

/** Takes len bytes; not kept after it returns. Anything but APR_SUCCESS ends the output. */
typedef apr_status_t (*pst_sink_fn)(void *baton, const char *data, apr_size_t len);

typedef enum { PST_EMIT_JSON, PST_EMIT_TEXT, PST_EMIT_HTML, PST_EMIT_METRICS, PST_EMIT_OPENMETRICS } pst_emit_e;

#define PST_EMIT_BUFFER 16384
#define PST_EMIT_DEPTH  8
#define PST_EMIT_PREFIX 256
#define PST_EMIT_NAME   96
#define PST_PIECE_PAD   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/** The {{names}} that a figure fills in by itself; web/embed.sh knows them too. */
typedef enum {
    PST_GAP_OTHER, PST_GAP_KEY, PST_GAP_LABEL, PST_GAP_HELP, PST_GAP_VALUE, PST_GAP_EXACT, PST_GAP_ZERO, PST_GAP_SHARE
} pst_gap_e;

/** Where a {{name}} stood in a piece. */
typedef struct pst_gap_t {
    unsigned at;            /**< bytes of text before it; not less than in the gap before */
    pst_gap_e of_figure;
    const char *name;
} pst_gap_t;

/** A piece of a file in web/, embedded at build time: trusted markup, its {{names}} taken out.
 *  PST_PIECE_PAD follows the text: a short run is copied as 16 bytes whatever its length, for a quarter of the
 *  cost of a call.  Files other than .html are printed by others and lack it. */
typedef struct pst_piece_t {
    const char *text;
    apr_size_t len;
    const pst_gap_t *gaps;
    unsigned gap_count;
} pst_piece_t;

/** What a {{name}} in a piece stands for; a label of a sample. */
typedef struct pst_field_t {
    const char *name;
    const char *text;       /**< escaped; NULL: value is printed instead, as digits */
    apr_uint64_t value;
} pst_field_t;

/** Treat as opaque. It is a complete type so that callers choose where it lives (it is large: not on a stack). */
typedef struct pst_emit_t {
    pst_emit_e to;
    const unsigned char *classes;   /* of bytes: 0 can stay as it is */
    pst_sink_fn sink;
    void *baton;
    apr_status_t status;
    const pst_piece_t *cell;        /* HTML: what a figure becomes */
    unsigned share;                 /* HTML: {{share}} of the next figures */
    int fresh;                      /* JSON: no comma before what comes next */
    const pst_metric_t *family;     /* METRICS: whose samples come next */
    apr_size_t family_len;          /* of its samples' name, without suffix */
    char family_name[PST_EMIT_NAME + 16];
    unsigned depth;
    char closer[PST_EMIT_DEPTH];    /* JSON: how each level ends */
    const char *one[PST_EMIT_DEPTH];         /* TEXT: what an element of the array is called */
    apr_size_t prefix_was[PST_EMIT_DEPTH];   /* TEXT: length of the prefix outside of each level */
    apr_size_t prefix_len;
    char prefix[PST_EMIT_PREFIX];
    apr_size_t used;
    char buffer[PST_EMIT_BUFFER];
} pst_emit_t;

void pst_emit_init(pst_emit_t *emit, pst_emit_e to, pst_sink_fn sink, void *baton);

/** Hand what is buffered to the sink. @return APR_SUCCESS, or what the sink said when it first failed */
apr_status_t pst_emit_flush(pst_emit_t *emit);

/* JSON and TEXT: structure.  A key of NULL is for the outermost object. */
void pst_emit_object(pst_emit_t *emit, const char *key);
/** @param one what TEXT calls an element, e.g. "Child" */
void pst_emit_array(pst_emit_t *emit, const char *key, const char *one);
/** An object in an array; id is its name in TEXT. */
void pst_emit_element(pst_emit_t *emit, apr_uint64_t id);
/** End the innermost object or array. */
void pst_emit_end(pst_emit_t *emit);

/* JSON and TEXT: values other than figures. */
void pst_emit_text(pst_emit_t *emit, const char *key, const char *text);
void pst_emit_number(pst_emit_t *emit, const char *key, apr_uint64_t value);
void pst_emit_flag(pst_emit_t *emit, const char *key, int flag);
/** A number that may be below 0, rounded to an integer. What is not a number, or is beyond 2^62, is printed as 0. */
void pst_emit_signed(pst_emit_t *emit, const char *key, double value);
/** A number of 0 or more, with three decimals. */
void pst_emit_decimal(pst_emit_t *emit, const char *key, double value);
/** A time or a span, in seconds with `decimals` (3 or 6) places. */
void pst_emit_seconds(pst_emit_t *emit, const char *key, apr_uint64_t usec, int decimals);
/** JSON null; no line in TEXT. */
void pst_emit_null(pst_emit_t *emit, const char *key);

/**
 * All back ends: one figure of the metric table.  HTML fills the current cell: {{key}}, {{label}}, {{help}},
 * {{value}} for people, {{exact}}, {{zero}} (a class name if it is 0), {{share}}.  Others print whole numbers, times as
 * seconds since the epoch.
 * @param key the metric's own or its short one
 */
void pst_emit_figure(pst_emit_t *emit, const char *key, pst_metric_e metric, apr_uint64_t value);

/* HTML. */
void pst_emit_cell(pst_emit_t *emit, const pst_piece_t *cell);
/** How long the bars of the next figures are, in thousandths. */
void pst_emit_share(pst_emit_t *emit, unsigned share);
/** The heading of a figure: {{key}}, {{label}}, {{help}}, {{href}}. */
void pst_emit_heading(pst_emit_t *emit, const pst_piece_t *piece, pst_metric_e metric, const char *href);
/** Print a piece; a {{name}} without a field prints nothing. */
void pst_emit_piece(pst_emit_t *emit, const pst_piece_t *piece, const pst_field_t *fields, unsigned count);

/** TEXT: a sentence and a newline, escaped, without a key. */
void pst_emit_sentence(pst_emit_t *emit, const char *sentence);

/* METRICS and OPENMETRICS: all samples of a family follow its beginning; no family begins twice. */

/** Labels prepared for being printed many times: name="text",..., escaped. PST_LABELS_PAD bytes after it can be
 * read. */
typedef struct pst_labels_t {
    const char *text;
    apr_size_t len;
} pst_labels_t;

#define PST_LABELS_PAD 16

/**
 * Make labels; those whose text is NULL print their value as digits.
 * @param scratch an emitter of either kind, used for nothing else
 * @return its text is of pool
 */
pst_labels_t pst_emit_labels(pst_emit_t *scratch, pst_emit_e to, const pst_field_t *fields, unsigned count,
                             apr_pool_t *pool);

void pst_emit_family(pst_emit_t *emit, pst_metric_e metric);
/**
 * A sample of the current family. Microseconds are printed as seconds, unless it is of a histogram.
 * @param suffix of a histogram's sample: "_bucket", "_count"; else ""
 * @param first, more its labels; either may be NULL
 */
void pst_emit_sample(pst_emit_t *emit, const char *suffix, const pst_labels_t *first, const pst_labels_t *more,
                     apr_uint64_t value);
/** The end of all families: OpenMetrics has a mark for it. */
void pst_emit_families_end(pst_emit_t *emit);

/* For back ends in files of their own. */
/** Our own bytes, printed as they are. */
void pst_emit_raw(pst_emit_t *emit, const char *ours, apr_size_t len);
/** Untrusted text, escaped. */
void pst_emit_escaped(pst_emit_t *emit, const char *text);

#endif /* PST_EMIT_H */
