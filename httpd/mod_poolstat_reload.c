/* SPDX-License-Identifier: Apache-2.0
 *
 * See mod_poolstat_reload.h.
 *
 * httpd calls post_config hooks from a list that modules can get (ap_hook_get_post_config()). Our first hook replaces
 * each function that comes after it by one that measures, calls the original and measures again; our last hook
 * restores them. So the list differs only while the configuration is read: if a hook fails, the originals are
 * restored at once. No code and no call table is changed. Each place has its own function, so that nothing depends on
 * the order of the calls.
 *
 * What is measured costs a fraction of a millisecond; once it has taken BUDGET in total, measuring stops.
 */
#include "mod_poolstat_reload.h"
#include "pst_figure.h"
#include "pst_generation.h"
#include "pst_runtime.h"
#include "pst_segments.h"
#include "pst_text.h"

#include <http_config.h>
#include <http_core.h>
#include <scoreboard.h>
#include <dlfcn.h>
#include <malloc.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAYOUT   1
#define PLACES   128            /* hooks that are measured, at most */
#define BUDGET   100000         /* microseconds per reading of the configuration */
#define MAKERS   64
#define LOOK_EACH 60            /* seconds between checks of how much shared memory is resident */

static struct {
    ap_HOOK_post_config_t *last;        /* our last hook */
    int          count;                 /* places in use */
    ap_HOOK_post_config_t *real[PLACES];
    int          proven;                /* walking pools is safe */
    int          measures;
    apr_uint64_t spent;                 /* microseconds */
    apr_uint32_t generation;
    apr_pool_t  *pconf, *plog;
    pst_segments_t *segments;           /* across reloads */
    pst_shared_maker_t lasting[MAKERS], heap[MAKERS];
    time_t       looked;
} g;

/* -- what there is ------------------------------------------------------------ */

static apr_uint64_t clock_now(void)
{
    struct timespec time;

    return clock_gettime(CLOCK_MONOTONIC, &time) ? 0
           : (apr_uint64_t)time.tv_sec * 1000000 + (apr_uint64_t)time.tv_nsec / 1000;
}

/* From glibc: with another malloc it stays 0. The detection in pst_heap.h would leave something behind in the
 * parent. */
#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33))
static apr_uint64_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
#else
static apr_uint64_t heap_in_use(void)
{
    return 0;
}
#endif

typedef struct amount_t {
    apr_uint64_t lasting, heap; /* bytes */
} amount_t;

static void measure(amount_t *amount)
{
    amount->lasting = g.proven ? pst_generation_lasting(g.pconf, g.plog) : 0;
    amount->heap = heap_in_use();
}

/* The file that a function is in, without folders. */
static void name_of(char *to, apr_size_t room, const void *function)
{
    Dl_info info;
    const char *slash;

    to[0] = '\0';
    if (dladdr(function, &info) && info.dli_fname) {
        slash = strrchr(info.dli_fname, '/');
        pst_cut(to, room, slash ? slash + 1 : info.dli_fname);
    }
}

/* -- in place of a hook ------------------------------------------------------- */

static int run(int place, apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    ap_HOOK_post_config_t *real = g.real[place];
    apr_uint64_t began = clock_now(), took;
    char name[PST_MODULE_LEN];
    amount_t before, after;
    int result, measures = g.measures && g.spent < BUDGET;

    if (measures) {
        name_of(name, sizeof(name), (const void *)(apr_uintptr_t)real);
        measure(&before);
        g.spent += clock_now() - began;
    }
    result = real(pconf, plog, ptemp, s);
    if (result != OK && result != DECLINED) {
        pst_reload_ends();
        return result;
    }
    if (measures && g.measures) {
        took = clock_now();
        measure(&after);
        pst_makers_add(g.lasting, MAKERS, name, pst_minus(after.lasting, before.lasting));
        pst_makers_add(g.heap, MAKERS, name, pst_minus(after.heap, before.heap));
        g.measures = pst_segments_look(g.segments, g.generation, name, 0);
        g.spent += clock_now() - took;
    }
    return result;
}

