/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions and lines of an object's file, by elfutils' libdw: from its symbols, from .gnu_debugdata, from debug
 * files by build id if they are installed or a debuginfod is configured.
 *
 * The library is loaded when it is needed and may be missing. Files are hostile: a caller must have given up its
 * rights, and be bounded in time and memory.
 */
#ifndef POOLSTAT_LINES_H
#define POOLSTAT_LINES_H

#include <apr.h>

typedef struct poolstat_lines_t poolstat_lines_t;

typedef struct poolstat_line_t {
    const char  *function;      /**< NULL: not known */
    apr_uint64_t into;          /**< from its start */
    const char  *file;          /**< as given to the compiler; NULL: not known */
    int          line;
} poolstat_line_t;

/** @return 0: there is no libdw */
int poolstat_lines_can(void);

/**
 * An object's file. @param fd of the file, owned by the callee from now on @param id pst_object_id() of the expected
 * build
 * @param replaced set to 1 if the file is of another build @return NULL: it cannot be read, or was replaced
 */
poolstat_lines_t *poolstat_lines_open(int fd, const char *path, apr_uint64_t id, int *replaced);

/** What is at an offset of the object. Texts live as long as the object is open. */
void poolstat_lines_at(poolstat_lines_t *lines, apr_uint64_t offset, poolstat_line_t *line);

#endif /* POOLSTAT_LINES_H */
