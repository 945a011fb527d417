/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: which form of the metrics an Accept header asks for.
 */
#include <stdlib.h>
#include "tap.h"
#include "pst_accept.h"

static const struct {
    const char *accept;
    int open;
} cases[] = {
    { NULL, 0 }, { "", 0 }, { "*/*", 0 }, { "text/plain", 0 }, { "text/html,application/xhtml+xml,*/*;q=0.8", 0 },
    { "application/openmetrics-text", 1 },
    { "application/openmetrics-text; version=1.0.0; charset=utf-8", 1 },
    { "Application/OpenMetrics-Text;VERSION=\"1.0.0\"", 1 },
    { "application/openmetrics-text;version=0.0.1", 0 },
    { "application/openmetrics-text;version=2.0.0", 0 },
    /* Prometheus 2.42, 2.5x, 3.x */
    { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1 },
    { "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1 },
    { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
      "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
      "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", 1 },
    { "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 0 },
    /* q decides, and 0 forbids */
    { "application/openmetrics-text;q=0.3, text/plain;q=0.5", 0 },
    { "text/plain;q=0.3,application/openmetrics-text;q=0.301", 1 },
    { "application/openmetrics-text;q=0, */*", 0 }, { "application/openmetrics-text;q=0.000", 0 },
    { "text/plain;q=0, */*", 1 }, { "text/*;q=0.1, application/*;q=0.2", 1 }, { "text/*, application/*", 0 },
    { "application/openmetrics-text, text/plain", 1 }, { "text/plain, application/openmetrics-text", 1 },
    { "application/openmetrics-text;q=0.5, */*;q=0.5", 1 }, { "application/*;q=0.5", 1 },
    /* the most specific range decides, not the first */
    { "application/openmetrics-text;q=0.1, application/openmetrics-text;version=1.0.0;q=0.9, text/plain;q=0.5", 1 },
    { "application/openmetrics-text;version=1.0.0;q=0.1, application/openmetrics-text;q=0.9, text/plain;q=0.5", 0 },
    { "*/*;q=1, application/openmetrics-text;q=0.2, text/plain;q=0.1", 1 },
    /* neither acceptable: the older format */
    { "image/png", 0 }, { "*/*;q=0", 0 }, { "text/plain;q=0, application/openmetrics-text;q=0", 0 },
    /* no ranges */
    { "application/openmetrics-text;q=2", 0 }, { "application/openmetrics-text;q=1.001", 0 },
    { "application/openmetrics-text;q=", 0 }, { "application/openmetrics-text;q=0.1234", 0 },
    { "application/openmetrics-text;q=x, text/plain;q=0.1", 0 }, { "application openmetrics-text", 0 },
    { "*/openmetrics-text", 0 }, { ",,, ,application/openmetrics-text ,", 1 }, { "/", 0 }, { "a/", 0 },
    { "x/y;a=\"application/openmetrics-text, text/plain", 0 },
    { "x/y;a=\"\\\"\", application/openmetrics-text", 1 }, { "x/y;a=\",\", application/openmetrics-text", 1 },
    { "application/openmetrics-text ; version = 1.0.0 ; q = 0.9 , text/plain;q=0.8", 1 },
    { "application/openmetrics-text;;;", 1 }, { "application/openmetrics-text;version", 0 },
    { "application/openmetrics-text x, text/plain;q=0.1", 0 }, { "application/openmetrics-textual", 0 }
};

int main(void)
{
    static const char bytes[] = "*/,;=\"\\ \tq0.1textapplication\xff\x01";
    int known = 0;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok((pst_accept_metrics(cases[i].accept) == PST_EMIT_OPENMETRICS) == cases[i].open,
           cases[i].accept ? cases[i].accept : "no header");
    }
    srand(5);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % 60;
        char *text = malloc(len + 1);           /* of exactly this size: a sanitizer sees reads beyond it */

        for (size_t i = 0; i < len; i++) {
            text[i] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        }
        text[len] = '\0';
        switch (pst_accept_metrics(text)) {
        case PST_EMIT_METRICS: case PST_EMIT_OPENMETRICS: known++; break;
        default: break;
        }
        free(text);
    }
    is_number((unsigned)known, 20000, "random bytes: an answer");
    is_text(pst_accept_type(PST_EMIT_OPENMETRICS), "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "OpenMetrics' type");
    is_text(pst_accept_type(PST_EMIT_METRICS), "text/plain; version=0.0.4; charset=utf-8", "the text's type");
    return done();
}
