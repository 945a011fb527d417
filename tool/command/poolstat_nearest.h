/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody meant who mistyped a word: the nearest of those that there are.
 */
#ifndef POOLSTAT_NEAREST_H
#define POOLSTAT_NEAREST_H

/** The longest word that is looked at; longer ones are near to none. */
#define POOLSTAT_NEAREST_MOST 24

typedef struct poolstat_nearest_t {
    const char *typed;
    const char *word;           /**< the nearest so far, or NULL */
    unsigned distance;
} poolstat_nearest_t;

/** Begin. @param typed what was typed, without dashes */
void poolstat_nearest(poolstat_nearest_t *nearest, const char *typed);

/**
 * Consider a word.  It is near if a third of its letters, at least one, are left out, put in, wrong or swapped with
 * their neighbour; or if it begins with what was typed.
 */
void poolstat_nearest_to(poolstat_nearest_t *nearest, const char *word);

#endif /* POOLSTAT_NEAREST_H */
