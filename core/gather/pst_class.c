/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes: see the header.
 *
 * Place in the flow: wrappers -> CLASSES -> board.
 *
 * Concurrency: a thread whose creator is already known takes no flag.  New creators, new classes
 * and pools that change class take a flag that nobody waits for (pst_flag.h): a thread that cannot get it leaves the
 * pool where it is.  What needs the loader's lock is done before.  Entries
 * are filled in before they can be found, and stay.
 */
#include "pst_class.h"
#include "pst_text.h"
#include "pst_flag.h"
#include "pst_object.h"
#include "pst_site.h"

#include <string.h>

/* The creator of all pools older than the child. */
static const char before[] = "";

/* How far a creator may be from its proper place, and how many there may be. */
#define PROBES       32
#define MAX_CREATORS (PST_CREATORS / 4 * 3)

/* A tag whose memory may be reused: its address says nothing. */
static const char elsewhere[] = "";

/* Counts made before there is a board. */
static pst_shared_class_t nowhere;

pst_class_t pst_classes[PST_CLASS_COUNT];
pst_creator_t pst_creators[PST_CREATORS];

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    apr_uint32_t count;             /* classes made, row 0 included */
    apr_uint32_t creators;
    int busy;                       /* the flag: pst_flag.h */
} g;

void pst_class_start(const pst_board_t *board, pst_shared_child_t *block)
{
    apr_uint32_t i;

    g.board = board;
    g.block = block;
    g.count = 1;
    g.creators = 0;
    memset(pst_classes, 0, sizeof(pst_classes));
    memset(pst_creators, 0, sizeof(pst_creators));
    for (i = 0; i < PST_CLASS_COUNT; i++) {
        pst_classes[i].row = block ? pst_board_class(board, block, i) : &nowhere;
    }
    if (!block) {
        g.creators = MAX_CREATORS;
    }
    pst_classes[0].row->in_use = 1;
}

/* Where a class was made, in the board's format. Takes the loader's lock. */
typedef struct {
    pst_shared_frame_t frame;
    char function[PST_FUNCTION_LEN];
} place_t;

static void find_place(place_t *place, const void *creator)
{
    apr_uintptr_t at = (apr_uintptr_t)creator - 1;
    const pst_object_t *object;
    apr_uint64_t into;

    memset(place, 0, sizeof(*place));
    if (!creator || creator == before) {
        return;
    }
    object = pst_object_find((const void *)at);
    if (object) {
        place->frame =
            PST_FRAME(pst_board_module_add(g.board, object->id, object->name, object->kind), at - object->base);
        pst_cut(place->function, sizeof(place->function), pst_object_symbol(object->id, at - object->base, &into));
    }
    else {
        place->frame = PST_FRAME(0, at);
    }
}

/* The creator's entry, or, if there is none and make is set, a free one: with the flag only. */
static pst_creator_t *find_creator(const void *creator, int make)
{
    apr_size_t i = pst_class_hash(creator), tries;

    for (tries = 0; tries < PROBES; tries++, i = (i + 1) & (PST_CREATORS - 1)) {
        pst_creator_t *entry = &pst_creators[i];
        const void *at = __atomic_load_n(&entry->at, __ATOMIC_ACQUIRE);

        if (at == creator) {
            return entry;
        }
        if (!at) {
            return make ? entry : NULL;
        }
    }
    return NULL;
}

static void write_texts(pst_shared_class_t *row, const place_t *place, const char *tag)
{
    pst_seq_begin(&row->seq);
    if (place) {
        row->creator = place->frame;
        memcpy(row->function, place->function, sizeof(row->function));
    }
    pst_cut(row->tag, sizeof(row->tag), tag);
    row->in_use = 1;
    pst_seq_end(&row->seq);
}

/* Is it constant text in a loaded object? */
static const char *lasting(const char *tag)
{
    return !tag || pst_object_find(tag) ? tag : elsewhere;
}

/* A class of a creator; with the flag. @return 0 if there is no row left */
static apr_uint32_t make_class(pst_creator_t *creator, const void *at, const place_t *place, const char *tag,
                               const char *key)
{
    apr_uint32_t i = g.count;
    pst_class_t *made = &pst_classes[i < PST_CLASS_COUNT ? i : 0];

    if (i == PST_CLASS_COUNT) {
        return 0;
    }
    g.count++;
    made->creator = at;
    made->tag = key;
    made->next = creator->first;
    write_texts(made->row, place, tag);
    __atomic_store_n(&creator->first, i, __ATOMIC_RELEASE);
    return i;
}

