/* SPDX-License-Identifier: Apache-2.0
 *
 * The real functions behind the wrappers.  See pst_wrap.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_wrap.h"

#include <apr_strings.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

pst_real_t pst_real;

void pst_real_find(void)
{
#define PST_HOOK(table, when, function, name, returns, arguments) pst_real.name = function;
#include "pst_hooks.def"
}
