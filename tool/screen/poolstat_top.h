/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat top: shared by its screens. There are three, each inside the previous one: all children,
 * one child, one connection.
 */
#ifndef POOLSTAT_TOP_H
#define POOLSTAT_TOP_H

#include "poolstat_grid.h"
#include "poolstat_session.h"
#include "pst_history.h"

typedef enum { TOP_CHILDREN = 0, TOP_CHILD, TOP_CONNECTION } top_screen_e;

/** Texts shown over a screen, page by page. */
typedef enum { TOP_NO_TEXT = 0, TOP_HELP, TOP_FINDINGS } top_text_e;

#define TOP_SEEN 240            /* looks at a connection that are kept for its chart */

typedef struct top_t {
    poolstat_session_t session;
    apr_pool_t *drawing;        /**< cleared for each drawing, also those after a key */
    top_screen_e screen;
    apr_uint32_t pid;           /**< the child shown, or selected */
    apr_uint64_t started;       /**< tells that child from a later one with its pid */
    apr_uint64_t id;            /**< the connection shown, or selected */
    unsigned selected[2];       /**< the row that is selected, of children and of connections */
    unsigned first[2];          /**< the row on top */
    unsigned rows;              /**< how many rows the list has room for */
    apr_uint64_t seen[TOP_SEEN];
    unsigned seen_count;
    int paused, utf8;
    top_text_e text;            /**< what is shown over the screen */
    unsigned page;              /**< the page of it, from 1 */
    unsigned pages;             /**< how many there are at this size */
    unsigned unread;            /**< how often poll() announced a key and there was none */
    char message[POOLSTAT_TEXT + 256];  /**< a file name and a message about it */
} top_t;

/** The subcommand. */
int poolstat_top(poolstat_options_t *options);

/** Draw the screen, from the snapshot taken before. */
void top_draw(top_t *top);

/** The child and the connection that top->pid and top->id mean, or NULL: it is gone. */
const pst_child_row_t *top_child(const top_t *top);
const pst_row_t *top_connection(const top_t *top);

#define TOP_PAGE_WIDTH 76       /**< columns at most */
#define TOP_PAGE_LINES 1024     /**< more is left out: nobody reads help or findings that long */

typedef struct top_page_t {
    char lines[TOP_PAGE_LINES][4 * TOP_PAGE_WIDTH + 8];
    unsigned count;
} top_page_t;

/** What the keys do and what the screens mean, in lines that fit. */
void top_help(top_page_t *page, unsigned columns);

/** What the doctor found, as `poolstat doctor` says it. */
void top_findings(top_page_t *page, const pst_snapshot_t *snapshot, unsigned columns);

/** How many rows the list of this screen has. */
unsigned top_count(const top_t *top);

#endif /* POOLSTAT_TOP_H */
