/* SPDX-License-Identifier: Apache-2.0
 *
 * What the system says about a process of a server: its state, its start, where it listens.
 */
#ifndef POOLSTAT_PROCESS_H
#define POOLSTAT_PROCESS_H

#include <apr.h>
#include <sys/types.h>

/** The letter that the kernel gives a process's state; 0: there is no such process. */
char poolstat_process_state(apr_uint32_t pid);

/** When it was started. @return a time; 0: not known */
apr_uint64_t poolstat_process_start(apr_uint32_t pid);

/** The TCP ports it listens on, ascending, only a few: "80, 443"; "" if there are none, or we may not know. @return
 *  to */
char *poolstat_process_ports(char *to, apr_size_t size, apr_uint32_t pid);

/** The name of a user, or its number. @return to */
char *poolstat_user(char *to, apr_size_t size, uid_t user);

#endif /* POOLSTAT_PROCESS_H */
