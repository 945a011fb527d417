/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocations of pools come from malloc here, one by one, so that a sanitizer sees a look beyond each of them: in a
 * pool's node it would see nothing.  The program's own apr_palloc() goes before libapr's, also for libapr itself.
 * They are freed when the input is done.
 */
#include "fuzz_board.h"
#include "fuzz_memory.h"

#include <stdlib.h>
#include <string.h>


static struct {
    int on;
    void **pieces;
    size_t count, room;
} g;

#define MOST ((apr_size_t)1 << 31)

void *apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    static char early[65536] __attribute__((aligned(16)));
    static size_t used;
    void *piece;

    (void)pool;
    if (!g.on) {                /* libapr's own start: kept for ever */
        size = PST_ALIGN_UP(size, 16);
        piece = used + size <= sizeof(early) ? early + used : malloc(size);
        used += size;
        return piece;
    }
    fuzz_board_tick();
    if (g.count == g.room) {
        g.room = g.room ? 2 * g.room : 1024;
        g.pieces = realloc(g.pieces, g.room * sizeof(g.pieces[0]));
    }
    piece = size < MOST ? malloc(size ? size : 1) : NULL;
    if (!piece) {
        abort();                /* what no server has memory for */
    }
    g.pieces[g.count++] = piece;
    return piece;
}

#undef apr_pcalloc
void *apr_pcalloc(apr_pool_t *pool, apr_size_t size);
void *apr_pcalloc(apr_pool_t *pool, apr_size_t size)
{
    void *piece = apr_palloc(pool, size);

    return memset(piece, 0, size);
}

void fuzz_memory_begin(void)
{
    g.on = 1;
}

void fuzz_memory_end(void)
{
    g.on = 0;
    while (g.count) {
        free(g.pieces[--g.count]);
    }
}
