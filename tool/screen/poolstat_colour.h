/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands out on a terminal, and whether in colour. A colour never says anything that no word says:
 * a pipe, NO_COLOR and a terminal without colours lose nothing.
 */
#ifndef POOLSTAT_COLOUR_H
#define POOLSTAT_COLOUR_H

typedef enum {
    POOLSTAT_PLAIN = 0,
    POOLSTAT_MARKED,            /**< look at this: it grows */
    POOLSTAT_BAD,               /**< something is wrong */
    POOLSTAT_MARK_COUNT
} poolstat_mark_e;

/** May colours be used at all? Not if NO_COLOR is set and not empty: https://no-color.org */
int poolstat_colours_wanted(void);

/** Does stdout show colours? Yes if it is a terminal that has them, and they are wanted. */
int poolstat_colours(void);

/** What to write before and after marked text; "" for plain text. */
const char *poolstat_mark_on(poolstat_mark_e mark);
const char *poolstat_mark_off(poolstat_mark_e mark);

#endif /* POOLSTAT_COLOUR_H */
