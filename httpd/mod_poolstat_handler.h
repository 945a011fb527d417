/* SPDX-License-Identifier: Apache-2.0
 *
 * The content handler: SetHandler pool-status.
 */
#ifndef MOD_POOLSTAT_HANDLER_H
#define MOD_POOLSTAT_HANDLER_H

#include <httpd.h>

#define PST_HANDLER_NAME "pool-status"

/**
 * Hook: ap_hook_handler.  Serves, below the place where the handler is set,
 *
 *   (itself)     the page; with ?auto, the text
 *   /json        JSON
 *   /history     JSON: the histories there are; with ?pid=, the points of one
 *   /profile     the call sites, as a heap profile for pprof
 *   /metrics     what Prometheus scrapes, in the format it asks for
 *   /release     POST: asks children to give memory back, and shows the outcome (mod_poolstat_release.h)
 *   /style.css   the page's style
 *
 * Runs on the request's thread, takes no lock, reads the board only; its memory goes back to the
 * operating system before it returns.
 * Call it only for requests that it serves.
 * @return OK, also when it answered 400 or 503 itself;
 *         404 for another path below, 405 for a method other than GET and HEAD
 */
int pst_handler(request_rec *r);

/** Is the request for one of our faces, going by its handler? */
int pst_handler_serves(const request_rec *r);

/**
 * Where the page is on the server that r asks: the first plain <Location> that sets our handler.
 * @return its path, or NULL if there is none
 */
const char *pst_handler_location(request_rec *r);

#endif /* MOD_POOLSTAT_HANDLER_H */
