/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_runtime.h.
 */
#include "pst_runtime.h"

struct pst_runtime_t pst_runtime = { .why_none = "The board has not been made yet." };
