/* SPDX-License-Identifier: Apache-2.0
 *
 * The loaded objects of this process: which one contains an address, and its dynamic symbol name.  Knows ELF, not APR.
 *
 * Called by: worker, watchdog, reader
 */
#ifndef PST_OBJECT_H
#define PST_OBJECT_H

#include <apr.h>

#include "poolstat_board.h"

#define PST_OBJECT_NAME 48

/** A loaded segment of an object. Once handed out it never changes and never goes away. */
typedef struct pst_object_t {
    apr_uintptr_t from, to;         /**< the segment */
    apr_uintptr_t base;             /**< what the object's own addresses are relative to */
    apr_uint64_t  id;               /**< identifies the build: a hash of the build id, or of name and size */
    int           is_main;          /**< the program itself */
    pst_code_e    kind;             /**< its role for httpd, as far as pst_object_modules() determined it */
    char          name[PST_OBJECT_NAME]; /**< file without folders, cut */
} pst_object_t;

/**
 * The segment that contains an address, or NULL. Any thread; takes no lock, unless the address is in no segment known
 * from the last look and something has been loaded since: then the loader's lock.
 */
const pst_object_t *pst_object_find(const void *address);

/** The id of the object that contains an address; 0: none, also for NULL. Like pst_object_find(). dladdr() would also
 *  look for the function, which takes a hundred times as long. */
apr_uint64_t pst_object_of(const void *address);

/**
 * Child, once, before other threads exist: which objects are modules.
 * @param records  an address in each object that LoadModule loaded, such as that of its module record; they stay
 *   loaded. Copied
 * @param mpm      that of the MPM, or NULL
 */
void pst_object_modules(const void *const *records, unsigned count, const void *mpm);

/** The same, as of the last look: takes no lock and no heap memory. */
const pst_object_t *pst_object_known(const void *address);

/** Look now, if something has been loaded since the last look. Takes the loader's lock. */
void pst_object_refresh(void);

/** The load address of the object with this id. Any thread. @return 0 if it is not loaded here */
int pst_object_base(apr_uint64_t id, apr_uintptr_t *base);

/**
 * The dynamic symbol that contains an offset in an object: "function".  Takes the loader's lock.
 * @param into set to the distance from the symbol's start
 * @return its name, valid while the object is loaded; NULL: static, stripped, or not loaded here
 */
const char *pst_object_symbol(apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into);

/** The path of the file of the object with this id, valid while it is loaded. Hostile text. @return NULL: not known */
const char *pst_object_path(apr_uint64_t id);

/** The id of an object with this build id. Pure. */
apr_uint64_t pst_object_id(const void *build, apr_size_t size);

/** Another process in which views look up objects and functions. */
typedef struct pst_object_elsewhere_t {
    void *baton;
    int (*base)(void *baton, apr_uint64_t id, apr_uintptr_t *base);     /**< as pst_object_base() */
    const char *(*symbol)(void *baton, apr_uint64_t id, apr_uint64_t offset, apr_uint64_t *into);
    const char *(*path)(void *baton, apr_uint64_t id);      /**< as pst_object_path() */
    const char *maps;           /**< the path of its /proc/.../maps */
} pst_object_elsewhere_t;

/** Command, before it prints: from now on look there; NULL: in this process. The pointer is kept, not copied. */
void pst_object_look_elsewhere(const pst_object_elsewhere_t *elsewhere);

/** The path of the maps file of the process that pst_object_base() knows. */
const char *pst_object_maps(void);

#endif /* PST_OBJECT_H */
