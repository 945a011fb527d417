/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts laid out for a terminal.  What comes from the board was written by clients: it is escaped
 * (poolstat_say.h) before anything here measures or prints it.
 */
#ifndef POOLSTAT_TEXT_H
#define POOLSTAT_TEXT_H

#include "poolstat_say.h"
#include "pst_emit.h"

#include <stdio.h>

/**
 * Cut or pad an escaped text to a number of columns of the terminal, as the locale has it; a
 * character that the locale does not have becomes '?', and a superscript two an ordinary two.
 * @param columns 0: as wide as it is
 * @param right   pad on the left
 * @return bytes written to `to`, which always ends in a NUL
 */
apr_size_t poolstat_fit(char *to, apr_size_t size, const char *text, unsigned columns, int right);

/** How many columns a text takes. */
unsigned poolstat_columns(const char *text);

/** Joins two words of our own sentences: a blank at which no line ends if there is room for both words. */
#define POOLSTAT_TIE '\x1f'

/** Make all blanks of a text ties. @return its length */
apr_size_t poolstat_tie(char *text);

/**
 * The next line of an escaped text, broken between words. A number keeps its unit; a word longer than a line
 * continues in the next: nothing is lost.
 * @param text    the rest of the text; advanced
 * @param columns 0: unlimited @return to, without blanks at its ends; NULL: nothing is left
 */
char *poolstat_line(char *to, apr_size_t size, const char **text, unsigned columns);

/** Print a text in as many lines as it takes, each indented by that many blanks, the first one too. */
void poolstat_print(const char *text, unsigned indent, unsigned columns);

/** Columns of the terminal on stdout; COLUMNS overrides it; 0: no terminal, unlimited. */
unsigned poolstat_terminal(void);

/** A sink for emitters: a FILE. */
apr_status_t poolstat_to_file(void *baton, const char *data, apr_size_t len);

/** A sink for emitters: whole lines, without their ends, to a function. To begin, set the function and zero `used`. */
typedef struct poolstat_lines_t {
    apr_status_t (*each)(void *baton, const char *line);
    void *baton;
    apr_size_t used;
    char line[8192];            /**< longer lines are broken there */
} poolstat_lines_t;
apr_status_t poolstat_to_lines(void *lines, const char *data, apr_size_t len);

#endif /* POOLSTAT_TEXT_H */
