/* SPDX-License-Identifier: Apache-2.0
 *
 * What belongs to pools, in words: see the header.
 *
 * A function is named once and remembered by its address; a thing is read each time.
 */
#include "pst_resource.h"
#include "pst_array.h"
#include "pst_specimen.h"

#include <apr_strings.h>
#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FUNCTIONS 4096      /* that are remembered */
#define MAX_BLOCKS    65536     /* nodes of one bucket allocator */

typedef struct {
    const char *word, *function, *object;
    pst_thing_e thing;
} function_t;

struct pst_resources_t {
    pst_remote_t   *remote;
    pst_symbols_t  *symbols;
    apr_pool_t     *pool;
    pst_addresses_t known;
    function_t      functions[MAX_FUNCTIONS];
    uint32_t        count;
    function_t      last;       /* the last one that found no room; */
    char            last_text[PATH_MAX];    /* its name is not remembered, either */
    int             same_apr, handles;
};

static apr_status_t forget_functions(void *data)
{
    pst_addresses_free(&((pst_resources_t *)data)->known);
    return APR_SUCCESS;
}

/* -- functions ------------------------------------------------------------- */

/* @return valid until the next one is asked for */
static const function_t *remember_function(pst_resources_t *resources, uintptr_t at, const function_t *function)
{
    uint32_t i = resources->count;

    if (i == MAX_FUNCTIONS || !pst_addresses_set(&resources->known, at, i)) {
        resources->last = *function;
        return &resources->last;
    }
    resources->functions[i] = *function;
    resources->count++;
    return &resources->functions[i];
}

/* "mod_x.so+0x1234" */
static const char *place(pst_resources_t *resources, const pst_symbol_t *symbol)
{
    snprintf(resources->last_text, sizeof(resources->last_text), "%s+0x%" APR_UINT64_T_HEX_FMT, symbol->object->name,
             (apr_uint64_t)symbol->offset);
    return resources->count < MAX_FUNCTIONS ? apr_pstrdup(resources->pool, resources->last_text) : resources->last_text;
}

static const pst_specimen_t *specimen_called(const char *function)
{
    const pst_specimen_t *specimen = pst_specimens;

    while (specimen->word && strcmp(specimen->function, function) != 0) {
        specimen++;
    }
    return specimen->word ? specimen : NULL;
}

/* Named by its symbol, or else by its place. */
static const function_t *function_at(pst_resources_t *resources, uintptr_t at)
{
    uint32_t i = pst_addresses_get(&resources->known, at);
    function_t function = { "cleanup", "?", "", PST_THING_OTHER };
    const pst_specimen_t *specimen;
    pst_symbol_t symbol;

    if (i != PST_NO_NUMBER) {
        return &resources->functions[i];
    }
    if (pst_symbols_at(resources->symbols, at, &symbol)) {
        function.object = symbol.object->name;
        if (symbol.function && symbol.into == 0) {
            function.function = symbol.function;
            specimen = specimen_called(symbol.function);
            if (specimen) {
                function.word = specimen->word;
                function.thing = specimen->thing;
            }
        }
        else {
            function.function = place(resources, &symbol);
        }
    }
    return remember_function(resources, at, &function);
}

/* Look for each specimen's function, known as object and offset here, in the same object there. */
static void learn_functions(pst_resources_t *resources, apr_pool_t *pool)
{
    const pst_specimen_t *specimen;
    const pst_loaded_t *there;
    pst_symbols_t *symbols;
    pst_remote_t *self;
    pst_symbol_t here;
    const char *why;
    uintptr_t at;

    if (pst_remote_open(&self, getpid(), apr_time_from_sec(5), &why, pool) != APR_SUCCESS) {
        return;
    }
    for (specimen = pst_specimens; specimen->word; specimen++) {
        pst_specimen_function(specimen, pool);      /* loads what it needs before the mappings are read */
    }
    pst_remote_look(self);
    symbols = pst_symbols_make(self, pool);
    for (specimen = pst_specimens; symbols && specimen->word; specimen++) {
        at = pst_specimen_function(specimen, pool);
        if (!at || !pst_symbols_at(symbols, at, &here)) {
            continue;
        }
        there = pst_symbols_same(resources->symbols, here.object);
        if (there) {
            function_t function = { specimen->word, specimen->function, there->name, specimen->thing };

            resources->same_apr = 1;
            remember_function(resources, there->base + here.offset, &function);
        }
    }
    at = 0;
    if (resources->same_apr && pst_symbols_at(symbols, (uintptr_t)apr_pool_cleanup_null, &here)
        && (there = pst_symbols_same(resources->symbols, here.object)) != NULL) {
        function_t function = { "cleanup", "apr_pool_cleanup_null", there->name, PST_THING_OTHER };

        remember_function(resources, there->base + here.offset, &function);
    }
}

