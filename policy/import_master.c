/*
 * import_master.c: reader of master.cf syntax. Pure: no file is opened, no state is kept.
 */
#include "policy/import_master.h"

#include <stdlib.h>
#include <string.h>

#include "policy/logical_line.h"
#include "policy/text.h"

#define BLANKS " \t\r\n\v\f"

/* Where the reader is. */
struct reader {
    const char *file_name;
    struct logical_lines lines;
    unsigned errors;
    struct master_cf *file;
    size_t capacity;
    struct diag *diag;
};

/* Report what is wrong with the logical line that begins at LINE. Always -1. */
static int report(struct reader *reader, unsigned line, const char *what, const char *text)
{
    reader->errors++;
    logical_line_error(reader->diag, reader->file_name, line, what, text);
    return -1;
}

/* Whether TEXT, braces included, is what stands between one { and the } that closes it. */
static bool is_braced(const char *text, size_t length)
{
    unsigned level = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '{')
            level++;
        else if (text[i] == '}' && (level == 0 || (--level == 0 && i + 1 < length)))
            return false;
    }
    return level == 0;
}

/* A copy without blanks at its ends. */
static char *copy_trimmed(const char *text, size_t length)
{
    while (length > 0 && text_is_blank(*text)) {
        text++;
        length--;
    }
    while (length > 0 && text_is_blank(text[length - 1]))
        length--;
    return text_copy_n(text, length);
}

/* Append "name=value" or "name = value" to the options. */
static int add_option(struct reader *reader, struct master_service *service, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL)
        return report(reader, service->line, "missing '=' after attribute name", text);
    char *name = copy_trimmed(text, (size_t)(equals - text));
    if (*name == '\0' || name[strcspn(name, BLANKS)] != '\0') {
        free(name);
        return report(reader, service->line, "bad attribute name", text);
    }
    if (service->option_count == MASTER_MAX_OPTIONS) {
        free(name);
        return report(reader, service->line, "too many -o options: at most 1000 are read", NULL);
    }
    if ((service->option_count & (service->option_count - 1)) == 0)
        service->options = text_resize(service->options,
                                       service->option_count == 0 ? 1 : service->option_count * 2,
                                       sizeof(*service->options));
    service->options[service->option_count++] =
        (struct master_option){name, copy_trimmed(equals + 1, strlen(equals + 1))};
    return 0;
}

/* Take the next argument, without its braces. NULL at the end; *STATUS is -1 after an error. */
static char *next_argument(struct reader *reader, unsigned line, const char **cursor, int *status)
{
    size_t length;
    const char *word = text_next(cursor, BLANKS, true, &length);

    if (word == NULL)
        return NULL;
    if (*word != '{')
        return text_copy_n(word, length);
    if (is_braced(word, length))
        return copy_trimmed(word + 1, length - 2);
    *status = report(reader, line, "unbalanced braces", word);
    return NULL;
}

/* Take all arguments of the command. */
static int parse_arguments(struct reader *reader, struct master_service *service,
                           const char *cursor)
{
    struct text others = {0};
    int status = 0;
    char *argument;

    while (status == 0 &&
           (argument = next_argument(reader, service->line, &cursor, &status)) != NULL) {
        if (strcmp(argument, "-o") == 0) {
            char *option = next_argument(reader, service->line, &cursor, &status);

            if (option != NULL)
                status = add_option(reader, service, option);
            else if (status == 0)
                status = report(reader, service->line, "nothing follows -o", NULL);
            free(option);
        } else if (strncmp(argument, "-o", 2) == 0) {
            status = add_option(reader, service, argument + 2);
        } else {
            text_format(&others, "%s%s", others.length > 0 ? " " : "", argument);
        }
        free(argument);
    }
    service->others = text_take(&others);
    return status;
}

/* Whether TEXT is one of the words. */
static bool is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

/* Whether TEXT is "-" or begins with a digit, which is all that master(8) looks at. */
static bool is_count(const char *text)
{
    return strcmp(text, "-") == 0 || text_is_digit(*text);
}

