/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_served.h.
 */
#include "pst_served.h"

__thread pst_served_t pst_served __attribute__((tls_model("initial-exec")));

void pst_served_set(const pst_account_t *account)
{
    const pst_account_t *connection = account && account->above ? account->above : account;

    pst_served.connection = connection ? connection->id : 0;
    pst_served.slot = connection ? connection->slot : NULL;
}
