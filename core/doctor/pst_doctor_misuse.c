/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on misuses of pools, allocators and buckets: what PoolStatCheck caught.  See pst_doctor_parts.h.
 *
 * These come first: memory corruption explains whatever else looks odd, and the crash that follows.  The same place
 * in several children is one finding.
 */
#include "pst_doctor_parts.h"
#include "pst_figure.h"
#include "pst_snapshot_misuses.h"
#include "pst_who.h"

#include <apr_strings.h>

static const struct {
    const char *id;
    pst_severity_e severity;
    const char *what;
    const char *advice;
} kinds[PST_MISUSE_COUNT] = {
#define PST_MISUSE(NAME, word, severity, first, second, third, what, advice) \
    { "misuse-" word, PST_SEVERITY_##severity, what, advice },
#include "poolstat_misuse.def"
};

/* "transaction pool", "pool", "HEAP bucket", "writev" */
static const char *object_of(const pst_doctor_t *doctor, const pst_shared_misuse_t *row)
{
    const char *what = row->what[0] ? row->what : "pool";

    return row->tag[0] ? pst_doctor_say(doctor, "%s (%s)", what, row->tag) : what;
}

/* "by mod_x.so x_handler (mod_x.c:12), in the hook handler" @return 0 if it is not known */
static int name_culprit(const pst_doctor_t *doctor, const pst_shared_stack_t *stack, pst_who_t *who, const char **text)
{
    char buffer[PST_WHO_LEN];
    pst_place_t place;

    if (pst_who_of_stack(who, doctor->snapshot->modules, stack->frames, stack->depth)) {
        *text = apr_pstrdup(doctor->pool, pst_who_text(buffer, who));
        return 1;
    }
    if (!stack->depth) {
        return 0;
    }
    pst_place_of(&place, doctor->snapshot, stack->frames[0]);
    who->of = place;
    *text = apr_pstrdup(doctor->pool, pst_place_text(buffer, &place));
    return 1;
}

static const char *say_stacks(const pst_doctor_t *doctor, pst_finding_t *finding, const pst_shared_misuse_t *row)
{
    const char *all = "", *text;

    for (unsigned i = 0; i < PST_MISUSE_STACKS; i++) {
        const char *word = pst_misuse_stack_word(row->kind, i);
        pst_who_t who;

        if (!word[0] || !name_culprit(doctor, &row->stacks[i], &who, &text)) {
            continue;
        }
        if (i == 0) {
            finding->blamed = who.of.module;
            finding->site = text;
        }
        all = pst_doctor_say(doctor, "%s%s%s by %s", all, all[0] ? "; " : "", word, text);
    }
    return all[0] ? all : "no stack is known";
}

/* "; by request GET /x of connection 3" */
static const char *say_party(const pst_doctor_t *doctor, const char *whose, const pst_shared_party_t *party)
{
    if (!party->connection) {
        return "";
    }
    return pst_doctor_say(doctor, " %s connection %" APR_UINT64_T_FMT "%s%s%s.", whose, party->connection,
                          party->line[0] ? ", request \"" : "", party->line, party->line[0] ? "\"" : "");
}

static const char *say_where(const pst_doctor_t *doctor, const pst_shared_misuse_t *row)
{
    const char *age = row->age ? pst_doctor_say(doctor, ", %s after its end",
                                                row->age < 1000000 ? pst_doctor_say(doctor, "%" APR_UINT64_T_FMT " us",
                                                                                    row->age)
                                                                   : pst_doctor_age(doctor, row->age)) : "";

    if (row->size) {
        return pst_doctor_say(doctor, " At byte %" APR_UINT64_T_FMT " of %" APR_UINT64_T_FMT "%s.", row->offset,
                              row->size, age);
    }
    return age[0] ? pst_doctor_say(doctor, " That was%s.", age + 1) : "";
}

typedef struct {
    apr_uint64_t times;
    unsigned children, gone;
} sum_t;

static void tell_misuse(pst_doctor_t *doctor, const pst_misuse_row_t *misuse, const sum_t *sum)
{
    const pst_shared_misuse_t *row = &misuse->row;
    pst_finding_t *finding = pst_doctor_find(doctor, kinds[row->kind].id, kinds[row->kind].severity);

    finding->pid = misuse->pid;
    finding->connection = row->by.connection;
    finding->tag = row->tag[0] ? apr_pstrdup(doctor->pool, row->tag) : NULL;
    finding->what = apr_pstrcat(doctor->pool, apr_psprintf(doctor->pool, kinds[row->kind].what, object_of(doctor, row)),
                                misuse->lives ? "." : "; the child has ended since.", NULL);
    finding->evidence = pst_doctor_say(doctor, "%" APR_UINT64_T_FMT " times in %u children: %s.%s%s%s", sum->times,
                                       sum->children, say_stacks(doctor, finding, row), say_where(doctor, row),
                                       say_party(doctor, "It was done by", &row->by),
                                       say_party(doctor, "The memory was that of", &row->of));
    finding->advice = kinds[row->kind].advice;
    pst_doctor_figure(finding, "times", (double)sum->times);
    pst_doctor_figure(finding, "children", sum->children);
    pst_doctor_figure(finding, "children_gone", sum->gone);
    pst_doctor_figure(finding, "offset_bytes", (double)row->offset);
    pst_doctor_figure(finding, "age_seconds", (double)row->age / 1e6);
}

/* Add up those like it: one of many is reported. @return 0 if it was reported before */
static int add_up(sum_t *sum, const pst_snapshot_t *snapshot, apr_uint32_t i)
{
    *sum = (sum_t){ 0, 0, 0 };
    for (apr_uint32_t k = 0; k < snapshot->misuse_count; k++) {
        const pst_misuse_row_t *misuse = &snapshot->misuses[k];

        if (!pst_misuse_same(misuse, &snapshot->misuses[i])) {
            continue;
        }
        if (k < i) {
            return 0;
        }
        sum->times = pst_plus(sum->times, misuse->row.times);
        sum->children++;
        sum->gone += !misuse->lives;
    }
    return 1;
}

void pst_doctor_misuses(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    unsigned told = 0;
    sum_t sum;

    for (apr_uint32_t i = 0; i < snapshot->misuse_count && told < PST_DOCTOR_MISUSES; i++) {
        if (add_up(&sum, snapshot, i)) {
            tell_misuse(doctor, &snapshot->misuses[i], &sum);
            told++;
        }
    }
}
