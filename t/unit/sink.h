/* SPDX-License-Identifier: Apache-2.0
 *
 * Where units have faces written: out, out_len bytes and a NUL. A unit sets
 * out_len to 0 before each face.
 */
#ifndef SINK_H
#define SINK_H

#include <apr_errno.h>
#include <stdlib.h>
#include <string.h>

static char *out;
static size_t out_len, out_room;

static apr_status_t sink(void *baton, const char *data, apr_size_t len)
{
    (void)baton;
    if (out_len + len + 1 > out_room) {
        out_room = (out_len + len + 1) * 2;
        out = realloc(out, out_room);
    }
    memcpy(out + out_len, data, len);
    out_len += len;
    out[out_len] = '\0';
    return APR_SUCCESS;
}

#endif /* SINK_H */
