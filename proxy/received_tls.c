/*
 * received_tls.c: the header's layout. Every text that comes from outside is neutered and cut, so
 * that the header has an upper bound and no line of it comes near 998 bytes.
 */
#include "proxy/received_tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 255

/* Fixed words of all lines; every text of the summary; two names in the first line and two in the
 * certificate's; the date; the line that data_stream may add. */
_Static_assert(400 + sizeof(struct tls_summary) - 2 * 256 + 4 * NAME_MAX_LENGTH +
                       CLIENT_ADDRESS_TEXT_MAX + 64 + 18 <=
                   RECEIVED_TLS_RESERVE,
               "RECEIVED_TLS_MAX is too small");

/* The header as it grows. */
struct header_text {
    char *out;
    size_t length;
};

/* Append formatted text. */
__attribute__((format(printf, 2, 3))) static void put(struct header_text *text, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = RECEIVED_TLS_MAX - text->length;
    int length = vsnprintf(text->out + text->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        text->length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

/* NAME with only what host names and address literals are made of. */
static void neuter_name(const char *name, char out[NAME_MAX_LENGTH + 1])
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz.:-_[]";
    size_t length = 0;
    for (; length < NAME_MAX_LENGTH && name[length] != '\0'; length++) {
        out[length] = name[length];
        if (strchr(allowed, name[length]) == NULL) {
            out[length] = '?';
        }
    }
    out[length] = '\0';
}

/* TEXT for use in a comment: printable ASCII, no backslash, parentheses balanced by adding what is
 * missing; room for the missing ones is kept when the text has to be cut. */
static void neuter_comment(const char *text, char out[NAME_MAX_LENGTH + 1])
{
    size_t open = 0;
    size_t length = 0;
    for (; *text != '\0'; text++) {
        char c = *text;
        if (c < ' ' || c > '~' || c == '\\' || (c == ')' && open == 0)) {
            c = '?';
        }
        if (length + open + (c == '(' ? 2 : c == ')' ? 0 : 1) > NAME_MAX_LENGTH) {
            break;
        }
        open += c == '(';
        open -= c == ')';
        out[length++] = c;
    }
    memset(out + length, ')', open);
    out[length + open] = '\0';
}

/* "(using ...", over as many lines as Postfix takes. */
static void put_protection(struct header_text *text, const struct tls_summary *summary)
{
    put(text, "\t(using %s with cipher %s (%d/%d bits)", summary->protocol, summary->cipher,
        summary->cipher_bits, summary->cipher_algorithm_bits);
    if (summary->key_exchange[0] != '\0') {
        put(text, "\r\n\t key-exchange %s", summary->key_exchange);
    }
    if (summary->server_signature[0] != '\0') {
        put(text, "%s server-signature %s", summary->key_exchange[0] != '\0' ? "" : "\r\n\t",
            summary->server_signature);
        if (summary->server_digest[0] != '\0') {
            put(text, " server-digest %s", summary->server_digest);
        }
    }
    if (summary->client_signature[0] != '\0') {
        put(text, "\r\n\t client-signature %s", summary->client_signature);
        if (summary->client_digest[0] != '\0') {
            put(text, " client-digest %s", summary->client_digest);
        }
    }
    put(text, ")\r\n");
}

/* What the client showed of itself. */
static void put_certificate(struct header_text *text, const struct tls_summary *summary,
                            bool ask_ccert)
{
    if (summary->peer == TLS_PEER_ANONYMOUS) {
        put(text, ask_ccert ? "\t(Client did not present a certificate)"
                            : "\t(No client certificate requested)");
        return;
    }
    char name[NAME_MAX_LENGTH + 1];
    char issuer[NAME_MAX_LENGTH + 1];
    neuter_comment(summary->client_cn, name);
    neuter_comment(summary->client_issuer, issuer);
    put(text, "\t(Client CN \"%s\", Issuer \"%s\" (%s))", name, issuer,
        summary->peer == TLS_PEER_TRUSTED ? "verified OK" : "not verified");
}

/* The time zone's name can be anything that TZ says. */
static bool is_zone_name(const char *zone)
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz+-";
    size_t length = strlen(zone);
    return length > 0 && length <= 16 && strspn(zone, allowed) == length;
}

/* "Sun, 22 Nov 2026 01:30:54 +0000 (UTC)", in English whatever the locale. */
static void put_date(struct header_text *text, time_t now)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    if (localtime_r(&now, &tm) == NULL) {
        memset(&tm, 0, sizeof tm);
        tm.tm_mday = 1;
    }
    long minutes = labs(tm.tm_gmtoff) / 60;
    put(text, "%s, %02d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday,
        months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
        tm.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
    if (tm.tm_zone != NULL && is_zone_name(tm.tm_zone)) {
        put(text, " (%s)", tm.tm_zone);
    }
}

size_t received_tls_format(const struct received_tls *values, char out[RECEIVED_TLS_MAX])
{
    struct header_text text = {.out = out};
    char helo[NAME_MAX_LENGTH + 1];
    char address[CLIENT_ADDRESS_TEXT_MAX];
    neuter_name(values->helo != NULL && values->helo[0] != '\0' ? values->helo : "unknown", helo);
    put(&text, "Received-TLS: from %s ([%s%s]) by %.*s\r\n", helo,
        values->client->family == AF_INET6 ? "IPv6:" : "",
        client_address_text(values->client, address), NAME_MAX_LENGTH, values->hostname);
    if (values->summary != NULL) {
        put_protection(&text, values->summary);
        put_certificate(&text, values->summary, values->ask_ccert);
    } else {
        put(&text, "\t(no TLS)");
    }
    put(&text, "; ");
    put_date(&text, values->now);
    put(&text, "\r\n");
    return text.length;
}
