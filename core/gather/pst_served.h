/* SPDX-License-Identifier: Apache-2.0
 *
 * Which connection a thread serves.
 *
 * Set by httpd hooks that run only if PoolStatCheck or PoolStatControl is configured: otherwise no connection is
 * known here.
 *
 * Called by: worker
 */
#ifndef PST_SERVED_H
#define PST_SERVED_H

#include "pst_account.h"

typedef struct pst_served_t {
    apr_uint64_t             connection;    /**< its id; 0: none */
    const pst_shared_slot_t *slot;          /**< its slot, if it has one: on the board, so always valid */
} pst_served_t;

/** The connection served by this thread. */
extern __thread pst_served_t pst_served __attribute__((tls_model("initial-exec")));

/** This thread serves that connection from now on. @param account the connection's or its request's; NULL: none */
void pst_served_set(const pst_account_t *account);

#endif /* PST_SERVED_H */
