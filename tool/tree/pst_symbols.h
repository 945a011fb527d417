/* SPDX-License-Identifier: Apache-2.0
 *
 * The loaded objects of another process and the names in them: which object
 * an address lies in, what its symbols call it, and where a named one is.
 * Knows ELF, not APR.  Files are read from disk, and are input: every offset in them is checked.
 * Command only, one thread.
 */
#ifndef PST_SYMBOLS_H
#define PST_SYMBOLS_H

#include "pst_remote.h"

typedef struct pst_symbols_t pst_symbols_t;

#define PST_BUILD_ID 32

/** An object as it is loaded in a process. */
typedef struct pst_loaded_t {
    const char    *path, *name;     /**< its file; without folders. Hostile text */
    uintptr_t      base;            /**< what its own addresses count from */
    unsigned char  build[PST_BUILD_ID];
    unsigned       build_size;      /**< 0: it has no build id */
} pst_loaded_t;

/** What is known of an address. */
typedef struct pst_symbol_t {
    const pst_loaded_t *object;     /**< NULL: in no file */
    const char   *function;         /**< the symbol it lies in; NULL: static and stripped. Hostile text */
    int           exported;         /**< the symbol is a dynamic one, as dladdr() knows them */
    uint64_t      into;             /**< distance from the symbol's start */
    uint64_t      offset;           /**< in the object, as its own addresses count */
} pst_symbol_t;

/** The symbols of a process; files are opened when they are first asked for. Lives as long as pool.  @return NULL: no
 *  memory */
pst_symbols_t *pst_symbols_make(pst_remote_t *remote, apr_pool_t *pool);

/** What lies there? All fields are set. @return 1 if it lies in an object */
int pst_symbols_at(pst_symbols_t *symbols, uintptr_t at, pst_symbol_t *symbol);

/** Object i of those that are mapped, in no order, its build known; NULL: there are no more. */
const pst_loaded_t *pst_symbols_nth(pst_symbols_t *symbols, apr_size_t i);

/** The object whose file name (without folders) begins so, or NULL; "" is the program itself. */
const pst_loaded_t *pst_symbols_object(pst_symbols_t *symbols, const char *begins);

/** The object with the same build id as another process's, or NULL. */
const pst_loaded_t *pst_symbols_same(pst_symbols_t *symbols, const pst_loaded_t *other);

/** Where a symbol that an object exports lies. @return 1 if there is one */
int pst_symbols_find(pst_symbols_t *symbols, const pst_loaded_t *object, const char *name, uintptr_t *at);

#endif /* PST_SYMBOLS_H */
