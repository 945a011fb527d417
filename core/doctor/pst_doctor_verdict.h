/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts on growth in words, and whether they are findings: for pst_doctor*.c alone.
 */
#ifndef PST_DOCTOR_VERDICT_H
#define PST_DOCTOR_VERDICT_H

#include "pst_doctor_parts.h"

/** Microseconds: the time over which it gained what it did. */
apr_uint64_t pst_doctor_lasted(const pst_shared_verdict_t *verdict);

/** In seconds, and in as many points: a coarse interval needs a longer time. */
int pst_doctor_long_enough(const pst_doctor_t *doctor, apr_uint64_t usec, apr_uint64_t seconds);

/** Whether it grows, for so many seconds, by so many bytes. */
int pst_doctor_grown(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, double least,
                     apr_uint64_t seconds);

/** What grows and is no finding yet, and what it waits for: nobody may say that all is well. */
void pst_doctor_waits(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, const char *what, double least,
                      apr_uint64_t seconds);

/** @param returns  it comes back when the request or connection ends */
pst_severity_e pst_doctor_severity(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, int returns);

/** "60.2 KiB a minute, 105 bytes a request" */
const char *pst_doctor_rate(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict);

/** "It grew by 1.2 MiB, evenly, in ...; if that goes on, it is ..." */
const char *pst_doctor_since(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict);

void pst_doctor_rate_figures(pst_finding_t *finding, const pst_shared_verdict_t *verdict);

/**
 * Whom to write to; or that it is not known, and who holds how much so far. pst_doctor_who.c
 * @param finding is told, too
 * @param scope   pst_scope_e: of whose blame the candidates are; below 0: there are none
 */
const char *pst_doctor_author(pst_doctor_t *doctor, pst_finding_t *finding, const pst_child_row_t *child,
                              const pst_shared_verdict_t *verdict, int scope);

/**
 * The same of many children: by what stayed in all of them, since in each alone too little does.
 * @param group_of of each child of the snapshot, its group
 * @param which    the group asked for
 */
const char *pst_doctor_author_of_many(pst_doctor_t *doctor, pst_finding_t *finding, const unsigned *group_of,
                                      unsigned which, unsigned scope);

/** " The code behind it is ...", where nobody is to be blamed; empty if it is not known. */
const char *pst_doctor_code(const pst_doctor_t *doctor, const pst_child_row_t *child,
                            const pst_shared_verdict_t *verdict);

/** How a growth ranks among its like: by what it gained, as a part of the most that one of them did, in powers of two.
 *  What grows side by side keeps its place as long as it does. */
double pst_doctor_weight(const pst_shared_verdict_t *verdict, float most);

/** The most connections at once in the first quarter of the time since then, and in the last; of the child whose
 *  history pst_doctor_history() read last, and found. */
void pst_doctor_connections(const pst_doctor_t *doctor, apr_uint64_t since, apr_uint64_t *was, apr_uint64_t *now);

/** Does a scope of the child, a connection or their sum grow, or did until now? What else grows is the same memory once
 *  more. */
int pst_doctor_said_otherwise(const pst_doctor_t *doctor, const pst_child_row_t *child);

/** The last finding's count of others like it. */
void pst_doctor_note_more(pst_doctor_t *doctor, const pst_top_t *top);

/** The class of the child's pools that grows fastest, of those whose maker is known. @return NULL if none is */
const pst_class_row_t *pst_doctor_growing_class(const pst_child_row_t *child);

#endif /* PST_DOCTOR_VERDICT_H */
