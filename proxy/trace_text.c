#include "proxy/trace_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trace_put(struct trace_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = text->capacity - text->length;
    int length = vsnprintf(text->out + text->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        text->length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

const char *trace_name(const char *name, char out[TRACE_NAME_MAX + 1])
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz.:-_[]";
    size_t length = 0;
    if (name == NULL || name[0] == '\0') {
        name = "unknown";
    }
    for (; length < TRACE_NAME_MAX && name[length] != '\0'; length++) {
        out[length] = name[length];
        if (strchr(allowed, name[length]) == NULL) {
            out[length] = '?';
        }
    }
    out[length] = '\0';
    return out;
}

const char *trace_comment(const char *text, char out[TRACE_NAME_MAX + 1])
{
    size_t open = 0;
    size_t length = 0;
    for (; *text != '\0'; text++) {
        char c = *text;
        if (c < ' ' || c > '~' || c == '\\' || (c == ')' && open == 0)) {
            c = '?';
        }
        if (length + open + (c == '(' ? 2 : c == ')' ? 0 : 1) > TRACE_NAME_MAX) {
            break;
        }
        open += c == '(';
        open -= c == ')';
        out[length++] = c;
    }
    memset(out + length, ')', open);
    out[length + open] = '\0';
    return out;
}

/* "(using ...", over as many lines as Postfix takes. */
static void put_protection(struct trace_text *text, const struct tls_summary *summary)
{
    trace_put(text, "\t(using %s with cipher %s (%d/%d bits)", summary->protocol, summary->cipher,
              summary->cipher_bits, summary->cipher_algorithm_bits);
    if (summary->key_exchange[0] != '\0') {
        trace_put(text, "\r\n\t key-exchange %s", summary->key_exchange);
    }
    if (summary->server_signature[0] != '\0') {
        trace_put(text, "%s server-signature %s", summary->key_exchange[0] != '\0' ? "" : "\r\n\t",
                  summary->server_signature);
        if (summary->server_digest[0] != '\0') {
            trace_put(text, " server-digest %s", summary->server_digest);
        }
    }
    if (summary->client_signature[0] != '\0') {
        trace_put(text, "\r\n\t client-signature %s", summary->client_signature);
        if (summary->client_digest[0] != '\0') {
            trace_put(text, " client-digest %s", summary->client_digest);
        }
    }
    trace_put(text, ")\r\n");
}

/* What the client showed of itself. */
static void put_certificate(struct trace_text *text, const struct tls_summary *summary,
                            bool ask_ccert)
{
    if (summary->peer == TLS_PEER_ANONYMOUS) {
        trace_put(text, ask_ccert ? "\t(Client did not present a certificate)"
                                  : "\t(No client certificate requested)");
        return;
    }
    char name[TRACE_NAME_MAX + 1];
    char issuer[TRACE_NAME_MAX + 1];
    trace_put(text, "\t(Client CN \"%s\", Issuer \"%s\" (%s))",
              trace_comment(summary->client_cn, name),
              trace_comment(summary->client_issuer, issuer),
              summary->peer == TLS_PEER_TRUSTED ? "verified OK" : "not verified");
}

void trace_put_protection(struct trace_text *text, const struct tls_summary *summary,
                          bool ask_ccert)
{
    put_protection(text, summary);
    put_certificate(text, summary, ask_ccert);
}

/* The time zone's name can be anything that TZ says. */
static bool is_zone_name(const char *zone)
{
    static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz+-";
    size_t length = strlen(zone);
    return length > 0 && length <= 16 && strspn(zone, allowed) == length;
}

void trace_put_date(struct trace_text *text, time_t now)
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
    trace_put(text, "%s, %02d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday,
              months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
              tm.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
    if (tm.tm_zone != NULL && is_zone_name(tm.tm_zone)) {
        trace_put(text, " (%s)", tm.tm_zone);
    }
}