pst_resources_t *pst_resources_learn(pst_remote_t *remote, pst_symbols_t *symbols, apr_pool_t *pool)
{
    pst_resources_t *resources = apr_pcalloc(pool, sizeof(*resources));
    const char *why;

    resources->remote = remote;
    resources->symbols = symbols;
    resources->pool = pool;
    apr_pool_cleanup_register(pool, resources, forget_functions, apr_pool_cleanup_null);
    resources->handles = pst_apr_prove_handles(pool, &why) == APR_SUCCESS;
    learn_functions(resources, pool);
    return resources;
}

int pst_resources_same_apr(const pst_resources_t *resources)
{
    return resources->same_apr;
}

/* -- things ---------------------------------------------------------------- */

/* What the kernel says about a descriptor: a path, "socket:[1234]", ... @return 0 if it is not open */
static int link_of(const pst_remote_t *remote, int fd, char *to, size_t size)
{
    char path[64];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)remote->pid, fd);
    length = readlink(path, to, size - 1);
    to[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static void tell_file(pst_resources_t *resources, const pst_tree_pool_t *pool, uintptr_t at, pst_resource_name_t *name)
{
    pst_apr_file_t file;
    char text[256];

    if (!pst_remote_read(resources->remote, at, &file, sizeof(file)) || (uintptr_t)file.pool != pool->at) {
        return;
    }
    name->fd = file.fd >= 0 && link_of(resources->remote, file.fd, text, sizeof(text)) ? file.fd : -1;
    if (name->fd >= 0) {
        snprintf(name->detail, sizeof(name->detail), "fd %d %s", file.fd, text);
    }
    else if (pst_remote_text(resources->remote, (uintptr_t)file.name, text, sizeof(text)) > 0) {
        snprintf(name->detail, sizeof(name->detail), "closed, was %s", text);
    }
    else {
        snprintf(name->detail, sizeof(name->detail), "closed");
    }
}

/* "127.0.0.1:80", "[::1]:80", "unix"; "" for none */
static void put_endpoint(pst_resources_t *resources, uintptr_t at, char *to, size_t size)
{
    apr_sockaddr_t address;
    char text[INET6_ADDRSTRLEN] = "";

    *to = '\0';
    if (!pst_remote_read(resources->remote, at, &address, sizeof(address))) {
        return;
    }
    if (address.sa.sin.sin_family == AF_INET && inet_ntop(AF_INET, &address.sa.sin.sin_addr, text, sizeof(text))) {
        snprintf(to, size, "%s:%u", text, (unsigned)ntohs(address.sa.sin.sin_port));
    }
#if APR_HAVE_IPV6
    else if (address.sa.sin.sin_family == AF_INET6
             && inet_ntop(AF_INET6, &address.sa.sin6.sin6_addr, text, sizeof(text))) {
        snprintf(to, size, "[%s]:%u", text, (unsigned)ntohs(address.sa.sin6.sin6_port));
    }
#endif
    else if (address.sa.sin.sin_family == AF_UNIX) {
        snprintf(to, size, "unix");
    }
}

/* Port 0. */
static int is_unset(const char *address)
{
    size_t length = strlen(address);

    return length > 2 && strcmp(address + length - 2, ":0") == 0;
}

static void tell_socket(pst_resources_t *resources, const pst_tree_pool_t *pool, uintptr_t at,
                        pst_resource_name_t *name)
{
    char local[80], remote[80], text[64];
    pst_apr_socket_t socket;

    if (!pst_remote_read(resources->remote, at, &socket, sizeof(socket)) || (uintptr_t)socket.pool != pool->at) {
        return;
    }
    if (socket.fd < 0 || !link_of(resources->remote, socket.fd, text, sizeof(text))) {
        snprintf(name->detail, sizeof(name->detail), "closed");
        return;
    }
    name->fd = socket.fd;
    put_endpoint(resources, (uintptr_t)socket.local, local, sizeof(local));
    put_endpoint(resources, (uintptr_t)socket.remote, remote, sizeof(remote));
    if (is_unset(local)) {
        local[0] = '\0';
    }
    if (is_unset(remote)) {
        remote[0] = '\0';       /* not connected */
    }
    snprintf(name->detail, sizeof(name->detail), "fd %d%s%s%s%s", socket.fd, *local ? " at " : "", local,
             *remote ? " to " : "", remote);
}

/* The small blocks in the list; large ones are in no list while they are in use. */
static void tell_buckets(pst_resources_t *resources, const pst_tree_pool_t *pool, uintptr_t at,
                         pst_resource_name_t *name)
{
    pst_apr_bucket_alloc_t list;
    apr_memnode_t node;
    unsigned count = 0;
    uintptr_t next;

    if (!pst_remote_read(resources->remote, at, &list, sizeof(list)) || (uintptr_t)list.pool != pool->at) {
        return;
    }
    for (next = (uintptr_t)list.blocks; next && count < MAX_BLOCKS; next = (uintptr_t)node.next, count++) {
        if (!pst_remote_read(resources->remote, next, &node, sizeof(node))
            || !pst_forest_is_node(resources->remote, next, &node)) {
            break;
        }
        name->bytes += pst_forest_node_size(next, &node);
    }
    snprintf(name->detail, sizeof(name->detail), "%u block%s, %" APR_UINT64_T_FMT " bytes", count,
             count == 1 ? "" : "s", (apr_uint64_t)name->bytes);
}

/* Data of an object is named after it: "mod_x.so x_module". @return 0 if it is not such data */
static int tell_symbol(pst_resources_t *resources, uintptr_t at, pst_resource_name_t *name)
{
    pst_symbol_t symbol;
    size_t length;

    if (!at || !pst_symbols_at(resources->symbols, at, &symbol) || !symbol.function || symbol.into != 0) {
        return 0;
    }
    length = strlen(symbol.function);
    snprintf(name->detail, sizeof(name->detail), "%s %s", symbol.object->name, symbol.function);
    if (length > 7 && strcmp(symbol.function + length - 7, "_module") == 0) {
        name->word = "module";
    }
    return 1;
}

/* What mod_so unloads (ap_module_symbol_t: a name, a module) is named after the module it points to. */
static void tell_data(pst_resources_t *resources, uintptr_t at, pst_resource_name_t *name)
{
    uintptr_t words[2];

    if (!tell_symbol(resources, at, name) && at % sizeof(words[0]) == 0
        && pst_remote_read(resources->remote, at, words, sizeof(words)) && words[0]
        && tell_symbol(resources, words[1], name) && strcmp(name->word, "module") != 0) {
        name->detail[0] = '\0';     /* the two words are something else */
    }
}

static void tell_process(pst_resources_t *resources, const pst_tree_resource_t *resource, pst_resource_name_t *name)
{
    static const char *const how[] = { "never killed", "killed when the pool goes", "killed after some time",
                                       "waited for", "killed once" };
    char path[64], text[64] = "";
    FILE *in;

    (void)resources;
    name->word = "process";
    apr_cpystrn(name->function,
                resource->how >= 0 && (size_t)resource->how < PST_ITEMS(how) ? how[resource->how] : "?",
                sizeof(name->function));
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)resource->pid);
    in = resource->pid > 0 ? fopen(path, "re") : NULL;
    if (in) {
        text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
        text[strcspn(text, "\n")] = '\0';
        fclose(in);
    }
    snprintf(name->detail, sizeof(name->detail), "pid %d%s%s", (int)resource->pid, in ? " " : ", gone", text);
}

void pst_resource_name(pst_resources_t *resources, const pst_tree_pool_t *pool, const pst_tree_resource_t *resource,
                       pst_resource_name_t *name)
{
    const function_t *function;

    memset(name, 0, sizeof(*name));
    name->fd = -1;
    name->object = "";
    if (resource->kind == PST_RESOURCE_PROCESS) {
        tell_process(resources, resource, name);
        return;
    }
    function = function_at(resources, resource->plain);
    if (strcmp(function->function, "apr_pool_cleanup_null") == 0 && resource->child) {
        function = function_at(resources, resource->child);     /* it only matters before an exec */
    }
    name->word = function->word;
    apr_cpystrn(name->function, function->function, sizeof(name->function));
    name->object = function->object;
    switch (function->thing) {
    case PST_THING_FILE:
        if (resources->handles) {
            tell_file(resources, pool, resource->data, name);
        }
        break;
    case PST_THING_SOCKET:
        if (resources->handles) {
            tell_socket(resources, pool, resource->data, name);
        }
        break;
    case PST_THING_BUCKETS:
        tell_buckets(resources, pool, resource->data, name);
        break;
    default:
        tell_data(resources, resource->data, name);
    }
}
