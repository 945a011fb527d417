/* SPDX-License-Identifier: Apache-2.0
 *
 * New, or again.  See pst_novel.h.
 *
 * A Bloom filter with two bits for each path: 20,000 different paths give one error in two hundred, 100,000 one in
 * ten. It uses the touched part of 64 KiB.
 */
#include "pst_novel.h"

#include <string.h>

#define BITS      524288u
#define WORD_BITS 64u
#define PAGE      4096u         /* APR's nodes are whole multiples of it */
#define MIX       0x9e3779b97f4a7c15u

static apr_uint64_t served[BITS / WORD_BITS];
static __thread apr_byte_t serving __attribute__((tls_model("initial-exec")));

/* Eight bytes at a time: a path costs some forty instructions. */
apr_uint64_t pst_novel_hash(const void *host, int method, const char *path)
{
    apr_uint64_t hash = ((apr_uint64_t)(apr_uintptr_t)host + (apr_uint64_t)method) * MIX, word;
    apr_size_t length = strlen(path);

    for (; length >= sizeof(word); length -= sizeof(word), path += sizeof(word)) {
        memcpy(&word, path, sizeof(word));
        hash = (hash ^ word) * MIX;
        hash ^= hash >> 32;
    }
    word = length;
    memcpy(&word, path, length);
    hash = (hash ^ word ^ (apr_uint64_t)length << 56) * MIX;
    hash ^= hash >> 29;
    hash *= MIX;
    return hash ^ hash >> 32;
}

/* @return whether it was set already */
static int set_bit(apr_uint64_t bit)
{
    apr_uint64_t *word = &served[bit % BITS / WORD_BITS], mask = (apr_uint64_t)1 << bit % WORD_BITS;

    return __atomic_load_n(word, __ATOMIC_RELAXED) & mask || __atomic_fetch_or(word, mask, __ATOMIC_RELAXED) & mask;
}

pst_novel_e pst_novel_serve(apr_uint64_t hash)
{
    int first = set_bit(hash), second = set_bit(hash >> 32);

    serving = first && second ? PST_NOVEL_AGAIN : PST_NOVEL_NEW;
    if (serving == PST_NOVEL_NEW) {
        PST_COUNT(requests_new, 1);
    }
    return (pst_novel_e)serving;
}

void pst_novel_rest(void)
{
    serving = PST_NOVEL_NONE;
}

static void charge_novelty(apr_int64_t newly, apr_int64_t again)
{
    if (newly) {
        PST_COUNT(grown_new_bytes, newly * PAGE);
    }
    if (again) {
        PST_COUNT(grown_again_bytes, again * PAGE);
    }
}

void pst_novel_grown(pst_record_t *record, apr_size_t bytes)
{
    apr_uint32_t pages = (apr_uint32_t)(bytes / PAGE);

    if (!serving || record->account->scope != PST_SCOPE_PROCESS) {
        return;
    }
    if (serving == PST_NOVEL_NEW) {
        record->newly += pages;
        charge_novelty(pages, 0);
    }
    else {
        record->again += pages;
        charge_novelty(0, pages);
    }
}

/* It is not recorded who the first node belongs to: it goes to either that has enough. */
void pst_novel_given_back(pst_record_t *record, apr_size_t left)
{
    apr_uint32_t pages = (apr_uint32_t)(left / PAGE), newly = record->newly, again = record->again;

    if (!newly && !again) {
        return;
    }
    record->newly = newly < pages ? 0 : pages;
    record->again = record->newly || again < pages ? 0 : pages;
    charge_novelty((apr_int64_t)record->newly - newly, (apr_int64_t)record->again - again);
}
