/* SPDX-License-Identifier: Apache-2.0
 *
 * Shorthand of the views for printing a piece of web/ with its fields:
 * PIECE(emit, &pst_web_row, TEXT("line", line), NUMBER("id", id)).
 */
#ifndef PST_PIECE_H
#define PST_PIECE_H

#include "pst_emit.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))
#define PIECE(emit, piece, ...) \
    do { \
        const pst_field_t fields_[] = { __VA_ARGS__ }; \
        pst_emit_piece((emit), (piece), fields_, COUNT(fields_)); \
    } while (0)
#define TEXT(name, text) { name, text, 0 }
#define NUMBER(name, value) { name, NULL, value }

#endif /* PST_PIECE_H */
