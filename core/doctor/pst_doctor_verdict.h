/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts on growth, in words, and whether they are findings: for pst_doctor*.c alone.
 */
#ifndef PST_DOCTOR_VERDICT_H
#define PST_DOCTOR_VERDICT_H

#include "pst_doctor_parts.h"

/** Microseconds: the time in which it gained that much. */
apr_uint64_t pst_doctor_lasted(const pst_shared_verdict_t *verdict);

/** In seconds and in points: a coarse interval needs a longer time. */
int pst_doctor_long_enough(const pst_doctor_t *doctor, apr_uint64_t usec, apr_uint64_t seconds);

/** Whether it has grown for that many seconds, by that many bytes. */
int pst_doctor_grown(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, double least,
                     apr_uint64_t seconds);

/** Note growth that is not a finding yet, and what is missing for one: then nobody may say that all is well. */
void pst_doctor_waits(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, const char *what, double least,
                      apr_uint64_t seconds);

/** @param returns  it is freed when the request or connection ends */
pst_severity_e pst_doctor_severity(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, int returns);

/** "60.2 KiB a minute, 105 bytes a request" */
const char *pst_doctor_rate(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict);

/** "It grew by 1.2 MiB, evenly, in ...; if that goes on, it is ..." */
const char *pst_doctor_since(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict);

void pst_doctor_rate_figures(pst_finding_t *finding, const pst_shared_verdict_t *verdict);

/**
 * Who to write to; or that this is not known, and who holds how much so far. pst_doctor_who.c
 * @param finding its `blamed` and `site` are set, too
 * @param scope   pst_scope_e: whose blame has the candidates; below 0: none
 */
const char *pst_doctor_author(pst_doctor_t *doctor, pst_finding_t *finding, const pst_child_row_t *child,
                              const pst_shared_verdict_t *verdict, int scope);

/**
 * The same for many children: by what stayed in all of them, since too little stays in each alone.
 * @param group_of the group of each child of the snapshot
 * @param which    the requested group
 */
const char *pst_doctor_author_of_many(pst_doctor_t *doctor, pst_finding_t *finding, const unsigned *group_of,
                                      unsigned which, unsigned scope);

/** " The code behind it is ...", where nobody is to blame; empty if it is not known. */
const char *pst_doctor_code(const pst_doctor_t *doctor, const pst_child_row_t *child,
                            const pst_shared_verdict_t *verdict);

/** How a growth ranks among similar ones: by its gain relative to the largest gain among them, in powers of two.
 *  Growths that run side by side keep their order. */
double pst_doctor_weight(const pst_shared_verdict_t *verdict, float most);

/** The most connections at once in the first quarter of the time since then, and in the last; of the child whose
 *  history pst_doctor_history() read last, and found. */
void pst_doctor_connections(const pst_doctor_t *doctor, apr_uint64_t since, apr_uint64_t *was, apr_uint64_t *now);

/** Does a scope of the child, a connection or their sum grow, or did it until now? Anything else that grows is the
 *  same memory again. */
int pst_doctor_said_otherwise(const pst_doctor_t *doctor, const pst_child_row_t *child);

/** Set the last finding's count of others like it. */
void pst_doctor_note_more(pst_doctor_t *doctor, const pst_top_t *top);

/** The class of the child's pools that grows fastest, of those whose maker is known. @return NULL if none is */
const pst_class_row_t *pst_doctor_growing_class(const pst_child_row_t *child);

#endif /* PST_DOCTOR_VERDICT_H */
