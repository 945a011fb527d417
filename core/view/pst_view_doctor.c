/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings.  See pst_view_doctor.h.  The markup is in web/doctor.html.
 */
#include "pst_view_doctor.h"
#include "pst_doctor.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_web.h"

#include <apr_strings.h>
#include <stdio.h>

void pst_view_doctor(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_findings_t *findings = page->snapshot->findings;
    char record[PST_FORMAT_LEN];

    if (!findings) {
        return;
    }
    if (!findings->count) {
        const pst_piece_t *piece = &pst_web_doctor_none;

        if (!findings->record) {
            piece = &pst_web_doctor_no_record;
        }
        else if (findings->begun) {
            piece = &pst_web_doctor_begun;
        }
        else if (findings->young) {
            piece = &pst_web_doctor_young;
        }
        PIECE(emit, piece, NUMBER("children", findings->children),
              TEXT("waits", findings->waits ? findings->waits : "something grows"),
              TEXT("record", pst_format_age(record, findings->record)));
        return;
    }
    pst_emit_piece(emit, &pst_web_doctor, NULL, 0);
    for (unsigned i = 0; i < findings->count; i++) {
        const pst_finding_t *finding = &findings->findings[i];

        PIECE(emit, &pst_web_doctor_finding, TEXT("severity", pst_severity_word(finding->severity)),
              TEXT("id", finding->id), TEXT("what", finding->what), TEXT("evidence", finding->evidence),
              TEXT("advice", finding->advice));
        if (finding->more) {
            PIECE(emit, &pst_web_doctor_more, NUMBER("count", finding->more));
        }
    }
    pst_emit_piece(emit, &pst_web_doctor_end, NULL, 0);
}

static void print_doctor_text(pst_emit_t *emit, const char *key, const char *text)
{
    if (text) {
        pst_emit_text(emit, key, text);
    }
    else {
        pst_emit_null(emit, key);
    }
}

static void print_doctor_finding(pst_emit_t *emit, const pst_finding_t *finding)
{
    pst_emit_text(emit, "id", finding->id);
    pst_emit_text(emit, "severity", pst_severity_word(finding->severity));
    if (finding->pid) {
        pst_emit_number(emit, "pid", finding->pid);
    }
    else {
        pst_emit_null(emit, "pid");
    }
    if (finding->connection) {
        pst_emit_number(emit, "connection", finding->connection);
    }
    else {
        pst_emit_null(emit, "connection");
    }
    if (finding->tag) {
        pst_emit_text(emit, "tag", finding->tag);
    }
    else {
        pst_emit_null(emit, "tag");
    }
    print_doctor_text(emit, "blamed", finding->blamed);
    print_doctor_text(emit, "site", finding->site);
    pst_emit_text(emit, "what", finding->what);
    pst_emit_text(emit, "evidence", finding->evidence);
    pst_emit_text(emit, "advice", finding->advice);
    pst_emit_number(emit, "more", finding->more);
    pst_emit_object(emit, "figures");
    for (unsigned i = 0; i < finding->figure_count; i++) {
        pst_emit_signed(emit, finding->figures[i].key, finding->figures[i].value);
    }
    pst_emit_end(emit);
}

void pst_view_doctor_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    const pst_findings_t *findings = snapshot->findings;

    if (!findings) {
        return;
    }
    pst_emit_array(emit, "findings", "Finding");
    for (unsigned i = 0; i < findings->count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        print_doctor_finding(emit, &findings->findings[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

unsigned pst_view_doctor_text(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    const pst_findings_t *findings = snapshot->findings;
    char line[128], record[PST_FORMAT_LEN];

    if (!findings || !findings->count) {
        snprintf(line, sizeof(line), "No findings%s. %u children examined, on a record of %s.",
                 findings && (findings->begun || findings->young) ? " yet: it is too early to tell" : "",
                 (unsigned)(findings ? findings->children : 0),
                 pst_format_age(record, findings ? findings->record : 0));
        pst_emit_sentence(emit, line);
        if (findings && findings->begun && findings->waits) {
            pst_emit_sentence(emit, findings->waits);
        }
        return 0;
    }
    for (unsigned i = 0; i < findings->count; i++) {
        const pst_finding_t *finding = &findings->findings[i];

        snprintf(line, sizeof(line), "%s: %s", pst_severity_word(finding->severity), finding->id);
        pst_emit_sentence(emit, line);
        pst_emit_sentence(emit, finding->what);
        pst_emit_sentence(emit, finding->evidence);
        pst_emit_sentence(emit, finding->advice);
        if (finding->more) {
            snprintf(line, sizeof(line), "(and %llu more like this)", (unsigned long long)finding->more);
            pst_emit_sentence(emit, line);
        }
        pst_emit_sentence(emit, "");
    }
    return findings->count;
}
