/* SPDX-License-Identifier: Apache-2.0
 *
 * A text cut to the room there is for it; a digit of a number in one.
 *
 * Called by: any
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

/** @return what a hexadecimal digit stands for; below 0 if it is none */
static APR_INLINE int pst_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;          /* an upper case letter is another only in this bit */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif /* PST_TEXT_H */
