/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_child.h.  Written while the process has one thread, read by all.
 */
#include "pst_child.h"

struct pst_child_t pst_child;

void pst_child_start(pst_shared_child_t *block)
{
    pst_child.block = block;
    pst_child.reserved = 0;
    pst_child.muted = 0;
}

void pst_child_mute(void)
{
    pst_child.muted = 1;
}
