/*
 * maincf.c: reader of main.cf syntax. Pure: no file is opened, no state is kept.
 */
#include "policy/maincf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/logical_line.h"
#include "policy/text.h"

/* Where the reader is. */
struct reader {
    const char *file_name;
    struct logical_lines lines;
    unsigned errors;
    struct maincf *file;
    size_t capacity;
    struct diag *diag;
};

/* Report an error at LINE, with the beginning of the offending text (may be NULL). */
static void report_error(struct reader *reader, unsigned line, const char *what, const char *text)
{
    reader->errors++;
    logical_line_error(reader->diag, reader->file_name, line, what, text);
}

/* Warn where postconf(1) does: "#text" as a word of its own inside a value is data, not a comment.
 */
static void warn_comment(struct reader *reader, unsigned line, const char *value)
{
    for (const char *hash = strchr(value, '#'); hash != NULL; hash = strchr(hash + 1, '#')) {
        if (hash > value && text_is_blank(hash[-1])) {
            diag_warning(reader->diag,
                         "%s, line %u: #comment after other text is not allowed: %.20s...",
                         reader->file_name, line, hash);
            return;
        }
    }
}

/* Append one setting. */
static void add_entry(struct reader *reader, unsigned line, const char *name, size_t name_length,
                      const char *value, size_t value_length)
{
    struct maincf *file = reader->file;

    if (file->count == reader->capacity) {
        reader->capacity = reader->capacity == 0 ? 64 : reader->capacity * 2;
        file->entries = text_resize(file->entries, reader->capacity, sizeof(*file->entries));
    }
    file->entries[file->count++] = (struct maincf_entry){
        .name = text_copy_n(name, name_length),
        .value = text_copy_n(value, value_length),
        .line = line,
    };
}

/* Split one logical line (no NUL inside) into name and value. */
static void parse_logical(struct reader *reader, unsigned line, const char *text)
{
    const char *end = text + strlen(text);
    const char *name_end = text;
    const char *cursor;

    while (*name_end != '\0' && *name_end != '=' && !text_is_blank(*name_end))
        name_end++;
    if (name_end == text) {
        report_error(reader, line, "missing attribute name", text);
        return;
    }
    for (cursor = name_end; text_is_blank(*cursor); cursor++)
        ;
    if (*cursor != '=') {
        report_error(reader, line, "missing '=' after attribute name", text);
        return;
    }
    for (cursor++; text_is_blank(*cursor); cursor++)
        ;
    while (end > cursor && text_is_blank(end[-1]))
        end--;
    add_entry(reader, line, text, (size_t)(name_end - text), cursor, (size_t)(end - cursor));
    warn_comment(reader, line, reader->file->entries[reader->file->count - 1].value);
}

/* A NUL byte anywhere, comments included, says that this is no text file. The first is reported. */
static void check_nul(struct reader *reader)
{
    const char *nul =
        memchr(reader->lines.next, '\0', (size_t)(reader->lines.end - reader->lines.next));
    unsigned line = 1;

    if (nul == NULL)
        return;
    for (const char *p = reader->lines.next; p < nul; p++)
        line += *p == '\n';
    report_error(reader, line, "NUL byte: this is not a text file", NULL);
}

/* Judge one logical line and pass it on. */
static void read_logical(struct reader *reader, unsigned line, const struct text *buffer)
{
    if (memchr(buffer->data, '\0', buffer->length) != NULL)
        return; /* reported by check_nul */
    if (text_is_blank(buffer->data[0]))
        diag_warning(reader->diag,
                     "%s, line %u: logical line must not start with whitespace: \"%.30s%s\"",
                     reader->file_name, line, buffer->data, buffer->length > 30 ? "..." : "");
    else
        parse_logical(reader, line, buffer->data);
}

/* Order by name, and by place in the file among equal names. */
static int compare_entries(const void *left, const void *right)
{
    const struct maincf_entry *a = *(const struct maincf_entry *const *)left;
    const struct maincf_entry *b = *(const struct maincf_entry *const *)right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a > b) - (a < b);
}

/* Order by place in the file. */
static int compare_places(const void *left, const void *right)
{
    const struct maincf_entry *a = *(const struct maincf_entry *const *)left;
    const struct maincf_entry *b = *(const struct maincf_entry *const *)right;

    return (a > b) - (a < b);
}

/* Report settings that the next one of the same name overrides with another value. */
static void warn_overridden(struct reader *reader)
{
    struct maincf *file = reader->file;
    struct maincf_entry **sorted = text_alloc(file->count, sizeof(struct maincf_entry *));
    struct maincf_entry **overridden = text_alloc(file->count, sizeof(struct maincf_entry *));
    unsigned *lines = text_alloc(file->count, sizeof(unsigned));
    size_t count = 0;

    for (size_t i = 0; i < file->count; i++)
        sorted[i] = &file->entries[i];
    qsort(sorted, file->count, sizeof(struct maincf_entry *), compare_entries);
    for (size_t i = 1; i < file->count; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
            strcmp(sorted[i - 1]->value, sorted[i]->value) != 0) {
            overridden[count++] = sorted[i - 1];
            lines[sorted[i - 1] - file->entries] = sorted[i]->line;
        }
    }
    qsort(overridden, count, sizeof(struct maincf_entry *), compare_places);
    for (size_t i = 0; i < count; i++)
        diag_warning(reader->diag, "%s, line %u: overriding earlier entry: %s=%s",
                     reader->file_name, lines[overridden[i] - file->entries], overridden[i]->name,
                     overridden[i]->value);
    free(lines);
    free(overridden);
    free(sorted);
}

int maincf_parse(const char *file_name, const char *text, size_t length, struct maincf *file,
                 struct diag *diag)
{
    struct reader reader = {.file_name = file_name,
                            .lines = {.next = text, .end = text + length},
                            .file = file,
                            .diag = diag};
    struct text buffer = {0};
    unsigned line;

    *file = (struct maincf){0};
    if (length > MAINCF_MAX_SIZE) {
        diag_error(diag, "%s: file too large: at most %zu bytes are read", file_name,
                   MAINCF_MAX_SIZE);
        return -1;
    }
    if (length > 0)
        check_nul(&reader);
    while ((line = logical_line_next(&reader.lines, &buffer)) != 0) {
        if (file->count == MAINCF_MAX_ENTRIES) {
            report_error(&reader, line, "too many settings: at most 100000 are read", NULL);
            break;
        }
        read_logical(&reader, line, &buffer);
        if (reader.errors >= MAINCF_MAX_ERRORS) {
            report_error(&reader, line, "too many errors: the rest was not read", NULL);
            break;
        }
    }
    text_free(&buffer);
    warn_overridden(&reader);
    return reader.errors == 0 ? 0 : -1;
}

void maincf_free(struct maincf *file)
{
    for (size_t i = 0; i < file->count; i++) {
        free(file->entries[i].name);
        free(file->entries[i].value);
    }
    free(file->entries);
    *file = (struct maincf){0};
}
