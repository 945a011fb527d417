/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the doctor draws its lines, and why.  docs/doctor.md repeats them; t/unit/doctor.c tries both
 * sides of each.
 */
#ifndef PST_DOCTOR_THRESHOLDS_H
#define PST_DOCTOR_THRESHOLDS_H

#define PST_DOCTOR_MIB ((apr_uint64_t)1024 * 1024)

/* Nothing is judged by a record shorter than this: a server that warms up grows, one between two bursts keeps
 * what it freed.  Points, so that a coarse interval needs a longer time; and seconds, so that a fine one does not need
 * less. */
#define PST_DOCTOR_RECORD_POINTS  20
#define PST_DOCTOR_RECORD_SECONDS 20

/* What only the child's end gives back, its process scope and its heap, is called a leak, so it takes longer: a server
 * that warms up fills caches, and threads that are first used take what they keep. */
#define PST_DOCTOR_LEAK_SECONDS   40
/* With a record of minutes a leak is one even if nothing is known about whose it is; and only then may growth that
 * comes back with its request or connection be critical. */
#define PST_DOCTOR_LONG_SECONDS   300
/* A rate says something about so many times the time over which it was seen, and a day at most. */
#define PST_DOCTOR_FORESEES       24

/* Eight of APR's smallest nodes: less than that is how pools always fill their nodes up. Of a process scope a node for
 * each thread at least: each may have to fill up one that is kept for it. */
#define PST_DOCTOR_GROWN          65536
#define PST_DOCTOR_GROWN_THREAD   8192
/* Fewer connections than that are told one by one. */
#define PST_DOCTOR_ALIKE          8
/* Connections that are alike, in sum: each may have to warm up by so much. */
#define PST_DOCTOR_GROWN_EACH     2048
/* With so many samples that stayed, more would not tell who: several hold it. */
#define PST_DOCTOR_SHARED         48
/* Call sites as such are estimates by a sample; below that a warm-up of many connections looks the same. */
#define PST_DOCTOR_SITE_GROWN     PST_DOCTOR_MIB
/* The heap moves more than pools do: caches, and what a thread keeps in its own, 100 KB at most with glibc. */
#define PST_DOCTOR_HEAP_GROWN     262144
#define PST_DOCTOR_HEAP_THREAD    102400
/* Mappings outside of heap and pools: a language's runtime takes a few chunks of 2 MiB as it warms up; what goes on
 * evenly beyond is none of it. */
#define PST_DOCTOR_MAPPED_GROWN   8388608
/* Stacks: a thread touches some hundred KiB of its own as it serves its first requests. */
#define PST_DOCTOR_STACKS_GROWN   2097152
#define PST_DOCTOR_STACKS_THREAD  262144
/* What grows with what is new, and what no longer grows, harms nobody: worth a word from here on. */
#define PST_DOCTOR_WORTH_TELLING  524288
/* Of requests, one in so many that are new must be repeated to say what repeated ones do. */
#define PST_DOCTOR_REPEATED       4
/* A class grows with the connections it serves, and that is no leak: so many per cent more of these explain it. */
#define PST_DOCTOR_MORE_CONNECTIONS 20
/* What takes this part of the memory there is, in per cent, within the time that can be foreseen, is critical. */
#define PST_DOCTOR_CRITICAL       10

/* Retained, free in the heap, slack: worth a word from here on, in one child, and if it is at least half of all.
 * A small idle child keeps some MiB for its next request, and should. */
#define PST_DOCTOR_KEPT           (16 * PST_DOCTOR_MIB)
/* The same of all children together, where each keeps little: as with prefork, whose children have one allocator
 * each. */
#define PST_DOCTOR_KEPT_SERVER    (64 * PST_DOCTOR_MIB)
/* From here on, over all children, it is a warning. */
#define PST_DOCTOR_KEPT_WARNING   (256 * PST_DOCTOR_MIB)

/** Mappings that one request left behind: so many times what others take at their peaks, which so many were asked for,
 *  and so many seconds after it. */
#define PST_DOCTOR_SURGE_TIMES    4
#define PST_DOCTOR_SURGE_REQUESTS 8
#define PST_DOCTOR_SURGE_SECONDS  10
/* A limit for MaxMemFree should hold what these thousandths of requests need, or each of them asks the system anew. */
#define PST_DOCTOR_COVERED        950
/* Fewer requests than this say nothing about their sizes. */
#define PST_DOCTOR_REQUESTS       100
/* More arenas than that: threads spread over them what one would keep together. */
#define PST_DOCTOR_ARENAS         8

/* Another process, by what is its own: interpreters move by some hundred KB as they work. */
#define PST_DOCTOR_PROCESS_GROWN  PST_DOCTOR_MIB

/* In each of the last so many reloads, by at least so much.  A healthy parent on Debian 12 moved by 4 KiB at most
 * in any of twenty reloads. */
#define PST_DOCTOR_RELOADS        3
#define PST_DOCTOR_RELOAD_POOLS   4096
/* Bytes used of what outlives the configuration: a healthy one does not move at all. */
#define PST_DOCTOR_RELOAD_LASTING 1024
#define PST_DOCTOR_RELOAD_PRIVATE 32768
/* Shared memory is made in pieces, for good: less than that is somebody's bookkeeping. */
#define PST_DOCTOR_RELOAD_SHMEM   262144

/* A child that ended without a word while it was large (PST_LOSS_LARGE) is told for so long: who was asleep then shall
 * find it in the morning. */
#define PST_DOCTOR_LOST_SECONDS   86400

/* Of the board's blocks, in per cent. Half of them is the most that one generation takes. */
#define PST_DOCTOR_BOARD_FULL     90
/* A generation whose children still serve so long after the next began. Seconds: downloads may take as long as that. */
#define PST_DOCTOR_LINGERS        1800
/* What is left for the rest of the machine, when a value for MaxRequestWorkers is suggested. Per cent for httpd. */
#define PST_DOCTOR_MEMORY_SHARE   80

/* Of findings of one kind, so many are listed; the last says how many more there are. */
#define PST_DOCTOR_LISTED         5

/* Places of misuse that are told: each corrupts memory, so none may be hidden behind ten others. */
#define PST_DOCTOR_MISUSES 24

#endif /* PST_DOCTOR_THRESHOLDS_H */
