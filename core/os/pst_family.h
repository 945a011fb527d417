/* SPDX-License-Identifier: Apache-2.0
 *
 * Other processes: who descends from one, what each has, and by what it is known.  From /proc alone.
 *
 * One pass over /proc, not the kernel's lists of children: those are kept for each thread, and an httpd has thousands
 * of threads and hundreds of processes.  Nothing here allocates but opendir(), nothing waits for another process.
 *
 * Called by: parent
 */
#ifndef PST_FAMILY_H
#define PST_FAMILY_H

#include <apr.h>
#include <apr_errno.h>

/** Processes looked at in a pass. */
#define PST_FAMILY_LOOKED 4096
/** How many steps down from the first one. */
#define PST_FAMILY_DEPTH  16
/** Descriptors of a process looked at, and sockets known by name. */
#define PST_FAMILY_FILES  256
#define PST_FAMILY_NAMED  256

typedef struct pst_family_process_t {
    apr_uint32_t pid, parent;
    apr_uint64_t born;          /**< clock ticks from the machine's start: with pid it tells processes apart */
    char         name[16];      /**< the program's, cut by the kernel; any bytes */
} pst_family_process_t;

typedef struct pst_family_t {
    pst_family_process_t process[PST_FAMILY_LOOKED];
    unsigned char below[PST_FAMILY_LOOKED];     /**< it descends from the one that was asked for */
    apr_uint32_t count;
    int          cut;           /**< there are more processes than that */
} pst_family_t;

/** From the text of /proc/PID/stat. @return whether it makes sense */
int pst_family_parse(pst_family_process_t *process, const char *text);

/** One process. @return whether there is one, and it can be read */
int pst_family_read(pst_family_process_t *process, apr_uint32_t pid);

/** All that descend from top. @return APR_SUCCESS, or why /proc cannot be read */
apr_status_t pst_family_scan(pst_family_t *family, apr_uint32_t top);

/** Mark those of family->process that descend from top; it itself is not. Pure. */
void pst_family_mark(pst_family_t *family, apr_uint32_t top);

/** RSS, and what of it is of no file and not shared; bytes. @return whether it can be told */
int pst_family_size(apr_uint32_t pid, apr_uint64_t *rss, apr_uint64_t *own);

/** When it was born, in microseconds since the epoch; 0: not known. */
apr_uint64_t pst_family_started(apr_uint64_t born, apr_uint64_t now);

/** Its command line, with spaces between words and `?` for what is no printable ASCII; empty: it has none. */
void pst_family_command(apr_uint32_t pid, char *to, apr_size_t room);

/** What a descriptor is. */
typedef enum { PST_FILE_OTHER = 0, PST_FILE_PIPE, PST_FILE_SOCKET } pst_file_e;

typedef struct pst_family_file_t {
    apr_uint32_t number;
    apr_uint32_t kind;          /**< pst_file_e */
    apr_uint64_t inode;
} pst_family_file_t;

typedef struct pst_family_files_t {
    unsigned count;             /**< pipes and sockets alone */
    pst_family_file_t file[PST_FAMILY_FILES];
} pst_family_files_t;

/** Its pipes and sockets. @param pid  0: this process. @return whether they can be told */
int pst_family_files(pst_family_files_t *files, apr_uint32_t pid);

/** @return of a descriptor; NULL if it is no pipe or socket */
const pst_family_file_t *pst_family_file(const pst_family_files_t *files, apr_uint32_t number);

/** @return whether a pipe or socket is among them */
int pst_family_has(const pst_family_files_t *files, pst_file_e kind, apr_uint64_t inode);

/** Whose socket is it, by the name that modules give it in the file system. */
typedef enum { PST_SOCKET_NONE = 0, PST_SOCKET_CGID, PST_SOCKET_WSGI, PST_SOCKET_FCGID } pst_socket_e;

typedef struct pst_family_sockets_t {
    unsigned count;
    struct {
        apr_uint64_t inode;
        apr_uint32_t whose;     /**< pst_socket_e */
    } socket[PST_FAMILY_NAMED];
} pst_family_sockets_t;

/** A line of /proc/net/unix. @return whose */
pst_socket_e pst_family_socket(const char *line, apr_uint64_t *inode);

/** All sockets of this machine, or container, that modules of httpd name. */
void pst_family_sockets(pst_family_sockets_t *sockets);

/** @return whose a socket is */
pst_socket_e pst_family_whose(const pst_family_sockets_t *sockets, apr_uint64_t inode);

#endif /* PST_FAMILY_H */
