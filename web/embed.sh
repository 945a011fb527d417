#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Turn the files of web/ into C:   sh web/embed.sh OUTPUT.c FILE...
#
# A .html file is a set of pieces.  A line "<!-- piece NAME -->" begins one, the
# next such line or the file's end ends it; each becomes `pst_web_NAME`.
# Indentation is dropped, and so is the newline after "\" at a line's end.  What
# stands before the first piece is a comment.
# Any other file becomes `pst_web_FILE_EXT` as it is, and `pst_web_FILE_EXT_tag`,
# a checksum for its ETag; only a line that names a source map is left out, since
# browsers would ask us for one.  core/view/pst_web.h declares them all: one that is
# missing on either side fails the build.
#
# POSIX sh, awk and cksum.  Text files only.
set -eu
LC_ALL=C
export LC_ALL

out=$1
shift
part=$out.part
trap 'rm -f "$part"' EXIT

# a line of text inside a C string; "??" could begin a trigraph
quote='function quote(s) { gsub(/\\/, "&&", s); gsub(/"/, "\\\"", s); gsub(/\t/, "\\t", s)
                           gsub(/\?\?/, "?\\?", s); return s }'

printf '/* Made by web/embed.sh: edit the files in web/ instead. */\n#include "pst_web.h"\n' >"$part"
for file in "$@"; do
    case $file in
    *.html)
        awk "$quote"'
            function fail(what) { print FILENAME ":" FNR ": " what >"/dev/stderr"; bad = 1; exit 1 }
            function end() {
                if (name == "") return
                print "    PST_PIECE_PAD;\n_Static_assert(sizeof(text_" name ") == " len " + sizeof(PST_PIECE_PAD), \"awk counts bytes\");"
                if (count) print "static const pst_gap_t gaps_" name "[] = {\n" gaps "};"
                print "const pst_piece_t pst_web_" name " = { text_" name ", " len ", " \
                    (count ? "gaps_" name : "0") ", " count " };"
            }
            # print what is text of it, note where its gaps are
            function line(s,   at, gap) {
                while (at = index(s, "{{")) {
                    text(substr(s, 1, at - 1))
                    s = substr(s, at + 2)
                    at = index(s, "}}")
                    gap = substr(s, 1, at ? at - 1 : 0)
                    if (gap !~ /^[a-z_]+$/) fail("{{ without a name and }}")
                    gaps = gaps "    { " len ", PST_GAP_" (gap in own ? toupper(gap) : "OTHER") ", \"" gap "\" },\n"
                    count++
                    s = substr(s, at + 2)
                }
                text(s)
            }
            function text(s) { len += length(s); printf "%s", quote(s) }
            BEGIN { n = split("key label help value exact zero share", names, " "); while (n) own[names[n--]] }
            /^<!-- piece [a-z_]+ -->$/ {
                end(); name = $3; len = count = 0; gaps = ""
                print "\nstatic const char text_" name "[] = \"\""
                next
            }
            name == "" { next }
            { sub(/^[ \t]+/, "") }
            /^$/ { next }
            { newline = !sub(/\\$/, ""); printf "    \""; line($0); print newline ? "\\n\"" : "\""; len += newline }
            END { if (bad) exit 1; end() }' "$file" >>"$part"
        ;;
    *)
        name=$(basename "$file" | tr -c 'a-zA-Z0-9\n' '_')
        {
            printf '\nstatic const char text_%s[] = ""\n' "$name"
            awk "$quote"'/^\/[\/*]# sourceMappingURL=/ { next } { print "    \"" quote($0) "\\n\"" }' "$file"
            printf ';\nconst pst_piece_t pst_web_%s = { text_%s, sizeof(text_%s) - 1, 0, 0 };\n' "$name" "$name" "$name"
            printf 'const char pst_web_%s_tag[] = "%s";\n' "$name" "$(cksum <"$file" | tr ' ' '-')"
        } >>"$part"
        ;;
    esac
done
mv "$part" "$out"
