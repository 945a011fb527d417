/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_runtime.h.
 */
#include "pst_runtime.h"
#include "pst_child.h"

struct pst_runtime_t pst_runtime = { .why_none = "The board has not been made yet." };

void pst_runtime_give_back(void)
{
    if (pst_runtime.board) {
        pst_board_give_back(pst_runtime.board, pst_child_block());
    }
}
