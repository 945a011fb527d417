/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat: from a subcommand's word to its function.
 */
#include "poolstat.h"
#include "pst_array.h"

#include <string.h>

int poolstat_run(int argc, const char *const *argv)
{
    static const struct {
        const char *name;
        poolstat_command_fn fn;
    } commands[] = {
#define FUNCTION(name, operand, fn, help) { name, fn },
        POOLSTAT_COMMANDS(FUNCTION)
    };
    poolstat_options_t options;
    int status = poolstat_options(&options, argc, argv);

    for (unsigned i = 0; status < 0 && i < PST_ITEMS(commands); i++) {
        if (!strcmp(commands[i].name, argv[0])) {
            status = commands[i].fn(&options);
        }
    }
    return status;
}
