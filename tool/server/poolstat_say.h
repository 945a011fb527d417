/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts of the board made harmless, and sentences on stderr.
 */
#ifndef POOLSTAT_SAY_H
#define POOLSTAT_SAY_H

#include "pst_emit.h"

/** Room for any text of the board, escaped. */
#define POOLSTAT_TEXT 1024

/** Escape a text, as ?auto does: no control characters, valid UTF-8, nothing that changes the text direction. @return
 * to */
char *poolstat_text(char *to, apr_size_t size, const char *from);

/**
 * A sentence for the user, on stderr, after "poolstat: "; texts of the board in it must be escaped. A text that
 * begins with a blank continues the previous one.
 */
void poolstat_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Where sentences go while stderr is a screen: the last one is kept there. NULL: to stderr again. */
void poolstat_say_to(char *to, apr_size_t size);

#endif /* POOLSTAT_SAY_H */
