/*
 * import_write.c: the gatepost.cf is written.
 */
#include "policy/import_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 96

/* Write one paragraph as comment lines. */
static void write_paragraph(FILE *out, const char *text, size_t length)
{
    const char *indent = *text == '-' ? "#   " : "# ";
    size_t column = 0;

    for (size_t i = 0; i < length;) {
        size_t end = i;

        while (end < length && text[end] != ' ')
            end++;
        if (column > 0 && column + 1 + (end - i) > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (end > i) {
            const char *before = column > 0 ? " " : i == 0 ? "# " : indent;

            fputs(before, out);
            fwrite(text + i, 1, end - i, out);
            column += strlen(before) + (end - i);
        }
        i = end < length ? end + 1 : end;
    }
    if (column > 0)
        fputc('\n', out);
}

/* Write paragraphs, each ended by a newline or by the end. */
static void write_paragraphs(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        write_paragraph(out, text, length);
        text += length + (text[length] == '\n');
    }
}

void import_comment(FILE *out, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, format);
    int length = vasprintf(&text, format, ap);
    va_end(ap);
    if (length >= 0)
        write_paragraphs(out, text);
    free(text);
}

/* Write the head of the file. */
static void write_head(const struct import *import, FILE *out)
{
    import_comment(out,
                   "Made by gatepost import from main.cf and master.cf in %s.\n"
                   "A line that is not as it was there, or that does nothing here, has the reason "
                   "above it. At the end stand the commands for that Postfix, each behind \"#$ \".",
                   import->directory);
    fputc('\n', out);
}

/* Write one line, commented out if need be, with the reasons above it. */
static void write_line(const struct import_line *line, bool *gap, FILE *out)
{
    bool reasons = line->reasons.length > 0;

    if (line->fate == IMPORT_STAYS)
        return;
    if (reasons || *gap)
        fputc('\n', out);
    if (reasons)
        write_paragraphs(out, line->reasons.data);
    if (line->fate == IMPORT_KEEP)
        fprintf(out, "%s = %s\n", line->name, line->value);
    else
        fprintf(out, "#%s = %s\n", line->name, line->written);
    *gap = reasons;
}

/* Whether a parameter is for mail that Postfix sends. */
static bool is_client_side(const char *name)
{
    return strncmp(name, "smtp_", 5) == 0 || strncmp(name, "lmtp_", 5) == 0 ||
           strncmp(name, "tlsproxy_client_", 16) == 0;
}

/* Write the names that stay in main.cf, of the one kind or the other. */
static void write_names(const struct import *import, bool client_side, const char *title, FILE *out)
{
    struct text names = {0};

    for (size_t i = 0; i < import->main.count; i++) {
        const struct import_line *line = &import->lines[i];

        if (line->fate == IMPORT_STAYS && is_client_side(line->name) == client_side &&
            import_counts_in_main(import, i))
            text_format(&names, " %s", line->name);
    }
    if (names.length > 0) {
        fputc('\n', out);
        import_comment(out, "%s%s", title, names.data);
    }
    text_free(&names);
}

void import_write(struct import *import, FILE *out)
{
    bool gap = true;

    write_head(import, out);
    import_write_listen(import, out);
    for (size_t i = 0; i < import->count; i++)
        write_line(&import->lines[i], &gap, out);
    write_names(import, true,
                "For the mail that Postfix sends, which gatepost has no part in:", out);
    write_names(import, false, "Postfix's own business, in main.cf as before:", out);
    fputc('\n', out);
    import_write_losses(import, out);
    fputc('\n', out);
    import_write_commands(import, out);
}
