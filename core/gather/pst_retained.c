/* SPDX-License-Identifier: Apache-2.0
 *
 * What allocators keep, counted: see the header.
 *
 * Concurrency: a place is claimed by compare-and-swap and emptied by the thread that destroys the allocator. A look
 * may hit an allocator that is just being destroyed, or was destroyed by unseen calls: so the kernel copies the
 * memory, which fails if it is gone, and a wrong number affects one look of many.
 */
#include "pst_retained.h"
#include "pst_figure.h"
#include "pst_wrap.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* Places for an allocator in each table. */
#define WINDOW 16

/* One page holds as many as nearly every child has; more are not touched before they are needed. */
#define FEW  512
#define MANY 8192

/* Nodes examined in the free lists of an allocator that loses its limit. */
#define COUNT_NODES 4096

/* Allocators queried at once. */
#define AT_ONCE 32

/* Number of looks whose smallest difference is reported: an amount just moving between two books does not show in the
 * next. */
#define LOOKS 5

/* How often the books are read again if they changed meanwhile. */
#define TRIES 4

static apr_allocator_t *few[FEW], *many[MANY];

static struct {
    int              spilled;   /* atomic: the second table is in use */
    int              lost;      /* atomic: not known any more */
    apr_int64_t      looks[LOOKS];
    unsigned         next;
} g;

static unsigned home_of(const apr_allocator_t *allocator)
{
    return (unsigned)(((apr_uint64_t)(apr_uintptr_t)allocator >> 4) * 0x9e3779b97f4a7c15u >> 40);
}

static int stands(apr_allocator_t *const *table, unsigned size, const apr_allocator_t *allocator)
{
    unsigned home = home_of(allocator), i;

    for (i = 0; i < WINDOW; i++) {
        if (__atomic_load_n(&table[(home + i) % size], __ATOMIC_RELAXED) == allocator) {
            return 1;
        }
    }
    return 0;
}

