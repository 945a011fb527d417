/* SPDX-License-Identifier: Apache-2.0
 *
 * Mappings that libapr made for things other than nodes (mapped files, shared memory), so that when it unmaps
 * something we know whether it was a node. Never reads the mapped memory: a mapped file may have been truncated.
 *
 * Child processes, any thread, no lock.
 *
 * Called by: worker
 */
#ifndef PST_MAPS_H
#define PST_MAPS_H

/** Remember a mapping. @return 0 if there was no room: it will then be taken for a node */
int pst_maps_add(const void *at);

/** Forget a mapping. @return whether it was known */
int pst_maps_remove(const void *at);

#endif /* PST_MAPS_H */
