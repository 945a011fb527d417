/* SPDX-License-Identifier: Apache-2.0
 *
 * The page's sections on code: classes of pools, and call sites.
 */
#ifndef PST_VIEW_PLACES_H
#define PST_VIEW_PLACES_H

#include "pst_view_page.h"

/** How many of each the page shows; JSON has all. */
#define PST_VIEW_CLASSES 15
#define PST_VIEW_SITES   12

/** Both sections, of all children in the snapshot, largest first. Takes the loader's lock for names. */
void pst_view_places(pst_emit_t *emit, const pst_page_t *page);

#endif /* PST_VIEW_PLACES_H */
