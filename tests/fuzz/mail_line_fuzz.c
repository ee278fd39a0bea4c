/*
 * mail_line_fuzz.c: any bytes as a line of gatepost_policy_service_maps: a mistake has a message,
 * and what was understood is a demand that holds together.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/mail_line.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "mail_line: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mail_line line;
    char error[256] = "";
    char *exact = malloc(size > 0 ? size : 1);

    check(exact != NULL, "out of memory");
    memcpy(exact, data, size);
    int status = mail_line_parse(exact, size, &line, error, sizeof(error));
    free(exact);
    check((status == 0) == (*error == '\0'), "message");
    if (status != 0)
        return 0;
    const struct policy_settings *settings = &line.attributes.settings;
    check(strlen(line.pattern) > 0 && strcspn(line.pattern, " \t\r\n,") == strlen(line.pattern),
          "pattern");
    check(line.demand <= MAIL_DEMAND_CCERT, "demand");
    check(settings->match == NULL || line.demand == MAIL_DEMAND_CCERT, "match");
    check(settings->protocols == NULL || line.demand != MAIL_DEMAND_NONE, "protocols");
    check(strcspn(line.prepend, ": \r\n") == strlen(line.prepend), "prepend");
    return 0;
}
