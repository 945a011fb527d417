/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: classes.  A pool's class before and after its tag; creators of one and of several classes;
 * tags in memory that is reused; the overflow row; threads that race; what the snapshot makes of
 * all that, and of lies.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_class.h"
#include "pst_metric.h"
#include "pst_snapshot.h"

#include <pthread.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static pst_snapshot_t snap;
static const pst_filter_t all = { .kind = -1 };

static const char code[4096];       /* addresses in it are creators: a place in a loaded object */

static void take(void)
{
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
}

static void fresh(void)
{
    memset(pst_board_class(&board, block, 0), 0, PST_CLASS_COUNT * sizeof(pst_shared_class_t));
    pst_class_start(&board, block);
}

/* Over all children: the class with this tag and creator. */
static const pst_class_row_t *find(const char *tag, const void *creator)
{
    static const pst_class_row_t none;

    take();
    for (apr_uint32_t i = 0; i < snap.class_count; i++) {
        const pst_class_row_t *c = &snap.classes[i];

        if (!strcmp(c->row.tag, tag) && c->index && (!c->row.creator == !creator)) {
            return c;
        }
    }
    return &none;
}

static void born(pst_record_t *record, const void *creator, apr_size_t size)
{
    memset(record, 0, sizeof(*record));
    record->reserved = size;
    pst_class_born(record, creator);
}

static void one_class(void)
{
    pst_record_t a, b, c;

    fresh();
    born(&a, code + 100, 8192);
    is_number(find("", code)->pools, 1, "a pool without a tag");
    pst_class_tagged(&a, "request");
    is_number(find("request", code)->pools, 1, "has its class by its tag");
    is_number(find("", code)->pools, 0, "and no more the one without");
    is_number(snap.class_count, 1, "which has no row left behind");
    is_number(find("request", code)->row.class_reserved_bytes, 8192, "with its bytes");
    born(&b, code + 100, 16384);
    is_number(find("request", code)->pools, 2, "the next is taken for one of the same class");
    pst_class_tagged(&b, "request");
    is_number(find("request", code)->row.class_pools_created, 2, "and is one");
    is_number(find("request", code)->row.class_largest_bytes, 16384, "the largest");
    b.reserved += 8192;
    pst_class_charge(b.of_class, 8192, b.reserved);
    is_number(find("request", code)->row.class_reserved_bytes, 32768, "grown");
    is_number(find("request", code)->row.class_largest_bytes, 24576, "and larger");
    born(&c, code + 200, 8192);
    pst_class_tagged(&c, "request");
    is_number(c.of_class != a.of_class, 1, "the same tag at another place is another class");
    pst_class_died(&b);
    is_number(find("request", code)->row.class_pools_destroyed + 1, pst_classes[a.of_class].row->class_pools_created, "destroyed");
    is_number(pst_classes[a.of_class].row->class_reserved_bytes, 8192, "its bytes are gone");
    is_number(pst_classes[a.of_class].row->class_peak_bytes, 32768, "the peak is remembered");
    pst_class_died(&a);
    pst_class_died(&c);
}

static void lifetimes(void)
{
    struct timespec pause = { 0, 30000000 };
    pst_record_t a, b;
    apr_uint64_t mean;

    fresh();
    born(&a, code + 100, 8192);
    pst_class_tagged(&a, "life");
    nanosleep(&pause, NULL);
    born(&b, code + 100, 8192);
    pst_class_died(&b);
    pst_class_died(&a);
    mean = find("life", code)->lifetime_mean;
    ok(mean >= 14800 && mean < 5000000, "the mean of two lives, one of them 30 ms");
    ok(find("life", code)->row.class_lifetime_max_seconds >= 29700, "the longer one");
    ok(pst_ticks_usec(-5) == 0 && pst_ticks_usec(0) == 0, "a clock that went back counts as 0");
}