static int claim_place(apr_allocator_t **table, unsigned size, apr_allocator_t *allocator)
{
    unsigned home = home_of(allocator), i;

    if (stands(table, size, allocator)) {
        return 1;
    }
    for (i = 0; i < WINDOW; i++) {
        apr_allocator_t *nobody = NULL;

        if (__atomic_compare_exchange_n(&table[(home + i) % size], &nobody, allocator, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
            return 1;
        }
    }
    return 0;
}

static void vacate(apr_allocator_t **table, unsigned size, const apr_allocator_t *allocator)
{
    unsigned home = home_of(allocator), i;

    for (i = 0; i < WINDOW; i++) {
        if (__atomic_load_n(&table[(home + i) % size], __ATOMIC_RELAXED) == allocator) {
            __atomic_store_n(&table[(home + i) % size], NULL, __ATOMIC_RELAXED);
        }
    }
}

void pst_retained_lost(void)
{
    __atomic_store_n(&g.lost, 1, __ATOMIC_RELAXED);
}

void pst_retained_enter(apr_allocator_t *allocator, apr_size_t nodes)
{
    if (!pst_apr_make_countable(allocator, nodes)
        || pst_apr_retained(allocator, 1, 0) != pst_apr_retained(allocator, 0, nodes)) {
        pst_retained_lost();
    }
    if (claim_place(few, FEW, allocator)) {
        return;
    }
    __atomic_store_n(&g.spilled, 1, __ATOMIC_RELAXED);
    if (!claim_place(many, MANY, allocator)) {
        pst_retained_lost();
    }
}

int pst_retained_is_counted(const apr_allocator_t *allocator)
{
    return stands(few, FEW, allocator) || stands(many, MANY, allocator);
}

void pst_retained_forget(const apr_allocator_t *allocator)
{
    vacate(few, FEW, allocator);
    if (__atomic_load_n(&g.spilled, __ATOMIC_RELAXED)) {
        vacate(many, MANY, allocator);
    }
}

/* -- wrappers ------------------------------------------------------------- */

apr_status_t pst_wrap_allocator_create(apr_allocator_t **allocator)
{
    apr_status_t rv = pst_real.allocator_create(allocator);

    if (PST_LIKELY(rv == APR_SUCCESS) && !pst_child_muted()) {
        pst_retained_enter(*allocator, 0);
    }
    return rv;
}

void pst_wrap_allocator_destroy(apr_allocator_t *allocator)
{
    if (!pst_child_muted()) {
        pst_retained_forget(allocator);
    }
    pst_real.allocator_destroy(allocator);
}

/* Without a limit APR's numbers do not count: then it gets one that is never reached. */
void pst_wrap_allocator_max_free_set(apr_allocator_t *allocator, apr_size_t size)
{
    apr_size_t kept = pst_apr_retained(allocator, 1, 0);

    pst_real.allocator_max_free_set(allocator, size);
    if ((!pst_apr_max_free(allocator) && !pst_apr_make_countable(allocator, COUNT_NODES))
        || pst_apr_retained(allocator, 1, 0) != kept) {
        pst_retained_lost();
    }
}

/* -- looking -------------------------------------------------------------- */

/* Copies of some allocators. @return how many, beginning with the first; none is left out, but for those gone */
static int copy_allocators(pst_apr_allocator_t *to, apr_allocator_t *const *from, int count)
{
    struct iovec here[AT_ONCE], there[AT_ONCE];

    for (int i = 0; i < count; i++) {
        here[i] = (struct iovec){ &to[i], sizeof(to[i]) };
        there[i] = (struct iovec){ from[i], sizeof(to[i]) };
    }
    ssize_t bytes = process_vm_readv(getpid(), here, (unsigned long)count, there, (unsigned long)count, 0);

    if (bytes < 0) {
        return errno == EFAULT ? 0 : -1;
    }
    return (int)((apr_size_t)bytes / sizeof(*to));
}

/* What a look finds. */
typedef struct {
    apr_uint64_t bytes;
    apr_pool_t **owners;            /* NULL: not wanted */
    unsigned     count, most;
} look_t;

static int see(look_t *look, const pst_apr_allocator_t *allocator)
{
    apr_size_t kept;
    int known = pst_apr_kept(allocator, &kept);

    look->bytes += known ? kept : 0;
    if (look->owners && allocator->owner && look->count < look->most) {
        look->owners[look->count++] = allocator->owner;
    }
    return known;
}

/* @return 0: not all of it is known */
static int add_some(apr_allocator_t *const *from, int count, look_t *look)
{
    pst_apr_allocator_t copies[AT_ONCE];
    int known = 1;

    while (count > 0) {
        int copied = copy_allocators(copies, from, count);

        if (copied < 0) {
            return 0;
        }
        for (int i = 0; i < copied; i++) {
            known &= see(look, &copies[i]);
        }
        copied = copied < count ? copied + 1 : copied;      /* the next one is gone */
        from += copied;
        count -= copied;
    }
    return known;
}

static int add_allocator(apr_allocator_t *const *table, unsigned size, look_t *look)
{
    apr_allocator_t *some[AT_ONCE];
    int count = 0, known = 1;

    for (unsigned i = 0; i < size; i++) {
        some[count] = __atomic_load_n(&table[i], __ATOMIC_RELAXED);
        count += some[count] != NULL;
        if (count == AT_ONCE || i + 1 == size) {
            known &= add_some(some, count, look);
            count = 0;
        }
    }
    return known;
}

static int look_at_all(look_t *look)
{
    return add_allocator(few, FEW, look)
           && (!__atomic_load_n(&g.spilled, __ATOMIC_RELAXED) || add_allocator(many, MANY, look));
}

int pst_retained_count(apr_uint64_t bag, apr_uint64_t *bytes)
{
    look_t look = { .bytes = bag };
    int known = !__atomic_load_n(&g.lost, __ATOMIC_RELAXED) && look_at_all(&look);

    *bytes = look.bytes;
    return known;
}

unsigned pst_retained_owners(apr_pool_t **owners, unsigned most)
{
    look_t look = { .owners = owners, .most = most };

    look_at_all(&look);
    return look.count;
}

/* What is held but in no books; negative: in books but not held. */
static int difference(const pst_shared_child_t *block, apr_uint64_t bag, apr_int64_t *bytes)
{
    for (int i = 0; i < TRIES; i++) {
        apr_uint64_t held = pst_load(&block->held_bytes), reserved = pst_load(&block->child_reserved_bytes);
        apr_uint64_t buckets = pst_load(&block->child_bucket_bytes), retained;

        if (!pst_retained_count(bag, &retained)) {
            return 0;
        }
        if (held == pst_load(&block->held_bytes) && reserved == pst_load(&block->child_reserved_bytes)
            && buckets == pst_load(&block->child_bucket_bytes)) {
            *bytes = (apr_int64_t)(held - reserved - buckets - retained);
            return 1;
        }
    }
    *bytes = g.looks[(g.next + LOOKS - 1) % LOOKS];     /* too busy: as it was */
    return 1;
}

void pst_retained_balance(pst_shared_child_t *block, apr_uint64_t bag, apr_uint64_t now)
{
    apr_uint64_t least = 0;
    int over = 0, under = 0;

    if (!difference(block, bag, &g.looks[g.next])) {
        pst_store(&block->balance_time, 0);
        return;
    }
    g.next = (g.next + 1) % LOOKS;
    for (int i = 0; i < LOOKS; i++) {
        apr_int64_t look = g.looks[i];
        apr_uint64_t size = look < 0 ? -(apr_uint64_t)look : (apr_uint64_t)look;

        over += look > 0;
        under += look < 0;
        least = i == 0 || size < least ? size : least;
    }
    pst_store(&block->unbalanced_bytes, over == LOOKS ? least : 0);
    pst_store(&block->overbooked_bytes, under == LOOKS ? least : 0);
    pst_store(&block->balance_time, now);
}
