/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parent keeps across reloads.  A reload may bring another build of this module, so
 * the key names the build and layout that the memory belongs to. What an older build kept stays where it is:
 * only that build knows how to close it.
 */
#include "mod_poolstat_private.h"
#include "poolstat_board.h"
#include "pst_version.h"

#include <apr_strings.h>
#include <http_core.h>

#define KEY_LEN 128

void *pst_retained(const char *what, unsigned layout, apr_size_t size)
{
    char key[KEY_LEN];
    void *kept;

    apr_snprintf(key, sizeof(key), "mod_poolstat " PST_VERSION " %s: board %d, layout %u, %" APR_SIZE_T_FMT " bytes",
                 what, PST_BOARD_VERSION, layout, size);
    kept = ap_retained_data_get(key);
    return kept ? kept : ap_retained_data_create(key, size);
}
