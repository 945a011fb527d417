/* SPDX-License-Identifier: Apache-2.0
 *
 * The version, defined only here. The Makefile reads this line; make/lint holds CHANGES, the manual
 * page and the packages to it.
 */
#ifndef PST_VERSION_H
#define PST_VERSION_H

#define PST_VERSION "0.1.0"

#endif /* PST_VERSION_H */