apr_uint32_t pst_class_of_creator(const void *creator)
{
    pst_creator_t *entry = find_creator(creator, 0);
    apr_uint32_t found;
    place_t place;

    if (entry) {
        return __atomic_load_n(&entry->guess, __ATOMIC_ACQUIRE);
    }
    if (__atomic_load_n(&g.creators, __ATOMIC_RELAXED) >= MAX_CREATORS) {
        return 0;
    }
    find_place(&place, creator);
    if (!pst_flag_take(&g.busy)) {
        return 0;
    }
    entry = find_creator(creator, 1);
    if (entry && !entry->at) {
        g.creators++;
        entry->guess = make_class(entry, creator, &place, NULL, NULL);
        __atomic_store_n(&entry->at, creator, __ATOMIC_RELEASE);
    }
    found = entry ? entry->guess : 0;
    pst_flag_give(&g.busy);
    return found;
}

/* The class of a creator with this tag; with the flag. @return 0 if there is none */
static apr_uint32_t find_by_tag(const pst_creator_t *creator, const char *tag)
{
    apr_uint32_t i;

    for (i = creator->first; i; i = pst_classes[i].next) {
        const pst_class_t *c = &pst_classes[i];

        if (c->tag == tag || (tag && c->tag && !strncmp(c->row->tag, tag, PST_TAG_LEN - 1))) {
            return i;
        }
    }
    return 0;
}

/* Counters only grow: a pool that moves was created in both classes, and left one of them. */
static void move(pst_record_t *record, apr_uint32_t to)
{
    apr_uint32_t from = record->of_class;

    record->of_class = to;
    pst_add(&pst_classes[to].row->class_pools_created, 1);
    pst_class_charge(to, (apr_int64_t)record->reserved, record->reserved);
    pst_add(&pst_classes[from].row->class_pools_left, 1);
    pst_class_charge(from, -(apr_int64_t)record->reserved, 0);
    if (record->samples) {
        pst_site_moved(record);
    }
}

/* The first pool of its creator gets its first tag: its class was made for it, and takes the name. */
static int rename_class(pst_creator_t *creator, apr_uint32_t which, const char *tag, const char *key)
{
    pst_class_t *c = &pst_classes[which];

    if (c->tag || creator->mixed
        || pst_load(&c->row->class_pools_created) - pst_load(&c->row->class_pools_left) != 1
        || pst_load(&c->row->class_pools_destroyed)) {
        return 0;
    }
    write_texts(c->row, NULL, tag);
    __atomic_store_n(&c->tag, key, __ATOMIC_RELAXED);
    return 1;
}

/* A pool guessed to be in class `from` turned out to be in class `to`. */
static void learn_class(pst_creator_t *creator, apr_uint32_t from, apr_uint32_t to, const place_t *place)
{
    if (pst_classes[from].tag && from != to) {
        creator->mixed = 1;
    }
    if (creator->mixed) {
        if (!pst_classes[creator->guess].tag) {
            return;
        }
        to = find_by_tag(creator, NULL);
        to = to ? to : make_class(creator, creator->at, place, NULL, NULL);
    }
    __atomic_store_n(&creator->guess, to, __ATOMIC_RELEASE);
}

/* The class that a pool of this creator, now in from, belongs to by its tag; with the flag. */
static apr_uint32_t choose_class(pst_creator_t *creator, apr_uint32_t from, const char *tag, const char *key)
{
    apr_uint32_t to = find_by_tag(creator, tag);
    place_t place = { .frame = pst_classes[from].row->creator };

    if (!to && rename_class(creator, from, tag, key)) {
        return from;
    }
    memcpy(place.function, pst_classes[from].row->function, sizeof(place.function));
    to = to ? to : make_class(creator, creator->at, &place, tag, key);
    learn_class(creator, from, to, &place);
    return to;
}

void pst_class_retag(pst_record_t *record, const char *tag)
{
    const char *key;
    pst_creator_t *creator;
    apr_uint32_t to = 0;

    if (!record->of_class || pst_child_muted()) {
        return;
    }
    key = lasting(tag);
    if (!pst_flag_take(&g.busy)) {
        return;                         /* the guess remains */
    }
    creator = find_creator(pst_classes[record->of_class].creator, 0);
    if (creator) {
        to = choose_class(creator, record->of_class, tag, key);
    }
    pst_flag_give(&g.busy);
    if (to != record->of_class) {
        move(record, to);
    }
}

/* The tag of an unknown pool is read only if it certainly still is text. */
void pst_class_adopt(pst_record_t *record, apr_pool_t *pool)
{
    static const place_t unknown;
    const char *tag = lasting(pst_apr_pool(pool)->tag);
    pst_creator_t *creator;

    record->born = pst_ticks();
    if (pst_child_muted()) {
        return;
    }
    pst_class_of_creator(before);
    tag = tag == elsewhere ? NULL : tag;
    if (pst_flag_take(&g.busy)) {
        creator = find_creator(before, 0);
        if (creator) {
            creator->mixed = 1;
            record->of_class = find_by_tag(creator, tag);
            if (!record->of_class) {
                record->of_class = make_class(creator, before, &unknown, tag, tag);
            }
        }
        pst_flag_give(&g.busy);
    }
    pst_add(&pst_classes[record->of_class].row->class_pools_created, 1);
    pst_class_charge(record->of_class, (apr_int64_t)record->reserved, record->reserved);
}
