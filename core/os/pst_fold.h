/* SPDX-License-Identifier: Apache-2.0
 *
 * Merges paths that differ only in numbers and ids.
 *
 *   the query, and parameters of a segment from its ';' on, are cut
 *   several slashes are one
 *   a word is a run of letters, digits, '-' and '_'.  One that looks like an id is {id}:
 *     8 or more hexadecimal digits, with a digit and a letter among them, dashes aside: a UUID, a hash
 *     10 or more bytes in which letters and digits meet 3 times, or 16 or more in which they meet twice, and capitals
 *     follow small letters twice more: a token
 *   elsewhere two digits in a row or more are {n}, and so is a single one that is the whole word
 *   a path too long for the buffer ends in "..."
 *
 * "/v2/user/123/post-45.html;s=1?q" is "/v2/user/{n}/post-{n}.html".
 *
 * Called by: any
 */
#ifndef PST_FOLD_H
#define PST_FOLD_H

#include <apr.h>

/** Fold a path. Any text, of any length. Any thread. @param to padded with zeros to its end @param room  16 bytes or
 *  more */
void pst_fold(char *to, apr_size_t room, const char *path);

#endif /* PST_FOLD_H */
