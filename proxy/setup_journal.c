#include "proxy/setup_journal.h"

#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#define HEAD "gatepost setup 1"

/* Where the parser is. */
struct parser {
    struct setup_journal *journal;
    const char *error; /* NULL: none yet */
    bool headed;
};

/* LINE without "WORD ", or NULL if it begins otherwise. */
static const char *after(const char *line, const char *word)
{
    size_t length = strlen(word);

    return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

/* A command, which may be given once. */
static void take_command(struct parser *parser, char **command, const char *text)
{
    if (*command != NULL || *text == '\0')
        parser->error = "a command twice, or empty";
    else
        *command = text_copy(text);
}

/* A number of at most 32 bits and the blank behind it; *CURSOR is behind that. */
static bool take_number(const char **cursor, int base, unsigned long *number)
{
    char *end;

    if (**cursor < '0' || **cursor > '9')
        return false;
    *number = strtoul(*cursor, &end, base);
    if (*end != ' ' || *number > 0xffffffffUL)
        return false;
    *cursor = end + 1;
    return true;
}

/* A file; TEXT is its path, with mode and owner before it if it EXISTED. */
static void take_file(struct parser *parser, bool existed, const char *text)
{
    struct setup_journal *journal = parser->journal;
    unsigned long mode = 0, uid = 0, gid = 0;

    if (existed && !(take_number(&text, 8, &mode) && take_number(&text, 10, &uid) &&
                     take_number(&text, 10, &gid) && mode <= 07777))
        parser->error = "mode, user and group wanted";
    else if (*text != '/')
        parser->error = "an absolute path wanted";
    else if (journal->count == SETUP_FILES_MAX)
        parser->error = "too many files";
    else
        journal->files[journal->count++] = (struct setup_file){.path = text_copy(text),
                                                               .existed = existed,
                                                               .mode = (mode_t)mode,
                                                               .uid = (uid_t)uid,
                                                               .gid = (gid_t)gid};
}

/* Host and port, which may be given once. */
static void take_listener(struct parser *parser, const char *text)
{
    struct setup_journal *journal = parser->journal;
    size_t length = strcspn(text, " ");

    if (journal->host != NULL || length == 0 || text[length] == '\0' || text[length + 1] == '\0') {
        parser->error = "host and port wanted, once";
        return;
    }
    journal->host = text_copy_n(text, length);
    journal->port = text_copy(text + length + 1);
}

/* One line, without its end. */
static void take_line(struct parser *parser, const char *line)
{
    struct setup_journal *journal = parser->journal;
    const char *rest;

    if (!parser->headed) {
        parser->headed = strcmp(line, HEAD) == 0;
        if (!parser->headed)
            parser->error = "\"" HEAD "\" wanted";
    } else if ((rest = after(line, "reload")) != NULL) {
        take_command(parser, &journal->reload, rest);
    } else if ((rest = after(line, "stop")) != NULL) {
        take_command(parser, &journal->stop, rest);
    } else if ((rest = after(line, "listener")) != NULL) {
        take_listener(parser, rest);
    } else if ((rest = after(line, "kept")) != NULL) {
        take_file(parser, true, rest);
    } else if ((rest = after(line, "made")) != NULL) {
        take_file(parser, false, rest);
    } else if (strcmp(line, "complete") == 0) {
        journal->complete = true;
    } else {
        parser->error = "unknown word";
    }
}

/* What must be there at the end. */
static const char *missing(const struct parser *parser)
{
    if (!parser->headed || parser->journal->reload == NULL || parser->journal->stop == NULL ||
        parser->journal->host == NULL)
        return "the head, two commands and a listener wanted";
    return NULL;
}

int setup_journal_parse(const char *file_name, const char *text, size_t length,
                        struct setup_journal *journal, struct diag *diag)
{
    struct parser parser = {.journal = journal};
    unsigned number = 0;

    *journal = (struct setup_journal){0};
    if (length > SETUP_JOURNAL_MAX_SIZE || memchr(text, '\0', length) != NULL)
        parser.error = "no journal of gatepost setup";
    while (length > 0 && parser.error == NULL) {
        const char *end = memchr(text, '\n', length);

        number++;
        if (end == NULL) {
            parser.error = "the last line is not complete";
            break;
        }
        char *line = text_copy_n(text, (size_t)(end - text));
        take_line(&parser, line);
        free(line);
        length -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    if (parser.error == NULL)
        parser.error = missing(&parser);
    if (parser.error == NULL)
        return 0;
    diag_error(diag, "%s, line %u: %s", file_name, number, parser.error);
    setup_journal_free(journal);
    return -1;
}

void setup_journal_write(const struct setup_journal *journal, FILE *out)
{
    fprintf(out, HEAD "\nreload %s\nstop %s\nlistener %s %s\n", journal->reload, journal->stop,
            journal->host, journal->port);
    for (size_t i = 0; i < journal->count; i++) {
        const struct setup_file *file = &journal->files[i];

        if (file->existed)
            fprintf(out, "kept %04o %u %u %s\n", (unsigned)file->mode, (unsigned)file->uid,
                    (unsigned)file->gid, file->path);
        else
            fprintf(out, "made %s\n", file->path);
    }
    if (journal->complete)
        fputs("complete\n", out);
}

void setup_journal_free(struct setup_journal *journal)
{
    free(journal->reload);
    free(journal->stop);
    free(journal->host);
    free(journal->port);
    for (size_t i = 0; i < journal->count; i++)
        free(journal->files[i].path);
    *journal = (struct setup_journal){0};
}
