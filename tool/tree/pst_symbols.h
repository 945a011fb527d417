/* SPDX-License-Identifier: Apache-2.0
 *
 * The loaded objects of another process and their symbols: which object an address is in, which
 * symbol it belongs to, and where a symbol is.
 * Knows ELF, not APR.  Files are read from disk, and are input: every offset in them is checked.
 * Command only, one thread.
 */
#ifndef PST_SYMBOLS_H
#define PST_SYMBOLS_H

#include "pst_remote.h"

typedef struct pst_symbols_t pst_symbols_t;

#define PST_BUILD_ID 32

/** An object loaded in a process. */
typedef struct pst_loaded_t {
    const char    *path, *name;     /**< its file; the same without folders. Hostile text */
    uintptr_t      base;            /**< base of its own addresses */
    unsigned char  build[PST_BUILD_ID];
    unsigned       build_size;      /**< 0: it has no build id */
} pst_loaded_t;

/** What is known about an address. */
typedef struct pst_symbol_t {
    const pst_loaded_t *object;     /**< NULL: in no file */
    const char   *function;         /**< the symbol it lies in; NULL: static and stripped. Hostile text */
    int           exported;         /**< it is a dynamic symbol, as known to dladdr() */
    uint64_t      into;             /**< distance from the symbol's start */
    uint64_t      offset;           /**< in the object, in its own addresses */
} pst_symbol_t;

/** The symbols of a process; files are opened when first needed. Lives as long as pool.  @return NULL: no
 *  memory */
pst_symbols_t *pst_symbols_make(pst_remote_t *remote, apr_pool_t *pool);

/** What is at this address? All fields are set. @return 1 if it lies in an object */
int pst_symbols_at(pst_symbols_t *symbols, uintptr_t at, pst_symbol_t *symbol);

/** Mapped object number i, in no particular order, with its build known; NULL: there are no more. */
const pst_loaded_t *pst_symbols_nth(pst_symbols_t *symbols, apr_size_t i);

/** The object whose file name (without folders) begins like this, or NULL; "" is the program itself. */
const pst_loaded_t *pst_symbols_object(pst_symbols_t *symbols, const char *begins);

/** The object with the same build id as another process's, or NULL. */
const pst_loaded_t *pst_symbols_same(pst_symbols_t *symbols, const pst_loaded_t *other);

/** The address of a symbol that an object exports. @return 1 if there is one */
int pst_symbols_find(pst_symbols_t *symbols, const pst_loaded_t *object, const char *name, uintptr_t *at);

#endif /* PST_SYMBOLS_H */
