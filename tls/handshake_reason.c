/*
 * handshake_reason.c: see handshake_reason.h. What the client said itself counts most (an alert),
 * then what is known about the end, then what its ClientHello lacks, and in the end the library's
 * own words.
 */
#include "tls/handshake_reason.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tls/hello_words.h"

#define PROTOCOL_VERSION 70 /* alert */

#define REASON(id, name) name,
static const char *const names[] = {
#include "tls/handshake_reasons.def"
};
#undef REASON

const char *tls_failure_name(enum tls_failure kind)
{
    return names[kind];
}

enum tls_failure tls_failure_find(const char *name)
{
    int kind = TLS_FAILURE_COUNT - 1;
    while (kind > TLS_FAILURE_NONE && strcmp(names[kind], name) != 0) {
        kind--;
    }
    return (enum tls_failure)kind;
}

/* ", after ServerHello" and the like. */
static void add_stage(struct words *words, const struct tls_evidence *evidence)
{
    switch (evidence->stage) {
    case TLS_STAGE_BEGIN:
        words_add(words, evidence->first_length == 0 ? " after %s" : " within its ClientHello",
                  evidence->began);
        break;
    case TLS_STAGE_HELLO:
        words_add(words, " after its ClientHello");
        break;
    case TLS_STAGE_RETRY:
        words_add(words, " after HelloRetryRequest");
        break;
    case TLS_STAGE_SERVER_HELLO:
        words_add(words, " after ServerHello");
        break;
    case TLS_STAGE_CLIENT_REPLY:
        words_add(words, " within its answer to ServerHello");
        break;
    }
}

/* An alert came. */
static void explain_alert(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    static const struct {
        int number;
        bool certificate;
        const char *words;
    } alerts[] = {
#define ALERT(number, certificate, words) {number, certificate, words},
#include "tls/alerts.def"
#undef ALERT
    };
    size_t i = 0;
    while (i < sizeof alerts / sizeof alerts[0] && alerts[i].number != evidence->alert) {
        i++;
    }
    bool known = i < sizeof alerts / sizeof alerts[0];
    bool answered = evidence->stage >= TLS_STAGE_SERVER_HELLO;
    bool certificate = known && alerts[i].certificate && answered;
    bool version = evidence->alert == PROTOCOL_VERSION && answered;
    struct words words = words_begin(reason, certificate ? TLS_FAILURE_CERTIFICATE_REFUSED
                                             : version   ? TLS_FAILURE_PROTOCOL_TOO_NEW
                                             : evidence->alert == 0 ? TLS_FAILURE_CLIENT_CLOSED
                                                                    : TLS_FAILURE_CLIENT_ALERT);
    if (certificate) {
        words_add(&words, "refused our certificate: %s (alert)", alerts[i].words);
        return;
    }
    struct tls_evidence place = *evidence;
    place.first_length = 0; /* the alert itself is no part of a ClientHello */
    words_add(&words, evidence->alert == 0 ? "gave up" : "refused to go on");
    add_stage(&words, &place);
    if (known) {
        words_add(&words, ": %s (alert)", alerts[i].words);
    } else {
        words_add(&words, ": alert %d", evidence->alert);
    }
    if (version) {
        words_add(&words, "; ");
        words_add_policy(&words, evidence->offer);
        words_add(&words, " allows %s at most", hello_version_words(evidence->offer->max_version));
    }
}

/* The connection is gone. */
static void explain_end(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    struct words words = words_begin(reason, TLS_FAILURE_CLIENT_CLOSED);
    bool silent = evidence->stage == TLS_STAGE_BEGIN && evidence->first_length == 0;
    words_add(&words, evidence->error == 0 ? "closed%s" : "lost the connection%s",
              silent && evidence->error == 0 ? " without a word" : "");
    add_stage(&words, evidence);
    if (evidence->stage == TLS_STAGE_SERVER_HELLO && evidence->error == 0) {
        words_add(&words, " (tickets? certificate?)");
    }
    if (evidence->error != 0) {
        words_add(&words, ": %s", strerror(evidence->error));
    }
}

static void explain_timeout(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    struct words words = words_begin(reason, TLS_FAILURE_TIMEOUT);
    words_add(&words, "said nothing in time");
    if (evidence->stage == TLS_STAGE_BEGIN && evidence->first_length > 0) {
        words_add(&words, " but a part of its ClientHello");
    } else {
        add_stage(&words, evidence);
    }
}