/* Check type and columns as master(8) does. */
static int check_columns(struct reader *reader, const struct master_service *service)
{
    static const char *const types[] = {"inet", "unix", "unix-dgram", "fifo", "pass", NULL};
    static const char *const choices[] = {"y", "n", "-", NULL};
    static const char *const wrong[] = {"private: invalid field", "unprivileged: invalid field",
                                        "chroot: invalid field"};

    if (!is_one_of(service->type, types))
        return report(reader, service->line, "invalid transport type", service->type);
    for (int i = MASTER_PRIVATE; i <= MASTER_CHROOT; i++) {
        if (!is_one_of(service->columns[i], choices))
            return report(reader, service->line, wrong[i], service->columns[i]);
    }
    if (strcmp(service->type, "inet") == 0 && strcmp(service->columns[MASTER_PRIVATE], "n") != 0)
        return report(reader, service->line, "an inet service must be non-private", service->name);
    if (!is_count(service->columns[MASTER_WAKEUP]))
        return report(reader, service->line, "invalid wakeup time",
                      service->columns[MASTER_WAKEUP]);
    if (!is_count(service->columns[MASTER_MAXPROC]))
        return report(reader, service->line, "invalid process limit",
                      service->columns[MASTER_MAXPROC]);
    return 0;
}

/* Free what a service owns. */
static void free_service(struct master_service *service)
{
    free(service->name);
    free(service->type);
    for (int i = 0; i < MASTER_COLUMNS; i++)
        free(service->columns[i]);
    free(service->command);
    for (size_t i = 0; i < service->option_count; i++) {
        free(service->options[i].name);
        free(service->options[i].value);
    }
    free(service->options);
    free(service->others);
}

/* Parse one logical line into SERVICE, which is freed by the caller in any case. */
static int parse_fields(struct reader *reader, const char *text, struct master_service *service)
{
    char **fields[] = {&service->name,       &service->type,       &service->columns[0],
                       &service->columns[1], &service->columns[2], &service->columns[3],
                       &service->columns[4], &service->command};
    const char *cursor = text;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t length;
        const char *word = text_next(&cursor, BLANKS, false, &length);

        if (word == NULL)
            return report(reader, service->line, "too few fields", text);
        *fields[i] = text_copy_n(word, length);
    }
    if (check_columns(reader, service) != 0)
        return -1;
    return parse_arguments(reader, service, cursor);
}

/* Judge one logical line and append its service. */
static void parse_logical(struct reader *reader, unsigned line, const struct text *buffer)
{
    struct master_cf *file = reader->file;
    struct master_service service = {.line = line};

    if (text_is_blank(buffer->data[0])) {
        diag_warning(reader->diag,
                     "%s, line %u: logical line must not start with whitespace: \"%.30s%s\"",
                     reader->file_name, line, buffer->data, buffer->length > 30 ? "..." : "");
        return;
    }
    if (parse_fields(reader, buffer->data, &service) != 0) {
        free_service(&service);
        return;
    }
    if (file->count == reader->capacity) {
        reader->capacity = reader->capacity == 0 ? 32 : reader->capacity * 2;
        file->services = text_resize(file->services, reader->capacity, sizeof(*file->services));
    }
    file->services[file->count++] = service;
}

int master_cf_parse(const char *file_name, const char *text, size_t length, struct master_cf *file,
                    struct diag *diag)
{
    struct reader reader = {.file_name = file_name,
                            .lines = {.next = text, .end = text + length},
                            .file = file,
                            .diag = diag};
    struct text buffer = {0};
    unsigned line;

    *file = (struct master_cf){0};
    if (length > MASTER_MAX_SIZE)
        return report(&reader, 1, "file too large: at most 4 MB are read", NULL);
    if (length > 0 && memchr(text, '\0', length) != NULL)
        return report(&reader, 1, "NUL byte: this is not a text file", NULL);
    while ((line = logical_line_next(&reader.lines, &buffer)) != 0) {
        if (file->count == MASTER_MAX_SERVICES) {
            report(&reader, line, "too many services: at most 4096 are read", NULL);
            break;
        }
        parse_logical(&reader, line, &buffer);
        if (reader.errors >= MASTER_MAX_ERRORS) {
            report(&reader, line, "too many errors: the rest was not read", NULL);
            break;
        }
    }
    text_free(&buffer);
    return reader.errors == 0 ? 0 : -1;
}

void master_cf_free(struct master_cf *file)
{
    for (size_t i = 0; i < file->count; i++)
        free_service(&file->services[i]);
    free(file->services);
    *file = (struct master_cf){0};
}

const char *master_service_option(const struct master_service *service, const char *name)
{
    for (size_t i = service->option_count; i > 0; i--) {
        if (strcmp(service->options[i - 1].name, name) == 0)
            return service->options[i - 1].value;
    }
    return NULL;
}

const struct master_service *master_cf_find(const struct master_cf *file, const char *name,
                                            const char *type)
{
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->services[i].name, name) == 0 && strcmp(file->services[i].type, type) == 0)
            return &file->services[i];
    }
    return NULL;
}
