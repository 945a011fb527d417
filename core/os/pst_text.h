/* SPDX-License-Identifier: Apache-2.0
 *
 * A text cut to the room there is for it.
 */
#ifndef PST_TEXT_H
#define PST_TEXT_H

#include <apr.h>
#include <string.h>

/** Copy as much of a text (NULL: an empty one) as there is room for, and a NUL. What lies behind it is left as it
 *  was. */
static APR_INLINE void pst_cut(char *to, apr_size_t room, const char *text)
{
    apr_size_t length = text ? strnlen(text, room - 1) : 0;

    if (length) {
        memcpy(to, text, length);
    }
    to[length] = '\0';
}

#endif /* PST_TEXT_H */
