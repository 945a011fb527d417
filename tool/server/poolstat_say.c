/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_say.h.
 */
#include "poolstat_say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct room_t {
    char *at;
    apr_size_t left;            /* without the NUL */
} room_t;

static apr_status_t to_room(void *baton, const char *data, apr_size_t len)
{
    room_t *room = baton;

    len = len < room->left ? len : room->left;
    memcpy(room->at, data, len);
    room->at += len;
    room->left -= len;
    return APR_SUCCESS;
}

static struct {
    char *to;
    apr_size_t size;
} said;

void poolstat_say_to(char *to, apr_size_t size)
{
    said.to = to;
    said.size = size;
}

void poolstat_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (said.to) {
        vsnprintf(said.to, said.size, format, args);
    }
    else {
        fputs(*format == ' ' ? "" : "poolstat: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
    va_end(args);
}

char *poolstat_text(char *to, apr_size_t size, const char *from)
{
    static pst_emit_t emit;     /* the command has one thread */
    room_t room = { to, size - 1 };

    pst_emit_init(&emit, PST_EMIT_TEXT, to_room, &room);
    pst_emit_sentence(&emit, from);
    pst_emit_flush(&emit);
    *room.at = '\0';
    to[strcspn(to, "\n")] = '\0';
    return to;
}
