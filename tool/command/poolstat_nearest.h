/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody meant by a mistyped word: the nearest known word.
 */
#ifndef POOLSTAT_NEAREST_H
#define POOLSTAT_NEAREST_H

/** The longest word that is considered; longer ones are near to none. */
#define POOLSTAT_NEAREST_MOST 24

typedef struct poolstat_nearest_t {
    const char *typed;
    const char *word;           /**< the nearest so far, or NULL */
    unsigned distance;
} poolstat_nearest_t;

/** Begin. @param typed what was typed, without dashes */
void poolstat_nearest(poolstat_nearest_t *nearest, const char *typed);

/**
 * Consider a word.  It is near if at most a third of its letters, or one, are missing, extra, wrong or swapped with
 * their neighbour; or if it begins with what was typed.
 */
void poolstat_nearest_to(poolstat_nearest_t *nearest, const char *word);

#endif /* POOLSTAT_NEAREST_H */
