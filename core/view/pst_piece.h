/* SPDX-License-Identifier: Apache-2.0
 *
 * Shorthand of the views for printing a piece of web/ with its fields:
 * PIECE(emit, &pst_web_row, TEXT("line", line), NUMBER("id", id)).
 */
#ifndef PST_PIECE_H
#define PST_PIECE_H

#include "pst_emit.h"
#include "pst_array.h"

#define PIECE(emit, piece, ...) \
    do { \
        const pst_field_t fields_[] = { __VA_ARGS__ }; \
        pst_emit_piece((emit), (piece), fields_, PST_ITEMS(fields_)); \
    } while (0)
#define TEXT(name, text) { name, text, 0 }
#define NUMBER(name, value) { name, NULL, value }

/* Part of a whole on a scale of `to`, at most 10000; whole may be hostile, and 0. */
static inline unsigned pst_scaled(apr_uint64_t part, apr_uint64_t whole, unsigned to)
{
    while (whole >> 50) {
        whole >>= 1;
        part >>= 1;
    }
    if (!whole) {
        return 0;
    }
    return part >= whole ? to : (unsigned)(part * to / whole);
}

static inline unsigned pst_permille(apr_uint64_t part, apr_uint64_t whole)
{
    return pst_scaled(part, whole, 1000);
}

#endif /* PST_PIECE_H */
