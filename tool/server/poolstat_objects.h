/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions by name, and code by address, as the server's own processes have them: a face of the command then
 * says what httpd's says. For a server that is gone, only objects that this command has loaded itself are
 * known.
 */
#ifndef POOLSTAT_OBJECTS_H
#define POOLSTAT_OBJECTS_H

#include "poolstat_find.h"

/** Look in a process of this board's server from now on, until pool goes. If there is none, nothing
 *  changes. @param board its `objects` is set */
void poolstat_objects(poolstat_board_t *board, apr_pool_t *pool);

#endif /* POOLSTAT_OBJECTS_H */
