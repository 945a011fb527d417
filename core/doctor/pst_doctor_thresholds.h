/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the doctor draws its lines, and why.  docs/doctor.md repeats them; t/unit/doctor.c tries both
 * sides of each.
 */
#ifndef PST_DOCTOR_THRESHOLDS_H
#define PST_DOCTOR_THRESHOLDS_H

#define PST_DOCTOR_MIB ((apr_uint64_t)1024 * 1024)

/* Nothing is judged by a record shorter than this: a server that warms up grows, and one between two bursts keeps
 * what it freed. In points, so that a coarse interval needs a longer time; and in seconds, so that a fine one does
 * not need less. */
#define PST_DOCTOR_RECORD_POINTS  20
#define PST_DOCTOR_RECORD_SECONDS 20

/* Growth that only the child's end gives back (process scope, heap) is called a leak, so it takes longer to judge: a
 * server that warms up fills caches, and threads take what they keep when they are first used. */
#define PST_DOCTOR_LEAK_SECONDS   40
/* With a record of minutes growth is a leak even if its owner is not known; and only then can growth that ends
 * with its request or connection be critical. */
#define PST_DOCTOR_LONG_SECONDS   300
/* A rate is extrapolated to this many times the time over which it was seen, and to a day at most. */
#define PST_DOCTOR_FORESEES       24

/* Eight of APR's smallest nodes: less than that is how pools normally fill their nodes. For a process scope at least
 * a node per thread: each may have to fill the one that is kept for it. */
#define PST_DOCTOR_GROWN          65536
#define PST_DOCTOR_GROWN_THREAD   8192
/* Fewer connections than this are reported one by one. */
#define PST_DOCTOR_ALIKE          8
/* Similar connections, as a sum: each may warm up by this much. */
#define PST_DOCTOR_GROWN_EACH     2048
/* With this many samples that stayed, more would not identify the owner: several hold it. */
#define PST_DOCTOR_SHARED         48
/* Figures of call sites are estimates from samples; below this a warm-up of many connections looks the same. */
#define PST_DOCTOR_SITE_GROWN     PST_DOCTOR_MIB
/* The heap moves more than pools do: caches, and what each thread keeps for itself, at most 100 KB with glibc. */
#define PST_DOCTOR_HEAP_GROWN     262144
#define PST_DOCTOR_HEAP_THREAD    102400
/* What threads may need does not count once it is certain whose it is: one module holds so many thousandths of what
 * stayed, and it grows evenly with requests. What threads keep is many modules', and comes once for each. */
#define PST_DOCTOR_CERTAIN        750
/* Mappings outside of heap and pools: a language runtime takes a few chunks of 2 MiB as it warms up; steady growth
 * beyond that is not warm-up. */
#define PST_DOCTOR_MAPPED_GROWN   8388608
/* Stacks: a thread touches a few hundred KiB of its own as it serves its first requests. */
#define PST_DOCTOR_STACKS_GROWN   2097152
#define PST_DOCTOR_STACKS_THREAD  262144
/* Growth caused by new URLs or clients, and growth that has ended, does no harm: worth reporting from here on. */
#define PST_DOCTOR_WORTH_TELLING  524288
/* At least one request in this many new ones must be a repeated one to tell how repeated requests behave. */
#define PST_DOCTOR_REPEATED       4
/* A class grows with the connections it serves, which is not a leak: this many per cent more connections explain it. */
#define PST_DOCTOR_MORE_CONNECTIONS 20
/* Growth that takes this percentage of available memory, within the foreseeable time, is critical. */
#define PST_DOCTOR_CRITICAL       10

/* Retained, free in the heap, slack: worth reporting from here on, in one child, and if it is at least half of
 * the whole. A small idle child keeps a few MiB for its next request, and should. */
#define PST_DOCTOR_KEPT           (16 * PST_DOCTOR_MIB)
/* The same for all children together, where each keeps little: as with prefork, whose children have one
 * allocator each. */
#define PST_DOCTOR_KEPT_SERVER    (64 * PST_DOCTOR_MIB)
/* From here on, over all children, it is a warning. */
#define PST_DOCTOR_KEPT_WARNING   (256 * PST_DOCTOR_MIB)

/** Mappings that one request left behind: this many times what others take at their peaks, with at least this many
 *  other requests, and this many seconds after it. */
#define PST_DOCTOR_SURGE_TIMES    4
#define PST_DOCTOR_SURGE_REQUESTS 8
#define PST_DOCTOR_SURGE_SECONDS  10
/* A limit for MaxMemFree should cover what this many thousandths of requests need, or each asks the system again. */
#define PST_DOCTOR_COVERED        950
/* Fewer requests than this say nothing about their sizes. */
#define PST_DOCTOR_REQUESTS       100
/* More arenas than this: threads scatter over them what one would keep together. */
#define PST_DOCTOR_ARENAS         8

/* Another process, by its own memory: interpreters move by a few hundred KB as they work. */
#define PST_DOCTOR_PROCESS_GROWN  PST_DOCTOR_MIB

/* In each of this many last reloads, by at least this much.  A healthy parent on Debian 12 moved by 4 KiB at most
 * in any of twenty reloads. */
#define PST_DOCTOR_RELOADS        3
/* Where a module was seen to take it in each. */
#define PST_DOCTOR_RELOADS_SEEN   2
#define PST_DOCTOR_RELOAD_POOLS   4096
/* Bytes used of what outlives the configuration: in a healthy server they do not move at all. */
#define PST_DOCTOR_RELOAD_LASTING 1024
#define PST_DOCTOR_RELOAD_PRIVATE 32768
/* Shared memory is created in large pieces and for good: less than this is somebody's bookkeeping. */
#define PST_DOCTOR_RELOAD_SHMEM   262144

/* Children of a generation that judged their lives, and the share of these that rose until their end. */
#define PST_DOCTOR_LIVES        8
#define PST_DOCTOR_LIVES_RISING 0.8

/* A child that ended without notice while it was large (PST_LOSS_LARGE) is reported for this long: whoever was asleep
 * then finds it in the morning. */
#define PST_DOCTOR_LOST_SECONDS   86400

/* Of the board's blocks, in per cent. Half of them is the most that one generation takes. */
#define PST_DOCTOR_BOARD_FULL     90
/* A generation whose children still serve this long after the next began. Seconds: downloads may take that long. */
#define PST_DOCTOR_LINGERS        1800
/* What is left for the rest of the machine, when a value for MaxRequestWorkers is suggested. Per cent for httpd. */
#define PST_DOCTOR_MEMORY_SHARE   80

/* This many findings of one kind are listed; the last says how many more there are. */
#define PST_DOCTOR_LISTED         5

/* Places of misuse that are reported: each corrupts memory, so none may hide behind ten others. */
#define PST_DOCTOR_MISUSES 24

#endif /* PST_DOCTOR_THRESHOLDS_H */
