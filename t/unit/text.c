/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: texts in lines that fit, at any width; the word that was meant.
 */
#include "tap.h"
#include "poolstat_nearest.h"
#include "poolstat_text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* All lines of a text, with a bar at the end of each. */
static const char *lines(const char *text, unsigned columns)
{
    static char all[4096];
    char line[256];
    unsigned guard = 0;

    all[0] = '\0';
    while (poolstat_line(line, sizeof(line), &text, columns) && guard++ < 200) {
        strcat(strcat(all, line), "|");
        if (columns && poolstat_columns(line) > columns) {
            strcat(all, " <- too long");
        }
    }
    return all;
}

static void test_lines(void)
{
    is_text(lines("one two  three", 0), "one two  three|", "no bound");
    is_text(lines("one two three", 7), "one two|three|", "a line that fits to its end");
    is_text(lines("one two three", 6), "one|two|three|", "between words");
    is_text(lines("  one   two  ", 4), "one|two|", "blanks at the ends go");
    is_text(lines("", 10), "", "nothing");
    is_text(lines("   ", 10), "", "blanks alone");
    is_text(lines("abcdefghij kl", 4), "abcd|efgh|ij|kl|", "a word that is too long loses nothing");
    is_text(lines("grew 1.2 MiB in 20 s", 9), "grew|1.2 MiB|in 20 s|", "a number keeps its unit");
    is_text(lines("held\x1f" "1.2\x1fMiB + more", 13), "held 1.2 MiB|+ more|", "ties hold");
    is_text(lines("a held\x1f" "1.2\x1fMiB", 9), "a|held 1.2|MiB|", "unless there is no room for all");
    is_text(lines("held 14.5 MiB", 4), "held|14.5|MiB|", "a unit goes alone if it must");
    is_text(lines("ab", 1), "a|b|", "one column");
}

static void test_characters(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8")) {
        ok(1, "no locale with UTF-8 # SKIP");
        return;
    }
    is_text(lines("\xc3\xa4\xc3\xb6 \xc3\xbc", 2), "\xc3\xa4\xc3\xb6|\xc3\xbc|", "characters count, not bytes");
    is_text(lines("\xe6\xbc\xa2\xe5\xad\x97", 3), "\xe6\xbc\xa2|\xe5\xad\x97|", "two columns wide");
    is_text(lines("\xe6\xbc\xa2\xe5", 1), "?|?|", "wider than the line; no character at all");
    setlocale(LC_CTYPE, "C");
    is_text(lines("(r\xc2\xb2 1.00)", 20), "(r2 1.00)|", "r squared is legible where there is no raised two");
    is_text(lines("\xc3\xa4 b", 9), "? b|", "what the locale does not have is one character");
}

static const char *fitted(const char *text, unsigned columns, int right)
{
    static char cell[64];

    ok(poolstat_fit(cell, sizeof(cell), text, columns, right) == strlen(cell), "its length is told");
    return cell;
}

/* A cell is as wide as it must be, never a column more or less, whatever is in it. */
static void test_cells(void)
{
    static const char *const texts[] = { "", "a", "abc", "abcdefgh", "\xc3\xa4\xc3\xb6", "\xe6\xbc\xa2\xe5\xad\x97",
                                         "a\xe6\xbc\xa2\xe5\xad\x97" "b", "\xe6\xbc", "a\x01" "b" };
    tally_t wrong = { 0, 0 };
    char cell[64];

    is_text(fitted("abc", 3, 0), "abc", "as wide as the cell");
    is_text(fitted("abcd", 3, 0), "abc", "wider by one");
    is_text(fitted("ab", 3, 0), "ab ", "narrower by one");
    is_text(fitted("ab", 3, 1), " ab", "to the right");
    is_text(fitted("abcd", 3, 1), "abc", "too wide, to the right");
    is_text(fitted("abcd", 0, 0), "abcd", "no width");
    if (!setlocale(LC_CTYPE, "C.UTF-8")) {
        printf("ok %d - no locale with UTF-8 # SKIP\n", ++tap_count);
        return;
    }
    is_text(fitted("a\xe6\xbc\xa2", 2, 0), "a ", "half a character does not stick out");
    is_text(fitted("a\xe6\xbc\xa2", 3, 0), "a\xe6\xbc\xa2", "two columns that fit");
    for (unsigned t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        for (unsigned columns = 1; columns < 12; columns++) {
            for (int right = 0; right < 2; right++) {
                apr_size_t length = poolstat_fit(cell, sizeof(cell), texts[t], columns, right);

                tally(&wrong, poolstat_columns(cell) != columns || length != strlen(cell), t * 100 + columns);
            }
        }
    }
    none_wrong(&wrong, "any text in a cell of any width: exactly as wide");
    setlocale(LC_CTYPE, "C");
}

/* For any text: each line fits, no word is lost or added, and it ends. */
static void test_any(unsigned seed)
{
    static const char letters[] = "ab1M \x1f  9";
    tally_t bad = { 0, 0 };

    srand(seed);
    for (unsigned round = 0; round < 20000; round++) {
        char text[64], line[64], out[160] = "", in[80] = "";
        const char *left = text;
        unsigned length = (unsigned)rand() % 60, columns = 1 + (unsigned)rand() % 20, guard = 0;

        for (unsigned i = 0; i < length; i++) {
            text[i] = letters[(unsigned)rand() % (sizeof(letters) - 1)];
        }
        text[length] = '\0';
        while (poolstat_line(line, sizeof(line), &left, columns)) {
            strcat(out, line);
            tally(&bad, poolstat_columns(line) > columns || ++guard > 64, round);
        }
        for (unsigned i = 0, n = 0; i < length; i++) {
            if (text[i] != ' ' && text[i] != POOLSTAT_TIE) {
                in[n++] = text[i];
                in[n] = '\0';
            }
        }
        for (char *from = out, *to = out; ; from++) {
            if (*from != ' ') {
                *to++ = *from;
            }
            if (!*from) {
                break;
            }
        }
        tally(&bad, strcmp(in, out) != 0, round);
    }
    none_wrong(&bad, "20,000 texts: lines fit, nothing is lost");
}

static const char *nearest(const char *typed)
{
    static const char *const words[] = { "top", "json", "history", "watch", "" };
    poolstat_nearest_t found;

    poolstat_nearest(&found, typed);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        poolstat_nearest_to(&found, words[i]);
    }
    return found.word ? found.word : "(none)";
}

static void test_nearest(void)
{
    char long_word[200];

    memset(long_word, 't', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    is_text(nearest("tpo"), "top", "two letters swapped");
    is_text(nearest("tops"), "top", "one too many");
    is_text(nearest("jso"), "json", "one that lacks");
    is_text(nearest("wotch"), "watch", "a wrong one");
    is_text(nearest("hist"), "history", "a beginning");
    is_text(nearest("h"), "(none)", "one letter is no beginning");
    is_text(nearest("nothing"), "(none)", "near to none");
    is_text(nearest(""), "(none)", "nothing typed");
    is_text(nearest(long_word), "(none)", "too long");
}

int main(int argc, char **argv)
{
    test_lines();
    test_characters();
    test_cells();
    test_any(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
    test_nearest();
    return done();
}
