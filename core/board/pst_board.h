/* SPDX-License-Identifier: Apache-2.0
 *
 * The board's life: made by the parent, claimed by children, read by anyone.
 * APR only.  The layout is in include/poolstat_board.h.
 *
 * Called by: parent (pst_board_create, pst_board_withhold, pst_board_holder, pst_board_is_at,
 *   pst_board_release_block), start (pst_board_join, pst_board_close_file, pst_board_claim_unseen, pst_board_show), end
 *   (pst_board_farewell), worker (pst_board_module_add, pst_slot_begin, pst_slot_end), reader (pst_board_open_file,
 *   pst_board_check_header, pst_board_is_hollow, pst_slot_copy), any
 */
#ifndef PST_BOARD_H
#define PST_BOARD_H

#include <apr_pools.h>
#include "poolstat_board.h"

/**
 * A mapping of a board, with the geometry as this process knows it: never read
 * back from shared memory.
 */
typedef struct pst_board_t {
    void        *base;          /**< start of the mapping */
    apr_size_t   size;          /**< its length */
    apr_uint32_t header_size;
    apr_uint32_t child_size;
    apr_uint32_t child_count;
    apr_uint32_t slot_count;
    apr_uint64_t history_at;
    apr_uint32_t history_size;  /**< 0: there are no histories */
    apr_uint32_t fine_count;
    apr_uint32_t coarse_count;
    apr_uint32_t interval;      /**< seconds between fine points */
#define PST_TABLE(place, name, ...) apr_uint32_t name##_at; /* in the header's pages, or in a block */
#include "pst_board_tables.def"
    int          fd;            /**< the file, or -1 */
    apr_uint64_t device, inode; /**< which file it is */
    apr_uint32_t mapper;        /**< the process that mapped it */
} pst_board_t;

/** What the header says about the server; texts are cut to their fields. */
typedef struct pst_board_about_t {
    const char *server;
    const char *module;
    const char *mpm;
    apr_uint32_t interval;      /**< seconds between fine points of the histories, 1 to 3600 */
    apr_uint32_t history;       /**< fine points of each history, at most PST_HISTORY_MOST; 0: no histories */
} pst_board_about_t;

#define PST_HISTORY_MOST 86400u

/** Maximum number of slots in all blocks of a board: 2 GiB of them. */
#define PST_SLOTS_MOST (1u << 22)

/**
 * Parent: make a board of child_count blocks with slot_count slots each in a
 * new file at path (mode 0600, made beside path and renamed over any existing file, so nothing old is trusted),
 * initialise it and map it. The mapping and the descriptor last until pst_board_close(); no pool owns them.
 * @return APR_SUCCESS, APR_EINVAL for a geometry out of range, EFBIG beyond RLIMIT_FSIZE, else the system's error;
 * then no file is left behind
 */
apr_status_t pst_board_create(pst_board_t *board, const char *path, apr_uint32_t child_count,
                              apr_uint32_t slot_count, const pst_board_about_t *about, apr_pool_t *scratch);

/**
 * Parent: from now on processes forked from this one have neither the mapping nor a descriptor of the board.
 * @return APR_SUCCESS, or the system's error
 */
apr_status_t pst_board_withhold(pst_board_t *board);

/**
 * A child forked after that, while it may still open the file: map it as its parent has it. In the process that made
 * the board: let processes it forks have the mapping. The descriptor stays open until pst_board_close_file(): until
 * then, room can be allocated.
 * @return APR_SUCCESS; APR_EMISMATCH if another file is there, or this one was truncated; else the system's error
 */
apr_status_t pst_board_join(pst_board_t *board, const char *path);

/** Close the descriptor. The mapping stays but no more room can be allocated; without the descriptor nobody can
 *  truncate or extend the file. */
void pst_board_close_file(pst_board_t *board);

/** Is the file at path this board's, with unchanged length? */
int pst_board_is_at(const pst_board_t *board, const char *path);

