/* SPDX-License-Identifier: Apache-2.0
 *
 * What taking the books costs, and who has to wait for it: in a process of a chosen size with a heap fragmented as
 * requested.  bench/lib/Books.pm compiles it with core/.
 *
 *   books cost MEGABYTES CHUNKS TIMES   of sum, heap and maps: microseconds of CPU of the fastest taking, and how many
 *   seconds
 *                                       the source is then left alone; of giving back what is free in the heap, and of
 *                                       trying
 *                                       that again: microseconds
 *   books wait MEGABYTES CHUNKS         three threads that malloc, map and fault for a second each: alone, while books
 *   are
 *                                       taken without pause, and as pst_books_beat() takes them: a line each,
 *                                       "mean p99.9 most" of each thread in microseconds
 *
 * MEGABYTES are touched in small pages; CHUNKS blocks are freed, each below one that stays.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pst_books.h"
#include "pst_heap.h"
#include "pst_memory.h"

#include <apr_time.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MB      (1024ul * 1024)
#define SECONDS 2.0

static double seconds_of(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void grow(unsigned long megabytes, unsigned long chunks)
{
    void **freed = malloc((chunks + 1) * sizeof(*freed));
    char *m = megabytes ? mmap(NULL, megabytes * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;

    if (m == MAP_FAILED || !freed) {
        exit(1);
    }
    if (m) {
        madvise(m, megabytes * MB, MADV_NOHUGEPAGE);
        memset(m, 1, megabytes * MB);
    }
    srand(1);
    for (unsigned long i = 0; i < chunks; i++) {
        void *volatile stays;

        freed[i] = malloc(1100 + (unsigned)rand() % 1000);
        stays = malloc(1100);
        (void)stays;
    }
    for (unsigned long i = 0; i < chunks; i++) {
        unsigned long j = (unsigned long)rand() % chunks;
        void *swap = freed[i];

        freed[i] = freed[j];
        freed[j] = swap;
    }
    for (unsigned long i = 0; i < chunks; i++) {
        free(freed[i]);
    }
    free(freed);
}

static void take(int source)
{
    pst_memory_sum_t sum;
    pst_memory_maps_t maps;
    pst_heap_figures_t heap;
    pst_heap_arenas_t arenas = { 0, 0, 0, 0 };

    switch (source) {
    case PST_BOOKS_SUM: pst_memory_sum(&sum, 0); break;
    case PST_BOOKS_HEAP: pst_heap_ask(&heap); break;
    default: pst_memory_maps(&maps, 0, NULL, pst_heap_find_arenas, &arenas); break;
    }
}

static void cost(int times)
{
    for (int source = 0; source < PST_BOOKS_SOURCES; source++) {
        double best = 1e9;

        for (int i = 0; i < times; i++) {
            double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID), took;

            take(source);
            took = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
            best = took < best ? took : best;
        }
        printf("%.1f %.1f ", best * 1e6, (double)pst_books_pause((pst_books_source_e)source, (apr_uint64_t)(best * 1e6)) / 1e6);
    }
    for (int i = 0; i < 2; i++) {
        double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        apr_uint64_t bytes;

        pst_heap_release(&bytes);
        printf("%.1f ", (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e6);
    }
    printf("\n");
}

/* -- who waits -------------------------------------------------------------- */

#define SAMPLES 4000000

static volatile int stop;

typedef struct worker_t {
    pthread_t thread;
    void (*work)(void);
    float *took;
    unsigned long count;
} worker_t;

static void by_malloc(void)
{
    void *volatile block = malloc(3000);

    free(block);
}

static void by_mapping(void)
{
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(m, 8192);
}

static void by_faulting(void)
{
    static char *room;

    if (!room) {
        room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    *(volatile char *)room = 1;
    madvise(room, 4096, MADV_DONTNEED);
}

static void *run(void *data)
{
    worker_t *w = data;

    while (!stop && w->count < SAMPLES) {
        double begin = seconds_of(CLOCK_MONOTONIC);

        w->work();
        w->took[w->count++] = (float)((seconds_of(CLOCK_MONOTONIC) - begin) * 1e6);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* how: 0 alone, 1 without pause, 2 as the watchdog does */
static void one_round(worker_t *worker, int how)
{
    static pst_shared_child_t child;
    static pst_books_keeper_t keeper;
    double until;

    stop = 0;
    worker->count = 0;
    pthread_create(&worker->thread, NULL, run, worker);
    until = seconds_of(CLOCK_MONOTONIC) + SECONDS;
    if (how == 2) {
        child.pid = (apr_uint32_t)getpid();
        pst_books_start(&child, 0, 0);
        pst_books_refresh(&keeper);
    }
    while (seconds_of(CLOCK_MONOTONIC) < until) {
        if (how == 1) {
            take(PST_BOOKS_SUM);
            take(PST_BOOKS_HEAP);
            take(PST_BOOKS_MAPS);
        }
        else {
            if (how == 2) {
                pst_books_beat(&keeper, &child, 0, (apr_uint64_t)apr_time_now(), 1);
            }
            usleep(50000);
        }
    }
    stop = 1;
    pthread_join(worker->thread, NULL);
}

static void wait_for_books(void)
{
    static void (*const works[])(void) = { by_malloc, by_mapping, by_faulting };
    worker_t worker;

    worker.took = mmap(NULL, SAMPLES * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(worker.took, 0, SAMPLES * sizeof(float));
    for (int how = 0; how < 3; how++) {
        for (unsigned w = 0; w < 3; w++) {
            double sum = 0;

            worker.work = works[w];
            one_round(&worker, how);
            for (unsigned long i = 0; i < worker.count; i++) {
                sum += worker.took[i];
            }
            qsort(worker.took, worker.count, sizeof(float), compare);
            printf("%.2f %.1f %.0f%s", sum / (double)worker.count, (double)worker.took[worker.count - worker.count / 1000 - 1],
                   (double)worker.took[worker.count - 1], w < 2 ? "  " : "\n");
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        return 2;
    }
    pst_heap_recognise();
    mallopt(M_ARENA_MAX, 1);    /* the thread that calls malloc must use the arena that is examined */
    grow(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    if (!strcmp(argv[1], "cost")) {
        cost(argc > 4 ? atoi(argv[4]) : 1);
    }
    else {
        wait_for_books();
    }
    return 0;
}
