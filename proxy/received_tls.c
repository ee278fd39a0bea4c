/*
 * received_tls.c: the header's layout. Every text that comes from outside is neutered and cut, so
 * that the header has an upper bound and no line of it comes near 998 bytes.
 */
#include "proxy/received_tls.h"

#include "proxy/trace_text.h"

/* Fixed words; two names in the first line; the line that data_stream may add. */
_Static_assert(100 + TRACE_PROTECTION_MAX + 2 * (size_t)TRACE_NAME_MAX + CLIENT_ADDRESS_TEXT_MAX +
                       TRACE_DATE_MAX + 18 <=
                   RECEIVED_TLS_RESERVE,
               "RECEIVED_TLS_MAX is too small");

size_t received_tls_format(const struct received_tls *values, char out[RECEIVED_TLS_MAX])
{
    struct trace_text text = {.out = out, .capacity = RECEIVED_TLS_MAX};
    char helo[TRACE_NAME_MAX + 1];
    char address[CLIENT_ADDRESS_TEXT_MAX];
    trace_put(&text, "Received-TLS: from %s ([%s%s]) by %.*s\r\n", trace_name(values->helo, helo),
              values->client->family == AF_INET6 ? "IPv6:" : "",
              client_address_text(values->client, address), TRACE_NAME_MAX, values->hostname);
    if (values->summary != NULL) {
        trace_put_protection(&text, values->summary, values->ask_ccert);
    } else {
        trace_put(&text, "\t(no TLS)");
    }
    trace_put(&text, "; ");
    trace_put_date(&text, values->now);
    trace_put(&text, "\r\n");
    return text.length;
}
