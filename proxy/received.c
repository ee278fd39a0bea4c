#include "proxy/received.h"

#include <string.h>

#include "proxy/message_id.h"
#include "proxy/trace_text.h"

/* Fixed words; two names. */
_Static_assert(120 + TRACE_PROTECTION_MAX + 2 * (size_t)TRACE_NAME_MAX + CLIENT_ADDRESS_TEXT_MAX +
                       MESSAGE_ID_MAX + RECEIVED_MORE_MAX + TRACE_DATE_MAX <=
                   RECEIVED_MAX,
               "RECEIVED_MAX is too small");

const char *received_protocol(const struct received *values)
{
    static const char *const plain[] = {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"};
    static const char *const utf8[] = {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
    unsigned which = (values->summary != NULL ? 2u : 0u) + (values->authenticated ? 1u : 0u);

    if (!values->esmtp)
        return "SMTP";
    return values->utf8 ? utf8[which] : plain[which];
}

/* Whether ADDRESS is a dot-string and a domain or address literal: then it means in a header what
 * it means in RCPT. */
static bool is_plain_address(const char *address)
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "!#$%&'*+-/=?^_`{|}~.@[]:";
    size_t length = strlen(address);

    return length > 0 && length <= RECEIVED_RECIPIENT_MAX && strspn(address, allowed) == length;
}

size_t received_format(const struct received *values, char out[RECEIVED_MAX])
{
    struct trace_text text = {.out = out, .capacity = RECEIVED_MAX};
    char helo[TRACE_NAME_MAX + 1];
    char address[CLIENT_ADDRESS_TEXT_MAX];

    trace_put(&text, "Received: from %s (unknown [%s%s])\r\n", trace_name(values->helo, helo),
              values->client->family == AF_INET6 ? "IPv6:" : "",
              client_address_text(values->client, address));
    if (values->summary != NULL) {
        trace_put_protection(&text, values->summary, values->ask_ccert);
        trace_put(&text, "\r\n");
    }
    trace_put(&text, "\tby %.*s (gatepost) with %s id %s", TRACE_NAME_MAX, values->hostname,
              received_protocol(values), values->id);
    if (values->recipient != NULL && is_plain_address(values->recipient))
        trace_put(&text, "\r\n\tfor <%s>; ", values->recipient);
    else
        trace_put(&text, ";\r\n\t");
    trace_put_date(&text, values->now);
    trace_put(&text, "\r\n");
    return text.length;
}
