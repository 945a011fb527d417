/* SPDX-License-Identifier: Apache-2.0
 *
 * The global pool of another process: where its tree begins.  Command only.
 */
#ifndef PST_GLOBAL_H
#define PST_GLOBAL_H

#include "pst_forest.h"
#include "pst_symbols.h"

/**
 * Find it.
 * @param why set to a (static) sentence if there is none
 * @return its address, or 0
 */
uintptr_t pst_global_find(pst_remote_t *remote, pst_symbols_t *symbols, const char **why);

#endif /* PST_GLOBAL_H */