/**
 * Parent, before it makes a board there: who owns the existing one? @return the parent of another running httpd that
 * has it mapped, or 0. If /proc does not say, any process with that pid is taken for it.
 */
apr_uint32_t pst_board_holder(const char *path);

/**
 * Before touching a part for the first time: allocate room for it in the file. @return APR_SUCCESS, also if there is
 * no descriptor or the file system cannot tell; else why there is no room
 */
apr_status_t pst_board_room(const pst_board_t *board, apr_uint64_t at, apr_uint64_t size);

/**
 * Command: map a file read-only, after checking every number in its header against the file's size.
 * @param fd open for reading; owned by the board from now on, whatever is returned
 * @return APR_SUCCESS; APR_EMISMATCH if it is not a board or has another version;
 *         APR_EINCOMPLETE if it is shorter than it claims; else the system's error.
 */
apr_status_t pst_board_open_file(pst_board_t *board, int fd);

/**
 * Command: does the file contain far less than the children it names must have written? Claiming a block fills it
 * with zeros. A file that only claims to have them would make its reader go through gigabytes of holes.
 */
int pst_board_is_hollow(const pst_board_t *board);

/**
 * Command: do the numbers in this header fit a board of this version and size? Sets the board's layout from them.
 * @return APR_SUCCESS; APR_EMISMATCH if they do not fit; APR_EINCOMPLETE if file_size is less than they say
 */
apr_status_t pst_board_check_header(pst_board_t *board, const pst_shared_header_t *header, apr_uint64_t file_size);

/** Unmap and close. Any process; others' mappings stay. */
void pst_board_close(pst_board_t *board);

/**
 * Any process: is the header still what we wrote (magic, version, geometry)?
 * False after the file is truncated or overwritten under us.
 */
int pst_board_intact(const pst_board_t *board);

/**
 * Number of blocks, from 0 up, that were ever claimed; at most child_count. Do not look at later blocks: reading a
 * page that was never written allocates memory for it, both in an in-memory file system and in the process.
 */
apr_uint32_t pst_board_claimed(const pst_board_t *board);

/**
 * After looking at other children's blocks and histories: drop their pages from this process, except for the header
 * and `own`. Others are not affected; the pages come back when touched. @param own  a block, or
 * NULL
 */
void pst_board_give_back(const pst_board_t *board, const pst_shared_child_t *own);

/** The header. @note hostile to readers. */
pst_shared_header_t *pst_board_header(const pst_board_t *board);

/** Block i, 0 <= i < child_count. @note hostile to readers. */
pst_shared_child_t *pst_board_child(const pst_board_t *board, apr_uint32_t i);

/** Slot s of a block, 0 <= s < slot_count. @note hostile to readers. */
pst_shared_slot_t *pst_board_slot(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t s);

/** Which block is that? @return its index, or -1 if it is not a block of the board */
int pst_board_index(const pst_board_t *board, const pst_shared_child_t *child);

/** The history of block i, or NULL if there are none. @note hostile to readers. */
pst_shared_history_t *pst_board_history(const pst_board_t *board, apr_uint32_t i);

/** Class i, 0 <= i < PST_CLASS_COUNT, and call site i, 0 <= i < PST_SITE_COUNT, of a block. @note hostile to
 *  readers. */
pst_shared_class_t *pst_board_class(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);
pst_shared_site_t *pst_board_site(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);

/** Large request i, 0 <= i < PST_LARGE_COUNT, and sizes i, 0 <= i < PST_SIZES_COUNT, of a block. @note hostile to
 *  readers. */
pst_shared_large_t *pst_board_large(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);
pst_shared_sizes_t *pst_board_sizes(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);

/** Misuse i, 0 <= i < PST_MISUSE_ROWS, of a block. @note hostile to readers. */
pst_shared_misuse_t *pst_board_misuse(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);

