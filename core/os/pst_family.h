/* SPDX-License-Identifier: Apache-2.0
 *
 * Other processes: which ones descend from a given one, what each holds, and how to identify it. Uses /proc only.
 *
 * One pass over /proc, not the kernel's lists of children: those exist per thread, and an httpd has thousands
 * of threads and hundreds of processes.  Nothing here allocates except a directory, and nothing waits for another
 * process.
 *
 * Called by: parent
 */
#ifndef PST_FAMILY_H
#define PST_FAMILY_H

#include <apr.h>
#include <apr_errno.h>

/** Processes examined in a pass. */
#define PST_FAMILY_LOOKED 4096
/** Maximum depth below the first process. */
#define PST_FAMILY_DEPTH  16
/** Descriptors examined per process, and sockets known by name. */
#define PST_FAMILY_FILES  256
#define PST_FAMILY_NAMED  256

typedef struct pst_family_process_t {
    apr_uint32_t pid, parent;
    apr_uint64_t born;          /**< clock ticks from the machine's start: together with pid it identifies a process */
    char         name[16];      /**< the program's, cut by the kernel; any bytes */
} pst_family_process_t;

typedef struct pst_family_t {
    pst_family_process_t process[PST_FAMILY_LOOKED];
    unsigned char below[PST_FAMILY_LOOKED];     /**< it descends from the requested process */
    apr_uint32_t count;
    int          cut;           /**< there are more processes than fit */
} pst_family_t;

/** Parse the text of /proc/PID/stat. @return whether it makes sense */
int pst_family_parse(pst_family_process_t *process, const char *text);

/** Read one process. @return whether it exists and can be read */
int pst_family_read(pst_family_process_t *process, apr_uint32_t pid);

/** Find all descendants of top. @return APR_SUCCESS, or why /proc cannot be read */
apr_status_t pst_family_scan(pst_family_t *family, apr_uint32_t top);

/** Mark those of family->process that descend from top, excluding top itself. Pure. */
void pst_family_mark(pst_family_t *family, apr_uint32_t top);

/** RSS, and the part of it that is private and not backed by a file; bytes. @return whether this is known */
int pst_family_size(apr_uint32_t pid, apr_uint64_t *rss, apr_uint64_t *own);

/** When it was born, in microseconds since the epoch; 0: not known. */
apr_uint64_t pst_family_started(apr_uint64_t born, apr_uint64_t now);

/** Its command line, with spaces between words and `?` for anything but printable ASCII; empty: it has none. */
void pst_family_command(apr_uint32_t pid, char *to, apr_size_t room);

/** What a descriptor is. */
typedef enum { PST_FILE_OTHER = 0, PST_FILE_PIPE, PST_FILE_SOCKET } pst_file_e;

typedef struct pst_family_file_t {
    apr_uint32_t number;
    apr_uint32_t kind;          /**< pst_file_e */
    apr_uint64_t inode;
} pst_family_file_t;

typedef struct pst_family_files_t {
    unsigned count;             /**< pipes and sockets only */
    pst_family_file_t file[PST_FAMILY_FILES];
} pst_family_files_t;

/** Its pipes and sockets. @param pid  0: this process. @return whether they are known */
int pst_family_files(pst_family_files_t *files, apr_uint32_t pid);

/** @return the entry of a descriptor; NULL if it is not a pipe or socket */
const pst_family_file_t *pst_family_file(const pst_family_files_t *files, apr_uint32_t number);

/** @return whether a pipe or socket is among them */
int pst_family_has(const pst_family_files_t *files, pst_file_e kind, apr_uint64_t inode);

/** Which module a socket belongs to, by its name in the file system. */
typedef enum { PST_SOCKET_NONE = 0, PST_SOCKET_CGID, PST_SOCKET_WSGI, PST_SOCKET_FCGID } pst_socket_e;

typedef struct pst_family_sockets_t {
    unsigned count;
    struct {
        apr_uint64_t inode;
        apr_uint32_t whose;     /**< pst_socket_e */
    } socket[PST_FAMILY_NAMED];
} pst_family_sockets_t;

/** A line of /proc/net/unix. @return the owner */
pst_socket_e pst_family_socket(const char *line, apr_uint64_t *inode);

/** All sockets of this machine or container that httpd modules have named. */
void pst_family_sockets(pst_family_sockets_t *sockets);

/** @return the owner of a socket */
pst_socket_e pst_family_whose(const pst_family_sockets_t *sockets, apr_uint64_t inode);

#endif /* PST_FAMILY_H */
