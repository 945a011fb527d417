/* SPDX-License-Identifier: Apache-2.0
 *
 * Between these two, what pools hand out is watched piece by piece: see fuzz_memory.c.
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

void fuzz_memory_begin(void);

/** After the pools of the input were destroyed. */
void fuzz_memory_end(void);

#endif /* FUZZ_MEMORY_H */