/** Requested URLs, row i, 0 <= i < PST_URL_COUNT, of a block; and the same for children that have ended. @note hostile
 *  to readers. */
pst_shared_url_t *pst_board_url(const pst_board_t *board, pst_shared_child_t *child, apr_uint32_t i);
pst_shared_urls_t *pst_board_urls(const pst_board_t *board);

/** Entry i of the table of loaded objects, 0 <= i < PST_MODULE_COUNT. @note hostile to readers. */
pst_shared_module_t *pst_board_module(const pst_board_t *board, apr_uint32_t i);

/** Where generation `number` is, if present. @note hostile to readers; its number may be another's. */
pst_shared_generation_t *pst_board_generation(const pst_board_t *board, apr_uint32_t number);

/** Relative i, below PST_RELATIVE_COUNT. @note hostile to readers */
pst_shared_relative_t *pst_board_relative(const pst_board_t *board, apr_uint32_t i);

/** Segment i, below PST_SEGMENT_COUNT. @note hostile to readers */
pst_shared_segment_t *pst_board_segment(const pst_board_t *board, apr_uint32_t i);

/** Loss i, below PST_LOSS_COUNT. @note hostile to readers */
pst_shared_loss_t *pst_board_loss(const pst_board_t *board, apr_uint32_t i);

/**
 * Child: the entry for a loaded object, made if missing.  Never blocks.
 * @param kind its role for httpd; in an existing entry it is raised, never lowered
 * @return its index, or 0 if the table is full
 */
apr_uint32_t pst_board_module_add(const pst_board_t *board, apr_uint64_t id, const char *name, pst_code_e kind);

/**
 * Child: claim a free block, zero it, fill in its head; an unused block if there is one with room for it, else the
 * one whose child ended longest ago. Readers do not see it before pst_board_show(): until then its contents are not
 * valid. Never blocks: it looks at each block at most a few times.
 * @return the block, or NULL if none is free (counted in the header's homeless).
 */
pst_shared_child_t *pst_board_claim_unseen(const pst_board_t *board, apr_uint32_t pid, apr_uint32_t generation);

/** Child: what the block says about the child is complete (above all its level). Once. */
void pst_board_show(pst_shared_child_t *child);

/** Child: say goodbye, so that its end counts as orderly. Any thread. */
void pst_board_farewell(pst_shared_child_t *child);

/** Parent: free this block if pid owns it; its figures stay, with when and how it ended. @return whether it was
 *  freed */
int pst_board_release_block(pst_shared_child_t *child, apr_uint32_t pid);

/**
 * Writer of a slot: begin and end a change of its texts.  Between them readers
 * retry. One writer per slot at a time.
 */
void pst_slot_begin(pst_shared_slot_t *slot);
void pst_slot_end(pst_shared_slot_t *slot);

/**
 * Reader: copy a slot without a lock.
 * @return 1 if the texts are consistent, 0 if the writer never paused (or died while writing): the figures are then
 *         valid and the texts empty.
 * @note Texts of the copy always end in a NUL; enums are checked: values out of range become 0.
 */
int pst_slot_copy(pst_shared_slot_t *to, const pst_shared_slot_t *from);

/** The same for anything that starts with such a counter. */
void pst_seq_begin(uint32_t *seq);
void pst_seq_end(uint32_t *seq);
/** Reader: copy size bytes that start with a counter. @return like pst_slot_copy(); nothing is checked */
int pst_seq_copy(void *to, const void *from, apr_size_t size);

/** Relaxed atomic access to a figure on the board. */
static APR_INLINE apr_uint64_t pst_load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
static APR_INLINE void pst_store(uint64_t *at, apr_uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
static APR_INLINE apr_uint64_t pst_add(uint64_t *at, apr_int64_t delta)
{
    return __atomic_add_fetch(at, (apr_uint64_t)delta, __ATOMIC_RELAXED);
}

#endif /* PST_BOARD_H */
