/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks: see the header.
 */
#include "pst_unwind.h"

#include <unwind.h>

#define MAX_FRAME   4096u       /* words of a stack frame searched for its return address */
#define INNERMOST   16u         /* frames kept of a stack whose first module is too far out */

/* The word of a frame that holds its return address: the last one where calls push it. */
static __attribute__((no_sanitize("address"))) int find_slot(pst_unwound_t *stack, apr_uintptr_t end, apr_uintptr_t ip)
{
    apr_uintptr_t at = end - sizeof(ip), low = stack->top;
    apr_uint32_t words;

    for (words = 0; words < MAX_FRAME && at >= low; words++, at -= sizeof(ip)) {
        if (*(const apr_uintptr_t *)at == ip) {
            stack->at[stack->depth] = (apr_uint32_t)(at - stack->base);
            return 1;
        }
    }
    return 0;
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *baton)
{
    pst_unwound_t *stack = baton;
    apr_uintptr_t ip = (apr_uintptr_t)_Unwind_GetIP(context), end = (apr_uintptr_t)_Unwind_GetCFA(context);

    if (!ip) {
        return _URC_END_OF_STACK;
    }
    if (end <= stack->base) {           /* in the calling function, or what it calls */
        return _URC_NO_REASON;
    }
    if (stack->cacheable && (end - stack->base > APR_UINT32_MAX || !find_slot(stack, end, ip))) {
        stack->cacheable = 0;
    }
    stack->ip[stack->depth++] = ip;
    stack->top = end;
    return stack->depth < PST_UNWIND_DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
}

__attribute__((noinline)) void pst_unwind_take(pst_unwound_t *stack, apr_uintptr_t base)
{
    stack->base = stack->top = base;
    stack->depth = stack->frame_count = 0;
    stack->cacheable = 1;
    _Unwind_Backtrace(on_frame, stack);
}

static const pst_object_t *look_up_frame(const pst_unwound_t *stack, apr_uint32_t i, pst_unwind_object_fn object_of)
{
    return object_of((const void *)(stack->ip[i] - 1));
}

static pst_code_e frame_kind(const pst_unwound_t *stack, apr_uint32_t i, pst_unwind_object_fn object_of)
{
    const pst_object_t *object = look_up_frame(stack, i, object_of);

    return object ? object->kind : PST_CODE_LIBRARY;
}

/* The first frame outside of this module and APR; 0 if there is none. */
static apr_uint32_t first_led(const pst_unwound_t *stack, pst_unwind_object_fn object_of)
{
    for (apr_uint32_t i = 0; i < stack->depth; i++) {
        pst_code_e kind = frame_kind(stack, i, object_of);

        if (kind != PST_CODE_SELF && kind != PST_CODE_APR) {
            return i;
        }
    }
    return 0;
}

/* The first frame of a module; `first` if there is none. */
static apr_uint32_t first_module(const pst_unwound_t *stack, apr_uint32_t first, pst_unwind_object_fn object_of)
{
    for (apr_uint32_t i = first; i < stack->depth; i++) {
        pst_code_e kind = frame_kind(stack, i, object_of);

        if (kind == PST_CODE_MODULE || kind == PST_CODE_MPM) {
            return i;
        }
    }
    return first;
}

void pst_unwind_name(pst_unwound_t *stack, const pst_board_t *board, pst_unwind_object_fn object_of)
{
    apr_uint32_t first = first_led(stack, object_of), module = first_module(stack, first, object_of), i;

    stack->frame_count = 0;
    for (i = first; i < stack->depth && stack->frame_count < PST_SITE_FRAMES; i++) {
        apr_uintptr_t at = stack->ip[i] - 1;
        const pst_object_t *object = look_up_frame(stack, i, object_of);

        stack->cacheable &= object != NULL;     /* the next time it may have a name */
        stack->frames[stack->frame_count++] = object
            ? PST_FRAME(pst_board_module_add(board, object->id, object->name, object->kind), at - object->base)
            : PST_FRAME(0, at);
        if (stack->frame_count == INNERMOST && module >= first + PST_SITE_FRAMES) {
            i = module - 2;             /* continue with the caller and the module */
        }
    }
}
