/*
 * import_loss.c: what a Postfix that sees cleartext only cannot do any more, as far as this one
 * does it.
 */
#include "policy/import_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_SEPARATORS TEXT_LIST_SEPARATORS "{}"
#define PLAINTEXT_CHECK "reject_plaintext_session"

/* Restrictions, wherever they stand. */
static const struct {
    const char *word;
    enum diag_severity severity;
    const char *text;
} words[] = {
    {"check_ccert_access", DIAG_WARNING,
     "check_ccert_access finds no client certificate and has no effect. match= in "
     "smtpd_tls_policy_maps can demand certificates by their fingerprints"},
    {"check_policy_service", DIAG_INFO,
     "the policy server finds encryption_protocol, encryption_cipher, encryption_keysize, "
     "ccert_subject, ccert_issuer, ccert_fingerprint and ccert_pubkey_fingerprint empty; "
     "gatepost_policy_service can answer for them"},
    {"permit_tls_all_clientcerts", DIAG_WARNING,
     "permit_tls_all_clientcerts permits nobody: clients that relied on it need another "
     "permission, "
     "such as permit_sasl_authenticated or check_client_access"},
    {"permit_tls_clientcerts", DIAG_WARNING,
     "permit_tls_clientcerts permits nobody: clients that relied on it need another permission, "
     "such as permit_sasl_authenticated or check_client_access"},
    {PLAINTEXT_CHECK, DIAG_WARNING,
     "reject_plaintext_session would refuse all mail. The commands below leave it out where "
     "gatepost "
     "refuses mail without TLS: smtpd_tls_security_level = encrypt. For single recipients or "
     "senders gatepost_policy_service does that"},
};

/* Parameters, if they have a value other than these. */
static const struct {
    const char *name;
    const char *unused; /* a value that means: not used, besides the empty one */
    enum diag_severity severity;
    const char *text;
} params[] = {
    {"postscreen_upstream_proxy_protocol", "", DIAG_WARNING,
     "a proxy stands before port 25 already. Until gatepost has smtpd_upstream_proxy_protocol and "
     "gatepost_upstream_proxy_networks, it takes the proxy for the client"},
    {"relay_clientcerts", "", DIAG_WARNING, "no certificate is ever found in it"},
    {"requiretls_enable", "no", DIAG_INFO, "REQUIRETLS (RFC 8689) is not announced"},
    {"smtpd_milter_maps", "", DIAG_INFO,
     "milters find the macros {tls_version}, {cipher}, {cipher_bits}, {cert_subject} and "
     "{cert_issuer} unset"},
    {"smtpd_milters", "", DIAG_INFO,
     "milters find the macros {tls_version}, {cipher}, {cipher_bits}, {cert_subject} and "
     "{cert_issuer} unset"},
    {"smtpd_sasl_tls_security_options", "", DIAG_INFO,
     "smtpd_sasl_security_options holds for all sessions, since none has TLS"},
    {"smtpd_tls_received_header", "no", DIAG_INFO,
     "Received: says nothing on TLS, and ESMTP instead of ESMTPS: read Received-TLS:"},
    {"smtpd_upstream_proxy_protocol", "", DIAG_WARNING,
     "a proxy stands before port 25 already. Until gatepost has smtpd_upstream_proxy_protocol and "
     "gatepost_upstream_proxy_networks, it takes the proxy for the client"},
};

/* Whether WORD stands in VALUE. */
static bool has_word(const char *value, const char *word)
{
    const char *element;
    size_t length;

    while ((element = text_next(&value, WORD_SEPARATORS, false, &length)) != NULL) {
        if (length == strlen(word) && memcmp(element, word, length) == 0)
            return true;
    }
    return false;
}

/* Whether a parameter is a list of restrictions. */
static bool is_restriction_list(struct import *import, const char *name)
{
    static const char end[] = "_restrictions";
    const char *classes = import_value(import, "smtpd_restriction_classes");
    size_t length = strlen(name);

    if (strcmp(name, "local_header_rewrite_clients") == 0)
        return true;
    if (strncmp(name, "smtpd_", 6) == 0 && length > strlen(end) &&
        strcmp(name + length - strlen(end), end) == 0)
        return true;
    return classes != NULL && has_word(classes, name);
}

/* Whether WORD stands in a list, or in what that refers to. */
static bool has_restriction(struct import *import, const char *name, const char *value,
                            const char *word)
{
    char *full = import_full_value(import, name, value);
    bool found = has_word(full, word);

    free(full);
    return found;
}

bool import_checks_plaintext(struct import *import, const char *name, const char *value)
{
    return is_restriction_list(import, name) &&
           has_restriction(import, name, value, PLAINTEXT_CHECK);
}

char *import_without_plaintext_check(struct import *import, const char *name, const char *value)
{
    char *list = has_word(value, PLAINTEXT_CHECK) ? text_copy(value)
                                                  : import_full_value(import, name, value);
    const char *cursor = list;
    struct text out = {0};
    const char *word;
    size_t length;

    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        if (length == strlen(PLAINTEXT_CHECK) && memcmp(word, PLAINTEXT_CHECK, length) == 0)
            continue;
        if (out.length > 0)
            text_add_string(&out, ", ");
        text_add(&out, word, length);
    }
    free(list);
    return text_take(&out);
}

/* Write and report one loss. */
static void add_loss(struct import *import, const struct import_line *line,
                     enum diag_severity severity, const char *text, FILE *out)
{
    if (line->file == NULL)
        return;
    import_comment(out, "- %s (%s, line %u): %s.", line->name, line->file, line->line, text);
    diag_add(import->diag, severity, "%s/%s, line %u: %s: behind gatepost, %s", import->directory,
             line->file, line->line, line->name, text);
}

/* Everything about one line. Returns how much there is. */
static unsigned check_line(struct import *import, const struct import_line *line, FILE *out)
{
    unsigned count = 0;

    bool list = is_restriction_list(import, line->name);

    for (size_t i = 0; list && i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_restriction(import, line->name, line->written, words[i].word)) {
            add_loss(import, line, words[i].severity, words[i].text, out);
            count++;
        }
    }
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        if (strcmp(line->name, params[i].name) == 0 && *line->written != '\0' &&
            strcasecmp(line->written, params[i].unused) != 0) {
            add_loss(import, line, params[i].severity, params[i].text, out);
            count++;
        }
    }
    return count;
}

void import_write_losses(struct import *import, FILE *out)
{
    unsigned count = 0;

    import_comment(out, "What this Postfix does not see any more, since its sessions are cleartext "
                        "now:");
    for (size_t i = 0; i < import->count; i++) {
        if (import->lines[i].effective)
            count += check_line(import, &import->lines[i], out);
    }
    if (count == 0)
        import_comment(out, "- nothing that its configuration makes use of.");
}
