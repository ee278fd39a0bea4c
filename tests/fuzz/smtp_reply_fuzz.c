/*
 * smtp_reply_fuzz.c: replies cut at every byte, against a reference that reads line by line; and
 * the same bytes as an EHLO reply.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/capabilities.h"
#include "proxy/smtp_reply.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "smtp_reply: %s\n", what);
        abort();
    }
}

/* Length of the reply at the start of TEXT if it is complete and well-formed; else 0. */
static size_t reference(const char *text, size_t length, int *code)
{
    size_t at = 0;
    *code = 0;
    for (;;) {
        size_t end = at;
        while (end < length && text[end] != '\n') {
            if (text[end++] == '\0') {
                return 0;
            }
        }
        if (end == length || end - at < 3) {
            return 0;
        }
        for (size_t i = at; i < at + 3; i++) {
            if (!isdigit((unsigned char)text[i])) {
                return 0;
            }
        }
        int line_code = atoi((const char[]){text[at], text[at + 1], text[at + 2], '\0'});
        int plain = text[at + 3] == '\n' || (text[at + 3] == '\r' && text[at + 4] == '\n');
        if (line_code < 200 || line_code > 599 || (*code != 0 && *code != line_code) ||
            (!plain && text[at + 3] != ' ' && text[at + 3] != '-')) {
            return 0;
        }
        *code = line_code;
        if (text[at + 3] != '-') {
            return end + 1;
        }
        at = end + 1;
    }
}

static void check_normalized(const char *text, const struct smtp_reply *reply)
{
    char *out = malloc(2 * reply->length + 2);
    check(out != NULL, "out of memory");
    size_t length = smtp_reply_normalize(text, reply, out);
    check(length <= 2 * reply->length + 2, "normalized length");
    for (size_t i = 0; i < length; i++) {
        check(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'), "bare LF");
        check(out[i] != '\r' || (i + 1 < length && out[i + 1] == '\n'), "lone CR");
    }
    struct smtp_reply again;
    check(smtp_reply_parse(out, length, &again) == SMTP_REPLY_DONE && again.length == length &&
              again.code == reply->code,
          "the normalized reply is another one");
    free(out);
}

/* The reply made from what was learned must be a reply, without what must not be offered. */
static void check_capabilities(const char *text, size_t length)
{
    struct capabilities *capabilities = malloc(sizeof *capabilities);
    char *out = malloc(CAPABILITIES_REPLY_MAX + 1);
    check(capabilities != NULL && out != NULL, "out of memory");
    capabilities_parse(capabilities, text, length);
    struct capabilities_view view = {
        .hostname = "mx.example", .starttls = length % 2, .hide_auth = length % 3, .reserve = 2048};
    size_t produced = capabilities_reply(capabilities, &view, out);
    check(produced > 0 && produced <= CAPABILITIES_REPLY_MAX, "EHLO reply length");
    struct smtp_reply reply;
    check(smtp_reply_parse(out, produced, &reply) == SMTP_REPLY_DONE && reply.length == produced &&
              reply.code == 250,
          "EHLO reply is none");
    out[produced] = '\0';
    static const char *const never[] = {"XCLIENT ", "XCLIENT\r", "XFORWARD ", "XFORWARD\r"};
    int starttls = 0;
    for (char *line = strchr(out, '\n') + 1; *line != '\0'; line = strchr(line, '\n') + 1) {
        for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
            check(strncasecmp(line + 4, never[i], strlen(never[i])) != 0, "is offered");
        }
        starttls += strncasecmp(line + 4, "STARTTLS\r", 9) == 0;
    }
    check(starttls == view.starttls, "STARTTLS");
    free(out);
    free(capabilities);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) {
        return 0;
    }
    int code = 0;
    char *terminated = calloc(1, size + 8);
    check(terminated != NULL, "out of memory");
    if (size > 0) {
        memcpy(terminated, data, size);
    }
    size_t expected = reference(terminated, size, &code);
    int over = 0;
    for (size_t length = 0; length <= size; length++) {
        char *text = malloc(length);
        check(length == 0 || text != NULL, "out of memory");
        if (length > 0) {
            memcpy(text, data, length);
        }
        struct smtp_reply reply;
        enum smtp_reply_status status = smtp_reply_parse(text, length, &reply);
        check(!over || status != SMTP_REPLY_MORE, "a verdict was taken back");
        check((status == SMTP_REPLY_DONE) == (expected > 0 && length >= expected), "verdict");
        check(status != SMTP_REPLY_BAD || reply.error != NULL, "no error text");
        if (status == SMTP_REPLY_DONE) {
            check(reply.length == expected && reply.code == code, "code or length");
            if (!over) {
                check_normalized(text, &reply);
            }
        }
        over |= status != SMTP_REPLY_MORE;
        free(text);
    }
    check_capabilities(terminated, size);
    free(terminated);
    return 0;
}
