/* SPDX-License-Identifier: Apache-2.0
 *
 * Content negotiation (RFC 9110, 12.5.1), as far as a face has two forms.
 */
#ifndef PST_ACCEPT_H
#define PST_ACCEPT_H

#include "pst_emit.h"

/**
 * Which form of the metrics an Accept header asks for: OpenMetrics 1.0.0 if it is preferred, or named with the same
 * weight as the other; else text 0.0.4, even if neither is acceptable: a scraper can do more with that than with a
 * 406.  Any thread; pure.
 * @param accept NULL for no header; any bytes
 * @return PST_EMIT_METRICS or PST_EMIT_OPENMETRICS
 */
pst_emit_e pst_accept_metrics(const char *accept);

/** The Content-Type of either. */
const char *pst_accept_type(pst_emit_e format);

#endif /* PST_ACCEPT_H */
