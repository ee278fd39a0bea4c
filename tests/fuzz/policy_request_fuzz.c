/*
 * policy_request_fuzz.c: any bytes as a request of Postfix's: however it is cut into pieces it is
 * understood the same, and what is answered is one line that Postfix can read, which never lets
 * pass what a rule demands TLS for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/policy_answer.h"
#include "proxy/policy_request.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "policy_request: %s\n", what);
        abort();
    }
}

/* Parse a copy that ends where the data end. */
static enum policy_request_result parse(const uint8_t *data, size_t size,
                                        struct policy_request *request)
{
    char *copy = malloc(size > 0 ? size : 1);

    check(copy != NULL, "out of memory");
    memcpy(copy, data, size);
    enum policy_request_result result = policy_request_parse(copy, size, request);
    free(copy);
    check((result == POLICY_REQUEST_BAD) == (request->error != NULL), "error text");
    check(result != POLICY_REQUEST_DONE || (request->length > 0 && request->length <= size),
          "length");
    check(memchr(request->sender, '\0', sizeof(request->sender)) != NULL, "sender");
    check(memchr(request->recipient, '\0', sizeof(request->recipient)) != NULL, "recipient");
    check(memchr(request->state, '\0', sizeof(request->state)) != NULL, "state");
    return result;
}

/* Everything demands TLS but mail to free.example from nobody in particular. */
static const struct mail_policy *policy(void)
{
    static const char text[] =
        "recipient_delimiter = +\ngatepost_policy_service_maps = inline:{ { * encrypt } "
        "{ free.example none prepend=X } { from:a@b.example ccert } }\n";
    static struct mail_policy *made;
    struct diag diag = {0};

    if (made == NULL) {
        struct config *config = config_parse("F", text, strlen(text), NULL, 0, &diag);
        check(config != NULL, "configuration");
        made = mail_policy_load(config, &diag);
        check(made != NULL, "rules");
        config_free(config);
    }
    return made;
}

/* The answer for a session in cleartext, and for one that is not known. */
static void check_answers(const struct policy_request *request)
{
    const struct session_facts clear = {.tls = false};
    char out[POLICY_ANSWER_MAX];

    for (int known = 0; known < 2; known++) {
        const struct policy_answer_facts facts = {
            .policy = policy(), .reject_code = 550, .session = known ? &clear : NULL};
        memset(out, 0xa5, sizeof(out));
        const struct mail_rule *rule = policy_answer(&facts, request, out);
        check(memchr(out, '\0', sizeof(out)) != NULL && strchr(out, '\n') == NULL, "answer");
        check(rule != NULL || strcmp(out, "DUNNO") == 0, "an answer by nobody");
        bool passes = strcmp(out, "DUNNO") == 0 || strncmp(out, "PREPEND ", 8) == 0;
        check(!passes ||
                  mail_policy_find(policy(), false, request->recipient)->demand == MAIL_DEMAND_NONE,
              "let pass");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_request whole;
    struct policy_request part;
    enum policy_request_result result = parse(data, size, &whole);

    check(result != POLICY_REQUEST_MORE || size < POLICY_REQUEST_MAX, "waits for ever");
    for (size_t length = 0; length < size && length < 512; length++) {
        enum policy_request_result early = parse(data, length, &part);
        if (early == POLICY_REQUEST_MORE)
            continue;
        check(early == result && part.length == whole.length && part.error == whole.error,
              "the verdict changed");
        break;
    }
    if (result == POLICY_REQUEST_DONE)
        check_answers(&whole);
    return 0;
}
