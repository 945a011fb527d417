/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_colour.h.
 */
#include "poolstat_colour.h"

#include <curses.h>
#include <stdlib.h>
#include <term.h>
#include <unistd.h>

int poolstat_colours_wanted(void)
{
    const char *no = getenv("NO_COLOR");

    return !no || !*no;
}

int poolstat_colours(void)
{
    int error, colours;

    if (!poolstat_colours_wanted() || !isatty(STDOUT_FILENO) || setupterm(NULL, STDOUT_FILENO, &error) != OK) {
        return 0;
    }
    colours = tigetnum("colors");
    del_curterm(cur_term);
    return colours >= 8;
}

/* Bold as well: some palettes have colours that hardly differ. */
const char *poolstat_mark_on(poolstat_mark_e mark)
{
    switch (mark) {
    case POOLSTAT_MARKED: return "\033[1;33m";
    case POOLSTAT_BAD:    return "\033[1;31m";
    default:              return "";
    }
}

const char *poolstat_mark_off(poolstat_mark_e mark)
{
    return mark ? "\033[0m" : "";
}
