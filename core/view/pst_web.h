/* SPDX-License-Identifier: Apache-2.0
 *
 * What web/embed.sh makes of the files in web/.  Constant; the emitter escapes and fills in.
 */
#ifndef PST_WEB_H
#define PST_WEB_H

#include "pst_emit.h"

/* page.html, a name per piece, in the file's order */
extern const pst_piece_t pst_web_top, pst_web_refresh_on, pst_web_refresh_off, pst_web_top_end, pst_web_note_level,
    pst_web_note_unslotted, pst_web_note_homeless, pst_web_note_monitor, pst_web_suspects, pst_web_suspect_process,
    pst_web_suspect_connection, pst_web_suspect_request, pst_web_suspects_more, pst_web_suspects_end, pst_web_total,
    pst_web_tile, pst_web_total_bar, pst_web_segment, pst_web_total_legend, pst_web_legend, pst_web_total_end,
    pst_web_live, pst_web_live_key, pst_web_live_end, pst_web_filter, pst_web_option_on, pst_web_option_off,
    pst_web_filter_vhost, pst_web_filter_level, pst_web_filter_end, pst_web_children, pst_web_head_plain,
    pst_web_head_link, pst_web_head_current, pst_web_children_rows, pst_web_child_open, pst_web_child_open_level,
    pst_web_child_figures, pst_web_cell, pst_web_child_close, pst_web_children_end, pst_web_children_none,
    pst_web_section_end, pst_web_pages, pst_web_pages_link, pst_web_pages_end, pst_web_charts, pst_web_card,
    pst_web_card_growing, pst_web_chart, pst_web_chart_area, pst_web_chart_line, pst_web_chart_process,
    pst_web_chart_process_line, pst_web_chart_end, pst_web_card_end, pst_web_charts_end, pst_web_gone,
    pst_web_gone_child, pst_web_gone_end, pst_web_connections, pst_web_connections_sorted, pst_web_connections_table,
    pst_web_connections_rows, pst_web_group_open, pst_web_row_open, pst_web_row_open_master, pst_web_row_request,
    pst_web_row_idle, pst_web_cell_bar, pst_web_cell_request, pst_web_request_none, pst_web_row_close,
    pst_web_group_close, pst_web_connections_none, pst_web_connections_end, pst_web_bottom;

/* places.html */
extern const pst_piece_t
    pst_web_classes, pst_web_classes_rows, pst_web_class_open, pst_web_class_open_untagged, pst_web_class_open_other,
    pst_web_cell_share, pst_web_place_close, pst_web_places_end, pst_web_places_more,
    pst_web_sites, pst_web_sites_rows, pst_web_site_open, pst_web_site_frame, pst_web_site_figures,
    pst_web_site_open_other, pst_web_sites_none;

/* holders.html */
extern const pst_piece_t
    pst_web_holders, pst_web_holders_module, pst_web_holders_hooks, pst_web_holders_hook, pst_web_holders_end;

/* books.html */
extern const pst_piece_t pst_web_books, pst_web_books_key, pst_web_books_table, pst_web_books_rows, pst_web_books_open,
    pst_web_books_segment, pst_web_books_mark, pst_web_books_figures, pst_web_books_close, pst_web_books_close_old,
    pst_web_books_none, pst_web_books_end;

/* largest.html */
extern const pst_piece_t
    pst_web_largest, pst_web_largest_rows, pst_web_largest_open, pst_web_largest_close, pst_web_largest_none,
    pst_web_sizes, pst_web_sizes_all, pst_web_sizes_handler, pst_web_sizes_handler_none, pst_web_sizes_handler_other,
    pst_web_sizes_vhost, pst_web_sizes_vhost_none, pst_web_sizes_vhost_other, pst_web_sizes_figures,
    pst_web_sizes_bar, pst_web_sizes_close;

/* doctor.html */
extern const pst_piece_t
    pst_web_doctor, pst_web_doctor_finding, pst_web_doctor_more, pst_web_doctor_end,
    pst_web_doctor_none, pst_web_doctor_young, pst_web_doctor_begun, pst_web_doctor_no_record;

/* generations.html */
extern const pst_piece_t
    pst_web_generations, pst_web_generations_rows, pst_web_generation_open, pst_web_generation_close,
    pst_web_generation_growth, pst_web_generation_step, pst_web_generation_step_none, pst_web_generation_growth_end,
    pst_web_generations_end;

/* misuses.html */
extern const pst_piece_t
    pst_web_misuses, pst_web_misuse_open, pst_web_misuse_stack, pst_web_misuse_frame, pst_web_misuse_stack_end,
    pst_web_misuse_close, pst_web_misuses_end;

/* losses.html */
extern const pst_piece_t
    pst_web_losses, pst_web_loss_open, pst_web_loss_request, pst_web_loss_close, pst_web_losses_end;

/* segments.html */
extern const pst_piece_t
    pst_web_segments, pst_web_segment_row, pst_web_segments_end, pst_web_segments_more, pst_web_segments_close;

/* relatives.html */
extern const pst_piece_t
    pst_web_relatives, pst_web_relatives_rows, pst_web_relative_open, pst_web_relative_close, pst_web_relatives_end,
    pst_web_relatives_more, pst_web_relatives_cut, pst_web_relatives_close, pst_web_relatives_hidden;

/* checks.html */
extern const pst_piece_t pst_web_checks, pst_web_checks_form, pst_web_checks_end;

/* asked.html */
extern const pst_piece_t pst_web_asked, pst_web_asked_row, pst_web_asked_end;

/* answer.html */
extern const pst_piece_t pst_web_answer, pst_web_answer_end;

/* heap.html */
extern const pst_piece_t pst_web_heap, pst_web_heap_form, pst_web_heap_child, pst_web_heap_form_end, pst_web_heap_end;

/* parts.html */
extern const pst_piece_t pst_web_parts_row, pst_web_parts_row_end, pst_web_parts, pst_web_parts_module,
    pst_web_parts_others, pst_web_parts_end;

/* urls.html */
extern const pst_piece_t
    pst_web_urls, pst_web_urls_child, pst_web_urls_rows, pst_web_url_all, pst_web_url_open, pst_web_url_unread,
    pst_web_url_close, pst_web_urls_vhosts, pst_web_urls_handlers, pst_web_url_group, pst_web_url_group_none,
    pst_web_urls_end;

/* release.html */
extern const pst_piece_t pst_web_release, pst_web_release_note, pst_web_release_form, pst_web_release_form_all,
    pst_web_release_form_pid, pst_web_release_children, pst_web_release_table, pst_web_release_heads,
    pst_web_release_head_ask, pst_web_release_body, pst_web_release_child, pst_web_release_row, pst_web_release_outcome,
    pst_web_release_never, pst_web_release_ask, pst_web_release_row_end, pst_web_release_pending, pst_web_release_gone,
    pst_web_release_end, pst_web_released, pst_web_released_end;

/* server_status.html */
extern const pst_piece_t
    pst_web_status, pst_web_status_link, pst_web_status_table, pst_web_status_cell, pst_web_status_table_end,
    pst_web_status_list, pst_web_status_item, pst_web_status_list_end, pst_web_status_none;

/* whole files, each with a checksum for its ETag; dygraph.min.js is not our file: the Makefile says where it is */
extern const pst_piece_t pst_web_style_css, pst_web_chart_js, pst_web_dygraph_min_js;
extern const char pst_web_style_css_tag[], pst_web_chart_js_tag[], pst_web_dygraph_min_js_tag[];

#endif /* PST_WEB_H */