/* The protocol that these bytes are the beginning of; NULL: who knows. */
static const char *foreign_protocol(const char *first)
{
    static const struct {
        const char *begin;
        const char *words;
    } rows[] = {
        {"EHLO", "SMTP"},  {"HELO", "SMTP"},
        {"MAIL", "SMTP"},  {"RCPT", "SMTP"},
        {"DATA", "SMTP"},  {"RSET", "SMTP"},
        {"NOOP", "SMTP"},  {"QUIT", "SMTP"},
        {"AUTH", "SMTP"},  {"VRFY", "SMTP"},
        {"XCLIE", "SMTP"}, {"START", "SMTP"},
        {"LHLO", "LMTP"},  {"GET ", "HTTP"},
        {"POST ", "HTTP"}, {"HEAD ", "HTTP"},
        {"PUT ", "HTTP"},  {"OPTIO", "HTTP"},
        {"CONNE", "HTTP"}, {"PRI *", "HTTP"},
        {"SSH-", "SSH"},   {"PROXY", "the PROXY protocol"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strncasecmp(first, rows[i].begin, strlen(rows[i].begin)) == 0) {
            return rows[i].words;
        }
    }
    return NULL;
}

/* SSL 2.0's own CLIENT-HELLO, for nothing newer. */
static bool is_ssl2(const uint8_t *first, size_t length)
{
    return length >= 5 && (first[0] & 0x80) != 0 && first[2] == 1 && first[3] == 0 && first[4] == 2;
}

/* No ClientHello, but other bytes. True if they tell what went wrong. */
static bool explain_first(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    char first[17] = "";
    size_t length = evidence->first_length < 16 ? evidence->first_length : 16;
    const uint8_t *bytes = evidence->first;
    if (evidence->stage != TLS_STAGE_BEGIN || length == 0) {
        return false;
    }
    if (is_ssl2(bytes, length)) {
        struct words words = words_begin(reason, TLS_FAILURE_PROTOCOL_TOO_OLD);
        words_add(&words, "offers SSL 2.0 only; ");
        words_add_policy(&words, evidence->offer);
        words_add(&words, " needs %s", hello_version_words(evidence->offer->min_version));
        return true;
    }
    if ((bytes[0] & 0xfc) == 0x14 && (length < 2 || bytes[1] == 3)) {
        return false; /* a record of TLS */
    }
    memcpy(first, bytes, length);
    const char *protocol = foreign_protocol(first);
    struct words words = words_begin(reason, TLS_FAILURE_NOT_TLS);
    words_add(&words, "%s%s where TLS was expected",
              protocol != NULL ? "spoke " : "sent bytes that are not TLS",
              protocol != NULL ? protocol : "");
    size_t word = 0;
    while (word < length && isalpha(bytes[word])) {
        word++;
    }
    if (protocol != NULL && word > 0 && word < 5) { /* the library reads no more than 5 bytes */
        words_add(&words, " (%.*s)", (int)word, first);
    }
    return true;
}

