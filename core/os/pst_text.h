/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a text to the available room; reading a digit of a number in a text.
 *
 * Called by: any
 */
#ifndef PST_TEXT_H
#define PST_TEXT_H

#include <apr.h>
#include <string.h>

/** Copy as much of a text (NULL: an empty one) as fits, and a NUL. Bytes after it are left unchanged. */
static APR_INLINE void pst_cut(char *to, apr_size_t room, const char *text)
{
    apr_size_t length = text ? strnlen(text, room - 1) : 0;

    if (length) {
        memcpy(to, text, length);
    }
    to[length] = '\0';
}

/** @return the value of a hexadecimal digit; negative if it is not one */
static APR_INLINE int pst_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;          /* upper case letters differ only in this bit */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif /* PST_TEXT_H */