#define PLACE(n) \
    static int place_##n(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s) \
    { \
        return run(0x##n, pconf, plog, ptemp, s); \
    }
#define PLACE16(m) \
    PLACE(m##0) PLACE(m##1) PLACE(m##2) PLACE(m##3) PLACE(m##4) PLACE(m##5) PLACE(m##6) PLACE(m##7) \
    PLACE(m##8) PLACE(m##9) PLACE(m##a) PLACE(m##b) PLACE(m##c) PLACE(m##d) PLACE(m##e) PLACE(m##f)
PLACE16(0) PLACE16(1) PLACE16(2) PLACE16(3) PLACE16(4) PLACE16(5) PLACE16(6) PLACE16(7)

#define NAME16(m) \
    place_##m##0, place_##m##1, place_##m##2, place_##m##3, place_##m##4, place_##m##5, place_##m##6, place_##m##7, \
    place_##m##8, place_##m##9, place_##m##a, place_##m##b, place_##m##c, place_##m##d, place_##m##e, place_##m##f

static ap_HOOK_post_config_t *const places[PLACES] = {
    NAME16(0), NAME16(1), NAME16(2), NAME16(3), NAME16(4), NAME16(5), NAME16(6), NAME16(7)
};

/* -- the list ----------------------------------------------------------------- */

static int index_of_place(ap_HOOK_post_config_t *function)
{
    for (int i = 0; i < g.count; i++) {
        if (places[i] == function) {
            return i;
        }
    }
    return -1;
}

/* Those that come after our first hook and before our last. */
static void take_places(apr_array_header_t *list, ap_HOOK_post_config_t *first)
{
    ap_LINK_post_config_t *links = (ap_LINK_post_config_t *)list->elts;
    int from = 0, to = 0;

    while (from < list->nelts && links[from].pFunc != first) {
        from++;
    }
    for (int i = from + 1; i < list->nelts; i++) {
        to = links[i].pFunc == g.last ? i : to;
    }
    g.count = 0;
    for (int i = from + 1; i < to && g.count < PLACES; i++) {
        g.real[g.count] = links[i].pFunc;
        links[i].pFunc = places[g.count];
        g.count++;
    }
}

void pst_reload_ends(void)
{
    apr_array_header_t *list = g.count ? ap_hook_get_post_config() : NULL;

    for (int i = 0; list && i < list->nelts; i++) {
        ap_LINK_post_config_t *link = &((ap_LINK_post_config_t *)list->elts)[i];
        int place = index_of_place(link->pFunc);

        if (place >= 0) {
            link->pFunc = g.real[place];
        }
    }
    g.measures = 0;
}

/* Hook, before all others: from now on, measure what each module's hook leaves behind. */
static int begin_reload(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_array_header_t *list = ap_hook_get_post_config();
    apr_uint64_t began = clock_now();
    int generation = 0;

    (void)ptemp, (void)s;
    if (!list || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL || pst_runtime.gathers) {
        return OK;
    }
    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    g.generation = (apr_uint32_t)generation;
    g.pconf = pconf;
    g.plog = plog;
    g.proven = pst_generation_may_walk();
    g.spent = 0;
    memset(g.lasting, 0, sizeof(g.lasting));
    memset(g.heap, 0, sizeof(g.heap));
    g.segments = pst_retained("segments", LAYOUT, sizeof(*g.segments));
    g.measures = g.segments && pst_segments_look(g.segments, g.generation, "", 0);
    if (g.measures) {
        take_places(list, begin_reload);
    }
    g.spent = clock_now() - began;
    return OK;
}

void pst_reload_register(ap_HOOK_post_config_t *last)
{
    g.last = last;
    ap_hook_post_config(begin_reload, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_post_config(last, NULL, NULL, APR_HOOK_REALLY_LAST);
}

/* -- published --------------------------------------------------------------------- */

static void publish(const pst_board_t *board)
{
    pst_segments_hints_t hints = { .board_inode = board->inode };

    hints.scoreboard = ap_scoreboard_image ? ap_scoreboard_image->global : NULL;
    pst_segments_publish(g.segments, board, &hints, (apr_uint64_t)apr_time_now());
}

/* What earlier generations made may be gone by now. */
void pst_reload_tell(const pst_board_t *board, apr_uint32_t generation)
{
    if (!g.segments || !pst_segments_look(g.segments, g.generation, "", 1)) {
        return;
    }
    for (apr_uint32_t i = 0; i < PST_GENERATION_COUNT && i <= generation; i++) {
        pst_shared_maker_t shared[PST_MAKER_COUNT];

        pst_segments_makers(g.segments, generation - i, shared);
        pst_generation_made(board, generation - i, shared, i ? NULL : g.lasting, i ? NULL : g.heap);
    }
    publish(board);
    g.looked = 0;
}

void pst_reload_monitor(const pst_board_t *board)
{
    struct timespec now;

    if (g.segments && clock_gettime(CLOCK_MONOTONIC, &now) == 0
        && (!g.looked || now.tv_sec - g.looked >= LOOK_EACH)) {
        g.looked = now.tv_sec;
        if (pst_segments_look(g.segments, g.generation, "", 1)) {
            publish(board);
        }
    }
}