/* A real pool, because its tag is read. */
static void mixed(void)
{
    pst_record_t a, b, c, d;
    apr_pool_t *real;

    fresh();
    apr_pool_create(&real, pool);
    pst_apr_pool(real)->tag = NULL;
    born(&a, code + 100, 8192);
    pst_class_tagged(&a, "tagged");
    born(&b, code + 100, 8192);
    is_number(b.of_class, a.of_class, "a pool is guessed to be as the one before");
    b.reserved += 8192;
    pst_class_changed(&b, real, 8192);
    is_number(find("", code)->pools, 1, "it grows without a tag: it is of another class");
    is_number(find("", code)->row.class_reserved_bytes, 16384, "to which all its bytes moved");
    is_number(find("tagged", code)->pools, 1, "the guessed one has it no more");
    is_number(find("tagged", code)->row.class_reserved_bytes, 8192, "nor its bytes");
    born(&c, code + 100, 8192);
    is_number(find("", code)->pools, 2, "this creator is not guessed for again");
    pst_class_tagged(&c, "tagged");
    is_number(find("tagged", code)->pools, 2, "its pools move when they are tagged");
    born(&d, code + 100, 8192);
    is_number(find("", code)->pools, 2, "none is guessed to be as the last one was");
    pst_class_tagged(&d, "third");
    is_number(find("third", code)->pools, 1, "whatever the tag");
    pst_class_tagged(&d, "tagged");
    is_number(find("tagged", code)->pools, 3, "and again");
    pst_class_tagged(&d, NULL);
    is_number(find("", code)->pools, 2, "and to none");
    apr_pool_destroy(real);
}

/* A tag on the stack or in a pool: the next text at the same address is another tag. */
static void reused(void)
{
    char text[16] = "first", long_tag[100];
    pst_record_t a, b, c;

    fresh();
    born(&a, code + 100, 8192);
    pst_class_tagged(&a, text);
    memcpy(text, "other", 6);
    is_number(find("first", code)->pools, 1, "a class keeps the text that it was given");
    born(&b, code + 100, 8192);
    pst_class_tagged(&b, text);
    is_number(find("other", code)->pools, 1, "another text at the same address is another class");
    is_number(find("first", code)->pools, 1, "the first is as it was");
    memset(long_tag, 'l', sizeof(long_tag));
    long_tag[sizeof(long_tag) - 1] = '\0';
    born(&c, code + 300, 8192);
    pst_class_tagged(&c, long_tag);
    is_number(strlen(pst_classes[c.of_class].row->tag), PST_TAG_LEN - 1, "a long tag is cut");
}

static void overflow(void)
{
    static pst_record_t records[1000];
    apr_uint64_t pools = 0, bytes = 0;
    char tag[32];

    fresh();
    for (unsigned i = 0; i < 1000; i++) {
        born(&records[i], code + 1 + i, 8192);
        apr_snprintf(tag, sizeof(tag), "tag-%u", i % 3);
        pst_class_tagged(&records[i], tag);
    }
    take();
    ok(snap.class_count <= PST_CLASS_COUNT, "the table is bounded");
    for (apr_uint32_t i = 0; i < snap.class_count; i++) {
        pools += snap.classes[i].pools;
        bytes += snap.classes[i].row.class_reserved_bytes;
    }
    is_number(pools, 1000, "no pool is lost");
    is_number(bytes, 1000 * 8192, "nor a byte");
    is_number(pst_classes[0].row->class_pools_created, 1000 - (PST_CLASS_COUNT - 1), "the rest is in row 0");
    for (unsigned i = 0; i < 1000; i++) {
        pst_class_died(&records[i]);
    }
    is_number(pst_classes[0].row->class_reserved_bytes, 0, "row 0 ends as the others");
}

#define THREADS 4
#define ROUNDS  20000

static void *race(void *seed)
{
    static const char *const tags[] = { "request", "transaction", NULL, "subrequest" };
    unsigned dice = (unsigned)(apr_uintptr_t)seed;

    for (int i = 0; i < ROUNDS; i++) {
        pst_record_t record;
        unsigned place = (unsigned)rand_r(&dice) % 40;

        born(&record, code + 1 + place, 8192);
        if (tags[place % 4]) {
            pst_class_tagged(&record, place % 8 ? tags[place % 4] : tags[(unsigned)rand_r(&dice) % 4]);
        }
        pst_class_charge(record.of_class, 4096, record.reserved += 4096);
        pst_class_died(&record);
    }
    return NULL;
}

/* A counter that decreases looks like a restart: Prometheus's rate() turns it into a jump. */
static unsigned fallen(pst_shared_class_t *last)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < PST_CLASS_COUNT; i++) {
        const pst_shared_class_t *row = pst_classes[i].row;
        pst_shared_class_t now;

        now.class_pools_left = pst_load(&row->class_pools_left);
        now.class_pools_created = pst_load(&row->class_pools_created);
        now.class_pools_destroyed = pst_load(&row->class_pools_destroyed);
        wrong += now.class_pools_created < last[i].class_pools_created || now.class_pools_left < last[i].class_pools_left
                 || now.class_pools_destroyed < last[i].class_pools_destroyed;
        last[i].class_pools_created = now.class_pools_created;
        last[i].class_pools_left = now.class_pools_left;
        last[i].class_pools_destroyed = now.class_pools_destroyed;
    }
    return wrong;
}

