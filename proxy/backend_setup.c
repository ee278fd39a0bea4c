#include "proxy/backend_setup.h"

/* Send the client's own HELO or EHLO, or RSET: any command whose reply shows that the hand-off was
 * understood. */
static void setup_hello(struct backend_setup *setup, const struct backend_setup_words *words,
                        struct buffer *out)
{
    setup->stage = BACKEND_SETUP_HELLO;
    if (words->helo == NULL)
        buffer_append(out, "RSET\r\n", 6);
    else
        buffer_printf(out, "%s %s\r\n", words->esmtp ? "EHLO" : "HELO", words->helo);
}

bool backend_setup_begin(struct backend_setup *setup, const struct backend_setup_words *words,
                         struct buffer *out)
{
    unsigned char proxy2[HANDOFF_HEADER_MAX];
    char proxy1[HANDOFF_HEADER_MAX];
    size_t length = 0;

    setup->stage = BACKEND_SETUP_GREETING;
    switch (words->handoff) {
    case HANDOFF_PROXY2:
        length = handoff_proxy2(words->client, words->server, proxy2);
        buffer_append(out, (const char *)proxy2, length);
        return length > 0;
    case HANDOFF_PROXY1:
        length = handoff_proxy1(words->client, words->server, proxy1);
        buffer_append(out, proxy1, length);
        return length > 0;
    case HANDOFF_XCLIENT:
    case HANDOFF_NONE:
        break;
    }
    return true;
}

/* The backend's own greeting: go on with XCLIENT or with the client's words. */
static enum backend_setup_result setup_greeting(struct backend_setup *setup,
                                                const struct backend_setup_words *words, int code,
                                                struct buffer *out)
{
    if (code >= 400)
        return BACKEND_SETUP_REFUSED;
    if (code != 220)
        return BACKEND_SETUP_BROKEN;
    if (words->handoff == HANDOFF_XCLIENT && words->client != NULL) {
        setup->stage = BACKEND_SETUP_XCLIENT_EHLO;
        buffer_printf(out, "EHLO %s\r\n", words->hostname);
    } else {
        setup_hello(setup, words, out);
    }
    return BACKEND_SETUP_MORE;
}

/* The reply to gatepost's own EHLO: XCLIENT must be there, with the attributes that matter. */
static enum backend_setup_result setup_xclient(struct backend_setup *setup,
                                               const struct backend_setup_words *words, int code,
                                               struct buffer *out,
                                               struct capabilities *capabilities)
{
    char command[HANDOFF_XCLIENT_MAX];
    size_t length = 0;

    if (code >= 400 && code < 500)
        return BACKEND_SETUP_REFUSED;
    if (code == 250 && capabilities->xclient)
        length = handoff_xclient(words->client, words->helo, words->esmtp,
                                 capabilities->xclient_attributes, command);
    if (length == 0)
        return BACKEND_SETUP_UNTOLD;
    setup->stage = BACKEND_SETUP_XCLIENT;
    buffer_append(out, command, length);
    return BACKEND_SETUP_MORE;
}

enum backend_setup_result backend_setup_reply(struct backend_setup *setup,
                                              const struct backend_setup_words *words, int code,
                                              const char *text, size_t length, struct buffer *out,
                                              struct capabilities *capabilities)
{
    bool ehlo = setup->stage == BACKEND_SETUP_XCLIENT_EHLO ||
                (setup->stage == BACKEND_SETUP_HELLO && words->helo != NULL && words->esmtp);

    if (ehlo && code == 250)
        capabilities_parse(capabilities, text, length);
    switch (setup->stage) {
    case BACKEND_SETUP_GREETING:
        return setup_greeting(setup, words, code, out);
    case BACKEND_SETUP_XCLIENT_EHLO:
        return setup_xclient(setup, words, code, out, capabilities);
    case BACKEND_SETUP_XCLIENT:
        if (code >= 500)
            return BACKEND_SETUP_UNTOLD;
        if (code >= 400)
            return BACKEND_SETUP_REFUSED;
        if (code != 220)
            return BACKEND_SETUP_BROKEN;
        setup_hello(setup, words, out);
        return BACKEND_SETUP_MORE;
    case BACKEND_SETUP_HELLO:
        break;
    }
    if (code == 250)
        return BACKEND_SETUP_READY;
    if (code < 400)
        return BACKEND_SETUP_BROKEN;
    /* A complaint where EHLO's reply was due may be about the PROXY header, which a backend that
     * does not expect one reads as commands; but those would not be refused for the time being. */
    return code >= 500 && (words->handoff == HANDOFF_PROXY1 || words->handoff == HANDOFF_PROXY2)
               ? BACKEND_SETUP_UNTOLD
               : BACKEND_SETUP_REFUSED;
}

const char *backend_setup_stage_name(const struct backend_setup *setup)
{
    switch (setup->stage) {
    case BACKEND_SETUP_GREETING:
        return "greeting";
    case BACKEND_SETUP_XCLIENT_EHLO:
        return "reply to EHLO before XCLIENT";
    case BACKEND_SETUP_XCLIENT:
        return "greeting after XCLIENT";
    case BACKEND_SETUP_HELLO:
        break;
    }
    return "reply to HELO or EHLO";
}