/* Does LIBRARY tell of what this server could not do? */
static bool is_own_fault(const char *library)
{
    static const char *const reasons[] = {"private key operation failed", "internal error",
                                          "malloc failure", "no certificate set"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(library, reasons[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Does LIBRARY tell of bytes that it could not read? */
static bool is_about_syntax(const char *library)
{
    static const char *const hints[] = {
        "decode",    "pars",       "illegal", "malformed", "length",  "extension", "too long",
        "too large", "unexpected", "empty",   "duplicate", "missing", "bad packet"};
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (strstr(library, hints[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Does LIBRARY tell of the client's certificate, or of what it signed with it? */
static bool is_about_ccert(const char *library)
{
    return strstr(library, "certificate") != NULL || strstr(library, "signature") != NULL ||
           strstr(library, "cert ") != NULL;
}

/* The library's words are all there is. */
static void explain_library(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    const char *library = evidence->library != NULL ? evidence->library : "unknown error";
    bool answered = evidence->stage == TLS_STAGE_CLIENT_REPLY;
    if (strcmp(library, "no suitable signature algorithm") == 0) {
        /* Libraries before SSL_CREDENTIAL choose the suite first, and do not go back. */
        struct words words = words_begin(reason, TLS_FAILURE_NO_CERTIFICATE_TYPE);
        words_add(&words, "cannot verify what our certificate's key signs (signature_algorithms)");
        return;
    }
    enum tls_failure kind = answered && is_about_ccert(library) ? TLS_FAILURE_CCERT_REJECTED
                            : is_about_syntax(library)          ? TLS_FAILURE_MALFORMED
                                                                : TLS_FAILURE_OTHER;
    struct words words = words_begin(reason, kind);
    words_add(&words, kind == TLS_FAILURE_CCERT_REJECTED ? "sent a client certificate that cannot "
                                                           "be used: "
                      : kind == TLS_FAILURE_MALFORMED    ? "sent what cannot be read as TLS: "
                                                         : "");
    words_add_bytes(&words, (const uint8_t *)library, strlen(library));
    if (kind != TLS_FAILURE_CCERT_REJECTED) {
        words_add(&words, ",");
        add_stage(&words, evidence);
    }
}

/* The library refused to go on. */
static void explain_error(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    if (explain_first(evidence, reason)) {
        return;
    }
    if (evidence->library != NULL && is_own_fault(evidence->library)) {
        struct words words = words_begin(reason, TLS_FAILURE_SERVER_KEY);
        words_add(&words, "not the client's fault: this server could not go on (%s)",
                  evidence->library);
        return;
    }
    if (evidence->hello != NULL && evidence->stage != TLS_STAGE_CLIENT_REPLY &&
        tls_hello_explain(evidence->hello, evidence->hello_length, evidence->offer, reason) !=
            TLS_FAILURE_NONE) {
        return;
    }
    explain_library(evidence, reason);
}

void tls_handshake_explain(const struct tls_evidence *evidence, struct tls_failure_reason *reason)
{
    if (evidence->end == TLS_END_TIMEOUT && evidence->waits_for_key) {
        struct words words = words_begin(reason, TLS_FAILURE_SERVER_KEY);
        words_add(&words, "not the client's fault: the key process did not answer in time");
    } else if (evidence->alert != TLS_NO_ALERT) {
        explain_alert(evidence, reason);
    } else if (evidence->end == TLS_END_ERROR) {
        explain_error(evidence, reason);
    } else if (!explain_first(evidence, reason)) {
        if (evidence->end == TLS_END_TIMEOUT) {
            explain_timeout(evidence, reason);
        } else {
            explain_end(evidence, reason);
        }
    }
}

void tls_session_explain(const char *library, struct tls_failure_reason *reason)
{
    const char *alert = strstr(library, "alert ");
    if (strcmp(library, "no renegotiation") == 0) {
        struct words words = words_begin(reason, TLS_FAILURE_RENEGOTIATION);
        words_add(&words, "asked for renegotiation, which is never granted");
    } else if (alert != NULL) {
        struct words words = words_begin(reason, TLS_FAILURE_CLIENT_ALERT);
        words_add(&words, "ended the session: %s (alert)", alert + strlen("alert "));
    } else {
        struct words words = words_begin(reason, TLS_FAILURE_OTHER);
        words_add(&words, "broke TLS within the session: %s", library);
    }
}

void tls_ccert_explain(enum tls_ccert_lack lack, const char *error, const char *place,
                       struct tls_failure_reason *reason)
{
    struct words words = words_begin(reason, lack == TLS_LACKS_CCERT ? TLS_FAILURE_CCERT_MISSING
                                                                     : TLS_FAILURE_CCERT_REJECTED);
    switch (lack) {
    case TLS_LACKS_CCERT:
        words_add(&words, "showed no client certificate; ");
        break;
    case TLS_LACKS_TRUST:
        words_add(&words, "its client certificate is not trusted%s%s; ", *error != '\0' ? ": " : "",
                  error);
        break;
    case TLS_LACKS_MATCH:
        words_add(&words, "its client certificate's fingerprint is not in the list; ");
        break;
    }
    words_add_policy(&words, &(struct tls_offer){.place = place});
    words_add(&words, lack == TLS_LACKS_CCERT   ? " demands one"
                      : lack == TLS_LACKS_TRUST ? " demands one of a known authority"
                                                : " has match=");
}
