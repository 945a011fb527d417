/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_nearest.h.
 */
#include "poolstat_nearest.h"

#include <string.h>

#define MOST POOLSTAT_NEAREST_MOST

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be removed, inserted, changed or swapped: the optimal string alignment. */
static unsigned distance(const char *a, const char *b, unsigned a_len, unsigned b_len)
{
    unsigned table[MOST + 1][MOST + 1];

    for (unsigned i = 0; i <= a_len; i++) {
        for (unsigned j = 0; j <= b_len; j++) {
            if (!i || !j) {
                table[i][j] = i + j;
                continue;
            }
            table[i][j] =
                least(least(table[i - 1][j], table[i][j - 1]) + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
            }
        }
    }
    return table[a_len][b_len];
}

void poolstat_nearest(poolstat_nearest_t *nearest, const char *typed)
{
    nearest->typed = typed;
    nearest->word = NULL;
    nearest->distance = MOST;
}

void poolstat_nearest_to(poolstat_nearest_t *nearest, const char *word)
{
    size_t typed_len = strlen(nearest->typed), len = strlen(word);
    unsigned far, most = len / 3 ? (unsigned)len / 3 : 1;

    if (!typed_len || typed_len > MOST || !len || len > MOST) {
        return;
    }
    far = typed_len >= 2 && typed_len < len && !strncmp(nearest->typed, word, typed_len)
        ? 1 : distance(nearest->typed, word, (unsigned)typed_len, (unsigned)len);
    if (far <= most && far < nearest->distance) {
        nearest->distance = far;
        nearest->word = word;
    }
}