static void never_falls(void)
{
    static const char *const tags[] = { "one", "two", NULL, "three" };
    static pst_shared_class_t last[PST_CLASS_COUNT];
    static pst_record_t records[64];
    unsigned dice = 4711, fell = 0, uneven = 0, moves = 0;

    fresh();
    memset(last, 0, sizeof(last));
    memset(records, 0, sizeof(records));
    for (int step = 0; step < 20000; step++) {
        pst_record_t *record = &records[(unsigned)rand_r(&dice) % 64];
        apr_uint64_t live[PST_CLASS_COUNT] = { 0 };
        apr_uint32_t was = record->of_class;

        if (!record->reserved) {
            born(record, code + 1 + (unsigned)rand_r(&dice) % 5, 8192);
        }
        else if (rand_r(&dice) % 3) {
            pst_class_tagged(record, tags[(unsigned)rand_r(&dice) % 4]);
            moves += record->of_class != was;
        }
        else {
            pst_class_died(record);
            record->reserved = 0;
        }
        fell += fallen(last);
        for (unsigned i = 0; i < 64; i++) {
            live[records[i].of_class] += records[i].reserved != 0;
        }
        for (unsigned i = 0; i < PST_CLASS_COUNT; i++) {
            uneven += live[i] != last[i].class_pools_created - last[i].class_pools_left - last[i].class_pools_destroyed;
        }
    }
    ok(moves > 1000, "pools moved from class to class");
    is_number(fell, 0, "no counter fell by it");
    is_number(uneven, 0, "live are those created that did not leave and were not destroyed");
}

static void races(void)
{
    pthread_t threads[THREADS];
    apr_uint64_t created = 0, destroyed = 0, reserved = 0;

    fresh();
    for (apr_uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, race, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < PST_CLASS_COUNT; i++) {
        created += pst_classes[i].row->class_pools_created - pst_classes[i].row->class_pools_left;
        destroyed += pst_classes[i].row->class_pools_destroyed;
        reserved += pst_classes[i].row->class_reserved_bytes;
    }
    is_number(created, THREADS * ROUNDS, "threads: every pool was counted");
    is_number(destroyed, THREADS * ROUNDS, "and its end");
    is_number(reserved, 0, "and what it held");
}

/* Two children, whose rows are in different orders, and one that lies. */
static void sums(void)
{
    pst_shared_child_t *other = claim_block(&board, 4711, 1);
    pst_shared_class_t *row;
    pst_record_t a, b;

    fresh();
    born(&a, code + 100, 8192);
    pst_class_tagged(&a, "request");
    born(&b, code + 200, 16384);
    pst_class_tagged(&b, "transaction");
    row = pst_board_class(&board, other, 5);
    memcpy(row, pst_classes[a.of_class].row, sizeof(*row));
    row->class_largest_bytes = 99999;
    is_number(find("request", code)->pools, 2, "two children's pools of a class");
    is_number(find("request", code)->row.class_reserved_bytes, 16384, "add up");
    is_number(find("request", code)->row.class_largest_bytes, 99999, "the largest is that of either");
    is_number(snap.class_count, 2, "in one row");
    is_text(pst_metric_short_key(PST_M_class_pools_created), "pools_created", "the key says no more than it must");
    row->creator = ~(pst_shared_frame_t)0;
    row->class_reserved_bytes = ~(uint64_t)0;
    row->class_pools_destroyed = 1000;
    memset(row->tag, 'x', sizeof(row->tag));
    memset(row->function, 'x', sizeof(row->function));
    take();
    ok(snap.class_count == 3, "lies stay in a row of their own");
    for (apr_uint32_t i = 0; i < snap.class_count; i++) {
        const pst_class_row_t *c = &snap.classes[i];

        ok(PST_FRAME_MODULE(c->row.creator) < PST_MODULE_COUNT && strlen(c->row.tag) < PST_TAG_LEN
               && strlen(c->row.function) < PST_FUNCTION_LEN && c->row.class_reserved_bytes <= INT64_MAX
               && c->pools <= 1, "and are disarmed");
    }
    row->seq = 1;
    ok(find("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", code)->pools == 0, "a row in mid-write has no text");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 2, pool);
    block = claim_block(&board, 100, 1);
    pst_clock_start();
    one_class();
    lifetimes();
    mixed();
    reused();
    overflow();
    never_falls();
    races();
    sums();
    pst_board_close(&board);
    apr_terminate();
    return done();
}
