/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_misuse.h.
 */
#include "pst_misuse.h"
#include "pst_clock.h"
#include "pst_object.h"
#include "pst_served.h"
#include "pst_unwind.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

/* Frames that identify a place: of the offender, and of the code that ended the object. */
#define PLACE_FRAMES 3

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    apr_uint64_t keys[PST_MISUSE_ROWS]; /* atomic: of the place; 0: free */
    apr_uint32_t written[PST_MISUSE_ROWS]; /* atomic: 1 when it can be read */
    apr_uint32_t rows;          /* atomic */
    apr_uint32_t next;          /* the watchdog's */
} g;

void pst_misuse_start(const pst_board_t *board, pst_shared_child_t *block)
{
    memset(&g, 0, sizeof(g));
    g.board = pst_board_index(board, block) >= 0 ? board : NULL;
    g.block = block;
}

/* -- stacks ---------------------------------------------------------------- */

typedef struct {
    pst_misuse_stack_t *stack;
    apr_uintptr_t from;         /* frames at or below it are left out */
    apr_uintptr_t ip;           /* not 0: frames up to this one are */
    apr_uint32_t most;
} unwinding_t;

static _Unwind_Reason_Code on_misuse_frame(struct _Unwind_Context *context, void *baton)
{
    unwinding_t *u = baton;
    apr_uintptr_t ip = (apr_uintptr_t)_Unwind_GetIP(context);

    if (!ip) {
        return _URC_END_OF_STACK;
    }
    if (u->ip) {
        if (ip != u->ip) {
            return _URC_NO_REASON;
        }
        u->ip = 0;
        ip++;                   /* this is the instruction itself, others are return addresses */
    }
    else if ((apr_uintptr_t)_Unwind_GetCFA(context) <= u->from) {
        return _URC_NO_REASON;
    }
    u->stack->ip[u->stack->depth++] = ip;
    return u->stack->depth < u->most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static apr_uint32_t this_thread(void)
{
    return (apr_uint32_t)syscall(SYS_gettid);
}

__attribute__((noinline)) void pst_misuse_stack(pst_misuse_stack_t *stack)
{
    unwinding_t u = { .stack = stack, .from = (apr_uintptr_t)__builtin_frame_address(0), .most = PST_MISUSE_DEPTH };

    stack->thread = this_thread();
    stack->depth = 0;
    _Unwind_Backtrace(on_misuse_frame, &u);
}

static apr_uintptr_t interrupted_at(const void *context)
{
    const ucontext_t *at = context;

#if defined(__x86_64__)
    return (apr_uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (apr_uintptr_t)at->uc_mcontext.pc;
#else
    (void)at;
    return 0;
#endif
}

void pst_misuse_stack_interrupted(pst_misuse_stack_t *stack, const void *context, apr_uint32_t most)
{
    unwinding_t u = { .stack = stack, .ip = interrupted_at(context),
                      .most = most < PST_MISUSE_DEPTH ? most : PST_MISUSE_DEPTH };

    stack->thread = this_thread();
    stack->ip[0] = u.ip + 1;
    stack->depth = 0;
    if (u.ip && most > 1) {
        _Unwind_Backtrace(on_misuse_frame, &u);
    }
    if (!stack->depth && stack->ip[0] > 1) {    /* the place itself is always known */
        stack->depth = 1;
    }
}

/* -- parties --------------------------------------------------------------- */

static void fill_text(char *to, apr_size_t size, const char *from)
{
    apr_size_t i = 0;

    for (; from && i + 1 < size && from[i]; i++) {
        to[i] = from[i];
    }
    memset(to + i, 0, size - i);
}

/* The line that a slot shows now, if it is still this connection's. It may be written meanwhile: then it is wrong,
 * but still just bytes from a client. */
static void line_of(pst_misuse_party_t *party, const pst_shared_slot_t *slot)
{
    fill_text(party->line, sizeof(party->line),
              slot && slot->id == party->connection && slot->has_request ? slot->line : NULL);
}

void pst_misuse_party_now(pst_misuse_party_t *party)
{
    party->connection = pst_served.connection;
    line_of(party, pst_served.slot);
}

void pst_misuse_party_of(pst_misuse_party_t *party, const pst_account_t *account)
{
    const pst_account_t *connection = account && account->above ? account->above : account;

    party->connection = connection ? connection->id : 0;
    line_of(party, connection ? connection->slot : NULL);
}

/* -- rows ------------------------------------------------------------------ */

/* Named as call sites are, so that all readers know how to show them. */
static void name_stack(pst_shared_stack_t *to, const pst_misuse_stack_t *from)
{
    pst_unwound_t stack = { .cacheable = 0 };

    memset(to, 0, sizeof(*to));
    if (!from || !from->depth) {
        return;
    }
    stack.depth = from->depth < PST_MISUSE_DEPTH ? from->depth : PST_MISUSE_DEPTH;
    memcpy(stack.ip, from->ip, stack.depth * sizeof(stack.ip[0]));
    pst_unwind_name(&stack, g.board, pst_object_known);
    to->thread = from->thread;
    to->depth = stack.frame_count;
    memcpy(to->frames, stack.frames, stack.frame_count * sizeof(stack.frames[0]));
}

static apr_uint64_t mix(apr_uint64_t hash, apr_uint64_t with)
{
    hash = (hash ^ with) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static apr_uint64_t place_of(pst_misuse_e kind, const pst_shared_stack_t *stack)
{
    apr_uint64_t hash = mix(0x5bd1e995u, (apr_uint64_t)kind + 1);

    for (unsigned f = 0; f < PLACE_FRAMES && f < stack->depth; f++) {
        hash = mix(hash, stack->frames[f]);
    }
    return hash | 1;
}

/* @return the row of this place; fresh: it is the caller's to write; -1: there is none */
static int find_row(apr_uint64_t key, int *fresh)
{
    *fresh = 0;
    for (int i = 0; i < PST_MISUSE_ROWS; i++) {
        apr_uint64_t there = __atomic_load_n(&g.keys[i], __ATOMIC_ACQUIRE);

        if (!there && __atomic_compare_exchange_n(&g.keys[i], &there, key, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            *fresh = 1;
            return i;
        }
        if (there == key) {
            return i;
        }
    }
    return -1;
}

static void write_row(pst_shared_misuse_t *row, const pst_misuse_t *misuse, const pst_shared_stack_t *first)
{
    static const pst_shared_party_t nobody;

    pst_seq_begin(&row->seq);
    row->kind = (uint16_t)misuse->kind;
    row->first = pst_clock_usec(CLOCK_REALTIME);
    row->offset = misuse->offset;
    row->size = misuse->size;
    row->age = misuse->age;
    row->of_class = misuse->of_class;
    fill_text(row->what, sizeof(row->what), misuse->what);
    fill_text(row->tag, sizeof(row->tag), misuse->tag);
    row->by = misuse->by ? *misuse->by : nobody;
    row->of = misuse->of ? *misuse->of : nobody;
    row->stacks[0] = *first;
    for (unsigned i = 1; i < PST_MISUSE_STACKS; i++) {
        name_stack(&row->stacks[i], misuse->stacks[i]);
    }
    row->in_use = 1;
    pst_seq_end(&row->seq);
}

int pst_misuse_tell(const pst_misuse_t *misuse)
{
    pst_shared_misuse_t *row;
    pst_shared_stack_t first;
    int i, fresh;

    if (!g.board || pst_child_muted()) {
        return 0;
    }
    name_stack(&first, misuse->stacks[0]);
    i = find_row(place_of(misuse->kind, &first), &fresh);
    pst_add(&g.block->misuses[misuse->kind], 1);
    if (i < 0) {
        return 0;
    }
    row = pst_board_misuse(g.board, g.block, (apr_uint32_t)i);
    if (fresh) {
        write_row(row, misuse, &first);
        __atomic_store_n(&g.written[i], 1, __ATOMIC_RELEASE);
        __atomic_store_n(&g.block->misuse_rows, __atomic_add_fetch(&g.rows, 1, __ATOMIC_ACQ_REL), __ATOMIC_RELEASE);
    }
    pst_add(&row->times, 1);
    pst_store(&row->last, pst_clock_usec(CLOCK_REALTIME));
    return fresh;
}

int pst_misuse_next(void)
{
    apr_uint32_t i = g.next;

    if (i == PST_MISUSE_ROWS || !__atomic_load_n(&g.written[i], __ATOMIC_ACQUIRE)) {
        return -1;
    }
    g.next = i + 1;
    return (int)i;
}
