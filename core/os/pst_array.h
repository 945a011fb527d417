/* SPDX-License-Identifier: Apache-2.0
 *
 * How many items an array has.
 */
#ifndef PST_ARRAY_H
#define PST_ARRAY_H

#define PST_ITEMS(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

#endif /* PST_ARRAY_H */
