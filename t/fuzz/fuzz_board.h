/* SPDX-License-Identifier: Apache-2.0
 *
 * A board for the fuzzer: one that a live server left, with blows dealt to it.
 *
 * An input is 16 bytes that choose the board and the arguments of the face, then blows of 16 bytes each.  A blow names
 * a struct of the board and a field in it, so that a few bytes reach what a face reads; the boards themselves are
 * large and mostly empty.  A blow is dealt before the board is opened, after that, or while the face reads it: that is
 * what a hostile child does between two looks at the same field.
 */
#ifndef FUZZ_BOARD_H
#define FUZZ_BOARD_H

#include "pst_board.h"

typedef struct fuzz_head_t {
    uint8_t  board;             /**< which of them */
    uint8_t  sort, kind, child; /**< filters: kind and child 0 for any */
    uint8_t  rows, from, flags; /**< of the page */
    uint8_t  command;           /**< which subcommand, or which screen of top */
    uint8_t  lines, columns;    /**< of the terminal */
    uint8_t  spare[6];
} fuzz_head_t;

typedef struct fuzz_blow_t {
    uint8_t  place;             /**< fuzz_place_e */
    uint8_t  how;               /**< fuzz_how_e; FUZZ_LATE and FUZZ_RACING say when */
    uint8_t  block, row;
    uint16_t offset, length;
    uint64_t value;
} fuzz_blow_t;

#define FUZZ_LATE   0x80        /**< after the board was opened */
#define FUZZ_RACING 0x40        /**< while it is read: at the allocation that the high bits of `length` say */
#define FUZZ_BLOWS  256         /**< of one input, at most */

typedef struct fuzz_input_t {
    fuzz_head_t  head;
    fuzz_blow_t  blows[FUZZ_BLOWS];
    unsigned     count;
} fuzz_input_t;

void fuzz_input(fuzz_input_t *input, const uint8_t *data, size_t size);

/** Read all boards of a folder; ends the program if there is none. */
void fuzz_boards_load(const char *folder);

/**
 * The board that the input names, spoiled before it is opened.
 * @param board  opened; its bytes lie in a heap block of exactly its size, where a sanitizer sees a look beyond it
 * @return as pst_board_open_file() says
 */
apr_status_t fuzz_board_open(pst_board_t *board, const fuzz_input_t *input);

/** Deal the blows that come after opening. */
void fuzz_board_late(const fuzz_input_t *input);

/** Name of a file with the same bytes, for the command. */
const char *fuzz_board_path(void);

/** When the server left it; its children's process ids: the n-th modulo how many there are. */
apr_uint64_t fuzz_board_time(void);
apr_uint32_t fuzz_board_child(unsigned n);

/** Undo all blows. */
void fuzz_board_close(pst_board_t *board);

/** By the allocator: an allocation more; deals the racing blows that are due. */
void fuzz_board_tick(void);

#endif /* FUZZ_BOARD_H */
