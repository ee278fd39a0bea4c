/*
 * smtp_command_fuzz.c: command lines: what is forwarded has one meaning, numbers add up.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/smtp_command.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "smtp_command: %s\n", what);
        abort();
    }
}

/* The verb as the word before the first blank, found the slow way. */
static void check_verb(const char *line, const struct smtp_command *command)
{
    char word[16] = "";
    int fits = sscanf(line, "%15s", word) == 1 && strlen(word) < 15;
    check(command->empty == (word[0] == '\0'), "empty");
    for (int verb = 0; verb < SMTP_VERB_COUNT; verb++) {
        int same = fits && verb != SMTP_UNKNOWN &&
                   strcasecmp(word, smtp_verb_name((enum smtp_verb)verb)) == 0;
        check(!same || command->verb == (enum smtp_verb)verb, "verb was missed");
        check(same || verb == SMTP_UNKNOWN || command->verb != (enum smtp_verb)verb,
              "verb was made up");
    }
}

static void check_bdat(const struct smtp_command *command, const char *args)
{
    uint64_t size = 0;
    bool last = false;
    if (smtp_bdat_parse(command, &size, &last) != 0) {
        return;
    }
    char expected[64];
    size_t zeros = strspn(args, "0");
    zeros -= zeros > 0 && !isdigit((unsigned char)args[zeros]);
    int length = snprintf(expected, sizeof expected, "%" PRIu64, size);
    check(size <= INT64_MAX, "BDAT size");
    check(strncmp(args + zeros, expected, (size_t)length) == 0, "BDAT number");
    args += zeros + (size_t)length;
    args += strspn(args, " \t\v\f");
    check(last ? strcasecmp(args, "LAST") == 0 : *args == '\0', "BDAT LAST");
}

static void check_add(const char *line, size_t length)
{
    char out[8192];
    size_t same = smtp_mail_add_size(line, length, 0, out, sizeof out);
    check(same <= length && same > 0, "adding nothing made it longer");
    size_t more = smtp_mail_add_size(line, length, 1234567, out, sizeof out);
    check(more >= same && more <= length + 24, "length");
    check(smtp_mail_add_size(line, length, UINT64_MAX, out, more) <= more, "overflow");
    if (length > 1) {
        check(smtp_mail_add_size(line, length, 1, out, 1) <= 1, "capacity");
    }
    if (more != length) {
        check(strcasestr(line, "SIZE=") != NULL, "changed without SIZE");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) {
        return 0;
    }
    char *line = malloc(size + 1);
    check(line != NULL, "out of memory");
    memcpy(line, data, size);
    struct smtp_command command;
    char *exact = malloc(size);
    check(size == 0 || exact != NULL, "out of memory");
    if (size > 0) {
        memcpy(exact, data, size);
        smtp_command_parse(exact, size, &command); /* for the sanitizer: no byte behind the end */
    }
    smtp_command_parse(line, size, &command);
    check(command.length <= size, "length");
    check(command.args >= line && command.args + command.args_length == line + command.length,
          "arguments");
    line[command.length] = '\0';
    check(strlen(line) == command.length && strpbrk(line, "\r\n") == NULL, "not safe");
    check_verb(line, &command);
    check_bdat(&command, command.args);
    if (command.length > 0) {
        check_add(line, command.length);
    }
    struct smtp_command repeated;
    smtp_command_parse(line, command.length, &repeated);
    check(repeated.verb == command.verb && repeated.length == command.length &&
              repeated.args == command.args,
          "not the same when parsed again");
    free(exact);
    free(line);
    return 0;
}
