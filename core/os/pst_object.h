/* SPDX-License-Identifier: Apache-2.0
 *
 * The loaded objects of this process: which one an address lies in, and what its
 * dynamic symbols call it.  Knows ELF, not APR.
 *
 * Called by: worker, watchdog, reader
 */
#ifndef PST_OBJECT_H
#define PST_OBJECT_H

#include <apr.h>

#include "poolstat_board.h"

#define PST_OBJECT_NAME 48

/** A loaded segment of an object. Never changes and stays once it was handed out. */
typedef struct pst_object_t {
    apr_uintptr_t from, to;         /**< the segment */
    apr_uintptr_t base;             /**< what the object's own addresses count from */
    apr_uint64_t  id;               /**< tells builds apart: a hash of the build id, or of name and size */
    int           is_main;          /**< the program itself */
    pst_code_e    kind;             /**< what it is to httpd, as far as pst_object_modules() told */
    char          name[PST_OBJECT_NAME]; /**< file without folders, cut */
} pst_object_t;

/**
 * The segment that an address lies in, or NULL. Any thread; no lock, unless the
 * address is in none that was there at the last look and something was loaded since:
 * then the loader's.
 */
const pst_object_t *pst_object_find(const void *address);

/** The id of the object that an address lies in; 0: none, also of NULL. As pst_object_find(). dladdr() would look for
 *  the function, too, which takes a hundred times as long. */
apr_uint64_t pst_object_of(const void *address);

/**
 * Child, once, before other threads exist: which objects are modules.
 * @param records  an address in each that LoadModule loaded, as of its module record; they stay loaded. Copied
 * @param mpm      that of the MPM, or NULL
 */
void pst_object_modules(const void *const *records, unsigned count, const void *mpm);

/** The same, as it was at the last look: never a lock, never memory of the heap. */
const pst_object_t *pst_object_known(const void *address);

/** Look now, if something was loaded since. Takes the loader's lock. */
void pst_object_refresh(void);

/** The load address of the object with this id. Any thread. @return 0 if it is not loaded here */
int pst_object_base(apr_uint64_t id, apr_uintptr_t *base);

/**
 * The dynamic symbol that an offset in an object lies in: "function".  Takes the loader's lock.
 * @param into set to the distance from the symbol's start
 * @return its name, for as long as the object is loaded; NULL: static, stripped, or not loaded here
 */
const char *pst_object_symbol(apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into);

/** Where the file of the object with this id is, for as long as it is loaded. Hostile text. @return NULL: not known */
const char *pst_object_path(apr_uint64_t id);

/** The id of an object with this build id. Pure. */
apr_uint64_t pst_object_id(const void *build, apr_size_t size);

/** Another process, in which objects and functions are looked up for the views. */
typedef struct pst_object_elsewhere_t {
    void *baton;
    int (*base)(void *baton, apr_uint64_t id, apr_uintptr_t *base);     /**< as pst_object_base() */
    const char *(*symbol)(void *baton, apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into);
    const char *(*path)(void *baton, apr_uint64_t id);      /**< as pst_object_path() */
    const char *maps;           /**< the path of its /proc/.../maps */
} pst_object_elsewhere_t;

/** Command, before it prints: from now on look there; NULL: here. It is kept, not copied. */
void pst_object_look_elsewhere(const pst_object_elsewhere_t *elsewhere);

/** The path of the maps file of the process that pst_object_base() knows. */
const char *pst_object_maps(void);

#endif /* PST_OBJECT_H */
